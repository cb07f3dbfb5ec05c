"""The queue of the house: so many at once, in order, visible, and kept over restarts."""

import asyncio
from typing import Any

import pytest

from custom_components.mqtt_ota import queue as queue_module
from custom_components.mqtt_ota.const import DOMAIN
from custom_components.mqtt_ota.ota.state import PATIENCE, State
from homeassistant.components import sensor
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
from tests.board.faults import Faults
from tests.firmware_images import build_app

from .house import House

SLOW = {"rate": 60}


@pytest.fixture
async def full_house(house: House) -> House:
    """Return a house of four slow boards, two of which may be updated at once."""
    house.publish_releases({"version": "1.1.0", "image": build_app(version="1.1.0", size=128 * 1024)})
    for number in range(4):
        await house.add_board(f"relay-{number}", **SLOW)
    await house.refresh()
    await house.until(lambda: all(house.state(f"relay-{number}").state == "on" for number in range(4)))
    return house


async def start(house: House, *numbers: int) -> asyncio.Task[Any]:
    """Ask for the update of boards, and return what waits for their verdicts."""
    targets = [house.entity_id(f"relay-{number}") for number in numbers]
    call = house.hass.services.async_call("update", "install", {"entity_id": targets}, blocking=True)
    task = asyncio.ensure_future(call)
    await house.until(lambda: all(house.members[f"relay-{number}"].active_session is not None for number in numbers))
    return task


def places(house: House) -> list[int | None]:
    return [house.state(f"relay-{number}").attributes["queue_place"] for number in range(4)]


async def test_so_many_run_at_once_and_the_others_show_their_place(full_house: House) -> None:
    house = full_house
    task = await start(house, 0, 1, 2, 3)
    queue = house.entry.runtime_data.sessions.queue
    await house.until(lambda: sorted(place or 0 for place in places(house)) == [0, 0, 1, 2])
    assert (queue.running, len(queue)) == (2, 2)
    waiting = [number for number, place in enumerate(places(house)) if place]
    for number in waiting:
        state = house.state(f"relay-{number}")
        assert state.attributes["in_progress"] is True
        assert (state.attributes["install_state"], state.attributes["waits_for"]) == ("queued", "turn")
    most = 0

    def over() -> bool:
        nonlocal most
        most = max(most, queue.running)
        return task.done()

    await house.until(over)
    await task
    assert most == 2
    assert {house.state(f"relay-{number}").attributes["installed_version"] for number in range(4)} == {"1.1.0"}
    assert places(house) == [None] * 4


async def test_the_queue_survives_a_restart_in_its_order(full_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house = full_house
    monkeypatch.setattr("custom_components.mqtt_ota.sessions.SETTLE", 0.2)
    (await start(house, 3)).cancel()
    (await start(house, 1)).cancel()
    (await start(house, 2)).cancel()
    (await start(house, 0)).cancel()
    await house.until(lambda: house.entry.runtime_data.sessions.queue.running == 2)
    order = [house.members[f"relay-{number}"].active_session.id for number in (2, 0)]  # type: ignore[union-attr]
    await house.reload()
    members = house.members
    assert [members[f"relay-{number}"].active_session.id for number in (2, 0)] == order  # type: ignore[union-attr]
    queue = house.entry.runtime_data.sessions.queue
    assert [queue.place(members[f"relay-{number}"]) for number in (2, 0)] == [1, 2]
    await house.until(lambda: all(member.version == "1.1.0" for member in members.values()))


async def test_a_cancelled_place_is_free_for_the_next(full_house: House) -> None:
    house = full_house
    task = await start(house, 0, 1, 2, 3)
    sessions, members = house.entry.runtime_data.sessions, house.members
    await house.until(lambda: sessions.queue.running == 2)
    first = next(member for member in members.values() if sessions.queue.place(member) == 1)
    running = next(member for member in members.values() if sessions.queue.place(member) is None)
    assert sessions.async_cancel(first)
    assert sessions.queue.place(first) is None
    assert sessions.async_cancel(running)
    assert (sessions.queue.running, len(sessions.queue)) == (2, 0)
    with pytest.raises(Exception, match="cancelled"):
        await task
    assert not sessions.async_cancel(first)


async def test_a_board_that_is_away_holds_no_place(full_house: House) -> None:
    house = full_house
    await house.switch_off(house.boards[0], "relay-0")
    await house.hass.services.async_call("update", "install", {"entity_id": house.entity_id("relay-0")}, blocking=True)
    assert house.state("relay-0").attributes["waits_for"] == "board"
    assert house.entry.runtime_data.sessions.queue.running == 0
    task = await start(house, 1, 2)
    await house.until(lambda: house.entry.runtime_data.sessions.queue.running == 2)
    # Back while both places are taken, it waits for its turn like everybody.
    await house.add_board("relay-0", **SLOW)
    assert house.state("relay-0").attributes["install_state"] in {"queued", "offered", "transferring"}
    await task
    await house.until(lambda: house.members["relay-0"].version == "1.1.0")


async def test_a_low_battery_waits_and_a_charged_one_goes_on(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "LOOK", 0.05)
    await house.add_board()
    device = dr.async_get(house.hass).async_get_device_by_identifier((DOMAIN, "relay-1"), house.entry.entry_id)
    assert device is not None
    battery = er.async_get(house.hass).async_get_or_create(
        "sensor",
        "test",
        "battery",
        device_id=device.id,
        original_device_class=sensor.SensorDeviceClass.BATTERY,
        suggested_object_id="relay_battery",
    )
    house.hass.states.async_set(battery.entity_id, "12")
    task = asyncio.ensure_future(house.install())
    await house.state_is(lambda state: state.attributes["waits_for"] == "battery")
    house.hass.states.async_set(battery.entity_id, "unavailable")
    await task
    assert house.state().attributes["installed_version"] == "1.1.0"


async def test_what_may_pass_is_tried_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("custom_components.mqtt_ota.ota.session.BACK_OFF", 0.05)
    monkeypatch.setitem(PATIENCE, State.OFFERED, 0.05)
    await house.add_board(faults=Faults(silent=True))
    answer = await house.hass.services.async_call(
        DOMAIN,
        "install",
        {"entity_id": house.entity_id(), "retries": 2},
        blocking=True,
        return_response=True,
    )
    board = answer["boards"]["relay-1"]  # type: ignore[index]
    assert (board["result"], board["reason"]) == ("failed", "no_answer")  # type: ignore[index]
    session = house.members["relay-1"].session
    assert session is not None
    assert session.tried == 2
    assert [text for _, text in session.timeline].count("offered") == 3


async def test_nobody_waits_in_an_empty_house(hass: HomeAssistant) -> None:
    queue = queue_module.Queue(2, list, lambda _: None, lambda _member, _session: None)
    queue.async_advance()
    assert (len(queue), queue.running) == (0, 0)
    queue.async_close()

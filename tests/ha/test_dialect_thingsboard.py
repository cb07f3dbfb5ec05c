"""Boards that take Home Assistant for a ThingsBoard, from the card to the verdict, and their bad days."""

from collections.abc import AsyncIterator
from functools import partial
import json
from pathlib import Path
from typing import Any

import pytest

from custom_components.mqtt_ota import sessions
from custom_components.mqtt_ota.ota import session as session_module
from custom_components.mqtt_ota.ota.dialects import thingsboard
from custom_components.mqtt_ota.ota.session import Session, State
from custom_components.mqtt_ota.ota.state import PATIENCE
from homeassistant.components import mqtt
from homeassistant.components.mqtt import client
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from tests.firmware_images import build_app
from tests.seeds.faults import Faults
from tests.seeds.settings import Settings
from tests.seeds.thingsboard import ThingsBoardBoard
from tests.seeds.uploaders import Ear, open_ear

from .house import House, a_house

MEMBER = "thingsboard:hall"
OLD = build_app(version="1.0.0", size=8192, seed=1)
NEW = build_app(version="1.1.0", size=50_000, seed=2)


@pytest.fixture
def settings() -> dict[str, Any]:
    return {"id": "hall"}


@pytest.fixture
async def house(
    hass: HomeAssistant,
    tmp_path: Path,
    settings: dict[str, Any],
    socket_enabled: None,
    mock_hass_config: None,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[House]:
    monkeypatch.setattr(thingsboard, "SILENT", 1.0)
    monkeypatch.setattr(thingsboard, "AGAIN_WITHIN", 0.5)
    for state in (State.OFFERED, State.TRANSFERRING, State.VERIFYING, State.REBOOTING):
        monkeypatch.setitem(PATIENCE, state, 1.0)
    monkeypatch.setattr(session_module, "DOUBT", 0.5)
    monkeypatch.setattr(client, "RECONNECT_INTERVAL_SECONDS", 1)
    monkeypatch.setattr(sessions, "SETTLE", 0.1)
    monkeypatch.setattr(sessions, "BROKER_GONE", 0.1)
    async with a_house(hass, tmp_path, dialects=({"dialect": "thingsboard"} | settings,), model="lamp") as house:
        await publish(house, "1.1.0", NEW)
        yield house


@pytest.fixture
async def ear(house: House) -> AsyncIterator[Ear]:
    opened = open_ear(house.broker.port)
    yield await house.hass.async_add_executor_job(opened.__enter__)
    await house.hass.async_add_executor_job(opened.__exit__, None, None, None)


async def publish(house: House, version: str, image: bytes) -> None:
    house.publish_releases({"version": version, "image": image})
    await house.refresh()
    # What boards say is not retained: whoever does not listen yet misses it.
    await house.until(lambda: house.entry.runtime_data.sessions._broker.is_heard)


async def switch_on(
    house: House, faults: Faults | None = None, *, board_id: str = "hall", image: bytes = OLD, **options: Any
) -> ThingsBoardBoard:
    """Give a board power and wait until it was told that there is no firmware for it."""
    settings = Settings(host=house.broker.host, port=house.broker.port, client_id=board_id, image=image)
    board = ThingsBoardBoard(settings, faults, **options)
    house.boards.append(board)  # type: ignore[arg-type]
    board.start()
    await told(house, board, "attributes", shared={})
    await house.until(lambda: f"thingsboard:{board_id}" in house.members)
    return board


async def told(house: House, board: ThingsBoardBoard, event: str, **fields: Any) -> Any:
    return await house.told(board, event, **fields)  # type: ignore[arg-type]


def session_of(house: House, member: str = MEMBER) -> Session:
    session = house.members[member].session
    assert session is not None
    return session


async def refused(house: House) -> str:
    """Install, and return why it failed."""
    with pytest.raises(HomeAssistantError) as caught:
        await house.install(MEMBER)
    assert caught.value.translation_key is not None
    return caught.value.translation_key


async def begin(house: House) -> None:
    data = {"entity_id": house.entity_id(MEMBER)}
    await house.hass.services.async_call("update", "install", data, blocking=False)
    await house.until(lambda: house.members[MEMBER].active_session is not None)


async def ended(house: House) -> Session:
    await house.until(lambda: not house.members[MEMBER].is_installing)
    return session_of(house)


async def test_a_board_asks_chunk_by_chunk_and_says_itself_that_it_runs_the_new_version(house: House, ear: Ear) -> None:
    board = await switch_on(house)
    assert (house.members[MEMBER].board.model, house.members[MEMBER].version) == ("lamp", "1.0.0")
    assert board.writes == []
    await house.install(MEMBER)
    assert (board.runs, board.version) == (NEW, "1.1.0")
    assert (session_of(house).state, session_of(house).verified) == (State.CONFIRMED, True)
    assert house.state(MEMBER).attributes["installed_version"] == "1.1.0"
    (offer,) = ear.heard("v1/devices/me/attributes")
    assert json.loads(offer)["fw_title"] == "lamp"
    assert all(one["retain"] is False for one in ear.events.told if one.get("topic", "").startswith("v"))
    # After its restart it asks again, and is told of nothing.
    await told(house, board, "attributes", shared={})
    assert board.flashes == 1


async def test_an_image_of_whole_chunks_has_one_more_that_is_empty(house: House, ear: Ear) -> None:
    image = build_app(version="1.2.0", size=8 * 4096, seed=3)
    await publish(house, "1.2.0", image)
    board = await switch_on(house)
    await house.install(MEMBER)
    assert (board.runs, session_of(house).state) == (image, State.CONFIRMED)
    assert ear.heard("v2/fw/response/2/chunk/8") == [b""]


@pytest.mark.parametrize("settings", [{"prefix": "boards/{id}"}])
async def test_boards_below_prefixes_are_told_apart(house: House) -> None:
    hall = await switch_on(house, prefix="boards/hall")
    attic = await switch_on(house, prefix="boards/attic", board_id="attic")
    await house.install("thingsboard:attic")
    assert (hall.runs, attic.runs) == (OLD, NEW)


async def test_a_version_that_begins_like_the_board_s_own_is_no_news_to_it(house: House) -> None:
    await switch_on(house, image=build_app(version="1.1", size=8192))
    await publish(house, "1.1.5", build_app(version="1.1.5"))
    assert await refused(house) == "install_board_refused"
    assert "1.1.5" in session_of(house).detail


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("Received checksum algorithm (SHA256) is not supported", "board_refused"),
        ("Temporary allocating more internal client buffer failed", "board_failed"),
    ],
)
async def test_each_refusal_ends_the_update_and_says_why(house: House, error: str, reason: str) -> None:
    await switch_on(house, Faults(answer_at=(0, error)))
    assert await refused(house) == f"install_{reason}"
    assert session_of(house).detail == error[:64]


async def test_a_board_without_room_tries_again_by_itself_and_is_given_up(house: House) -> None:
    await switch_on(house, slot_size=20_000)
    assert await refused(house) == "install_board_flash"


async def test_a_wrong_chip_is_found_by_the_board(house: House) -> None:
    board = await switch_on(house, image=build_app("ESP32-C3", version="1.0.0", size=8192), retries=0)
    assert await refused(house) == "install_board_flash"
    assert board.version == "1.0.0"


@pytest.mark.parametrize("fault", ["lose_message", "lose_answer", "repeat_answer"])
@pytest.mark.parametrize("number", [2, 3, 7])
async def test_lost_and_repeated_messages_do_not_matter(house: House, fault: str, number: int) -> None:
    chosen: dict[str, Any] = {fault: number}
    board = await switch_on(house, Faults(**chosen))
    await house.install(MEMBER)
    assert (board.runs, session_of(house).state) == (NEW, State.CONFIRMED)


async def test_a_board_that_falls_silent_is_given_up(house: House) -> None:
    await switch_on(house, Faults(silent_at=4), retries=0)
    assert await refused(house) == "install_stalled"


async def test_a_board_that_is_away_gives_no_answer(house: House) -> None:
    board = await switch_on(house)
    house.boards.remove(board)  # type: ignore[arg-type]
    await house.hass.async_add_executor_job(board.stop)
    assert await refused(house) == "install_no_answer"


async def test_a_board_that_lost_power_in_the_middle_begins_again_by_itself(house: House) -> None:
    board = await switch_on(house, Faults(power_cut=20_000))
    await house.install(MEMBER)
    assert (board.runs, board.boots, session_of(house).state) == (NEW, 3, State.CONFIRMED)


async def test_a_board_that_comes_back_old_was_rolled_back_and_is_not_told_again(house: House) -> None:
    board = await switch_on(house, Faults(comes_back_old=True))
    assert await refused(house) == "install_rolled_back"
    assert board.flashes == 1


async def test_a_board_that_never_comes_back_is_told_of(house: House) -> None:
    await switch_on(house, Faults(never_comes_back=True))
    assert await refused(house) == "install_never_returned"


async def test_what_another_tool_left_is_found_and_cleared_only_when_asked(house: House, ear: Ear) -> None:
    topic = "v1/devices/me/attributes"
    await house.hass.async_add_executor_job(partial(ear.publish, topic, '{"fw_version": "9"}', 1, retain=True))
    await house.reload()
    leftovers = house.entry.runtime_data.fleet.leftovers
    await house.until(lambda: topic in leftovers)
    house.entry.runtime_data.sessions.delivery.async_clear(topic)
    await house.until(lambda: leftovers == {})


async def test_a_restart_of_home_assistant_half_way_goes_on(house: House) -> None:
    board = await switch_on(house, Faults(slow=0.05))
    await begin(house)
    await told(house, board, "asked", chunk=4)
    await house.reload()
    assert (await ended(house)).state is State.CONFIRMED
    assert board.runs == NEW


async def test_a_restart_of_the_broker_half_way_goes_on(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thingsboard, "SILENT", 10.0)
    board = await switch_on(house, Faults(slow=0.05), retries=100)
    await begin(house)
    await told(house, board, "asked", chunk=4)
    await house.hass.async_add_executor_job(house.broker.stop)
    await house.until(lambda: not mqtt.is_connected(house.hass))
    await house.hass.async_add_executor_job(house.broker.start)
    assert (await ended(house)).state is State.CONFIRMED
    assert board.runs == NEW

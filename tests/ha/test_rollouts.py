"""Rollouts and the other actions: a result a board, stopped by what goes wrong, and kept over restarts."""

import asyncio
from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import MockUser, async_capture_events

from custom_components.mqtt_ota import rollouts as rollouts_module
from custom_components.mqtt_ota.const import DOMAIN
from custom_components.mqtt_ota.rollout_actions import _until
from custom_components.mqtt_ota.rollouts import EVENT_ROLLOUT
from homeassistant.const import EVENT_HOMEASSISTANT_STARTED
from homeassistant.core import Context, CoreState, HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError, Unauthorized
from homeassistant.util import dt as dt_util
from tests.board.faults import Faults
from tests.firmware_images import build_app

from .house import PATIENCE, House


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at rollouts again soon, so that nothing waits for the clock."""
    monkeypatch.setattr(rollouts_module, "LOOK_INTERVAL", 0.02)
    monkeypatch.setattr("custom_components.mqtt_ota.ota.rollout.LOOK", 0.05)
    monkeypatch.setattr("custom_components.mqtt_ota.sessions.SETTLE", 0.1)


async def fleet(house: House, count: int = 3, **faults: Faults) -> list[str]:
    """Switch boards on, and return their update entities."""
    for number in range(count):
        name = f"relay-{number}"
        await house.add_board(name, faults=faults.get(f"board_{number}"))
        await house.state_is(lambda state: state.state == "on", name)
    return [house.entity_id(f"relay-{number}") for number in range(count)]


async def act(house: House, action: str, *, response: bool = True, **data: Any) -> Any:
    async with asyncio.timeout(PATIENCE):
        return await house.hass.services.async_call(DOMAIN, action, data, blocking=True, return_response=response)


def results(report: Any) -> dict[str, str]:
    return {key: board["result"] for key, board in report["boards"].items()}


async def test_a_rollout_updates_the_canary_first_and_returns_a_result_a_board(house: House) -> None:
    entities = await fleet(house)
    steps: list[tuple[str, str]] = []
    house.entry.runtime_data.sessions.async_listen(lambda member, _, step: steps.append((member.id, step)))
    events = async_capture_events(house.hass, EVENT_ROLLOUT)
    report = await act(house, "rollout", entity_id=entities, canary=entities[2], stages=["50 %"], at_once=1)
    assert (report["status"], report["cause"]) == ("finished", None)
    assert results(report) == dict.fromkeys(("relay-0", "relay-1", "relay-2"), "confirmed")
    board = report["boards"]["relay-2"]
    assert (board["stage"], board["from_version"], board["version"]) == (0, "1.0.0", "1.1.0")
    assert (board["entity_id"], board["attempts"]) == (entities[2], 1)
    assert board["duration"] is not None
    assert report["totals"] == {"confirmed": 3}
    started = [member_id for member_id, step in steps if step == "started"]
    assert started[0] == "relay-2"
    assert steps.index(("relay-2", "installed")) < steps.index((started[1], "queued"))
    assert [event.data["status"] for event in events] == ["running", "finished"]


async def test_a_canary_that_rolls_back_stops_the_rest_until_somebody_resumes(house: House) -> None:
    entities = await fleet(house, board_1=Faults(comes_back_old=True))
    report = await act(house, "rollout", entity_id=entities, canary=entities[1])
    assert (report["status"], report["cause"]) == ("paused", "rolled_back")
    assert results(report) == {"relay-0": "pending", "relay-1": "rolled_back", "relay-2": "pending"}
    assert all(house.members[name].session is None for name in ("relay-0", "relay-2"))
    resumed = await act(house, "resume_rollout", rollout_id=report["rollout"])
    assert resumed["status"] == "running"
    running = house.entry.runtime_data.rollouts.get(None)
    async with asyncio.timeout(PATIENCE):
        final = await house.entry.runtime_data.rollouts.async_settled(running)
    assert results(final) == {"relay-0": "confirmed", "relay-1": "rolled_back", "relay-2": "confirmed"}


async def test_a_rollout_goes_on_after_a_restart(house: House) -> None:
    entities = await fleet(house)
    await act(house, "rollout", response=False, entity_id=entities, at_once=1)
    rollouts = house.entry.runtime_data.rollouts
    first = rollouts.get(None).rollout.id
    await house.until(lambda: any(member.session is not None for member in house.members.values()))
    await house.refresh()
    running = house.entry.runtime_data.rollouts.get(first)
    async with asyncio.timeout(PATIENCE):
        report = await house.entry.runtime_data.rollouts.async_settled(running)
    assert results(report) == dict.fromkeys(("relay-0", "relay-1", "relay-2"), "confirmed")
    assert {board["attempts"] for board in report["boards"].values()} == {1}
    await house.reload()
    again = await act(house, "get_rollout", rollout_id=first)
    assert (again["status"], again["totals"]) == ("finished", {"confirmed": 3})


async def test_nothing_starts_while_an_entity_is_on(house: House) -> None:
    entities = await fleet(house, 1)
    house.hass.states.async_set("switch.heater", "on")
    await act(house, "rollout", response=False, entity_id=entities, only_while_off="switch.heater")
    running = house.entry.runtime_data.rollouts.get(None)
    looked = running.rollout.looked
    await house.until(lambda: running.rollout.looked > looked)
    assert house.members["relay-0"].session is None
    house.hass.states.async_set("switch.heater", "off")
    async with asyncio.timeout(PATIENCE):
        report = await house.entry.runtime_data.rollouts.async_settled(running)
    assert results(report) == {"relay-0": "confirmed"}


async def test_a_window_that_closes_lets_what_runs_finish_and_starts_nothing(house: House) -> None:
    entities = await fleet(house, board_0=Faults(lose=2))
    later = (dt_util.now() + timedelta(hours=1)).time().replace(microsecond=0)
    await act(house, "rollout", response=False, entity_id=entities, at_once=1, until=later.isoformat())
    rollouts = house.entry.runtime_data.rollouts
    running = rollouts.get(None)
    await house.until(lambda: house.members["relay-0"].session is not None)
    assert 3000 < running.terms.until - dt_util.utcnow().timestamp() <= 3600
    running.terms = replace(running.terms, until=0.0)
    async with asyncio.timeout(PATIENCE):
        report = await rollouts.async_settled(running)
    assert results(report) == {"relay-0": "confirmed", "relay-1": "cancelled", "relay-2": "cancelled"}
    assert report["boards"]["relay-1"]["reason"] == "window_closed"
    assert all(house.members[name].session is None for name in ("relay-1", "relay-2"))


async def test_a_rollout_that_is_cancelled_is_told_once_more_when_its_last_install_is_over(house: House) -> None:
    entities = await fleet(house, 2, board_0=Faults(lose=2))
    events = async_capture_events(house.hass, EVENT_ROLLOUT)
    await act(house, "rollout", response=False, entity_id=entities, at_once=1)
    await house.until(lambda: house.members["relay-0"].session is not None)
    await act(house, "cancel_rollout")
    await house.until(lambda: len(events) == 3)
    told = [(event.data["status"], results(event.data)) for event in events[1:]]
    assert told == [
        ("cancelled", {"relay-0": "installing", "relay-1": "cancelled"}),
        ("cancelled", {"relay-0": "confirmed", "relay-1": "cancelled"}),
    ]


async def test_cancelling_calls_off_the_updates_of_boards_that_are_away(house: House) -> None:
    entities = await fleet(house, 1)
    await house.switch_off(house.boards[0], "relay-0")
    events = async_capture_events(house.hass, EVENT_ROLLOUT)
    waiting = house.hass.async_create_task(act(house, "rollout", entity_id=entities))
    running = house.entry.runtime_data.rollouts.get
    await house.until(lambda: house.members["relay-0"].session is not None)
    await house.until(lambda: house.members["relay-0"].session.state == "waiting")
    await house.until(lambda: running(None).rollout.parts["relay-0"].state == "waiting")
    await act(house, "cancel_rollout")
    assert house.members["relay-0"].session.state == "cancelled"
    assert results(await waiting) == {"relay-0": "cancelled"}
    assert [event.data["status"] for event in events] == ["running", "cancelled"]


async def test_nothing_is_decided_before_home_assistant_has_started(house: House) -> None:
    entities = await fleet(house, 1)
    house.hass.set_state(CoreState.starting)
    await house.reload()
    await act(house, "rollout", response=False, entity_id=entities)
    running = house.entry.runtime_data.rollouts.get(None)
    assert running.rollout.looked is None
    house.hass.set_state(CoreState.running)
    house.hass.bus.async_fire(EVENT_HOMEASSISTANT_STARTED)
    async with asyncio.timeout(PATIENCE):
        report = await house.entry.runtime_data.rollouts.async_settled(running)
    assert results(report) == {"relay-0": "confirmed"}


@pytest.mark.parametrize(
    ("now", "clock", "until"),
    [
        ("2026-10-24T22:30:00+00:00", "05:00", "2026-10-25T04:00:00+00:00"),
        ("2026-10-25T00:10:00+00:00", "02:30", "2026-10-25T00:30:00+00:00"),
        ("2026-10-25T01:10:00+00:00", "02:30", "2026-10-25T01:30:00+00:00"),
        ("2026-03-28T22:30:00+00:00", "05:00", "2026-03-29T03:00:00+00:00"),
        ("2026-03-29T00:30:00+00:00", "02:30", "2026-03-29T01:30:00+00:00"),
        ("2026-07-01T03:00:00+00:00", "05:00", "2026-07-02T03:00:00+00:00"),
    ],
)
async def test_a_window_ends_by_the_clock_on_the_wall(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, now: str, clock: str, until: str
) -> None:
    await hass.config.async_set_time_zone("Europe/Berlin")
    freezer.move_to(now)
    assert _until(time.fromisoformat(clock)) == datetime.fromisoformat(until).timestamp()


async def test_a_board_is_in_one_rollout_at_a_time(house: House) -> None:
    entities = await fleet(house, 2)
    house.hass.states.async_set("switch.heater", "on")
    await act(house, "rollout", response=False, entity_id=entities, only_while_off="switch.heater")
    with pytest.raises(ServiceValidationError) as caught:
        await act(house, "rollout", entity_id=entities[1])
    assert caught.value.translation_key == "in_rollout"
    cancelled = await act(house, "cancel_rollout")
    assert results(cancelled) == {"relay-0": "cancelled", "relay-1": "cancelled"}
    report = await act(house, "rollout", entity_id=entities[1])
    assert results(report) == {"relay-1": "confirmed"}


async def test_pausing_stops_what_is_to_come(house: House) -> None:
    entities = await fleet(house, 2)
    await act(house, "rollout", response=False, entity_id=entities, at_once=1)
    await house.until(lambda: house.members["relay-0"].session is not None)
    paused = await act(house, "pause_rollout")
    assert (paused["status"], paused["cause"]) == ("paused", "user")
    await house.until(lambda: house.members["relay-0"].version == "1.1.0")
    assert house.members["relay-1"].session is None
    await act(house, "resume_rollout", response=False)
    await house.until(lambda: house.members["relay-1"].version == "1.1.0")


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"canary": "update.relay_0_firmware", "canary_by_signal": True}, "policy_invalid"),
        ({"stages": ["a few"]}, "policy_invalid"),
        ({"stages": ["0"]}, "policy_invalid"),
        ({"entity_id": "update.nobody"}, "no_boards_meant"),
        ({"product": "Nothing like it"}, "no_boards_meant"),
    ],
)
async def test_what_makes_no_sense_is_refused_and_begins_nothing(house: House, wrong: Any, key: str) -> None:
    entities = await fleet(house, 1)
    with pytest.raises(ServiceValidationError) as caught:
        await act(house, "rollout", **{"entity_id": entities} | wrong)
    assert caught.value.translation_key == key
    with pytest.raises(ServiceValidationError) as caught:
        await act(house, "get_rollout")
    assert caught.value.translation_key == "no_rollout"


async def test_a_product_is_a_target_of_its_own(house: House) -> None:
    await fleet(house, 2)
    await house.add_board("lamp-1", model="lamp")
    report = await act(house, "rollout", product="Rel*")
    assert results(report) == {"relay-0": "confirmed", "relay-1": "confirmed"}


async def test_boards_with_nothing_to_do_say_so(house: House) -> None:
    entities = await fleet(house, 1)
    await house.add_board("relay-9", version="1.1.0")
    await house.add_board("lamp-1", model="lamp")
    entities += [house.entity_id("relay-9"), house.entity_id("lamp-1")]
    report = await act(house, "rollout", entity_id=entities)
    assert results(report) == {"relay-0": "confirmed", "relay-9": "already_installed", "lamp-1": "no_update"}
    assert report["boards"]["lamp-1"]["reason"] == "no_product"


async def test_installing_returns_what_became_of_each_board(house: House) -> None:
    entities = await fleet(house, board_1=Faults(comes_back_old=True))
    board = house.boards.pop()
    await house.hass.async_add_executor_job(board.stop)
    await house.until(lambda: house.members["relay-2"].availability == "offline")
    answer = await act(house, "install", entity_id=entities, retries=0)
    assert results(answer) == {"relay-0": "confirmed", "relay-1": "rolled_back", "relay-2": "waiting"}
    assert answer["boards"]["relay-0"]["bytes"] == 64 * 1024
    refused = await act(house, "install", entity_id=entities[0])
    assert results(refused) == {"relay-0": "already_installed"}
    busy = await act(house, "install", entity_id=entities[2])
    assert (results(busy), busy["boards"]["relay-2"]["reason"]) == ({"relay-2": "refused"}, "already_installing")
    cancelled = await act(house, "cancel", entity_id=entities)
    assert results(cancelled) == {"relay-0": "nothing_to_do", "relay-1": "nothing_to_do", "relay-2": "cancelled"}


async def test_without_a_response_a_failure_is_raised(house: House) -> None:
    entities = await fleet(house, 2, board_1=Faults(comes_back_old=True))
    with pytest.raises(HomeAssistantError) as caught:
        await act(house, "install", response=False, entity_id=entities, retries=0)
    assert caught.value.translation_key == "some_boards_failed"
    assert caught.value.translation_placeholders == {
        "failed": "1",
        "count": "2",
        "board": house.members["relay-1"].name,
        "reason": "rolled_back",
    }


async def test_trying_again_installs_the_same_version_again(house: House) -> None:
    entities = await fleet(house, 2, board_1=Faults(wrong_digest=True))
    await act(house, "install", entity_id=entities, retries=0)
    await house.switch_off(house.boards[-1], "relay-1")
    await house.add_board("relay-1")
    answer = await act(house, "retry", entity_id=entities)
    assert results(answer) == {"relay-0": "nothing_to_do", "relay-1": "confirmed"}


async def test_only_admins_may_act(house: House, hass_read_only_user: MockUser) -> None:
    entities = await fleet(house, 1)
    for action in ("install", "cancel", "retry", "rollout", "pause_rollout", "resume_rollout", "cancel_rollout"):
        data = {} if "_" in action else {"entity_id": entities}
        with pytest.raises(Unauthorized):
            await house.hass.services.async_call(
                DOMAIN, action, data, blocking=True, context=Context(user_id=hass_read_only_user.id)
            )
    assert house.members["relay-0"].session is None


async def test_actions_say_when_nothing_is_set_up(hass: HomeAssistant, house: House) -> None:
    entities = await fleet(house, 1)
    assert await hass.config_entries.async_unload(house.entry.entry_id)
    with pytest.raises(ServiceValidationError) as caught:
        await act(house, "rollout", entity_id=entities)
    assert caught.value.translation_key == "not_loaded"
    assert await hass.config_entries.async_setup(house.entry.entry_id)


async def test_a_release_must_be_old_enough_where_its_date_is_known(house: House) -> None:
    fresh = (dt_util.utcnow() - timedelta(days=1)).isoformat()
    house.publish_releases(
        {"version": "1.2.0", "published": fresh, "image": build_app(version="1.2.0")},
        {"version": "1.1.0", "published": "2020-01-31", "image": build_app(version="1.1.0")},
    )
    entities = await fleet(house, 1)
    await house.refresh()
    report = await act(house, "rollout", entity_id=entities, min_age="72:00:00")
    assert (results(report), report["boards"]["relay-0"]["version"]) == ({"relay-0": "confirmed"}, "1.1.0")
    house.publish_releases({"version": "1.2.0", "published": fresh, "image": build_app(version="1.2.0")})
    await house.refresh()
    report = await act(house, "rollout", entity_id=entities, min_age="72:00:00")
    assert (results(report), report["boards"]["relay-0"]["reason"]) == ({"relay-0": "no_update"}, "too_fresh")
    report = await act(house, "rollout", entity_id=entities, min_age="01:00:00")
    assert (results(report), report["boards"]["relay-0"]["version"]) == ({"relay-0": "confirmed"}, "1.2.0")


async def test_a_name_has_one_rollout_at_a_time_and_one_in_a_window(house: House) -> None:
    entities = await fleet(house, 2)
    window = {"name": "night", "until": (dt_util.now() + timedelta(hours=1)).strftime("%H:%M:00")}
    first = await act(house, "rollout", entity_id=entities[0], **window)
    assert (first["status"], first["name"]) == ("finished", "night")
    again = await act(house, "rollout", entity_id=entities, **window)
    assert again["rollout"] == first["rollout"]
    assert house.members["relay-1"].session is None
    other = await act(house, "rollout", entity_id=entities[1], name="day")
    assert results(other) == {"relay-1": "confirmed"}


async def test_a_board_that_is_deleted_holds_nothing_up(house: House) -> None:
    entities = await fleet(house, 2)
    house.hass.states.async_set("switch.heater", "on")
    await act(house, "rollout", response=False, entity_id=entities, only_while_off="switch.heater")
    running = house.entry.runtime_data.rollouts.get(None)
    board = house.boards.pop()
    await house.hass.async_add_executor_job(board.stop)
    house.entry.runtime_data.fleet.async_forget("relay-1")
    house.hass.states.async_set("switch.heater", "off")
    async with asyncio.timeout(PATIENCE):
        report = await house.entry.runtime_data.rollouts.async_settled(running)
    assert results(report) == {"relay-0": "confirmed", "relay-1": "no_update"}
    assert report["boards"]["relay-1"]["reason"] == "board_unknown"

"""The blueprints, run by Home Assistant's own automation engine: when a night begins, and what is told of it."""

import asyncio
from datetime import datetime
from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed
import yaml

from custom_components.mqtt_ota import rollouts as rollouts_module
from homeassistant.const import EVENT_HOMEASSISTANT_STARTED
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.util import dt as dt_util
from tests.board.faults import Faults

from .house import PATIENCE, House
from .night import BLUEPRINTS, NIGHT, automate, recorded
from .test_rollouts import fleet


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at rollouts again soon, so that nothing waits for the clock."""
    monkeypatch.setattr(rollouts_module, "LOOK_INTERVAL", 0.02)
    monkeypatch.setattr("custom_components.mqtt_ota.ota.rollout.LOOK", 0.05)
    monkeypatch.setattr("custom_components.mqtt_ota.sessions.SETTLE", 0.1)


@pytest.fixture
def expected_lingering_timers() -> bool:
    """Let an automation keep the timer of its next night."""
    return True


async def pass_to(hass: HomeAssistant, freezer: FrozenDateTimeFactory, moment: str) -> None:
    """Let it become a moment in Berlin, written with its offset."""
    freezer.move_to(datetime.fromisoformat(moment))
    async_fire_time_changed(hass, datetime.fromisoformat(moment))
    await hass.async_block_till_done()


async def restart(hass: HomeAssistant) -> None:
    """Let the automations be armed anew, as at a start of Home Assistant."""
    await hass.services.async_call("automation", "turn_off", {"entity_id": NIGHT}, blocking=True)
    hass.set_state(CoreState.starting)
    await hass.services.async_call("automation", "turn_on", {"entity_id": NIGHT}, blocking=True)
    hass.set_state(CoreState.running)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STARTED)
    await hass.async_block_till_done()


def test_a_blueprint_says_where_it_came_from() -> None:
    for path in BLUEPRINTS.glob("*.yaml"):
        text = path.read_text().replace("!input", "")
        url = yaml.safe_load(text)["blueprint"]["source_url"]
        assert url.endswith(f"/main/custom_components/mqtt_ota/blueprints/automation/mqtt_ota/{path.name}")


@pytest.mark.parametrize(
    ("before", "begin"),
    [
        ("2026-07-01T22:59:59+02:00", "2026-07-01T23:00:00+02:00"),
        ("2026-10-24T22:59:59+02:00", "2026-10-24T23:00:00+02:00"),
        ("2026-10-25T22:59:59+01:00", "2026-10-25T23:00:00+01:00"),
        ("2026-03-28T22:59:59+01:00", "2026-03-28T23:00:00+01:00"),
        ("2026-03-29T22:59:59+02:00", "2026-03-29T23:00:00+02:00"),
    ],
)
async def test_a_night_begins_once_at_its_time(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, before: str, begin: str
) -> None:
    await hass.config.async_set_time_zone("Europe/Berlin")
    freezer.move_to(before)
    calls = recorded(hass)
    await automate(hass, "install_at_night", product="Relay")
    await pass_to(hass, freezer, before)
    assert calls == []
    await pass_to(hass, freezer, begin)
    assert calls == [
        {
            "product": "Relay",
            "name": NIGHT,
            "until": "05:00:00",
            "canary_by_signal": True,
            "stages": [],
            "soak": {"minutes": 10},
            "stop_after": 1,
            "only_while_off": [],
            "min_age": {"days": 0},
        }
    ]


async def test_what_the_user_chose_is_what_is_asked_for(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    await hass.config.async_set_time_zone("Europe/Berlin")
    freezer.move_to("2026-07-01T12:00:00+02:00")
    calls = recorded(hass)
    await automate(
        hass,
        "install_at_night",
        boards={"entity_id": ["update.a", "update.b"], "label_id": "old"},
        canary="update.a",
        stages=["10 %", "5"],
        soak={"hours": 1},
        at_once=4,
        stop_after=3,
        cooldown=2.5,
        while_off=["switch.heater"],
        end="06:30:00",
    )
    await pass_to(hass, freezer, "2026-07-01T23:00:00+02:00")
    assert calls == [
        {
            "entity_id": ["update.a", "update.b"],
            "label_id": ["old"],
            "canary": "update.a",
            "name": NIGHT,
            "until": "06:30:00",
            "canary_by_signal": False,
            "stages": ["10 %", "5"],
            "soak": {"hours": 1},
            "at_once": 4,
            "stop_after": 3,
            "only_while_off": ["switch.heater"],
            "min_age": {"days": 2.5},
        }
    ]


@pytest.mark.parametrize(
    ("now", "window", "begins"),
    [
        ("2026-07-03T22:59:59+02:00", {}, False),
        ("2026-07-03T23:00:01+02:00", {}, True),
        ("2026-07-04T04:59:59+02:00", {}, True),
        ("2026-07-04T05:00:00+02:00", {}, False),
        ("2026-07-03T23:30:00+02:00", {"weekdays": ["fri"]}, True),
        ("2026-07-04T01:00:00+02:00", {"weekdays": ["fri"]}, True),
        ("2026-07-03T01:00:00+02:00", {"weekdays": ["fri"]}, False),
        ("2026-07-04T23:30:00+02:00", {"weekdays": ["fri"]}, False),
        ("2026-07-03T10:00:00+02:00", {"start": "09:00:00", "end": "11:00:00"}, True),
        ("2026-07-03T11:00:00+02:00", {"start": "09:00:00", "end": "11:00:00"}, False),
        ("2026-07-03T11:00:00+02:00", {"start": "09:00:00", "end": "09:00:00"}, True),
        ("2026-10-25T02:30:00+02:00", {"weekdays": ["sat"]}, True),
        ("2026-10-25T02:30:00+01:00", {"weekdays": ["sat"]}, True),
        ("2026-10-25T05:00:00+01:00", {"weekdays": ["sat"]}, False),
        ("2026-03-29T03:00:00+02:00", {"weekdays": ["sat"]}, True),
        ("2026-03-29T05:00:00+02:00", {"weekdays": ["sat"]}, False),
    ],
)
async def test_a_start_of_home_assistant_in_the_window_begins_the_night(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, now: str, window: dict[str, Any], begins: bool
) -> None:
    await hass.config.async_set_time_zone("Europe/Berlin")
    freezer.move_to(datetime.fromisoformat(now))
    calls = recorded(hass)
    await automate(hass, "install_at_night", product="Relay", **window)
    assert calls == []
    await restart(hass)
    assert len(calls) == begins


async def night(house: House, **inputs: Any) -> list[dict[str, Any]]:
    """Make it night now: a window around this moment, and a Home Assistant that starts in it."""
    now = dt_util.now()
    window = {"start": (now.replace(minute=0)).strftime("%H:00:00"), "end": now.strftime("%H:00:00")}
    told = await automate(
        house.hass, "install_at_night", **{"product": "Relay", "soak": {"seconds": 0}} | window | inputs
    )
    await restart(house.hass)
    return told


async def test_nothing_is_told_where_nothing_was_to_do_unless_that_is_wanted(house: House) -> None:
    await house.add_board("relay-9", version="1.1.0")
    told = await night(house)
    running = house.entry.runtime_data.rollouts.get(None)
    async with asyncio.timeout(PATIENCE):
        await house.entry.runtime_data.rollouts.async_settled(running)
    await house.hass.async_block_till_done()
    assert running.rollout.status == "finished"
    assert told == []


async def test_a_line_is_told_of_each_board_when_one_goes_back(house: House) -> None:
    await fleet(house, 3, board_1=Faults(comes_back_old=True))
    told = await night(house, by_signal=False, at_once=1)
    await house.until(lambda: len(told) == 1)
    assert told[0]["report"]["cause"] == "rolled_back"
    assert told[0]["message"].splitlines() == [
        "relay-0 runs 1.1.0 now, before it was 1.0.0.",
        "relay-1 went back to 1.0.0, 1.1.0 did not start well on it.",
        "relay-2 has not had its turn yet.",
    ]


async def test_a_failure_is_told_once_with_its_reason_in_words(house: House) -> None:
    entities = await fleet(house, 3, board_0=Faults(wrong_digest=True), board_1=Faults(comes_back_old=True))
    told = await automate(house.hass, "notify_failed")
    data = {"entity_id": entities, "retries": 0}
    await house.hass.services.async_call("mqtt_ota", "install", data, blocking=True, return_response=True)
    await house.until(lambda: len(told) == 2)
    await house.hass.async_block_till_done()
    by_board = {one["board"]: one for one in told}
    assert len(told) == 2
    assert (by_board["relay-0"]["verdict"], by_board["relay-0"]["reason"]) == ("failed", "board_digest")
    assert (by_board["relay-1"]["verdict"], by_board["relay-1"]["version"]) == ("rolled_back", "1.1.0")
    assert by_board["relay-0"]["message"].startswith("relay-0 did not get 1.1.0. ")
    assert by_board["relay-1"]["message"].startswith("relay-1 runs its old version again instead of 1.1.0. ")


async def test_failures_of_other_boards_are_not_told_where_some_were_chosen(house: House) -> None:
    entities = await fleet(house, 2, board_0=Faults(wrong_digest=True), board_1=Faults(wrong_digest=True))
    told = await automate(house.hass, "notify_failed", entities=[entities[1]])
    data = {"entity_id": entities, "retries": 0}
    await house.hass.services.async_call("mqtt_ota", "install", data, blocking=True, return_response=True)
    await house.hass.async_block_till_done()
    await house.until(lambda: len(told) == 1)
    assert told[0]["board"] == "relay-1"

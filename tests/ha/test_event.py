"""What happens to a board's updates, as an event entity and on Home Assistant's bus."""

import pytest
from pytest_homeassistant_custom_component.common import async_capture_events

from custom_components.mqtt_ota.const import DOMAIN
from custom_components.mqtt_ota.step_events import DETAIL_LENGTH, EVENT_UPDATE, EVENT_UPDATE_FAILED, told
from custom_components.mqtt_ota.steps import Step
from homeassistant.const import EntityCategory
from homeassistant.core import Event, EventStateChangedData, State, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.event import async_track_state_change_event
from tests.board.faults import Faults

from .house import House


def event_id(house: House, board_id: str = "relay-1") -> str:
    entity_id = er.async_get(house.hass).async_get_entity_id("event", DOMAIN, f"{board_id}_update")
    assert entity_id is not None
    return entity_id


def followed(house: House, board_id: str = "relay-1") -> list[State]:
    """Return a list that is filled with the states of a board's event entity."""
    states: list[State] = []

    @callback
    def _note(event: Event[EventStateChangedData]) -> None:
        if event.data["new_state"] is not None:
            states.append(event.data["new_state"])

    async_track_state_change_event(house.hass, event_id(house, board_id), _note)
    return states


async def test_each_step_of_an_update_is_an_event_and_progress_is_none(house: House) -> None:
    await house.add_board()
    await house.add_board("relay-2")
    await house.refresh()
    states, others = followed(house), followed(house, "relay-2")
    fired = async_capture_events(house.hass, EVENT_UPDATE)
    failed = async_capture_events(house.hass, EVENT_UPDATE_FAILED)
    await house.install()
    await house.hass.async_block_till_done()
    assert [state.attributes["event_type"] for state in states] == ["queued", "started", "installed"]
    last = states[-1].attributes
    assert (last["version"], last["from_version"], last["reason"], last["detail"]) == ("1.1.0", "1.0.0", None, None)
    assert last["bytes"] == len(house.feed["/1.1.0.bin"].body)
    assert last["duration"] > 0
    assert states[0].attributes["duration"] is None
    assert last["event_types"] == [step.value for step in Step]
    assert others == []
    entity = er.async_get(house.hass).async_get(house.entity_id())
    assert entity is not None
    assert [event.data["step"] for event in fired] == ["queued", "started", "installed"]
    told_of = fired[-1].data
    assert (told_of["entity_id"], told_of["device_id"]) == (house.entity_id(), entity.device_id)
    assert (told_of["board"], told_of["name"], told_of["version"]) == ("relay-1", "relay-1", "1.1.0")
    assert {key: last[key] for key in ("version", "from_version", "reason", "detail", "duration", "bytes")} == {
        key: told_of[key] for key in ("version", "from_version", "reason", "detail", "duration", "bytes")
    }
    assert failed == []


@pytest.mark.parametrize(
    ("fault", "step", "reason"),
    [("wrong_digest", "failed", "board_digest"), ("comes_back_old", "rolled_back", "rolled_back")],
)
async def test_what_goes_wrong_has_its_reason_and_an_event_of_its_own(
    house: House, fault: str, step: str, reason: str
) -> None:
    await house.add_board(faults=Faults(**{fault: True}))
    await house.refresh()
    states = followed(house)
    failed = async_capture_events(house.hass, EVENT_UPDATE_FAILED)
    with pytest.raises(HomeAssistantError):
        await house.install()
    await house.hass.async_block_till_done()
    last = states[-1].attributes
    assert (last["event_type"], last["reason"], last["from_version"]) == (step, reason, "1.0.0")
    assert [(event.data["step"], event.data["reason"]) for event in failed] == [(step, reason)]


async def test_what_a_board_says_is_cut(house: House) -> None:
    await house.add_board()
    await house.install()
    session = house.members["relay-1"].session
    assert session is not None
    session.detail = "x" * 10_000
    assert told(session)["detail"] == "x" * DETAIL_LENGTH


async def test_the_last_event_is_there_after_a_restart_and_the_update_is_not_told_again(house: House) -> None:
    await house.add_board()
    await house.install()
    await house.hass.async_block_till_done()
    before = house.hass.states.get(event_id(house))
    fired = async_capture_events(house.hass, EVENT_UPDATE)
    await house.reload()
    after = house.hass.states.get(event_id(house))
    assert before is not None
    assert after is not None
    assert after.state == before.state
    assert after.attributes["event_type"] == "installed"
    assert fired == []


async def test_it_is_a_diagnostic_entity_of_the_board(house: House) -> None:
    await house.add_board()
    registry = er.async_get(house.hass)
    event, update = registry.async_get(event_id(house)), registry.async_get(house.entity_id())
    assert event is not None
    assert update is not None
    assert (event.entity_category, event.disabled) == (EntityCategory.DIAGNOSTIC, False)
    assert event.device_id == update.device_id

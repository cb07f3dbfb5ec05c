"""The sensors of a board: derived from its sessions, there after a restart, and quiet where nobody asked for them."""

import pytest

from custom_components.mqtt_ota.const import DOMAIN
from custom_components.mqtt_ota.past_sessions import last_ended
from custom_components.mqtt_ota.sensor import SENSORS
from custom_components.mqtt_ota.steps import VERDICTS
from homeassistant.const import EntityCategory
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
from tests.board.faults import Faults

from .house import House

FAULTS = Faults(wrong_digest=True)


def sensor_id(house: House, key: str, board_id: str = "relay-1") -> str:
    entity_id = er.async_get(house.hass).async_get_entity_id("sensor", DOMAIN, f"{board_id}_{key}")
    assert entity_id is not None
    return entity_id


def shown(house: House, key: str, board_id: str = "relay-1") -> str:
    state = house.hass.states.get(sensor_id(house, key, board_id))
    assert state is not None
    return state.state


async def switched_on(house: House, *boards: str) -> None:
    """Switch every sensor of boards on, as a user does."""
    for board_id in boards:
        for description in SENSORS:
            er.async_get(house.hass).async_update_entity(sensor_id(house, description.key, board_id), disabled_by=None)
    await house.refresh()


async def test_only_what_is_quiet_is_on_by_itself(house: House) -> None:
    await house.add_board()
    entities = {one.key: er.async_get(house.hass).async_get(sensor_id(house, one.key)) for one in SENSORS}
    assert {key: entity.disabled for key, entity in entities.items() if entity} == {
        "last_result": False,
        "last_duration": True,
        "queue_place": True,
    }
    assert {entity.entity_category for entity in entities.values() if entity} == {EntityCategory.DIAGNOSTIC}


async def test_the_last_result_is_there_after_a_restart_and_while_the_next_update_runs(house: House) -> None:
    board = await house.add_board(faults=FAULTS)
    await switched_on(house, "relay-1")
    assert (shown(house, "last_result"), shown(house, "last_duration")) == ("unknown", "unknown")
    with pytest.raises(HomeAssistantError):
        await house.install()
    await house.hass.async_block_till_done()
    lasted = float(shown(house, "last_duration"))
    assert (shown(house, "last_result"), shown(house, "queue_place")) == ("failed", "unknown")
    assert lasted > 0
    await house.reload()
    assert shown(house, "last_result") == "failed"
    assert float(shown(house, "last_duration")) == pytest.approx(lasted)
    await house.switch_off(board)
    await house.install()
    await house.state_is(lambda state: state.attributes["install_state"] == "waiting")
    assert shown(house, "last_result") == "failed"
    assert float(shown(house, "last_duration")) == pytest.approx(lasted)


async def test_every_verdict_can_be_shown(house: House) -> None:
    (last_result,) = (one for one in SENSORS if one.key == "last_result")
    assert last_result.options == [verdict.value for verdict in VERDICTS.values()]
    await house.add_board()
    await house.install()
    await house.hass.async_block_till_done()
    assert shown(house, "last_result") == "installed"


async def test_the_place_in_the_queue_is_shown_and_goes_up(house: House) -> None:
    await house.change_options({"at_once": 1})
    for board_id in ("relay-1", "relay-2", "relay-3"):
        await house.add_board(board_id, faults=Faults(silent=True) if board_id == "relay-1" else None)
    await switched_on(house, "relay-1", "relay-2", "relay-3")
    for board_id in ("relay-1", "relay-2", "relay-3"):
        target = {"entity_id": house.entity_id(board_id)}
        await house.hass.services.async_call("update", "install", target, blocking=False)
        await house.until(lambda board_id=board_id: house.members[board_id].session is not None)  # type: ignore[misc]
    await house.until(lambda: shown(house, "queue_place", "relay-3") == "2")
    assert (shown(house, "queue_place", "relay-1"), shown(house, "queue_place", "relay-2")) == ("unknown", "1")
    house.entry.runtime_data.sessions.async_cancel(house.members["relay-2"])
    await house.until(lambda: shown(house, "queue_place", "relay-3") == "1")
    assert shown(house, "last_result", "relay-2") == "cancelled"
    house.entry.runtime_data.sessions.async_cancel(house.members["relay-1"])
    await house.until(lambda: shown(house, "last_result", "relay-3") == "installed")
    assert shown(house, "queue_place", "relay-3") == "unknown"


async def test_a_kept_session_that_cannot_be_read_is_passed_over(house: House) -> None:
    await house.add_board()
    await house.install()
    member = house.members["relay-1"]
    session = member.session
    assert session is not None
    member.history = [{}, {"target": 4}, {**session.stored(0.0), "replaced": "2026-01-01"}]
    member.session = None
    found = last_ended(member)
    assert found is not None
    assert (found.id, found.duration) == (session.id, pytest.approx(session.duration))

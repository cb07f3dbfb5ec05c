"""Boards come and go: renamed, replaced, moved, deleted and heard again, and there before their first word."""

from typing import Any

from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_mqtt_message
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.mqtt_ota.ota.board import Transport
from custom_components.mqtt_ota.ota.dialects.settings import Kind
from custom_components.mqtt_ota.ota.session import Session, State, Target
from custom_components.mqtt_ota.sensor import SENSORS
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.setup import async_setup_component

from .conftest import Announce, SetUp
from .house import House
from .whisper import SETTINGS, WHISPER, whisper

__all__ = ["whisper"]

TARGET = Target(version="1.1.0", sha256="ab" * 32, size=4096)
KEYS = {"firmware", "update", *(one.key for one in SENSORS)}
SHOWN = ("update.lamp_firmware", "event.lamp_update", "sensor.lamp_last_update")


def entities(hass: HomeAssistant, entry: MockConfigEntry) -> dict[str, str]:
    """Return the entity of each unique id."""
    found = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    return {entity.unique_id: entity.entity_id for entity in found}


def device(hass: HomeAssistant, entry: MockConfigEntry) -> dr.DeviceEntry:
    (found,) = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    return found


async def delete(hass: HomeAssistant, hass_ws_client: WebSocketGenerator, entry: MockConfigEntry) -> None:
    """Delete the only board, as a user does."""
    assert await async_setup_component(hass, "config", {})
    client = await hass_ws_client(hass)
    removal = {"type": "config/device_registry/remove_config_entry", "config_entry_id": entry.entry_id}
    await client.send_json_auto_id(removal | {"device_id": device(hass, entry).id})
    assert (await client.receive_json())["success"]
    await hass.async_block_till_done()


def ended(board: Any) -> Session:
    session = Session.create("00" * 8, board, TARGET, 0.0, Transport.BLOCKS)
    session.cancel(1.0)
    return session


async def test_a_board_has_its_entities_on_one_device(
    hass: HomeAssistant, ota_entry: SetUp, announce: Announce
) -> None:
    entry = await ota_entry()
    await announce()
    assert set(entities(hass, entry)) == {f"lamp-1_{key}" for key in KEYS}
    found = er.async_entries_for_device(er.async_get(hass), device(hass, entry).id, include_disabled_entities=True)
    assert len(found) == len(KEYS)


async def test_a_deleted_board_takes_everything_along_and_comes_back_as_a_new_one(
    hass: HomeAssistant, ota_entry: SetUp, announce: Announce, hass_ws_client: WebSocketGenerator
) -> None:
    entry = await ota_entry()
    await announce()
    member = entry.runtime_data.fleet.members["lamp-1"]
    member.session = ended(member.board)
    member.history = [member.session.stored(0.0)]
    # It is stale: it went, and will not say a word.
    async_fire_mqtt_message(hass, "mqtt_ota/board/lamp-1/availability", "offline")
    await hass.async_block_till_done()
    await delete(hass, hass_ws_client, entry)
    assert entities(hass, entry) == {}
    assert [entity_id for entity_id in SHOWN if hass.states.get(entity_id) is not None] == []
    await announce()
    again = entry.runtime_data.fleet.members["lamp-1"]
    assert again is not member
    assert (again.session, again.history) == (None, [])
    assert set(entities(hass, entry)) == {f"lamp-1_{key}" for key in KEYS}
    assert hass.states.get("sensor.lamp_last_update").state == "unknown"  # type: ignore[union-attr]


async def test_a_board_that_is_deleted_in_the_middle_of_its_update_is_let_go(
    house: House, hass_ws_client: WebSocketGenerator
) -> None:
    board = await house.add_board()
    await house.switch_off(board)
    await house.refresh()
    await house.install()
    assert house.members["relay-1"].active_session is not None
    await delete(house.hass, hass_ws_client, house.entry)
    assert house.members == {}
    assert entities(house.hass, house.entry) == {}
    assert len(house.entry.runtime_data.sessions.queue) == 0
    await house.add_board()
    assert house.members["relay-1"].session is None
    assert house.state().attributes["install_state"] is None


async def test_a_board_that_is_given_another_name_keeps_its_entities(
    hass: HomeAssistant, ota_entry: SetUp, announce: Announce
) -> None:
    entry = await ota_entry()
    await announce()
    before, known = entities(hass, entry), device(hass, entry)
    await announce(name="Hall")
    assert entities(hass, entry) == before
    assert (device(hass, entry).id, device(hass, entry).name) == (known.id, "Hall")
    assert hass.states.get("sensor.lamp_last_update").name == "Hall Last update"  # type: ignore[union-attr]


async def test_a_board_that_takes_the_place_of_another_is_the_same_with_what_it_says_of_itself(
    hass: HomeAssistant, ota_entry: SetUp, announce: Announce
) -> None:
    entry = await ota_entry()
    await announce()
    before, known = entities(hass, entry), device(hass, entry)
    await announce(mac="02:00:00:00:00:02", chip="ESP32-S3", version="0.9.0")
    assert entities(hass, entry) == before
    assert device(hass, entry).id == known.id
    assert (device(hass, entry).hw_version, device(hass, entry).sw_version) == ("ESP32-S3", "0.9.0")
    state = hass.states.get("update.lamp_firmware")
    assert state is not None
    assert state.attributes["installed_version"] == "0.9.0"


async def test_everything_is_there_after_a_restart_before_a_board_has_spoken(
    hass: HomeAssistant, ota_entry: SetUp, announce: Announce
) -> None:
    entry = await ota_entry()
    await announce()
    member = entry.runtime_data.fleet.members["lamp-1"]
    member.session = ended(member.board)
    heard = member.heard
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    states = {entity_id: hass.states.get(entity_id) for entity_id in SHOWN}
    assert None not in states.values()
    assert "unavailable" not in {state.state for state in states.values() if state is not None}
    assert states["sensor.lamp_last_update"].state == "cancelled"  # type: ignore[union-attr]
    assert entry.runtime_data.fleet.members["lamp-1"].heard == heard


async def test_a_skipped_version_stays_skipped_over_a_restart_without_a_word_of_the_board(house: House) -> None:
    board = await house.add_board()
    await house.refresh()
    await house.hass.services.async_call("update", "skip", {"entity_id": house.entity_id()}, blocking=True)
    await house.switch_off(board)
    await house.hass.config_entries.async_unload(house.entry.entry_id)
    await house.hass.async_add_executor_job(house.broker.stop)
    await house.hass.config_entries.async_setup(house.entry.entry_id)
    await house.hass.async_block_till_done(wait_background_tasks=False)
    state = house.state()
    assert (state.state, state.attributes["skipped_version"]) == ("off", "1.1.0")
    await house.hass.async_add_executor_job(house.broker.start)


async def test_a_board_that_speaks_another_way_after_its_update_keeps_its_entities(
    hass: HomeAssistant, ota_entry: SetUp, announce: Announce, whisper: Kind
) -> None:
    entry = await ota_entry(dialects=[{"dialect": WHISPER, "name": "Whisper", **SETTINGS}])
    await announce(chip="ESP32-S3")
    before, known = entities(hass, entry), device(hass, entry)
    member = entry.runtime_data.fleet.members["lamp-1"]
    now = hass.loop.time()
    member.session = Session.create("00" * 8, member.board, TARGET, now, Transport.BLOCKS)
    member.session.alive(State.REBOOTING, now)
    member.session.never_returned(now)
    async_fire_mqtt_message(hass, "whisper/lamp-new/status", "ready 1.1.0")
    await hass.async_block_till_done()
    assert entry.runtime_data.fleet.members == {"lamp-1": member}
    assert member.board.id == "lamp-new"
    assert (entities(hass, entry), device(hass, entry).id) == (before, known.id)
    # What was taken for a failure was none, and the same entities say so.
    assert {entity_id: hass.states.get(entity_id).state for entity_id in SHOWN[2:]} == {  # type: ignore[union-attr]
        "sensor.lamp_last_update": "installed"
    }
    assert hass.states.get("event.lamp_update").attributes["event_type"] == "installed"  # type: ignore[union-attr]


async def test_nothing_of_a_board_that_is_away_is_unavailable(
    hass: HomeAssistant, ota_entry: SetUp, announce: Announce
) -> None:
    await ota_entry()
    await announce()
    async_fire_mqtt_message(hass, "mqtt_ota/board/lamp-1/availability", "offline")
    await hass.async_block_till_done()
    states = {entity_id: hass.states.get(entity_id) for entity_id in SHOWN}
    assert [one for one, state in states.items() if state is None or state.state == STATE_UNAVAILABLE] == []

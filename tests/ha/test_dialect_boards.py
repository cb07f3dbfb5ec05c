"""Boards of a protocol that the user set up: whose devices stay, whose go, and what their cards say."""

from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_mqtt_message
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.mqtt_ota import async_remove_config_entry_device
from custom_components.mqtt_ota.broker import Broker
from custom_components.mqtt_ota.card_notes import SUMMARY_LENGTH, TOPIC_LENGTH, summary
from custom_components.mqtt_ota.texts import Texts
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er

from .conftest import Announce, SetUp
from .house import House
from .whisper import SETTINGS, WHISPER, whisper

__all__ = ["whisper"]

pytestmark = pytest.mark.usefixtures("whisper")

PROTOCOL: dict[str, Any] = {"dialect": WHISPER, "name": "Whisper", **SETTINGS}
NO_VERSION = "This board tells no version, and none was installed from here, so nobody knows what it runs."
FROM_HERE = "This board tells no version; what is shown as installed was installed from here."
CAME_BACK = r"It came back after the update to 1\.1\.0; nothing more is known of it."


async def say(hass: HomeAssistant, board_id: str, words: str) -> None:
    async_fire_mqtt_message(hass, f"whisper/{board_id}/status", words)
    await hass.async_block_till_done()


def devices(hass: HomeAssistant, entry: MockConfigEntry) -> dict[str, dr.DeviceEntry]:
    found = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    return {member_id: device for device in found for _, member_id in device.identifiers}


# Devices


async def test_the_devices_of_a_protocol_go_with_it_and_the_others_stay(
    hass: HomeAssistant, ota_entry: SetUp, announce: Announce
) -> None:
    entry = await ota_entry(dialects=[PROTOCOL, PROTOCOL | {"command": "c", "status": "s", "board_id": "b-2"}])
    await announce()
    await say(hass, "b-1", "ready")
    assert set(devices(hass, entry)) == {"lamp-1", "whisper:b-1", "whisper:b-2"}
    first = next(one.subentry_id for one in entry.subentries.values() if not one.data["board_id"])
    hass.config_entries.async_remove_subentry(entry, first)
    await hass.async_block_till_done()
    assert set(devices(hass, entry)) == {"lamp-1", "whisper:b-2"}
    assert set(entry.runtime_data.fleet.members) == {"lamp-1", "whisper:b-2"}
    assert hass.states.get("update.b_1_firmware") is None
    assert er.async_get(hass).async_get("update.b_1_firmware") is None


async def test_a_board_that_was_set_up_cannot_be_deleted_but_one_that_was_heard_can(
    hass: HomeAssistant, ota_entry: SetUp
) -> None:
    entry = await ota_entry(dialects=[PROTOCOL | {"board_id": "b-1"}])
    await say(hass, "b-2", "ready")
    found = devices(hass, entry)
    assert await async_remove_config_entry_device(hass, entry, found["whisper:b-1"]) is False
    assert await async_remove_config_entry_device(hass, entry, found["whisper:b-2"]) is True
    assert set(entry.runtime_data.fleet.members) == {"whisper:b-1"}


async def test_the_device_and_the_card_of_a_board_that_moved_stay(
    hass: HomeAssistant, ota_entry: SetUp, announce: Announce
) -> None:
    entry = await ota_entry(dialects=[PROTOCOL])
    await announce(chip="ESP32-S3")
    (native,) = devices(hass, entry).values()
    assert hass.states.get("update.lamp_firmware") is not None
    fleet = entry.runtime_data.fleet
    member = fleet.members["lamp-1"]
    await say(hass, "b-1", "ready 1.0.0")
    newcomer = fleet.members.pop("whisper:b-1").board
    fleet._move(member, newcomer)
    await hass.async_block_till_done()
    assert devices(hass, entry)["lamp-1"].id == native.id
    assert hass.states.get("update.lamp_firmware") is not None
    # Nobody needs the protocol any more by which it was found first, and it goes with the one that it speaks now.
    hass.config_entries.async_remove_subentry(entry, next(iter(entry.subentries)))
    await hass.async_block_till_done()
    assert "lamp-1" not in devices(hass, entry)


async def test_a_protocol_that_cannot_be_spoken_any_more_is_said_to_be_so_and_keeps_nobody_from_speaking(
    hass: HomeAssistant, ota_entry: SetUp, announce: Announce, caplog: pytest.LogCaptureFixture
) -> None:
    entry = await ota_entry(dialects=[PROTOCOL | {"command": "a/#"}, PROTOCOL | {"dialect": "gone"}])
    await announce()
    assert set(entry.runtime_data.fleet.members) == {"lamp-1"}
    assert caplog.text.count("The protocol Whisper cannot be spoken") == 2


# Cards


async def notes(hass: HomeAssistant, client: WebSocketGenerator, entity_id: str) -> str | None:
    socket = await client(hass)
    await socket.send_json_auto_id({"type": "update/release_notes", "entity_id": entity_id})
    result: str | None = (await socket.receive_json())["result"]
    return result


async def test_a_card_says_first_that_its_board_tells_no_version(
    hass: HomeAssistant, ota_entry: SetUp, hass_ws_client: WebSocketGenerator
) -> None:
    await ota_entry(dialects=[PROTOCOL])
    await say(hass, "b-1", "ready")
    state = hass.states.get("update.b_1_firmware")
    assert state is not None
    assert state.attributes["release_summary"] == NO_VERSION
    assert await notes(hass, hass_ws_client, "update.b_1_firmware") == NO_VERSION


async def test_a_card_of_a_board_that_says_all_says_nothing_more(
    hass: HomeAssistant, ota_entry: SetUp, hass_ws_client: WebSocketGenerator
) -> None:
    await ota_entry(dialects=[PROTOCOL])
    await say(hass, "b-1", "ready 1.0.0")
    state = hass.states.get("update.b_1_firmware")
    assert state is not None
    assert state.attributes["release_summary"] is None
    assert await notes(hass, hass_ws_client, "update.b_1_firmware") is None


async def test_a_card_says_how_many_boards_an_update_reaches(hass: HomeAssistant, ota_entry: SetUp) -> None:
    topic = "whisper/" + "c" * TOPIC_LENGTH
    await ota_entry(dialects=[PROTOCOL | {"command": topic}])
    await say(hass, "b-1", "ready 1.0.0")
    await say(hass, "b-2", "ready 1.0.0")
    state = hass.states.get("update.b_2_firmware")
    assert state is not None
    shown = f"{topic[: TOPIC_LENGTH - 1]}…"
    assert state.attributes["release_summary"] == f"An update started here reaches 2 boards on `{shown}`."


async def test_an_update_that_nobody_confirmed_is_said_to_be_one(
    house: House, hass_ws_client: WebSocketGenerator
) -> None:
    hass = house.hass
    broker = Broker(hass)
    await house.add_dialect(PROTOCOL | {"model": "relay"})
    await broker.async_publish("whisper/b-1/status", b"ready", 1, retain=True)
    await house.until(lambda: "whisper:b-1" in house.members)
    await hass.async_block_till_done()
    entity = "whisper:b-1"
    state = await house.state_is(lambda state: state.attributes["latest_version"] == "1.1.0", entity)
    assert state.attributes["release_summary"] == f"{NO_VERSION}\n\nQuieter."
    assert (await notes(hass, hass_ws_client, state.entity_id) or "").startswith(f"{NO_VERSION}\n\n## 1.1.0")
    update = hass.async_create_task(house.install(entity))
    await house.state_is(lambda state: state.attributes["install_state"] == "rebooting", entity)
    await broker.async_publish("whisper/b-1/status", b"done", 1)
    await update
    state = house.state(entity)
    assert (state.attributes["installed_version"], state.attributes["version_source"]) == (
        "1.1.0",
        "installed_from_here",
    )
    assert state.attributes["release_summary"] == f"{FROM_HERE} {CAME_BACK}"


@pytest.mark.parametrize(
    ("said", "told", "expected"),
    [
        ("", "", None),
        ("", "# 1.1.0\n\nQuieter.\nMuch.\n\nMore.", "Quieter.\nMuch."),
        ("Mind.", "", "Mind."),
        ("Mind.", "Quieter.", "Mind.\n\nQuieter."),
        ("", "x" * 300, "x" * (SUMMARY_LENGTH - 1) + "…"),
        ("Mind.", "x" * 300, "Mind.\n\n" + "x" * (SUMMARY_LENGTH - 8) + "…"),
        # There is no room for more than a scrap.
        ("m" * (SUMMARY_LENGTH - 10), "Quieter, and much better.", "m" * (SUMMARY_LENGTH - 10)),
    ],
)
def test_a_summary_keeps_what_must_be_said_and_cuts_the_notes(said: str, told: str, expected: str | None) -> None:
    assert summary(said, told) == expected
    assert len(summary(said, told) or "") <= SUMMARY_LENGTH


def test_a_text_that_a_translation_lacks_or_bends_breaks_nothing() -> None:
    texts = Texts("common", {"component.mqtt_ota.common.one": "{count} of {other}"})
    assert texts.get("one", count=3, more=4) == "3 of {other}"
    assert texts.get("two", count=3) == ""
    assert texts.below("one") == []

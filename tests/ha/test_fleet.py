"""The fleet: who is let in, what is dropped, and what outlives a restart."""

from collections.abc import Awaitable, Callable
import logging
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_mqtt_message
from pytest_homeassistant_custom_component.typing import MqttMockHAClient, WebSocketGenerator

from custom_components.mqtt_ota import fleet as fleet_module
from custom_components.mqtt_ota.const import DOMAIN
from custom_components.mqtt_ota.fleet import STRANGERS_LIMIT
from custom_components.mqtt_ota.member import CAUSES_LIMIT
from homeassistant.config_entries import ConfigEntryDisabler, ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.setup import async_setup_component
from tests.firmware_images import build_app

from .conftest import Announce, SetUp, announcement

type Fire = Callable[[str, str | bytes], Awaitable[None]]


@pytest.fixture
def fire(hass: HomeAssistant) -> Fire:
    """Let a message arrive."""

    async def _fire(topic: str, payload: str | bytes) -> None:
        async_fire_mqtt_message(hass, topic, payload)
        await hass.async_block_till_done()

    return _fire


def boards(entry: MockConfigEntry) -> list[str]:
    return list(entry.runtime_data.fleet.members)


async def test_a_board_becomes_a_device_with_what_it_said(
    hass: HomeAssistant, ota_entry: SetUp, announce: Announce
) -> None:
    entry = await ota_entry()
    await announce(project="lamp-fw")
    device = dr.async_get(hass).async_get_device_by_identifier((DOMAIN, "lamp-1"), entry.entry_id)
    assert device is not None
    assert (device.name, device.model, device.model_id, device.hw_version, device.sw_version) == (
        "Lamp",
        "lamp",
        "lamp-fw",
        "ESP32-C3",
        "1.0.0",
    )
    assert device.connections == {("mac", "02:00:00:00:00:01")}
    assert device.config_entry_id == entry.entry_id


async def test_a_board_that_says_something_new_changes_its_device(
    hass: HomeAssistant, ota_entry: SetUp, announce: Announce
) -> None:
    entry = await ota_entry()
    await announce()
    await announce(version="1.2.0", name="Lamp in the hall")
    device = dr.async_get(hass).async_get_device_by_identifier((DOMAIN, "lamp-1"), entry.entry_id)
    assert device is not None
    assert (device.name, device.sw_version) == ("Lamp in the hall", "1.2.0")
    state = hass.states.get("update.lamp_firmware")
    assert state is not None
    assert state.attributes["installed_version"] == "1.2.0"


@pytest.mark.parametrize("board_id", ["..", ".", "a b", "x" * 65, "x" * 10_000, "ä", "a%00"])
async def test_a_hostile_id_lets_nobody_in(ota_entry: SetUp, fire: Fire, board_id: str) -> None:
    entry = await ota_entry()
    await fire(f"mqtt_ota/board/{board_id}/announce", announcement(id=board_id))
    assert boards(entry) == []


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"nonsense",
        b"\xff\xfe",
        b"[]",
        b"[" * 2000,
        b"x" * 100_000,
        b"null",
        announcement(protocol=99),
        announcement(id="other"),
    ],
)
async def test_an_announce_that_makes_no_sense_lets_nobody_in(ota_entry: SetUp, fire: Fire, payload: bytes) -> None:
    entry = await ota_entry()
    await fire("mqtt_ota/board/lamp-1/announce", payload)
    assert boards(entry) == []


async def test_messages_of_strangers_are_dropped_with_one_line_a_cause(
    ota_entry: SetUp, fire: Fire, caplog: pytest.LogCaptureFixture
) -> None:
    await ota_entry()
    for number in range(STRANGERS_LIMIT * 2):
        await fire(f"mqtt_ota/board/b{number}/announce", "nonsense")
        await fire(f"mqtt_ota/board/b{number}/announce", announcement(id=f"b{number}", order=f"order{number}"))
        await fire(f"mqtt_ota/board/b{number}/want", b"")
        await fire(f"mqtt_ota/board/b{number}/availability", b"online")
    lines = [record for record in caplog.records if "was dropped" in record.message]
    assert len({record.message.partition("dropped")[2] for record in lines}) == len(lines) <= STRANGERS_LIMIT


async def test_nonsense_of_a_known_board_is_logged_once_and_changes_nothing(
    hass: HomeAssistant, ota_entry: SetUp, fire: Fire, announce: Announce, caplog: pytest.LogCaptureFixture
) -> None:
    await ota_entry()
    await announce()
    before = hass.states.get("update.lamp_firmware")
    for number in range(CAUSES_LIMIT * 2):
        await fire("mqtt_ota/board/lamp-1/announce", announcement(order=f"order{number}"))
        await fire("mqtt_ota/board/lamp-1/status", b"\xff")
        await fire("mqtt_ota/board/lamp-1/availability", b"perhaps")
    lines = [record.message for record in caplog.records if "was dropped" in record.message]
    assert 0 < len(lines) <= CAUSES_LIMIT
    assert len(set(lines)) == len(lines)
    assert hass.states.get("update.lamp_firmware") == before


async def test_there_is_an_end_to_how_many_boards_are_let_in(
    ota_entry: SetUp, announce: Announce, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fleet_module, "BOARDS_LIMIT", 3)
    entry = await ota_entry()
    for number in range(5):
        await announce(id=f"lamp-{number}", mac=None)
    assert boards(entry) == ["lamp-0", "lamp-1", "lamp-2"]
    assert "there are 3 boards already" in caplog.text


async def test_availability_is_shown_and_the_card_stays_available(
    hass: HomeAssistant, ota_entry: SetUp, fire: Fire, announce: Announce
) -> None:
    entry = await ota_entry()
    await announce()
    for said in ("offline", "asleep", "online"):
        await fire("mqtt_ota/board/lamp-1/availability", said)
        entry.runtime_data.fleet.members["lamp-1"].writes.async_run()
        state = hass.states.get("update.lamp_firmware")
        assert state is not None
        assert state.attributes["availability"] == said


async def test_boards_are_there_after_a_restart_before_they_have_spoken(
    hass: HomeAssistant, ota_entry: SetUp, announce: Announce
) -> None:
    entry = await ota_entry()
    await announce()
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    state = hass.states.get("update.lamp_firmware")
    assert state is not None
    assert state.attributes["installed_version"] == "1.0.0"


@pytest.mark.parametrize(
    "record",
    [{}, None, {"board": {}}, {"board": {"id": "x"}, "availability": "online", "session": None}, "text", 4],
)
async def test_a_stored_board_that_cannot_be_read_is_left_out(
    hass: HomeAssistant, hass_storage: dict[str, Any], ota_entry: SetUp, announce: Announce, record: Any
) -> None:
    entry = await ota_entry()
    await announce()
    assert await hass.config_entries.async_unload(entry.entry_id)
    hass_storage[f"{DOMAIN}.fleet"]["data"]["boards"].insert(0, record)
    assert await hass.config_entries.async_setup(entry.entry_id)
    assert boards(entry) == ["lamp-1"]


async def test_a_deleted_board_is_forgotten_and_comes_back_when_it_speaks(
    hass: HomeAssistant,
    ota_entry: SetUp,
    announce: Announce,
    mqtt_mock: MqttMockHAClient,
    hass_ws_client: WebSocketGenerator,
    fire: Fire,
    caplog: pytest.LogCaptureFixture,
) -> None:
    entry = await ota_entry()
    await announce()
    device = dr.async_get(hass).async_get_device_by_identifier((DOMAIN, "lamp-1"), entry.entry_id)
    assert device is not None
    assert await async_setup_component(hass, "config", {})
    client = await hass_ws_client(hass)
    # The form that every supported Home Assistant knows; newer ones have a shorter one as well.
    removal = {"type": "config/device_registry/remove_config_entry", "config_entry_id": entry.entry_id}
    await client.send_json_auto_id(removal | {"device_id": device.id})
    assert (await client.receive_json())["success"]
    await hass.async_block_till_done()
    assert boards(entry) == []
    assert er.async_get(hass).async_get("update.lamp_firmware") is None
    cleared = [call.args[:4] for call in mqtt_mock.async_publish.mock_calls]
    assert ("mqtt_ota/board/lamp-1/announce", b"", 1, True) in cleared
    assert ("mqtt_ota/board/lamp-1/availability", b"", 1, True) in cleared
    for topic in ("announce", "availability"):
        await fire(f"mqtt_ota/board/lamp-1/{topic}", b"")
    assert "was dropped" not in caplog.text
    await announce()
    assert boards(entry) == ["lamp-1"]
    assert hass.states.get("update.lamp_firmware") is not None


async def test_without_mqtt_it_waits(hass: HomeAssistant, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    mqtt_entry = MockConfigEntry(domain="mqtt", version=2, minor_version=1, data={"broker": "127.0.0.1"})
    mqtt_entry.add_to_hass(hass)
    await hass.config_entries.async_set_disabled_by(mqtt_entry.entry_id, ConfigEntryDisabler.USER)
    entry = MockConfigEntry(domain=DOMAIN, data={"root": "mqtt_ota"})
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state in {ConfigEntryState.SETUP_RETRY, ConfigEntryState.SETUP_ERROR}


async def test_removing_the_integration_leaves_nothing_on_disk(
    hass: HomeAssistant, hass_storage: dict[str, Any], ota_entry: SetUp, announce: Announce
) -> None:
    entry = await ota_entry()
    await announce()
    await entry.runtime_data.images.async_add_bytes(build_app(chip="ESP32-C3"))
    folder = entry.runtime_data.images.path("0" * 64).parent
    assert await hass.async_add_executor_job(lambda: list(folder.glob("*.bin")))
    await hass.config_entries.async_remove(entry.entry_id)
    await hass.async_block_till_done()
    assert f"{DOMAIN}.fleet" not in hass_storage
    assert not await hass.async_add_executor_job(folder.exists)

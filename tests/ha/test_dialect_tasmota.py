"""Tasmota boards, from their announcement to the verdict, and their bad days."""

import asyncio
from collections.abc import AsyncIterator
import json
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.mqtt_ota import sessions
from custom_components.mqtt_ota.const import DOMAIN
from custom_components.mqtt_ota.ota import session as session_module
from custom_components.mqtt_ota.ota.board import Availability
from custom_components.mqtt_ota.ota.dialects import tasmota
from custom_components.mqtt_ota.ota.session import State
from homeassistant.components import mqtt
from homeassistant.components.mqtt import discovery
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr, entity_registry as er
from tests.firmware_images import build_app
from tests.seeds.faults import Faults
from tests.seeds.settings import Settings
from tests.seeds.tasmota import TasmotaBoard

from .house import House, a_house

MAC = "A0B1C2D3E4F5"
PLUG = f"tasmota:{MAC}"
OFFICIAL = "http://ota.tasmota.com/tasmota32/release/tasmota32s3.bin"
OLD = build_app(version="15.4.0", size=48 * 1024, seed=1)
NEW = build_app(version="15.5.0", size=64 * 1024)


@pytest.fixture
def settings() -> dict[str, Any]:
    return {}


@pytest.fixture
async def house(
    hass: HomeAssistant,
    tmp_path: Path,
    settings: dict[str, Any],
    socket_enabled: None,
    mock_hass_config: None,
    monkeypatch: pytest.MonkeyPatch,
    hass_client_no_auth: ClientSessionGenerator,
) -> AsyncIterator[House]:
    # The Tasmota integration needs a library that is not here, and would be started by the boards' announcements.
    monkeypatch.setattr(discovery, "async_get_mqtt", AsyncMock(return_value={}))
    monkeypatch.setattr(sessions, "SETTLE", 0.1)
    monkeypatch.setattr(sessions, "BROKER_GONE", 0.1)
    monkeypatch.setattr(session_module, "DOUBT", 0.3)
    monkeypatch.setattr(
        session_module, "PATIENCE", session_module.PATIENCE | {State.OFFERED: 0.5, State.REBOOTING: 1.0}
    )
    for name, seconds in (("MINUTE", 0.2), ("QUIET", 1.0), ("ANSWER", 1.5), ("LATE", 0.5)):
        monkeypatch.setattr(tasmota, name, seconds)
    async with a_house(hass, tmp_path, dialects=({"dialect": "tasmota", **settings},), model="") as house:
        base_url = str((await hass_client_no_auth()).make_url("")).rstrip("/")
        await house.change_options({"base_url": base_url})
        offer(house)
        await house.refresh()
        yield house


def offer(house: House, name: str = "tasmota32s3.bin", image: bytes = NEW) -> None:
    """Let the feed offer 15.5.0 as a file of this name."""
    house.publish_releases({"version": "v15.5.0", "image": image, "asset": {"name": name}})


async def switch_on(
    house: House, faults: Faults | None = None, client_id: str = "plug", **options: Any
) -> TasmotaBoard:
    """Give a board power and wait until it has announced itself."""
    settings = Settings(host=house.broker.host, port=house.broker.port, client_id=client_id, image=OLD)
    board = TasmotaBoard(settings, faults, **options)
    house.boards.append(board)  # type: ignore[arg-type]
    board.start()
    await house.told(board, "announced")  # type: ignore[arg-type]
    return board


async def a_plug(house: House, faults: Faults | None = None, **options: Any) -> TasmotaBoard:
    """Switch on a board and wait until it is known that it is there."""
    board = await switch_on(house, faults, **options)
    await house.until(lambda: PLUG in house.members)
    await house.until(lambda: house.members[PLUG].availability is Availability.ONLINE)
    await house.hass.async_block_till_done()
    return board


async def told(house: House, board: TasmotaBoard, event: str, **fields: Any) -> None:
    await house.told(board, event, **fields)  # type: ignore[arg-type]


async def fails(house: House, reason: str) -> None:
    with pytest.raises(HomeAssistantError) as caught:
        await house.install(PLUG)
    assert caught.value.translation_key == f"install_{reason}", caught.value.translation_placeholders


async def has_its_address_back(house: House, board: TasmotaBoard, url: str = OFFICIAL) -> None:
    await house.until(lambda: board.ota_url == url)


def installed(house: House) -> str:
    version: str = house.state(PLUG).attributes["installed_version"]
    return version


# A good day


@pytest.mark.parametrize("one_partition", [True, False])
async def test_a_board_is_updated_and_has_its_own_address_back(house: House, one_partition: bool) -> None:
    board = await a_plug(house, one_partition=one_partition)
    state = await house.state_is(lambda state: state.state == "on", PLUG)
    assert (state.attributes["installed_version"], state.attributes["latest_version"]) == ("15.4.0", "v15.5.0")
    await house.install(PLUG)
    assert (board.runs, installed(house), board.upgrades) == (NEW, "15.5.0", 1)
    session = house.members[PLUG].session
    assert session is not None
    assert session.state is State.CONFIRMED
    await has_its_address_back(house, board)


async def test_a_board_is_not_questioned_while_it_flashes(house: House) -> None:
    board = await a_plug(house, Faults(slow=0.002))
    await house.install(PLUG)
    events = [event for event in board.events.told if event["event"] in {"command", "fetching", "said"}]
    upgrade = next(place for place, event in enumerate(events) if event.get("name") == "upgrade")
    done = next(place for place, event in enumerate(events) if "Successful" in event.get("text", ""))
    assert not [event for event in events[upgrade + 1 : done] if event["event"] == "command"]


async def test_safeboot_is_neither_the_end_nor_a_rollback(house: House) -> None:
    board = await a_plug(house, Faults(slow=0.002))
    install = asyncio.create_task(house.install(PLUG))
    await house.until(lambda: board.in_safeboot)
    await told(house, board, "fetching")
    await mqtt.async_publish(house.hass, "cmnd/plug/Status", "2")
    await install
    assert installed(house) == "15.5.0"
    assert house.members[PLUG].board.build == "tasmota32s3"


@pytest.mark.parametrize("settings", [{"full_topics": "home/%topic%/%prefix%/"}])
async def test_another_full_topic_is_spoken_where_it_is_set_up(house: House) -> None:
    await a_plug(house, full_topic="home/%topic%/%prefix%/")
    await house.install(PLUG)
    assert installed(house) == "15.5.0"


async def test_the_usual_full_topic_in_the_other_order_needs_no_setting(house: House) -> None:
    await a_plug(house, full_topic="%topic%/%prefix%/")
    await house.install(PLUG)
    assert installed(house) == "15.5.0"


async def test_a_board_whose_full_topic_is_not_set_up_is_left_alone(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    board = await switch_on(house, full_topic="deep/house/%topic%/%prefix%/")
    await house.until(lambda: "the full topic of deep/house/plug/stat is not set up" in caplog.text)
    assert PLUG not in house.members
    assert not [event for event in board.events.told if event["event"] == "command"]


async def test_answers_on_topics_of_their_own_are_understood(house: House) -> None:
    await a_plug(house, separate_answers=True)
    await house.install(PLUG)
    assert installed(house) == "15.5.0"


@pytest.mark.parametrize("settings", [{"source": "feed"}])
async def test_a_board_may_fetch_from_the_feed_itself(house: House) -> None:
    board = await a_plug(house)
    await house.install(PLUG)
    fetched = [event["url"] for event in board.events.told if event["event"] == "fetching"]
    assert fetched == [house.feed.address("/v15.5.0.bin")]
    await has_its_address_back(house, board)


# What is offered


@pytest.mark.parametrize(
    ("image_name", "ota_url", "file"),
    [
        ("release-bluetooth", OFFICIAL, "tasmota32s3-bluetooth.bin"),
        ("tasmota32", OFFICIAL.replace("s3.bin", "s3-DE.bin"), "tasmota32s3-DE.bin"),
        ("0a1b2c3-tasmota32", "http://192.0.2.1/fw.bin", "tasmota32s3.bin"),
    ],
)
async def test_a_board_is_offered_the_file_that_is_named_like_its_build(
    house: House, image_name: str, ota_url: str, file: str
) -> None:
    offer(house, file)
    await house.refresh()
    await a_plug(house, image_name=image_name, ota_url=ota_url)
    await house.state_is(lambda state: state.state == "on", PLUG)


@pytest.mark.parametrize("file", ["tasmota32s3-bluetooth.bin", "tasmota32s3.factory.bin"])
async def test_a_board_is_offered_no_other_build(house: House, file: str) -> None:
    offer(house, file)
    await house.refresh()
    await a_plug(house)
    state = house.state(PLUG)
    assert (state.state, state.attributes["latest_version"]) == ("off", "15.4.0")


# Bad days


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("File Not Found (404)", "board_transport"),
        ("Not Enough space", "board_refused"),
        ("", "board_failed"),
    ],
)
async def test_a_failure_says_what_the_board_said_of_it(house: House, text: str, reason: str) -> None:
    board = await a_plug(house, Faults(answer_at=(0, text)), one_partition=False)
    await fails(house, reason)
    assert (installed(house), board.runs) == ("15.4.0", OLD)
    await has_its_address_back(house, board)


async def test_a_board_that_fails_in_safeboot_can_be_tried_again(house: House) -> None:
    board = await a_plug(house, Faults(answer_at=(0, "HTTP error: connection lost")))
    await fails(house, "board_transport")
    assert board.in_safeboot
    board.faults = Faults()
    await house.install(PLUG)
    assert installed(house) == "15.5.0"
    await has_its_address_back(house, board)


@pytest.mark.parametrize(("step", "reason"), [(0, "no_answer"), (1, "no_answer"), (2, "never_fetched")])
async def test_silence_at_each_step_ends_in_a_reason(house: House, step: int, reason: str) -> None:
    board = await a_plug(house)
    # Two questions came before: where it updates from, and what it runs.
    heard = len([event for event in board.events.told if event["event"] == "command"])
    board.faults = Faults(silent_at=heard + step)
    await fails(house, reason)
    assert board.runs == OLD


async def test_an_address_that_arrives_cut_is_noticed_before_anything_is_flashed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = await a_plug(house)
    monkeypatch.setattr("tests.seeds.tasmota.URL_LENGTH", 60)
    await fails(house, "board_refused")
    assert board.upgrades == 0
    await has_its_address_back(house, board)


@pytest.mark.parametrize("answer", [0, 1, 2, 3])
async def test_an_answer_that_comes_twice_changes_nothing(house: House, answer: int) -> None:
    board = await a_plug(house, Faults(repeat_answer=answer), one_partition=False)
    await house.install(PLUG)
    assert (installed(house), board.upgrades, board.flashes) == ("15.5.0", 1, 1)


@pytest.mark.parametrize("answer", [0, 1, 2, 3])
async def test_an_answer_that_is_lost_costs_time_and_nothing_else(house: House, answer: int) -> None:
    board = await a_plug(house, Faults(lose_answer=answer), one_partition=False)
    await house.install(PLUG)
    assert (installed(house), board.upgrades, board.flashes) == ("15.5.0", 1, 1)
    await has_its_address_back(house, board)


async def test_what_was_retained_yesterday_is_no_answer(house: House) -> None:
    for word in ("RESULT", "UPGRADE"):
        said = json.dumps({"Upgrade": "Failed of yesterday"})
        await mqtt.async_publish(house.hass, f"stat/plug/{word}", said, 1, retain=True)
    await a_plug(house)
    await house.reload()
    await house.install(PLUG)
    assert installed(house) == "15.5.0"


async def test_a_retained_command_is_found(house: House) -> None:
    await a_plug(house)
    await mqtt.async_publish(house.hass, "cmnd/plug/Upgrade", "0", 1, retain=True)
    await house.reload()
    await house.until(lambda: "cmnd/plug/Upgrade" in house.entry.runtime_data.fleet.leftovers)


async def test_a_board_that_comes_back_old_is_not_said_to_be_updated(house: House) -> None:
    board = await a_plug(house, Faults(comes_back_old=True))
    await fails(house, "rolled_back")
    assert installed(house) == "15.4.0"
    await has_its_address_back(house, board)


async def test_a_board_that_does_not_come_back_is_not_said_to_be_updated(house: House) -> None:
    await a_plug(house, Faults(never_comes_back=True))
    await fails(house, "never_returned")


async def test_a_board_that_lost_its_power_while_it_wrote_runs_its_old_build(house: House) -> None:
    board = await a_plug(house, Faults(power_cut=20_000), one_partition=False)
    await fails(house, "stalled")
    assert (installed(house), board.runs) == ("15.4.0", OLD)
    await has_its_address_back(house, board)
    await house.install(PLUG)
    assert installed(house) == "15.5.0"


async def test_a_board_that_lost_its_power_in_safeboot_says_that_it_runs_nothing_else(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = await a_plug(house, Faults(power_cut=20_000))
    await fails(house, "board_failed")
    assert board.in_safeboot
    session = house.members[PLUG].session
    assert session is not None
    assert session.detail == "safeboot"
    await house.install(PLUG)
    assert installed(house) == "15.5.0"


async def test_the_broker_may_restart_half_way(house: House) -> None:
    board = await a_plug(house, Faults(slow=0.01))
    install = asyncio.create_task(house.install(PLUG))
    await told(house, board, "fetching")
    house.broker.stop()
    await house.until(lambda: not mqtt.is_connected(house.hass))
    house.broker.start()
    await install
    assert installed(house) == "15.5.0"


@pytest.mark.parametrize("one_partition", [True, False])
async def test_home_assistant_may_restart_half_way(house: House, one_partition: bool) -> None:
    # Its address ends with Home Assistant, but not what was fetched already.
    board = await a_plug(house, Faults(slow=0.01), one_partition=one_partition)
    install = asyncio.create_task(house.install(PLUG))
    await told(house, board, "fetching")
    await house.until(lambda: sum(map(len, board.writes)) > 8192)
    await house.reload()
    await asyncio.gather(install, return_exceptions=True)
    await house.until(lambda: not house.members[PLUG].is_installing)
    session = house.members[PLUG].session
    assert session is not None
    assert session.state in {State.CONFIRMED, State.FAILED}
    assert (board.runs == NEW) is (session.state is State.CONFIRMED)
    await house.until(lambda: "mqtt_ota" not in board.ota_url)


async def test_two_boards_on_one_topic_are_not_told_anything(house: House, caplog: pytest.LogCaptureFixture) -> None:
    board = await a_plug(house)
    twin = dict.fromkeys(("dn", "hn", "md"), "twin") | {
        "mac": "A0B1C2D3E4F6",
        "sw": "15.4.0",
        "t": "plug",
        "ft": "%prefix%/%topic%/",
        "tp": ["cmnd", "stat", "tele"],
    }
    await mqtt.async_publish(house.hass, "tasmota/discovery/A0B1C2D3E4F6/config", json.dumps(twin), 1)
    await house.until(lambda: "two boards share cmnd/plug" in caplog.text)
    with pytest.raises(HomeAssistantError) as caught:
        await house.install(PLUG)
    assert caught.value.translation_key == "topic_shared"
    assert (board.upgrades, board.ota_url) == (0, OFFICIAL)


async def test_a_board_that_is_away_is_waited_for(house: House) -> None:
    board = await a_plug(house)
    await house.switch_off(board, PLUG)  # type: ignore[arg-type]
    await house.install(PLUG)
    assert house.state(PLUG).attributes["install_state"] == "waiting"
    await switch_on(house)
    await house.state_is(lambda state: state.attributes["installed_version"] == "15.5.0", PLUG)


async def test_an_update_that_is_called_off_in_time_leaves_the_board_as_it_was(house: House) -> None:
    board = await a_plug(house)
    heard = len([event for event in board.events.told if event["event"] == "command"])
    board.faults = Faults(lose_answer=1, silent_at=None)
    install = asyncio.create_task(house.install(PLUG))
    await house.until(lambda: len([event for event in board.events.told if event["event"] == "command"]) > heard + 1)
    assert house.entry.runtime_data.sessions.async_cancel(house.members[PLUG])
    await asyncio.gather(install, return_exceptions=True)
    await has_its_address_back(house, board)
    assert board.upgrades == 0


# The device


async def test_the_update_stands_on_the_device_that_the_tasmota_integration_has(house: House) -> None:
    hass = house.hass
    other = MockConfigEntry(domain="tasmota", title="Tasmota")
    other.add_to_hass(hass)
    devices = dr.async_get(hass)
    connection = (dr.CONNECTION_NETWORK_MAC, "a0:b1:c2:d3:e4:f5")
    device = devices.async_get_or_create(
        config_entry_id=other.entry_id, connections={connection}, name="My plug", model="Theirs", sw_version="theirs"
    )
    await a_plug(house)
    await house.install(PLUG)
    entry = er.async_get(hass).async_get(house.entity_id(PLUG))
    assert entry is not None
    assert entry.device_id == device.id
    assert not dr.async_entries_for_config_entry(devices, house.entry.entry_id)
    kept = devices.async_get(device.id)
    assert isinstance(kept, dr.DeviceEntry)
    assert (kept.name, kept.model, kept.sw_version, kept.config_entry_id) == (
        *("My plug", "Theirs", "theirs"),
        other.entry_id,
    )
    house.entry.runtime_data.fleet.async_forget(PLUG)
    await hass.async_block_till_done()
    assert devices.async_get(device.id) is not None


async def test_without_the_tasmota_integration_the_board_has_a_device_of_its_own_until_there_is_one(
    house: House,
) -> None:
    hass = house.hass
    await a_plug(house)
    devices = dr.async_get(hass)
    own = devices.async_get_device_by_identifier((DOMAIN, PLUG), house.entry.entry_id)
    assert own is not None
    assert (own.name, own.hw_version, own.sw_version) == ("Plug", "ESP32-S3", "15.4.0")
    other = MockConfigEntry(domain="tasmota", title="Tasmota")
    other.add_to_hass(hass)
    theirs = devices.async_get_or_create(config_entry_id=other.entry_id, connections=own.connections, name="My plug")
    await house.reload()
    entry = er.async_get(hass).async_get(house.entity_id(PLUG))
    assert entry is not None
    assert entry.device_id == theirs.id
    assert devices.async_get_device_by_identifier((DOMAIN, PLUG), house.entry.entry_id) is None


# Boards that are shown, and offered nothing


@pytest.mark.parametrize("settings", [{"esp32_only": False}])
async def test_a_board_with_an_esp8266_is_shown_if_wanted_and_offered_nothing(house: House) -> None:
    offer(house, "tasmota.bin")
    await house.refresh()
    config = {"mac": "ABCDEF012345", "dn": "Old plug", "sw": "15.4.0", "t": "old", "ft": "%prefix%/%topic%/"}
    await mqtt.async_publish(
        house.hass,
        "tasmota/discovery/ABCDEF012345/config",
        json.dumps(config | {"tp": ["cmnd", "stat", "tele"]}),
        1,
        retain=True,
    )
    dialect = next(one for one in house.entry.runtime_data.fleet._dialects.values() if one.name == "tasmota")
    await house.until(lambda: dialect._spots.of("ABCDEF012345") is not None)
    status = {"StatusFWR": {"Version": "15.4.0(tasmota)", "Hardware": "ESP8266EX"}}
    await mqtt.async_publish(house.hass, "stat/old/STATUS2", json.dumps(status), 1)
    await house.until(lambda: "tasmota:ABCDEF012345" in house.members)
    await house.hass.async_block_till_done()
    state = house.state("tasmota:ABCDEF012345")
    assert (state.state, state.attributes["installed_version"]) == ("off", "15.4.0")

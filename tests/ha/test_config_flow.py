"""Setting up, by the user or because a board was heard; changing what was set up."""

import asyncio
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_mqtt_message
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator, MqttMockHAClient

from custom_components.mqtt_ota.const import DOMAIN
from custom_components.mqtt_ota.ota.board import Transport
from homeassistant.config_entries import SOURCE_IGNORE, SOURCE_MQTT, SOURCE_USER, ConfigEntryState, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers.service_info.mqtt import MqttServiceInfo
from homeassistant.setup import async_setup_component

from .conftest import SetUp, announcement

TOPIC = "mqtt_ota/board/lamp-1/announce"
OPTIONS = {"transport": "blocks", "keep_images": 10, "wait_hours": 24, "at_once": 2, "battery_least": 20}


async def heard(hass: HomeAssistant, payload: str | bytes, topic: str = TOPIC) -> ConfigFlowResult:
    """Let Home Assistant's MQTT discovery hand on a message."""
    found = MqttServiceInfo(topic, payload, 1, True, "mqtt_ota/board/+/announce", 0.0)
    return await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_MQTT}, data=found)


async def begun(hass: HomeAssistant) -> ConfigFlowResult:
    return await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})


async def go_on(hass: HomeAssistant, flow: ConfigFlowResult, answer: dict[str, Any]) -> ConfigFlowResult:
    result = await hass.config_entries.flow.async_configure(flow["flow_id"], answer)
    await hass.async_block_till_done()
    return result


async def test_a_user_confirms_once(hass: HomeAssistant, mqtt_mock: MqttMockHAClient) -> None:
    form = await begun(hass)
    assert (form["type"], form["step_id"], form["errors"]) == (FlowResultType.FORM, "user", {})
    done = await go_on(hass, form, {"advanced": {}})
    assert done["type"] is FlowResultType.CREATE_ENTRY
    assert (done["title"], done["data"]) == ("MQTT OTA", {"root": "mqtt_ota"})
    assert done["result"].unique_id == DOMAIN
    assert done["result"].state is ConfigEntryState.LOADED


@pytest.mark.parametrize("source", [None, SOURCE_IGNORE])
async def test_without_mqtt_the_user_is_told_what_to_do_first(hass: HomeAssistant, source: str | None) -> None:
    if source is not None:
        MockConfigEntry(domain="mqtt", source=source).add_to_hass(hass)
    result = await begun(hass)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "mqtt_not_set_up")


@pytest.mark.parametrize(
    "root", ["", " ", "a/#", "+/a", "/a", "a/", "a//b", "$SYS", "a b", "a\x00b", "ä" * 33, "a" * 65]
)
async def test_a_topic_below_which_no_board_can_speak_is_refused(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, root: str
) -> None:
    form = await go_on(hass, await begun(hass), {"advanced": {"root": root}})
    assert (form["type"], form["errors"]) == (FlowResultType.FORM, {"base": "root_invalid"})
    done = await go_on(hass, form, {"advanced": {"root": " home/ota "}})
    assert done["data"] == {"root": "home/ota"}


async def test_there_is_one_entry_alone(hass: HomeAssistant, ota_entry: SetUp) -> None:
    await ota_entry()
    for flow in (await begun(hass), await heard(hass, announcement())):
        assert (flow["type"], flow["reason"]) == (FlowResultType.ABORT, "single_instance_allowed")


async def test_a_board_that_was_heard_makes_a_card(hass: HomeAssistant, mqtt_mock: MqttMockHAClient) -> None:
    form = await heard(hass, announcement())
    assert (form["type"], form["step_id"]) == (FlowResultType.FORM, "confirm")
    assert form["description_placeholders"] == {"board": "Lamp", "chip": r"ESP32\-C3", "version": r"1\.0\.0"}
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["context"]["title_placeholders"] == {"name": "Lamp"}
    done = await go_on(hass, form, {})
    assert (done["type"], done["data"]) == (FlowResultType.CREATE_ENTRY, {"root": "mqtt_ota"})


async def test_a_board_without_a_name_is_called_by_its_id(hass: HomeAssistant, mqtt_mock: MqttMockHAClient) -> None:
    form = await heard(hass, announcement(name=None))
    assert form["description_placeholders"] is not None
    assert form["description_placeholders"]["board"] == r"lamp\-1"


async def test_a_hundred_boards_make_one_card(hass: HomeAssistant, mqtt_mock: MqttMockHAClient) -> None:
    await heard(hass, announcement())
    for number in range(2, 100):
        flow = await heard(hass, announcement(id=f"lamp-{number}"), f"mqtt_ota/board/lamp-{number}/announce")
        assert (flow["type"], flow["reason"]) == (FlowResultType.ABORT, "already_in_progress")
    assert len(hass.config_entries.flow.async_progress()) == 1


async def test_the_users_own_way_settles_the_card(hass: HomeAssistant, mqtt_mock: MqttMockHAClient) -> None:
    await heard(hass, announcement())
    done = await go_on(hass, await begun(hass), {"advanced": {"root": "mqtt_ota"}})
    assert done["type"] is FlowResultType.CREATE_ENTRY
    assert not hass.config_entries.flow.async_progress()


async def test_a_card_that_was_ignored_does_not_keep_the_user_out(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient
) -> None:
    MockConfigEntry(domain=DOMAIN, source=SOURCE_IGNORE, unique_id=DOMAIN).add_to_hass(hass)
    flow = await heard(hass, announcement())
    assert (flow["type"], flow["reason"]) == (FlowResultType.ABORT, "single_instance_allowed")
    done = await go_on(hass, await begun(hass), {"advanced": {"root": "mqtt_ota"}})
    assert done["type"] is FlowResultType.CREATE_ENTRY
    assert hass.config_entries.async_entries(DOMAIN) == [done["result"]]


async def test_a_boards_name_cannot_become_a_link(hass: HomeAssistant, mqtt_mock: MqttMockHAClient) -> None:
    form = await heard(hass, announcement(name="[a](http://b.example) <img src=c>"))
    assert form["description_placeholders"] is not None
    assert form["description_placeholders"]["board"] == r"\[a\]\(http\:\/\/b\.example\) \<img src\=c\>"


@pytest.mark.parametrize(
    ("payload", "topic"),
    [
        ("", TOPIC),
        (b"", TOPIC),
        ("not JSON", TOPIC),
        (b"\xff\xfe", TOPIC),
        (announcement().encode() + b" " * 4096, TOPIC),
        (announcement(protocol=2), TOPIC),
        (announcement(slot_size="large"), TOPIC),
        (announcement(id="lamp-2"), TOPIC),
        (announcement(id=".."), "mqtt_ota/board/../announce"),
        (announcement(), "other/board/lamp-1/announce"),
    ],
)
async def test_what_is_no_announcement_makes_no_card(
    hass: HomeAssistant, mqtt_mock: MqttMockHAClient, payload: str | bytes, topic: str
) -> None:
    flow = await heard(hass, payload, topic)
    assert (flow["type"], flow["reason"]) == (FlowResultType.ABORT, "invalid_announce")


async def test_mqtt_itself_finds_the_boards(hass: HomeAssistant, mqtt_mock: MqttMockHAClient) -> None:
    async_fire_mqtt_message(hass, TOPIC, announcement(), 1, True)
    # What the integration depends on is set up first, and nobody tells when that is done.
    async with asyncio.timeout(10):
        while not hass.config_entries.flow.async_progress():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    (flow,) = hass.config_entries.flow.async_progress()
    assert (flow["handler"], flow["step_id"]) == (DOMAIN, "confirm")


async def test_the_boards_are_looked_for_elsewhere_from_then_on(hass: HomeAssistant, ota_entry: SetUp) -> None:
    entry = await ota_entry()
    form = await entry.start_reconfigure_flow(hass)
    form = await go_on(hass, form, {"root": "#"})
    assert form["errors"] == {"root": "root_invalid"}
    done = await go_on(hass, form, {"root": "home/ota"})
    assert (done["type"], done["reason"]) == (FlowResultType.ABORT, "reconfigure_successful")
    assert entry.data == {"root": "home/ota"}
    async_fire_mqtt_message(hass, "home/ota/board/lamp-1/announce", announcement())
    await hass.async_block_till_done()
    assert "lamp-1" in entry.runtime_data.fleet.members


async def test_options_are_used_from_then_on(hass: HomeAssistant, ota_entry: SetUp) -> None:
    entry = await ota_entry()
    form = await hass.config_entries.options.async_init(entry.entry_id)
    answer = {"transport": "http", "base_url": "http://ha.example:8123/", "keep_images": 3.0, "wait_hours": 48.0}
    answer |= {"at_once": 3.0, "battery_least": 0.0}
    done = await hass.config_entries.options.async_configure(form["flow_id"], answer)
    await hass.async_block_till_done()
    assert done["type"] is FlowResultType.CREATE_ENTRY
    assert entry.options == answer | {"base_url": "http://ha.example:8123"}
    assert isinstance(entry.options["keep_images"], int)
    runtime = entry.runtime_data
    assert (runtime.preferred, runtime.patience) == (Transport.HTTP, 48 * 3600)
    assert runtime.downloads.async_base_url() == "http://ha.example:8123"


async def test_an_address_that_boards_cannot_use_is_refused(hass: HomeAssistant, ota_entry: SetUp) -> None:
    entry = await ota_entry(base_url="http://ha.example")
    form = await hass.config_entries.options.async_init(entry.entry_id)
    answer = OPTIONS | {"base_url": "ftp://ha.example"}
    form = await hass.config_entries.options.async_configure(form["flow_id"], answer)
    assert form["errors"] == {"base_url": "url_invalid"}
    assert form["description_placeholders"] is not None
    assert form["description_placeholders"]["url"] == "ftp://ha.example"
    done = await hass.config_entries.options.async_configure(form["flow_id"], OPTIONS)
    assert done["data"] == OPTIONS | {"base_url": ""}
    await hass.async_block_till_done()


async def test_forms_travel_to_the_browser(
    hass: HomeAssistant, ota_entry: SetUp, hass_client: ClientSessionGenerator
) -> None:
    entry = await ota_entry()
    assert await async_setup_component(hass, "config", {})
    client = await hass_client()
    path = "/api/config/config_entries"
    options = await client.post(f"{path}/options/flow", json={"handler": entry.entry_id})
    fields = {field["name"]: field for field in (await options.json())["data_schema"]}
    assert fields["transport"]["default"] == "blocks"
    assert fields["transport"]["selector"]["select"]["options"] == ["blocks", "http"]
    firmware = await client.post(f"{path}/subentries/flow", json={"handler": [entry.entry_id, "firmware"]})
    fields = {field["name"]: field for field in (await firmware.json())["data_schema"]}
    assert fields["github_token"]["selector"]["text"]["type"] == "password"

"""Commands that were left on the broker and triggers that several boards share: said, and settled where they can be."""

from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import async_fire_mqtt_message
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator, MqttMockHAClient

from custom_components.mqtt_ota import ISSUES
from custom_components.mqtt_ota.broker import Broker
from custom_components.mqtt_ota.const import DOMAIN
from custom_components.mqtt_ota.leftover_issues import NAMES_SHOWN
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir

from .conftest import SetUp
from .house import House
from .test_repairs import Fix, only, settled, told
from .whisper import SETTINGS, WHISPER, whisper

__all__ = ["whisper"]

pytestmark = pytest.mark.usefixtures("whisper")

PROTOCOL: dict[str, Any] = {"dialect": WHISPER, "name": "Whisper", **SETTINGS}
ALONE = PROTOCOL | {"status": "whisper/{id}/status", "command": "whisper/alone"}
COMMAND = "whisper/`command`"


@pytest.fixture
def fix(hass: HomeAssistant, hass_client: ClientSessionGenerator) -> Fix:
    return Fix(hass, hass_client)


async def say(hass: HomeAssistant, board_id: str, words: str) -> None:
    async_fire_mqtt_message(hass, f"whisper/{board_id}/status", words)
    await hass.async_block_till_done()


# Commands that were left


async def test_a_command_that_was_left_is_said_with_its_topic_and_boards(hass: HomeAssistant, ota_entry: SetUp) -> None:
    await ota_entry(dialects=[PROTOCOL])
    await say(hass, "b-1", "ready")
    await say(hass, "b-1", f"left {COMMAND}")
    issue = await only(hass)
    assert (issue.translation_key, issue.is_fixable, issue.severity) == ("retained_command", True, "warning")
    assert told(issue) == {"topic": "whisper/'command'", "boards": r"b\-1"}


async def test_the_boards_of_the_same_trigger_are_named_too(hass: HomeAssistant, ota_entry: SetUp) -> None:
    await ota_entry(dialects=[PROTOCOL])
    for number in range(NAMES_SHOWN + 2):
        await say(hass, f"b{number:02}", "ready")
    await say(hass, "b00", f"left {COMMAND}")
    left = next(issue for issue in await settled(hass) if issue.translation_key == "retained_command")
    assert told(left)["boards"] == ", ".join(f"b{number:02}" for number in range(NAMES_SHOWN)) + ", + 2"


async def test_a_command_to_nobody_who_is_known_is_said(hass: HomeAssistant, ota_entry: SetUp) -> None:
    await ota_entry(dialects=[PROTOCOL])
    await say(hass, "b-1", f"left {COMMAND}")
    assert told(await only(hass))["boards"] == "?"


async def test_what_the_user_ignores_stays_ignored(hass: HomeAssistant, ota_entry: SetUp) -> None:
    await ota_entry(dialects=[PROTOCOL])
    await say(hass, "b-1", f"left {COMMAND}")
    ir.async_get(hass).async_ignore(DOMAIN, (await only(hass)).issue_id, True)
    await say(hass, "b-2", "left another/command")
    issues = await settled(hass)
    assert sorted(issue.dismissed_version is not None for issue in issues) == [False, True]


async def test_a_yes_clears_the_command_on_the_broker(
    hass: HomeAssistant, ota_entry: SetUp, mqtt_mock: MqttMockHAClient, fix: Fix
) -> None:
    await ota_entry(dialects=[PROTOCOL])
    await say(hass, "b-1", f"left {COMMAND}")
    form = await fix.begin(await only(hass))
    assert (form["step_id"], form["errors"]) == ("confirm", {})
    assert form["description_placeholders"] == {"topic": "whisper/'command'", "boards": "?"}
    # A command cannot be cleared while the broker is away, and it must not seem so.
    mqtt_mock.connected = False
    assert (await fix.say_yes())["errors"] == {"base": "mqtt_not_connected"}
    mqtt_mock.connected = True
    mqtt_mock.async_publish.reset_mock()
    assert (await fix.say_yes())["type"] == "create_entry"
    mqtt_mock.async_publish.assert_called_once()
    topic, payload, qos, retain = mqtt_mock.async_publish.call_args.args[:4]
    assert (topic, payload, qos, retain) == (COMMAND, b"", 1, True)


async def test_a_command_that_is_gone_already_needs_no_yes(hass: HomeAssistant, ota_entry: SetUp, fix: Fix) -> None:
    await ota_entry(dialects=[PROTOCOL])
    await say(hass, "b-1", "left whisper/b-1/status")
    await fix.begin(await only(hass))
    # Somebody cleared it.
    await say(hass, "b-1", "")
    assert await settled(hass) == []
    done = await fix.say_yes()
    assert (done["type"], done["reason"]) == ("abort", "already_gone")


async def test_a_yes_while_the_integration_does_not_run_clears_nothing(
    hass: HomeAssistant, ota_entry: SetUp, fix: Fix
) -> None:
    entry = await ota_entry(dialects=[PROTOCOL])
    await say(hass, "b-1", f"left {COMMAND}")
    await fix.begin(await only(hass))
    assert await hass.config_entries.async_unload(entry.entry_id)
    done = await fix.say_yes()
    assert (done["type"], done["reason"]) == ("abort", "entry_not_loaded")


async def test_the_issue_goes_when_the_broker_forgot_the_command(house: House, fix: Fix) -> None:
    hass = house.hass
    broker = Broker(hass)
    for kind in ISSUES:
        assert not kind.active(hass)
    topic = "whisper/b-1/status"
    await broker.async_publish(topic, f"left {topic}".encode(), 1, retain=True)
    await house.add_dialect(PROTOCOL)
    await house.until(lambda: topic in house.entry.runtime_data.fleet.leftovers)
    await fix.begin(await only(hass))
    assert (await fix.say_yes())["type"] == "create_entry"
    await house.until(lambda: not house.entry.runtime_data.fleet.leftovers)
    assert await settled(hass) == []


# Triggers that several boards share


async def test_boards_of_one_trigger_are_named_in_a_warning(hass: HomeAssistant, ota_entry: SetUp) -> None:
    await ota_entry(dialects=[PROTOCOL])
    await say(hass, "b-1", "ready")
    assert await settled(hass) == []
    await say(hass, "b-2", "ready")
    issue = await only(hass)
    assert (issue.translation_key, issue.is_fixable, issue.severity) == ("shared_trigger", False, "warning")
    assert told(issue) == {"topic": "whisper/command", "count": "2", "boards": r"b\-1, b\-2"}


async def test_one_known_board_is_warned_of_where_others_may_listen(hass: HomeAssistant, ota_entry: SetUp) -> None:
    await ota_entry(dialects=[PROTOCOL | {"shared": True}])
    await say(hass, "b-1", "ready")
    assert told(await only(hass))["count"] == "1"


async def test_the_warning_goes_with_its_boards(hass: HomeAssistant, ota_entry: SetUp) -> None:
    entry = await ota_entry(dialects=[PROTOCOL])
    await say(hass, "b-1", "ready")
    await say(hass, "b-2", "ready")
    assert await settled(hass)
    hass.config_entries.async_remove_subentry(entry, next(iter(entry.subentries)))
    await hass.async_block_till_done()
    assert await settled(hass) == []


async def test_the_warning_can_be_ignored(hass: HomeAssistant, ota_entry: SetUp) -> None:
    await ota_entry(dialects=[PROTOCOL])
    await say(hass, "b-1", "ready")
    await say(hass, "b-2", "ready")
    ir.async_get(hass).async_ignore(DOMAIN, (await only(hass)).issue_id, True)
    await say(hass, "b-3", "ready")
    issue = await only(hass)
    assert (issue.dismissed_version is not None, told(issue)["count"]) == (True, "3")

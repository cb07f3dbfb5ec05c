"""Adding and changing a protocol: its form is checked, and it is listened with before anything is saved."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_mqtt_message,
    async_fire_time_changed,
)
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.mqtt_ota import dialect_flow
from custom_components.mqtt_ota.broker import Broker
from custom_components.mqtt_ota.const import SUBENTRY_DIALECT
from custom_components.mqtt_ota.dialect_form import CAPTURED_LENGTH, LINES_SHOWN
from custom_components.mqtt_ota.listening import BOARDS_LIMIT, CAUSES_LIMIT, LEFTOVERS_LIMIT
from custom_components.mqtt_ota.ota.dialects import registry
from custom_components.mqtt_ota.ota.dialects.settings import Kind
from custom_components.mqtt_ota.texts import Texts
from homeassistant.config_entries import ConfigSubentry, SubentryFlowContext, SubentryFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr
from homeassistant.util import dt as dt_util

from .conftest import SetUp
from .house import PATIENCE, House
from .whisper import KIND, SETTINGS, WHISPER, whisper

__all__ = ["whisper"]

pytestmark = pytest.mark.usefixtures("whisper")

SAVED: dict[str, Any] = {"dialect": WHISPER, "name": "Whisper", **SETTINGS}
FORM: dict[str, Any] = {"name": "Whisper", **{key: value for key, value in SETTINGS.items() if value != ""}}

HEARD = r"""
- **b\-1**: lamp, ESP32\-S3, 1\.0\.0
- **b\-2**: lamp, ESP32\-S3, tells no version
- **b\-3**: spoke, but did not say all about itself yet

Messages that were not understood, an example for each reason:

- `whisper/b-4/status`: hello is no word
- `whisper/b 6/status`: it names no valid board

Some messages say nothing of what is looked for, or are commands, for example on `whisper/b-8/status`.

Commands that somebody left on the broker; you are asked about them after saving:

- `whisper/'command'`
""".strip()


class Flow:
    """The user's side of the flow."""

    def __init__(self, hass: HomeAssistant, entry: MockConfigEntry) -> None:
        self._hass = hass
        self._entry = entry
        self._flow_id = ""

    async def begin(self, kind: str = WHISPER) -> SubentryFlowResult:
        """Choose Add protocol, and a kind."""
        menu = await self._init({"source": "user"})
        assert (menu["type"], menu["step_id"]) == (FlowResultType.MENU, "user")
        assert kind in menu["menu_options"]
        return await self.choose(kind)

    async def begin_own(self) -> SubentryFlowResult:
        """Choose Add protocol, a kind, and that the software is one's own."""
        preset = await self.begin()
        assert preset["step_id"] == "preset"
        return await self.submit(preset=dialect_flow.OWN)

    async def change(self, subentry: ConfigSubentry) -> SubentryFlowResult:
        """Choose Change protocol."""
        return await self._init({"source": "reconfigure", "subentry_id": subentry.subentry_id})

    async def choose(self, option: str) -> SubentryFlowResult:
        """Choose from a menu."""
        return await self.submit(next_step_id=option)

    async def submit(self, **answer: Any) -> SubentryFlowResult:
        """Send a form."""
        result = await self._hass.config_entries.subentries.async_configure(self._flow_id, answer)
        await self._hass.async_block_till_done()
        return result

    async def listen(self, *messages: tuple[str, str] | tuple[str, str, bool]) -> SubentryFlowResult:
        """Choose to listen while these messages come, and let the time pass."""
        progress = await self.choose("listen")
        assert (progress["type"], progress["progress_action"]) == (FlowResultType.SHOW_PROGRESS, "listen")
        assert progress["description_placeholders"] == {"seconds": "10", "topics": "`whisper/+/status`"}
        for topic, payload, *retain in messages:
            async_fire_mqtt_message(self._hass, topic, payload, 0, *retain)
        await self._hass.async_block_till_done()
        async_fire_time_changed(self._hass, dt_util.utcnow() + timedelta(seconds=11))
        return await self.heard()

    async def heard(self) -> SubentryFlowResult:
        """Wait for the end of the listening, and return what is shown then, and again as browsers ask for it."""
        flows = self._hass.config_entries.subentries
        async with asyncio.timeout(PATIENCE):
            while flows.async_get(self._flow_id)["step_id"] == "listen":  # noqa: ASYNC110
                await asyncio.sleep(0)
        shown = await flows.async_configure(self._flow_id)
        again = await flows.async_configure(self._flow_id)
        assert shown["type"] is FlowResultType.MENU
        assert (shown["step_id"], shown["description_placeholders"]) == (
            again["step_id"],
            again["description_placeholders"],
        )
        return again

    async def _init(self, context: SubentryFlowContext) -> SubentryFlowResult:
        result = await self._hass.config_entries.subentries.async_init(
            (self._entry.entry_id, SUBENTRY_DIALECT), context=context
        )
        self._flow_id = result["flow_id"]
        return result


def suggested(form: SubentryFlowResult) -> dict[str, Any]:
    """Return what a form begins with."""
    assert form["data_schema"] is not None
    fields = form["data_schema"].schema
    return {str(key): key.description["suggested_value"] for key in fields if key.description}


def only(entry: MockConfigEntry) -> ConfigSubentry:
    subentry: ConfigSubentry
    (subentry,) = entry.subentries.values()
    return subentry


async def test_a_protocol_is_set_up_from_its_form(hass: HomeAssistant, ota_entry: SetUp) -> None:
    entry = await ota_entry()
    flow = Flow(hass, entry)
    form = await flow.begin_own()
    assert (form["type"], form["step_id"], form["errors"]) == (FlowResultType.FORM, WHISPER, {})
    assert suggested(form) == {"name": WHISPER, **SETTINGS}
    menu = await flow.submit(**FORM | {"command": " my/command ", "model": " lamp ", "port": 80.0, "pattern": " v\n"})
    assert (menu["type"], menu["step_id"], menu["menu_options"]) == (
        FlowResultType.MENU,
        "check",
        ["listen", "save", "change"],
    )
    assert (await flow.choose("save"))["type"] is FlowResultType.CREATE_ENTRY
    subentry = only(entry)
    assert subentry.title == "Whisper"
    assert subentry.data == SAVED | {"command": "my/command", "model": "lamp", "port": 80, "pattern": " v\n"}
    assert isinstance(subentry.data["port"], int)


async def test_a_field_that_was_emptied_stays_empty(hass: HomeAssistant, ota_entry: SetUp) -> None:
    entry = await ota_entry()
    flow = Flow(hass, entry)
    await flow.begin_own()
    menu = await flow.submit(name=" ", command="c")
    # Boards that say nothing cannot be listened to.
    assert (menu["step_id"], menu["menu_options"]) == ("check_silent", ["save", "change"])
    await flow.choose("save")
    assert only(entry).data == SAVED | {"name": WHISPER, "command": "c", "status": "", "pattern": ""}


async def test_a_preset_fills_the_form_in(hass: HomeAssistant, ota_entry: SetUp) -> None:
    flow = Flow(hass, await ota_entry())
    preset = await flow.begin()
    assert preset["data_schema"] is not None
    (selector,) = preset["data_schema"].schema.values()
    assert selector.config["options"] == ["loud", "own"]
    form = await flow.submit(preset="loud")
    assert suggested(form) | {"name": ""} == {**SETTINGS, "name": "", "command": "loud/command", "model": "loud"}


async def test_a_kind_without_presets_shows_its_form_at_once(
    hass: HomeAssistant, ota_entry: SetUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.KINDS, WHISPER, replace(KIND, presets={}, try_out=None))
    form = await Flow(hass, await ota_entry()).begin()
    assert form["step_id"] == WHISPER
    assert form["data_schema"] is not None
    assert "captured" not in form["data_schema"].schema


async def test_a_form_begins_with_the_name_of_its_kind_and_shows_the_words_of_its_texts(
    hass: HomeAssistant, ota_entry: SetUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = "component.mqtt_ota"
    texts = {
        f"{prefix}.config_subentries.dialect.step.user.menu_options.whisper": "Boards that whisper",
        f"{prefix}.config_subentries.dialect.step.whisper.data_description.command": "It may hold {id}, once.",
        f"{prefix}.selector.dialect_preset.options.loud": "Boards that are loud",
    }

    async def _texts(_hass: HomeAssistant, category: str) -> Texts:
        return Texts(category, texts)

    monkeypatch.setattr(dialect_flow, "async_texts", _texts)
    flow = Flow(hass, await ota_entry())
    form = await flow.begin_own()
    assert suggested(form)["name"] == "Boards that whisper"
    assert form["description_placeholders"] == {"id": "{id}"}
    await flow.begin()
    assert suggested(await flow.submit(preset="loud"))["name"] == "Boards that are loud"


@pytest.mark.parametrize(
    ("answer", "errors", "told"),
    [
        ({"command": "a/#"}, {"command": "topic_invalid"}, {"words": "{id}"}),
        ({"status": "{who}"}, {"status": "word_unknown"}, {"words": "{id}"}),
        ({"command": "  "}, {"command": "missing"}, {}),
        ({"board_id": "no board"}, {"board_id": "id_invalid"}, {}),
        ({"model": "x" * 1025}, {"model": "text_invalid"}, {}),
        ({"pattern": "("}, {"pattern": "text_invalid"}, {}),
        # What is wrong with no field of the form is said above it.
        ({"pattern": ")"}, {"base": "missing"}, {}),
        ({"captured": "x" * (CAPTURED_LENGTH + 1)}, {"captured": "text_invalid"}, {}),
    ],
)
async def test_what_cannot_be_used_is_said_under_its_field_and_nothing_typed_is_lost(
    hass: HomeAssistant, ota_entry: SetUp, answer: dict[str, str], errors: dict[str, str], told: Mapping[str, str]
) -> None:
    entry = await ota_entry()
    flow = Flow(hass, entry)
    await flow.begin_own()
    form = await flow.submit(**FORM | {"name": "Mine"} | answer)
    assert (form["step_id"], form["errors"]) == (WHISPER, errors)
    assert form["description_placeholders"] == told
    assert suggested(form) == FORM | {"name": "Mine"} | answer
    assert (await flow.submit(**FORM))["step_id"] == "check"
    assert not entry.subentries


async def test_a_captured_message_is_tried_and_not_saved(hass: HomeAssistant, ota_entry: SetUp) -> None:
    entry = await ota_entry()
    flow = Flow(hass, entry)
    await flow.begin_own()
    menu = await flow.submit(**FORM, captured="v=1.*0*")
    assert (menu["type"], menu["step_id"], menu["menu_options"]) == (
        FlowResultType.MENU,
        "tried",
        ["listen", "save", "change"],
    )
    assert menu["description_placeholders"] == {"found": "- pattern: **1\\.\\*0\\***\n- size: found nothing"}
    await flow.choose("save")
    assert only(entry).data == SAVED


async def test_the_same_boards_on_the_same_topic_are_there_already(hass: HomeAssistant, ota_entry: SetUp) -> None:
    entry = await ota_entry(dialects=[SAVED | {"board_id": "b-1", "status": ""}])
    flow = Flow(hass, entry)
    await flow.begin_own()
    done = await flow.submit(**FORM | {"board_id": "b-1"})
    assert (done["type"], done["reason"]) == (FlowResultType.ABORT, "already_configured")
    # Another board there is another protocol, and so is the same one elsewhere, under another name.
    await flow.begin_own()
    assert (await flow.submit(**FORM | {"board_id": "b-2"}))["step_id"] == "check"
    await flow.begin_own()
    form = await flow.submit(**FORM | {"board_id": "b-1", "command": "elsewhere"})
    assert form["errors"] == {"board_id": "id_taken"}
    assert form["description_placeholders"] == {"board": "b-1"}


async def test_settings_can_be_changed_before_they_are_saved(hass: HomeAssistant, ota_entry: SetUp) -> None:
    entry = await ota_entry()
    flow = Flow(hass, entry)
    await flow.begin_own()
    await flow.submit(**FORM | {"name": "Mine", "model": "lamp"})
    form = await flow.choose("change")
    assert suggested(form) == {"name": "Mine", **SETTINGS, "model": "lamp"}


async def test_what_is_heard_is_told_and_nothing_is_sent(
    hass: HomeAssistant, ota_entry: SetUp, mqtt_mock: MqttMockHAClient
) -> None:
    entry = await ota_entry()
    flow = Flow(hass, entry)
    await flow.begin_own()
    await flow.submit(**FORM | {"model": "lamp"})
    menu = await flow.listen(
        ("whisper/b-1/status", "ready 1.0.0", True),
        ("whisper/b-1/status", "here"),
        ("whisper/b-2/status", "hint"),
        ("whisper/b-2/status", "ready"),
        ("whisper/b-3/status", "hint"),
        ("whisper/b-1/status", "hint"),
        ("whisper/b-4/status", "hello"),
        ("whisper/b-5/status", "hello"),
        ("whisper/b 6/status", "ready"),
        ("whisper/b-7/status", "left whisper/`command`"),
        ("whisper/b-8/status", ""),
        ("whisper/b-8/status", "echo"),
        ("whisper/b-9/status", "here"),
    )
    assert (menu["type"], menu["step_id"], menu["menu_options"]) == (
        FlowResultType.MENU,
        "heard",
        ["listen", "save", "change"],
    )
    assert menu["description_placeholders"] == {
        "messages": "12",
        "remembered": "1",
        "heard": HEARD,
    }
    assert not [call for call in mqtt_mock.async_publish.mock_calls if call.args[0].startswith("whisper")]
    assert entry.runtime_data.fleet.members == {}
    # It can be listened again, and saved then.
    assert (await flow.listen())["step_id"] == "heard_nothing"
    assert (await flow.choose("save"))["type"] is FlowResultType.CREATE_ENTRY


async def test_a_board_that_is_set_up_is_heard_by_any_word_of_its_own(hass: HomeAssistant, ota_entry: SetUp) -> None:
    flow = Flow(hass, await ota_entry())
    await flow.begin_own()
    await flow.submit(**FORM | {"board_id": "b-1"})
    menu = await flow.listen(("whisper/b-1/status", "here"))
    assert menu["description_placeholders"] is not None
    assert menu["description_placeholders"]["heard"] == r"- **b\-1**: ESP32\-S3, tells no version"


async def test_messages_of_nobody_are_counted_and_explained(hass: HomeAssistant, ota_entry: SetUp) -> None:
    flow = Flow(hass, await ota_entry())
    await flow.begin_own()
    await flow.submit(**FORM)
    menu = await flow.listen(*((f"whisper/b-{number}/status", f"word{number}") for number in range(CAUSES_LIMIT + 5)))
    assert menu["step_id"] == "heard_no_board"
    assert menu["description_placeholders"] is not None
    assert menu["description_placeholders"]["messages"] == str(CAUSES_LIMIT + 5)
    assert menu["description_placeholders"]["heard"].count("is no word") == CAUSES_LIMIT


async def test_messages_that_concern_nobody_are_no_silence(hass: HomeAssistant, ota_entry: SetUp) -> None:
    flow = Flow(hass, await ota_entry())
    await flow.begin_own()
    await flow.submit(**FORM)
    menu = await flow.listen(("whisper/b-1/status", "echo"), ("whisper/b-2/status", "echo"))
    assert menu["step_id"] == "heard_no_board"
    assert menu["description_placeholders"] is not None
    assert "for example on `whisper/b-1/status`" in menu["description_placeholders"]["heard"]


async def test_silence_says_on_which_topics(hass: HomeAssistant, ota_entry: SetUp) -> None:
    flow = Flow(hass, await ota_entry())
    await flow.begin_own()
    await flow.submit(**FORM)
    menu = await flow.listen()
    assert (menu["step_id"], menu["description_placeholders"]) == ("heard_nothing", {"topics": "`whisper/+/status`"})


async def test_a_crowd_is_neither_kept_nor_shown_in_full(hass: HomeAssistant, ota_entry: SetUp) -> None:
    flow = Flow(hass, await ota_entry())
    await flow.begin_own()
    await flow.submit(**FORM)
    crowd = [(f"whisper/b-{number}/status", "ready") for number in range(BOARDS_LIMIT + 5)]
    left = [("whisper/b/status", f"left topic/{number}") for number in range(LEFTOVERS_LIMIT + 5)]
    menu = await flow.listen(*crowd, *left)
    assert menu["description_placeholders"] is not None
    heard = menu["description_placeholders"]["heard"]
    assert (heard.count("tells no version"), heard.count("topic/")) == (LINES_SHOWN, LEFTOVERS_LIMIT)
    assert f"- and {BOARDS_LIMIT - LINES_SHOWN} more" in heard


async def test_without_a_broker_it_is_said_why_nothing_can_be_heard(
    hass: HomeAssistant, ota_entry: SetUp, mqtt_mock: MqttMockHAClient
) -> None:
    entry = await ota_entry()
    flow = Flow(hass, entry)
    await flow.begin_own()
    await flow.submit(**FORM)
    mqtt_mock.connected = False
    assert (await flow.choose("listen"))["step_id"] == "heard_offline"
    mqtt_mock.connected = True
    assert (await flow.listen())["step_id"] == "heard_nothing"
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert (await flow.choose("listen"))["step_id"] == "heard_offline"
    # What was typed is not lost.
    assert (await flow.choose("save"))["type"] is FlowResultType.CREATE_ENTRY


async def test_a_broker_that_takes_no_subscription_is_said_to_be_gone(
    hass: HomeAssistant, ota_entry: SetUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = Flow(hass, await ota_entry())
    await flow.begin_own()
    await flow.submit(**FORM)

    async def _refuse(*_: Any) -> None:
        raise HomeAssistantError("MQTT is switched off")

    with monkeypatch.context() as patch:
        patch.setattr(Broker, "async_subscribe", _refuse)
        await flow.choose("listen")
        assert (await flow.heard())["step_id"] == "heard_offline"


async def test_leaving_the_form_ends_the_listening(
    hass: HomeAssistant, ota_entry: SetUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = Flow(hass, await ota_entry())
    await flow.begin_own()
    await flow.submit(**FORM)
    progress = await flow.choose("listen")
    close = Broker.async_close
    is_closed = asyncio.Event()

    def _close(broker: Broker) -> None:
        close(broker)
        is_closed.set()

    monkeypatch.setattr(Broker, "async_close", _close)
    hass.config_entries.subentries.async_abort(progress["flow_id"])
    async with asyncio.timeout(PATIENCE):
        await is_closed.wait()


async def test_a_change_keeps_the_boards(hass: HomeAssistant, ota_entry: SetUp) -> None:
    entry = await ota_entry(dialects=[SAVED | {"model": "lamp"}])
    async_fire_mqtt_message(hass, "whisper/b-1/status", "ready 1.0.0")
    await hass.async_block_till_done()
    (device,) = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    subentry = only(entry)
    flow = Flow(hass, entry)
    form = await flow.change(subentry)
    assert (form["step_id"], suggested(form)) == (WHISPER, {"name": "Whisper", **SETTINGS, "model": "lamp"})
    # Its own topic is no other's.
    assert (await flow.submit(**FORM | {"name": "Quiet", "model": "strip"}))["step_id"] == "check"
    done = await flow.choose("save")
    assert (done["type"], done["reason"]) == (FlowResultType.ABORT, "reconfigure_successful")
    await hass.async_block_till_done()
    changed = only(entry)
    assert (changed.subentry_id, changed.title) == (subentry.subentry_id, "Quiet")
    assert changed.data == SAVED | {"name": "Quiet", "model": "strip"}
    assert list(entry.runtime_data.fleet.members) == ["whisper:b-1"]
    assert dr.async_get(hass).async_get(device.id) is not None


async def test_a_board_of_another_protocol_is_not_taken_in_a_change(hass: HomeAssistant, ota_entry: SetUp) -> None:
    one, other = SAVED | {"board_id": "b-1"}, SAVED | {"board_id": "b-2", "command": "elsewhere"}
    entry = await ota_entry(dialects=[one, other])
    flow = Flow(hass, entry)
    await flow.change(next(subentry for subentry in entry.subentries.values() if subentry.data["board_id"] == "b-2"))
    form = await flow.submit(**FORM | {"board_id": "b-1", "command": "elsewhere"})
    assert form["errors"] == {"board_id": "id_taken"}


async def test_a_kind_that_is_no_more_cannot_be_changed(
    hass: HomeAssistant, ota_entry: SetUp, whisper: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = await ota_entry(dialects=[SAVED])
    monkeypatch.delitem(registry.KINDS, WHISPER)
    done = await Flow(hass, entry).change(only(entry))
    assert (done["type"], done["reason"]) == (FlowResultType.ABORT, "kind_unknown")


async def test_a_real_broker_is_listened_to(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    hass = house.hass
    monkeypatch.setattr(dialect_flow, "LISTEN_SECONDS", 1.0)
    broker = Broker(hass)
    await broker.async_publish("whisper/b-1/status", b"ready 1.0.0", 1, retain=True)
    flow = Flow(hass, house.entry)
    await flow.begin_own()
    await flow.submit(**FORM)
    heard = hass.config_entries.subentries
    progress = await heard.async_configure(flow._flow_id, {"next_step_id": "listen"})
    assert progress["type"] is FlowResultType.SHOW_PROGRESS
    await house.until(lambda: heard.async_get(flow._flow_id)["step_id"] == "heard")
    menu = await heard.async_configure(flow._flow_id)
    assert menu["description_placeholders"] is not None
    assert (menu["description_placeholders"]["messages"], menu["description_placeholders"]["remembered"]) == ("1", "1")
    await broker.async_publish("whisper/b-1/status", b"", 1, retain=True)

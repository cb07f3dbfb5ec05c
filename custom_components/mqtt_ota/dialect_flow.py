"""Adding and changing a protocol: the topics of the user's own boards, tried before they are saved."""

import asyncio
from functools import partial
from typing import Any, Final

from homeassistant.config_entries import SOURCE_RECONFIGURE, ConfigEntryState, ConfigSubentryFlow, SubentryFlowResult
from homeassistant.const import CONF_NAME
from homeassistant.exceptions import HomeAssistantError

from .const import CONF_DIALECT, SUBENTRY_DIALECT
from .dialect_form import CAPTURED_LENGTH, CONF_CAPTURED, found_list, heard_list, schema, settings, words
from .forms import choice, vol
from .listening import Heard, async_listen, can_listen
from .ota.dialects import Dialect
from .ota.dialects.registry import KINDS
from .ota.dialects.settings import Kind, SettingError, SettingType
from .spoken import spoken_dialects
from .texts import async_texts

LISTEN_SECONDS = 10.0
CONF_PRESET: Final = "preset"
OWN: Final = "own"

_SUBENTRIES: Final = "config_subentries"
_NEXT: Final = ["listen", "save", "change"]


class DialectFlow(ConfigSubentryFlow):
    """Choose a kind of protocol, fill in its form, listen with it, and save."""

    _kind: Kind
    _dialect: Dialect
    _asked: tuple[str, dict[str, str]]
    _listening: asyncio.Task[Heard] | None = None

    def __init__(self) -> None:
        """Have a step for every kind, whose form has texts of its own."""
        # What the form begins with, and then what it said.
        self._name = ""
        self._filled: dict[str, Any] = {}
        for name, kind in KINDS.items():
            setattr(self, f"async_step_{name}", partial(self._async_step_kind, kind))

    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask how the boards take firmware."""
        return self.async_show_menu(step_id="user", menu_options=list(KINDS))

    async def async_step_reconfigure(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask for the settings of this protocol again."""
        subentry = self._get_reconfigure_subentry()
        kind = KINDS.get(subentry.data.get(CONF_DIALECT, ""))
        if kind is None:
            return self.async_abort(reason="kind_unknown")
        self._kind, self._name, self._filled = kind, subentry.title, kind.filled(subentry.data)
        return await self.async_step_change()

    async def async_step_preset(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask whether the boards run software whose topics are known."""
        if user_input is not None:
            preset = user_input[CONF_PRESET]
            if preset in self._kind.presets:
                self._name = (await async_texts(self.hass, "selector")).get(f"dialect_preset.options.{preset}")
                self._filled = self._kind.filled(self._kind.presets[preset])
            return await self.async_step_change()
        options = [*self._kind.presets, OWN]
        return self.async_show_form(
            step_id="preset",
            data_schema=vol.Schema(
                {vol.Required(CONF_PRESET, default=options[0]): choice(options, f"dialect_{CONF_PRESET}")}
            ),
            last_step=False,
        )

    async def _async_step_kind(self, kind: Kind, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Begin with a kind that was chosen, or take what its form says."""
        if user_input is not None:
            return await self._async_take(user_input)
        self._kind, self._filled = kind, kind.filled({})
        texts = await async_texts(self.hass, _SUBENTRIES)
        self._name = texts.get(f"dialect.step.user.menu_options.{kind.name}") or kind.name
        return await (self.async_step_preset() if kind.presets else self.async_step_change())

    async def async_step_change(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Show the form of the kind, with what is known so far."""
        return await self._async_show({CONF_NAME: self._name, **self._filled})

    async def _async_show(self, shown: dict[str, Any], error: SettingError | None = None) -> SubentryFlowResult:
        step = (await async_texts(self.hass, _SUBENTRIES)).below(f"dialect.step.{self._kind.name}")
        form = schema(self._kind)
        errors, placeholders = {}, words(step)
        if error is not None:
            errors[error.key if error.key in form.schema else "base"] = error.reason
            placeholders |= error.placeholders
        return self.async_show_form(
            step_id=self._kind.name,
            data_schema=self.add_suggested_values_to_schema(form, shown),
            errors=errors,
            description_placeholders=placeholders,
            last_step=False,
        )

    async def _async_take(self, user_input: dict[str, Any]) -> SubentryFlowResult:
        """Keep what the form says if it can be used, and go on to trying it."""
        chosen = settings(self._kind, user_input)
        captured = user_input.get(CONF_CAPTURED, "")
        if self._is_there_already(chosen):
            return self.async_abort(reason="already_configured")
        try:
            self._dialect = self._build(chosen, captured)
        except SettingError as err:
            return await self._async_show(user_input, err)
        self._name, self._filled = user_input[CONF_NAME].strip() or self._name, chosen
        if captured and self._kind.try_out is not None:
            found = self._kind.try_out(chosen, captured.encode())
            texts, labels = await async_texts(self.hass), await async_texts(self.hass, _SUBENTRIES)
            return self._ask("tried", found=found_list(texts, labels, self._kind, found))
        return self._ask("check" if self._dialect.topics() else "check_silent")

    async def async_step_listen(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Listen for a while."""
        if self._listening is None:
            if self._get_entry().state is not ConfigEntryState.LOADED or not can_listen(self.hass):
                return self._ask("heard_offline")
            listening = async_listen(self.hass, self._dialect, LISTEN_SECONDS)
            self._listening = self.hass.async_create_background_task(listening, "mqtt_ota listens")
        if not self._listening.done():
            return self.async_show_progress(
                step_id="listen",
                progress_action="listen",
                progress_task=self._listening,
                description_placeholders={"seconds": f"{LISTEN_SECONDS:.0f}", "topics": self._topics()},
            )
        return self.async_show_progress_done(next_step_id="heard")

    async def async_step_heard(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Say what was heard."""
        if self._listening is None:
            return await self.async_step_check()
        listening, self._listening = self._listening, None
        try:
            heard = listening.result()
        except HomeAssistantError:
            return self._ask("heard_offline")
        if not heard.messages:
            return self._ask("heard_nothing", topics=self._topics())
        return self._ask(
            "heard" if heard.boards or heard.hinted else "heard_no_board",
            messages=str(heard.messages),
            remembered=str(heard.remembered),
            heard=heard_list(await async_texts(self.hass), heard),
        )

    async def async_step_check(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask again what was asked last: a browser wants to see a question more than once."""
        step_id, placeholders = self._asked
        return self._ask(step_id, **placeholders)

    # Each menu is a step to Home Assistant.
    async_step_tried = async_step_check_silent = async_step_check
    async_step_heard_nothing = async_step_heard_no_board = async_step_heard_offline = async_step_check

    async def async_step_save(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Keep what was chosen; the entry's update listener takes it over."""
        data = {CONF_DIALECT: self._kind.name, CONF_NAME: self._name, **self._filled}
        if self.source != SOURCE_RECONFIGURE:
            return self.async_create_entry(title=self._name, data=data)
        subentry = self._get_reconfigure_subentry()
        return self.async_update_and_abort(self._get_entry(), subentry, title=self._name, data=data)

    def _ask(self, step_id: str, **placeholders: str) -> SubentryFlowResult:
        """Ask what to do next, and say what there is to know for it."""
        self._asked = step_id, placeholders
        options = _NEXT if self._dialect.topics() else [option for option in _NEXT if option != "listen"]
        return self.async_show_menu(step_id=step_id, menu_options=options, description_placeholders=placeholders)

    def _topics(self) -> str:
        return ", ".join(f"`{topic}`" for topic, _ in self._dialect.topics())

    def _build(self, chosen: dict[str, Any], captured: str) -> Dialect:
        """Return the dialect that the form describes; raises SettingError where it cannot be spoken beside the others."""
        if len(captured) > CAPTURED_LENGTH:
            raise SettingError(CONF_CAPTURED, "text_invalid")
        own_key = f"{self._kind.name}.{self._own_id()}"
        dialect = self._kind.build(own_key, chosen)
        taken = {
            board.id
            for other in spoken_dialects(self._get_entry()).values()
            if other.name == dialect.name and other.key != own_key
            for board in other.boards()
        }
        if both := sorted(taken.intersection(board.id for board in dialect.boards())):
            fields = [one.key for one in self._kind.settings if one.type is SettingType.BOARD_ID]
            raise SettingError(next(iter(fields), "base"), "id_taken", board=both[0])
        return dialect

    def _is_there_already(self, chosen: dict[str, Any]) -> bool:
        """Tell whether another protocol commands the same boards on the same topic."""
        others = (
            subentry
            for subentry in self._get_entry().subentries.values()
            if subentry.subentry_type == SUBENTRY_DIALECT and subentry.subentry_id != self._own_id()
        )
        return any(
            other.data.get(CONF_DIALECT) == self._kind.name
            and _place(self._kind, self._kind.filled(other.data)) == _place(self._kind, chosen)
            for other in others
        )

    def _own_id(self) -> str:
        return self._reconfigure_subentry_id if self.source == SOURCE_RECONFIGURE else "new"


def _place(kind: Kind, chosen: dict[str, Any]) -> list[Any]:
    """Return what tells two protocols of a kind apart: the topic of the command, which is the first, and the board."""
    topics = [one.key for one in kind.settings if one.type is SettingType.TOPIC]
    ids = [one.key for one in kind.settings if one.type is SettingType.BOARD_ID]
    return [chosen[key] for key in (*topics[:1], *ids)] or list(chosen.values())

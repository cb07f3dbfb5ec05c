"""Setting up: one confirmation, whether a board was found or the user came first."""

import re
from typing import Any, Final, override

from homeassistant.config_entries import ConfigEntry, ConfigFlow, ConfigFlowResult, ConfigSubentryFlow, OptionsFlow
from homeassistant.core import callback
from homeassistant.data_entry_flow import section
from homeassistant.helpers.selector import TextSelectorType
from homeassistant.helpers.service_info.mqtt import MqttServiceInfo

from .const import (
    CONF_AT_ONCE,
    CONF_BASE_URL,
    CONF_BATTERY,
    CONF_KEEP_IMAGES,
    CONF_ROOT,
    CONF_TRANSPORT,
    CONF_WAIT_HOURS,
    DEFAULT_AT_ONCE,
    DEFAULT_BATTERY,
    DEFAULT_KEEP_IMAGES,
    DEFAULT_WAIT_HOURS,
    DOMAIN,
    SUBENTRY_DIALECT,
    SUBENTRY_FIRMWARE,
)
from .dialect_flow import DialectFlow
from .downloads import check_base_url
from .firmware_flow import FirmwareFlow
from .forms import choice, text_field, vol, whole_number
from .markdown import escape
from .ota.board import Board, Transport
from .ota.dialects import Announcement, Message
from .ota.dialects.native import DEFAULT_ROOT, NativeDialect
from .ota.errors import OtaError

TITLE: Final = "MQTT OTA"
ADVANCED: Final = "advanced"
EXAMPLE_ADDRESS: Final = "http://192.168.1.2:8123"
KEEP_IMAGES_MOST: Final = 100
WAIT_HOURS_MOST: Final = 24 * 30
AT_ONCE_MOST: Final = 50


_ROOT: Final = re.compile(r"(?!\$)[^/+#\x00-\x20\x7f]+(/[^/+#\x00-\x20\x7f]+)*")
_ROOT_LENGTH: Final = 64
_ROOT_SCHEMA: Final = vol.Schema({vol.Required(CONF_ROOT, default=DEFAULT_ROOT): text_field()})
_OPTIONS_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_TRANSPORT, default=Transport.BLOCKS): choice([Transport.BLOCKS, Transport.HTTP], "transport"),
        vol.Optional(CONF_BASE_URL): text_field(TextSelectorType.URL),
        vol.Required(CONF_KEEP_IMAGES, default=DEFAULT_KEEP_IMAGES): whole_number(KEEP_IMAGES_MOST),
        vol.Required(CONF_WAIT_HOURS, default=DEFAULT_WAIT_HOURS): whole_number(WAIT_HOURS_MOST, "h"),
        vol.Required(CONF_AT_ONCE, default=DEFAULT_AT_ONCE): whole_number(AT_ONCE_MOST),
        vol.Required(CONF_BATTERY, default=DEFAULT_BATTERY): whole_number(100, "%", least=0),
    }
)


class MqttOtaConfigFlow(ConfigFlow, domain=DOMAIN):
    """Set up the one entry, and change where the boards speak."""

    VERSION = 1

    _board: Board

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: ConfigEntry) -> MqttOtaOptionsFlow:
        """Return the flow that changes the options."""
        return MqttOtaOptionsFlow()

    @classmethod
    @callback
    @override
    def async_get_supported_subentry_types(cls, config_entry: ConfigEntry) -> dict[str, type[ConfigSubentryFlow]]:
        """Return the flows of what an entry can hold several of."""
        return {SUBENTRY_FIRMWARE: FirmwareFlow, SUBENTRY_DIALECT: DialectFlow}

    @override
    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Set up before any board was heard."""
        if not self.hass.config_entries.async_entries("mqtt", include_ignore=False):
            return self.async_abort(reason="mqtt_not_set_up")
        await self.async_set_unique_id(DOMAIN, raise_on_progress=False)
        errors = {}
        if user_input is not None:
            root = user_input[ADVANCED][CONF_ROOT].strip()
            if _is_root(root):
                return self.async_create_entry(title=TITLE, data={CONF_ROOT: root})
            # Home Assistant shows no errors inside a section.
            errors["base"] = "root_invalid"
        schema = vol.Schema({vol.Required(ADVANCED): section(_ROOT_SCHEMA, {"collapsed": not errors})})
        return self.async_show_form(
            step_id="user", data_schema=self.add_suggested_values_to_schema(schema, user_input), errors=errors
        )

    @override
    async def async_step_mqtt(self, discovery_info: MqttServiceInfo) -> ConfigFlowResult:
        """Offer to set up because a board announced itself; many boards make one offer."""
        board = _announced_board(discovery_info)
        if board is None:
            return self.async_abort(reason="invalid_announce")
        await self.async_set_unique_id(DOMAIN)
        self._board = board
        self.context["title_placeholders"] = {"name": board.name or board.id}
        return await self.async_step_confirm()

    async def async_step_confirm(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask whether the boards are to be updated from here."""
        if user_input is not None:
            return self.async_create_entry(title=TITLE, data={CONF_ROOT: DEFAULT_ROOT})
        self._set_confirm_only()
        board = self._board
        return self.async_show_form(
            step_id="confirm",
            description_placeholders={
                "board": escape(board.name or board.id),
                "chip": escape(board.chip),
                "version": escape(board.version),
            },
        )

    async def async_step_reconfigure(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Change the topic below which the boards speak."""
        entry = self._get_reconfigure_entry()
        errors = {}
        if user_input is not None:
            root = user_input[CONF_ROOT].strip()
            if _is_root(root):
                return self.async_update_and_abort(entry, data_updates={CONF_ROOT: root})
            errors[CONF_ROOT] = "root_invalid"
        schema = self.add_suggested_values_to_schema(_ROOT_SCHEMA, user_input or entry.data)
        return self.async_show_form(step_id="reconfigure", data_schema=schema, errors=errors)


class MqttOtaOptionsFlow(OptionsFlow):
    """Change how boards are updated; the entry's update listener sees to the rest."""

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for all options at once."""
        errors: dict[str, str] = {}
        placeholders = {"example": EXAMPLE_ADDRESS}
        if user_input is not None:
            try:
                return self.async_create_entry(data=_options(user_input))
            except OtaError as err:
                errors[CONF_BASE_URL] = err.reason
                placeholders |= err.placeholders
        return self.async_show_form(
            step_id="init",
            data_schema=self.add_suggested_values_to_schema(_OPTIONS_SCHEMA, user_input or self.config_entry.options),
            errors=errors,
            description_placeholders=placeholders,
        )


def _options(user_input: dict[str, Any]) -> dict[str, Any]:
    """Return the options that a form means; raises OtaError when boards cannot use the address."""
    base_url = user_input.get(CONF_BASE_URL, "").strip()
    return {
        CONF_TRANSPORT: user_input[CONF_TRANSPORT],
        CONF_BASE_URL: check_base_url(base_url) if base_url else "",
        CONF_KEEP_IMAGES: int(user_input[CONF_KEEP_IMAGES]),
        CONF_WAIT_HOURS: int(user_input[CONF_WAIT_HOURS]),
        CONF_AT_ONCE: int(user_input[CONF_AT_ONCE]),
        CONF_BATTERY: int(user_input[CONF_BATTERY]),
    }


def _announced_board(discovery: MqttServiceInfo) -> Board | None:
    """Return the board that announced itself, None for what is no announcement."""
    payload = discovery.payload.encode() if isinstance(discovery.payload, str) else bytes(discovery.payload)
    message = Message(discovery.topic, payload, discovery.retain)
    dialect = NativeDialect(DEFAULT_ROOT)
    if dialect.board_id(message) is None:
        return None
    reading = dialect.read(message)
    return reading.board if isinstance(reading, Announcement) else None


def _is_root(text: str) -> bool:
    """Tell whether boards can speak below a topic."""
    return len(text.encode()) <= _ROOT_LENGTH and _ROOT.fullmatch(text) is not None

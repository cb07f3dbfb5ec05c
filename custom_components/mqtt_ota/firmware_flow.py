"""Adding and changing a firmware: where its releases are published, and which boards it is for."""

from collections.abc import Mapping
import re
from typing import Any, Final

from homeassistant.config_entries import SOURCE_RECONFIGURE, ConfigEntryState, ConfigSubentryFlow, SubentryFlowResult
from homeassistant.const import CONF_NAME
from homeassistant.helpers.selector import TextSelectorType

from .const import SUBENTRY_FIRMWARE
from .first_look import (
    CONF_ASSET_PATTERN,
    CONF_BOARD_ID,
    CONF_CHANNEL,
    CONF_CHIP,
    CONF_GITHUB_TOKEN,
    CONF_KIND,
    CONF_LOCATION,
    CONF_MODEL,
    CONF_PROJECT,
    CONF_PUBLIC_KEY,
    GITHUB,
    KINDS,
    FirstLook,
    async_look,
)
from .forms import choice, suggestions, text_field, vol
from .markdown import escape
from .ota.board import Board
from .ota.errors import OtaError
from .ota.release import Channel
from .ota.signature import load_public_key
from .releases import product_from_subentry

EXAMPLES: Final = {
    "example_repository": "octocat/lamp",
    "example_manifest": "https://example.com/lamp/manifest.json",
    "example_folder": "firmware/lamp",
}
WORDS: Final = ("{model}", "{chip}", "{project}", "{id}", "{version}")
EXAMPLE_PATTERN: Final = "lamp-{chip}-*.bin"

_BRACED: Final = re.compile(r"\{[^{}]*\}")
_SOURCE: Final = frozenset({CONF_KIND, CONF_LOCATION, CONF_GITHUB_TOKEN})
_MATCH: Final = (CONF_KIND, CONF_LOCATION, CONF_BOARD_ID, CONF_MODEL, CONF_CHIP, CONF_PROJECT)
_FEED_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_KIND, default=GITHUB): choice(KINDS, "feed_kind"),
        vol.Required(CONF_LOCATION): text_field(),
        vol.Optional(CONF_GITHUB_TOKEN): text_field(TextSelectorType.PASSWORD),
    }
)


class FirmwareFlow(ConfigSubentryFlow):
    """Name a feed, look at it, and say which boards it is for."""

    _look: FirstLook

    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask where the releases of a new firmware are published."""
        return await self._async_step_feed("user", user_input, {})

    async def async_step_reconfigure(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask where the releases of this firmware are published."""
        return await self._async_step_feed("reconfigure", user_input, self._get_reconfigure_subentry().data)

    async def _async_step_feed(
        self, step_id: str, user_input: dict[str, Any] | None, known: Mapping[str, Any]
    ) -> SubentryFlowResult:
        """Go on when the feed could be read."""
        errors: dict[str, str] = {}
        placeholders = dict(EXAMPLES)
        if user_input is not None:
            try:
                self._look = await async_look(self.hass, _source(user_input))
            except OtaError as err:
                errors[CONF_LOCATION] = err.reason
                placeholders |= err.placeholders
            else:
                return await self.async_step_boards()
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(_FEED_SCHEMA, user_input or known),
            errors=errors,
            description_placeholders=placeholders,
            last_step=False,
        )

    async def async_step_boards(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask which boards the firmware is for, and save."""
        errors: dict[str, str] = {}
        placeholders: dict[str, str] = {}
        chosen = {**self._look.source, **self._suggested()}
        if user_input is not None:
            chosen = {**self._look.source, **_filled(user_input)}
            chosen[CONF_NAME] = chosen.get(CONF_NAME) or self._look.name
            errors, placeholders = _wrong(chosen)
            if not errors:
                return self._save(chosen)
        boards = self._boards()
        return self.async_show_form(
            step_id="boards",
            data_schema=self.add_suggested_values_to_schema(self._schema(boards), chosen),
            errors=errors,
            description_placeholders=placeholders | await self._async_outlook(chosen, boards),
        )

    def _suggested(self) -> dict[str, Any]:
        """Return what to begin with: what is saved, or what the feed tells of itself."""
        if self.source == SOURCE_RECONFIGURE:
            return {key: value for key, value in self._get_reconfigure_subentry().data.items() if key not in _SOURCE}
        chips = self._look.chips
        return {
            CONF_NAME: self._look.name,
            CONF_CHANNEL: str(self._look.channel),
            **({CONF_CHIP: chips[0]} if len(chips) == 1 else {}),
        }

    async def _async_outlook(self, chosen: dict[str, Any], boards: list[Board]) -> dict[str, str]:
        """Return what a choice would mean for the boards that are known."""
        product = product_from_subentry({**chosen, CONF_PUBLIC_KEY: ""})
        fitting = await self.hass.async_add_executor_job(self._look.fitting, product, boards)
        return {
            "newest": escape(self._look.newest(product.channel) or "-"),
            "fitting": str(fitting),
            "boards": str(len(boards)),
            "words": " ".join(WORDS),
            "example_pattern": EXAMPLE_PATTERN,
        }

    def _boards(self) -> list[Board]:
        entry = self._get_entry()
        if entry.state is not ConfigEntryState.LOADED:
            return []
        return [member.board for member in entry.runtime_data.fleet.members.values()]

    def _schema(self, boards: list[Board]) -> vol.Schema:
        """Offer what the boards and the feed say, and take anything else too."""
        return vol.Schema(
            {
                vol.Required(CONF_NAME): text_field(),
                vol.Optional(CONF_MODEL): suggestions({board.model for board in boards}),
                vol.Optional(CONF_CHIP): suggestions({board.chip for board in boards} | set(self._look.chips)),
                vol.Optional(CONF_PROJECT): suggestions({board.project for board in boards}),
                vol.Optional(CONF_BOARD_ID): suggestions({board.id for board in boards}),
                vol.Optional(CONF_ASSET_PATTERN): text_field(),
                vol.Required(CONF_CHANNEL, default=Channel.STABLE): choice(Channel, "channel"),
                vol.Optional(CONF_PUBLIC_KEY): text_field(multiline=True),
            }
        )

    def _save(self, chosen: dict[str, Any]) -> SubentryFlowResult:
        """Keep what was chosen; the entry's update listener takes it over."""
        entry = self._get_entry()
        own_id = self._reconfigure_subentry_id if self.source == SOURCE_RECONFIGURE else None
        for subentry in entry.subentries.values():
            is_other = subentry.subentry_type == SUBENTRY_FIRMWARE and subentry.subentry_id != own_id
            if is_other and _match(subentry.data) == _match(chosen):
                return self.async_abort(reason="already_configured")
        if own_id is None:
            return self.async_create_entry(title=chosen[CONF_NAME], data=chosen)
        subentry = entry.subentries[own_id]
        return self.async_update_and_abort(entry, subentry, title=chosen[CONF_NAME], data=chosen)


def _source(user_input: Mapping[str, Any]) -> dict[str, Any]:
    """Return where a form says that the releases are; a token is GitHub's alone, and goes to nobody else."""
    source = _filled(user_input)
    if source[CONF_KIND] != GITHUB:
        source.pop(CONF_GITHUB_TOKEN, None)
    return source


def _filled(user_input: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that hold something, without the spaces around it."""
    stripped = {key: value.strip() for key, value in user_input.items()}
    return {key: value for key, value in stripped.items() if value or key == CONF_LOCATION}


def _wrong(chosen: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """Return what cannot be saved by field, and the placeholders of its texts."""
    errors: dict[str, str] = {}
    placeholders: dict[str, str] = {}
    if key := chosen.get(CONF_PUBLIC_KEY):
        try:
            load_public_key(key)
        except OtaError as err:
            errors[CONF_PUBLIC_KEY] = str(err.reason)
            placeholders |= err.placeholders
    unknown = [word for word in _BRACED.findall(chosen.get(CONF_ASSET_PATTERN, "")) if word not in WORDS]
    if unknown:
        errors[CONF_ASSET_PATTERN] = "pattern_invalid"
        placeholders["word"] = unknown[0]
    return errors, placeholders


def _match(data: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what makes two firmwares the same one."""
    return tuple(data.get(key, "").casefold() for key in _MATCH)

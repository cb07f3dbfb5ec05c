"""Answering what the integration asks: a feed that a board named becomes a firmware, after the user's yes."""

from types import MappingProxyType
from typing import Any

from homeassistant.components.repairs import RepairsFlow, RepairsFlowResult
from homeassistant.config_entries import ConfigEntryState, ConfigSubentry
from homeassistant.const import CONF_NAME
from homeassistant.core import HomeAssistant

from .const import DOMAIN, SUBENTRY_FIRMWARE
from .feed_proposals import Proposal, proposals
from .first_look import CONF_CHANNEL, async_recognise
from .forms import vol
from .ota.errors import OtaError
from .runtime import MqttOtaConfigEntry


async def async_create_fix_flow(
    hass: HomeAssistant, issue_id: str, data: dict[str, str | int | float | None] | None
) -> RepairsFlow:
    """Return the flow that settles an issue."""
    return ProposedFeedFlow()


class ProposedFeedFlow(RepairsFlow):
    """Set up the feed that boards named; nothing is fetched from it before the user's yes."""

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Begin with the question."""
        return await self.async_step_confirm()

    async def async_step_confirm(self, user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Ask, and on a yes read the feed and add the firmware."""
        entry: MqttOtaConfigEntry | None = next(iter(self.hass.config_entries.async_entries(DOMAIN)), None)
        if entry is None or entry.state is not ConfigEntryState.LOADED:
            return self.async_abort(reason="entry_not_loaded")
        proposal = proposals(entry.runtime_data).get(self.issue_id)
        if proposal is None:
            return self.async_abort(reason="board_gone")
        errors: dict[str, str] = {}
        placeholders = proposal.placeholders
        if user_input is not None:
            try:
                self.hass.config_entries.async_add_subentry(entry, await self._async_firmware(proposal))
            except OtaError as err:
                errors["base"] = err.reason
                # The feed's own address stands in the question already, in full.
                placeholders = err.placeholders | placeholders
            else:
                return self.async_create_entry(data={})
        return self.async_show_form(
            step_id="confirm", data_schema=vol.Schema({}), errors=errors, description_placeholders=placeholders
        )

    async def _async_firmware(self, proposal: Proposal) -> ConfigSubentry:
        """Return the firmware that a feed holds; raises OtaError when it cannot be read."""
        look = await async_recognise(self.hass, str(proposal.url))
        data = {**look.source, CONF_NAME: look.name, CONF_CHANNEL: str(look.channel), **proposal.match}
        return ConfigSubentry(
            data=MappingProxyType(data), subentry_type=SUBENTRY_FIRMWARE, title=look.name, unique_id=None
        )

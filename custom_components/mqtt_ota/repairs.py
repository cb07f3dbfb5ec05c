"""Answering what the integration asks: nothing is done before the user's yes."""

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

from homeassistant.components.repairs import RepairsFlow, RepairsFlowResult
from homeassistant.config_entries import ConfigEntryState, ConfigSubentry
from homeassistant.const import CONF_NAME
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util

from .const import DOMAIN, SUBENTRY_FIRMWARE
from .feed_proposals import Proposal, proposals
from .first_look import CONF_CHANNEL, async_recognise
from .forms import vol
from .leftover_issues import ISSUE as RETAINED_COMMAND, leftover_placeholders, leftovers
from .ota.errors import OtaError
from .ota.rollout import Rollout
from .rollout_issues import ISSUE as ROLLOUT_PAUSED, paused, paused_placeholders
from .rollout_words import cause_in_words
from .runtime import MqttOtaConfigEntry
from .texts import async_texts


async def async_create_fix_flow(
    hass: HomeAssistant, issue_id: str, data: dict[str, str | int | float | None] | None
) -> RepairsFlow:
    """Return the flow that settles an issue."""
    flows: dict[str, type[RepairsFlow]] = {RETAINED_COMMAND: RetainedCommandFlow, ROLLOUT_PAUSED: PausedRolloutFlow}
    return next((flow for key, flow in flows.items() if issue_id.startswith(f"{key}_")), ProposedFeedFlow)()


class ProposedFeedFlow(RepairsFlow):
    """Set up the feed that boards named; nothing is fetched from it before the user's yes."""

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Begin with the question."""
        return await self.async_step_confirm()

    async def async_step_confirm(self, user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Ask, and on a yes read the feed and add the firmware."""
        entry = _running(self.hass)
        if entry is None:
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


class RetainedCommandFlow(RepairsFlow):
    """Clear a command that somebody left on the broker."""

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Begin with the question."""
        return await self.async_step_confirm()

    async def async_step_confirm(self, user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Ask, and on a yes remove what the broker remembers."""
        entry = _running(self.hass)
        if entry is None:
            return self.async_abort(reason="entry_not_loaded")
        topic = leftovers(entry.runtime_data).get(self.issue_id)
        if topic is None:
            return self.async_abort(reason="already_gone")
        errors: dict[str, str] = {}
        if user_input is not None:
            if entry.runtime_data.sessions.is_connected:
                entry.runtime_data.sessions.delivery.async_clear(topic)
                return self.async_create_entry(data={})
            errors["base"] = "mqtt_not_connected"
        return self.async_show_form(
            step_id="confirm",
            data_schema=vol.Schema({}),
            errors=errors,
            description_placeholders=leftover_placeholders(entry.runtime_data, topic),
        )


class PausedRolloutFlow(RepairsFlow):
    """Let a rollout that stopped by itself go on, or end it."""

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Say what happened, and ask how to go on."""
        if (entry := _running(self.hass)) is None:
            return self.async_abort(reason="entry_not_loaded")
        runtime = entry.runtime_data
        if (running := paused(runtime).get(self.issue_id)) is None:
            return self.async_abort(reason="already_decided")
        why = cause_in_words(await async_texts(self.hass), running.rollout.cause)
        return self.async_show_menu(
            step_id="init",
            menu_options=["retry", "resume", "cancel"],
            description_placeholders=paused_placeholders(runtime, running) | {"why": why},
        )

    async def async_step_retry(self, user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Try the boards that failed again, then go on."""
        return self._apply(lambda rollout: rollout.resume(retry=True))

    async def async_step_resume(self, user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Go on without the boards that failed."""
        return self._apply(Rollout.resume)

    async def async_step_cancel(self, user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """End the rollout."""
        return self._apply(lambda rollout: rollout.cancel(dt_util.utcnow().timestamp()))

    def _apply(self, verb: Callable[[Rollout], object]) -> RepairsFlowResult:
        if (entry := _running(self.hass)) is None:
            return self.async_abort(reason="entry_not_loaded")
        rollouts = entry.runtime_data.rollouts
        if (running := paused(entry.runtime_data).get(self.issue_id)) is None:
            return self.async_abort(reason="already_decided")
        rollouts.async_apply(running, verb)
        return self.async_create_entry(data={})


def _running(hass: HomeAssistant) -> MqttOtaConfigEntry | None:
    """Return the entry, where it is set up and runs."""
    entry: MqttOtaConfigEntry | None = next(iter(hass.config_entries.async_entries(DOMAIN)), None)
    return entry if entry is not None and entry.state is ConfigEntryState.LOADED else None

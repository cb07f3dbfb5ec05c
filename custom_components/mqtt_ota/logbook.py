"""Lines of the logbook for what the entities' own lines leave open: why an update failed, and how rollouts go.

That an update was queued, started or installed is a line of the board's event entity, and no second one here.
"""

from collections.abc import Callable, Mapping
from typing import Any

from homeassistant.components.logbook.const import LOGBOOK_ENTRY_ENTITY_ID, LOGBOOK_ENTRY_MESSAGE, LOGBOOK_ENTRY_NAME
from homeassistant.const import ATTR_ENTITY_ID
from homeassistant.core import Event, HomeAssistant, callback

from .const import DOMAIN
from .reason_words import reason_in_words
from .rollout_words import rollout_in_words
from .rollouts import EVENT_ROLLOUT
from .step_events import EVENT_UPDATE_FAILED
from .steps import Step
from .texts import async_cached_texts

type Line = dict[str, Any]


@callback
def async_describe_events(
    hass: HomeAssistant,
    async_describe_event: Callable[[str, str, Callable[[Event[dict[str, Any]]], Line]], None],
) -> None:
    """Put the integration's events into words."""

    @callback
    def _describe_failure(event: Event[dict[str, Any]]) -> Line:
        return {
            LOGBOOK_ENTRY_NAME: event.data["name"],
            LOGBOOK_ENTRY_MESSAGE: failure_in_words(hass, event.data),
            LOGBOOK_ENTRY_ENTITY_ID: event.data[ATTR_ENTITY_ID],
        }

    @callback
    def _describe_rollout(event: Event[dict[str, Any]]) -> Line:
        texts = async_cached_texts(hass)
        return {
            LOGBOOK_ENTRY_NAME: texts.get("log_rollout"),
            LOGBOOK_ENTRY_MESSAGE: rollout_in_words(texts, event.data),
        }

    async_describe_event(DOMAIN, EVENT_UPDATE_FAILED, _describe_failure)
    async_describe_event(DOMAIN, EVENT_ROLLOUT, _describe_rollout)


def failure_in_words(hass: HomeAssistant, data: Mapping[str, Any]) -> str:
    """Return that a board has not the version that it was to get, and why."""
    why = reason_in_words(
        hass,
        data["reason"],
        board=data["name"],
        version=data["version"],
        installed=data["from_version"] or "-",
        detail=data["detail"] or "-",
    )
    texts, version = async_cached_texts(hass), data["version"]
    if data["step"] == Step.ROLLED_BACK:
        return texts.get("log_rolled_back", version=version, why=why)
    return texts.get("log_failed", version=version, why=why)

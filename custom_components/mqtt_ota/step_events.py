"""Events on Home Assistant's bus for each step of every update, for automations.

`mqtt_ota_update` tells each step, `mqtt_ota_update_failed` only those that somebody should know of at once: an update
that failed or was rolled back, also where that corrects an earlier verdict. Both carry

- `entity_id` and `device_id`: the board's update entity and its device, None while it has none;
- `board` and `name`: the board's id here, and what a person calls it;
- `step`: what happened, one of `steps.Step`;
- `version` and `from_version`: what is installed, and what the board ran before, None where nobody knows;
- `reason` and `detail`: why it failed as a code, and what the board said to it, None where there is nothing to say;
- `duration`: the seconds from the first word to the board to the verdict, None without both;
- `bytes`: the size of the image.

`mqtt_ota_update_failed` has `why` as well: the reason as a sentence, in Home Assistant's language.
"""

from collections.abc import Callable
from typing import Any, Final

from homeassistant.const import ATTR_DEVICE_ID, ATTR_ENTITY_ID
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er

from .const import DOMAIN
from .member import Member
from .ota.session import Session
from .reason_words import reason_in_words
from .sessions import Sessions
from .steps import Step
from .targets import update_entity_id

EVENT_UPDATE: Final = f"{DOMAIN}_update"
EVENT_UPDATE_FAILED: Final = f"{DOMAIN}_update_failed"

ALARMING: Final = frozenset({Step.FAILED, Step.ROLLED_BACK})
# A board may say much.
DETAIL_LENGTH: Final = 200


def told(session: Session) -> dict[str, Any]:
    """Return what an event tells of an update."""
    return {
        "version": session.target.version,
        "from_version": session.from_version or None,
        "reason": session.reason and session.reason.value,
        "detail": session.detail[:DETAIL_LENGTH] or None,
        "duration": None if session.duration is None else round(session.duration, 1),
        "bytes": session.target.size,
    }


@callback
def async_fire_steps(hass: HomeAssistant, sessions: Sessions) -> Callable[[], None]:
    """Fire the events from now on; return what ends that."""

    @callback
    def _stepped(member: Member, session: Session, step: Step) -> None:
        entity_id = update_entity_id(hass, member)
        entity = None if entity_id is None else er.async_get(hass).async_get(entity_id)
        data = {
            ATTR_ENTITY_ID: entity_id,
            ATTR_DEVICE_ID: None if entity is None else entity.device_id,
            "board": member.id,
            "name": member.name,
            "step": step.value,
            **told(session),
        }
        hass.bus.async_fire(EVENT_UPDATE, data)
        if step in ALARMING:
            why = reason_in_words(
                hass,
                data["reason"],
                board=member.name,
                version=data["version"],
                installed=data["from_version"] or "-",
                detail=data["detail"] or "-",
            )
            hass.bus.async_fire(EVENT_UPDATE_FAILED, {**data, "why": why})

    return sessions.async_listen(_stepped)

"""The event entity of a board: each step of its updates, for automations and the logbook."""

from typing import override

from homeassistant.components.event import EventEntity
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .entity import BoardEntity
from .member import Member
from .ota.session import Session
from .runtime import MqttOtaConfigEntry
from .sessions import Sessions
from .step_events import told
from .steps import Step

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant, entry: MqttOtaConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Give every board that is known or comes an event entity."""
    runtime = entry.runtime_data

    @callback
    def _joined(member: Member) -> None:
        async_add_entities([UpdateEvent(runtime.sessions, member)])

    entry.async_on_unload(runtime.fleet.async_on_join(_joined))


class UpdateEvent(BoardEntity, EventEntity):
    """What happens to a board's updates; progress is no event."""

    _attr_translation_key = "update"
    _attr_entity_category = EntityCategory.DIAGNOSTIC

    def __init__(self, sessions: Sessions, member: Member) -> None:
        """Tell of the updates of a board."""
        super().__init__(member, "update")
        self._sessions = sessions
        self._attr_event_types = [step.value for step in Step]

    @override
    async def async_added_to_hass(self) -> None:
        """Hear of each step."""
        await super().async_added_to_hass()
        self.async_on_remove(self._sessions.async_listen(self._stepped))

    @callback
    def _stepped(self, member: Member, session: Session, step: Step) -> None:
        if member is self._member:
            self._trigger_event(step.value, told(session))
            self.async_write_ha_state()

"""The sensors of a board: its place in the queue, and how its last update went."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import override

from homeassistant.components.sensor import SensorDeviceClass, SensorEntity, SensorEntityDescription
from homeassistant.const import EntityCategory, UnitOfTime
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.typing import StateType

from .entity import BoardEntity
from .member import Member
from .past_sessions import last_ended
from .runtime import MqttOtaConfigEntry, Runtime
from .steps import VERDICTS

PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class BoardSensorDescription(SensorEntityDescription):
    """A sensor of a board, and what it shows."""

    value_fn: Callable[[Runtime, Member], StateType]


def _last_result(_runtime: Runtime, member: Member) -> StateType:
    session = last_ended(member)
    return None if session is None else VERDICTS[session.state].value


def _last_duration(_runtime: Runtime, member: Member) -> StateType:
    session = last_ended(member)
    return None if session is None else session.duration


SENSORS = (
    BoardSensorDescription(
        key="last_result",
        translation_key="last_result",
        device_class=SensorDeviceClass.ENUM,
        options=[verdict.value for verdict in VERDICTS.values()],
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=_last_result,
    ),
    BoardSensorDescription(
        key="last_duration",
        translation_key="last_duration",
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        suggested_display_precision=0,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value_fn=_last_duration,
    ),
    # Everybody behind moves up at each start: many writes in a night of many boards.
    BoardSensorDescription(
        key="queue_place",
        translation_key="queue_place",
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value_fn=lambda runtime, member: runtime.sessions.queue.place(member),
    ),
)


async def async_setup_entry(
    hass: HomeAssistant, entry: MqttOtaConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Give every board that is known or comes its sensors."""
    runtime = entry.runtime_data

    @callback
    def _joined(member: Member) -> None:
        async_add_entities(BoardSensor(runtime, member, description) for description in SENSORS)

    entry.async_on_unload(runtime.fleet.async_on_join(_joined))


class BoardSensor(BoardEntity, SensorEntity):
    """Something about a board's updates; derived from its sessions, never stored."""

    entity_description: BoardSensorDescription

    def __init__(self, runtime: Runtime, member: Member, description: BoardSensorDescription) -> None:
        """Show something of a board."""
        super().__init__(member, description.key)
        self.entity_description = description
        self._runtime = runtime

    @property
    @override
    def native_value(self) -> StateType:
        """Return what there is to show now."""
        return self.entity_description.value_fn(self._runtime, self._member)

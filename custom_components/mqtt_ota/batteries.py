"""The batteries of boards, as other integrations know them: an update must not empty one."""

from homeassistant.components.sensor import SensorDeviceClass
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.device_registry import CONNECTION_NETWORK_MAC, DeviceEntry

from .const import DOMAIN
from .member import Member


class Batteries:
    """Tell whether a board's battery is too low for an update."""

    def __init__(self, hass: HomeAssistant, least: float) -> None:
        """Hold back boards whose battery is below `least` percent; 0 holds back none."""
        self._hass = hass
        self._least = least

    @callback
    def is_low(self, member: Member) -> bool:
        """Tell whether a board has a battery that is known to be too low."""
        if not self._least:
            return False
        levels = [level for device in self._devices(member) for level in self._levels(device)]
        return bool(levels) and min(levels) < self._least

    def _devices(self, member: Member) -> list[DeviceEntry]:
        """Return the devices that stand for a board: this integration's, and others' with its MAC address."""
        registry = dr.async_get(self._hass)
        connections = {(CONNECTION_NETWORK_MAC, member.board.mac)} if member.board.mac else set()
        return registry.async_get_devices(identifiers={(DOMAIN, member.id)}, connections=connections)

    def _levels(self, device: DeviceEntry) -> list[float]:
        """Return the levels of a device's batteries, in percent."""
        levels = []
        for entity in er.async_entries_for_device(er.async_get(self._hass), device.id):
            if SensorDeviceClass.BATTERY not in {entity.device_class, entity.original_device_class}:
                continue
            state = self._hass.states.get(entity.entity_id)
            try:
                levels.append(float(state.state) if state is not None else 100.0)
            except ValueError:
                # A binary sensor, or one that does not know: it holds nobody back.
                continue
        return levels

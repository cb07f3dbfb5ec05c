"""What other entities tell of a board: its battery, its signal."""

from homeassistant.components.sensor import SensorDeviceClass
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.device_registry import CONNECTION_NETWORK_MAC

from .const import DOMAIN
from .member import Member


@callback
def readings(hass: HomeAssistant, member: Member, device_class: SensorDeviceClass) -> list[float]:
    """Return the numbers that sensors of a class tell of a board, on its device or on another's with its MAC address."""
    connections = {(CONNECTION_NETWORK_MAC, member.board.mac)} if member.board.mac else set()
    devices = dr.async_get(hass).async_get_devices(identifiers={(DOMAIN, member.id)}, connections=connections)
    found = []
    for device in devices:
        for entity in er.async_entries_for_device(er.async_get(hass), device.id):
            is_meant = device_class in {entity.device_class, entity.original_device_class}
            if is_meant and (state := hass.states.get(entity.entity_id)) is not None:
                found.append(state.state)
    return [float(text) for text in found if _is_number(text)]


def _is_number(text: str) -> bool:
    """Tell whether a state is a number: a sensor that does not know, or one of on and off, tells none."""
    try:
        float(text)
    except ValueError:
        return False
    return text not in {"nan", "inf", "-inf"}

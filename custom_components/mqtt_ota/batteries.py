"""The batteries of boards: an update must not empty one."""

from homeassistant.components.sensor import SensorDeviceClass
from homeassistant.core import HomeAssistant, callback

from .member import Member
from .readings import readings


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
        levels = readings(self._hass, member, SensorDeviceClass.BATTERY)
        return bool(levels) and min(levels) < self._least

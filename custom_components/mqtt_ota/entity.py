"""What every entity of a board shares: its device, and hearing of its changes."""

import asyncio
from typing import override

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.device_registry import CONNECTION_NETWORK_MAC, DeviceEntry, DeviceInfo
from homeassistant.helpers.entity import Entity
from homeassistant.helpers.entity_platform import EntityPlatform

from .const import DOMAIN
from .member import Member
from .ota.board import Board
from .ota.dialects import Traits
from .runtime import MqttOtaConfigEntry


class BoardEntity(Entity):
    """An entity of one board.

    It stays available while its board sleeps, restarts or is away: Home Assistant shows nothing of an unavailable
    update, and offers no way to arm one.
    """

    _attr_has_entity_name = True
    _attr_should_poll = False

    def __init__(self, member: Member, key: str) -> None:
        """Belong to the device of a board."""
        self._member = member
        self._shown_board: Board | None = None
        self._attr_unique_id = f"{member.id}_{key}"
        self._is_guest = False

    @callback
    @override
    def add_to_platform_start(
        self, hass: HomeAssistant, platform: EntityPlatform, parallel_updates: asyncio.Semaphore | None
    ) -> None:
        """Choose the device: the board's own, or the one that another integration has for it."""
        super().add_to_platform_start(hass, platform, parallel_updates)
        entry: MqttOtaConfigEntry | None = platform.config_entry
        assert entry is not None
        self.device_entry = host_device(hass, entry, self._member)
        self._is_guest = self.device_entry is not None
        self._attr_device_info = None if self._is_guest else device_info(self._member)

    async def async_added_to_hass(self) -> None:
        """Hear of the board's changes."""
        await super().async_added_to_hass()
        if self._is_guest:
            self._async_leave_own_device()
        self.async_on_remove(self._member.async_listen(self._async_write))

    def _async_write(self) -> None:
        """Write the state, and the device's where the board now says something else of itself."""
        if self._shown_board is not self._member.board:
            self._shown_board = self._member.board
            self._async_update_device(self._member.board)
        self.async_write_ha_state()

    @callback
    def _async_leave_own_device(self) -> None:
        """Remove the device that stood for the board before another integration had one, once nothing is on it."""
        devices = dr.async_get(self.hass)
        entry = self.platform.config_entry
        assert entry is not None
        own = devices.async_get_device_by_identifier((DOMAIN, self._member.id), entry.entry_id)
        if own is not None and not er.async_entries_for_device(
            er.async_get(self.hass), own.id, include_disabled_entities=True
        ):
            devices.async_remove_device(own.id)

    def _async_update_device(self, board: Board) -> None:
        if self._is_guest or self.registry_entry is None or self.registry_entry.device_id is None:
            return
        dr.async_get(self.hass).async_update_device(
            self.registry_entry.device_id,
            name=self._member.name,
            model=board.model or None,
            model_id=board.project or None,
            hw_version=board.chip or None,
            sw_version=self._member.version or None,
        )


@callback
def host_device(hass: HomeAssistant, entry: MqttOtaConfigEntry, member: Member) -> DeviceEntry | None:
    """Return the device that another integration has for a board whose dialect is a guest there."""
    mac = member.board.mac
    if not mac or Traits.GUEST not in entry.runtime_data.fleet.dialect_of(member).traits:
        return None
    for device in dr.async_get(hass).async_get_devices(connections={(CONNECTION_NETWORK_MAC, mac)}):
        other = hass.config_entries.async_get_entry(device.config_entry_id)
        if other is not None and other.domain != DOMAIN:
            return device
    return None


def device_info(member: Member) -> DeviceInfo:
    """Return the device that stands for a board."""
    board = member.board
    info = DeviceInfo(
        identifiers={(DOMAIN, member.id)},
        name=member.name,
        manufacturer="Espressif",
        model=board.model or None,
        model_id=board.project or None,
        hw_version=board.chip or None,
        sw_version=member.version or None,
    )
    if board.mac:
        info["connections"] = {(CONNECTION_NETWORK_MAC, board.mac)}
    return info

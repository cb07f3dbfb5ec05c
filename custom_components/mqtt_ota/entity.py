"""What every entity of a board shares: its device, and hearing of its changes."""

from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.device_registry import CONNECTION_NETWORK_MAC, DeviceInfo
from homeassistant.helpers.entity import Entity

from .const import DOMAIN
from .member import Member
from .ota.board import Board


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
        self._attr_device_info = device_info(member)

    async def async_added_to_hass(self) -> None:
        """Hear of the board's changes."""
        await super().async_added_to_hass()
        self.async_on_remove(self._member.async_listen(self._async_write))

    def _async_write(self) -> None:
        """Write the state, and the device's where the board now says something else of itself."""
        if self._shown_board is not self._member.board:
            self._shown_board = self._member.board
            self._async_update_device(self._member.board)
        self.async_write_ha_state()

    def _async_update_device(self, board: Board) -> None:
        if self.registry_entry is None or self.registry_entry.device_id is None:
            return
        dr.async_get(self.hass).async_update_device(
            self.registry_entry.device_id,
            name=self._member.name,
            model=board.model or None,
            model_id=board.project or None,
            hw_version=board.chip or None,
            sw_version=self._member.version or None,
        )


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

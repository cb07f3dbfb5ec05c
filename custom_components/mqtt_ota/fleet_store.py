"""The boards and their sessions on disk: what is restored before a board has spoken."""

from collections.abc import Callable, Iterable
from dataclasses import asdict
import logging
from typing import Any

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.storage import Store

from .const import DOMAIN
from .member import Installed, Member
from .ota.board import Availability, Board, Encoding, Order, Transport
from .ota.session import Session

_LOGGER = logging.getLogger(__name__)

STORAGE_KEY = f"{DOMAIN}.fleet"
STORAGE_VERSION = 1
SAVE_DELAY = 1.0


class FleetStore:
    """Keep the fleet in Home Assistant's storage; a record that cannot be read is left out with a log line."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Use the storage of `hass`."""
        self._store: Store[dict[str, Any]] = Store(hass, STORAGE_VERSION, STORAGE_KEY, atomic_writes=True)

    async def async_load(self, now: float) -> list[Member]:
        """Return the boards of the last save."""
        saved = await self._store.async_load() or {}
        members = []
        for record in saved.get("boards", []):
            try:
                members.append(_restored(record, now))
            except (AttributeError, KeyError, TypeError, ValueError) as err:
                _LOGGER.warning("A stored board cannot be read and is left out: %r", err)
        return members

    async def async_save(self, members: Iterable[Member], now: float) -> None:
        """Write now: a session that began must not be lost."""
        await self._store.async_save(self._saved(members, now))

    @callback
    def async_save_soon(self, fleet: Callable[[], tuple[Iterable[Member], float]]) -> None:
        """Write within a second, together with what else changes until then."""
        self._store.async_delay_save(lambda: self._saved(*fleet()), SAVE_DELAY)

    async def async_remove(self) -> None:
        """Delete what was kept."""
        await self._store.async_remove()

    def _saved(self, members: Iterable[Member], now: float) -> dict[str, Any]:
        return {"boards": [self.record(member, now) for member in members]}

    @staticmethod
    def record(member: Member, now: float) -> dict[str, Any]:
        """Return a board, its availability and its last session as JSON types."""
        board = asdict(member.board)
        board["encodings"] = sorted(member.board.encodings)
        board["transports"] = sorted(member.board.transports)
        installed = member.installed
        return {
            "id": member.id,
            "former": sorted(member.former),
            "installed": None if installed is None else asdict(installed),
            "board": board,
            "availability": member.availability,
            "heard": member.heard,
            "session": None if member.session is None else member.session.stored(now),
            "history": member.history,
        }


def _restored(record: dict[str, Any], now: float) -> Member:
    fields = dict(record["board"])
    fields["order"] = Order(fields["order"])
    fields["encodings"] = frozenset(Encoding(item) for item in fields["encodings"])
    fields["transports"] = frozenset(Transport(item) for item in fields["transports"])
    fields["keys"] = tuple(fields["keys"])
    session = record["session"]
    installed = record.get("installed")
    return Member(
        # What was saved before boards could have another id than their own has none.
        id=record["id"] if "id" in record else fields["id"],
        board=Board(**fields),
        availability=Availability(record["availability"]),
        session=None if session is None else Session.restored(session, now),
        installed=None if installed is None else Installed(**installed),
        heard=None if record.get("heard") is None else float(record["heard"]),
        history=list(record.get("history", ())),
        former={(dialect, board_id) for dialect, board_id in record.get("former", ())},
    )

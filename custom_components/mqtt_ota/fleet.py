"""The boards: who there is, what each last said, and what of it outlives a restart."""

from collections.abc import Callable, Mapping
from functools import partial
import logging
from typing import Any

from homeassistant.core import HomeAssistant, callback

from .broker import Broker
from .fleet_store import FleetStore
from .member import Member
from .ota.board import Availability, Board
from .ota.dialects import Announcement, Answer, Dialect, Ignored, Message, Presence, Reading
from .ota.session import State
from .sessions import Sessions

_LOGGER = logging.getLogger(__name__)

BOARDS_LIMIT = 2048
STRANGERS_LIMIT = 32


class Fleet:
    """All boards that were heard of."""

    def __init__(
        self,
        hass: HomeAssistant,
        broker: Broker,
        sessions: Sessions,
        records: FleetStore,
        dialects: Mapping[str, Dialect],
    ) -> None:
        """Know nobody yet."""
        self._loop = hass.loop
        self._broker = broker
        self._sessions = sessions
        self._records = records
        self._dialects = dialects
        self._joined: set[Callable[[Member], None]] = set()
        self._strangers: set[str] = set()
        self.members: dict[str, Member] = {}

    async def async_restore(self) -> None:
        """Take up what was known before the restart."""
        for member in await self._records.async_load(self._loop.time()):
            if member.board.dialect in self._dialects:
                self.members[member.board.id] = member
                await self._sessions.async_restore(member)

    async def async_start(self) -> None:
        """Listen to the boards."""
        self._sessions.async_start(self._save)
        for dialect in self._dialects.values():
            for topic, qos in dialect.topics():
                await self._broker.async_subscribe(topic, qos, partial(self._receive, dialect))

    async def async_stop(self) -> None:
        """Hear and send nothing more; what runs is kept for the next start."""
        self._broker.async_close()
        for member in self.members.values():
            member.async_close()
        await self._records.async_save(self.members.values(), self._loop.time())

    @callback
    def async_on_join(self, joined: Callable[[Member], None]) -> Callable[[], None]:
        """Call `joined` with every board there is and every one that comes; return what ends that."""
        self._joined.add(joined)
        for member in self.members.values():
            joined(member)
        return lambda: self._joined.discard(joined)

    @callback
    def async_forget(self, board_id: str) -> None:
        """Remove a board, and what the broker remembers of it."""
        if (member := self.members.pop(board_id, None)) is not None:
            self._sessions.async_forget(member)
            member.async_close()
            self._save()

    def records(self) -> list[dict[str, Any]]:
        """Return what is known of every board and its last session, as JSON types."""
        now = self._loop.time()
        return [FleetStore.record(member, now) for member in self.members.values()]

    @callback
    def _receive(self, dialect: Dialect, message: Message) -> None:
        if not message.payload:
            # A remembered message was removed, maybe by this integration itself: no word of a board's.
            return
        board_id = dialect.board_id(message)
        member = self.members.get(board_id) if board_id else None
        reading = dialect.read(message) if board_id else Ignored("it names no valid board")
        if member is None:
            self._receive_stranger(message, reading)
            return
        match reading:
            case Announcement(board):
                self._announced(member, board, live=not message.retain)
            case Presence(availability):
                self._present(dialect, member, availability)
            case Answer() if (session := member.active_session) is not None:
                effects = dialect.receive(session, member.board, message, self._loop.time())
                self._sessions.async_carry_out(member, effects)
            case Ignored(cause):
                member.async_note_ignored(cause)

    def _receive_stranger(self, message: Message, reading: Reading | Ignored) -> None:
        match reading:
            case Announcement(board):
                self._join(board)
            case Ignored(cause):
                self._note_stranger(message.topic, cause)

    def _join(self, board: Board) -> None:
        if len(self.members) >= BOARDS_LIMIT:
            self._note_stranger(board.id, f"there are {BOARDS_LIMIT} boards already")
            return
        member = self.members[board.id] = Member(board)
        self._save()
        for joined in tuple(self._joined):
            joined(member)

    def _announced(self, member: Member, board: Board, *, live: bool) -> None:
        changed = member.board != board
        member.board = board
        if (session := member.session) is not None:
            before = session.state
            session.announced(board, self._loop.time(), live=live)
            changed = changed or session.state is not before
            self._sessions.async_settle(member, session)
        if changed:
            member.async_changed()
            self._save()

    def _present(self, dialect: Dialect, member: Member, availability: Availability) -> None:
        if member.availability is not availability:
            member.availability = availability
            member.async_changed()
        if (session := member.active_session) is not None and session.state is not State.QUEUED:
            effects = dialect.presence(session, member.board, availability, self._loop.time())
            self._sessions.async_carry_out(member, effects)

    def _note_stranger(self, who: str, cause: str) -> None:
        if cause not in self._strangers and len(self._strangers) < STRANGERS_LIMIT:
            self._strangers.add(cause)
            _LOGGER.warning("A message on %.100r was dropped: %s", who, cause)

    @callback
    def _save(self) -> None:
        self._records.async_save_soon(lambda: (self.members.values(), self._loop.time()))

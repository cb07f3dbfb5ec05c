"""The boards: who there is, what each last said, and what of it outlives a restart."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
import logging
from typing import Any

from homeassistant.core import HomeAssistant, callback
from homeassistant.util import dt as dt_util

from .broker import Broker
from .fleet_store import FleetStore
from .member import Address, Member
from .ota.board import Availability, Board
from .ota.dialects import Announcement, Answer, Dialect, Hint, Ignored, Leftover, Message, Presence, Reading
from .ota.dialects.registry import NATIVE
from .ota.moving import moved_from
from .sessions import Sessions

_LOGGER = logging.getLogger(__name__)

BOARDS_LIMIT = 2048
STRANGERS_LIMIT = 32
LEFTOVERS_LIMIT = 64
# How long a stop waits for answers to what was just sent, in seconds.
REST = 2.0


class Fleet:
    """All boards that were heard of, by the id that each has here."""

    def __init__(
        self,
        hass: HomeAssistant,
        broker: Broker,
        sessions: Sessions,
        records: FleetStore,
        dialects: Mapping[str, Dialect],
    ) -> None:
        """Know nobody yet; `dialects` are those that are spoken, by key."""
        self._loop = hass.loop
        self._broker = broker
        self._sessions = sessions
        self._records = records
        self._dialects = dialects
        self._joined: set[Callable[[Member], None]] = set()
        self._strangers: set[str] = set()
        self._hints: dict[Address, Board] = {}
        self._addresses: dict[Address, Member] = {}
        self._on_leftovers: set[Callable[[], None]] = set()
        # Commands that somebody retained: topic by topic, whose they are.
        self.leftovers: dict[str, str] = {}
        self.members: dict[str, Member] = {}
        self._moved = asyncio.Event()

    async def async_restore(self) -> list[str]:
        """Take up what was known before the restart; return the ids of boards whose dialect is no longer set up."""
        gone = []
        for member in await self._records.async_load(self._loop.time()):
            if member.board.dialect not in self._dialects:
                gone.append(member.id)
                continue
            self._admit(member)
            await self._sessions.async_restore(member)
        for dialect in self._dialects.values():
            for board in dialect.boards():
                self._take_configured(dialect, board)
        running = (member.active_session for member in self.members.values())
        if any(session is not None and not session.interrupted for session in running):
            # What came to rest before the restart moves again: the next one may come unforeseen.
            await self._records.async_save(self.members.values(), self._loop.time())
        return gone

    async def async_start(self) -> None:
        """Listen to the boards."""
        self._sessions.async_start(self._save)
        for dialect in self._dialects.values():
            for topic, qos in dialect.topics():
                await self._broker.async_subscribe(topic, qos, partial(self._receive, dialect))

    async def async_stop(self) -> None:
        """Hear and send nothing more; what runs is kept for the next start."""
        self._sessions.async_stop()
        await self._async_rest()
        self._broker.async_close()
        for member in self.members.values():
            member.async_close()
        await self._records.async_save(self.members.values(), self._loop.time())

    async def _async_rest(self) -> None:
        """Let what was just sent be answered, so that it is known where to go on after a restart."""
        running = [(self.dialect_of(one), one.session) for one in self.members.values() if one.session is not None]
        with suppress(TimeoutError):
            async with asyncio.timeout(REST if self._sessions.is_connected else 0.0):
                # Each one is told, whatever the others say.
                while False in [dialect.rest(session) for dialect, session in running if session.is_active]:
                    self._moved.clear()
                    await self._moved.wait()
        for dialect, session in running:
            session.rested = session.is_active and dialect.rest(session)

    @callback
    def async_on_join(self, joined: Callable[[Member], None]) -> Callable[[], None]:
        """Call `joined` with every board there is and every one that comes; return what ends that."""
        self._joined.add(joined)
        for member in self.members.values():
            joined(member)
        return lambda: self._joined.discard(joined)

    @callback
    def async_on_leftovers(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call `changed` when a retained command was found or is gone; return what ends that."""
        self._on_leftovers.add(changed)
        return lambda: self._on_leftovers.discard(changed)

    @callback
    def async_forget(self, member_id: str) -> None:
        """Remove a board, and what the broker remembers of it."""
        if (member := self.members.pop(member_id, None)) is not None:
            self._sessions.async_forget(member)
            member.async_close()
            for address in [address for address, one in self._addresses.items() if one is member]:
                del self._addresses[address]
            self._save()

    def is_configured(self, member: Member) -> bool:
        """Tell whether a board is there because the user set it up, so that it would be back at once."""
        return any(board.id == member.board.id for board in self.dialect_of(member).boards())

    def dialect_of(self, member: Member) -> Dialect:
        """Return the dialect that a board speaks now."""
        return self._dialects[member.board.dialect]

    def records(self) -> list[dict[str, Any]]:
        """Return what is known of every board and its last session, as JSON types."""
        now = self._loop.time()
        return [FleetStore.record(member, now) for member in self.members.values()]

    @callback
    def _receive(self, dialect: Dialect, message: Message) -> None:
        if not message.payload:
            # A remembered message was removed, maybe by this integration itself: no word of a board's.
            self._cleared(message.topic)
            return
        board_id = dialect.board_id(message)
        if board_id is None:
            self._receive_stranger(dialect, message, Ignored("it names no valid board"))
            return
        address = (dialect.key, board_id)
        member = self._addresses.get(address)
        if member is None:
            self._receive_stranger(dialect, message, dialect.read(message, self._hints.get(address)))
        elif member.address != address:
            self._receive_former(dialect, message, member)
        else:
            self._receive_member(dialect, message, member)

    def _receive_member(self, dialect: Dialect, message: Message, member: Member) -> None:
        if not message.retain:
            member.heard = dt_util.utcnow().timestamp()
        match dialect.read(message, member.board):
            case Announcement(board, asks, is_answer, availability):
                self._sessions.delivery.async_ask(asks)
                self._announced(member, board, live=not message.retain)
                if availability is not None:
                    self._present(member, availability)
                if is_answer:
                    self._answered(dialect, member, message)
            case Hint(board, asks):
                self._sessions.delivery.async_ask(asks)
                self._announced(member, board, live=False)
            case Presence(availability):
                self._present(member, availability)
            case Answer():
                self._answered(dialect, member, message)
            case Leftover(topic):
                self._found_leftover(topic, member.id)
            case Ignored(cause):
                member.async_note_ignored(cause)

    def _receive_former(self, dialect: Dialect, message: Message, member: Member) -> None:
        """Hear of an address that a board left: what the broker remembers is old, news say that it is back there."""
        reading = dialect.read(message, None)
        if isinstance(reading, Announcement) and not message.retain:
            self._move(member, reading.board)
            self._sessions.delivery.async_ask(reading.asks)

    def _receive_stranger(self, dialect: Dialect, message: Message, reading: Reading | Ignored) -> None:
        match reading:
            case Announcement(board, asks, _, availability):
                self._hints.pop((dialect.key, board.id), None)
                self._join(dialect, board)
                self._sessions.delivery.async_ask(asks)
                member = self._addresses.get((dialect.key, board.id))
                if member is not None and availability is not None:
                    self._present(member, availability)
            case Hint(board, asks) if len(self._hints) < BOARDS_LIMIT:
                self._hints[dialect.key, board.id] = board
                self._sessions.delivery.async_ask(asks)
            case Leftover(topic):
                self._found_leftover(topic, "")
            case Ignored(cause):
                self._note_stranger(message.topic, cause)

    def _join(self, dialect: Dialect, board: Board) -> None:
        """Let a board in: as the one that it was before its last update, or as a new one."""
        sessions = ((member.board, member.session) for member in self.members.values())
        former = moved_from(board, sessions, self._loop.time())
        if former is not None:
            self._move(self._addresses[former.dialect, former.id], board)
            return
        member_id = board.id if dialect.name == NATIVE else f"{dialect.name}:{board.id}"
        if member_id in self.members:
            self._note_stranger(board.id, "another board of this name is known")
        elif len(self.members) >= BOARDS_LIMIT:
            self._note_stranger(board.id, f"there are {BOARDS_LIMIT} boards already")
        else:
            member = Member(member_id, board)
            self._admit(member)
            self._save()
            for joined in tuple(self._joined):
                joined(member)

    def _admit(self, member: Member) -> None:
        self.members[member.id] = member
        self._addresses.update(dict.fromkeys((*member.former, member.address), member))

    def _move(self, member: Member, board: Board) -> None:
        """Go on with a board that speaks another way from now on."""
        _LOGGER.info("The board %s speaks as %s %s now", member.id, board.dialect, board.id)
        # What the broker remembers of its old way would bring a board back that is no more.
        self._sessions.async_carry_out(member, self.dialect_of(member).forget(member.board))
        member.former = {*member.former, member.address} - {(board.dialect, board.id)}
        member.availability = Availability.UNKNOWN
        self._addresses[board.dialect, board.id] = member
        self._announced(member, board, live=True)

    def _take_configured(self, dialect: Dialect, board: Board) -> None:
        """Let a board in that the user set up; what was learned of it stays."""
        member = self._addresses.get((dialect.key, board.id))
        if member is None:
            self._join(dialect, board)
        elif member.address == (dialect.key, board.id):
            known = member.board
            member.board = replace(board, version=known.version, digest=known.digest, address=known.address)

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

    def _answered(self, dialect: Dialect, member: Member, message: Message) -> None:
        if (session := member.active_session) is not None:
            effects = dialect.receive(session, member.board, message, self._loop.time())
            self._sessions.async_carry_out(member, effects)
            self._moved.set()

    def _present(self, member: Member, availability: Availability) -> None:
        before = member.availability
        if before is not availability:
            member.availability = availability
            member.async_changed()
        self._sessions.async_present(member, before)

    def _found_leftover(self, topic: str, member_id: str) -> None:
        if topic not in self.leftovers and len(self.leftovers) < LEFTOVERS_LIMIT:
            self.leftovers[topic] = member_id
            self._tell_leftovers()

    def _cleared(self, topic: str) -> None:
        if self.leftovers.pop(topic, None) is not None:
            self._tell_leftovers()

    def _tell_leftovers(self) -> None:
        for changed in tuple(self._on_leftovers):
            changed()

    def _note_stranger(self, who: str, cause: str) -> None:
        if cause not in self._strangers and len(self._strangers) < STRANGERS_LIMIT:
            self._strangers.add(cause)
            _LOGGER.warning("A message on %.100r was dropped: %s", who, cause)

    @callback
    def _save(self) -> None:
        self._records.async_save_soon(lambda: (self.members.values(), self._loop.time()))

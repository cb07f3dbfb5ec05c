"""The boards and their sessions: messages and time go to the dialects, and what those want is carried out."""

from collections.abc import Callable, Iterable
import logging
from secrets import token_hex
from typing import Any

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback

from .broker import Broker
from .downloads import Downloads
from .firmware_store import FirmwareStore
from .fleet_store import FleetStore
from .member import Member
from .ota.board import Availability, Board, Transport
from .ota.dialects import (
    Announcement,
    Answer,
    Block,
    Clear,
    Dialect,
    Effect,
    Ignored,
    Message,
    OfferUrl,
    Presence,
    Publish,
    SendBlocks,
    StopBlocks,
)
from .ota.errors import OtaError, Reason
from .ota.session import Session, State, Target
from .outbox import Outbox

_LOGGER = logging.getLogger(__name__)

BOARDS_LIMIT = 2048
STRANGERS_LIMIT = 32
# How long after a restart the boards' remembered messages may take to come in.
SETTLE = 5.0
# How long to leave a session alone while the broker is gone.
BROKER_GONE = 30.0
URL_LIFETIME = 3600.0


class Fleet:
    """All boards that were heard of, and what is done with them."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        broker: Broker,
        images: FirmwareStore,
        downloads: Downloads,
        records: FleetStore,
        dialects: Iterable[Dialect],
    ) -> None:
        """Use what the entry's set-up made."""
        self._hass = hass
        self._entry = entry
        self._loop = hass.loop
        self._broker = broker
        self._images = images
        self._downloads = downloads
        self._records = records
        self._dialects = {dialect.name: dialect for dialect in dialects}
        self._loaded: dict[str, bytes] = {}
        self._joined: set[Callable[[Member], None]] = set()
        self._strangers: set[str] = set()
        self.outbox = Outbox(broker, self._frame)
        self.members: dict[str, Member] = {}

    async def async_restore(self) -> None:
        """Take up what was known before the restart."""
        for member in await self._records.async_load(self._loop.time()):
            if member.board.dialect in self._dialects:
                self.members[member.board.id] = member
        for member in list(self.members.values()):
            await self._async_restore(member)

    async def async_start(self) -> None:
        """Listen to the boards."""
        for dialect in self._dialects.values():
            for topic, qos in dialect.topics():
                await self._broker.async_subscribe(topic, qos, lambda message, d=dialect: self._receive(d, message))  # type: ignore[misc]

    async def async_stop(self) -> None:
        """Hear and send nothing more; what runs is kept for the next start."""
        self._broker.async_close()
        for member in self.members.values():
            member.async_close()
            member.ended.set()
        await self._records.async_save(self.members.values(), self._loop.time())

    @callback
    def async_on_join(self, joined: Callable[[Member], None]) -> Callable[[], None]:
        """Call `joined` with every board there is and every one that comes; return what ends that."""
        self._joined.add(joined)
        for member in self.members.values():
            joined(member)
        return lambda: self._joined.discard(joined)

    def transport(self, board: Board, preferred: Transport) -> Transport:
        """Choose how the image gets to a board; raises OtaError when there is no way."""
        return self._dialects[board.dialect].transport(board, preferred)

    async def async_install(self, member: Member, target: Target, transport: Transport, patience: float) -> Session:
        """Begin a session, which waits up to `patience` seconds for a board that cannot be spoken to now.

        Raises OtaError when one runs already or the image is gone from the store.
        """
        if member.active_session is not None:
            raise OtaError(Reason.ALREADY_INSTALLING, board=member.name)
        await self._async_load_image(target.sha256)
        now = self._loop.time()
        session = Session.create(token_hex(8), member.board, target, now, transport)
        session.memo["shared"] = self._is_sent_already(target.sha256)
        member.session = session
        member.ended.clear()
        self._images.pin(target.sha256)
        if member.availability in {Availability.OFFLINE, Availability.ASLEEP}:
            session.wait(now, patience)
            self._settle(member)
        else:
            self._carry_out(member, self._dialect(member).begin(session, member.board, now))
        await self._records.async_save(self.members.values(), now)
        return session

    @callback
    def async_cancel(self, member: Member) -> None:
        """Call off a board's session, if one runs."""
        if (session := member.active_session) is None:
            return
        effects = self._dialect(member).cancel(session, member.board, self._loop.time())
        session.cancel(self._loop.time())
        self._carry_out(member, effects)

    @callback
    def async_forget(self, board_id: str) -> None:
        """Remove a board, and what the broker remembers of it."""
        if (member := self.members.get(board_id)) is None:
            return
        self.async_cancel(member)
        self._carry_out(member, self._dialect(member).forget(member.board))
        member.async_close()
        del self.members[board_id]
        self._save_soon()

    @callback
    def async_changed(self, member: Member) -> None:
        """Let what shows a board know that something about it changed."""
        member.writes.async_request()

    def _dialect(self, member: Member) -> Dialect:
        return self._dialects[member.board.dialect]

    def _is_sent_already(self, sha256: str) -> bool:
        sessions = (member.active_session for member in self.members.values())
        return any(session is not None and session.target.sha256 == sha256 for session in sessions)

    # Messages in

    @callback
    def _receive(self, dialect: Dialect, message: Message) -> None:
        board_id = dialect.board_id(message)
        member = self.members.get(board_id) if board_id else None
        reading = dialect.read(message) if board_id else Ignored("it names no valid board")
        match reading:
            case Announcement(board):
                self._announced(member, board, message)
            case Presence(availability) if member is not None:
                self._present(member, availability)
            case Answer() if member is not None and (session := member.active_session) is not None:
                self._carry_out(member, dialect.receive(session, member.board, message, self._loop.time()))
            case Ignored(cause) if member is not None:
                member.async_note_ignored(cause)
            case Ignored(cause):
                self._note_stranger(message.topic, cause)

    def _announced(self, member: Member | None, board: Board, message: Message) -> None:
        if member is None:
            self._join(board)
            return
        changed = member.board != board
        member.board = board
        if (session := member.session) is not None:
            before = session.state
            session.announced(board, self._loop.time(), live=not message.retain)
            changed = changed or session.state is not before
            self._settle(member)
        if changed:
            self.async_changed(member)
            self._save_soon()

    def _join(self, board: Board) -> None:
        if len(self.members) >= BOARDS_LIMIT:
            self._note_stranger(board.id, f"there are {BOARDS_LIMIT} boards already")
            return
        member = self.members[board.id] = Member(board)
        self._save_soon()
        for joined in tuple(self._joined):
            joined(member)

    def _present(self, member: Member, availability: Availability) -> None:
        if member.availability is not availability:
            member.availability = availability
            self.async_changed(member)
        if (session := member.active_session) is not None and session.state is not State.QUEUED:
            effects = self._dialect(member).presence(session, member.board, availability, self._loop.time())
            self._carry_out(member, effects)

    def _note_stranger(self, who: str, cause: str) -> None:
        if cause not in self._strangers and len(self._strangers) < STRANGERS_LIMIT:
            self._strangers.add(cause)
            _LOGGER.warning("A message on %.100r was dropped: %s", who, cause)

    # Effects out

    @callback
    def _carry_out(self, member: Member, effects: list[Effect]) -> None:
        session = member.session
        for effect in effects:
            match effect:
                case Publish(topic, payload, qos):
                    self.outbox.async_send(topic, payload, qos)
                case Clear(topic):
                    self.outbox.async_send(topic, b"", 1, retain=True)
                case Ignored(cause):
                    member.async_note_ignored(cause)
                case SendBlocks(topic, blocks) if session is not None:
                    self.outbox.async_send_blocks(session.id, topic, blocks)
                case StopBlocks() if session is not None:
                    self.outbox.async_drop_blocks(session.id)
                case OfferUrl() if session is not None:
                    self._entry.async_create_background_task(
                        self._hass, self._async_offer_url(member, session, effect), f"offer to {member.board.id}"
                    )
        if session is not None:
            self._settle(member)

    async def _async_offer_url(self, member: Member, session: Session, offer: OfferUrl) -> None:
        failed: OtaError | None = None
        url = ""
        try:
            url = await self._downloads.async_offer(session.id, member.board.id, session.target.sha256, URL_LIFETIME)
        except OtaError as err:
            failed = err
        if url and (scheme := url.partition(":")[0]) not in offer.schemes:
            failed = OtaError(Reason.URL_SCHEME, board=member.name, scheme=scheme)
        if member.active_session is not session:
            return
        if failed is None:
            self.outbox.async_send(offer.topic, offer.payload(url), offer.qos)
            return
        _LOGGER.warning("No URL can be offered to the board %s: %s", member.board.id, failed)
        dialect, now = self._dialect(member), self._loop.time()
        self._carry_out(member, dialect.transport_failed(session, member.board, failed.reason, now))

    def _frame(self, session_id: str, block: Block) -> bytes | None:
        for member in self.members.values():
            session = member.active_session
            if session is not None and session.id == session_id and (image := self._loaded.get(session.target.sha256)):
                return self._dialect(member).frame(session, image, block)
        return None

    # A session's time and end

    @callback
    def _settle(self, member: Member) -> None:
        """Set the timer of a session that goes on, and close the books of one that ended."""
        session = member.session
        assert session is not None
        if member.timer is not None:
            member.timer.cancel()
            member.timer = None
        if not session.is_active:
            self._end(member, session)
            return
        if session.wake_at is not None:
            member.timer = self._loop.call_at(session.wake_at, self._wake, member)
        self.async_changed(member)

    @callback
    def _wake(self, member: Member) -> None:
        member.timer = None
        if (session := member.active_session) is None:
            return
        now = self._loop.time()
        if not self._broker.is_connected and session.state is not State.WAITING:
            session.wake_at = now + BROKER_GONE
            self._settle(member)
            return
        self._carry_out(member, self._dialect(member).tick(session, member.board, now))

    def _end(self, member: Member, session: Session) -> None:
        if member.ended.is_set():
            return
        member.ended.set()
        self._downloads.revoke(session.id)
        self._images.unpin(session.target.sha256)
        if not self._is_sent_already(session.target.sha256):
            self._loaded.pop(session.target.sha256, None)
        if session.state is State.CONFIRMED:
            _LOGGER.info("The board %s runs %s", member.board.id, session.target.version)
        else:
            _LOGGER.warning(
                "The update of the board %s to %s ended: %s %s",
                member.board.id,
                session.target.version,
                session.reason,
                session.detail,
            )
        member.writes.async_run()
        self._save_soon()

    # What outlives a restart

    async def _async_restore(self, member: Member) -> None:
        if (session := member.active_session) is None:
            member.ended.set()
            return
        try:
            await self._async_load_image(session.target.sha256)
        except OtaError as err:
            session.fail(err.reason, self._loop.time())
            member.ended.set()
            return
        self._images.pin(session.target.sha256)
        if session.state is not State.WAITING:
            session.wake_at = self._loop.time() + SETTLE
        self._settle(member)

    async def _async_load_image(self, sha256: str) -> None:
        if sha256 not in self._loaded:
            self._loaded[sha256] = await self._images.async_read(sha256)

    @callback
    def _save_soon(self) -> None:
        self._records.async_save_soon(lambda: (self.members.values(), self._loop.time()))

    def diagnostics(self) -> list[dict[str, Any]]:
        """Return what is known of every board and its last session."""
        now = self._loop.time()
        return [self._records.record(member, now) for member in self.members.values()]

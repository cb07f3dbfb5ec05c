"""Sessions at work: what the dialects want is carried out, time is kept, and a verdict closes the books."""

from collections.abc import Callable, Iterable, Mapping
import logging
from secrets import token_hex

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback

from .broker import Broker
from .downloads import Downloads
from .firmware_store import FirmwareStore
from .member import Installed, Member
from .offers import Offers
from .ota.board import Availability, Transport
from .ota.dialects import Block, Clear, Dialect, Effect, Ignored, OfferSocket, OfferUrl, Publish, SendBlocks, StopBlocks
from .ota.errors import OtaError, Reason
from .ota.session import GOOD, Session, State, Target
from .outbox import Outbox

_LOGGER = logging.getLogger(__name__)

# How long after a restart the boards' remembered messages may take to come in, in seconds.
SETTLE = 5.0
# How long to leave a session alone while the broker is gone, in seconds.
BROKER_GONE = 30.0


class Sessions:
    """The sessions of a fleet's members; each belongs to its member and is found through it."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        broker: Broker,
        images: FirmwareStore,
        downloads: Downloads,
        dialects: Mapping[str, Dialect],
    ) -> None:
        """Send through `broker` the images of the store."""
        self._hass = hass
        self._entry = entry
        self._loop = hass.loop
        self._broker = broker
        self._images = images
        self._dialects = dialects
        self._active: dict[str, Member] = {}
        self._loaded: dict[str, bytes] = {}
        self._saves: Callable[[], None] = lambda: None
        self._outbox = Outbox(broker, self._frame)
        downloads.on_progress = self._fetched
        self._offers = Offers(hass, downloads, self._outbox, self._served, self._transport_failed)

    def async_start(self, saves: Callable[[], None]) -> None:
        """Begin to send; `saves` is called when something happened that a restart must not lose."""
        self._saves = saves
        self._entry.async_create_background_task(self._hass, self._outbox.async_run(), "mqtt_ota outbox")

    @property
    def is_connected(self) -> bool:
        """Tell whether the broker can be reached."""
        return self._broker.is_connected

    def transport(self, member: Member, preferred: Transport) -> Transport:
        """Choose how the image gets to a board; raises OtaError when there is no way."""
        return self._dialect(member).transport(member.board, preferred)

    async def async_begin(self, member: Member, target: Target, transport: Transport, patience: float) -> Session:
        """Begin a session, which waits up to `patience` seconds for a board that cannot be spoken to now.

        Raises OtaError when one runs already or the image is gone from the store.
        """
        if member.active_session is not None:
            raise OtaError(Reason.ALREADY_INSTALLING, board=member.name)
        mate = self._mate(member)
        if mate is not None and mate.target.sha256 != target.sha256:
            raise OtaError(Reason.COHORT_BUSY, board=member.name, version=mate.target.version)
        image = await self._async_pinned(target.sha256)
        session = Session.create(
            token_hex(8), member.board, target, self._loop.time(), transport, patience, member.version
        )
        session.memo["shared"] = target.sha256 in self._loaded
        try:
            await self._async_prepare(member, session, image)
        except OtaError:
            self._images.unpin(target.sha256)
            raise
        member.session = session
        self._open(member, session, image)
        now = self._loop.time()
        if member.availability in {Availability.OFFLINE, Availability.ASLEEP}:
            session.wait(now)
            self.async_settle(member, session)
        elif mate is not None and mate.state is not State.WAITING:
            # The trigger that started the other reached this board too: a second one would start both again.
            session.offer(now, patience=patience)
            self.async_settle(member, session)
        else:
            self.async_carry_out(member, self._dialect(member).begin(session, member.board, now))
        self._saves()
        return session

    async def _async_prepare(self, member: Member, session: Session, image: bytes) -> None:
        """Let the dialect look at the image; raises OtaError when it cannot be brought, or another session came first."""
        dialect = self._dialect(member)
        await self._hass.async_add_executor_job(dialect.prepare, session, member.board, image)
        if member.active_session is not None:
            raise OtaError(Reason.ALREADY_INSTALLING, board=member.name)

    def _mate(self, member: Member) -> Session | None:
        """Return the running session of a board that the same trigger starts."""
        cohort = member.board.cohort
        others = (other for other in self._active.values() if cohort and other.board.cohort == cohort)
        return next((other.session for other in others if other is not member), None)

    async def async_restore(self, member: Member) -> None:
        """Take up a session that a restart interrupted."""
        if (session := member.active_session) is None:
            return
        try:
            image = await self._async_pinned(session.target.sha256)
        except OtaError as err:
            session.fail(err.reason, self._loop.time())
            return
        self._open(member, session, image)
        if session.state is not State.WAITING:
            session.wake_at = self._loop.time() + SETTLE
        self.async_settle(member, session)

    @callback
    def async_cancel(self, member: Member) -> None:
        """Call off a board's session, if one runs."""
        if (session := member.active_session) is not None:
            effects = self._dialect(member).cancel(session, member.board, self._loop.time())
            session.cancel(self._loop.time())
            self.async_carry_out(member, effects)

    @callback
    def async_forget(self, member: Member) -> None:
        """End a board's session and remove what the broker remembers of the board."""
        self.async_cancel(member)
        self.async_carry_out(member, self._dialect(member).forget(member.board))

    @callback
    def async_ask(self, asks: Iterable[Publish]) -> None:
        """Send what a dialect wants to know of boards."""
        for ask in asks:
            self._outbox.async_send(ask.topic, ask.payload, ask.qos)

    @callback
    def async_clear(self, topic: str) -> None:
        """Remove what the broker remembers on a topic."""
        self._outbox.async_send(topic, b"", 1, retain=True)

    @callback
    def async_carry_out(self, member: Member, effects: Iterable[Effect]) -> None:
        """Do what a dialect wants done for a board."""
        session = member.session
        for effect in effects:
            match effect:
                case Publish(topic, payload, qos):
                    self._outbox.async_send(topic, payload, qos)
                case Clear(topic):
                    self.async_clear(topic)
                case Ignored(cause):
                    member.async_note_ignored(cause)
                case SendBlocks(topic, blocks, qos) if session is not None:
                    self._outbox.async_send_blocks(session.id, topic, blocks, qos)
                case StopBlocks() if session is not None:
                    self._outbox.async_drop_blocks(session.id)
                    self._offers.async_close_socket(session.id)
                case OfferUrl() | OfferSocket() if session is not None:
                    self._offer(member, session, effect)
        if session is not None:
            self.async_settle(member, session)

    @callback
    def async_settle(self, member: Member, session: Session) -> None:
        """Set the timer of a session that goes on, and close the books of one that ended."""
        member.async_wake_at(session.wake_at if session.is_active else None, self.async_wake)
        if session.is_active:
            member.async_changed()
        elif self._active.pop(session.id, None) is not None:
            self._close(member, session)

    def _offer(self, member: Member, session: Session, offer: OfferUrl | OfferSocket) -> None:
        """Make an offer that takes time to make."""
        task = self._offers.async_make(member, session, offer, self._loaded[session.target.sha256])
        self._entry.async_create_background_task(self._hass, task, f"offer to {member.board.id}")

    def _dialect(self, member: Member) -> Dialect:
        return self._dialects[member.board.dialect]

    async def _async_pinned(self, sha256: str) -> bytes:
        """Read an image that must stay in the store from now on; raises OtaError when it is not there."""
        self._images.pin(sha256)
        try:
            return await self._images.async_read(sha256)
        except OtaError:
            self._images.unpin(sha256)
            raise

    def _open(self, member: Member, session: Session, image: bytes) -> None:
        self._active[session.id] = member
        self._loaded[session.target.sha256] = image
        member.ended.clear()

    def _close(self, member: Member, session: Session) -> None:
        target = session.target
        self._offers.async_withdraw(session.id)
        self._images.unpin(target.sha256)
        if not any(other.session and other.session.target.sha256 == target.sha256 for other in self._active.values()):
            self._loaded.pop(target.sha256, None)
        if session.state in GOOD:
            member.installed = None if member.board.version else Installed(target.version, member.board.digest)
            _LOGGER.info("The update of the board %s to %s is %s", member.board.id, target.version, session.state)
        else:
            why = f"{session.reason} {session.detail}".rstrip()
            _LOGGER.warning("The update of the board %s to %s ended: %s", member.board.id, target.version, why)
        member.ended.set()
        member.writes.async_run()
        self._saves()

    def _frame(self, session_id: str, block: Block) -> bytes | None:
        member = self._active.get(session_id)
        if member is None or (session := member.active_session) is None:
            return None
        return self._dialect(member).frame(session, self._loaded[session.target.sha256], block)

    @callback
    def async_wake(self, member: Member) -> None:
        """Look after a session whose time has come; it does not run while the broker is gone."""
        if (session := member.active_session) is None:
            return
        now = self._loop.time()
        if not self.is_connected and session.state is not State.WAITING:
            session.wake_at = now + BROKER_GONE
            self.async_settle(member, session)
        else:
            self.async_carry_out(member, self._dialect(member).tick(session, member.board, now))

    @callback
    def _fetched(self, session_id: str, position: int) -> None:
        """Take note of where the board of a session is with its fetch."""
        member = self._active.get(session_id)
        if member is not None and (session := member.active_session) is not None:
            now = self._loop.time()
            self.async_carry_out(member, self._dialect(member).fetched(session, member.board, position, now))

    @callback
    def _served(self, member: Member, session: Session, failure: Reason | None) -> None:
        """Let a session go on whose board read what it was told to fetch, or did not."""
        if member.active_session is session:
            effects = self._dialect(member).served(session, member.board, failure, self._loop.time())
            self.async_carry_out(member, effects)

    @callback
    def _transport_failed(self, member: Member, session: Session, err: OtaError) -> None:
        """Let a session go on whose image cannot be offered in this way."""
        if member.active_session is not session:
            return
        _LOGGER.warning("The image cannot be offered to the board %s: %s", member.board.id, err)
        dialect, now = self._dialect(member), self._loop.time()
        self.async_carry_out(member, dialect.transport_failed(session, member.board, err.reason, now))

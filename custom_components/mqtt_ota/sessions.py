"""Sessions at work: what the dialects want is carried out, time is kept, and a verdict closes the books."""

from collections.abc import Callable, Iterable, Mapping
import logging
from secrets import token_hex

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback

from .broker import Broker
from .downloads import Downloads
from .firmware_store import FirmwareStore
from .member import Member
from .ota.board import Availability, Transport
from .ota.dialects import Block, Clear, Dialect, Effect, Ignored, OfferUrl, Publish, SendBlocks, StopBlocks
from .ota.errors import OtaError, Reason
from .ota.session import Session, State, Target
from .outbox import Outbox

_LOGGER = logging.getLogger(__name__)

# How long after a restart the boards' remembered messages may take to come in, in seconds.
SETTLE = 5.0
# How long to leave a session alone while the broker is gone, in seconds.
BROKER_GONE = 30.0
URL_LIFETIME = 3600.0


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
        self._downloads = downloads
        self._dialects = dialects
        self._active: dict[str, Member] = {}
        self._loaded: dict[str, bytes] = {}
        self._saves: Callable[[], None] = lambda: None
        self._outbox = Outbox(broker, self._frame)

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
        image = await self._async_pinned(target.sha256)
        now = self._loop.time()
        session = Session.create(token_hex(8), member.board, target, now, transport, patience)
        session.memo["shared"] = target.sha256 in self._loaded
        member.session = session
        self._open(member, session, image)
        if member.availability in {Availability.OFFLINE, Availability.ASLEEP}:
            session.wait(now)
            self.async_settle(member, session)
        else:
            self.async_carry_out(member, self._dialect(member).begin(session, member.board, now))
        self._saves()
        return session

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
    def async_carry_out(self, member: Member, effects: Iterable[Effect]) -> None:
        """Do what a dialect wants done for a board."""
        session = member.session
        for effect in effects:
            match effect:
                case Publish(topic, payload, qos):
                    self._outbox.async_send(topic, payload, qos)
                case Clear(topic):
                    self._outbox.async_send(topic, b"", 1, retain=True)
                case Ignored(cause):
                    member.async_note_ignored(cause)
                case SendBlocks(topic, blocks) if session is not None:
                    self._outbox.async_send_blocks(session.id, topic, blocks)
                case StopBlocks() if session is not None:
                    self._outbox.async_drop_blocks(session.id)
                case OfferUrl() if session is not None:
                    self._entry.async_create_background_task(
                        self._hass, self._async_offer_url(member, session, effect), f"offer to {member.board.id}"
                    )
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
        self._downloads.revoke(session.id)
        self._images.unpin(target.sha256)
        if not any(other.session and other.session.target.sha256 == target.sha256 for other in self._active.values()):
            self._loaded.pop(target.sha256, None)
        if session.state is State.CONFIRMED:
            _LOGGER.info("The board %s runs %s", member.board.id, target.version)
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
            self._outbox.async_send(offer.topic, offer.payload(url), offer.qos)
            return
        _LOGGER.warning("No URL can be offered to the board %s: %s", member.board.id, failed)
        dialect, now = self._dialect(member), self._loop.time()
        self.async_carry_out(member, dialect.transport_failed(session, member.board, failed.reason, now))

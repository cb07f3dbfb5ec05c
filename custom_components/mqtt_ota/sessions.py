"""Sessions at work: they wait for their turn, time is kept, and a verdict closes the books."""

from collections.abc import Callable, Iterable, Mapping
import logging
from secrets import token_hex

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.util import dt as dt_util

from .batteries import Batteries
from .broker import Broker
from .delivery import Delivery
from .downloads import Downloads
from .firmware_store import FirmwareStore
from .member import Installed, Member
from .ota.board import Availability, Transport
from .ota.dialects import Dialect, Effect
from .ota.errors import OtaError, Reason
from .ota.session import Session, Target
from .ota.state import GOOD, State
from .queue import Queue, WaitsFor
from .steps import VERDICTS, Listener, Step

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
        at_once: int,
        batteries: Batteries,
    ) -> None:
        """Send through `broker` the images of the store, to `at_once` boards at a time."""
        self._hass = hass
        self._loop = hass.loop
        self._broker = broker
        self._dialects = dialects
        self._batteries = batteries
        self._active: dict[str, Member] = {}
        self._listeners: set[Listener] = set()
        self._saves: Callable[[], None] = lambda: None
        self.delivery = Delivery(
            hass, entry, broker, images, downloads, self._speaking, self._served, self._transport_failed
        )
        downloads.on_progress = self._fetched
        self.queue = Queue(at_once, self._active.values, self._hold, self._start)

    @callback
    def async_start(self, saves: Callable[[], None]) -> None:
        """Begin to send; `saves` is called when something happened that a restart must not lose."""
        self._saves = saves
        self.delivery.async_start()
        # What boards last said comes in first: who is away, and who runs the new version already.
        self.queue.async_open_in(SETTLE if self._active else 0.0)
        self._broker.async_watch(self.queue.async_advance)

    @callback
    def async_stop(self) -> None:
        """Start nothing more; what runs is taken up at the next start."""
        self.queue.async_close()

    @callback
    def async_listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` at each step of every update; return what ends that."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    @property
    def is_connected(self) -> bool:
        """Tell whether the broker can be reached."""
        return self._broker.is_connected

    def transport(self, member: Member, preferred: Transport) -> Transport:
        """Choose how the image gets to a board; raises OtaError when there is no way."""
        return self._dialect(member).transport(member.board, preferred)

    async def async_begin(
        self, member: Member, target: Target, transport: Transport, patience: float, retries: int = 0
    ) -> Session:
        """Queue a session, which waits up to `patience` seconds for a board that cannot be spoken to.

        What may pass is tried again `retries` times. Raises OtaError when one runs already, or the image is gone from
        the store or cannot be brought to this board.
        """
        if member.active_session is not None:
            raise OtaError(Reason.ALREADY_INSTALLING, board=member.name)
        now = self._loop.time()
        session = Session.create(token_hex(8), member.board, target, now, transport, patience, member.version)
        session.retries = retries
        image = await self.delivery.async_load(session.id, target.sha256)
        try:
            await self._hass.async_add_executor_job(self._dialect(member).prepare, session, member.board, image)
            self._refuse(member, target)
        except OtaError:
            self.delivery.async_release(session)
            raise
        member.async_open(session, dt_util.utcnow().isoformat(timespec="seconds"))
        self._active[session.id] = member
        self._tell(member, session, Step.QUEUED)
        self.queue.async_advance()
        self._saves()
        member.async_changed()
        return session

    def _refuse(self, member: Member, target: Target) -> None:
        """Raise OtaError where another session is in the way: the board's own, or one that shares its trigger."""
        if member.active_session is not None:
            raise OtaError(Reason.ALREADY_INSTALLING, board=member.name)
        mates = self._mates(member)
        if other := next((mate for mate in mates if mate.target.sha256 != target.sha256), None):
            raise OtaError(Reason.COHORT_BUSY, board=member.name, version=other.target.version)

    async def async_restore(self, member: Member) -> None:
        """Take up a session that a restart interrupted."""
        if (session := member.active_session) is None:
            return
        try:
            await self.delivery.async_load(session.id, session.target.sha256)
        except OtaError as err:
            session.retries = 0
            session.fail(err.reason, self._loop.time())
            return
        self._active[session.id] = member
        if session.state not in {State.WAITING, State.QUEUED}:
            session.wake_at = self._loop.time() + SETTLE
        self.async_settle(member, session)

    @callback
    def async_cancel(self, member: Member) -> bool:
        """Call off a board's session; return whether one ran."""
        if (session := member.active_session) is None:
            return False
        now, has_begun = self._loop.time(), session.state is not State.QUEUED
        effects = self._dialect(member).cancel(session, member.board, now) if has_begun else []
        session.cancel(now)
        self.async_carry_out(member, effects)
        return True

    @callback
    def async_forget(self, member: Member) -> None:
        """End a board's session and remove what the broker remembers of the board."""
        self.async_cancel(member)
        self.async_carry_out(member, self._dialect(member).forget(member.board))

    @callback
    def async_present(self, member: Member, before: Availability) -> None:
        """Let a session go on whose board came or went."""
        if (session := member.active_session) is None:
            return
        now = self._loop.time()
        is_back = session.state is State.WAITING and member.availability is Availability.ONLINE
        if is_back and before is not Availability.ASLEEP:
            session.queue(now)
            self.async_settle(member, session)
        elif session.state is not State.QUEUED:
            # A sleeper is awake for moments only: it gets its update now, whoever else is being updated.
            effects = self._dialect(member).presence(session, member.board, member.availability, now)
            self.async_carry_out(member, effects)
        self.queue.async_advance()

    @callback
    def async_carry_out(self, member: Member, effects: Iterable[Effect]) -> None:
        """Do what a dialect wants done for a board, and look at where that leaves its session."""
        self.delivery.async_carry_out(member, effects)
        if member.session is not None:
            self.async_settle(member, member.session)

    @callback
    def async_settle(self, member: Member, session: Session) -> None:
        """Set the timer of a session that goes on, and close the books of one that ended."""
        member.async_wake_at(session.wake_at if session.is_active else None, self.async_wake)
        if session.is_active:
            if session.tried != member.tried:
                member.tried = session.tried
                self._tell(member, session, Step.RETRIED)
            if session.state is State.WAITING and session.begun is None:
                member.settled.set()
            member.async_changed()
        elif self._active.pop(session.id, None) is not None:
            self._close(member, session)
        elif member.verdict is not session.state:
            # What the board said after the verdict corrected it.
            self._conclude(member, session)

    @callback
    def async_wake(self, member: Member) -> None:
        """Look after a session whose time has come; it does not run while the broker is gone."""
        if (session := member.active_session) is None:
            return
        now = self._loop.time()
        if session.state is State.QUEUED:
            session.wake_at = None
            self.queue.async_advance()
        elif not self.is_connected and session.state is not State.WAITING:
            session.wake_at = now + BROKER_GONE
            self.async_settle(member, session)
        else:
            self.async_carry_out(member, self._dialect(member).tick(session, member.board, now))

    def _dialect(self, member: Member) -> Dialect:
        return self._dialects[member.board.dialect]

    def _speaking(self, session_id: str) -> tuple[Member, Dialect] | None:
        member = self._active.get(session_id)
        return None if member is None else (member, self._dialect(member))

    def _mates(self, member: Member) -> list[Session]:
        """Return the running sessions of boards that the same trigger starts."""
        cohort = member.board.cohort
        others = (other for other in self._active.values() if cohort and other.board.cohort == cohort)
        return [session for other in others if other is not member and (session := other.active_session) is not None]

    def _hold(self, member: Member) -> WaitsFor | None:
        """Return why a board must not be updated now although it is its turn."""
        if not self._broker.is_heard:
            return WaitsFor.BROKER
        return WaitsFor.BATTERY if self._batteries.is_low(member) else None

    def _start(self, member: Member, session: Session) -> None:
        """Begin what was queued."""
        now = self._loop.time()
        if member.availability in {Availability.OFFLINE, Availability.ASLEEP}:
            session.wait(now)
            self.async_settle(member, session)
            return
        session.memo["shared"] = self.delivery.is_shared(session.target.sha256)
        self._tell(member, session, Step.STARTED)
        if any(mate.state not in {State.QUEUED, State.WAITING} for mate in self._mates(member)):
            # The trigger that started the other reached this board too: a second one would start both again.
            self.async_carry_out(member, self._dialect(member).join_in(session, member.board, now))
        else:
            self.async_carry_out(member, self._dialect(member).begin(session, member.board, now))

    def _close(self, member: Member, session: Session) -> None:
        self.delivery.async_release(session)
        if session.state in GOOD:
            member.installed = None if member.board.version else Installed(session.target.version, member.board.digest)
        self._conclude(member, session)
        member.settled.set()
        member.writes.async_run()
        self.queue.async_advance()

    def _conclude(self, member: Member, session: Session) -> None:
        """Tell a verdict, the first one or one that corrects it."""
        member.verdict = session.state
        log = _LOGGER.info if session.state in GOOD else _LOGGER.warning
        why = f" {session.reason or ''} {session.detail}".rstrip()
        log("The update of the board %s to %s: %s%s", member.board.id, session.target.version, session.state, why)
        self._tell(member, session, VERDICTS[session.state])
        self._saves()

    def _tell(self, member: Member, session: Session, step: Step) -> None:
        for listener in tuple(self._listeners):
            listener(member, session, step)

    @callback
    def _fetched(self, session_id: str, position: int) -> None:
        """Take note of where the board of a session is with its fetch."""
        if (found := self._speaking(session_id)) is not None and (session := found[0].active_session) is not None:
            member, dialect = found
            self.async_carry_out(member, dialect.fetched(session, member.board, position, self._loop.time()))

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

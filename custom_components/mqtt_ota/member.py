"""One board of the fleet, as Home Assistant knows it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
import logging
from typing import Any

from homeassistant.core import callback

from .ota.board import Availability, Board
from .ota.session import Session, State
from .throttle import Throttle

_LOGGER = logging.getLogger(__name__)

# At most one write a second a board: each one is an event to the whole of Home Assistant.
WRITE_INTERVAL = 1.0
CAUSES_LIMIT = 16
HISTORY_LENGTH = 4


# A board is known by the key of the dialect that it speaks, and its id there.
type Address = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Installed:
    """What the last update brought to a board that tells no version: it holds while the board's digest is this."""

    version: str
    digest: str


@dataclass(slots=True, eq=False)
class Member:
    """A board, whether it can be spoken to, and its last or running session.

    `id` stays what it is when the board speaks another way after an update; `former` are the addresses that it left.
    `history` are the sessions before the last one, as records, the latest first. `verdict` and `tried` are what was told
    of the last one. `settled` is set while no verdict is near: it fell, or the session waits for a board that is away.
    `heard` is when it last spoke for itself, in UTC seconds.
    """

    id: str
    board: Board
    availability: Availability = Availability.UNKNOWN
    session: Session | None = None
    installed: Installed | None = None
    former: set[Address] = field(default_factory=set)
    preparing: bool = False
    heard: float | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    verdict: State | None = None
    tried: int = 0
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    writes: Throttle = field(init=False)
    _timer: asyncio.TimerHandle | None = None
    _listeners: set[Callable[[], None]] = field(default_factory=set)
    _causes: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Start with nothing to write, and nothing to tell of a session that ended before a restart."""
        if self.session is not None:
            self.tried = self.session.tried
            self.verdict = None if self.session.is_active else self.session.state
        self.writes = Throttle(asyncio.get_running_loop(), WRITE_INTERVAL, self._write)

    @property
    def name(self) -> str:
        """Return what a person calls the board."""
        return self.board.name or self.board.id

    @property
    def address(self) -> Address:
        """Return under which dialect and id the board speaks now."""
        return self.board.dialect, self.board.id

    @property
    def version(self) -> str:
        """Return what the board runs: what it says, else what was installed from here; empty where neither tells."""
        if self.board.version:
            return self.board.version
        if self.installed is None or self.board.digest not in {"", self.installed.digest}:
            return ""
        return self.installed.version

    @property
    def active_session(self) -> Session | None:
        """Return the session that has no verdict yet."""
        return self.session if self.session is not None and self.session.is_active else None

    @property
    def is_installing(self) -> bool:
        """Tell whether an update of the board is under way."""
        return self.preparing or self.active_session is not None

    @callback
    def async_open(self, session: Session, date: str) -> None:
        """Begin a session; the last one becomes history, with the `date` on which it did."""
        if self.session is not None:
            record = self.session.stored(asyncio.get_running_loop().time())
            self.history = [{**record, "replaced": date}, *self.history][:HISTORY_LENGTH]
        self.session, self.verdict, self.tried = session, None, 0
        self.settled.clear()

    @callback
    def async_listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` when something of the board changed; return what ends that."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    @callback
    def async_note_ignored(self, cause: str) -> None:
        """Log why a message of the board was dropped, once a cause."""
        if cause not in self._causes and len(self._causes) < CAUSES_LIMIT:
            self._causes.add(cause)
            _LOGGER.warning("A message of the board %s was dropped: %s", self.board.id, cause)

    @callback
    def async_changed(self) -> None:
        """Let what shows the board know that something about it changed."""
        self.writes.async_request()

    @callback
    def async_wake_at(self, time: float | None, wake: Callable[[Member], None]) -> None:
        """Call `wake` at a time of the loop's clock, in the place of an earlier one; None: not at all."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if time is None else asyncio.get_running_loop().call_at(time, wake, self)

    @callback
    def async_close(self) -> None:
        """End the timers, and let nobody wait for an end that this run will not see."""
        self.writes.async_cancel()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.settled.set()

    def _write(self) -> None:
        for listener in tuple(self._listeners):
            listener()

"""One board's part in a rollout: its turn, its install, its result, and its time on the new version."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from .board import Availability
from .errors import Reason
from .records import count, flag, maybe, seconds, text
from .rollout_sight import AWAY, ON_NEW_VERSION, Result, Sight, Span
from .session import State
from .version import is_same

# How long a start may take to become an install, in seconds: an image must be fetched first.
PREPARATION = 900.0
# The reason of an install of which nothing is known any more, twice.
LOST = "lost"
NOTHING_TO_INSTALL = frozenset(
    {Reason.NO_PRODUCT, Reason.NO_RELEASE, Reason.NO_ASSET, Reason.VERSION_UNKNOWN, Reason.BOARD_UNKNOWN}
)

_STORED: dict[str, Callable[[Any], Any]] = {
    "stage": count,
    "cohort": text,
    "version": text,
    "from_version": text,
    "started": maybe(seconds),
    "ended": maybe(seconds),
    "attempts": count,
    "result": maybe(lambda value: Result(text(value))),
    "reason": text,
    "before": text,
    "install": text,
    "state": text,
    "occupied": flag,
    "asleep": flag,
    "lost": flag,
    "withdrawn": flag,
    "excused": flag,
    "soaked": seconds,
    "dozed": seconds,
    "waited": seconds,
    "present": flag,
    "heard": maybe(seconds),
}


@dataclass(slots=True, kw_only=True)
class Part:
    """One board in a rollout; `started` and `ended` are UTC seconds, `soaked`, `dozed` and `waited` are seconds.

    `version` is what is to be installed, pinned at the first look when nothing was asked for. `before` is the id of an
    install that is none of this attempt, `install` that of its own. `dozed` becomes `soaked` when the board is
    heard again. An `excused` board speaks neither for nor against going on. `starting` does not outlive a restart.
    """

    stage: int
    cohort: str = ""
    version: str = ""
    from_version: str = ""
    started: float | None = None
    ended: float | None = None
    attempts: int = 0
    result: Result | None = None
    reason: str = ""
    before: str = ""
    install: str = ""
    state: str = ""
    occupied: bool = False
    asleep: bool = False
    lost: bool = False
    withdrawn: bool = False
    excused: bool = False
    soaked: float = 0.0
    dozed: float = 0.0
    waited: float = 0.0
    present: bool = False
    heard: float | None = None
    starting: bool = False

    @property
    def is_pending(self) -> bool:
        """Tell whether its install is still to be started."""
        return self.result is None and self.started is None

    @property
    def is_waiting(self) -> bool:
        """Tell whether an install waits for the board, even if somebody else began it."""
        return self.result is None and self.state == State.WAITING

    @property
    def is_busy(self) -> bool:
        """Tell whether it counts as an install at the same time."""
        return self.occupied or (self.result is None and self.started is not None and not self.is_waiting)

    def is_due(self, stage: int) -> bool:
        """Tell whether it is to be started while a stage is open."""
        return self.is_pending and self.stage <= stage

    @property
    def duration(self) -> float | None:
        """Return the seconds from its start to its result, or None without both."""
        if self.started is None or self.ended is None:
            return None
        return max(0.0, self.ended - self.started)

    def begin(self, sight: Sight, now: float) -> None:
        """Note that its install is started."""
        self.started, self.from_version = now, sight.version
        self.before = sight.install.id if sight.install else ""
        # A board that is away will wait, so it takes no other's place.
        self.state = State.WAITING if sight.availability in AWAY else State.QUEUED
        self.attempts += 1
        self.starting = True

    def reset(self) -> None:
        """Put the board back to where its install is still to be started."""
        self.install = self.state = ""
        self.started = self.ended = self.result = None
        self.reason = ""
        self.starting = self.withdrawn = self.excused = self.present = False
        self.soaked = self.dozed = self.waited = 0.0

    def end(self, result: Result, reason: str, now: float) -> None:
        """Give or correct its result."""
        if self.started is None:
            self.state = ""
        if result is not self.result:
            self.result, self.ended = result, now
            self.starting = self.withdrawn = self.excused = self.present = False
            self.soaked = self.dozed = self.waited = 0.0
        self.reason = reason

    def refuse(self, reason: str, now: float) -> None:
        """Take why its install could not even begin."""
        if reason == Reason.ALREADY_INSTALLING:
            self.reset()
        elif reason == Reason.ALREADY_INSTALLED:
            self.end(Result.ALREADY_INSTALLED, "", now)
        else:
            self.end(Result.NO_UPDATE if reason in NOTHING_TO_INSTALL else Result.FAILED, reason, now)

    def excuse(self, patience: float) -> None:
        """Forgive that it did not get the version, or was not there for its soak."""
        if self.result is not None and (self.result not in ON_NEW_VERSION or self.waited >= patience):
            self.excused = True

    def look(self, sight: Sight, span: Span, patience: float, now: float) -> None:
        """Take what is known of the board now."""
        state = sight.install.state if sight.install and sight.is_installing else ""
        self.asleep = sight.availability is Availability.ASLEEP
        self.occupied = state not in {"", State.WAITING}
        was = self.result
        if was is not None:
            self._correct(was, sight, now)
        elif self.started is not None:
            self._follow(sight, span, patience, now)
        elif sight.up_to_date:
            self.end(Result.ALREADY_INSTALLED, "", now)
        else:
            self.state = state
        if self.result is None:
            self.version = self.version or sight.target
        elif self.result in ON_NEW_VERSION:
            self._soak(sight, span if was is self.result else Span())

    def _follow(self, sight: Sight, span: Span, patience: float, now: float) -> None:
        own = sight.install
        if own is None or own.id == self.before:
            self._miss(sight, span, now)
            return
        if self.starting:
            self.starting, self.waited = False, 0.0
        self.install, self.state = own.id, own.state
        if (verdict := own.verdict) is Result.CANCELLED and self.withdrawn:
            self.reset()
        elif verdict is not None:
            self.end(*self._truth(verdict, own.reason, sight), now)
        elif own.state == State.WAITING:
            self.waited += span.passed
            if self.waited >= patience:
                self.end(Result.WAITED_TOO_LONG, Reason.WAITED_TOO_LONG, now)

    def _miss(self, sight: Sight, span: Span, now: float) -> None:
        """Judge a start of which no install is seen: being prepared, done without us, or lost."""
        self.waited += span.passed
        if sight.up_to_date:
            self.end(Result.CONFIRMED, "", now)
        elif self.starting and self.waited < PREPARATION:
            pass
        elif not self.lost:
            self.lost = True
            self.reset()
        else:
            self.end(Result.FAILED, LOST, now)

    def _correct(self, result: Result, sight: Sight, now: float) -> None:
        """Let what is seen after the result correct it."""
        own = sight.install if sight.install and sight.install.id == self.install else None
        self.state = own.state if own else ""
        reason = self.reason
        # Who gives up on a board cancels its install; that is no news.
        if own and (verdict := own.verdict) and verdict is not Result.CANCELLED:
            result, reason = verdict, own.reason
        moved_on = sight.install is not None and sight.install.id not in {self.install, self.before}
        if not moved_on or sight.up_to_date:
            self.end(*self._truth(result, reason, sight), now)
        elif self.result in ON_NEW_VERSION:
            self.excused = True

    def _truth(self, result: Result, reason: str, sight: Sight) -> tuple[Result, str]:
        """Return a result and its reason as what the board runs bears them out."""
        match result:
            case Result.FAILED | Result.WAITED_TOO_LONG if sight.up_to_date:
                return Result.CONFIRMED, ""
            case Result.FAILED if reason == Reason.WAITED_TOO_LONG:
                return Result.WAITED_TOO_LONG, reason
            case Result.CONFIRMED if not sight.up_to_date and is_same(sight.version, self.from_version):
                return Result.ROLLED_BACK, Reason.ROLLED_BACK
        return result, reason

    def _soak(self, sight: Sight, span: Span) -> None:
        """Count the time online on the new version; that of a sleeper counts when it is heard again."""
        on_it = sight.up_to_date or self.result is Result.UNVERIFIED
        present = on_it and sight.availability is not Availability.OFFLINE
        self.dozed = self.dozed + span.seen if present and self.present else 0.0
        if self.dozed and (sight.availability is Availability.ONLINE or sight.heard != self.heard):
            self.soaked += self.dozed
            self.dozed = 0.0
        else:
            self.waited += span.passed
        self.present, self.heard = present, sight.heard

    def report(self) -> dict[str, Any]:
        """Return what became of the board so far, as JSON types."""
        now = "waiting" if self.is_waiting else "pending" if self.is_pending else "installing"
        return {
            "result": self.result.value if self.result else now,
            "reason": self.reason or None,
            "from_version": self.from_version or None,
            "version": self.version or None,
            "duration": self.duration,
            "stage": self.stage,
            "attempts": self.attempts,
        }

    @classmethod
    def restored(cls, record: Mapping[str, Any]) -> Self:
        """Return the part of a stored record; raises KeyError, TypeError or ValueError when it is none."""
        return cls(**{name: read(record[name]) for name, read in _STORED.items()})

    def stored(self) -> dict[str, Any]:
        """Return what a restart must not lose, as JSON types."""
        return {name: getattr(self, name) for name in _STORED}

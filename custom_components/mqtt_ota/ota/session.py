"""One board's update, from its place in the queue to a verdict, as a state machine.

Times are seconds of a monotonic clock, given by the caller. The dialect drives the middle of a session; the verdict
falls here alone, and `confirmed` only on what the board itself announced.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, Self

from .board import Board, Transport
from .errors import Reason
from .state import BACK_OFF, ENDED, PASSING, PATIENCE, State
from .version import is_same

__all__ = ["CORRECTABLE", "DOUBT", "TIMELINE_LENGTH", "PATIENCE", "Session", "State", "Target"]

# How long a board that came back with its old version may still say why, or turn out to have only reconnected.
DOUBT = 15.0
# How long after a verdict an announcement still corrects it.
CORRECTABLE = 3600.0
TIMELINE_LENGTH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The image that a session brings: its version, digest, size in bytes, and what the board is told of it.

    `digests` are what boards may call the image instead, each `algorithm:hex`. `url` is where the feed has it, empty
    where that is no address of the web.
    """

    version: str
    sha256: str
    size: int
    manifest: str = ""
    signature: str = ""
    digests: tuple[str, ...] = ()
    url: str = ""


@dataclass(slots=True, kw_only=True)
class Session:
    """One update of one board.

    `held` is the number of bytes the board says it has. `changed` is the last sign of life, or the verdict;
    `attempts` counts the offers since then. `wake_at` is when the session must be looked at if nothing comes before.
    `waits_for` is how many seconds after its start it may still wait for a board that sleeps or is away. `retries` is how
    often it may be tried again, `tried` how often it was. `begun` is when the board was first told. `wake_at` is None in the queue, where time does not count. `memo` is the dialect's own, kept across restarts. `timeline` holds (seconds since the start, what happened).
    `rested` says that nothing was under way when it was stopped; without that it is `interrupted` afterwards: its memo
    may be older than what was sent.
    """

    id: str
    board_id: str
    dialect: str
    target: Target
    from_version: str
    started: float
    changed: float
    wake_at: float | None = None
    state: State = State.QUEUED
    reason: Reason | None = None
    detail: str = ""
    held: int = 0
    attempts: int = 0
    verified: bool = False
    transport: Transport | None = None
    retries: int = 0
    tried: int = 0
    begun: float | None = None
    came_back_old: bool = False
    memo: dict[str, Any] = field(default_factory=dict)
    timeline: list[tuple[float, str]] = field(default_factory=list)
    waits_for: float = PATIENCE[State.WAITING]
    rested: bool = False
    interrupted: bool = False

    @classmethod
    def create(
        cls,
        session_id: str,
        board: Board,
        target: Target,
        now: float,
        transport: Transport | None = None,
        waits_for: float = PATIENCE[State.WAITING],
        from_version: str = "",
    ) -> Self:
        """Return a new session, not yet begun, of a board towards a target.

        `from_version` is what the board runs as far as is known, where it does not tell itself.
        """
        session = cls(
            id=session_id,
            board_id=board.id,
            dialect=board.dialect,
            target=target,
            from_version=from_version or board.version,
            started=now,
            changed=now,
            transport=transport,
            waits_for=waits_for,
        )
        session._note(now, State.QUEUED)
        return session

    @property
    def is_active(self) -> bool:
        """Tell whether there is no verdict yet."""
        return self.state not in ENDED

    @property
    def percentage(self) -> float | None:
        """Return how much of the image the board holds, or None while that says nothing."""
        if self.state is not State.TRANSFERRING or not self.target.size:
            return None
        return round(min(self.held / self.target.size, 1) * 100, 1)

    @property
    def duration(self) -> float | None:
        """Return the seconds from the first word to the board to the verdict; None without both."""
        return None if self.is_active or self.begun is None else max(0.0, self.changed - self.begun)

    def alive(self, state: State, now: float, *, held: int | None = None, patience: float | None = None) -> None:
        """Take a sign of life: the board is in `state` and holds `held` bytes.

        The next one may take `patience` seconds, what the state allows by default.
        """
        if not self.is_active:
            return
        if state is not self.state:
            self._note(now, state)
        self.state = state
        self.attempts = 0
        self.came_back_old = False
        if held is not None:
            self.held = max(0, min(held, self.target.size))
        self.changed = now
        self.wake_at = now + (PATIENCE[state] if patience is None else patience)

    def offer(self, now: float, *, patience: float | None = None) -> None:
        """Note that the board was offered the image, for the first time or again; it may take `patience` seconds."""
        if not self.is_active:
            return
        if self.state in {State.QUEUED, State.WAITING}:
            self._note(now, State.OFFERED)
            self.state = State.OFFERED
            self.begun = now if self.begun is None else self.begun
        self.attempts += 1
        # In a restart an offer is only the question whether the board is back.
        usual = PATIENCE[State.OFFERED if self.state is State.REBOOTING else self.state]
        self.wake_at = now + (usual if patience is None else patience)

    def wait(self, now: float) -> None:
        """Wait for a board that cannot be spoken to, as long as the user lets it."""
        if not self.is_active:
            return
        if self.state is not State.WAITING:
            self._note(now, State.WAITING)
        self.state = State.WAITING
        self.attempts = 0
        self.wake_at = max(now, self.started + self.waits_for)

    def queue(self, now: float, delay: float | None = None) -> None:
        """Go back to the queue, for a turn after `delay` seconds at the earliest."""
        if not self.is_active:
            return
        self._note(now, State.QUEUED)
        self.state = State.QUEUED
        self.attempts = 0
        self.came_back_old = False
        self.wake_at = None if delay is None else now + delay

    def away(self, now: float, patience: float) -> None:
        """Give a board that went away in the middle `patience` seconds to come back."""
        if not self.is_active:
            return
        self._note(now, "went away")
        self.wake_at = now + patience

    def fail(self, reason: Reason, now: float, detail: str = "") -> None:
        """End the session: it failed, for this reason. What may pass is tried again, if that is wanted."""
        if reason in PASSING and self.is_active and self.tried < self.retries:
            self._note(now, f"{State.FAILED}: {reason}")
            self.tried += 1
            self.queue(now, BACK_OFF * 2 ** (self.tried - 1))
            return
        self._end(State.ROLLED_BACK if reason is Reason.ROLLED_BACK else State.FAILED, now, reason, detail)

    def cancel(self, now: float) -> None:
        """End the session: somebody called it off."""
        self._end(State.CANCELLED, now, Reason.CANCELLED)

    def came_back(self, now: float, detail: str = "") -> None:
        """End the session of a board that tells nothing of what it runs: it is not known to have failed.

        Where not even its coming back was seen, `detail` says what the verdict rests on.
        """
        if self.is_active:
            self.held = self.target.size
            self._end(State.UNVERIFIED, now, detail=detail)

    def announced(self, board: Board, now: float, *, live: bool) -> None:
        """Judge by what the board says that it runs; a message of the broker's memory (not `live`) only confirms."""
        if not board.tells_what_runs:
            return
        runs_target = self.is_run_by(board)
        if not self.is_active:
            self._correct(board, now, live=live, runs_target=runs_target)
        elif runs_target and board.pending:
            self.alive(State.REBOOTING, now)
        elif runs_target:
            self.verified = True
            self.held = self.target.size
            self._end(State.CONFIRMED, now)
        elif live and self.state is State.REBOOTING and not self.came_back_old:
            # It may have reconnected just before its restart, or be about to say why it rolled back.
            self.came_back_old = True
            self.detail = board.version
            self._note(now, f"came back with {board.version or board.digest}")
            self.wake_at = now + DOUBT

    def is_run_by(self, board: Board) -> bool:
        """Tell whether a board runs this session's image, by its digest where it tells one, else by its version."""
        if board.sha256:
            return board.sha256 == self.target.sha256
        if board.digest:
            return board.digest in self.target.digests
        return is_same(board.version, self.target.version)

    def never_returned(self, now: float) -> None:
        """End a restart whose time is up: the old version came back, or nothing did."""
        if not self.came_back_old:
            self.fail(Reason.NEVER_RETURNED, now)
        else:
            self.fail(Reason.ROLLED_BACK, now, self.detail)

    def stored(self, now: float) -> dict[str, Any]:
        """Return what a restart must not lose, as JSON types; times become ages."""
        record = asdict(self)
        record["started"] = now - self.started
        record["changed"] = now - self.changed
        record["wake_at"] = None if self.wake_at is None else max(0.0, self.wake_at - now)
        record["begun"] = None if self.begun is None else now - self.begun
        return record

    @classmethod
    def restored(cls, record: dict[str, Any], now: float) -> Self:
        """Return the session of a `stored` record; raises KeyError, TypeError or ValueError when it is none."""
        fields = dict(record)
        fields["target"] = Target(**{**record["target"], "digests": tuple(record["target"].get("digests", ()))})
        fields["state"] = State(record["state"])
        fields["reason"] = None if record["reason"] is None else Reason(record["reason"])
        fields["transport"] = None if record["transport"] is None else Transport(record["transport"])
        fields["timeline"] = [(float(age), str(text)) for age, text in record["timeline"]]
        fields["started"] = now - float(record["started"])
        fields["changed"] = now - float(record["changed"])
        fields["wake_at"] = None if record["wake_at"] is None else now + float(record["wake_at"])
        fields["begun"] = None if record.get("begun") is None else now - float(record["begun"])
        fields["rested"], fields["interrupted"] = False, not record.get("rested", False)
        return cls(**fields)

    def _correct(self, board: Board, now: float, *, live: bool, runs_target: bool) -> None:
        """Let the truth that came after the verdict replace it; who was lost may come back after any time."""
        was_lost = self.reason is Reason.NEVER_RETURNED
        if board.pending or (now - self.changed > CORRECTABLE and not was_lost):
            return
        if runs_target and self.state is not State.CONFIRMED:
            self.verified = True
            self._become(State.CONFIRMED, now, None)
        elif not runs_target and (self.state is State.CONFIRMED or (was_lost and live)) and self._is_former(board):
            self.verified = False
            self._become(State.ROLLED_BACK, now, Reason.ROLLED_BACK, board.version)

    def _is_former(self, board: Board) -> bool:
        """Tell whether a board runs what it ran before the session."""
        return board.version == self.from_version if board.version else bool(board.digest)

    def _end(self, state: State, now: float, reason: Reason | None = None, detail: str = "") -> None:
        if self.is_active:
            self._become(state, now, reason, detail)

    def _become(self, state: State, now: float, reason: Reason | None, detail: str = "") -> None:
        self.state, self.reason, self.detail = state, reason, detail
        self.changed = now
        self._note(now, state if reason is None else f"{state}: {reason}")

    def _note(self, now: float, text: str) -> None:
        if len(self.timeline) < TIMELINE_LENGTH:
            self.timeline.append((round(now - self.started, 3), str(text)))

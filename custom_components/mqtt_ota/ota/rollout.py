"""A rollout: who may start now, when the next stage opens, and what stops it.

Times are UTC seconds of the wall clock, given by the caller, because a rollout outlives restarts. Nobody watched a gap
between two looks that is longer than `GAP`, so it counts as no time on the new version; neither does a clock's jump.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

from .errors import Reason
from .records import count, maybe, seconds, text
from .rollout_gate import Cause, Proof, due, proof, stopped_by
from .rollout_part import Part
from .rollout_plan import Policy, plan
from .rollout_sight import Result, Sight, Span
from .session import State

# The longest time between two looks that counts as watched, and how soon to look again, in seconds.
GAP = 120.0
LOOK = 30.0


class Status(StrEnum):
    """Where a rollout stands."""

    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"


# These go with what caused them; a user's word or a rollback stays until somebody resumes.
PASSING = frozenset({Cause.FAILURES, Cause.CANARY_FAILED, Cause.NEVER_SOAKED})
RETRIED = frozenset({Result.FAILED, Result.ROLLED_BACK, Result.WAITED_TOO_LONG})
RETRYABLE = RETRIED | {Result.CANCELLED, Result.NO_UPDATE}


@dataclass(frozen=True, slots=True)
class Start:
    """An install to begin now: the board, and the version, None for the newest."""

    board_id: str
    version: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do after a look: begin `start` in this order, cancel the waiting installs of `withdraw`.

    `status` and `cause` are new, or None while nothing changed. `wake_at` is the UTC seconds of the next look if nothing
    happens before, None when the rollout is over.
    """

    start: tuple[Start, ...] = ()
    withdraw: tuple[str, ...] = ()
    status: Status | None = None
    cause: Cause | None = None
    wake_at: float | None = None


@dataclass(slots=True, kw_only=True)
class Rollout:
    """An update of many boards; `created` and `looked` are UTC seconds, `stage` is the one that is open.

    `called_off` is the reason for which boards get nothing once it is cancelled.
    """

    id: str
    created: float
    policy: Policy
    parts: dict[str, Part]
    stage: int
    status: Status = Status.RUNNING
    cause: Cause | None = None
    looked: float | None = None
    called_off: str = Reason.CANCELLED

    @classmethod
    def create(
        cls,
        rollout_id: str,
        targets: Iterable[str],
        policy: Policy,
        sights: Mapping[str, Sight],
        now: float,
        *,
        version: str | None = None,
        cohorts: Mapping[str, str] | None = None,
    ) -> Self:
        """Return a new rollout to the targets in their order; raises ValueError when the canary is none of them."""
        cohorts = cohorts or {}
        boards = list(dict.fromkeys(targets))
        stages = plan(boards, cohorts, policy, sights)
        parts = {
            board_id: Part(stage=stages[board_id], cohort=cohorts.get(board_id, ""), version=version or "")
            for board_id in boards
        }
        return cls(id=rollout_id, created=now, policy=policy, parts=parts, stage=min(stages.values(), default=1))

    @property
    def stages(self) -> int:
        """Return the number of the last stage."""
        return max((part.stage for part in self.parts.values()), default=1)

    @property
    def is_over(self) -> bool:
        """Tell whether every board has its result."""
        return all(part.result for part in self.parts.values())

    def version_of(self, board_id: str) -> str | None:
        """Return the version that a board is to run, None while that is the newest."""
        return self.parts[board_id].version or None

    def step(self, sights: Mapping[str, Sight], now: float, *, may_start: bool) -> Decision:
        """Look at the boards and decide; a board without a sight is left as it is."""
        was = self.status, self.cause
        span = self._span(now)
        for board_id, part in self.parts.items():
            if sight := sights.get(board_id):
                part.look(sight, span, self.policy.patience, now)
        if self.status is Status.CANCELLED:
            self._call_off(now)
        self._advance(sights, now, may_start=may_start)
        if self.is_over and self.status is not Status.CANCELLED:
            self.status, self.cause = Status.FINISHED, None
        start = self._start(sights, now) if may_start and self.status is Status.RUNNING else ()
        changed = was != (self.status, self.cause)
        return Decision(
            start=start,
            withdraw=self._withdraw(),
            status=self.status if changed else None,
            cause=self.cause if changed else None,
            wake_at=self._wake_at(now),
        )

    def refuse(self, board_id: str, reason: str, now: float) -> None:
        """Take why an install that was to begin could not even become one."""
        part = self.parts.get(board_id)
        if part is not None and part.starting:
            part.refuse(reason, now)

    def pause(self) -> bool:
        """Start nothing more until it is resumed; return whether that changed anything."""
        if self.status is not Status.RUNNING:
            return False
        self.status, self.cause = Status.PAUSED, Cause.USER
        return True

    def resume(self, *, retry: bool = False) -> bool:
        """Go on in spite of what happened so far, or after another try; return whether that changed anything."""
        if self.status is not Status.PAUSED:
            return False
        self.status, self.cause = Status.RUNNING, None
        if retry:
            self.retry([key for key, part in self.parts.items() if part.result in RETRIED])
        for part in self.parts.values():
            part.excuse(self.policy.patience)
        return True

    def cancel(self, now: float, reason: str = Reason.CANCELLED) -> bool:
        """Start nothing more and wait for nobody; what runs finishes. Return whether that changed anything."""
        if self.status not in {Status.RUNNING, Status.PAUSED}:
            return False
        self.status, self.cause, self.called_off = Status.CANCELLED, None, reason
        self._call_off(now)
        return True

    def retry(self, board_ids: Collection[str]) -> tuple[str, ...]:
        """Try boards again that did not get the version; return which. A finished rollout goes on, a cancelled never."""
        if self.status is Status.CANCELLED:
            return ()
        again = tuple(key for key in self.parts if key in board_ids and self.parts[key].result in RETRYABLE)
        for board_id in again:
            self.parts[board_id].reset()
            self.parts[board_id].lost = False
        if again and self.status is Status.FINISHED:
            self.status = Status.RUNNING
        return again

    def report(self) -> dict[str, Any]:
        """Return what became of each board so far, as JSON types; durations are seconds."""
        boards = {board_id: part.report() for board_id, part in self.parts.items()}
        return {
            "rollout": self.id,
            "status": self.status.value,
            "cause": self.cause and self.cause.value,
            "stage": self.stage,
            "stages": self.stages,
            "boards": boards,
            "totals": dict(Counter(board["result"] for board in boards.values())),
        }

    def stored(self) -> dict[str, Any]:
        """Return what a restart must not lose, as JSON types."""
        return {
            "id": self.id,
            "created": self.created,
            "policy": {**asdict(self.policy), "waves": [asdict(wave) for wave in self.policy.waves]},
            "parts": {board_id: part.stored() for board_id, part in self.parts.items()},
            "stage": self.stage,
            "status": self.status.value,
            "cause": self.cause and self.cause.value,
            "looked": self.looked,
            "called_off": str(self.called_off),
        }

    @classmethod
    def restored(cls, record: Mapping[str, Any]) -> Self:
        """Return the rollout of a `stored` record; raises KeyError, TypeError or ValueError when it is none."""
        rollout = cls(
            id=text(record["id"]),
            created=seconds(record["created"]),
            policy=Policy.restored(record["policy"]),
            parts={text(board_id): Part.restored(part) for board_id, part in dict(record["parts"]).items()},
            stage=count(record["stage"]),
            status=Status(record["status"]),
            cause=maybe(lambda value: Cause(text(value)))(record["cause"]),
            looked=maybe(seconds)(record["looked"]),
            called_off=text(record["called_off"]),
        )
        if (rollout.cause is not None) != (rollout.status is Status.PAUSED) or rollout.stage > rollout.stages:
            raise ValueError(f"no rollout stands so: {rollout.status}, {rollout.cause}, {rollout.stage}")
        return rollout

    def _span(self, now: float) -> Span:
        gap = 0.0 if self.looked is None else max(0.0, now - self.looked)
        self.looked = now
        return Span(seen=gap if gap <= GAP else 0.0, passed=min(gap, GAP))

    def _call_off(self, now: float) -> None:
        """End what does not run; an install that is being prepared is let go once it waits."""
        for part in self.parts.values():
            if part.is_pending or (part.is_waiting and not part.starting):
                part.end(Result.CANCELLED, self.called_off, now)

    def _advance(self, sights: Mapping[str, Sight], now: float, *, may_start: bool) -> None:
        """Pause or go on as the results have it, and open the stages that are proven."""
        while self.status in {Status.RUNNING, Status.PAUSED}:
            self._judge()
            if self.status is Status.PAUSED:
                return
            if may_start and self._drop(sights, now):
                continue
            if self.stage >= self.stages or proof(self.parts.values(), self.stage, self.policy) is not Proof.GIVEN:
                return
            self.stage += 1

    def _drop(self, sights: Mapping[str, Sight], now: float) -> bool:
        """End the boards whose turn it is and for which no release is; return whether there were any."""
        turn = [board_id for board_id, part in self.parts.items() if part.is_due(self.stage) and board_id in sights]
        without = [board_id for board_id in turn if sights[board_id].no_update]
        for board_id in without:
            self.parts[board_id].end(Result.NO_UPDATE, sights[board_id].no_update, now)
        return bool(without)

    def _judge(self) -> None:
        cause = stopped_by(self.parts.values(), self.stage, self.stages, self.policy)
        if self.status is Status.RUNNING or self.cause in PASSING or cause is Cause.ROLLED_BACK:
            self.status, self.cause = (Status.PAUSED, cause) if cause else (Status.RUNNING, None)

    def _start(self, sights: Mapping[str, Sight], now: float) -> tuple[Start, ...]:
        started = due(self.parts, self.stage, self.policy.at_once, sights)
        for board_id in started:
            self.parts[board_id].begin(sights[board_id], now)
        return tuple(Start(board_id, self.version_of(board_id)) for board_id in started)

    def _withdraw(self) -> tuple[str, ...]:
        """Return the boards whose install must wait no longer: given up, or not to begin behind a pause."""
        halted = self.status is not Status.RUNNING
        for part in self.parts.values():
            part.withdrawn = part.is_waiting and part.started is not None and halted
        return tuple(
            board_id
            for board_id, part in self.parts.items()
            if part.state == State.WAITING and (part.withdrawn or part.result is not None)
        )

    def _wake_at(self, now: float) -> float | None:
        if self.is_over:
            return None
        soaking = [
            self.policy.soak - part.soaked - part.dozed
            for part in self.parts.values()
            if part.stage == self.stage and part.present and part.soaked < self.policy.soak
        ]
        return now + max(1.0, min([LOOK, *soaking]))

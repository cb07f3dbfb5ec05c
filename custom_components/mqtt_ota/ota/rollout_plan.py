"""Who is updated in which stage of a rollout: canary first, then waves that grow."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import ceil, inf, isfinite
from typing import Any, Self

from .board import Availability
from .rollout_sight import Sight

# The canary's own stage; the waves are counted from 1.
CANARY = 0
DAY = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """How many boards have had their turn when a stage is over: a count, or percent of all targets; both cumulative."""

    count: int = 0
    percent: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what is neither or both; raises ValueError."""
        if self.count < 0 or not 0 <= self.percent <= 100 or bool(self.count) == bool(self.percent):
            raise ValueError(f"a wave is a count or percent: {self.count}, {self.percent}")

    @classmethod
    def read(cls, text: str | int) -> Self:
        """Return the wave that a user wrote: `5` or `10 %`; raises ValueError."""
        number, percent, rest = str(text).partition("%")
        if rest.strip():
            raise ValueError(f"a wave is a count or percent: {text}")
        return cls(percent=float(number)) if percent else cls(count=int(number))

    def boards(self, total: int) -> int:
        """Return how many of `total` boards these are; a part of a board is a whole one."""
        return self.count or ceil(total * self.percent / 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How careful a rollout is: `soak` and `patience` are seconds, `stop_after` failures, `at_once` installs.

    `canary` names a board, `canary_by_signal` takes the one that is heard best. After the last of `waves` comes
    everything else. `patience` is how long a board may be waited for, before its install and again in its soak.
    """

    canary: str = ""
    canary_by_signal: bool = False
    waves: tuple[Wave, ...] = ()
    soak: float = 0.0
    stop_after: int = 1
    at_once: int = 2
    patience: float = DAY

    def __post_init__(self) -> None:
        """Refuse what could never go on or never stop; raises ValueError."""
        if self.canary and self.canary_by_signal:
            raise ValueError("a canary is either named or found")
        if not (isfinite(self.soak) and self.soak >= 0 and isfinite(self.patience) and self.patience > 0):
            raise ValueError(f"no time to wait: {self.soak}, {self.patience}")
        if self.stop_after < 1 or self.at_once < 1:
            raise ValueError(f"less than one: {self.stop_after}, {self.at_once}")

    @classmethod
    def restored(cls, record: Mapping[str, Any]) -> Self:
        """Return the policy of a stored record; raises KeyError, TypeError or ValueError when it is none."""
        return cls(**{**record, "waves": tuple(Wave(**wave) for wave in record["waves"])})


def plan(
    targets: Iterable[str], cohorts: Mapping[str, str], policy: Policy, sights: Mapping[str, Sight]
) -> dict[str, int]:
    """Return each board's stage; raises ValueError when the named canary is no target.

    Boards of one cohort stay together, so a wave may be larger than it was asked to be. Waves that come out empty are
    left out.
    """
    units = group(targets, cohorts)
    canary = _canary(policy, list(chain.from_iterable(units)), sights)
    first = [unit for unit in units if canary in unit]
    if policy.canary and not first:
        raise ValueError(f"the canary is no target: {policy.canary}")
    stages = dict.fromkeys(chain.from_iterable(first), CANARY)
    total = sum(map(len, units))
    limits = [*(wave.boards(total) for wave in policy.waves), inf]
    stage, wave = CANARY, -1
    for unit in units:
        if unit in first:
            continue
        # A unit belongs to the first wave that is not full before it.
        place = next(index for index, limit in enumerate(limits) if limit > len(stages) and index >= wave)
        if place > wave:
            stage, wave = stage + 1, place
        stages.update(dict.fromkeys(unit, stage))
    return stages


def group(boards: Iterable[str], cohorts: Mapping[str, str]) -> list[Sequence[str]]:
    """Return the boards as units that start together, in the order given; a board without a cohort is alone."""
    units: dict[tuple[bool, str], list[str]] = {}
    for board_id in dict.fromkeys(boards):
        cohort = cohorts.get(board_id, "")
        units.setdefault((bool(cohort), cohort or board_id), []).append(board_id)
    return list(units.values())


def _canary(policy: Policy, boards: Sequence[str], sights: Mapping[str, Sight]) -> str:
    """Return the canary, empty for none; by signal it is an awake board that has something to install."""
    if not policy.canary_by_signal:
        return policy.canary
    able = [
        board_id
        for board_id in boards
        if (sight := sights.get(board_id)) and not sight.up_to_date and not sight.no_update
    ]
    return max(able, key=lambda board_id: _strength(sights[board_id]), default="")


def _strength(sight: Sight) -> tuple[bool, float]:
    return sight.availability is Availability.ONLINE, -inf if sight.signal is None else sight.signal

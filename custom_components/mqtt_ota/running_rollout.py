"""A rollout with what only Home Assistant knows of it."""

import asyncio
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self

from .ota.rollout import Rollout, Status
from .ota.rollout_gate import Cause

_OVER: Final = frozenset({Status.FINISHED, Status.CANCELLED})

type Standing = tuple[Status, Cause | None, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On which terms a rollout may start installs.

    Nothing is started while one of the entities `while_off` is anything but off, and from `until` (UTC seconds) on. Of
    releases whose date is known only those are taken that are `min_age` seconds old. A `name` tells whose rollout it is:
    there is one of a name at a time.
    """

    name: str = ""
    while_off: tuple[str, ...] = ()
    until: float | None = None
    retries: int = 0
    min_age: float = 0.0


@dataclass(slots=True, eq=False)
class Running:
    """A rollout and its terms; `settled` is set while nothing more comes of it by itself: it is over or paused.

    `told` is where it stood when that was last told to others.
    """

    rollout: Rollout
    terms: Terms
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    told: Standing | None = None

    @property
    def standing(self) -> Standing:
        """Return what is news to others when it changes; one that was cancelled ends when its last install does."""
        return self.rollout.status, self.rollout.cause, self.is_live

    @property
    def is_live(self) -> bool:
        """Tell whether anything is still to be decided or seen."""
        return self.rollout.status not in _OVER or not self.rollout.is_over

    def report(self) -> dict[str, Any]:
        """Return what became of each board so far, as JSON types, with the name of the rollout."""
        return {"name": self.terms.name or None, **self.rollout.report()}

    def stored(self) -> dict[str, Any]:
        """Return what a restart must not lose."""
        return {
            "rollout": self.rollout.stored(),
            "terms": {**asdict(self.terms), "while_off": list(self.terms.while_off)},
        }

    @classmethod
    def restored(cls, record: dict[str, Any]) -> Self:
        """Return the rollout of a `stored` record; raises AttributeError, KeyError, TypeError or ValueError for none."""
        terms = record["terms"]
        until = terms["until"]
        running = cls(
            Rollout.restored(record["rollout"]),
            Terms(
                name=str(terms["name"]),
                while_off=tuple(str(entity_id) for entity_id in terms["while_off"]),
                until=None if until is None else float(until),
                retries=int(terms["retries"]),
                min_age=float(terms["min_age"]),
            ),
        )
        running.told = running.standing
        if not running.is_live or running.rollout.status is Status.PAUSED:
            running.settled.set()
        return running

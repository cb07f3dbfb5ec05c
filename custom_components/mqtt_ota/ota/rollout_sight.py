"""What a rollout is told of a board at each look."""

from dataclasses import dataclass
from enum import StrEnum

from .board import Availability

AWAY = frozenset({Availability.OFFLINE, Availability.ASLEEP})


class Result(StrEnum):
    """What a rollout came to for a board."""

    CONFIRMED = "confirmed"
    UNVERIFIED = "unverified"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ALREADY_INSTALLED = "already_installed"
    NO_UPDATE = "no_update"
    WAITED_TOO_LONG = "waited_too_long"


INSTALLED = frozenset({Result.CONFIRMED, Result.UNVERIFIED})
ON_NEW_VERSION = INSTALLED | {Result.ALREADY_INSTALLED}
VERDICTS = INSTALLED | {Result.ROLLED_BACK, Result.FAILED, Result.CANCELLED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Install:
    """A board's latest install, whoever began it: its id, a session's state or `unverified`, the reason's code."""

    id: str
    state: str
    reason: str = ""

    @property
    def verdict(self) -> Result | None:
        """Return the verdict, or None while there is none."""
        return Result(self.state) if self.state in VERDICTS else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What is known of a board now; `signal` is dBm, `heard` UTC seconds of its last live announcement.

    `target` is the version that its part asks for, or the newest; `up_to_date` tells that the board runs it.
    `no_update` is why no release is for it, empty while there is one.
    """

    availability: Availability
    version: str = ""
    target: str = ""
    up_to_date: bool = False
    no_update: str = ""
    signal: float | None = None
    heard: float | None = None
    install: Install | None = None

    @property
    def is_installing(self) -> bool:
        """Tell whether an install of it has no verdict yet."""
        return self.install is not None and self.install.verdict is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The seconds since the last look: `seen` counts only what was watched throughout, `passed` at most a gap."""

    seen: float = 0.0
    passed: float = 0.0

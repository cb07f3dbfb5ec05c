"""Where an update can stand, how long it may stay there, and which ends there are."""

from enum import StrEnum

from .errors import Reason


class State(StrEnum):
    """Where an update stands."""

    QUEUED = "queued"
    WAITING = "waiting"
    OFFERED = "offered"
    TRANSFERRING = "transferring"
    VERIFYING = "verifying"
    REBOOTING = "rebooting"
    CONFIRMED = "confirmed"
    UNVERIFIED = "unverified"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = frozenset({State.CONFIRMED, State.UNVERIFIED, State.ROLLED_BACK, State.FAILED, State.CANCELLED})
# What no user has to do anything about.
GOOD = frozenset({State.CONFIRMED, State.UNVERIFIED})

# What may be otherwise at the next try; nothing else is tried again by itself.
PASSING = frozenset(
    {
        Reason.NO_ANSWER,
        Reason.STALLED,
        Reason.BROKER_GONE,
        Reason.NEVER_FETCHED,
        Reason.HALF_DELIVERED,
        Reason.BOARD_TRANSPORT,
        Reason.BOARD_BUSY,
        Reason.BOARD_DIGEST,
    }
)
# How long to wait before the first such try, in seconds; each further one waits twice as long.
BACK_OFF = 60.0

# How long a state may last without a sign of life, in seconds.
PATIENCE = {
    State.WAITING: 86400.0,
    State.OFFERED: 15.0,
    State.TRANSFERRING: 30.0,
    State.VERIFYING: 60.0,
    State.REBOOTING: 300.0,
}

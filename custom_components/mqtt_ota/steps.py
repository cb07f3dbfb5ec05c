"""What happens to an update, for whoever wants to tell of it."""

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from .member import Member
from .ota.session import Session
from .ota.state import State


class Step(StrEnum):
    """What happened to an update, as events and the logbook call it."""

    QUEUED = "queued"
    STARTED = "started"
    RETRIED = "retried"
    INSTALLED = "installed"
    UNVERIFIED = "unverified"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"
    CANCELLED = "cancelled"


VERDICTS: Final = {
    State.CONFIRMED: Step.INSTALLED,
    State.UNVERIFIED: Step.UNVERIFIED,
    State.FAILED: Step.FAILED,
    State.ROLLED_BACK: Step.ROLLED_BACK,
    State.CANCELLED: Step.CANCELLED,
}

type Listener = Callable[[Member, Session, Step], None]

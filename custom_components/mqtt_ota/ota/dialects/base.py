"""What most dialects of boards in the field have in common: they are simple, silent, and know no version.

A dialect overrides what its boards do differently.
"""

from typing import Final

from ..board import Availability, Board, Transport
from ..errors import Reason
from ..session import PATIENCE, Session, State
from . import Block, Dialect, Effect, Message, StopBlocks, Traits

# How often to offer in vain before giving up.
OFFERS: Final = 3


class BaseDialect(Dialect):
    """A dialect whose boards are told once, and then judged by whether they come back."""

    name = ""
    traits = Traits(0)

    def __init__(self, key: str) -> None:
        """Speak as the dialect of this key."""
        self._key = key

    @property
    def key(self) -> str:
        """Return what tells this dialect from others of its kind; boards are stored under it."""
        return self._key

    def boards(self) -> tuple[Board, ...]:
        """Return the boards that are there because the user said so: none."""
        return ()

    def transport(self, board: Board, preferred: Transport) -> Transport:
        """Choose how the image gets to a board: there is one way."""
        return Transport.BLOCKS

    def prepare(self, session: Session, board: Board, image: bytes) -> None:
        """Need nothing of the image."""

    def join_in(self, session: Session, board: Board, now: float) -> list[Effect]:
        """Wait for what becomes of another board's trigger."""
        session.offer(now, patience=session.waits_for)
        return []

    def receive(self, session: Session, board: Board, message: Message, now: float) -> list[Effect]:
        """Hear nothing: the boards say nothing."""
        return []

    def tick(self, session: Session, board: Board, now: float) -> list[Effect]:
        """Give up where nothing was heard for too long; offers are made again a few times."""
        match session.state:
            case State.QUEUED:
                return []
            case State.WAITING:
                session.fail(Reason.WAITED_TOO_LONG, now)
            case State.REBOOTING:
                session.never_returned(now)
            case State.OFFERED if session.attempts < OFFERS:
                return self.begin(session, board, now)
            case State.OFFERED:
                session.fail(Reason.NO_ANSWER, now)
            case _:
                return self.silent(session, board, now)
        return [StopBlocks()]

    def silent(self, session: Session, board: Board, now: float) -> list[Effect]:
        """Move a session whose board fell silent in the middle of a transfer."""
        session.fail(Reason.STALLED, now)
        return [StopBlocks()]

    def presence(self, session: Session, board: Board, availability: Availability, now: float) -> list[Effect]:
        """Let a session that waits begin when its board comes."""
        if session.state is State.WAITING and availability is Availability.ONLINE:
            return self.begin(session, board, now)
        return []

    def fetched(self, session: Session, board: Board, position: int, now: float) -> list[Effect]:
        """Make nothing of a fetch."""
        return []

    def served(self, session: Session, board: Board, failure: Reason | None, now: float) -> list[Effect]:
        """Make nothing of a connection."""
        return []

    def transport_failed(
        self, session: Session, board: Board, reason: Reason, now: float, detail: str = ""
    ) -> list[Effect]:
        """End the session: there is no other way."""
        session.fail(reason, now, detail)
        return [StopBlocks()]

    def cancel(self, session: Session, board: Board, now: float) -> list[Effect]:
        """Send nothing more; the board cannot be told."""
        return [StopBlocks()]

    def rest(self, session: Session) -> bool:
        """Stop at any time: nothing depends on what was sent last."""
        return True

    def forget(self, board: Board) -> list[Effect]:
        """Leave what the broker remembers: it is not this integration's."""
        return []

    def frame(self, session: Session, image: bytes, block: Block) -> bytes:
        """Return a block as it is."""
        return image[block.offset : block.offset + block.length]


def woke_early(session: Session, now: float) -> bool:
    """Tell whether a restart of Home Assistant woke a session before its state's time was up; it waits for the rest."""
    left = session.changed + PATIENCE[session.state] - now
    if session.came_back_old or left <= 0:
        return False
    session.offer(now, patience=left)
    return True

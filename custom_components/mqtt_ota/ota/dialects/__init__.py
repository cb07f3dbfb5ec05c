"""Dialects: the ways in which boards speak about firmware.

A dialect turns messages into readings and a session's needs into effects. Time and messages are arguments, effects
are values: a dialect never touches a socket, a clock or Home Assistant.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Flag, auto
from typing import Protocol

from ..board import Availability, Board, Encoding, Transport
from ..errors import Reason
from ..session import Session


class Traits(Flag):
    """What a dialect's boards can do, for the card to claim no more than is known."""

    PROGRESS = auto()
    RESUME = auto()
    SIGNED = auto()
    CANCEL = auto()
    BROADCAST = auto()
    REPORTS_VERSION = auto()
    PULLS_BLOCKS = auto()
    PULLS_URL = auto()


@dataclass(frozen=True, slots=True)
class Message:
    """One MQTT message as it arrived; `retain` says that it is the broker's memory, not news."""

    topic: str
    payload: bytes
    retain: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of an image to send: offset and length in bytes, and how it travels."""

    offset: int
    length: int
    encoding: Encoding


@dataclass(frozen=True, slots=True)
class Publish:
    """Send a message; never retained."""

    topic: str
    payload: bytes
    qos: int = 1


@dataclass(frozen=True, slots=True)
class SendBlocks:
    """Send these blocks of the session's image, each as the dialect's `frame`."""

    topic: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class OfferUrl:
    """Make a one-time URL of one of these schemes for the session's image, and send what `payload` makes of it."""

    topic: str
    schemes: frozenset[str]
    payload: Callable[[str], bytes]
    qos: int = 1


@dataclass(frozen=True, slots=True)
class StopBlocks:
    """Drop the blocks that still wait to be sent for this session."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A message that is dropped, and why, for one log line a board and cause."""

    cause: str


@dataclass(frozen=True, slots=True)
class Clear:
    """Remove what the broker retains on a topic."""

    topic: str


type Effect = Publish | SendBlocks | OfferUrl | StopBlocks | Ignored | Clear


@dataclass(frozen=True, slots=True)
class Announcement:
    """A board said what it is and what it runs."""

    board: Board


@dataclass(frozen=True, slots=True)
class Presence:
    """A board, or its last will, said whether it can be spoken to."""

    availability: Availability


@dataclass(frozen=True, slots=True)
class Answer:
    """A board spoke about its session; the dialect's `receive` reads the rest."""


type Reading = Announcement | Presence | Answer


class Dialect(Protocol):
    """The contract of a wire protocol."""

    @property
    def name(self) -> str:
        """Return what the dialect is called in storage and diagnostics."""

    @property
    def traits(self) -> Traits:
        """Return what its boards can do."""

    def topics(self) -> tuple[tuple[str, int], ...]:
        """Return the topic filters to subscribe, each with its QoS."""

    def board_id(self, message: Message) -> str | None:
        """Return which board a message is from; None when it names no valid one."""

    def read(self, message: Message) -> Reading | Ignored:
        """Say what a message is. Never raises, whatever the bytes."""

    def transport(self, board: Board, preferred: Transport) -> Transport:
        """Choose how the image gets to a board; raises OtaError when there is no way."""

    def begin(self, session: Session, board: Board, now: float) -> list[Effect]:
        """Offer the session's image to its board, for the first time or again."""

    def receive(self, session: Session, board: Board, message: Message, now: float) -> list[Effect]:
        """Move an active session by what its board said. Never raises, whatever the bytes."""

    def tick(self, session: Session, board: Board, now: float) -> list[Effect]:
        """Move an active session whose `wake_at` has come."""

    def presence(self, session: Session, board: Board, availability: Availability, now: float) -> list[Effect]:
        """Let an active session go on when its board comes, and wait when it goes."""

    def transport_failed(
        self, session: Session, board: Board, reason: Reason, now: float, detail: str = ""
    ) -> list[Effect]:
        """Go on another way after one failed, or end the session for this reason."""

    def cancel(self, session: Session, board: Board, now: float) -> list[Effect]:
        """Tell the board that its session is over."""

    def forget(self, board: Board) -> list[Effect]:
        """Remove what the broker remembers of a board that was deleted."""

    def frame(self, session: Session, image: bytes, block: Block) -> bytes:
        """Return the payload that carries one block of an image."""

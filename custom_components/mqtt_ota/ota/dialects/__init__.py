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
    """What a dialect's boards can do, for the card to claim no more than is known.

    `BROADCAST`: one trigger reaches several boards. `GUEST`: another integration has a device for its boards.
    """

    PROGRESS = auto()
    RESUME = auto()
    SIGNED = auto()
    CANCEL = auto()
    BROADCAST = auto()
    REPORTS_VERSION = auto()
    GUEST = auto()


@dataclass(frozen=True, slots=True)
class Message:
    """One MQTT message as it arrived; `retain` says that it is the broker's memory, not news.

    `at` is when it came, in seconds of the same clock as every `now`.
    """

    topic: str
    payload: bytes
    retain: bool = False
    at: float = 0.0


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
    qos: int = 0


@dataclass(frozen=True, slots=True)
class OfferUrl:
    """Make a one-time URL of one of these schemes for the session's image, and send what `payload` makes of it.

    The URL has at most `limit` characters, none of them in `forbidden`, and ends with `/name` where there is a name.
    With `from_feed` it is the feed's own, where it has one that fits. Where it is `shared`, boards that have no session
    of their own fetch from it too, and go on when this one's is over.
    """

    topic: str
    schemes: frozenset[str]
    payload: Callable[[str], bytes]
    qos: int = 1
    limit: int = 255
    forbidden: str = ""
    name: str = ""
    from_feed: bool = False
    shared: bool = False


@dataclass(frozen=True, slots=True)
class OfferSocket:
    """Listen for one TCP connection, and send `payload(host, port)` to say where.

    Whoever connects first is sent `length` bytes of the session's image from `offset` on, and nothing else: the end of
    the connection is the end of the data. Where the board's IP `address` is known, nobody else is served. The listener
    is there for `seconds`, on one of the `ports` from the first to the last; then, or when the data has left, the
    dialect's `served` is called. `host` is told where it is not empty, else Home Assistant's address towards the board.
    """

    topic: str
    offset: int
    length: int
    payload: Callable[[str, int], bytes]
    ports: tuple[int, int]
    host: str = ""
    address: str = ""
    seconds: float = 10.0
    qos: int = 1


@dataclass(frozen=True, slots=True)
class StopBlocks:
    """Drop what still waits to be sent for this session, and listen no more."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A message that is dropped, and why, for one log line a board and cause."""

    cause: str


@dataclass(frozen=True, slots=True)
class Clear:
    """Remove what the broker retains on a topic."""

    topic: str


@dataclass(frozen=True, slots=True)
class Learned:
    """Something about a board that it does not say itself: it is known as this from now on."""

    board: Board


type Effect = Publish | SendBlocks | OfferUrl | OfferSocket | StopBlocks | Ignored | Clear | Learned


@dataclass(frozen=True, slots=True)
class Announcement:
    """A board said what it is and what it runs.

    `asks` are questions that its answer raises. Where `is_answer`, the message also moves a session: `receive` gets it.
    `availability` is there where the same message tells it.
    """

    board: Board
    asks: tuple[Publish, ...] = ()
    is_answer: bool = False
    availability: Availability | None = None


@dataclass(frozen=True, slots=True)
class Hint:
    """Something of a board that is not known well enough yet: `board` is given back with its next message."""

    board: Board
    asks: tuple[Publish, ...] = ()


@dataclass(frozen=True, slots=True)
class Leftover:
    """Somebody retained a command on this topic: boards obey it at every reconnect, until the user lets it be cleared."""

    topic: str


@dataclass(frozen=True, slots=True)
class Presence:
    """A board, or its last will, said whether it can be spoken to."""

    availability: Availability


@dataclass(frozen=True, slots=True)
class Answer:
    """A board spoke about its session; the dialect's `receive` reads the rest."""


@dataclass(frozen=True, slots=True)
class Echo:
    """A message that is no board's, such as the integration's own command: nothing to do and nothing to say."""


type Reading = Announcement | Hint | Presence | Answer | Leftover | Echo


class Dialect(Protocol):
    """The contract of a wire protocol, spoken on one set of topics."""

    @property
    def name(self) -> str:
        """Return which kind of dialect this is, as the registry and the translations call it."""

    @property
    def key(self) -> str:
        """Return what tells this dialect from others of its kind; boards are stored under it."""

    @property
    def traits(self) -> Traits:
        """Return what its boards can do."""

    def topics(self) -> tuple[tuple[str, int], ...]:
        """Return the topic filters to subscribe, each with its QoS."""

    def boards(self) -> tuple[Board, ...]:
        """Return the boards that are there because the user said so: they cannot announce themselves."""

    def board_id(self, message: Message) -> str | None:
        """Return which board a message is from; None when it names no valid one."""

    def read(self, message: Message, known: Board | None) -> Reading | Ignored:
        """Say what a message is, of a board that is `known` so far. Never raises, whatever the bytes."""

    def transport(self, board: Board, preferred: Transport) -> Transport:
        """Choose how the image gets to a board; raises OtaError when there is no way."""

    def prepare(self, session: Session, board: Board, image: bytes) -> None:
        """Look at the image of a session before it begins: note in its `memo`, as JSON types, what will be needed.

        Runs once a session, outside the event loop. Raises OtaError for an image that cannot be brought.
        """

    def begin(self, session: Session, board: Board, now: float) -> list[Effect]:
        """Offer the session's image to its board, for the first time or again."""

    def join_in(self, session: Session, board: Board, now: float) -> list[Effect]:
        """Begin a session whose board was reached by the trigger of another one of its cohort: tell it nothing."""

    def receive(self, session: Session, board: Board, message: Message, now: float) -> list[Effect]:
        """Move an active session by what its board said. Never raises, whatever the bytes."""

    def tick(self, session: Session, board: Board, now: float) -> list[Effect]:
        """Move an active session whose `wake_at` has come."""

    def presence(self, session: Session, board: Board, availability: Availability, now: float) -> list[Effect]:
        """Move an active session by its board's coming and going."""

    def fetched(self, session: Session, board: Board, position: int, now: float) -> list[Effect]:
        """Move an active session whose board fetches the image from a URL of Home Assistant, and is at `position`."""

    def served(self, session: Session, board: Board, failure: Reason | None, now: float) -> list[Effect]:
        """Move an active session whose `OfferSocket` is over: its bytes have left, or why not."""

    def transport_failed(
        self, session: Session, board: Board, reason: Reason, now: float, detail: str = ""
    ) -> list[Effect]:
        """Go on another way after one failed, or end the session for this reason."""

    def cancel(self, session: Session, board: Board, now: float) -> list[Effect]:
        """Tell the board that its session is over."""

    def rest(self, session: Session) -> bool:
        """Send nothing more before a stop; return whether a session can be taken up after it by what its `memo` says."""

    def forget(self, board: Board) -> list[Effect]:
        """Remove what the broker remembers of a board that was deleted; one that lives announces itself again."""

    def frame(self, session: Session, image: bytes, block: Block) -> bytes:
        """Return the payload that carries one block of an image."""

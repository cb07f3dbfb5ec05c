"""What the machine asks of the world."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Publish:
    """Send a message."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Hear a topic."""

    topic: str
    qos: int


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Hear a topic no more."""

    topic: str


@dataclass(frozen=True, slots=True)
class Fetch:
    """Get an image of `size` bytes by its URL from `offset` on, in pieces of `piece` bytes; ends what was fetched."""

    url: str
    offset: int
    size: int
    piece: int


@dataclass(frozen=True, slots=True)
class StopFetch:
    """Fetch no more."""


@dataclass(frozen=True, slots=True)
class Busy:
    """Take in nothing for some seconds: the flash is at work."""

    seconds: float


@dataclass(frozen=True, slots=True)
class PowerOff:
    """Lose all RAM and start again after some seconds (None: never); a clean one says goodbye to the broker."""

    seconds: float | None
    clean: bool


@dataclass(frozen=True, slots=True)
class Told:
    """Something that whoever watches the board wants to know."""

    event: str
    fields: dict[str, object] = field(default_factory=dict)


type Effect = Publish | Subscribe | Unsubscribe | Fetch | StopFetch | Busy | PowerOff | Told

"""A board, as it described itself."""

from dataclasses import dataclass, field
from enum import StrEnum
import re

_BOARD_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def is_board_id(text: object) -> bool:
    """Tell whether a text can name a board: 1 to 64 of `A-Z a-z 0-9 _ . -`, and no path step."""
    return isinstance(text, str) and _BOARD_ID.fullmatch(text) is not None and text not in {".", ".."}


class Availability(StrEnum):
    """Whether a board can be spoken to."""

    ONLINE = "online"
    OFFLINE = "offline"
    ASLEEP = "asleep"
    UNKNOWN = "unknown"


class Order(StrEnum):
    """In which order a board can write blocks."""

    ANY = "any"
    SEQUENTIAL = "sequential"


class Encoding(StrEnum):
    """How a block travels."""

    RAW = "raw"
    DEFLATE = "deflate"


class Transport(StrEnum):
    """How an image gets to a board."""

    BLOCKS = "blocks"
    HTTP = "http"
    HTTPS = "https"


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """What a board says that it is, runs and can take.

    Empty text or zero means that the board did not say. Sizes are bytes, `wake_interval` is seconds
    (0: always awake), `window` is the number of blocks in flight that it can take.

    `dialect` is the key of the dialect that it speaks, `id` its name there. `sha256` is the digest of the image that
    runs; a board that knows another one tells it as `digest`, `algorithm:hex`, in the form of `Target.digests`.
    `build` is the name of the build that runs, without its ending: only a file of just this name is for the board.
    `series` is the beginning of the versions that are for it, whole numbers: `1.4` takes 1.4.2 and not 1.40.
    `cohort` is the same for boards that one trigger reaches together. `address` is its IP address.
    """

    id: str
    dialect: str
    name: str = ""
    model: str = ""
    chip: str = ""
    project: str = ""
    version: str = ""
    sha256: str = ""
    mac: str = ""
    slot_size: int = 0
    block_size: int = 0
    window: int = 1
    order: Order = Order.SEQUENTIAL
    encodings: frozenset[Encoding] = field(default_factory=frozenset)
    transports: frozenset[Transport] = field(default_factory=frozenset)
    keys: tuple[str, ...] = ()
    counter: int = 0
    rollback: bool = False
    wake_interval: int = 0
    feed: str = ""
    pending: bool = False
    digest: str = ""
    build: str = ""
    series: str = ""
    cohort: str = ""
    address: str = ""

    @property
    def tells_what_runs(self) -> bool:
        """Tell whether anything that the board says depends on the image that it runs."""
        return bool(self.version or self.sha256 or self.digest)

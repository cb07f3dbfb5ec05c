"""Boards that take a whole image in one message: a patch version, then the image, as Sming's "OTA over MQTT" does.

They tell nothing. `tests/seeds/single_message.py` plays one. Sming's signed form of the message is not spoken.

The message goes out once, at QoS 0, and is looked for among what the broker passes on. A higher QoS would be sent again
after each reconnect of whoever waits for an acknowledgement, and a board flashes an equal patch again each time; a
message above the broker's limit would cut off Home Assistant's MQTT for ever. What the broker passed on is all that is
ever known.
"""

from collections.abc import Mapping
from dataclasses import dataclass
import re
from typing import Any, Final
from zlib import crc32

from ..board import Board, Encoding
from ..errors import OtaError, Reason
from ..session import Session, State
from ..whole_message import LARGEST, check_message
from . import Answer, Block, Effect, Ignored, Leftover, Message, Reading, SendBlocks, StopBlocks, Traits
from .base import BaseDialect
from .settings import MODEL, Kind, Setting, SettingError, SettingType
from .topics import Topic, TopicError

# What the verdict rests on: nobody saw a board take it.
SENT_ONLY: Final = "sent_only"
# How long the broker may take to pass the message on, in seconds.
PASSED_ON: Final = 60.0

VARINT: Final = "varint"
BYTE: Final = "byte"
HIGHEST_BYTE: Final = 255
# Up to here the boards' own decoder, which never shifts, reads a varint well.
HIGHEST_UNSHIFTED: Final = 127
HIGHEST_VARINT: Final = 2**32 - 1

_NUMBER: Final = r"(?:0|[1-9][0-9]{0,9})"
_SERIES: Final = re.compile(rf"({_NUMBER})\.({_NUMBER})", re.ASCII)
_VERSION: Final = re.compile(rf"[vV]?({_NUMBER}\.{_NUMBER})\.({_NUMBER})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How boards are sent an image.

    `highest` is the highest patch that they read well, `largest` the most bytes of a packet, `settles` how many seconds
    an update takes, `installed` what the user says they run, where that is known.
    """

    topic: str
    series: str
    is_byte: bool
    highest: int
    largest: int
    settles: float
    installed: str


class SingleMessageDialect(BaseDialect):
    """One topic, with all boards that listen to it; the user gave them one name, or a part of them each one."""

    name = "single_message"
    traits = Traits.BROADCAST

    def __init__(self, key: str, board: Board, terms: Terms) -> None:
        """Speak to this board on these terms."""
        super().__init__(key)
        self._board = board
        self._terms = terms

    def topics(self) -> tuple[tuple[str, int], ...]:
        """Return the topic: what was sent comes back on it, and what somebody left is flashed at every reconnect."""
        return ((self._terms.topic, 0),)

    def boards(self) -> tuple[Board, ...]:
        """Return the board."""
        return (self._board,)

    def board_id(self, message: Message) -> str | None:
        """Return which board a message is for."""
        return self._board.id if message.topic == self._terms.topic else None

    def read(self, message: Message, known: Board | None) -> Reading | Ignored:
        """Find images that somebody left; others may be the session's own, passed on by the broker."""
        return Leftover(message.topic) if message.retain else Answer()

    def prepare(self, session: Session, board: Board, image: bytes) -> None:
        """Note the patch version and what the message will be; raises OtaError where it must not be sent."""
        terms, version = self._terms, session.target.version
        found = _VERSION.fullmatch(version)
        if found is None:
            raise OtaError(Reason.NOT_ONE_NUMBER, version=version)
        patch = int(found[2])
        if patch > terms.highest:
            raise OtaError(Reason.PATCH_TOO_HIGH, version=version, patch=patch, limit=terms.highest)
        runs = max((session.from_version, terms.installed), key=lambda known: _patch(known, found[1]))
        if patch < _patch(runs, found[1]):
            raise OtaError(Reason.PATCH_TOO_LOW, version=version, installed=runs)
        head = self._head(patch)
        check_message(terms.topic, len(head) + len(image), terms.largest)
        session.memo |= {"patch": patch, "length": len(head) + len(image), "crc32": crc32(image, crc32(head))}

    def begin(self, session: Session, board: Board, now: float) -> list[Effect]:
        """Send the message, once."""
        session.offer(now, patience=PASSED_ON)
        return [SendBlocks(self._terms.topic, (Block(0, session.target.size, Encoding.RAW),), qos=0)]

    def join_in(self, session: Session, board: Board, now: float) -> list[Effect]:
        """Wait as long as the board does that was sent the same message."""
        session.offer(now)
        session.alive(State.REBOOTING, now, patience=PASSED_ON + self._terms.settles)
        return []

    def receive(self, session: Session, board: Board, message: Message, now: float) -> list[Effect]:
        """See that the broker passed the message on."""
        memo, payload = session.memo, message.payload
        if len(payload) != memo["length"] or crc32(payload) != memo["crc32"]:
            return [Ignored("something else was sent to its update topic")]
        if session.state is State.OFFERED:
            session.alive(State.REBOOTING, now, patience=self._terms.settles)
        return []

    def tick(self, session: Session, board: Board, now: float) -> list[Effect]:
        """End a session whose time is over; nothing is ever sent again."""
        match session.state:
            case State.QUEUED | State.WAITING:
                return super().tick(session, board, now)
            case State.REBOOTING:
                session.came_back(now, SENT_ONLY)
            case _:
                session.fail(Reason.NOT_PASSED_ON, now)
        return [StopBlocks()]

    def frame(self, session: Session, image: bytes, block: Block) -> bytes:
        """Return the message."""
        return self._head(session.memo["patch"]) + image

    def _head(self, patch: int) -> bytes:
        """Return a patch version as it is sent: one byte, or base-128 groups, the least significant first."""
        groups = []
        while not self._terms.is_byte and patch > HIGHEST_UNSHIFTED:
            groups.append(patch & 0x7F | 0x80)
            patch >>= 7
        return bytes([*groups, patch])


def _patch(version: str, series: str) -> int:
    """Return the patch of a version of this series, -1 for every other."""
    found = _VERSION.fullmatch(version)
    return int(found[2]) if found is not None and found[1] == series else -1


def _topic(settings: Mapping[str, Any]) -> str:
    """Return the topic that the boards' firmware makes of what it was built with."""
    levels = ["a", settings["app_id"], "u", settings["series"]]
    if suffix := settings["suffix"].strip("/"):
        levels.append(suffix)
    text = ("/" if settings["leading_slash"] else "") + "/".join(levels)
    try:
        topic = Topic(text)
    except TopicError as err:
        raise SettingError("app_id", "app_id_invalid") from err
    if topic.has_id:
        raise SettingError("app_id", "app_id_invalid")
    return topic.text


def _highest(settings: Mapping[str, Any]) -> int:
    if settings["patch"] == BYTE:
        return HIGHEST_BYTE
    return HIGHEST_VARINT if settings["decoder_sound"] else HIGHEST_UNSHIFTED


def _make(key: str, settings: Mapping[str, Any]) -> SingleMessageDialect:
    series = settings["series"]
    if not _SERIES.fullmatch(series):
        raise SettingError("series", "series_invalid")
    installed = settings["installed"]
    if installed and _patch(installed, series) < 0:
        raise SettingError("installed", "installed_invalid", series=series)
    terms = Terms(
        topic=_topic(settings),
        series=series,
        is_byte=settings["patch"] == BYTE,
        highest=_highest(settings),
        largest=int(settings["largest"]),
        settles=float(settings["settle_seconds"]),
        installed=installed,
    )
    board = Board(
        id=settings["id"],
        dialect=key,
        model=settings["model"],
        chip=settings["chip"],
        series=series,
        cohort=terms.topic,
    )
    return SingleMessageDialect(key, board, terms)


KIND: Final = Kind(
    name=SingleMessageDialect.name,
    make=_make,
    settings=(
        Setting(key="id", type=SettingType.BOARD_ID, required=True),
        Setting(key="app_id", required=True),
        Setting(key="series", required=True),
        Setting(key="suffix"),
        Setting(key="leading_slash", type=SettingType.FLAG, default=False),
        Setting(key="patch", type=SettingType.CHOICE, default=VARINT, required=True, choices=(VARINT, BYTE)),
        Setting(key="decoder_sound", type=SettingType.FLAG, default=False),
        Setting(key="installed"),
        LARGEST,
        Setting(key="settle_seconds", type=SettingType.NUMBER, default=60, low=5, high=600, unit="s"),
        MODEL,
        # A wrong image would be the last that an ESP8266 starts: whoever sets it up says what it is.
        Setting(key="chip", default="ESP8266", required=True),
    ),
)

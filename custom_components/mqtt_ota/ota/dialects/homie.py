"""Boards with Homie for ESP8266 or ESP32, conventions 2 and 3: they retain what they run, and take an image in one message.

The broker remembers all that a board says, also how its last update went: only news move an update. The message goes out
once, at QoS 0, as in `single_message.py`; the board says at its first bytes that it comes in.
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
import hashlib
from typing import Any, Final

from ..board import Availability, Board, Encoding, Transport
from ..errors import OtaError, Reason
from ..session import Session, State
from ..version import is_same
from ..whole_message import LARGEST, check_message
from . import (
    Announcement,
    Answer,
    Block,
    Echo,
    Effect,
    Hint,
    Ignored,
    Leftover,
    Message,
    Presence,
    Reading,
    SendBlocks,
    StopBlocks,
    Traits,
)
from .base import BaseDialect, woke_early
from .homie_words import (
    ATTRIBUTES,
    CHECKSUM,
    FIRMWARE,
    IMPLEMENTATION,
    PRESENCE,
    READERS,
    STATUS,
    short_text,
    take_status,
)
from .settings import MODEL, Kind, Setting, SettingError, SettingType
from .topics import Topic, TopicError

# How long the broker may take to pass the message on, and the board to say that it comes in, in seconds.
COMES_IN: Final = 30.0
STRANGERS: Final = 2048


class HomieDialect(BaseDialect):
    """Boards below one base topic."""

    name = "homie"
    traits = Traits.PROGRESS | Traits.REPORTS_VERSION

    def __init__(self, key: str, settings: Mapping[str, Any]) -> None:
        """Speak to the boards that these settings describe."""
        super().__init__(key)
        self._settings = settings
        self._root = Topic(f"{settings['base'].rstrip('/')}/{{id}}")
        # The last word of boards that are not known well enough yet to be told of.
        self._presence: dict[str, Availability] = {}

    def topics(self) -> tuple[tuple[str, int], ...]:
        """Return the topic filters to subscribe, each with its QoS: just those that tell of firmware and of presence."""
        root = self._root.filter
        return (*((f"{root}/{attribute}", 1) for attribute in ATTRIBUTES), (f"{root}/{FIRMWARE}/+", 0))

    def board_id(self, message: Message) -> str | None:
        """Return which board a message is from; None when it names no valid one."""
        return self._root.match(self._split(message.topic)[0])

    def read(self, message: Message, known: Board | None) -> Reading | Ignored:
        """Say what a message is. Never raises, whatever the bytes."""
        board_id, attribute = self.board_id(message), self._split(message.topic)[1]
        if board_id is None:
            return Ignored("it names no valid board")
        if attribute.startswith(f"{FIRMWARE}/"):
            return Leftover(message.topic) if message.retain else Answer()
        text = short_text(message.payload)
        if text is None:
            return Ignored(f"{attribute} is not a short text")
        match attribute:
            case _ if attribute == STATUS:
                return Ignored("it is how an earlier update went") if message.retain else Answer()
            case "$state" | "$online":
                return self._present(board_id, known, text)
        board = self._told(known or Board(id=board_id, dialect=self.key), attribute, text)
        return board if isinstance(board, Ignored) else self._known(board, known, attribute, message)

    def transport(self, board: Board, preferred: Transport) -> Transport:
        """Choose how the image gets to a board: there is one way, unless it was switched off there."""
        if not board.transports:
            raise OtaError(Reason.NO_TRANSPORT, board=board.name or board.id)
        return Transport.BLOCKS

    def prepare(self, session: Session, board: Board, image: bytes) -> None:
        """Note the image's digest; raises OtaError where the message must not be sent."""
        md5 = hashlib.md5(image, usedforsecurity=False).hexdigest()
        length = 4 * -(-len(image) // 3) if self._settings["base64"] else len(image)
        check_message(self._firmware(board, md5), length, int(self._settings["largest"]))
        session.memo |= {"md5": md5, "runs": board.digest}

    def begin(self, session: Session, board: Board, now: float) -> list[Effect]:
        """Send the message, once."""
        session.offer(now, patience=COMES_IN)
        topic = self._firmware(board, session.memo["md5"])
        return [SendBlocks(topic, (Block(0, session.target.size, Encoding.RAW),), qos=0)]

    def receive(self, session: Session, board: Board, message: Message, now: float) -> list[Effect]:
        """Move an active session by what its board said. Never raises, whatever the bytes."""
        if session.state in {State.QUEUED, State.WAITING}:
            return []
        if message.topic == self._firmware(board, session.memo["md5"]):
            session.memo["passed_on"] = True
            return []
        if message.topic.endswith(f"/{CHECKSUM}"):
            return self._connected(session, board, now)
        if message.topic.endswith(f"/{STATUS}"):
            return take_status(session, short_text(message.payload) or "", now)
        return [Ignored("another image was sent to the board")]

    def tick(self, session: Session, board: Board, now: float) -> list[Effect]:
        """End a session whose time is over; nothing is ever sent again."""
        if session.state in {State.TRANSFERRING, State.REBOOTING} and woke_early(session, now):
            return []
        if session.state is not State.OFFERED:
            return super().tick(session, board, now)
        session.fail(Reason.NO_ANSWER if session.memo.get("passed_on") else Reason.NOT_PASSED_ON, now)
        return [StopBlocks()]

    def silent(self, session: Session, board: Board, now: float) -> list[Effect]:
        """Move a session whose board fell silent in the middle of the message."""
        if session.held >= session.target.size - 2:
            # All was written: the word that it restarts was lost.
            session.alive(State.REBOOTING, now)
            return []
        return super().silent(session, board, now)

    def frame(self, session: Session, image: bytes, block: Block) -> bytes:
        """Return the message."""
        return b64encode(image) if self._settings["base64"] else image

    def _split(self, topic: str) -> tuple[str, str]:
        """Return the part of a topic that names a board, and the rest."""
        levels, depth = topic.split("/"), self._root.text.count("/") + 1
        return "/".join(levels[:depth]), "/".join(levels[depth:])

    def _firmware(self, board: Board, md5: str) -> str:
        return f"{self._root.of(board.id)}/{FIRMWARE}/{md5}"

    def _present(self, board_id: str, known: Board | None, text: str) -> Reading | Ignored:
        if (availability := PRESENCE.get(text)) is None:
            return Echo() if text == "init" else Ignored("its state is none of Homie's")
        if not _is_whole(known) and (len(self._presence) < STRANGERS or board_id in self._presence):
            self._presence[board_id] = availability
        return Presence(availability)

    def _told(self, board: Board, attribute: str, text: str) -> Board | Ignored:
        """Return a board with what one of its attributes says."""
        if (reads := READERS.get(attribute)) is None:
            return Ignored("it is no attribute that matters here")
        try:
            changed = reads(text)
        except ValueError:
            return Ignored(f"{attribute} makes no sense")
        board = replace(board, **changed)
        if attribute == IMPLEMENTATION:
            # Nothing checks an image for an ESP8266: whatever the user entered, none for another chip is sent there.
            board = replace(board, chip="ESP8266" if text == "esp8266" else self._settings["chip"])
        return replace(board, model=self._settings["model"] or board.project)

    def _known(self, board: Board, known: Board | None, attribute: str, message: Message) -> Reading:
        """Say whether a board can be told of, and whether this told what it runs.

        Of one that is known the digest alone is a word on what runs: its version comes a moment earlier.
        """
        if attribute == CHECKSUM and _is_whole(known):
            return Announcement(board, is_answer=not message.retain)
        if _is_whole(known) or not _is_whole(board):
            return Hint(board)
        return Announcement(board, availability=self._presence.pop(board.id, None))

    def _connected(self, session: Session, board: Board, now: float) -> list[Effect]:
        """Judge by the digest that a board tells at each connection, where it is not the target's: no verdict fell yet."""
        if board.digest != session.memo["runs"]:
            if is_same(board.version, session.target.version):
                # An ESP8266 writes its own flash's settings into the first bytes: the same version has another digest.
                session.came_back(now)
            else:
                session.fail(Reason.OTHER_IMAGE, now, board.version)
            return [StopBlocks()]
        if session.state is State.TRANSFERRING:
            # It connected anew, so that the rest of the message is lost.
            session.fail(Reason.STALLED, now)
            return [StopBlocks()]
        return []


def _is_whole(board: Board | None) -> bool:
    """Tell whether all is known of a board that must be."""
    return board is not None and bool(
        board.project and board.version and board.digest and board.chip and board.transports
    )


def _make(key: str, settings: Mapping[str, Any]) -> HomieDialect:
    """Return the dialect that settings describe; the boards' ids follow the base topic."""
    if Topic(settings["base"]).has_id:
        raise SettingError("base", "word_unknown", words="-")
    try:
        return HomieDialect(key, settings)
    except TopicError as err:
        raise SettingError("base", str(err)) from err


KIND: Final = Kind(
    name=HomieDialect.name,
    make=_make,
    settings=(
        Setting(key="base", type=SettingType.TOPIC, default="homie", required=True),
        Setting(key="base64", type=SettingType.FLAG, default=False),
        LARGEST,
        MODEL,
        Setting(key="chip", default="ESP32", required=True),
    ),
)

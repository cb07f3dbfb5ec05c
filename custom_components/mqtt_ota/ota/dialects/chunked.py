"""The chunked dialect: boards that take an image chunk by chunk, stop and wait, as `ota/chunk_transfer.py` has it."""

from collections.abc import Mapping
import hashlib
import re
from typing import Any, Final

from ..blocks import block_count
from ..board import Board, Transport
from ..chunk_transfer import ChunkTransfer
from ..chunks import LARGEST, MOST, USUAL, chunk_frame, chunk_sizes
from ..crowd import Crowds
from ..errors import OtaError, Reason
from ..session import PATIENCE, Session, State
from . import Announcement, Block, Clear, Effect, Ignored, Message, Reading, StopBlocks, Traits
from .base import BaseDialect
from .settings import CHIP, MODEL, Kind, Setting, SettingError, SettingType
from .topics import Topic

NAME: Final = "chunked"
WORDS: Final = frozenset(
    {"ready", "ok", "success", "begin-fail", "len-fail", "size-mismatch", "md5-fail", "write-fail", "end-fail"}
)
_LONGEST_WORD: Final = max(map(len, WORDS))
_CHIP_ID: Final = re.compile(r"esp32-(0|[1-9a-f][0-9a-f]{0,5})")


class ChunkedDialect(BaseDialect):
    """Boards of the ESP32 MQTT OTA Firmware Updater, and their siblings."""

    name = NAME
    traits = Traits.PROGRESS

    def __init__(self, key: str = NAME, settings: Mapping[str, Any] | None = None) -> None:
        """Speak on the topics of `settings`, else as the original does."""
        super().__init__(key)
        self._settings = KIND.filled(settings or {})
        self._command, self._feedback = (Topic(self._settings[key]) for key in ("command_topic", "feedback_topic"))
        self._is_original = settings is None
        self._crowds = Crowds()

    def topics(self) -> tuple[tuple[str, int], ...]:
        """Return the topic filters to subscribe, each with its QoS."""
        return ((self._feedback.filter, 0),)

    def board_id(self, message: Message) -> str | None:
        """Return which board a message is from; None when it names no valid one."""
        found = self._feedback.match(message.topic)
        return None if not found or (self._is_original and not _CHIP_ID.fullmatch(found)) else found

    def read(self, message: Message, known: Board | None) -> Reading | Ignored:
        """Say what a message is. Never raises, whatever the bytes."""
        word, board_id = _word(message), self.board_id(message)
        if word not in WORDS or board_id is None:
            return Ignored("it is no word of feedback")
        if word == "ready" and not message.retain and self._crowds.connected(board_id, message.at):
            return Ignored("several boards have this id, and throw each other off the broker")
        board = Board(
            id=board_id,
            dialect=self.key,
            model=self._settings["model"],
            chip=self._settings["chip"],
            block_size=known.block_size if known else 0,
            transports=frozenset({Transport.BLOCKS}),
        )
        return Announcement(board, is_answer=not message.retain)

    def prepare(self, session: Session, board: Board, image: bytes) -> None:
        """Choose which sizes of chunks to try; raises OtaError for an image that has too many of any size."""
        sizes = chunk_sizes(int(self._settings["chunk_size"]), self._command.of(board.id), board.block_size)
        countable = [size for size in sizes if block_count(len(image), size) <= MOST]
        if not countable:
            raise OtaError(Reason.TOO_MANY_CHUNKS, size=len(image), chunk=sizes[0])
        session.memo |= {"sizes": countable, "md5": hashlib.md5(image, usedforsecurity=False).hexdigest()}

    def begin(self, session: Session, board: Board, now: float) -> list[Effect]:
        """Tell the board the size of the image, which opens a transfer."""
        if self._crowds.is_crowd(board.id, now):
            session.fail(Reason.SHARED_ID, now)
            return []
        return self._transfer(session, board, now).begin()

    def receive(self, session: Session, board: Board, message: Message, now: float) -> list[Effect]:
        """Move an active session by what its board said. Never raises, whatever the bytes."""
        word = _word(message)
        if session.state in {State.QUEUED, State.WAITING}:
            return []
        if self._crowds.is_crowd(board.id, now):
            session.fail(Reason.SHARED_ID, now)
            return [StopBlocks()]
        if session.state is not State.REBOOTING:
            return self._transfer(session, board, now).receive(word)
        if word in {"ready", "begin-fail"}:
            session.came_back(now)
        return []

    def tick(self, session: Session, board: Board, now: float) -> list[Effect]:
        """Ask a silent board where it is, for a while."""
        match session.state:
            case State.QUEUED | State.WAITING:
                return super().tick(session, board, now)
            case State.REBOOTING if now - session.changed >= PATIENCE[State.REBOOTING]:
                session.never_returned(now)
                return []
            case State.REBOOTING:
                return self._transfer(session, board, now).look()
        return self._transfer(session, board, now).silent()

    def rest(self, session: Session) -> bool:
        """Send nothing more before a stop; return whether a session can be taken up after it by what its `memo` says."""
        return session.state not in {State.OFFERED, State.TRANSFERRING} or ChunkTransfer.rest(session)

    def forget(self, board: Board) -> list[Effect]:
        """Remove the last word of a board that was deleted; one that lives says another."""
        return [Clear(self._feedback.of(board.id))]

    def frame(self, session: Session, image: bytes, block: Block) -> bytes:
        """Return the payload that carries one chunk."""
        return chunk_frame(image, block.offset, block.length, session.memo["size"])

    def _transfer(self, session: Session, board: Board, now: float) -> ChunkTransfer:
        topic = self._command.of(board.id)
        return ChunkTransfer(session, board, topic, now, wants_md5=self._settings["wants_md5"])


def _word(message: Message) -> str:
    """Return what a board said, as far as it can be a word."""
    return message.payload[: _LONGEST_WORD + 1].decode("ascii", "replace")


def _make(key: str, settings: Mapping[str, Any]) -> ChunkedDialect:
    """Return the dialect that settings describe; each board needs topics of its own."""
    for topic in ("command_topic", "feedback_topic"):
        if not Topic(settings[topic]).has_id:
            raise SettingError(topic, "id_missing", words="{id}")
    return ChunkedDialect(key, settings)


KIND: Final = Kind(
    name=NAME,
    make=_make,
    settings=(
        Setting(key="command_topic", type=SettingType.TOPIC, default="ota/{id}", required=True),
        Setting(key="feedback_topic", type=SettingType.TOPIC, default="ota/feedback/{id}", required=True),
        Setting(key="chunk_size", type=SettingType.NUMBER, default=USUAL, low=20, high=LARGEST, unit="B"),
        Setting(key="wants_md5", type=SettingType.FLAG, default=False),
        MODEL,
        CHIP,
    ),
)

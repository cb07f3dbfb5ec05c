"""Boards with ThingsBoard's update over MQTT, with Home Assistant in the place of its server.

A board hears of firmware as shared attributes, asks for it chunk by chunk, and says in its telemetry what it runs. It may
ask for the attributes at any time: outside an update there are none, so that nothing begins by itself.
"""

from collections.abc import Mapping
from dataclasses import replace
import json
from typing import Any, Final

from ..board import Board, Encoding, Transport
from ..errors import Reason
from ..session import Session, State
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
    Publish,
    Reading,
    SendBlocks,
    StopBlocks,
    Traits,
)
from .base import OFFERS, BaseDialect, woke_early
from .settings import CHIP, MODEL, Kind, Setting, SettingError, SettingType
from .thingsboard_words import (
    ASKED_TOO_EARLY,
    ATTRIBUTES,
    CHUNK_REQUEST,
    KEYS,
    REQUEST,
    TELEMETRY,
    Report,
    asked_keys,
    chunk_size,
    read_report,
    reason_of,
)
from .topics import Topic

# A board asks for a chunk again after 5 s, and gives up after the twelfth time.
SILENT: Final = 75.0
# How long a board that failed may take to begin again by itself, in seconds.
AGAIN_WITHIN: Final = 5.0
MOST_FAILURES: Final = 3
# How often chunks may be asked for that were asked for before, until it is no progress any more.
MOST_REPEATS: Final = 200
MOST_STARTS: Final = 10
# While an update is in one of these, a board that asks may begin it, or begin it again.
_MAY_BEGIN: Final = frozenset({State.OFFERED, State.TRANSFERRING})


class ThingsBoardDialect(BaseDialect):
    """Boards below one prefix: one that the user named, or one for each name in the place of `{id}`."""

    name = "thingsboard"
    traits = Traits.PROGRESS | Traits.RESUME | Traits.REPORTS_VERSION

    def __init__(self, key: str, settings: Mapping[str, Any]) -> None:
        """Speak to the boards that these settings describe."""
        super().__init__(key)
        self._settings = settings
        prefix = settings["prefix"].rstrip("/")
        self._root = Topic(prefix) if prefix else None
        self._sessions: dict[str, Session] = {}

    def topics(self) -> tuple[tuple[str, int], ...]:
        """Return the topic filters to subscribe, each with its QoS."""
        root = f"{self._root.filter}/" if self._root else ""
        filters = (TELEMETRY, ATTRIBUTES, f"{ATTRIBUTES}/request/+", "v2/fw/request/+/chunk/+")
        return tuple((f"{root}{one}", 1) for one in filters)

    def board_id(self, message: Message) -> str | None:
        """Return which board a message is from; None when it names no valid one."""
        return self._split(message.topic)[0]

    def read(self, message: Message, known: Board | None) -> Reading | Ignored:
        """Say what a message is. Never raises, whatever the bytes."""
        board_id, rest = self._split(message.topic)
        if board_id is None:
            return Ignored("it names no valid board")
        if rest == TELEMETRY:
            return self._told(read_report(message.payload), known or Board(id=board_id, dialect=self.key), message)
        if rest == ATTRIBUTES:
            # The integration's own offers, or what another tool left for every start of the board.
            return Leftover(message.topic) if message.retain and b"fw_version" in message.payload else Echo()
        if message.retain:
            return Ignored("it is a question that somebody retained")
        if CHUNK_REQUEST.fullmatch(rest):
            return Answer()
        return self._asked(board_id, rest, known, message)

    def prepare(self, session: Session, board: Board, image: bytes) -> None:
        """Need no more of the image than the target tells: its size and its SHA-256."""
        session.memo |= {"failures": 0, "repeats": 0, "starts": 0, "next": 0}

    def begin(self, session: Session, board: Board, now: float) -> list[Effect]:
        """Tell the board of the firmware, as when somebody assigned it there."""
        self._sessions[board.id] = session
        session.offer(now)
        return [Publish(self._topic(board, ATTRIBUTES), json.dumps(_attributes(session, board)).encode())]

    def receive(self, session: Session, board: Board, message: Message, now: float) -> list[Effect]:
        """Move an active session by what its board said. Never raises, whatever the bytes."""
        self._sessions[board.id] = session
        rest = self._split(message.topic)[1]
        if found := REQUEST.fullmatch(rest):
            offered = _attributes(session, board) if session.state in _MAY_BEGIN else {}
            shared = {key: offered[key] for key in asked_keys(message.payload) if key in offered}
            return [self._answer(board, found[1], shared)]
        if session.state in {State.QUEUED, State.WAITING}:
            return []
        if found := CHUNK_REQUEST.fullmatch(rest):
            if session.state is State.REBOOTING:
                return [Ignored("it asks for a chunk after it took them all")]
            return self._chunk(session, board, (found[1], int(found[2])), message.payload, now)
        return _take_state(session, board, read_report(message.payload), now)

    def tick(self, session: Session, board: Board, now: float) -> list[Effect]:
        """Give up where nothing was heard for too long, or the board's failure was its last word."""
        self._sessions[board.id] = session
        if session.is_active and (failure := session.memo.get("failed")) is not None:
            session.fail(reason_of(failure), now, failure)
            return [StopBlocks()]
        if session.state in {State.TRANSFERRING, State.VERIFYING, State.REBOOTING} and woke_early(session, now):
            return []
        return super().tick(session, board, now)

    def silent(self, session: Session, board: Board, now: float) -> list[Effect]:
        """Tell a board of the firmware again that gave up in the middle: it begins anew where it is there."""
        if session.state is State.TRANSFERRING and session.attempts < OFFERS - 1:
            return self.begin(session, board, now)
        return super().silent(session, board, now)

    def _split(self, topic: str) -> tuple[str | None, str]:
        """Return which board a topic is of, and what follows the prefix."""
        if self._root is None:
            return self._settings["id"], topic
        levels, depth = topic.split("/"), self._root.text.count("/") + 1
        found = self._root.match("/".join(levels[:depth]))
        return None if found is None else found or self._settings["id"], "/".join(levels[depth:])

    def _topic(self, board: Board, rest: str) -> str:
        return f"{self._root.of(board.id)}/{rest}" if self._root else rest

    def _told(self, report: Report, board: Board, message: Message) -> Reading | Ignored:
        """Say what telemetry is: most of it is not about firmware."""
        if not (report.version or report.state):
            return Echo()
        board = replace(
            board,
            project=report.title or board.project,
            version=report.version or board.version,
            model=self._settings["model"] or report.title or board.project,
            chip=self._settings["chip"],
            transports=frozenset({Transport.BLOCKS}),
        )
        tells_state = bool(report.state) and not message.retain
        if not report.version:
            return Answer() if tells_state else Ignored("it is how an earlier update went")
        return Announcement(board, is_answer=tells_state) if board.project else Hint(board)

    def _asked(self, board_id: str, rest: str, known: Board | None, message: Message) -> Reading | Ignored:
        """Say that there is no firmware for a board that asks, unless there is an update, or may be one."""
        found = REQUEST.fullmatch(rest)
        if found is None or KEYS.isdisjoint(asked_keys(message.payload)):
            return Echo()
        if (session := self._sessions.get(board_id)) is not None and session.is_active:
            return Answer()
        board = known or Board(id=board_id, dialect=self.key)
        return Hint(board, (self._answer(board, found[1], {}),))

    def _answer(self, board: Board, request: str, shared: Mapping[str, Any]) -> Publish:
        topic = self._topic(board, f"{ATTRIBUTES}/response/{request}")
        return Publish(topic, json.dumps({"shared": shared}).encode())

    def _chunk(
        self, session: Session, board: Board, asked: tuple[str, int], payload: bytes, now: float
    ) -> list[Effect]:
        """Send the chunk that a board asks for; what it asks beyond is what it has."""
        memo, (request, number), size = session.memo, asked, chunk_size(payload)
        if size is None:
            return [Ignored("it asks for chunks of no size that can be sent")]
        if number == 0:
            failed = memo.pop("failed", None) is not None
            if failed or memo["next"] > 1 or memo.get("request") != request:
                memo |= {"request": request, "next": 0, "starts": memo["starts"] + 1}
            memo["chunk"] = size
        if (request, size) != (memo.get("request"), memo.get("chunk")):
            return [Ignored("it asks for a chunk of another update")]
        offset, total = number * size, session.target.size
        if offset > total:
            return [Ignored("it asks for more than there is")]
        memo["repeats"] += number < memo["next"]
        if memo["repeats"] > MOST_REPEATS or memo["starts"] > MOST_STARTS:
            session.fail(Reason.STALLED, now)
            return [StopBlocks()]
        memo["next"] = max(memo["next"], number + 1)
        session.alive(State.TRANSFERRING, now, held=offset, patience=SILENT)
        topic = self._topic(board, f"v2/fw/response/{request}/chunk/{number}")
        if offset == total:
            # It counts one chunk more than there is where the size is a multiple, and waits for it.
            return [Publish(topic, b"", 0)]
        return [SendBlocks(topic, (Block(offset, min(size, total - offset), Encoding.RAW),))]


def _attributes(session: Session, board: Board) -> dict[str, Any]:
    """Return what a board is told of its firmware; it takes none with another title than its own."""
    return {
        "fw_title": board.project,
        "fw_version": session.target.version,
        "fw_checksum": session.target.sha256,
        "fw_checksum_algorithm": "SHA256",
        "fw_size": session.target.size,
    }


def _take_state(session: Session, board: Board, report: Report, now: float) -> list[Effect]:
    """Move a session by the state that a board told."""
    match report.state:
        case "DOWNLOADING" if session.state in {State.OFFERED, State.TRANSFERRING}:
            session.alive(State.TRANSFERRING, now, patience=SILENT)
        case "DOWNLOADED" | "VERIFIED":
            session.alive(State.VERIFYING, now, held=session.target.size)
        case "UPDATED" if session.state is State.OFFERED:
            # It compares no more of a version than its own is long: 1.0.1 is no news to a 1.0.
            told = f"it takes {session.target.version} for {board.version}, which it runs"
            session.fail(Reason.BOARD_REFUSED, now, told)
        case "UPDATING" | "UPDATED":
            session.alive(State.REBOOTING, now, held=session.target.size)
        case "FAILED" if report.error.startswith(ASKED_TOO_EARLY):
            return [Ignored("it asked for firmware when there was none")]
        case "FAILED":
            return _failed(session, report, now)
    return []


def _failed(session: Session, report: Report, now: float) -> list[Effect]:
    """Let a board that failed begin again by itself, a few times."""
    session.memo["failures"] += 1
    if session.memo["failures"] > MOST_FAILURES:
        session.fail(reason_of(report.error), now, report.error)
        return [StopBlocks()]
    session.memo["failed"] = report.error
    session.alive(session.state, now, patience=AGAIN_WITHIN)
    return []


def _make(key: str, settings: Mapping[str, Any]) -> ThingsBoardDialect:
    """Return the dialect that settings describe; something must tell the boards apart."""
    if "{id}" not in settings["prefix"] and not settings["id"]:
        raise SettingError("id", "id_needed", words="{id}")
    return ThingsBoardDialect(key, settings)


KIND: Final = Kind(
    name=ThingsBoardDialect.name,
    make=_make,
    settings=(
        Setting(key="prefix", type=SettingType.TOPIC),
        Setting(key="id", type=SettingType.BOARD_ID),
        MODEL,
        CHIP,
    ),
)

"""Boards that get their firmware as a file stream of AWS IoT, with Home Assistant in the place of its server.

A job tells a board of the stream, the board asks for blocks as JSON or as CBOR, and says what became of the job. A board
that tries its new firmware asks for the job again after its restart, and is told its own details of it again.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from ..board import Board, Encoding, Transport
from ..errors import Reason
from ..session import Session, State
from ..version import is_same
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
from .aws_streams_words import (
    FILE_ID,
    JOB_QUESTION,
    STREAM_QUESTION,
    STREAM_VERSION,
    RejectedError,
    Update,
    asked_blocks,
    block_message,
    job_of,
    parsed,
    read_update,
    stream_of,
    stream_token,
    token,
    written,
)
from .base import BaseDialect, woke_early
from .settings import CHIP, MODEL, Kind, Setting, SettingError, SettingType
from .topics import Topic

SILENT: Final = 60.0
# How long after its start Home Assistant may not know yet of every update that it takes up, in seconds: a board that is
# told of no job in the middle of its self-test would go back. One that hears nothing asks again.
YOUNG: Final = 30.0
# How often blocks may be asked for beyond once each, until it is no progress any more.
MOST_REPEATS: Final = 2000
_NOTIFY: Final = "jobs/notify-next"


class AwsStreamsDialect(BaseDialect):
    """Boards below one prefix, each with its name there or in the place that the user gave one."""

    name = "aws_streams"
    traits = Traits.PROGRESS | Traits.RESUME

    def __init__(self, key: str, settings: Mapping[str, Any]) -> None:
        """Speak to the boards that these settings describe."""
        super().__init__(key)
        self._settings = settings
        self._root = Topic(settings["prefix"].rstrip("/"))
        self._sessions: dict[str, Session] = {}
        self._started: float | None = None

    def topics(self) -> tuple[tuple[str, int], ...]:
        """Return the topic filters to subscribe, each with its QoS."""
        filters = ("jobs/+/get", "jobs/start-next", "jobs/+/update", _NOTIFY, "streams/+/get/+", "streams/+/describe/+")
        return tuple((f"{self._root.filter}/{one}", 1) for one in filters)

    def boards(self) -> tuple[Board, ...]:
        """Return the board that the user named."""
        return (self._board(self._settings["id"]),) if self._settings["id"] else ()

    def board_id(self, message: Message) -> str | None:
        """Return which board a message is from; None when it names no valid one."""
        return self._split(message.topic)[0]

    def read(self, message: Message, known: Board | None) -> Reading | Ignored:
        """Say what a message is. Never raises, whatever the bytes."""
        board_id, rest = self._split(message.topic)
        if self._started is None:
            self._started = message.at
        if board_id is None:
            return Ignored("it names no valid board")
        if rest == _NOTIFY:
            return Leftover(message.topic) if message.retain and b"jobId" in message.payload else Echo()
        if message.retain or not (JOB_QUESTION.fullmatch(rest) or STREAM_QUESTION.fullmatch(rest)):
            return Ignored("it is no question of a board's")
        session = self._sessions.get(board_id)
        board = known or self._board(board_id)
        if session is not None and session.is_active:
            return self._about_job(session, board, rest, message) or Answer()
        if known is not None and session is None and message.at - self._started < YOUNG:
            return Answer()
        nothing = (self._nothing(board, rest, message.payload),)
        return Hint(board, nothing) if known is not None else Announcement(board, nothing)

    def prepare(self, session: Session, board: Board, image: bytes) -> None:
        """Need no more of the image than the target tells."""
        session.memo |= {"status": "QUEUED", "details": {}, "form": "json", "block": 0, "sent": 0}

    def begin(self, session: Session, board: Board, now: float) -> list[Effect]:
        """Tell the board of its job."""
        self._sessions[board.id] = session
        session.offer(now)
        return [self._say(board, _NOTIFY, {"timestamp": int(now), "execution": self._execution(session)})]

    def receive(self, session: Session, board: Board, message: Message, now: float) -> list[Effect]:
        """Move an active session by what its board said. Never raises, whatever the bytes."""
        self._sessions[board.id] = session
        rest, payload = self._split(message.topic)[1], message.payload
        waits = session.state in {State.QUEUED, State.WAITING}
        if found := STREAM_QUESTION.fullmatch(rest):
            if waits or found[1] != stream_of(session):
                return [self._nothing(board, rest, payload)]
            return self._stream_answer(session, board, (found[2], found[3]), payload, now)
        asked = JOB_QUESTION.fullmatch(rest)
        if waits or asked is None or asked[1] not in {None, job_of(session)}:
            return [self._nothing(board, rest, payload)]
        if asked[2] == "update":
            return [self._accepted(board, rest, payload, now), *_take_update(session, read_update(payload), now)]
        if rest.endswith("start-next"):
            session.memo["status"] = "IN_PROGRESS"
        answer = {"timestamp": int(now), "execution": self._execution(session)} | token(payload)
        return [self._say(board, f"{rest}/accepted", answer)]

    def tick(self, session: Session, board: Board, now: float) -> list[Effect]:
        """Give up where nothing was heard for too long."""
        self._sessions[board.id] = session
        if session.state in {State.TRANSFERRING, State.VERIFYING, State.REBOOTING} and woke_early(session, now):
            return []
        return super().tick(session, board, now)

    def cancel(self, session: Session, board: Board, now: float) -> list[Effect]:
        """Tell the board that there is no job any more."""
        return [StopBlocks(), self._say(board, _NOTIFY, {"timestamp": int(now)})]

    def frame(self, session: Session, image: bytes, block: Block) -> bytes:
        """Return the message that carries one block."""
        data = image[block.offset : block.offset + block.length]
        return block_message(session.memo["form"], block.offset // session.memo["block"], data)

    def _split(self, topic: str) -> tuple[str | None, str]:
        """Return which board a topic is of, and what follows the prefix."""
        levels, depth = topic.split("/"), self._root.text.count("/") + 1
        found = self._root.match("/".join(levels[:depth]))
        return None if found is None else found or self._settings["id"], "/".join(levels[depth:])

    def _board(self, board_id: str) -> Board:
        settings, ways = self._settings, frozenset({Transport.BLOCKS})
        return Board(id=board_id, dialect=self.key, model=settings["model"], chip=settings["chip"], transports=ways)

    def _say(self, board: Board, rest: str, told: Mapping[str, Any], form: str = "json", qos: int = 1) -> Publish:
        return Publish(f"{self._root.of(board.id)}/{rest}", written(told, form), qos)

    def _about_job(self, session: Session, board: Board, rest: str, message: Message) -> Reading | None:
        """Take the version that a board says it runs at the end of its job: also that it says none."""
        update = read_update(message.payload)
        waits = session.state in {State.QUEUED, State.WAITING}
        if waits or rest != f"jobs/{job_of(session)}/update" or update.status != "SUCCEEDED":
            return None
        # Where the version is the verdict, `receive` will not be asked for an answer.
        settles = bool(update.version) and is_same(update.version, session.target.version)
        answers = (self._accepted(board, rest, message.payload, message.at),) if settles else ()
        return Announcement(replace(board, version=update.version), answers, is_answer=True)

    def _accepted(self, board: Board, rest: str, payload: bytes, now: float) -> Publish:
        return self._say(board, f"{rest}/accepted", {"timestamp": int(now)} | token(payload))

    def _nothing(self, board: Board, rest: str, payload: bytes) -> Publish:
        """Answer a question for what there is not."""
        if found := STREAM_QUESTION.fullmatch(rest):
            return self._rejected(board, (found[1], found[3]), parsed(payload, found[3]), "ResourceNotFound")
        if rest in {"jobs/$next/get", "jobs/start-next"}:
            return self._say(board, f"{rest}/accepted", {"timestamp": 0} | token(payload))
        return self._say(board, f"{rest}/rejected", {"timestamp": 0, "code": "ResourceNotFound"} | token(payload))

    def _rejected(self, board: Board, stream: tuple[str, str], told: Mapping[str, Any], code: str) -> Publish:
        answer = {"o": code, "m": "Home Assistant cannot answer this"} | stream_token(told)
        return self._say(board, f"streams/{stream[0]}/rejected/{stream[1]}", answer, stream[1])

    def _stream_answer(
        self, session: Session, board: Board, asked: tuple[str, str], payload: bytes, now: float
    ) -> list[Effect]:
        """Describe the stream, or send blocks of it."""
        what, form = asked
        stream, told, total = stream_of(session), parsed(payload, form), session.target.size
        if what == "describe":
            files = [{"f": FILE_ID, "z": total}]
            answer = {"s": STREAM_VERSION, "d": session.target.version, "r": files} | stream_token(told)
            return [self._say(board, f"streams/{stream}/description/{form}", answer, form)]
        try:
            size, numbers = asked_blocks(told, form, total)
        except RejectedError as err:
            return [self._rejected(board, (stream, form), told, str(err))]
        memo = session.memo
        memo["sent"] += len(numbers)
        if memo["sent"] > -(-total // size) + MOST_REPEATS:
            session.fail(Reason.STALLED, now)
            return [StopBlocks()]
        changed = (memo["form"], memo["block"]) != (form, size)
        memo |= {"form": form, "block": size}
        # What a board asks for first it has not: all before that, it has, if it asks in order.
        session.alive(State.TRANSFERRING, now, held=numbers[0] * size if numbers else total, patience=SILENT)
        blocks = tuple(Block(one * size, min(size, total - one * size), Encoding.RAW) for one in numbers)
        topic = f"{self._root.of(board.id)}/streams/{stream}/data/{form}"
        return [*([StopBlocks()] if changed else []), SendBlocks(topic, blocks)]

    def _execution(self, session: Session) -> dict[str, Any]:
        """Return a session as a job that a board may do."""
        file = {
            "filepath": self._settings["filepath"],
            "filesize": session.target.size,
            "fileid": FILE_ID,
            "certfile": self._settings["certfile"],
            "sig-sha256-ecdsa": "",
        }
        document = {"afr_ota": {"protocols": ["MQTT"], "streamname": stream_of(session), "files": [file]}}
        details = {"statusDetails": session.memo["details"]} if session.memo["details"] else {}
        return {
            "jobId": job_of(session),
            "status": session.memo["status"],
            "versionNumber": 1,
            "executionNumber": 1,
            "jobDocument": document,
        } | details


def _take_update(session: Session, update: Update, now: float) -> list[Effect]:
    """Move a session by what a board says of its job."""
    why = update.details.get("reason", "")
    match update.status:
        case "IN_PROGRESS":
            session.memo |= {"status": "IN_PROGRESS", "details": dict(update.details)}
            _go_on(session, update, now)
            return []
        case "SUCCEEDED" if update.version:
            session.fail(Reason.OTHER_IMAGE, now, update.version)
        case "SUCCEEDED":
            session.came_back(now)
        case "REJECTED":
            session.fail(Reason.BOARD_REFUSED, now, why)
        case "FAILED" | "TIMED_OUT":
            session.fail(Reason.BOARD_FAILED, now, why)
        case _:
            return [Ignored("its job is in no state that there is")]
    return [StopBlocks()]


def _go_on(session: Session, update: Update, now: float) -> None:
    if "self_test" in update.details:
        session.alive(State.REBOOTING, now, held=session.target.size)
    elif (part := update.received) is not None:
        session.alive(State.TRANSFERRING, now, held=int(session.target.size * part), patience=SILENT)
    elif session.state in {State.OFFERED, State.TRANSFERRING}:
        session.alive(State.TRANSFERRING, now, patience=SILENT)


def _make(key: str, settings: Mapping[str, Any]) -> AwsStreamsDialect:
    """Return the dialect that settings describe; something must tell the boards apart."""
    if "{id}" not in settings["prefix"] and not settings["id"]:
        raise SettingError("id", "id_needed", words="{id}")
    return AwsStreamsDialect(key, settings)


KIND: Final = Kind(
    name=AwsStreamsDialect.name,
    make=_make,
    settings=(
        Setting(key="prefix", type=SettingType.TOPIC, default="$aws/things/{id}", required=True),
        Setting(key="id", type=SettingType.BOARD_ID),
        Setting(key="filepath", default="/firmware.bin", required=True),
        Setting(key="certfile"),
        MODEL,
        CHIP,
    ),
)

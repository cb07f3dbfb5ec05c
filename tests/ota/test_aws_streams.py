"""Boards with AWS IoT's jobs and file streams: what they are told, and how little of it there is outside an update."""

from base64 import b64decode, b64encode
from dataclasses import replace
import json
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.mqtt_ota.ota.board import Board, Encoding, Transport
from custom_components.mqtt_ota.ota.cbor import decode, encode
from custom_components.mqtt_ota.ota.dialects import (
    Announcement,
    Answer,
    Block,
    Dialect,
    Echo,
    Effect,
    Hint,
    Ignored,
    Leftover,
    Message,
    Publish,
    SendBlocks,
    StopBlocks,
)
from custom_components.mqtt_ota.ota.dialects.aws_streams import KIND, MOST_REPEATS, SILENT, YOUNG
from custom_components.mqtt_ota.ota.dialects.aws_streams_words import MOST_BLOCKS
from custom_components.mqtt_ota.ota.dialects.settings import SettingError
from custom_components.mqtt_ota.ota.errors import Reason
from custom_components.mqtt_ota.ota.session import PATIENCE, Session, State, Target

ROOT = "$aws/things/hall"
JOB = "mqtt-ota-s1"
STREAM = "stream-s1"
SIZE = 10_000
IMAGE = bytes(range(250)) * 40
BOARD = Board(id="hall", dialect="aws.1", model="lamp", transports=frozenset({Transport.BLOCKS}))
LATE = YOUNG + 10


def speak(**settings: Any) -> Dialect:
    return KIND.build("aws.1", {"model": "lamp"} | settings)


def said(rest: str, told: Any = None, *, at: float = LATE, retain: bool = False, form: str = "json") -> Message:
    payload = encode(told or {}) if form == "cbor" else json.dumps(told or {}).encode()
    return Message(f"{ROOT}/{rest}", payload, retain, at)


def begun() -> tuple[Dialect, Session]:
    dialect = speak()
    session = Session.create("s1", BOARD, Target(version="1.1.0", sha256="ab", size=SIZE), 0)
    dialect.prepare(session, BOARD, IMAGE)
    (offer,) = dialect.begin(session, BOARD, 1)
    assert isinstance(offer, Publish)
    assert offer.topic == f"{ROOT}/jobs/notify-next"
    assert json.loads(offer.payload)["execution"]["jobId"] == JOB
    return dialect, session


def told(effect: Effect) -> tuple[str, Any]:
    """Return where an answer goes, and what it says."""
    assert isinstance(effect, Publish)
    topic = effect.topic.removeprefix(f"{ROOT}/")
    return topic, decode(effect.payload) if topic.endswith("cbor") else json.loads(effect.payload)


def gets(dialect: Dialect, session: Session, form: str = "json", **asked: Any) -> list[Effect]:
    message = said(f"streams/{STREAM}/get/{form}", {"f": 0, "l": 4096} | asked, form=form)
    assert dialect.read(message, BOARD) == Answer()
    return dialect.receive(session, BOARD, message, 2)


def updates(dialect: Dialect, session: Session, status: str, now: float = 3, **details: Any) -> list[Effect]:
    message = said(f"jobs/{JOB}/update", {"status": status, "statusDetails": details, "clientToken": "t"})
    reading = dialect.read(message, BOARD)
    board = reading.board if isinstance(reading, Announcement) else BOARD
    session.announced(board, now, live=True)
    answers = list(reading.asks) if isinstance(reading, Announcement) else []
    return answers + (dialect.receive(session, board, message, now) if session.is_active else [])


def test_a_board_is_there_when_it_asks_for_a_job_and_hears_that_there_is_none() -> None:
    for rest in ("jobs/$next/get", "jobs/start-next"):
        reading = speak().read(said(rest, {"clientToken": "0:hall"}), None)
        assert isinstance(reading, Announcement)
        assert reading.board == BOARD
        assert told(reading.asks[0]) == (f"{rest}/accepted", {"timestamp": 0, "clientToken": "0:hall"})


@pytest.mark.parametrize("form", ["json", "cbor"])
def test_outside_an_update_there_is_no_job_and_no_stream(form: str) -> None:
    dialect, session = begun()
    session.cancel(2)
    reading = dialect.read(said("jobs/old/update", {"status": "SUCCEEDED"}), BOARD)
    assert isinstance(reading, Hint)
    assert told(reading.asks[0]) == ("jobs/old/update/rejected", {"timestamp": 0, "code": "ResourceNotFound"})
    reading = dialect.read(said(f"streams/old/get/{form}", {"c": "t"}, form=form), BOARD)
    assert isinstance(reading, Hint)
    topic, answer = told(reading.asks[0])
    assert (topic, answer["o"], answer["c"]) == (f"streams/old/rejected/{form}", "ResourceNotFound", "t")


def test_just_after_a_start_a_known_board_is_not_told_that_there_is_no_job() -> None:
    dialect = speak()
    assert dialect.read(said("jobs/$next/get", at=100), BOARD) == Answer()
    assert dialect.read(said("jobs/$next/get", at=99 + YOUNG), BOARD) == Answer()
    assert isinstance(dialect.read(said("jobs/$next/get", at=101 + YOUNG), BOARD), Hint)


def test_jobs_of_others_are_found_and_other_words_are_none() -> None:
    dialect = speak()
    job = said("jobs/notify-next", {"execution": {"jobId": "old"}}, retain=True)
    assert dialect.read(job, None) == Leftover(job.topic)
    assert dialect.read(replace(job, retain=False), None) == Echo()
    assert dialect.read(said("jobs/notify-next", retain=True), None) == Echo()
    for message in (said("jobs/$next/get", retain=True), said("jobs/$next/update"), said("streams/x/get/xml")):
        assert isinstance(dialect.read(message, None), Ignored)
    assert isinstance(dialect.read(Message("$aws/things/a b/jobs/$next/get", b"{}"), None), Ignored)


@pytest.mark.parametrize(
    ("settings", "topic", "board_id"),
    [
        ({"prefix": "things/{id}/"}, "things/attic/jobs/$next/get", "attic"),
        ({"prefix": "home", "id": "hall"}, "home/jobs/$next/get", "hall"),
        ({"prefix": "home", "id": "hall"}, "away/jobs/$next/get", None),
    ],
)
def test_the_prefix_names_the_board_or_the_user_does(
    settings: dict[str, Any], topic: str, board_id: str | None
) -> None:
    dialect = speak(**settings)
    assert dialect.board_id(Message(topic, b"{}")) == board_id
    assert [board.id for board in dialect.boards()] == ([settings["id"]] if "id" in settings else [])
    assert dialect.topics()[0][0] in {"things/+/jobs/+/get", "home/jobs/+/get"}


def test_something_must_tell_the_boards_apart() -> None:
    with pytest.raises(SettingError) as caught:
        speak(prefix="home")
    assert caught.value.key == "id"


def test_the_job_says_what_the_file_is() -> None:
    dialect, session = begun()
    question = said("jobs/$next/get", {"clientToken": "t"})
    assert dialect.read(question, BOARD) == Answer()
    topic, answer = told(dialect.receive(session, BOARD, question, 2)[0])
    assert (topic, answer["clientToken"]) == ("jobs/$next/get/accepted", "t")
    document = answer["execution"]["jobDocument"]["afr_ota"]
    assert (answer["execution"]["status"], document["streamname"], document["protocols"]) == (
        "QUEUED",
        STREAM,
        ["MQTT"],
    )
    assert (document["files"][0]["filesize"], document["files"][0]["fileid"]) == (SIZE, 0)
    topic, answer = told(dialect.receive(session, BOARD, said(f"jobs/{JOB}/get"), 2)[0])
    assert topic == f"jobs/{JOB}/get/accepted"


def test_a_board_in_its_self_test_hears_its_own_details_again() -> None:
    dialect, session = begun()
    updates(dialect, session, "IN_PROGRESS", self_test="ready", updatedBy="0x1")
    assert session.state is State.REBOOTING
    _, answer = told(dialect.receive(session, BOARD, said("jobs/$next/get"), 4)[0])
    assert answer["execution"]["status"] == "IN_PROGRESS"
    assert answer["execution"]["statusDetails"] == {"self_test": "ready", "updatedBy": "0x1"}


def test_a_job_can_be_started_by_asking_for_the_next_one() -> None:
    dialect, session = begun()
    _, answer = told(dialect.receive(session, BOARD, said("jobs/start-next"), 2)[0])
    assert answer["execution"]["status"] == "IN_PROGRESS"


@pytest.mark.parametrize("rest", ["jobs/$next/get", f"jobs/{JOB}/update", f"streams/{STREAM}/get/json"])
def test_before_its_turn_a_board_is_told_of_nothing(rest: str) -> None:
    dialect, session = begun()
    session.state = State.QUEUED
    message = said(rest, {"status": "SUCCEEDED"})
    assert dialect.read(message, BOARD) == Answer()
    topic, answer = told(dialect.receive(session, BOARD, message, 2)[0])
    assert "execution" not in answer
    assert topic.endswith(("get/accepted", "update/rejected", "rejected/json"))


def test_another_job_and_another_stream_are_not_there() -> None:
    dialect, session = begun()
    topic, _ = told(dialect.receive(session, BOARD, said("jobs/old/update", {"status": "FAILED"}), 2)[0])
    assert topic == "jobs/old/update/rejected"
    topic, _ = told(dialect.receive(session, BOARD, said("streams/old/get/json"), 2)[0])
    assert topic == "streams/old/rejected/json"
    assert session.state is State.OFFERED


@pytest.mark.parametrize("form", ["json", "cbor"])
def test_the_stream_is_described(form: str) -> None:
    dialect, session = begun()
    message = said(f"streams/{STREAM}/describe/{form}", {"c": "t"}, form=form)
    topic, answer = told(dialect.receive(session, BOARD, message, 2)[0])
    assert topic == f"streams/{STREAM}/description/{form}"
    assert answer == {"s": 1, "d": "1.1.0", "r": [{"f": 0, "z": SIZE}], "c": "t"}


@pytest.mark.parametrize("form", ["json", "cbor"])
def test_blocks_are_sent_in_the_form_in_which_they_were_asked_for(form: str) -> None:
    dialect, session = begun()
    stop, blocks = gets(dialect, session, form, o=1, n=9)
    assert stop == StopBlocks()
    assert isinstance(blocks, SendBlocks)
    assert blocks.topic == f"{ROOT}/streams/{STREAM}/data/{form}"
    assert blocks.blocks == (Block(4096, 4096, Encoding.RAW), Block(8192, 1808, Encoding.RAW))
    assert (session.state, session.held) == (State.TRANSFERRING, 4096)
    payload = dialect.frame(session, IMAGE, blocks.blocks[1])
    answer: Any = decode(payload) if form == "cbor" else json.loads(payload)
    data = answer.pop("p") if form == "cbor" else b64decode(answer.pop("p"))
    assert (data, answer) == (IMAGE[8192:], {"f": 0, "l": 1808, "i": 2})
    # Nothing is taken back where it asks in the same way again.
    assert len(gets(dialect, session, form, o=1, n=9)) == 1


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        ({"b": b"\x05"}, [0, 2]),
        ({"b": b"\x05", "n": 1}, [0]),
        ({"b": b"\x03", "o": 1}, [1, 2]),
        ({"b": b"\xff\xff"}, [0, 1, 2]),
        ({"b": b"\x00"}, []),
        ({}, [0, 1, 2]),
    ],
)
@pytest.mark.parametrize("form", ["json", "cbor"])
def test_a_bitmap_says_which_blocks_are_wanted(asked: dict[str, Any], numbers: list[int], form: str) -> None:
    dialect, session = begun()
    if form == "json" and "b" in asked:
        asked = asked | {"b": b64encode(asked["b"]).decode()}
    blocks = gets(dialect, session, form, **asked)[-1]
    assert isinstance(blocks, SendBlocks)
    assert [block.offset // 4096 for block in blocks.blocks] == numbers


def test_a_question_is_answered_with_a_bounded_number_of_blocks() -> None:
    dialect, session = begun()
    session.target = replace(session.target, size=1_000_000)
    blocks = gets(dialect, session, l=256, n=100_000)[-1]
    assert isinstance(blocks, SendBlocks)
    assert len(blocks.blocks) == MOST_BLOCKS


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"l": 255}, "BlockSizeOutOfBounds"),
        ({"l": 131_073}, "BlockSizeOutOfBounds"),
        ({"l": "4096"}, "InvalidRequest"),
        ({"l": True}, "InvalidRequest"),
        ({"f": 1}, "InvalidRequest"),
        ({"s": 2}, "VersionMismatch"),
        ({"o": 3}, "OffsetOutOfBounds"),
        ({"o": -1}, "OffsetOutOfBounds"),
        ({"n": 0}, "BlockCountLimitExceeded"),
        ({"b": "?"}, "InvalidRequest"),
        ({"b": 5}, "InvalidRequest"),
    ],
)
def test_a_silly_question_is_rejected(asked: dict[str, Any], code: str) -> None:
    dialect, session = begun()
    topic, answer = told(gets(dialect, session, c="t", **asked)[0])
    assert (topic, answer["o"], answer["c"]) == (f"streams/{STREAM}/rejected/json", code, "t")
    assert session.state is State.OFFERED


def test_a_board_that_asks_for_ever_is_given_up() -> None:
    dialect, session = begun()
    for _ in range((MOST_REPEATS + 3) // 3):
        assert session.is_active
        gets(dialect, session)
    assert gets(dialect, session) == [StopBlocks()]
    assert session.reason is Reason.STALLED


def test_what_a_board_says_of_its_job_moves_the_session_and_is_answered() -> None:
    dialect, session = begun()
    (answer,) = updates(dialect, session, "IN_PROGRESS")
    assert told(answer) == (f"jobs/{JOB}/update/accepted", {"timestamp": 3, "clientToken": "t"})
    assert session.state is State.TRANSFERRING
    updates(dialect, session, "IN_PROGRESS", receive="5/10")
    assert session.held == SIZE // 2
    updates(dialect, session, "IN_PROGRESS", receive="1/0")
    updates(dialect, session, "IN_PROGRESS", self_test="active")
    assert session.state is State.REBOOTING
    updates(dialect, session, "IN_PROGRESS", other="x")
    assert session.state is State.REBOOTING
    assert isinstance(updates(dialect, session, "STRANGE")[1], Ignored)


def test_a_version_at_the_end_of_the_job_is_the_verdict() -> None:
    dialect, session = begun()
    updates(dialect, session, "IN_PROGRESS", self_test="active")
    (answer,) = updates(dialect, session, "SUCCEEDED", reason="accepted  v1.1.0", updatedBy="  v1.0.0")
    assert told(answer)[0] == f"jobs/{JOB}/update/accepted"
    assert (session.state, session.verified) == (State.CONFIRMED, True)


def test_another_version_at_the_end_is_another_image() -> None:
    dialect, session = begun()
    updates(dialect, session, "IN_PROGRESS", self_test="active")
    assert updates(dialect, session, "SUCCEEDED", reason="accepted v1.0.0")[-1] == StopBlocks()
    assert (session.reason, session.detail) == (Reason.OTHER_IMAGE, "1.0.0")


def test_no_version_at_the_end_is_the_board_s_word_alone_and_an_older_one_is_forgotten() -> None:
    dialect, session = begun()
    message = said(f"jobs/{JOB}/update", {"status": "SUCCEEDED"})
    reading = dialect.read(message, replace(BOARD, version="1.0.0"))
    assert reading == Announcement(BOARD, is_answer=True)
    updates(dialect, session, "SUCCEEDED")
    assert (session.state, session.verified) == (State.UNVERIFIED, False)


@pytest.mark.parametrize(
    ("status", "reason"),
    [("FAILED", Reason.BOARD_FAILED), ("TIMED_OUT", Reason.BOARD_FAILED), ("REJECTED", Reason.BOARD_REFUSED)],
)
def test_each_refusal_has_its_reason(status: str, reason: Reason) -> None:
    dialect, session = begun()
    updates(dialect, session, status, reason="0x1: 0x2")
    assert (session.reason, session.detail) == (reason, "0x1: 0x2")


def test_details_are_bounded() -> None:
    dialect, session = begun()
    details: dict[str, Any] = {f"k{number}": "x" * 999 for number in range(50)} | {"n": 5}
    updates(dialect, session, "IN_PROGRESS", **details)
    assert len(session.memo["details"]) == 10
    assert all(len(value) <= 64 for value in session.memo["details"].values())
    message = said(f"jobs/{JOB}/update", {"status": "IN_PROGRESS", "statusDetails": [1]})
    dialect.receive(session, BOARD, message, 3)
    assert session.memo["details"] == {}


def test_questions_that_are_too_long_say_nothing() -> None:
    dialect, session = begun()
    (answer,) = dialect.receive(session, BOARD, Message(f"{ROOT}/streams/{STREAM}/get/json", b"[" * 70_000), 2)
    assert told(answer)[1]["o"] == "InvalidRequest"


def test_cancelling_tells_the_board_that_there_is_no_job() -> None:
    dialect, session = begun()
    stop, answer = dialect.cancel(session, BOARD, 5)
    assert (stop, told(answer)) == (StopBlocks(), ("jobs/notify-next", {"timestamp": 5}))


def test_silence_is_a_stall_and_a_restart_of_home_assistant_does_not_shorten_a_wait() -> None:
    dialect, session = begun()
    gets(dialect, session)
    assert dialect.tick(session, BOARD, 2 + SILENT) == [StopBlocks()]
    assert session.reason is Reason.STALLED
    dialect, session = begun()
    updates(dialect, session, "IN_PROGRESS", now=3, self_test="ready")
    assert dialect.tick(session, BOARD, 8) == []
    assert session.wake_at == 3 + PATIENCE[State.REBOOTING]


@given(
    st.sampled_from(
        ["jobs/$next/get", f"jobs/{JOB}/update", f"streams/{STREAM}/get/json", f"streams/{STREAM}/get/cbor", "x"]
    ),
    st.binary(max_size=80)
    | st.fixed_dictionaries({"f": st.just(0), "l": st.integers(), "o": st.integers(), "n": st.integers()}).map(
        lambda asked: json.dumps(asked).encode()
    ),
    st.booleans(),
)
def test_no_bytes_raise(rest: str, payload: bytes, retain: bool) -> None:
    dialect, session = begun()
    message = Message(f"{ROOT}/{rest}", payload, retain)
    for known in (None, BOARD):
        dialect.read(message, known)
    dialect.receive(session, BOARD, message, 2)

"""Boards with ThingsBoard's updates: nothing begins by itself, chunks are bounded, and the last one may be empty."""

from dataclasses import replace
import json
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.mqtt_ota.ota.board import Board, Encoding, Transport
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
from custom_components.mqtt_ota.ota.dialects.settings import SettingError
from custom_components.mqtt_ota.ota.dialects.thingsboard import (
    AGAIN_WITHIN,
    KIND,
    MOST_FAILURES,
    MOST_REPEATS,
    MOST_STARTS,
    SILENT,
)
from custom_components.mqtt_ota.ota.errors import Reason
from custom_components.mqtt_ota.ota.session import PATIENCE, Session, State, Target

SIZE = 10_000
SHARED = "v1/devices/me/attributes"
TELEMETRY = "v1/devices/me/telemetry"
BOARD = Board(
    id="hall",
    dialect="thingsboard.1",
    model="lamp",
    project="lamp",
    version="1.0.0",
    transports=frozenset({Transport.BLOCKS}),
)
OFFER = {
    "fw_title": "lamp",
    "fw_version": "1.1.0",
    "fw_checksum": "ab",
    "fw_checksum_algorithm": "SHA256",
    "fw_size": SIZE,
}
KEYS = ",".join(OFFER)


def speak(**settings: Any) -> Dialect:
    return KIND.build("thingsboard.1", {"id": "hall"} | settings)


def says(**told: Any) -> Message:
    return Message(TELEMETRY, json.dumps(told).encode())


def begun() -> tuple[Dialect, Session]:
    dialect = speak()
    session = Session.create("s1", BOARD, Target(version="1.1.0", sha256="ab", size=SIZE), 0)
    dialect.prepare(session, BOARD, b"")
    (offer,) = dialect.begin(session, BOARD, 1)
    assert isinstance(offer, Publish)
    assert (offer.topic, json.loads(offer.payload)) == (SHARED, OFFER)
    return dialect, session


def asks(
    dialect: Dialect, session: Session, number: int, *, request: int = 2, size: bytes = b"4096", now: float = 2
) -> list[Effect]:
    message = Message(f"v2/fw/request/{request}/chunk/{number}", size)
    assert dialect.read(message, BOARD) == Answer()
    return dialect.receive(session, BOARD, message, now)


def state(dialect: Dialect, session: Session, name: str, error: str = "", now: float = 3) -> list[Effect]:
    message = says(fw_state=name, fw_error=error)
    assert dialect.read(message, BOARD) == Answer()
    return dialect.receive(session, BOARD, message, now)


def asked(keys: str = KEYS, request: int = 1) -> Message:
    return Message(f"{SHARED}/request/{request}", json.dumps({"sharedKeys": keys}).encode())


def answered(shared: dict[str, Any], request: int = 1) -> Publish:
    return Publish(f"{SHARED}/response/{request}", json.dumps({"shared": shared}).encode())


def test_a_board_is_told_of_when_it_says_what_it_runs() -> None:
    dialect = speak()
    told = says(current_fw_title="lamp", current_fw_version="1.0.0", temperature=21)
    assert dialect.read(told, None) == Announcement(BOARD)
    timed = says(ts=1, values={"current_fw_title": "lamp", "current_fw_version": "1.0.0"})
    assert dialect.read(timed, None) == Announcement(BOARD)
    both = says(current_fw_title="lamp", current_fw_version="1.0.0", fw_state="UPDATED")
    assert dialect.read(both, None) == Announcement(BOARD, is_answer=True)
    assert dialect.read(replace(both, retain=True), None) == Announcement(BOARD)


def test_a_version_without_a_title_is_not_enough_the_first_time() -> None:
    assert isinstance(speak().read(says(current_fw_version="1.0.0"), None), Hint)
    newer = says(current_fw_version="1.1.0")
    assert speak().read(newer, BOARD) == Announcement(replace(BOARD, version="1.1.0"))


def test_what_the_user_knows_of_the_boards_counts() -> None:
    told = says(current_fw_title="lamp", current_fw_version="1.0.0")
    reading = speak(model="hall lamp", chip="ESP8266").read(told, None)
    assert reading == Announcement(replace(BOARD, model="hall lamp", chip="ESP8266"))


def test_other_telemetry_is_none_of_firmware() -> None:
    for payload in (b'{"temperature": 21}', b"[1]", b"none", b"x" * 20_000, b'{"fw_state": 1}', b"[" * 5000):
        assert speak().read(Message(TELEMETRY, payload), BOARD) == Echo()
    assert isinstance(speak().read(replace(says(fw_state="UPDATED"), retain=True), BOARD), Ignored)


def test_attributes_that_are_retained_are_somebody_s_and_others_an_echo() -> None:
    offer = Message(SHARED, json.dumps(OFFER).encode(), retain=True)
    assert speak().read(offer, BOARD) == Leftover(SHARED)
    assert speak().read(replace(offer, retain=False), BOARD) == Echo()


@pytest.mark.parametrize(
    ("prefix", "topic", "board_id"),
    [
        ("", TELEMETRY, "hall"),
        ("home/", f"home/{TELEMETRY}", "hall"),
        ("home", f"away/{TELEMETRY}", None),
        ("boards/{id}", f"boards/attic/{TELEMETRY}", "attic"),
        ("boards/{id}", f"boards/at tic/{TELEMETRY}", None),
    ],
)
def test_the_prefix_names_the_board_or_the_user_does(prefix: str, topic: str, board_id: str | None) -> None:
    dialect = speak(prefix=prefix)
    message = Message(topic, b'{"current_fw_title": "lamp", "current_fw_version": "1"}')
    assert dialect.board_id(message) == board_id
    assert isinstance(dialect.read(message, None), Ignored if board_id is None else Announcement)
    assert any(one.replace("+", "attic") in {topic, f"boards/attic/{TELEMETRY}"} for one, _ in dialect.topics()) == (
        board_id is not None or "{id}" in prefix
    )


def test_answers_go_below_the_prefix() -> None:
    reading = speak(prefix="boards/{id}").read(replace(asked(), topic=f"boards/hall/{asked().topic}"), BOARD)
    assert isinstance(reading, Hint)
    assert reading.asks[0].topic == f"boards/hall/{SHARED}/response/1"


@pytest.mark.parametrize(
    ("settings", "key"), [({"id": ""}, "id"), ({"prefix": "a/{b}"}, "prefix"), ({"prefix": "a{id}/{id}"}, "prefix")]
)
def test_settings_that_tell_no_boards_apart_are_refused(settings: dict[str, Any], key: str) -> None:
    with pytest.raises(SettingError) as caught:
        speak(**settings)
    assert caught.value.key == key


def test_a_prefix_that_is_a_slash_alone_is_none() -> None:
    assert speak(prefix="/").board_id(Message(TELEMETRY, b"x")) == "hall"


def test_outside_an_update_there_is_no_firmware() -> None:
    dialect = speak()
    assert dialect.read(asked(request=7), None) == Hint(Board(id="hall", dialect="thingsboard.1"), (answered({}, 7),))
    assert dialect.read(asked(), BOARD) == Hint(BOARD, (answered({}),))
    dialect, session = begun()
    session.cancel(2)
    assert dialect.read(asked(), BOARD) == Hint(BOARD, (answered({}),))


def test_other_questions_are_not_for_home_assistant() -> None:
    for message in (
        asked("colour"),
        replace(asked(), payload=b'{"sharedKeys": 1}'),
        Message(f"{SHARED}/request/x", b"{}"),
    ):
        assert speak().read(message, BOARD) == Echo()
    assert isinstance(speak().read(replace(asked(), retain=True), BOARD), Ignored)


def test_a_board_that_asks_in_an_update_hears_what_it_asked_for() -> None:
    dialect, session = begun()
    assert dialect.read(asked(), BOARD) == Answer()
    (answer,) = dialect.receive(session, BOARD, asked("fw_title,fw_size"), 2)
    assert isinstance(answer, Publish)
    assert json.loads(answer.payload) == {"shared": {"fw_title": "lamp", "fw_size": SIZE}}


@pytest.mark.parametrize("status", [State.QUEUED, State.WAITING, State.VERIFYING, State.REBOOTING])
def test_a_board_that_asks_before_or_after_is_told_of_nothing(status: State) -> None:
    dialect, session = begun()
    session.state = status
    assert dialect.receive(session, BOARD, asked(), 2) == [answered({})]


def test_chunks_are_sent_as_they_are_asked_for() -> None:
    dialect, session = begun()
    for number, length in ((0, 4096), (1, 4096), (2, 1808)):
        topic = f"v2/fw/response/2/chunk/{number}"
        block = Block(number * 4096, length, Encoding.RAW)
        assert asks(dialect, session, number) == [SendBlocks(topic, (block,))]
        assert (session.state, session.held) == (State.TRANSFERRING, number * 4096)


def test_the_chunk_after_the_last_whole_one_is_empty() -> None:
    dialect, session = begun()
    asks(dialect, session, 0, size=b"5000")
    assert asks(dialect, session, 2, size=b"5000") == [Publish("v2/fw/response/2/chunk/2", b"", 0)]
    assert session.held == SIZE
    assert isinstance(asks(dialect, session, 3, size=b"5000")[0], Ignored)


@pytest.mark.parametrize("size", [b"0", b"63", b"65536", b"-1", b"x", b"123456", b"4096.0"])
def test_chunks_of_a_silly_size_are_not_sent(size: bytes) -> None:
    dialect, session = begun()
    assert isinstance(asks(dialect, session, 0, size=size)[0], Ignored)
    assert session.state is State.OFFERED


def test_chunks_of_another_request_or_size_are_not_sent() -> None:
    dialect, session = begun()
    assert isinstance(asks(dialect, session, 1)[0], Ignored)
    asks(dialect, session, 0)
    assert isinstance(asks(dialect, session, 1, request=3)[0], Ignored)
    assert isinstance(asks(dialect, session, 1, size=b"2048")[0], Ignored)
    assert isinstance(asks(dialect, session, 1)[0], SendBlocks)


def test_a_board_that_begins_again_is_served_but_not_for_ever() -> None:
    dialect, session = begun()
    for _ in range(MOST_STARTS):
        for number in range(3):
            assert isinstance(asks(dialect, session, number)[0], SendBlocks)
    assert asks(dialect, session, 0) == [StopBlocks()]
    assert session.reason is Reason.STALLED


def test_a_board_that_asks_for_the_same_chunk_is_served_but_not_for_ever() -> None:
    dialect, session = begun()
    for _ in range(MOST_REPEATS + 1):
        assert isinstance(asks(dialect, session, 0)[0], SendBlocks)
    assert asks(dialect, session, 0) == [StopBlocks()]
    assert session.reason is Reason.STALLED


def test_no_chunk_leaves_before_the_turn_or_after_the_end() -> None:
    dialect, session = begun()
    session.state = State.REBOOTING
    assert isinstance(asks(dialect, session, 0)[0], Ignored)
    session.state = State.QUEUED
    assert asks(dialect, session, 0) == []


def test_the_states_move_the_session() -> None:
    dialect, session = begun()
    for name, expected in (
        ("SOMETHING", State.OFFERED),
        ("DOWNLOADING", State.TRANSFERRING),
        ("DOWNLOADED", State.VERIFYING),
        ("VERIFIED", State.VERIFYING),
        ("DOWNLOADING", State.VERIFYING),
        ("UPDATING", State.REBOOTING),
        ("UPDATED", State.REBOOTING),
    ):
        assert state(dialect, session, name) == []
        assert session.state is expected


def test_a_version_that_begins_like_its_own_is_refused() -> None:
    dialect, session = begun()
    state(dialect, session, "UPDATED")
    assert (session.reason, "1.1.0" in session.detail) == (Reason.BOARD_REFUSED, True)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("Checksum verification failed", Reason.BOARD_DIGEST),
        ("Only wrote (1) bytes", Reason.BOARD_FLASH),
        ("Received firmware title (a) is different", Reason.BOARD_REFUSED),
        ("Unable to request firmware chunk", Reason.BOARD_TRANSPORT),
        ("", Reason.BOARD_FAILED),
    ],
)
def test_a_failure_ends_it_where_the_board_does_not_begin_again(error: str, reason: Reason) -> None:
    dialect, session = begun()
    assert state(dialect, session, "FAILED", error) == []
    assert (session.is_active, session.wake_at) == (True, 3 + AGAIN_WITHIN)
    assert dialect.tick(session, BOARD, 3 + AGAIN_WITHIN) == [StopBlocks()]
    assert (session.state, session.reason, session.detail) == (State.FAILED, reason, error)


def test_a_board_that_begins_again_after_a_failure_goes_on_a_few_times() -> None:
    dialect, session = begun()
    for _ in range(MOST_FAILURES):
        asks(dialect, session, 0)
        state(dialect, session, "FAILED", "Only wrote")
    asks(dialect, session, 0)
    assert session.is_active
    assert "failed" not in session.memo
    assert state(dialect, session, "FAILED", "Only wrote") == [StopBlocks()]
    assert session.reason is Reason.BOARD_FLASH


def test_an_answer_that_came_before_the_offer_is_no_failure() -> None:
    dialect, session = begun()
    told = state(dialect, session, "FAILED", "Missing shared attribute firmware keys")
    assert isinstance(told[0], Ignored)
    assert session.state is State.OFFERED


def test_a_board_that_gave_up_is_told_again_before_it_is_given_up() -> None:
    dialect, session = begun()
    asks(dialect, session, 0, now=2)
    now = 2 + SILENT
    for _ in range(2):
        (offer,) = dialect.tick(session, BOARD, now)
        assert isinstance(offer, Publish)
        now += PATIENCE[State.TRANSFERRING]
    assert dialect.tick(session, BOARD, now) == [StopBlocks()]
    assert session.reason is Reason.STALLED


def test_a_restart_of_home_assistant_does_not_shorten_a_wait() -> None:
    dialect, session = begun()
    state(dialect, session, "UPDATING", now=3)
    assert dialect.tick(session, BOARD, 8) == []
    assert session.wake_at == 3 + PATIENCE[State.REBOOTING]


def test_silence_after_the_download_is_a_stall() -> None:
    dialect, session = begun()
    state(dialect, session, "DOWNLOADED", now=3)
    dialect.tick(session, BOARD, 3 + PATIENCE[State.VERIFYING])
    assert session.reason is Reason.STALLED


@given(
    st.sampled_from(
        [TELEMETRY, SHARED, f"{SHARED}/request/1", "v2/fw/request/1/chunk/0", "v2/fw/request/x/chunk/9", "x"]
    ),
    st.binary(max_size=80) | st.sampled_from([b'{"fw_state": "FAILED"}', b'{"sharedKeys": "fw_size"}', b"4096", b"{}"]),
    st.booleans(),
)
def test_no_bytes_raise(topic: str, payload: bytes, retain: bool) -> None:
    dialect, session = begun()
    message = Message(topic, payload, retain)
    for known in (None, BOARD):
        dialect.read(message, known)
    dialect.receive(session, BOARD, message, 2)

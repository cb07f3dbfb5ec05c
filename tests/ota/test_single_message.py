"""Boards that take a whole image in one message: what is sent, what is refused, and how little is known afterwards."""

import hashlib
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.mqtt_ota.ota.board import Board, Encoding
from custom_components.mqtt_ota.ota.dialects import (
    Answer,
    Block,
    Dialect,
    Ignored,
    Leftover,
    Message,
    SendBlocks,
    StopBlocks,
    Traits,
)
from custom_components.mqtt_ota.ota.dialects.settings import SettingError
from custom_components.mqtt_ota.ota.dialects.single_message import KIND, PASSED_ON
from custom_components.mqtt_ota.ota.errors import OtaError, Reason
from custom_components.mqtt_ota.ota.image import check_fits, inspect
from custom_components.mqtt_ota.ota.session import Session, State, Target
from custom_components.mqtt_ota.ota.whole_message import HEADROOM
from tests.firmware_images import build_app, build_esp8266
from tests.seeds.single_message import decode
from tests.seeds.uploaders import varint

TOPIC = "a/lamp/u/1.4"
IMAGE = build_esp8266(2048)


def speak(**settings: Any) -> Dialect:
    return KIND.build("single_message.1", {"id": "shed", "app_id": "lamp", "series": "1.4", **settings})


def prepared(dialect: Dialect, version: str = "1.4.3", runs: str = "") -> tuple[Session, Board]:
    (board,) = dialect.boards()
    target = Target(version=version, sha256=hashlib.sha256(IMAGE).hexdigest(), size=len(IMAGE))
    session = Session.create("s1", board, target, 0, from_version=runs)
    dialect.prepare(session, board, IMAGE)
    return session, board


def message_of(dialect: Dialect, session: Session) -> bytes:
    """Return the one message as it leaves."""
    (board,) = dialect.boards()
    (effect,) = dialect.begin(session, board, 1)
    assert effect == SendBlocks(TOPIC, (Block(0, len(IMAGE), Encoding.RAW),), qos=0)
    return dialect.frame(session, IMAGE, effect.blocks[0])


def refusal(dialect: Dialect, version: str, runs: str = "") -> OtaError:
    with pytest.raises(OtaError) as caught:
        prepared(dialect, version, runs)
    return caught.value


@pytest.mark.parametrize(
    ("settings", "topic"),
    [
        ({}, "a/lamp/u/1.4"),
        ({"leading_slash": True}, "/a/lamp/u/1.4"),
        ({"suffix": "beta"}, "a/lamp/u/1.4/beta"),
        ({"suffix": "/beta", "series": "0.10", "leading_slash": True}, "/a/lamp/u/0.10/beta"),
    ],
)
def test_the_topic_is_made_as_the_firmware_makes_it_and_is_a_cohort(settings: dict[str, Any], topic: str) -> None:
    dialect = speak(model="lamp", **settings)
    series = settings.get("series", "1.4")
    assert dialect.boards() == (
        Board(id="shed", dialect="single_message.1", model="lamp", chip="ESP8266", series=series, cohort=topic),
    )
    assert dialect.topics() == ((topic, 0),)
    assert dialect.board_id(Message(topic, b"x")) == "shed"
    assert dialect.board_id(Message(f"{topic}0", b"x")) is None
    assert dialect.traits == Traits.BROADCAST


@pytest.mark.parametrize(
    ("settings", "key", "reason"),
    [
        ({"id": ""}, "id", "missing"),
        ({"app_id": ""}, "app_id", "missing"),
        ({"app_id": "#"}, "app_id", "app_id_invalid"),
        ({"app_id": "{id}"}, "app_id", "app_id_invalid"),
        ({"app_id": "{app}"}, "app_id", "app_id_invalid"),
        ({"suffix": "+"}, "app_id", "app_id_invalid"),
        ({"series": "1"}, "series", "series_invalid"),
        ({"series": "1.4.2"}, "series", "series_invalid"),
        ({"series": "1.04"}, "series", "series_invalid"),
        ({"series": "1.٤"}, "series", "series_invalid"),
        ({"installed": "1.5.2"}, "installed", "installed_invalid"),
        ({"installed": "1.4"}, "installed", "installed_invalid"),
        ({"patch": "word"}, "patch", "text_invalid"),
        ({"largest": 1}, "largest", "number_invalid"),
        ({"settle_seconds": 1}, "settle_seconds", "number_invalid"),
        ({"chip": ""}, "chip", "missing"),
    ],
)
def test_settings_that_cannot_be_used(settings: dict[str, Any], key: str, reason: str) -> None:
    with pytest.raises(SettingError) as caught:
        speak(**settings)
    assert (caught.value.key, caught.value.reason) == (key, reason)


@pytest.mark.parametrize("patch", [0, 1, 126, 127])
def test_a_patch_up_to_127_is_one_byte_that_the_boards_read_well(patch: int) -> None:
    dialect = speak()
    session, _ = prepared(dialect, f"1.4.{patch}")
    message = message_of(dialect, session)
    assert message == bytes([patch]) + IMAGE
    assert decode(message) == (patch, 1)


@pytest.mark.parametrize("patch", [128, 300, 16384])
def test_a_patch_over_127_is_refused_unless_the_decoder_is_sound(patch: int) -> None:
    version = f"1.4.{patch}"
    # The original's decoder makes something else of it.
    assert decode(varint(patch)) != (patch, len(varint(patch)))
    err = refusal(speak(), version)
    assert err.reason is Reason.PATCH_TOO_HIGH
    assert err.placeholders == {"version": version, "patch": str(patch), "limit": "127"}
    dialect = speak(decoder_sound=True)
    session, _ = prepared(dialect, version)
    assert message_of(dialect, session) == varint(patch) + IMAGE


@pytest.mark.parametrize("sound", [False, True])
def test_a_patch_in_one_byte_ends_at_255(sound: bool) -> None:
    dialect = speak(patch="byte", decoder_sound=sound)
    session, _ = prepared(dialect, "1.4.255")
    assert message_of(dialect, session) == b"\xff" + IMAGE
    err = refusal(dialect, "1.4.256")
    assert (err.reason, err.placeholders["limit"]) == (Reason.PATCH_TOO_HIGH, "255")


def test_a_patch_beyond_any_number_is_refused_by_a_sound_decoder_too() -> None:
    prepared(speak(decoder_sound=True), f"1.4.{2**32 - 1}")
    assert refusal(speak(decoder_sound=True), f"1.4.{2**32}").reason is Reason.PATCH_TOO_HIGH


@pytest.mark.parametrize(
    "version", ["1.4", "1.4.2.1", "1.4.2-rc1", "1.4.x", "1.4.-1", "1.4.02", "", "release", "1.4.٣"]
)
def test_a_version_that_is_not_three_whole_numbers_cannot_be_told(version: str) -> None:
    err = refusal(speak(), version)
    assert (err.reason, err.placeholders) == (Reason.NOT_ONE_NUMBER, {"version": version})


def test_a_version_may_begin_with_a_v() -> None:
    dialect = speak()
    session, _ = prepared(dialect, "v1.4.3")
    assert message_of(dialect, session) == b"\x03" + IMAGE


@pytest.mark.parametrize(
    ("installed", "runs", "refused"),
    [
        ("", "", False),
        ("1.4.3", "", True),
        ("", "v1.4.3", True),
        ("1.4.1", "1.4.3", True),
        ("1.4.3", "1.4.1", True),
        # An equal one is flashed again, which may be what is wanted.
        ("1.4.2", "1.4.2", False),
        # Of another series nothing can be said.
        ("", "1.3.9", False),
        ("", "unknown", False),
    ],
)
def test_a_patch_that_the_boards_would_skip_is_not_sent(installed: str, runs: str, refused: bool) -> None:
    dialect = speak(installed=installed)
    if not refused:
        prepared(dialect, "1.4.2", runs)
        return
    err = refusal(dialect, "1.4.2", runs)
    assert err.reason is Reason.PATCH_TOO_LOW
    assert err.placeholders["installed"].removeprefix("v") == "1.4.3"


def test_a_message_above_the_broker_s_limit_is_never_made() -> None:
    # The least that can be set is above the test's image.
    big = build_app(size=20_000)
    (board,) = speak().boards()

    def prepare(largest: int) -> None:
        target = Target(version="1.4.3", sha256="0" * 64, size=len(big))
        speak(largest=largest).prepare(Session.create("s1", board, target, 0), board, big)

    size = HEADROOM + len(TOPIC) + 1 + len(big)
    prepare(size)
    with pytest.raises(OtaError) as caught:
        prepare(size - 1)
    assert caught.value.reason is Reason.MESSAGE_TOO_LARGE
    assert caught.value.placeholders == {"size": str(size), "limit": str(size - 1)}


def test_what_the_broker_passed_on_is_sent_and_no_more_is_claimed() -> None:
    dialect = speak(settle_seconds=30)
    session, board = prepared(dialect)
    message = message_of(dialect, session)
    assert (session.state, session.wake_at) == (State.OFFERED, 1 + PASSED_ON)
    assert dialect.read(Message(TOPIC, message), board) == Answer()
    assert dialect.receive(session, board, Message(TOPIC, message), 2) == []
    assert (session.state, session.wake_at) == (State.REBOOTING, 32)
    # The same once more changes nothing.
    assert dialect.receive(session, board, Message(TOPIC, message), 9) == []
    assert session.wake_at == 32
    assert dialect.tick(session, board, 32) == [StopBlocks()]
    assert (session.state, session.detail, session.verified) == (State.UNVERIFIED, "sent_only", False)


def test_what_the_broker_did_not_pass_on_failed_and_is_never_sent_again() -> None:
    dialect = speak()
    session, board = prepared(dialect)
    session.retries = 3
    message_of(dialect, session)
    assert dialect.tick(session, board, 1 + PASSED_ON) == [StopBlocks()]
    assert (session.state, session.reason) == (State.FAILED, Reason.NOT_PASSED_ON)
    assert dialect.tick(session, board, 1000) == [StopBlocks()]


@pytest.mark.parametrize("passed_on", [False, True])
def test_a_restart_of_home_assistant_sends_nothing_again(passed_on: bool) -> None:
    dialect = speak()
    session, board = prepared(dialect)
    message = message_of(dialect, session)
    if passed_on:
        dialect.receive(session, board, Message(TOPIC, message), 2)
    restored = Session.restored(session.stored(3), 1000)
    assert dialect.tick(restored, board, 1005) == [StopBlocks()]
    assert restored.state is (State.UNVERIFIED if passed_on else State.FAILED)


def test_a_board_that_shares_the_topic_is_sent_nothing_of_its_own() -> None:
    dialect = speak(settle_seconds=30)
    session, board = prepared(dialect)
    assert dialect.join_in(session, board, 1) == []
    assert (session.state, session.wake_at) == (State.REBOOTING, 1 + PASSED_ON + 30)
    dialect.tick(session, board, 100)
    assert session.state is State.UNVERIFIED


@given(payload=st.binary())
def test_what_others_send_to_the_topic_moves_nothing(payload: bytes) -> None:
    dialect = speak()
    session, board = prepared(dialect)
    message_of(dialect, session)
    assert dialect.receive(session, board, Message(TOPIC, payload), 2) == [
        Ignored("something else was sent to its update topic")
    ]
    assert session.state is State.OFFERED
    spoiled = bytes([4]) + IMAGE
    assert isinstance(dialect.receive(session, board, Message(TOPIC, spoiled), 2)[0], Ignored)


@given(payload=st.binary())
def test_what_somebody_left_is_a_leftover(payload: bytes) -> None:
    dialect = speak()
    assert dialect.read(Message(TOPIC, payload, retain=True), None) == Leftover(TOPIC)


def test_the_queue_is_not_hurried_and_a_cancelled_message_is_taken_back() -> None:
    dialect = speak()
    session, board = prepared(dialect)
    assert dialect.tick(session, board, 5) == []
    assert dialect.cancel(session, board, 6) == [StopBlocks()]


@pytest.mark.parametrize("form", ["rom", "v2", "arduino"])
def test_an_esp8266_is_sent_what_an_esp8266_starts_and_nothing_else(form: str) -> None:
    (board,) = speak().boards()
    check_fits(inspect(build_esp8266(form=form)), board)
    with pytest.raises(OtaError) as caught:
        check_fits(inspect(build_app("ESP32")), board)
    assert caught.value.reason is Reason.WRONG_CHIP
    (esp32,) = speak(chip="ESP32").boards()
    with pytest.raises(OtaError):
        check_fits(inspect(build_esp8266(form=form)), esp32)

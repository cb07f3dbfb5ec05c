"""Boards with Homie: what is retained is known, only news move an update, and nothing is sent twice."""

from base64 import b64encode
from dataclasses import replace
import hashlib
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.mqtt_ota.ota.board import Availability, Board, Encoding, Transport
from custom_components.mqtt_ota.ota.dialects import (
    Announcement,
    Answer,
    Block,
    Dialect,
    Echo,
    Hint,
    Ignored,
    Leftover,
    Message,
    Presence,
    SendBlocks,
    StopBlocks,
)
from custom_components.mqtt_ota.ota.dialects.homie import COMES_IN, KIND
from custom_components.mqtt_ota.ota.dialects.homie_words import ATTRIBUTES
from custom_components.mqtt_ota.ota.dialects.settings import SettingError
from custom_components.mqtt_ota.ota.errors import OtaError, Reason
from custom_components.mqtt_ota.ota.session import PATIENCE, Session, State, Target

IMAGE = b"\xe9" + bytes(9999)
MD5 = hashlib.md5(IMAGE, usedforsecurity=False).hexdigest()
OLD = "0" * 32
ROOT = "homie/hall"
FIRMWARE = f"{ROOT}/$implementation/ota/firmware/{MD5}"
STATUS = f"{ROOT}/$implementation/ota/status"
TOLD = {
    "$fw/name": "lamp",
    "$fw/version": "1.0.0",
    "$fw/checksum": OLD,
    "$implementation": "esp8266",
    "$implementation/ota/enabled": "true",
}
BOARD = Board(
    id="hall",
    dialect="homie.1",
    model="lamp",
    project="lamp",
    chip="ESP8266",
    version="1.0.0",
    digest=f"md5:{OLD}",
    transports=frozenset({Transport.BLOCKS}),
)


def speak(**settings: Any) -> Dialect:
    return KIND.build("homie.1", settings)


def said(attribute: str, text: str | bytes, *, retain: bool = False) -> Message:
    return Message(f"{ROOT}/{attribute}", text.encode() if isinstance(text, str) else text, retain)


def begun(dialect: Dialect | None = None) -> tuple[Dialect, Session]:
    """Return a session whose message has left at second 1."""
    dialect = dialect or speak()
    target = Target(version="1.1.0", sha256="ab", size=len(IMAGE), digests=(f"md5:{MD5}",))
    session = Session.create("s1", BOARD, target, 0)
    dialect.prepare(session, BOARD, IMAGE)
    assert dialect.begin(session, BOARD, 1) == [SendBlocks(FIRMWARE, (Block(0, len(IMAGE), Encoding.RAW),), qos=0)]
    return dialect, session


def hears(dialect: Dialect, session: Session, status: str, now: float = 2) -> None:
    message = said("$implementation/ota/status", status)
    assert dialect.read(message, BOARD) == Answer()
    dialect.receive(session, BOARD, message, now)


def test_just_the_topics_of_firmware_and_presence_are_heard() -> None:
    topics = dict(speak(base="home/homie/").topics())
    assert set(topics) == {
        *(f"home/homie/+/{attribute}" for attribute in ATTRIBUTES),
        "home/homie/+/$implementation/ota/firmware/+",
    }


@pytest.mark.parametrize("last", TOLD)
def test_a_board_is_told_of_when_all_is_known_in_whatever_order(last: str) -> None:
    dialect, known = speak(), None
    for attribute in [*(one for one in TOLD if one != last), last]:
        reading = dialect.read(said(attribute, TOLD[attribute], retain=True), known)
        if attribute != last:
            assert isinstance(reading, Hint)
            known = reading.board
    assert reading == Announcement(BOARD)


def test_updates_that_are_switched_off_tell_of_no_board() -> None:
    known = replace(BOARD, transports=frozenset())
    reading = speak().read(said("$name", "Hall"), known)
    assert reading == Hint(replace(known, name="Hall"))
    with pytest.raises(OtaError) as caught:
        speak().transport(known, Transport.BLOCKS)
    assert caught.value.reason is Reason.NO_TRANSPORT
    assert speak().transport(BOARD, Transport.HTTP) is Transport.BLOCKS


def test_presence_that_came_before_the_rest_is_not_lost() -> None:
    dialect = speak()
    assert dialect.read(said("$state", "sleeping", retain=True), None) == Presence(Availability.ASLEEP)
    almost = replace(BOARD, version="")
    assert dialect.read(said("$fw/version", "1.0.0"), almost) == Announcement(BOARD, availability=Availability.ASLEEP)


@pytest.mark.parametrize(
    ("attribute", "text", "availability"),
    [
        ("$state", "ready", Availability.ONLINE),
        ("$state", "alert", Availability.ONLINE),
        ("$state", "sleeping", Availability.ASLEEP),
        ("$state", "disconnected", Availability.OFFLINE),
        ("$state", "lost", Availability.OFFLINE),
        ("$online", "true", Availability.ONLINE),
        ("$online", "false", Availability.OFFLINE),
    ],
)
def test_each_state_is_presence(attribute: str, text: str, availability: Availability) -> None:
    assert speak().read(said(attribute, text), BOARD) == Presence(availability)


def test_what_a_board_says_of_itself_is_read() -> None:
    dialect = speak(model="hall lamp", chip="ESP32-C3")
    changed: dict[str, Any]
    for attribute, text, changed in (
        ("$mac", "5C:CF:7F:00:00:01", {"mac": "5c:cf:7f:00:00:01"}),
        ("$localip", "192.168.0.10", {"address": "192.168.0.10"}),
        ("$implementation", "esp32", {"chip": "ESP32-C3"}),
        ("$implementation", "esp8266", {"chip": "ESP8266"}),
    ):
        assert dialect.read(said(attribute, text), BOARD) == Hint(replace(BOARD, model="hall lamp", **changed))


def test_of_a_known_board_only_its_digest_is_a_word_on_what_runs() -> None:
    dialect = speak()
    newer = replace(BOARD, version="1.1.0")
    assert dialect.read(said("$fw/version", "1.1.0"), BOARD) == Hint(newer)
    running = replace(newer, digest=f"md5:{MD5}")
    assert dialect.read(said("$fw/checksum", MD5.upper()), newer) == Announcement(running, is_answer=True)
    assert dialect.read(said("$fw/checksum", MD5, retain=True), newer) == Announcement(running)


@pytest.mark.parametrize(
    ("attribute", "payload"),
    [
        ("$fw/checksum", "short"),
        ("$mac", "none"),
        ("$localip", "fe80::1"),
        ("$name", b"\xff"),
        ("$name", "two\nlines"),
        ("$name", "long" * 20),
        ("$state", "strange"),
        ("$stats/uptime", "12"),
    ],
)
def test_what_makes_no_sense_is_dropped(attribute: str, payload: str | bytes) -> None:
    assert isinstance(speak().read(said(attribute, payload), BOARD), Ignored)


def test_other_words_are_no_word_of_a_board() -> None:
    assert speak().read(said("$state", "init"), BOARD) == Echo()
    assert isinstance(speak().read(said("$implementation/ota/status", "200", retain=True), BOARD), Ignored)
    assert isinstance(speak().read(Message("homie/$broadcast/x", b"x"), None), Ignored)
    assert speak().read(Message(FIRMWARE, b"\xe9", retain=True), BOARD) == Leftover(FIRMWARE)
    assert speak().read(Message(FIRMWARE, b"\xe9"), BOARD) == Answer()


def test_the_bytes_of_a_status_become_bytes_of_the_image() -> None:
    dialect, session = begun()
    hears(dialect, session, "202")
    assert (session.state, session.held) == (State.TRANSFERRING, 0)
    hears(dialect, session, "206 5000/10000")
    assert (session.held, session.percentage) == (5000, 50.0)
    hears(dialect, session, "206 1/0")
    assert session.held == len(IMAGE)
    hears(dialect, session, "200")
    assert session.state is State.REBOOTING
    hears(dialect, session, "304")
    assert session.state is State.REBOOTING


@pytest.mark.parametrize("status", ["?", "2000", "206 x/y", "299", "206"])
def test_a_status_that_says_nothing_moves_nothing(status: str) -> None:
    dialect, session = begun()
    hears(dialect, session, status)
    assert session.state is State.OFFERED


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("304", Reason.ALREADY_INSTALLED),
        ("403", Reason.BOARD_REFUSED),
        ("400 BAD_FIRMWARE", Reason.BOARD_IMAGE),
        ("400 BAD_CHECKSUM", Reason.BOARD_DIGEST),
        ("400 NOT_ENOUGH_SPACE", Reason.BOARD_REFUSED),
        ("500 FLASH_ERROR", Reason.BOARD_FLASH),
        ("500 INTERNAL_ERROR 0", Reason.STUCK),
        ("500 INTERNAL_ERROR 12", Reason.BOARD_FAILED),
    ],
)
def test_each_refusal_has_its_reason(status: str, reason: Reason) -> None:
    dialect, session = begun()
    hears(dialect, session, status)
    assert (session.state, session.reason) == (State.FAILED, reason)
    assert session.detail.startswith(status[:3])


def test_the_message_is_the_image_or_its_base64() -> None:
    dialect, session = begun()
    whole = Block(0, len(IMAGE), Encoding.RAW)
    assert dialect.frame(session, IMAGE, whole) == IMAGE
    assert speak(base64=True).frame(session, IMAGE, whole) == b64encode(IMAGE)


@pytest.mark.parametrize(("as_text", "most"), [(False, 10_200), (True, 13_500)])
def test_a_message_above_the_limit_is_refused(as_text: bool, most: int) -> None:
    begun(speak(largest=most, base64=as_text))
    with pytest.raises(OtaError) as caught:
        begun(speak(largest=most - 200, base64=as_text)) if as_text else begun(speak(largest=10_000))
    assert caught.value.reason is Reason.MESSAGE_TOO_LARGE


def test_a_message_is_sent_once_and_silence_says_where_it_got_lost() -> None:
    dialect, session = begun()
    assert dialect.tick(session, BOARD, 1 + COMES_IN) == [StopBlocks()]
    assert session.reason is Reason.NOT_PASSED_ON
    dialect, session = begun()
    assert dialect.receive(session, BOARD, Message(FIRMWARE, IMAGE), 2) == []
    dialect.tick(session, BOARD, 1 + COMES_IN)
    assert session.reason is Reason.NO_ANSWER


def test_another_image_on_its_topic_is_not_the_session_s() -> None:
    dialect, session = begun()
    other = Message(FIRMWARE.replace(MD5, OLD), IMAGE)
    assert isinstance(dialect.receive(session, BOARD, other, 2)[0], Ignored)
    dialect.tick(session, BOARD, 1 + COMES_IN)
    assert session.reason is Reason.NOT_PASSED_ON


def test_nothing_moves_a_session_that_waits() -> None:
    dialect, session = begun()
    session.wait(2)
    hears(dialect, session, "200")
    assert session.state is State.WAITING


def test_silence_in_the_middle_is_a_stall_and_at_the_end_a_restart() -> None:
    dialect, session = begun()
    hears(dialect, session, "206 9000/10000", 2)
    assert dialect.tick(session, BOARD, 2 + PATIENCE[State.TRANSFERRING]) == [StopBlocks()]
    assert session.reason is Reason.STALLED
    dialect, session = begun()
    hears(dialect, session, "206 10000/10000", 2)
    assert dialect.tick(session, BOARD, 2 + PATIENCE[State.TRANSFERRING]) == []
    assert session.state is State.REBOOTING


@pytest.mark.parametrize("status", ["206 1/10000", "200"])
def test_a_restart_of_home_assistant_does_not_shorten_a_wait(status: str) -> None:
    dialect, session = begun()
    hears(dialect, session, status, 2)
    state = session.state
    assert dialect.tick(session, BOARD, 7) == []
    assert (session.state, session.wake_at) == (state, 2 + PATIENCE[state])


def test_a_board_that_came_back_old_is_not_waited_for_again() -> None:
    dialect, session = begun()
    hears(dialect, session, "200", 2)
    session.announced(BOARD, 3, live=True)
    dialect.receive(session, BOARD, said("$fw/checksum", OLD), 3)
    dialect.tick(session, BOARD, 20)
    assert session.state is State.ROLLED_BACK


def test_a_board_that_connects_anew_in_the_middle_lost_the_rest() -> None:
    dialect, session = begun()
    dialect.receive(session, BOARD, said("$fw/checksum", OLD), 2)
    assert session.state is State.OFFERED
    hears(dialect, session, "202", 3)
    dialect.receive(session, BOARD, said("$fw/checksum", OLD), 4)
    assert session.reason is Reason.STALLED


def test_an_unknown_digest_is_the_new_version_only_where_the_board_says_so() -> None:
    for version, state in (("1.1.0", State.UNVERIFIED), ("0.9.0", State.FAILED)):
        dialect, session = begun()
        hears(dialect, session, "200", 2)
        board = replace(BOARD, version=version, digest="md5:" + "1" * 32)
        dialect.receive(session, board, said("$fw/checksum", "1" * 32), 3)
        assert (session.state, session.verified) == (state, False)


@pytest.mark.parametrize("base", ["homie/{id}", "b" * 200, "homie/+", ""])
def test_a_base_topic_that_makes_no_topics_is_refused(base: str) -> None:
    with pytest.raises(SettingError) as caught:
        speak(base=base)
    assert caught.value.key == "base"


@given(
    st.sampled_from([*ATTRIBUTES, f"$implementation/ota/firmware/{MD5}", "x"]), st.binary(max_size=80), st.booleans()
)
def test_no_bytes_raise(attribute: str, payload: bytes, retain: bool) -> None:
    dialect, session = begun()
    message = said(attribute, payload, retain=retain)
    for known in (None, BOARD):
        dialect.read(message, known)
    dialect.receive(session, BOARD, message, 2)

"""The dialect of boards that are told a URL: what is read, what is sent, and what each silence makes of a session."""

from dataclasses import replace
import json
from time import perf_counter
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.mqtt_ota.ota.board import Availability, Board, Transport
from custom_components.mqtt_ota.ota.dialects import (
    Announcement,
    Answer,
    Echo,
    Effect,
    Leftover,
    Message,
    OfferUrl,
    Presence,
    Publish,
    StopBlocks,
    Traits,
)
from custom_components.mqtt_ota.ota.dialects.patterns import LONGEST_MESSAGE, LONGEST_PATTERN, Pattern, Template
from custom_components.mqtt_ota.ota.dialects.settings import SettingError
from custom_components.mqtt_ota.ota.dialects.url import KIND, UrlDialect
from custom_components.mqtt_ota.ota.dialects.url_course import TO_END, TO_FETCH, TO_SETTLE, TO_SPEAK, TO_START
from custom_components.mqtt_ota.ota.dialects.url_sketch import NOBODY, WORDS
from custom_components.mqtt_ota.ota.errors import OtaError, Reason
from custom_components.mqtt_ota.ota.session import Session, State, Target

ELF = "ab" * 16
MD5 = "cd" * 16
SIZE = 10_000
BUILT = "Nov 21 2026 10:30:00"
TARGET = Target(
    version="1.1.0",
    sha256="ef" * 32,
    size=SIZE,
    digests=(f"md5:{MD5}", f"elf:{ELF}", f"elf:{ELF * 2}", f"built:{BUILT}"),
)
URL = "http://10.0.0.2:8123/mqtt_ota/abcdefghijklmnopqrstuv"
S2: dict[str, Any] = {**KIND.presets["esp32_s3_ota"]} | {"id": "kitchen"}
STATUS = "ESP32/progress"
ROOT = "/switch/state/root"
TIMEOUT = 600.0


def a_dialect(settings: Any = S2, **changes: Any) -> UrlDialect:
    dialect = KIND.build("url.1", dict(settings) | changes)
    assert isinstance(dialect, UrlDialect)
    return dialect


def preset(name: str, **changes: Any) -> UrlDialect:
    return a_dialect(KIND.presets[name], **changes)


def only(dialect: UrlDialect) -> Board:
    (board,) = dialect.boards()
    return board


def a_session(dialect: UrlDialect, board: Board, **changes: Any) -> Session:
    """Return a session that was begun at 0."""
    session = Session.create("0123456789abcdef", board, TARGET, 0.0, Transport.HTTP)
    dialect.prepare(session, board, b"")
    for name, value in changes.items():
        setattr(session, name, value)
    dialect.begin(session, board, 0.0)
    return session


def say(
    dialect: UrlDialect, session: Session, board: Board, payload: str, now: float, topic: str = STATUS
) -> list[Effect]:
    """Let a board say something, as the fleet takes it."""
    message = Message(topic, payload.encode())
    reading = dialect.read(message, board)
    if isinstance(reading, Announcement):
        session.announced(reading.board, now, live=True)
        board = reading.board
    return dialect.receive(session, board, message, now) if session.is_active else []


def refusal(settings: Any = S2, **changes: Any) -> tuple[str, str]:
    with pytest.raises(SettingError) as caught:
        a_dialect(settings, **changes)
    return caught.value.key, caught.value.reason


# Patterns


@pytest.mark.parametrize(
    ("pattern", "word", "text", "found"),
    [
        ("OTA Progress: {percent}%", "percent", "OTA  Progress :45 %", "45"),
        ("OTA Progress: {percent}%", "percent", "OTA Progress: much", None),
        ("OTA Progress: {percent}%", "percent", "OTAProgress: 45%", None),
        ('"firmware": "{digest}"', "digest", f'{{"a":1,"firmware":"{ELF}"}}', ELF),
        ('"firmware":"{digest}"', "digest", f'{{"firmware" : "{ELF}" }}', ELF),
        ('"device*": {id}', "id", '{"status":"connected","device_id":1074,"x":1}', "1074"),
        ('"device*": {id}', "id", '{"deviceId": 1074,"x":1}', "1074"),
        ("Open* {version} *", "version", "OpenBK7231N 1.17.306 Nov 21 2026", "1.17.306"),
        ("ERROR: {reason}", "reason", "ERROR: Checksum Failed!\nmore", "Checksum Failed!"),
        ("{version}", "version", " 1.14.1 ", "1.14.1"),
        ("{id}-status", "id", "kitchen-status", "kitchen"),
        ("from {version} to", "version", "from 1.0 to 2.0", "1.0"),
        ("done", "", "it is done.", ""),
        ("done", "", "not yet", None),
        ("first * second", "", "second, first", None),
        ("first*second", "", "first, then second", ""),
        ('{"state":"ok"}', "", '{ "state" : "ok" }', ""),
        ("{version}done", "version", "x" * 200, None),
    ],
)
def test_a_pattern_finds_its_word(pattern: str, word: str, text: str, found: str | None) -> None:
    assert Pattern("p", pattern, word, needed=False).find(text) == found


@pytest.mark.parametrize(
    ("pattern", "word", "reason"),
    [
        ("*", "", "pattern_invalid"),
        ("x" * (LONGEST_PATTERN + 1), "", "pattern_invalid"),
        ("*x" * 9, "", "pattern_invalid"),
        ("{percnt}%", "percent", "word_unknown"),
        ("{percent} {percent}", "percent", "word_unknown"),
        ("{id}", "", "word_unknown"),
        ("progress", "percent", "word_missing"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_refused(pattern: str, word: str, reason: str) -> None:
    with pytest.raises(SettingError) as caught:
        Pattern("p", pattern, word)
    assert (caught.value.key, caught.value.reason) == ("p", reason)


@given(st.text(alphabet='ab*" :{}\n', max_size=60), st.text(alphabet='ab" :{}\n1', max_size=300))
def test_no_text_is_too_much_for_a_pattern(pattern: str, text: str) -> None:
    try:
        made = Pattern("p", pattern)
    except SettingError:
        return
    assert made.find(text) in {"", None}


@pytest.mark.parametrize(
    ("pattern", "word", "unit"),
    [
        ("a* b", "", " "),
        ("{version}x", "version", "a"),
        ("{version} x", "version", " a"),
        ('{reason}"', "reason", " "),
        ("{id} : x", "id", "a "),
        ("x* {id} *", "id", " "),
        ("a a a a a a b", "", "a "),
        ("a*a*a*a*a*a*a*b", "", "a"),
        (": : : : : x", "", ": "),
    ],
)
def test_the_time_that_a_pattern_takes_grows_with_the_message_alone(pattern: str, word: str, unit: str) -> None:
    made = Pattern("p", pattern, word)

    def cost(length: int) -> float:
        text = (unit * length)[:length]
        times = []
        for _ in range(5):
            start = perf_counter()
            made.find(text)
            times.append(perf_counter() - start)
        return min(times)

    # Four times the length: a square would cost sixteen times as much. What cannot be measured is quick enough.
    assert cost(LONGEST_MESSAGE) < max(9 * cost(LONGEST_MESSAGE // 4), 0.002)


# Commands


def test_a_command_in_json_stays_json_whatever_is_filled_in() -> None:
    template = Template("payload", '{"url":"{url}","v":"{version}","size":{size},"x":{}}', WORDS)
    values = {"url": 'http://a/"b\\', "version": '1"\n', "size": 5}
    assert json.loads(template.fill(values)) == {"url": values["url"], "v": values["version"], "size": 5, "x": {}}


def test_a_plain_command_is_filled_in_as_it_is() -> None:
    filled = Template("payload", "{id}|{url}|{md5}|{sha256}", WORDS).fill(
        {"id": "a", "url": "u", "md5": "m", "sha256": "s"}
    )
    assert filled == b"a|u|m|s"


@pytest.mark.parametrize(
    ("text", "reason"), [("{ulr}", "word_unknown"), ('{"v":{version}}', "json_invalid"), ("[{url}", "json_invalid")]
)
def test_a_command_that_cannot_be_used_is_refused(text: str, reason: str) -> None:
    assert refusal(payload=text) == ("payload", reason)


@pytest.mark.parametrize(
    ("text", "payload", "is_like"),
    [
        ("{url}", b"http://a.example/x", True),
        ("{url}", b"on", False),
        ("U", b"U", True),
        ("U", b"UxU", False),
        ("U", b"S", False),
        ("go {version} now", b"go 1.0 now", True),
        ("go {version} now {id} x", b"go 1.0 x", False),
        ("go {version} now", b"stop", False),
    ],
)
def test_somebody_s_command_is_known_by_its_form(text: str, payload: bytes, is_like: bool) -> None:
    assert Template("payload", text, WORDS).is_like(payload) is is_like


# Settings


@pytest.mark.parametrize("name", KIND.presets)
def test_every_preset_can_be_used_once_the_board_is_named_where_it_must_be(name: str) -> None:
    if name not in {"buttons_mesh", "buttons_mesh_later", "openmqttgateway", "rainmaker"}:
        assert refusal(KIND.presets[name])[0] == "id"
        assert [board.id for board in preset(name, id="board-1").boards()] == ["board-1"]
    else:
        assert preset(name).boards() == ()


@pytest.mark.parametrize(
    ("settings", "changes", "key", "reason"),
    [
        (S2, {"payload": "x" * 300}, "payload", "payload_too_long"),
        (S2, {"status_topic": ""}, "status_topic", "topic_needed"),
        (S2, {"status_topic": S2["command_topic"]}, "status_topic", "topic_of_commands"),
        (S2, {"id": ""}, "id", "id_needed"),
        (S2, {"pattern_id": "{id}"}, "id", "id_not_needed"),
        (S2, {"status_topic": "{id}/state", "id": ""}, "id", "id_too_wide"),
        (S2, {"file_name": "../x"}, "file_name", "file_name_invalid"),
        (S2, {"source": "feed", "pattern_success": ""}, "source", "nobody_tells"),
        (S2, {"payload": "U", "pattern_success": ""}, "payload", "nobody_tells"),
        (S2, {"pattern_progress": "{id}"}, "pattern_progress", "word_unknown"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: Any, changes: Any, key: str, reason: str) -> None:
    assert refusal(settings, **changes) == (key, reason)


def test_a_captured_message_shows_what_each_pattern_finds() -> None:
    assert KIND.try_out is not None
    found = dict(KIND.try_out(KIND.filled(S2), b"OTA Progress: 45%"))
    assert found == {"pattern_progress": "45", "pattern_success": "", "pattern_failure": ""}
    assert dict(KIND.try_out(KIND.filled(S2), b"Update Complete. Restarting..."))["pattern_success"] == "✓"


def test_the_card_claims_what_the_patterns_can_tell() -> None:
    assert a_dialect().traits == Traits.PROGRESS | Traits.BROADCAST
    assert preset("espurna", id="a").traits == Traits.REPORTS_VERSION
    assert preset("buttons_mesh").traits == Traits.BROADCAST


# Who speaks


def test_a_board_that_the_user_named_is_there_and_heard_on_its_topics() -> None:
    dialect = preset("espurna", id="lamp")
    assert only(dialect).id == "lamp"
    assert dict(dialect.topics()) == {"lamp/ota/set": 1, "lamp/version": 1, "lamp/status": 1}
    assert dialect.board_id(Message("lamp/version", b"1")) == "lamp"
    assert dialect.board_id(Message("other/version", b"1")) is None
    assert dialect.transport(only(dialect), Transport.BLOCKS) is Transport.HTTP


def test_the_boards_of_a_mesh_are_told_apart_by_what_they_say() -> None:
    dialect = preset("buttons_mesh", chip="ESP32", model="button")
    assert dialect.boards() == ()
    message = Message(ROOT, f'{{"deviceId":7,"firmware":"{ELF}"}}'.encode())
    assert dialect.board_id(message) == "7"
    assert dialect.board_id(Message(ROOT, b"{}")) is None
    assert dialect.board_id(Message("/switch/cmd/root", b"{}")) == NOBODY
    reading = dialect.read(message, None)
    assert isinstance(reading, Announcement)
    board = reading.board
    assert (board.id, board.digest, board.chip, board.model) == ("7", f"elf:{ELF}", "ESP32", "button")
    assert (board.cohort, board.slot_size) == ("/switch/cmd/root", 1408 * 1024)


def test_the_id_in_a_topic_names_the_board() -> None:
    dialect = preset("openmqttgateway")
    assert dialect.board_id(Message("home/gw/SYStoMQTT", b"{}")) == "gw"
    assert dialect.board_id(Message("home/g w/SYStoMQTT", b"{}")) is None
    assert dialect.board_id(Message("home/gw/commands/MQTTtoSYS/firmware_update", b"{}")) == "gw"
    reading = dialect.read(Message("home/gw/SYStoMQTT", b'{"uptime":1,"version":"v1.7.0"}'), None)
    assert isinstance(reading, Announcement)
    assert (reading.board.version, reading.board.cohort) == ("v1.7.0", "")


def test_a_board_that_tells_nothing_of_what_it_runs_is_known_by_any_word() -> None:
    dialect = a_dialect(S2, id="", status_topic="x/{id}/state", online="here", offline="gone")
    assert isinstance(dialect.read(Message("x/a/state", b"hello"), None), Announcement)
    assert dialect.read(Message("x/a/state", b"gone"), None) == Presence(Availability.OFFLINE)


@pytest.mark.parametrize(
    ("payload", "retain", "reading"),
    [
        (b"OTA Progress: 10%", False, Answer()),
        (b"OTA Progress: 10%", True, Echo()),
        (b"OTA Progress: 910%", False, Echo()),
        (b"hello", False, Echo()),
        (b"online", True, Presence(Availability.ONLINE)),
        (b"offline", False, Presence(Availability.OFFLINE)),
    ],
)
def test_each_word_of_a_known_board(payload: bytes, retain: bool, reading: object) -> None:
    dialect = a_dialect(online="online", offline="offline")
    assert dialect.read(Message(STATUS, payload, retain), only(dialect)) == reading


def test_a_message_may_tell_a_word_and_that_the_board_is_there() -> None:
    dialect = a_dialect(online="online")
    reading = dialect.read(Message(STATUS, b"online, OTA Progress: 10%"), only(dialect))
    assert reading == Announcement(only(dialect), is_answer=True, availability=Availability.ONLINE)


@pytest.mark.parametrize(
    ("kind", "said", "digest"),
    [
        ("elf", ELF.upper(), f"elf:{ELF}"),
        ("elf", ELF * 2, f"elf:{ELF * 2}"),
        ("elf", ELF + "ab", ""),
        ("md5", MD5, f"md5:{MD5}"),
        ("sha256", "ef" * 32, "sha256:" + "ef" * 32),
        ("sha256", MD5, ""),
        ("built", "Nov  1 2026 9:00:00", "built:Nov 1 2026 9:00:00"),
    ],
)
def test_what_a_board_runs_is_named_as_targets_name_it(kind: str, said: str, digest: str) -> None:
    dialect = preset("buttons_mesh", digest=kind)
    reading = dialect.read(Message(ROOT, f'{{"deviceId":7,"firmware":"{said}"}}'.encode()), None)
    assert (reading.board.digest if isinstance(reading, Announcement) else "") == digest


def test_a_retained_command_is_a_leftover_and_the_own_one_an_echo() -> None:
    dialect = a_dialect()
    topic = S2["command_topic"]
    assert dialect.board_id(Message(topic, URL.encode())) == "kitchen"
    assert dialect.read(Message(topic, URL.encode(), retain=True), only(dialect)) == Leftover(topic)
    assert dialect.read(Message(topic, URL.encode()), only(dialect)) == Echo()
    assert dialect.read(Message(topic, b"on", retain=True), only(dialect)) == Echo()


@given(st.binary(max_size=200), st.booleans(), st.sampled_from([STATUS, "ESP32/ota/update", "other"]))
def test_no_bytes_are_too_much(payload: bytes, retain: bool, topic: str) -> None:
    dialect = a_dialect(
        online="{", offline="}", pattern_version="v{version}", pattern_digest="d{digest}", pattern_failure="{reason}"
    )
    message = Message(topic, payload, retain)
    if dialect.board_id(message) is not None:
        dialect.read(message, None)
        dialect.read(message, only(dialect))
        session = a_session(dialect, only(dialect))
        dialect.receive(session, only(dialect), message, 1.0)


# What is sent


def test_the_url_is_offered_as_the_sketch_wants_it() -> None:
    dialect = preset("buttons_mesh")
    board = replace(dialect._described, id="7", digest="elf:" + "00" * 16)
    session = Session.create("s", board, TARGET, 0.0)
    dialect.prepare(session, board, b"")
    (offer,) = dialect.begin(session, board, 0.0)
    assert isinstance(offer, OfferUrl)
    assert (offer.topic, offer.qos, offer.limit, offer.shared) == ("/switch/cmd/root", 0, 199, True)
    assert json.loads(offer.payload(URL)) == {"type": "ota_trigger", "url": URL}
    assert session.wake_at == TO_FETCH


def test_the_packet_of_the_longest_url_is_as_long_as_the_board_takes() -> None:
    dialect = a_dialect()
    (offer,) = dialect.begin(Session.create("s", only(dialect), TARGET, 0.0), only(dialect), 0.0)
    assert isinstance(offer, OfferUrl)
    assert 1 + 2 + 2 + len(offer.topic) + offer.limit == 256
    assert offer.schemes == {"http"}


@pytest.mark.parametrize(("longest", "length"), [(129, 2), (16386, 3), (65535, 4)])
@pytest.mark.parametrize("qos", [0, 1])
def test_the_header_counts(longest: int, length: int, qos: int) -> None:
    dialect = a_dialect(longest=longest, qos=qos)
    (offer,) = dialect.begin(Session.create("s", only(dialect), TARGET, 0.0), only(dialect), 0.0)
    assert isinstance(offer, OfferUrl)
    assert length + 2 + len(offer.topic) + 2 * qos + offer.limit == longest


def test_every_word_is_filled_in() -> None:
    dialect = preset("rainmaker", id="n1")
    (offer,) = dialect.begin(Session.create("s", only(dialect), TARGET, 0.0), only(dialect), 0.0)
    assert isinstance(offer, OfferUrl)
    assert offer.topic == "node/n1/otaurl"
    told = {"ota_job_id": "mqtt_ota", "url": URL, "fw_version": "1.1.0", "file_size": SIZE, "file_md5": MD5}
    assert json.loads(offer.payload(URL)) == told


def test_a_board_with_its_url_built_in_is_only_told_to_fetch() -> None:
    dialect = preset("buttons_mesh_later")
    board = replace(dialect._described, id="7", digest="built:x")
    session = a_session(dialect, board)
    assert dialect.begin(session, board, 1.0) == [Publish("/switch/cmd/7", b"U", 0)]
    assert session.wake_at == 1.0 + 3 * TIMEOUT


def test_a_command_without_room_for_a_url_is_refused() -> None:
    payload = "{version} {url}"
    dialect = a_dialect(payload=payload, longest=64)
    target = replace(TARGET, version="1" * 60)
    with pytest.raises(OtaError) as caught:
        dialect.prepare(Session.create("s", only(dialect), target, 0.0), only(dialect), b"")
    assert caught.value.reason is Reason.URL_TOO_LONG


def test_what_a_board_runs_already_is_refused() -> None:
    dialect = preset("buttons_mesh")
    board = replace(dialect._described, id="7", digest=f"elf:{ELF}")
    with pytest.raises(OtaError) as caught:
        dialect.prepare(Session.create("s", board, TARGET, 0.0), board, b"")
    assert caught.value.reason is Reason.ALREADY_INSTALLED


# A board that says words


def test_words_lead_a_session_to_its_end() -> None:
    dialect = a_dialect()
    board = only(dialect)
    session = a_session(dialect, board)
    dialect.fetched(session, board, 0, 1.0)
    assert (session.state, session.wake_at) == (State.TRANSFERRING, 1.0 + TIMEOUT)
    say(dialect, session, board, "OTA Progress: 40%", 2.0)
    assert (session.held, session.wake_at) == (SIZE * 0.4, 2.0 + TO_SPEAK)
    # What has left Home Assistant says less than the board.
    dialect.fetched(session, board, SIZE, 2.5)
    assert session.state is State.TRANSFERRING
    say(dialect, session, board, "OTA Progress: 100%", 3.0)
    assert (session.state, session.wake_at) == (State.VERIFYING, 3.0 + TO_END)
    assert say(dialect, session, board, "Update Complete. Restarting...", 4.0) == [StopBlocks()]
    assert (session.state, session.detail) == (State.UNVERIFIED, "said_done")


@pytest.mark.parametrize(
    ("text", "reason", "detail"),
    [
        ("ERROR: Checksum Failed!", Reason.BOARD_DIGEST, "Checksum Failed!"),
        ("ERROR: Update Failed!", Reason.BOARD_FAILED, "Update Failed!"),
        # It is no success if it can be read both ways.
        ("ERROR: Update Complete. Restarting... not", Reason.BOARD_FAILED, "Update Complete. Restarting... not"),
    ],
)
def test_words_of_failure_end_a_session(text: str, reason: Reason, detail: str) -> None:
    dialect = a_dialect()
    session = a_session(dialect, only(dialect))
    assert say(dialect, session, only(dialect), text, 1.0) == [StopBlocks()]
    assert (session.reason, session.detail) == (reason, detail)


def test_nothing_counts_before_a_session_began() -> None:
    dialect = a_dialect()
    board = only(dialect)
    session = Session.create("s", board, TARGET, 0.0)
    say(dialect, session, board, "Update Complete. Restarting...", 1.0)
    dialect.fetched(session, board, SIZE, 1.0)
    assert dialect.tick(session, board, 1.0) == []
    assert (session.state, session.memo) == (State.QUEUED, {})


def test_a_success_of_something_else_does_not_count_where_fetches_are_seen() -> None:
    dialect = a_dialect(command_topic="to/{id}")
    board = only(dialect)
    session = a_session(dialect, board)
    say(dialect, session, board, "Update Complete. Restarting...", 1.0)
    assert session.state is State.OFFERED
    dialect.fetched(session, board, 0, 2.0)
    say(dialect, session, board, "Update Complete. Restarting...", 3.0)
    assert session.state is State.UNVERIFIED


@pytest.mark.parametrize(
    ("words", "position", "reason", "detail"),
    [
        ((), 0, Reason.BOARD_TRANSPORT, ""),
        (("OTA Progress: 40%",), 0, Reason.BOARD_TRANSPORT, "40 %"),
        ((), SIZE, Reason.FELL_SILENT, ""),
        (("OTA Progress: 40%",), SIZE, Reason.FELL_SILENT, "40 %"),
        (("OTA Progress: 100%",), SIZE, None, "fetched_all"),
    ],
)
def test_silence_is_judged_by_what_was_heard_before(
    words: tuple[str, ...], position: int, reason: Reason | None, detail: str
) -> None:
    dialect = a_dialect()
    board = only(dialect)
    session = a_session(dialect, board)
    for word in words:
        say(dialect, session, board, word, 1.0)
    dialect.fetched(session, board, position, 2.0)
    assert dialect.tick(session, board, 2.0 + TIMEOUT) == [StopBlocks()]
    assert (session.reason, session.detail) == (reason, detail)


def test_who_did_not_fetch_is_told_once_more_and_then_given_up() -> None:
    dialect = a_dialect()
    session = a_session(dialect, only(dialect))
    assert len(dialect.tick(session, only(dialect), TO_FETCH)) == 1
    assert dialect.tick(session, only(dialect), 2 * TO_FETCH) == [StopBlocks()]
    assert session.reason is Reason.NEVER_FETCHED


def test_who_came_along_is_not_told_and_not_waited_for_for_ever() -> None:
    dialect = a_dialect()
    board = only(dialect)
    session = Session.create("s", board, TARGET, 0.0)
    assert dialect.join_in(session, board, 5.0) == []
    assert (session.state, session.wake_at) == (State.OFFERED, 5.0 + TIMEOUT)
    # After a restart of Home Assistant it is looked at early.
    assert dialect.tick(session, board, 10.0) == []
    assert session.wake_at == 5.0 + TIMEOUT
    dialect.tick(session, board, 5.0 + TIMEOUT)
    assert session.reason is Reason.NO_ANSWER


def test_a_session_restored_in_its_middle_waits_for_what_is_left() -> None:
    dialect = a_dialect()
    session = a_session(dialect, only(dialect))
    say(dialect, session, only(dialect), "OTA Progress: 40%", 10.0)
    restored = Session.restored(session.stored(20.0), 1020.0)
    restored.wake_at = 1025.0
    assert dialect.tick(restored, only(dialect), 1025.0) == []
    assert restored.wake_at == 1010.0 + TO_SPEAK


def test_a_further_try_remembers_nothing_of_the_last_but_what_the_board_ran() -> None:
    dialect = a_dialect(pattern_version="v{version}")
    board = replace(only(dialect), version="1.0.0")
    session = a_session(dialect, board, retries=1)
    say(dialect, session, board, "OTA Progress: 40%", 1.0)
    dialect.tick(session, board, 1.0 + TO_SPEAK)
    assert session.state is State.QUEUED
    dialect.begin(session, board, 300.0)
    assert session.memo == {"before": "1.0.0"}


def test_a_session_that_waited_too_long_is_over() -> None:
    dialect = a_dialect()
    session = Session.create("s", only(dialect), TARGET, 0.0)
    session.wait(1.0)
    dialect.tick(session, only(dialect), 90_000.0)
    assert session.reason is Reason.WAITED_TOO_LONG


# A board that says nothing


def test_a_board_that_says_nothing_is_judged_by_its_fetch_alone() -> None:
    silent = {"pattern_progress": "", "pattern_success": "", "pattern_failure": "", "status_topic": ""}
    dialect = a_dialect(S2 | silent, command_topic="to/{id}")
    board = only(dialect)
    session = a_session(dialect, board)
    dialect.fetched(session, board, 0, 1.0)
    dialect.fetched(session, board, SIZE, 2.0)
    assert (session.state, session.held, session.wake_at) == (State.VERIFYING, SIZE, 2.0 + TO_SETTLE)
    # It fetches once more, as one does whose first try failed.
    dialect.fetched(session, board, 0, 3.0)
    assert session.state is State.TRANSFERRING
    dialect.fetched(session, board, SIZE, 4.0)
    dialect.tick(session, board, 4.0 + TO_SETTLE)
    assert (session.state, session.detail) == (State.UNVERIFIED, "fetched_all")


# A board that says that it is there


def with_presence() -> tuple[UrlDialect, Board, Session]:
    dialect = a_dialect(online="online", offline="offline", pattern_progress="")
    board = only(dialect)
    session = a_session(dialect, board)
    dialect.fetched(session, board, 0, 1.0)
    return dialect, board, session


def test_a_board_that_comes_back_after_its_word_is_done() -> None:
    dialect, board, session = with_presence()
    say(dialect, session, board, "Update Complete. Restarting...", 2.0)
    assert (session.state, session.wake_at) == (State.VERIFYING, 2.0 + TIMEOUT)
    say(dialect, session, board, "OTA Progress: 10%", 2.5)
    dialect.presence(session, board, Availability.ONLINE, 3.0)
    assert (session.state, session.detail) == (State.UNVERIFIED, "")


def test_a_board_that_went_and_came_is_back() -> None:
    dialect, board, session = with_presence()
    dialect.presence(session, board, Availability.ONLINE, 1.5)
    assert session.state is State.TRANSFERRING
    dialect.fetched(session, board, SIZE, 2.0)
    dialect.presence(session, board, Availability.OFFLINE, 3.0)
    dialect.presence(session, board, Availability.ONLINE, 4.0)
    assert session.state is State.UNVERIFIED


@pytest.mark.parametrize(("is_heard", "reason"), [(True, None), (False, Reason.NEVER_RETURNED)])
def test_a_board_that_only_says_that_it_is_there_is_believed_at_the_end(is_heard: bool, reason: Reason | None) -> None:
    dialect, board, session = with_presence()
    dialect.fetched(session, board, SIZE, 2.0)
    if is_heard:
        dialect.presence(session, board, Availability.ONLINE, 3.0)
    assert session.state is State.VERIFYING
    dialect.tick(session, board, 2.0 + TIMEOUT)
    assert session.reason == reason


def test_a_board_that_was_waited_for_is_told_when_it_comes() -> None:
    dialect, board, _ = with_presence()
    session = Session.create("s", board, TARGET, 0.0)
    session.wait(1.0)
    dialect.presence(session, board, Availability.OFFLINE, 2.0)
    assert len(dialect.presence(session, board, Availability.ONLINE, 3.0)) == 1


# A board that tells a version


def with_version(**changes: Any) -> tuple[UrlDialect, Board, Session]:
    dialect = preset("espurna", id="lamp", **changes)
    board = replace(only(dialect), version="1.0.0")
    session = a_session(dialect, board)
    dialect.fetched(session, board, SIZE, 1.0)
    return dialect, board, session


def version(dialect: UrlDialect, session: Session, board: Board, text: str, now: float) -> list[Effect]:
    return say(dialect, session, board, text, now, "lamp/version")


def test_the_new_version_confirms() -> None:
    dialect, board, session = with_version()
    version(dialect, session, board, "1.1.0", 20.0)
    assert session.state is State.CONFIRMED


def test_another_version_is_no_success() -> None:
    dialect, board, session = with_version()
    version(dialect, session, board, "1.0.9", 20.0)
    assert (session.reason, session.detail) == (Reason.OTHER_IMAGE, "1.0.9")


def test_the_old_version_before_a_restart_means_nothing_and_long_after_it_a_roll_back() -> None:
    dialect, board, session = with_version()
    version(dialect, session, board, "1.0.0", 2.0)
    assert session.state is State.VERIFYING
    version(dialect, session, board, "1.0.0", 1.0 + TO_START)
    assert (session.state, session.detail) == (State.ROLLED_BACK, "1.0.0")


def test_the_new_version_that_is_not_yet_for_good_is_no_other_image() -> None:
    dialect, board, session = with_version()
    pending = replace(board, version="1.1.0", pending=True)
    session.announced(pending, 2.0, live=True)
    dialect.receive(session, pending, Message("lamp/version", b"1.1.0"), 2.0)
    assert session.state is State.REBOOTING


def test_the_old_version_while_it_fetches_means_nothing() -> None:
    dialect, board, session = with_version()
    dialect.fetched(session, board, 0, 1.5)
    version(dialect, session, board, "1.0.0", 500.0)
    assert session.state is State.TRANSFERRING


@pytest.mark.parametrize(("at", "state"), [(2.0, State.FAILED), (20.0, State.ROLLED_BACK)])
def test_at_the_end_the_old_version_tells_who_is_back(at: float, state: State) -> None:
    dialect, board, session = with_version()
    version(dialect, session, board, "1.0.0", at)
    dialect.tick(session, board, 1.0 + TIMEOUT)
    assert session.state is state


def test_a_board_that_comes_back_and_then_tells_its_old_version_rolled_back() -> None:
    dialect, board, session = with_version()
    dialect.presence(session, board, Availability.OFFLINE, 5.0)
    dialect.presence(session, board, Availability.ONLINE, 6.0)
    assert session.state is State.REBOOTING
    assert dialect.tick(session, board, 7.0) == []
    version(dialect, session, board, "1.0.0", 8.0)
    assert session.came_back_old
    dialect.tick(session, board, 30.0)
    assert session.state is State.ROLLED_BACK


def test_a_board_that_tells_its_old_version_and_then_comes_back_rolled_back() -> None:
    dialect, board, session = with_version()
    dialect.presence(session, board, Availability.OFFLINE, 5.0)
    version(dialect, session, board, "1.0.0", 5.5)
    dialect.presence(session, board, Availability.ONLINE, 6.0)
    assert session.came_back_old


def test_what_a_board_ran_is_learned_late_where_it_was_not_known() -> None:
    dialect, board, session = with_version()
    session.memo["before"] = ""
    version(dialect, session, board, "1.0.0", 2.0)
    assert session.memo["before"] == "1.0.0"


def test_a_word_of_success_is_not_enough_of_a_board_that_tells_more() -> None:
    dialect = preset("rainmaker", id="n1")
    board = replace(only(dialect), version="1.0.0")
    session = a_session(dialect, board)
    dialect.fetched(session, board, 0, 1.0)
    say(dialect, session, board, '{"status":"success","additional_info":"x"}', 2.0, "node/n1/otastatus")
    assert session.state is State.VERIFYING
    say(dialect, session, board, '{"info":{"name":"x","fw_version":"1.1.0"}}', 9.0, "node/n1/config")
    assert session.state is State.CONFIRMED


# A mesh


@pytest.mark.parametrize(("at", "reason"), [(2.0, Reason.NEVER_RETURNED), (1700.0, Reason.BOARD_FAILED)])
def test_in_a_mesh_nobody_knows_whose_fetch_it_was(at: float, reason: Reason) -> None:
    dialect = preset("buttons_mesh")
    board = replace(dialect._described, id="7", digest="elf:" + "00" * 16)
    session = a_session(dialect, board)
    dialect.fetched(session, board, 0, 0.5)
    dialect.fetched(session, board, SIZE, 0.7)
    # Another one begins: the first one may be done.
    dialect.fetched(session, board, 0, 1.0)
    assert (session.state, session.held) == (State.VERIFYING, 0)
    say(dialect, session, board, f'{{"deviceId":7,"firmware":"{"00" * 16}"}}', at, ROOT)
    dialect.tick(session, board, 1.0 + 3 * TIMEOUT)
    assert session.reason is reason


def test_another_image_is_named_by_its_digest() -> None:
    dialect = preset("buttons_mesh")
    board = replace(dialect._described, id="7", digest="elf:" + "00" * 16)
    session = a_session(dialect, board)
    say(dialect, session, board, f'{{"deviceId":7,"firmware":"{"11" * 16}"}}', 1.0, ROOT)
    assert (session.reason, session.detail) == (Reason.OTHER_IMAGE, "11" * 16)

"""The Tasmota dialect: what its boards say, and what they are told."""

from dataclasses import replace
import json
import re
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.mqtt_ota.ota.board import Availability, Board, Transport
from custom_components.mqtt_ota.ota.dialects import (
    Announcement,
    Answer,
    Echo,
    Hint,
    Ignored,
    Leftover,
    Message,
    OfferUrl,
    Presence,
    Publish,
    StopBlocks,
    tasmota_spots,
)
from custom_components.mqtt_ota.ota.dialects.settings import SettingError
from custom_components.mqtt_ota.ota.dialects.tasmota import ANSWER, KIND, LATE, QUIET, TasmotaDialect
from custom_components.mqtt_ota.ota.dialects.tasmota_words import NO_BUILD, build_of, chip_of, filter_of, is_heard
from custom_components.mqtt_ota.ota.errors import OtaError, Reason
from custom_components.mqtt_ota.ota.feeds import parse
from custom_components.mqtt_ota.ota.release import Product, candidates
from custom_components.mqtt_ota.ota.session import PATIENCE, Session, State, Target

MAC = "A0B1C2D3E4F5"
OFFICIAL = "http://ota.tasmota.com/tasmota32/release/tasmota32c3.bin"
OURS = f"http://192.0.2.1:8123/mqtt_ota/{'a' * 22}/tasmota32c3.bin"
CONFIG: dict[str, Any] = {
    "ip": "192.0.2.7",
    "dn": "Plug",
    "hn": "plug-1234",
    "mac": MAC,
    "md": "ESP32-DevKit",
    "ofln": "Offline",
    "onln": "Online",
    "sw": "15.4.0",
    "t": "plug",
    "ft": "%prefix%/%topic%/",
    "tp": ["cmnd", "stat", "tele"],
}
HINTED = Board(
    id=MAC,
    dialect="tasmota.1",
    name="Plug",
    model="ESP32-DevKit",
    project="Tasmota",
    mac="a0:b1:c2:d3:e4:f5",
    transports=frozenset({Transport.HTTP}),
    address="192.0.2.7",
)
BOARD = replace(HINTED, version="15.4.0", chip="ESP32-C3", build="tasmota32c3")
TARGET = Target(version="v15.5.0", sha256="0" * 64, size=1000)
QUESTIONS = (Publish("cmnd/plug/Status", b"1"), Publish("cmnd/plug/Status", b"2"))
GIVEN_BACK = Publish("cmnd/plug/OtaUrl", OFFICIAL.encode())


def message(topic: str, *, retain: bool = False, **fields: Any) -> Message:
    return Message(topic, json.dumps(fields).encode(), retain)


def config(*, retain: bool = False, **changes: Any) -> Message:
    fields = {key: value for key, value in (CONFIG | changes).items() if value is not None}
    return message(f"tasmota/discovery/{fields.get('mac', MAC)}/config", retain=retain, **fields)


def status(version: str = "15.4.0(release-tasmota32)", hardware: str = "ESP32-C3 v0.4") -> Message:
    return message("stat/plug/STATUS2", StatusFWR={"Version": version, "Hardware": hardware})


def address(url: str) -> Message:
    return message("stat/plug/STATUS1", StatusPRM={"OtaUrl": url})


def result(**fields: Any) -> Message:
    return message("stat/plug/RESULT", **fields)


def a_dialect(**settings: Any) -> TasmotaDialect:
    dialect = KIND.build("tasmota.1", settings)
    assert isinstance(dialect, TasmotaDialect)
    return dialect


@pytest.fixture
def dialect() -> TasmotaDialect:
    """Return a dialect to which the plug has announced itself."""
    dialect = a_dialect()
    dialect.read(config(), None)
    return dialect


@pytest.fixture
def session() -> Session:
    return Session.create("1", BOARD, TARGET, 0.0, Transport.HTTP)


def tell(dialect: TasmotaDialect, session: Session, word: Message, now: float = 1.0) -> list[Any]:
    return dialect.receive(session, BOARD, word, now)


def offered(dialect: TasmotaDialect, session: Session, url: str = OURS) -> OfferUrl:
    """Go on until the board was told an address."""
    assert dialect.begin(session, BOARD, 0.0) == [Publish("cmnd/plug/OtaUrl", b"")]
    (offer,) = tell(dialect, session, result(OtaUrl=OFFICIAL))
    assert isinstance(offer, OfferUrl)
    assert offer.payload(url) == url.encode()
    return offer


def sent(dialect: TasmotaDialect, session: Session, url: str = OURS) -> None:
    """Go on until the board was told to fetch."""
    offered(dialect, session, url)
    assert tell(dialect, session, result(OtaUrl=url)) == [Publish("cmnd/plug/Upgrade", b"1")]


def flashing(dialect: TasmotaDialect, session: Session) -> None:
    sent(dialect, session)
    assert tell(dialect, session, result(Upgrade=f"Version 15.4.0 from {OURS}")) == []
    assert session.state is State.TRANSFERRING


# Who is there


def test_whoever_announces_itself_is_asked_where_it_updates_from_and_what_it_runs() -> None:
    assert a_dialect().read(config(), None) == Hint(HINTED, QUESTIONS)


def test_the_answers_are_subscribed_before_anybody_can_be_asked() -> None:
    topics = [topic for topic, _ in a_dialect().topics()]
    assert topics[-2:] == ["tasmota/discovery/+/config", "+/+/Upgrade"]
    assert set(topics[:-2]) == {f"+/+/{word}" for word in ("LWT", "STATUS1", "STATUS2", "RESULT", "OTAURL", "UPGRADE")}


def test_what_a_board_answers_makes_it_known(dialect: TasmotaDialect) -> None:
    assert dialect.read(address(OFFICIAL), HINTED) == Echo()
    assert dialect.read(status(), HINTED) == Announcement(BOARD, availability=Availability.ONLINE)


def test_the_language_of_a_build_is_told_by_the_address_that_it_updates_from(dialect: TasmotaDialect) -> None:
    dialect.read(address(OFFICIAL.replace(".bin", "-DE.bin")), HINTED)
    reading = dialect.read(status(), HINTED)
    assert isinstance(reading, Announcement)
    assert reading.board.build == "tasmota32c3-DE"


def test_a_known_board_that_starts_is_asked_anew_and_one_that_is_remembered_is_not(dialect: TasmotaDialect) -> None:
    assert dialect.read(config(), BOARD) == Announcement(BOARD, QUESTIONS, True, Availability.ONLINE)
    assert dialect.read(config(retain=True), BOARD) == Announcement(BOARD)
    newer = replace(BOARD, version="15.5.0")
    assert dialect.read(config(retain=True, sw="15.5.0"), BOARD) == Announcement(newer, QUESTIONS)
    assert dialect.read(config(retain=True, sw=None), BOARD) == Announcement(BOARD, QUESTIONS)


def test_a_board_is_not_asked_while_it_updates_unless_it_runs_something_else(
    dialect: TasmotaDialect, session: Session
) -> None:
    flashing(dialect, session)
    assert dialect.read(config(), BOARD) == Announcement(BOARD, (), True, Availability.ONLINE)
    reading = dialect.read(config(sw="15.5.0"), BOARD)
    assert isinstance(reading, Announcement)
    assert reading.asks == QUESTIONS


@pytest.mark.parametrize("image", ["safeboot", "minimal", "release-safeboot", "tasmota32-safeboot"])
def test_a_build_in_between_is_no_announcement(dialect: TasmotaDialect, image: str) -> None:
    assert dialect.read(status(f"15.5.0({image})"), BOARD) == Answer()


def test_the_last_will_is_told_in_the_board_s_own_words_also_before_it_told_them() -> None:
    dialect = a_dialect()
    assert dialect.read(Message("tele/plug/LWT", b"fort", True), None) == Echo()
    told = config(retain=True, onln="da", ofln="fort")
    dialect.read(told, None)
    reading = dialect.read(told, BOARD)
    assert isinstance(reading, Announcement)
    assert reading.availability is Availability.OFFLINE
    assert dialect.read(Message("tele/plug/LWT", b"da"), BOARD) == Presence(Availability.ONLINE)
    assert dialect.read(Message("tele/plug/LWT", b"Online"), BOARD) == Echo()


@pytest.mark.parametrize(
    ("full_topics", "told", "base"),
    [
        ("%prefix%/%topic%/", "%topic%/%prefix%/", "plug/{}"),
        ("home/%topic%/%prefix%", "home/%topic%/%prefix%/", "home/plug/{}"),
        ("%prefix%/%hostname%/%topic%", "%prefix%//%hostname%/%topic%/#", "{}/plug-1234/plug"),
        ("%prefix%/%topic%-%id%", "%prefix%/%topic%-%id%", "{}/plug-" + MAC),
    ],
)
def test_a_board_is_spoken_to_where_its_full_topic_says(full_topics: str, told: str, base: str) -> None:
    reading = a_dialect(full_topics=full_topics).read(config(ft=told), None)
    assert isinstance(reading, Hint)
    assert reading.asks[0].topic == base.format("cmnd") + "/Status"


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"ft": "deep/house/%prefix%/%topic%/"}, "the full topic of deep/house/stat/plug is not set up"),
        ({"ft": "%topic%/"}, "its full topic lacks the prefix or the topic"),
        ({"tp": ["cmnd", "stat"]}, "its full topic lacks the prefix or the topic"),
        ({"tp": ["a", "a", "b"]}, "its full topic cannot be used"),
        ({"t": "+"}, "its full topic cannot be used"),
        ({"ft": "%prefix%/%what%-%topic%"}, "its full topic cannot be used"),
        ({"t": None}, "t is missing"),
    ],
)
def test_a_board_that_cannot_be_spoken_to_is_left_alone(changes: dict[str, Any], cause: str) -> None:
    assert a_dialect().read(config(**changes), None) == Ignored(cause)


def test_a_board_under_another_s_address_is_left_alone() -> None:
    told = message(f"tasmota/discovery/{MAC}/config", **CONFIG | {"mac": "000000000000"})
    assert a_dialect().read(told, None) == Ignored("announces itself under the address of another board")
    assert a_dialect().board_id(message("tasmota/discovery/x/config")) is None


def test_two_boards_on_one_topic_are_not_spoken_to_until_one_moves(dialect: TasmotaDialect) -> None:
    twin = "A0B1C2D3E4F6"
    assert dialect.read(config(mac=twin), None) == Ignored("two boards share cmnd/plug")
    assert dialect.board_id(status()) == "nobody"
    assert dialect.read(status(), BOARD) == Echo()
    with pytest.raises(OtaError) as caught:
        dialect.transport(BOARD, Transport.BLOCKS)
    assert (caught.value.reason, caught.value.placeholders["topic"]) == (Reason.TOPIC_SHARED, "cmnd/plug")
    dialect.read(config(mac=twin, t="other"), None)
    assert dialect.board_id(status()) == MAC
    assert dialect.transport(BOARD, Transport.BLOCKS) is Transport.HTTP


def test_boards_are_remembered_within_a_bound(monkeypatch: pytest.MonkeyPatch, dialect: TasmotaDialect) -> None:
    monkeypatch.setattr(tasmota_spots, "BOARDS_LIMIT", 1)
    assert dialect.read(config(mac="A0B1C2D3E4F6", t="other"), None) == Ignored("there are too many boards")
    ear = "custom_components.mqtt_ota.ota.dialects.tasmota_ear.BOARDS_LIMIT"
    monkeypatch.setattr(ear, 0)
    dialect.read(Message("tele/plug/LWT", b"Offline"), None)
    assert dialect.read(config(retain=True), BOARD) == Announcement(BOARD)


def test_a_board_with_an_esp8266_is_shown_only_where_that_is_wanted() -> None:
    told = status("15.4.0(tasmota)", "ESP8266EX")
    for wanted, dialect in ((False, a_dialect()), (True, a_dialect(esp32_only=False))):
        dialect.read(config(), None)
        reading = dialect.read(told, HINTED)
        assert isinstance(reading, Announcement) is wanted


def test_what_concerns_nobody_is_nothing(dialect: TasmotaDialect) -> None:
    assert dialect.read(result(POWER="ON"), BOARD) == Echo()
    assert dialect.read(message("stat/other/RESULT", OtaUrl=""), None) == Echo()
    assert dialect.read(result(OtaUrl=OFFICIAL), BOARD) == Answer()
    assert dialect.read(Message("cmnd/plug/Upgrade", b"1"), BOARD) == Echo()
    assert dialect.read(Message("stat/plug/Upgrade", b"1", True), BOARD) == Echo()


def test_a_retained_command_is_somebody_s_leftover_and_a_retained_answer_is_no_answer(dialect: TasmotaDialect) -> None:
    assert dialect.read(Message("cmnd/plug/Upgrade", b"1", True), BOARD) == Leftover("cmnd/plug/Upgrade")
    assert dialect.read(replace(result(Upgrade="Failed"), retain=True), BOARD) == Ignored("retained by somebody")


@pytest.mark.parametrize(
    ("word", "cause"),
    [
        (Message("stat/plug/STATUS2", b"{"), "not JSON"),
        (message("stat/plug/STATUS2"), "StatusFWR is not a JSON object"),
        (status("15.4.0"), "its version does not name a build"),
        (message("stat/plug/STATUS1", StatusPRM=1), "StatusPRM is not a JSON object"),
    ],
)
def test_an_answer_that_cannot_be_read_is_dropped(dialect: TasmotaDialect, word: Message, cause: str) -> None:
    assert dialect.read(word, BOARD) == Ignored(cause)


# Which build it is


@pytest.mark.parametrize(
    ("hardware", "chip"),
    [
        ("ESP32-C3 v0.4", "ESP32-C3"),
        ("ESP8685 v0.4", "ESP32-C3"),
        ("ESP8684 v1.0", "ESP32-C2"),
        ("ESP32-D0WD-V3 v3.1", "ESP32"),
        ("ESP32-S0WD v1.0", "ESP32"),
        ("ESP32-U4WDH-S v3.0", "ESP32"),
        ("ESP32-PICO-V3-02 v3.0", "ESP32"),
        ("ESP32", "ESP32"),
        ("ESP32-S2FN4R2 v0.0", "ESP32-S2"),
        ("ESP32-S3-PICO-1 v0.2", "ESP32-S3"),
        ("ESP32-C6FH4 v0.0", "ESP32-C6"),
        ("ESP32-C61", "ESP32-C61"),
        ("ESP32-P4 v1.0", "ESP32-P4"),
        ("ESP8266EX", "ESP8266"),
        ("ESP8285N08", "ESP8266"),
        ("ESP32-X9", ""),
        ("", ""),
    ],
)
def test_the_hardware_names_a_chip(hardware: str, chip: str) -> None:
    assert chip_of(hardware) == chip


@pytest.mark.parametrize(
    ("image", "chip", "named", "build"),
    [
        ("tasmota32", "ESP32", "tasmota32", "tasmota32"),
        ("tasmota32", "ESP32", "", "tasmota32"),
        ("tasmota32", "ESP32", "tasmota32-DE", "tasmota32-DE"),
        ("tasmota32", "ESP32", "tasmota32-bluetooth", "tasmota32"),
        ("tasmota32", "ESP32-C3", "tasmota32c3", "tasmota32c3"),
        ("tasmota32", "ESP32-C3", "tasmota32", "tasmota32c3"),
        ("tasmota32", "ESP32-S2", "tasmota32s2cdc", "tasmota32s2cdc"),
        ("bluetooth", "ESP32", "tasmota32", "tasmota32-bluetooth"),
        ("bluetooth", "ESP32-C3", "tasmota32c3-bluetooth-FR", "tasmota32c3-bluetooth-FR"),
        ("lvgl-haspmota", "ESP32", "", "tasmota32-lvgl"),
        ("solo1", "ESP32", "tasmota32solo1", "tasmota32solo1"),
        ("solo1", "ESP32-C3", "", "tasmota32c3-solo1"),
        ("tasmota32c3-mine", "ESP32-C3", "", "tasmota32c3-mine"),
        ("tasmota32s3ser", "ESP32-S3", "", "tasmota32s3ser"),
        ("tasmota32c3", "ESP32-S3", "", NO_BUILD),
        ("tasmota32c3", "ESP32", "", NO_BUILD),
        ("tasmota", "ESP32", "", NO_BUILD),
        ("tasmota32", "", "tasmota32", NO_BUILD),
        ("tasmota", "ESP8266", "", "tasmota.bin.gz"),
        ("sensors", "ESP8266", "", "tasmota-sensors.bin.gz"),
    ],
)
def test_a_build_is_one_file_or_none(image: str, chip: str, named: str, build: str) -> None:
    assert build_of(image, chip, named) == build


def test_a_chip_that_an_old_tasmota_does_not_know_is_no_esp32(dialect: TasmotaDialect) -> None:
    dialect.read(address(OFFICIAL.replace("c3", "c5")), HINTED)
    reading = dialect.read(status(hardware="ESP32"), HINTED)
    assert isinstance(reading, Announcement)
    assert reading.board.build == NO_BUILD


LANGUAGES = re.findall("..", "ADAFBGBRCNCZDEESFRFYGRHEHUITKOLTNLPLPTRORUSESKTRTWUKVN")
VARIANTS = [
    *("", "solo1", "s2", "s2cdc", "c2", "c3", "c5", "c6", "p4", "s3", "-webcam", "-bluetooth", "-display", "-lvgl"),
    *("-ir", "-zbbrdgpro", "-nspanel", "c3-bluetooth", "s3-bluetooth", *(f"-{language}" for language in LANGUAGES)),
]
SMALL = [
    "tasmota",
    "tasmota-4M",
    "tasmota-lite",
    "tasmota-sensors",
    "tasmota-knx",
    "tasmota-display",
    "tasmota-minimal",
]
FILES = [
    *(f"tasmota32{variant}.bin" for variant in VARIANTS),
    *(f"tasmota32{variant}.factory.bin" for variant in VARIANTS),
    *(f"tasmota32{chip}-safeboot.bin" for chip in ("", "solo1", "s2", "s2cdc", "c2", "c3", "c3ser", "c5", "c6", "s3")),
    *(f"{name}{ending}" for name in SMALL for ending in (".bin", ".bin.gz")),
    *(f"tasmota-{language}{ending}" for language in LANGUAGES for ending in (".bin", ".bin.gz")),
]


def a_release() -> list[dict[str, Any]]:
    where = "https://github.example/arendst/Tasmota/releases/download/v15.5.0/"
    assets = [
        {"name": name, "browser_download_url": where + name, "size": 1000, "state": "uploaded"}
        for name in sorted(FILES)
    ]
    return [{"tag_name": "v15.5.0", "name": "Tasmota v15.5.0", "draft": False, "prerelease": False, "assets": assets}]


@pytest.mark.parametrize(
    ("build", "chip"),
    [
        *((f"tasmota32-{language}", "ESP32") for language in LANGUAGES),
        ("tasmota32", "ESP32"),
        ("tasmota32solo1", "ESP32"),
        ("tasmota32-bluetooth", "ESP32"),
        ("tasmota32c3", "ESP32-C3"),
        ("tasmota32c3-bluetooth", "ESP32-C3"),
        ("tasmota32s2cdc", "ESP32-S2"),
        ("tasmota32p4", "ESP32-P4"),
    ],
)
def test_of_a_whole_release_a_board_is_offered_just_its_file(build: str, chip: str) -> None:
    assert len(FILES) > 150
    releases = parse("github", json.dumps(a_release()).encode(), "https://api.github.example/")
    board = replace(BOARD, build=build, chip=chip)
    (offered_file,) = candidates(board, Product(name="Tasmota"), releases)
    assert offered_file.asset.name == f"{build}.bin"


@pytest.mark.parametrize("build", [NO_BUILD, "tasmota.bin.gz", "tasmota32c3-mine", "tasmota32c3-safeboot2"])
def test_a_build_that_no_file_is_named_like_is_offered_nothing(build: str) -> None:
    releases = parse("github", json.dumps(a_release()).encode(), "https://api.github.example/")
    assert candidates(replace(BOARD, build=build), Product(name="Tasmota"), releases) == ()


# An update


def test_an_update_asks_for_the_old_address_tells_the_new_one_and_begins_once_it_has_arrived(
    dialect: TasmotaDialect, session: Session
) -> None:
    offer = offered(dialect, session)
    assert (offer.topic, offer.name, offer.limit, offer.from_feed) == (
        *("cmnd/plug/OtaUrl", "tasmota32c3.bin", 150),
        False,
    )
    assert set("%;") <= set(offer.forbidden)
    assert tell(dialect, session, result(OtaUrl=OFFICIAL)) == []
    assert tell(dialect, session, result(OtaUrl=OURS)) == [Publish("cmnd/plug/Upgrade", b"1")]
    assert tell(dialect, session, result(OtaUrl=OURS)) == []
    tell(dialect, session, result(Upgrade=f"Version 15.4.0 from {OURS}"), 2.0)
    assert (session.state, session.wake_at) == (State.TRANSFERRING, 602.0)
    assert dialect.fetched(session, BOARD, 400, 3.0) == []
    assert (session.held, session.wake_at) == (400, 603.0)
    tell(dialect, session, message("stat/plug/UPGRADE", Upgrade="Successful. Restarting"), 4.0)
    assert session.state is State.REBOOTING
    assert dialect.fetched(session, BOARD, 1000, 4.0) == []
    assert dialect.presence(session, BOARD, Availability.ONLINE, 5.0) == list(reversed(QUESTIONS))
    session.announced(replace(BOARD, version="15.5.0"), 6.0, live=True)
    assert session.verified
    assert dialect.read(address(OURS), BOARD) == Hint(BOARD, (GIVEN_BACK,))
    assert dialect.read(address(OFFICIAL), BOARD) == Echo()


def test_the_feed_s_own_address_may_be_told(session: Session) -> None:
    dialect = a_dialect(source="feed")
    dialect.read(config(), None)
    assert offered(dialect, session, "https://feed.example/tasmota32c3.bin").from_feed
    assert dialect.tick(session, BOARD, 20.0) != []


def test_a_board_without_a_build_is_told_a_plain_name(dialect: TasmotaDialect, session: Session) -> None:
    dialect.begin(session, BOARD, 0.0)
    (offer,) = dialect.receive(session, replace(BOARD, build=NO_BUILD), result(OtaUrl=OFFICIAL), 1.0)
    assert isinstance(offer, OfferUrl)
    assert offer.name == "firmware.bin"


def test_an_address_that_home_assistant_made_before_is_not_given_back(
    dialect: TasmotaDialect, session: Session
) -> None:
    dialect.begin(session, BOARD, 0.0)
    tell(dialect, session, result(OtaUrl=OURS))
    assert session.memo["former"] == ""
    session.memo["told"] = OURS
    session.cancel(1.0)
    assert dialect.read(address(OURS), BOARD) == Hint(BOARD, (Publish("cmnd/plug/OtaUrl", b"1"),))


def test_a_board_that_kept_an_address_of_home_assistant_s_gets_the_one_of_its_build(dialect: TasmotaDialect) -> None:
    assert dialect.read(address(OURS), BOARD) == Hint(BOARD, (Publish("cmnd/plug/OtaUrl", b"1"),))


def test_nothing_is_given_back_while_an_update_runs(dialect: TasmotaDialect, session: Session) -> None:
    flashing(dialect, session)
    assert dialect.read(address(OURS), BOARD) == Echo()


def test_an_address_that_arrives_otherwise_ends_the_update(dialect: TasmotaDialect, session: Session) -> None:
    offered(dialect, session)
    older = OURS.replace("aaa", "bbb")
    assert tell(dialect, session, result(OtaUrl=older)) == []
    assert tell(dialect, session, result(OtaUrl=OURS[:-3])) == [StopBlocks(), GIVEN_BACK]
    assert (session.state, session.reason) == (State.FAILED, Reason.BOARD_REFUSED)


def test_an_answer_before_anything_was_told_is_nothing(dialect: TasmotaDialect, session: Session) -> None:
    dialect.begin(session, BOARD, 0.0)
    tell(dialect, session, result(OtaUrl=OFFICIAL))
    assert tell(dialect, session, result(OtaUrl="http://other/")) == []
    assert tell(dialect, session, result(Upgrade="Failed")) == [Ignored("speaks of an update that is not this one")]
    assert session.state is State.OFFERED


@pytest.mark.parametrize(
    ("said", "reason", "detail"),
    [
        ("Failed File Not Found (404)", Reason.BOARD_TRANSPORT, "File Not Found (404)"),
        ("Failed New Binary Does Not Fit Flash Size", Reason.BOARD_REFUSED, "New Binary Does Not Fit Flash Size"),
        ("Failed Wrong MD5", Reason.BOARD_DIGEST, "Wrong MD5"),
        ("Failed Verify Bin Header Failed", Reason.BOARD_IMAGE, "Verify Bin Header Failed"),
        ("Failed Update error: Flash Erase Failed", Reason.BOARD_FLASH, "Update error: Flash Erase Failed"),
        ("Failed", Reason.BOARD_FAILED, ""),
        ("1 or >15.4.0 to upgrade", Reason.BOARD_REFUSED, "1 or >15.4.0 to upgrade"),
    ],
)
def test_a_failure_has_a_reason_and_gives_the_address_back(
    dialect: TasmotaDialect, session: Session, said: str, reason: Reason, detail: str
) -> None:
    sent(dialect, session)
    assert tell(dialect, session, result(Upgrade=said)) == [StopBlocks(), GIVEN_BACK]
    assert (session.reason, session.detail) == (reason, detail)


def test_who_is_tried_again_is_told_without_asking(dialect: TasmotaDialect, session: Session) -> None:
    session.retries = 1
    sent(dialect, session)
    tell(dialect, session, result(Upgrade="Failed HTTP error: connection refused"))
    assert session.state is State.QUEUED
    assert tell(dialect, session, result(OtaUrl=OFFICIAL)) == []
    (offer,) = dialect.begin(session, BOARD, 100.0)
    assert isinstance(offer, OfferUrl)


@pytest.mark.parametrize("payload", [b"{", b'{"OtaUrl": 1}'])
def test_an_answer_that_cannot_be_read_moves_nothing(dialect: TasmotaDialect, session: Session, payload: bytes) -> None:
    dialect.begin(session, BOARD, 0.0)
    (ignored,) = tell(dialect, session, Message("stat/plug/RESULT", payload))
    assert isinstance(ignored, Ignored)


def test_a_board_whose_topics_are_not_known_is_offered_in_vain(session: Session) -> None:
    dialect = a_dialect()
    assert dialect.begin(session, BOARD, 0.0) == []
    assert tell(dialect, session, status()) == []
    assert dialect.cancel(session, BOARD, 0.0) == [StopBlocks()]
    assert dialect.transport(BOARD, Transport.BLOCKS) is Transport.HTTP
    for now in (15.0, 30.0, 45.0):
        dialect.tick(session, BOARD, now)
    assert session.reason is Reason.NO_ANSWER


# Silence


def test_who_was_told_to_fetch_and_does_not_is_not_told_twice(dialect: TasmotaDialect, session: Session) -> None:
    sent(dialect, session)
    assert dialect.tick(session, BOARD, 16.0) == [StopBlocks()]
    assert session.wake_at == 16.0 + QUIET
    assert dialect.tick(session, BOARD, 76.0) == [StopBlocks(), QUESTIONS[0]]
    assert session.reason is Reason.NEVER_FETCHED


def test_a_silent_flash_is_waited_for_and_then_asked_about(dialect: TasmotaDialect, session: Session) -> None:
    flashing(dialect, session)
    dialect.fetched(session, BOARD, 0, 2.0)
    # A restart of Home Assistant wakes it early.
    assert dialect.tick(session, BOARD, 5.0) == [StopBlocks()]
    assert session.wake_at == 602.0
    assert dialect.tick(session, BOARD, 602.0) == [QUESTIONS[1]]
    assert session.wake_at == 602.0 + ANSWER
    assert dialect.tick(session, BOARD, 617.0) == [StopBlocks(), QUESTIONS[0]]
    assert session.reason is Reason.STALLED


def test_a_board_that_runs_its_old_build_again_is_waited_for_less(dialect: TasmotaDialect, session: Session) -> None:
    flashing(dialect, session)
    assert tell(dialect, session, config(), 10.0) == []
    assert session.wake_at == 10.0 + QUIET
    dialect.tick(session, BOARD, 20.0)
    assert session.wake_at == 10.0 + QUIET
    dialect.fetched(session, BOARD, 0, 30.0)
    assert session.wake_at == 630.0


def test_nothing_is_known_of_a_fetch_from_the_feed(session: Session) -> None:
    dialect = a_dialect(source="feed")
    dialect.read(config(), None)
    flashing(dialect, session)
    tell(dialect, session, config(), 10.0)
    assert session.wake_at == 601.0


def test_a_board_that_is_left_in_safeboot_is_said_to_be(dialect: TasmotaDialect, session: Session) -> None:
    flashing(dialect, session)
    dialect.tick(session, BOARD, 601.0)
    assert tell(dialect, session, status("15.5.0(safeboot)"), 602.0) == []
    assert dialect.tick(session, BOARD, 616.0) == [StopBlocks(), QUESTIONS[0]]
    assert (session.reason, session.detail) == (Reason.BOARD_FAILED, "safeboot")


def test_a_board_that_does_not_come_back_is_asked_once(dialect: TasmotaDialect, session: Session) -> None:
    flashing(dialect, session)
    tell(dialect, session, message("stat/plug/UPGRADE", Upgrade="Successful. Restarting"), 4.0)
    due = 4.0 + PATIENCE[State.REBOOTING]
    assert session.wake_at == due
    assert dialect.tick(session, BOARD, due) == [QUESTIONS[1]]
    assert session.wake_at == due + LATE
    assert dialect.tick(session, BOARD, due + LATE) == [StopBlocks(), QUESTIONS[0]]
    assert session.reason is Reason.NEVER_RETURNED


def test_a_board_that_goes_before_it_was_told_to_fetch_is_waited_for(dialect: TasmotaDialect, session: Session) -> None:
    dialect.begin(session, BOARD, 0.0)
    assert dialect.presence(session, BOARD, Availability.OFFLINE, 1.0) == []
    assert session.state is State.WAITING
    assert dialect.presence(session, BOARD, Availability.ONLINE, 2.0) == [Publish("cmnd/plug/OtaUrl", b"")]


def test_a_board_that_goes_because_it_fetches_is_not(dialect: TasmotaDialect, session: Session) -> None:
    sent(dialect, session)
    assert dialect.presence(session, BOARD, Availability.OFFLINE, 1.0) == []
    assert session.state is State.OFFERED


def test_a_cancel_gives_the_address_back_as_long_as_the_board_does_not_fetch(
    dialect: TasmotaDialect, session: Session
) -> None:
    dialect.begin(session, BOARD, 0.0)
    assert dialect.cancel(session, BOARD, 0.0) == [StopBlocks()]
    offered_session = Session.create("2", BOARD, TARGET, 0.0)
    offered(dialect, offered_session)
    assert dialect.cancel(offered_session, BOARD, 2.0) == [StopBlocks(), GIVEN_BACK]
    tell(dialect, offered_session, result(OtaUrl=OURS))
    assert dialect.cancel(offered_session, BOARD, 3.0) == [StopBlocks()]


# Settings


@pytest.mark.parametrize(
    ("settings", "key", "reason"),
    [
        ({"prefix": "tasmota/{id}"}, "prefix", "topic_invalid"),
        ({"prefix": "a/#"}, "prefix", "topic_invalid"),
        ({"full_topics": "\n \n"}, "full_topics", "missing"),
        ({"full_topics": "%prefix%/%topic%\n" * 9}, "full_topics", "text_invalid"),
        ({"full_topics": "%topic%/"}, "full_topics", "full_topic_invalid"),
        ({"full_topics": "%prefix%/%topic%/#"}, "full_topics", "full_topic_invalid"),
        ({"minutes": 1}, "minutes", "number_invalid"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(settings: dict[str, Any], key: str, reason: str) -> None:
    with pytest.raises(SettingError) as caught:
        KIND.build("tasmota.1", settings)
    assert (caught.value.key, caught.value.reason) == (key, reason)


def test_a_full_topic_is_heard_whatever_stands_in_its_words() -> None:
    assert filter_of("home/%topic%/%prefix%/") == "home/+/+"
    assert is_heard("home/plug/stat", ("+/+", "home/+/+"))
    assert not is_heard("house/plug/stat", ("home/+/+",))
    assert not is_heard("plug", ("+/+",))


# Anything else

TOPICS = st.sampled_from(
    [
        f"tasmota/discovery/{MAC}/config",
        *(f"stat/plug/{word}" for word in ("STATUS1", "STATUS2", "RESULT", "UPGRADE")),
        *("tele/plug/LWT", "cmnd/plug/Upgrade", "x", ""),
    ]
)


@given(topic=TOPICS, payload=st.binary(max_size=200), retain=st.booleans(), is_known=st.booleans())
def test_no_bytes_raise(topic: str, payload: bytes, retain: bool, is_known: bool) -> None:
    dialect = a_dialect()
    dialect.read(config(), None)
    session = Session.create("1", BOARD, TARGET, 0.0, Transport.HTTP)
    sent(dialect, session)
    word = Message(topic, payload, retain)
    dialect.board_id(word)
    dialect.read(word, BOARD if is_known else None)
    dialect.receive(session, BOARD, word, 2.0)


@given(
    key=st.sampled_from(["OtaUrl", "Upgrade", "StatusFWR", "StatusPRM"]),
    value=st.recursive(
        st.none() | st.integers() | st.text(max_size=20), lambda inner: st.dictionaries(st.text(), inner)
    ),
)
def test_no_json_raises(key: str, value: Any) -> None:
    test_no_bytes_raise.hypothesis.inner_test(  # type: ignore[attr-defined]
        "stat/plug/STATUS2", json.dumps({key: value}).encode(), False, True
    )


@given(fields=st.fixed_dictionaries({}, optional=dict.fromkeys(CONFIG, st.text(max_size=20) | st.none())))
def test_no_announcement_raises(fields: dict[str, Any]) -> None:
    a_dialect().read(message(f"tasmota/discovery/{MAC}/config", **CONFIG | fields), None)

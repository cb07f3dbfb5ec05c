"""The native dialect: what it makes of messages, and when it offers again, goes on or gives up."""

from dataclasses import replace
import json
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.mqtt_ota.ota.announce import parse_announce
from custom_components.mqtt_ota.ota.blocks import Want, parse_frame, tag_of
from custom_components.mqtt_ota.ota.board import Availability, Encoding, Order, Transport
from custom_components.mqtt_ota.ota.bundle import Bundle, File, write_bundle
from custom_components.mqtt_ota.ota.dialects import (
    Announcement,
    Answer,
    Block,
    Clear,
    Effect,
    Ignored,
    Message,
    OfferUrl,
    Presence,
    Publish,
    SendBlocks,
    StopBlocks,
)
from custom_components.mqtt_ota.ota.dialects.native import AWAY, FAILURES, OFFERS, NativeDialect
from custom_components.mqtt_ota.ota.errors import OtaError, Reason
from custom_components.mqtt_ota.ota.session import Session, State

from .native import ANNOUNCE, BOARD, IMAGE, TARGET, a_session, message

NATIVE = NativeDialect()
TAG = tag_of(TARGET.sha256)
SESSION_ID = a_session().id


def offered(effects: list[Effect]) -> dict[str, Any]:
    """Return the one offer among effects."""
    (offer,) = [effect for effect in effects if isinstance(effect, Publish)]
    assert (offer.topic, offer.qos) == ("mqtt_ota/board/relay-1/offer", 1)
    fields: dict[str, Any] = json.loads(offer.payload)
    return fields


def want(*blocks: int, tag: bytes = TAG, size: int = 1024, probe: bool = False) -> Message:
    return message("want", Want(probe=probe, tag=tag, block_size=size, first=min(blocks), blocks=blocks).payload())


def begun(**changes: Any) -> Session:
    session = a_session(**changes)
    NATIVE.begin(session, BOARD, 1)
    return session


def status(state: str, **fields: Any) -> Message:
    return message("status", {"session": SESSION_ID, "state": state, "held": 0} | fields)


# What a message is


def test_it_listens_where_boards_speak() -> None:
    assert dict(NativeDialect("house/ota").topics()) == {
        "house/ota/board/+/announce": 1,
        "house/ota/board/+/availability": 1,
        "house/ota/board/+/want": 0,
        "house/ota/board/+/status": 1,
    }


@pytest.mark.parametrize("board_id", ["", "..", ".", "a/b", "+", "#", "x" * 65, "x" * 10_000, "ä", "a b", "a\x00"])
def test_a_hostile_id_names_no_board(board_id: str) -> None:
    assert NATIVE.board_id(message("announce", ANNOUNCE, board_id=board_id)) is None


def test_other_topics_name_no_board() -> None:
    assert NATIVE.board_id(Message("mqtt_ota/board/relay-1/offer", b"")) is None
    assert NATIVE.board_id(Message("mqtt_otaXboard/relay-1/announce", b"")) is None
    assert NATIVE.board_id(message("want", b"")) == "relay-1"


def test_an_announce_describes_a_board() -> None:
    reading = NATIVE.read(message("announce", ANNOUNCE))
    assert isinstance(reading, Announcement)
    board = reading.board
    assert (board.id, board.chip, board.version, board.mac) == ("relay-1", "ESP32-S3", "1.0.0", "aa:bb:cc:00:11:22")
    assert board.encodings == {Encoding.RAW, Encoding.DEFLATE}
    assert board.transports == {Transport.BLOCKS, Transport.HTTP}
    assert (board.order, board.counter, board.keys) == (Order.ANY, 3, ("0123456789abcdef",))


def test_the_least_announce_is_enough() -> None:
    least = {"protocol": 1, "id": "a", "chip": "ESP32", "version": "1", "slot_size": 1, "transports": ["http"]}
    board = parse_announce(json.dumps(least).encode(), "native")
    assert (board.order, board.window, board.block_size) == (Order.SEQUENTIAL, 1, 256)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"protocol": 2}, "another protocol version"),
        ({"protocol": "1"}, "protocol"),
        ({"id": "other"}, "under the id of another board"),
        ({"version": ""}, "version is empty"),
        ({"version": 1}, "version is not text"),
        ({"chip": None}, "chip is missing"),
        ({"name": "x" * 65}, "name is longer"),
        ({"slot_size": -1}, "slot_size"),
        ({"block_size": 255}, "block_size"),
        ({"block_size": 16385}, "block_size"),
        ({"window": 0}, "window"),
        ({"order": "random"}, "order"),
        ({"transports": "blocks"}, "transports"),
        ({"mac": "aa:bb"}, "mac"),
        ({"sha256": "zz"}, "sha256"),
        ({"pending": 1}, "pending"),
        ({"feed": "x" * 257}, "feed"),
        ({"name": "x" * 60, "padding": "x" * 2048}, "longer than 2048"),
    ],
)
def test_a_wrong_announce_is_dropped_with_its_cause(changes: dict[str, Any], cause: str) -> None:
    reading = NATIVE.read(message("announce", ANNOUNCE | changes))
    assert isinstance(reading, Ignored)
    assert cause in reading.cause


@pytest.mark.parametrize("payload", [b"", b"nonsense", b"[]", b"\xff\xfe", b"x" * 100_000])
def test_an_announce_that_is_no_object_is_dropped(payload: bytes) -> None:
    assert isinstance(NATIVE.read(message("announce", payload)), Ignored)


@pytest.mark.parametrize("said", ["online", "offline", "asleep"])
def test_availability_is_read(said: str) -> None:
    assert NATIVE.read(message("availability", said.encode())) == Presence(Availability(said))


@pytest.mark.parametrize("said", [b"", b"unknown", b"ONLINE", b"\xff", b"online" * 1000])
def test_other_availability_is_dropped(said: bytes) -> None:
    assert isinstance(NATIVE.read(message("availability", said)), Ignored)


def test_a_retained_answer_is_no_news() -> None:
    assert isinstance(NATIVE.read(message("status", {}, retain=True)), Ignored)
    assert isinstance(NATIVE.read(message("want", b"")), Answer)


# The offer


def test_an_offer_carries_the_terms() -> None:
    session = a_session()
    offer = offered(NATIVE.begin(session, BOARD, 1))
    assert offer == {
        "protocol": 1,
        "session": SESSION_ID,
        "manifest": "mqtt_ota 1\n",
        "transport": "blocks",
        "topic": "mqtt_ota/board/relay-1/block",
        "block_size": 1024,
        "window": 8,
        "encoding": "deflate",
    }
    assert session.state is State.OFFERED


def test_a_signature_travels_with_the_offer_and_raw_boards_get_raw_terms() -> None:
    session = a_session(target=replace(TARGET, signature="c2ln"))
    offer = offered(NATIVE.begin(session, replace(BOARD, encodings=frozenset()), 1))
    assert (offer["signature"], offer["encoding"]) == ("c2ln", "raw")


def test_an_offer_by_url_waits_for_the_url_and_names_its_scheme() -> None:
    (effect,) = NATIVE.begin(a_session(transport=Transport.HTTP), BOARD, 1)
    assert isinstance(effect, OfferUrl)
    assert effect.schemes == {"http", "https"}
    offer = json.loads(effect.payload("https://ha.example/x"))
    assert (offer["transport"], offer["url"]) == ("https", "https://ha.example/x")


@pytest.mark.parametrize(
    ("transports", "preferred", "chosen"),
    [
        ({Transport.BLOCKS, Transport.HTTP}, Transport.BLOCKS, Transport.BLOCKS),
        ({Transport.BLOCKS, Transport.HTTP}, Transport.HTTP, Transport.HTTP),
        ({Transport.BLOCKS}, Transport.HTTP, Transport.BLOCKS),
        ({Transport.HTTPS}, Transport.BLOCKS, Transport.HTTP),
    ],
)
def test_the_way_is_one_that_the_board_can_take(transports: set[Transport], preferred: Any, chosen: Any) -> None:
    assert NATIVE.transport(replace(BOARD, transports=frozenset(transports)), preferred) is chosen


def test_a_board_without_a_way_is_refused() -> None:
    with pytest.raises(OtaError) as caught:
        NATIVE.transport(replace(BOARD, transports=frozenset()), Transport.BLOCKS)
    assert caught.value.reason is Reason.NO_TRANSPORT


def test_a_release_of_files_must_not_replace_what_the_agent_starts_from() -> None:
    def prepare(name: str) -> None:
        files = (File(name=name, content=b"x"),)
        NATIVE.prepare(a_session(), BOARD, write_bundle(Bundle(version="1", project="", files=files)))

    prepare("app.py")
    with pytest.raises(OtaError) as caught:
        prepare("main.py")
    assert caught.value.reason is Reason.IMAGE_BUNDLE
    NATIVE.prepare(a_session(), BOARD, IMAGE)


def test_boards_that_share_an_image_share_its_topic_until_one_falls_behind() -> None:
    session = a_session(memo={"shared": True})
    shared = f"mqtt_ota/image/{TAG.hex()}"
    assert offered(NATIVE.begin(session, BOARD, 1))["topic"] == shared
    (sent,) = NATIVE.receive(session, BOARD, want(0), 2)
    assert isinstance(sent, SendBlocks)
    assert sent.topic == shared
    NATIVE.tick(session, BOARD, 40)
    assert offered(NATIVE.tick(session, BOARD, 70))["topic"] == "mqtt_ota/board/relay-1/block"
    (sent,) = NATIVE.receive(session, BOARD, want(0), 80)
    assert isinstance(sent, SendBlocks)
    assert sent.topic == "mqtt_ota/board/relay-1/block"


def test_a_sequential_board_never_shares() -> None:
    session = a_session(memo={"shared": True})
    offer = offered(NATIVE.begin(session, replace(BOARD, order=Order.SEQUENTIAL), 1))
    assert offer["topic"] == "mqtt_ota/board/relay-1/block"


# Wants


def test_a_want_is_answered_wholly_up_to_the_short_last_block() -> None:
    session = begun()
    (sent,) = NATIVE.receive(session, BOARD, want(0, 3, 39, size=256), 2)
    assert sent == SendBlocks(
        "mqtt_ota/board/relay-1/block",
        tuple(Block(start, 256, Encoding.DEFLATE) for start in (0, 768, 9984)),
    )
    last = len(IMAGE) // 3000
    (sent,) = NATIVE.receive(session, BOARD, want(last, size=3000), 2)
    assert isinstance(sent, SendBlocks)
    assert sent.blocks == (Block(last * 3000, len(IMAGE) - last * 3000, Encoding.DEFLATE),)
    assert session.state is State.TRANSFERRING


def test_a_probe_is_answered_raw_and_a_frame_carries_the_bytes() -> None:
    session = begun()
    (sent,) = NATIVE.receive(session, BOARD, want(0, probe=True), 2)
    assert isinstance(sent, SendBlocks)
    (block,) = sent.blocks
    assert block.encoding is Encoding.RAW
    frame = parse_frame(NATIVE.frame(session, IMAGE, block))
    assert (frame.tag, frame.offset, frame.block) == (TAG, 0, IMAGE[:1024])


@pytest.mark.parametrize(
    ("asked", "cause"),
    [
        (want(0, tag=b"another!"), "another image"),
        (want(10), "beyond the image"),
        (want(2**32 - 256), "beyond the image"),
        (message("want", b""), "length"),
        (message("want", b"\x01" + b"\xff" * 40), ""),
    ],
)
def test_a_want_out_of_reach_is_dropped_and_the_session_survives(asked: Message, cause: str) -> None:
    session = begun()
    (effect,) = NATIVE.receive(session, BOARD, asked, 2)
    assert isinstance(effect, Ignored)
    assert cause in effect.cause
    assert (session.state, session.is_active) == (State.OFFERED, True)


def test_blocks_are_not_sent_to_a_board_that_was_given_a_url() -> None:
    (effect,) = NATIVE.receive(begun(transport=Transport.HTTP), BOARD, want(0), 2)
    assert isinstance(effect, Ignored)


# Status


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("accepted", State.TRANSFERRING),
        ("transferring", State.TRANSFERRING),
        ("verifying", State.VERIFYING),
        ("rebooting", State.REBOOTING),
        ("confirmed", State.REBOOTING),
    ],
)
def test_a_status_moves_the_session_but_never_confirms_it(said: str, state: State) -> None:
    session = begun()
    assert NATIVE.receive(session, BOARD, status(said, held=512), 2) == []
    assert (session.state, session.held) == (state, 512)


@pytest.mark.parametrize(
    ("fields", "state", "reason"),
    [
        ({"state": "failed", "reason": "chip"}, State.FAILED, Reason.WRONG_CHIP),
        ({"state": "failed", "reason": "flash", "detail": "sector 9"}, State.FAILED, Reason.BOARD_FLASH),
        ({"state": "failed", "reason": "never heard of"}, State.FAILED, Reason.BOARD_FAILED),
        ({"state": "failed"}, State.FAILED, Reason.BOARD_FAILED),
        ({"state": "rolled_back", "reason": "boot"}, State.ROLLED_BACK, Reason.ROLLED_BACK),
        ({"state": "cancelled"}, State.CANCELLED, Reason.CANCELLED),
    ],
)
def test_a_status_can_end_the_session(fields: dict[str, Any], state: State, reason: Reason) -> None:
    session = begun()
    assert NATIVE.receive(session, BOARD, status(**fields), 2) == [StopBlocks()]
    assert (session.state, session.reason) == (state, reason)


@pytest.mark.parametrize(
    "answer",
    [
        status("transferring", session="ffffffffffffffff"),
        status("dancing"),
        status("transferring", held="many"),
        status("transferring", held=-1),
        status("failed", detail="x" * 200),
        message("status", b"\x00" * 600),
        message("status", [1]),
    ],
)
def test_a_status_that_makes_no_sense_is_dropped(answer: Message) -> None:
    session = begun()
    (effect,) = NATIVE.receive(session, BOARD, answer, 2)
    assert isinstance(effect, Ignored)
    assert session.state is State.OFFERED


@given(st.sampled_from(["want", "status", "announce", "availability"]), st.binary(max_size=300), st.booleans())
def test_no_bytes_raise(kind: str, payload: bytes, retain: bool) -> None:
    heard = message(kind, payload, retain=retain)
    NATIVE.read(heard)
    if kind in {"want", "status"}:
        NATIVE.receive(begun(), BOARD, heard, 2)


# Ways that fail


def test_a_way_that_fails_gives_place_to_the_other_until_it_was_enough() -> None:
    session = begun()
    ways = []
    for attempt in range(FAILURES):
        ways.append(session.transport)
        effects = NATIVE.receive(session, BOARD, status("failed", reason="transport", detail="refused"), 2.0 + attempt)
        assert effects[0] == StopBlocks()
    assert ways == [Transport.BLOCKS, Transport.HTTP, Transport.BLOCKS, Transport.HTTP]
    assert (session.state, session.reason, session.detail) == (State.FAILED, Reason.BOARD_TRANSPORT, "refused")


def test_the_only_way_is_tried_again() -> None:
    board = replace(BOARD, transports=frozenset({Transport.HTTP}))
    session = begun(transport=Transport.HTTP)
    effects = NATIVE.transport_failed(session, board, Reason.NO_URL, 2)
    assert isinstance(effects[1], OfferUrl)
    NATIVE.transport_failed(session, replace(board, transports=frozenset()), Reason.NO_URL, 3)
    assert session.reason is Reason.NO_URL


# Time


def ticks(session: Session) -> int:
    """Let time pass until the verdict; return how many offers went out."""
    offers = 0
    while session.is_active:
        assert session.wake_at is not None
        offers += any(isinstance(effect, Publish) for effect in NATIVE.tick(session, BOARD, session.wake_at))
    return offers


@pytest.mark.parametrize(
    ("state", "offers", "reason"),
    [
        (State.OFFERED, OFFERS - 1, Reason.NO_ANSWER),
        (State.TRANSFERRING, OFFERS, Reason.STALLED),
        (State.VERIFYING, OFFERS, Reason.STALLED),
        (State.REBOOTING, 1, Reason.NEVER_RETURNED),
        (State.WAITING, 0, Reason.WAITED_TOO_LONG),
    ],
)
def test_silence_ends_every_state(state: State, offers: int, reason: Reason) -> None:
    session = begun()
    if state is State.WAITING:
        session.wait(2)
    elif state is not State.OFFERED:
        session.alive(state, 2)
    assert ticks(session) == offers
    assert session.reason is reason


def test_the_queue_is_not_hurried() -> None:
    session = a_session()
    assert NATIVE.tick(session, BOARD, 1e6) == []
    assert session.state is State.QUEUED


def test_a_board_that_came_back_old_is_not_asked_again() -> None:
    session = begun()
    session.alive(State.REBOOTING, 2)
    session.announced(BOARD, 3, live=True)
    assert ticks(session) == 0
    assert session.reason is Reason.ROLLED_BACK


# Coming and going


def test_a_board_that_comes_is_offered_again() -> None:
    session = begun()
    session.wait(2)
    assert offered(NATIVE.presence(session, BOARD, Availability.ONLINE, 3))["session"] == SESSION_ID
    assert session.state is State.OFFERED


def test_a_board_that_falls_asleep_is_waited_for() -> None:
    session = begun()
    session.alive(State.TRANSFERRING, 2, held=2048)
    assert NATIVE.presence(session, BOARD, Availability.ASLEEP, 3) == [StopBlocks()]
    assert (session.state, session.held) == (State.WAITING, 2048)
    assert NATIVE.presence(session, BOARD, Availability.OFFLINE, 4) == []


def test_a_board_that_goes_in_the_middle_gets_time_to_come_back() -> None:
    session = begun()
    assert NATIVE.presence(session, BOARD, Availability.OFFLINE, 3) == [StopBlocks()]
    assert session.wake_at == 3 + AWAY


@pytest.mark.parametrize("availability", Availability)
def test_a_restarting_board_may_come_and_go(availability: Availability) -> None:
    session = begun()
    session.alive(State.REBOOTING, 2)
    assert NATIVE.presence(session, BOARD, availability, 3) == []
    assert NATIVE.presence(begun(), BOARD, Availability.UNKNOWN, 3) == []


def test_a_cancel_goes_to_the_board() -> None:
    stop, cancel = NATIVE.cancel(begun(), BOARD, 2)
    assert stop == StopBlocks()
    assert isinstance(cancel, Publish)
    assert (cancel.topic, json.loads(cancel.payload)) == ("mqtt_ota/board/relay-1/cancel", {"session": SESSION_ID})


def test_a_deleted_board_is_removed_from_the_broker() -> None:
    assert NATIVE.forget(BOARD) == [
        Clear("mqtt_ota/board/relay-1/announce"),
        Clear("mqtt_ota/board/relay-1/availability"),
    ]

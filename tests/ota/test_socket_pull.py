"""Boards that fetch files over TCP: what they are told, in which order, and what is known when one does not come."""

import hashlib
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.mqtt_ota.ota.board import Availability, Board
from custom_components.mqtt_ota.ota.bundle import Bundle, File, write_bundle
from custom_components.mqtt_ota.ota.dialects import (
    Dialect,
    Echo,
    Effect,
    Leftover,
    Message,
    OfferSocket,
    StopBlocks,
    Traits,
)
from custom_components.mqtt_ota.ota.dialects.base import OFFERS
from custom_components.mqtt_ota.ota.dialects.settings import SettingError
from custom_components.mqtt_ota.ota.dialects.socket_pull import KIND, LONGEST
from custom_components.mqtt_ota.ota.errors import OtaError, Reason
from custom_components.mqtt_ota.ota.session import Session, State, Target
from tests.firmware_images import build_app

ID = "24_0a_c4_11_22_33"
FILES = {"lib/lamp.py": b"x = 1\n", "empty.py": b"", "main.py": b"import lamp\n" * 9}
# The original refuses anything shorter.
SHORTEST = 45


def image_of(files: dict[str, bytes]) -> bytes:
    return write_bundle(
        Bundle(version="1.1.0", project="", files=tuple(File(name=n, content=c) for n, c in files.items()))
    )


IMAGE = image_of(FILES)
TARGET = Target(version="1.1.0", sha256=hashlib.sha256(IMAGE).hexdigest(), size=len(IMAGE))


def speak(**settings: Any) -> Dialect:
    return KIND.build("socket_pull.1", {"id": ID, "restart_seconds": 20, **settings})


def prepared(dialect: Dialect, image: bytes = IMAGE) -> tuple[Session, Board]:
    (board,) = dialect.boards()
    session = Session.create("s1", board, TARGET, 0)
    dialect.prepare(session, board, image)
    return session, board


def told(effects: list[Effect]) -> list[str]:
    """Return the fields of the one offer."""
    (offer,) = effects
    assert isinstance(offer, OfferSocket)
    assert (offer.topic, offer.qos, offer.ports) == (f"{ID}/OTA", 0, (49200, 49299))
    return offer.payload("192.0.2.1", 49200).decode("ascii").split("|")


def test_the_board_is_there_because_the_user_named_it() -> None:
    dialect = speak(model="lamp")
    assert dialect.boards() == (Board(id=ID, dialect="socket_pull.1", model="lamp", chip="MicroPython"),)
    assert dialect.topics() == ((f"{ID}/OTA", 0),)
    assert dialect.traits == Traits.PROGRESS


@pytest.mark.parametrize(("topic", "made"), [("house/{id}/OTA", f"house/{ID}/OTA"), ("kitchen/OTA", "kitchen/OTA")])
def test_the_topic_is_the_user_s(topic: str, made: str) -> None:
    dialect = speak(command_topic=topic)
    assert dialect.topics() == ((made, 0),)
    assert dialect.board_id(Message(made, b"x")) == ID
    assert dialect.board_id(Message(f"{ID}/ota", b"x")) is None


@pytest.mark.parametrize(
    ("settings", "key", "reason"),
    [
        ({"id": ""}, "id", "missing"),
        ({"id": "a/b"}, "id", "id_invalid"),
        ({"command_topic": ""}, "command_topic", "missing"),
        ({"command_topic": "{mac}/OTA"}, "command_topic", "word_unknown"),
        ({"address": "board.local"}, "address", "address_invalid"),
        ({"address": "fe80::1"}, "address", "address_invalid"),
        ({"host": "192.0.2.1|80"}, "host", "address_invalid"),
        ({"first_port": 50000, "last_port": 49999}, "last_port", "ports_invalid"),
        ({"first_port": 80}, "first_port", "number_invalid"),
        ({"seconds": 2}, "seconds", "number_invalid"),
        ({"seconds": 61}, "seconds", "number_invalid"),
        ({"restart_seconds": 0}, "restart_seconds", "number_invalid"),
        ({"reboot_field": "yes"}, "reboot_field", "text_invalid"),
    ],
)
def test_settings_that_cannot_be_used(settings: dict[str, Any], key: str, reason: str) -> None:
    with pytest.raises(SettingError) as caught:
        speak(**settings)
    assert (caught.value.key, caught.value.reason) == (key, reason)


@pytest.mark.parametrize("ports", [(49200, 49200), (1024, 65535)])
def test_one_port_is_a_range(ports: tuple[int, int]) -> None:
    dialect = speak(first_port=float(ports[0]), last_port=ports[1], host="192.0.2.9", address="192.0.2.7", seconds=5)
    session, board = prepared(dialect)
    (offer,) = dialect.begin(session, board, 1)
    assert isinstance(offer, OfferSocket)
    assert (offer.ports, offer.host, offer.address, offer.seconds) == (ports, "192.0.2.9", "192.0.2.7", 5.0)


@given(payload=st.binary(), retain=st.booleans())
def test_whatever_is_on_its_topic_is_a_command_and_a_remembered_one_a_leftover(payload: bytes, retain: bool) -> None:
    dialect = speak()
    (board,) = dialect.boards()
    message = Message(f"{ID}/OTA", payload, retain)
    assert dialect.read(message, board) == (Leftover(f"{ID}/OTA") if retain else Echo())
    session, _ = prepared(dialect)
    dialect.begin(session, board, 1)
    assert dialect.receive(session, board, message, 1) == []
    assert session.state is State.OFFERED


def test_firmware_is_no_release_of_files() -> None:
    with pytest.raises(OtaError) as caught:
        prepared(speak(), build_app())
    assert caught.value.reason is Reason.NOT_FILES


def test_every_file_is_offered_in_order_and_only_the_last_restarts_the_board() -> None:
    dialect = speak()
    session, board = prepared(dialect)
    effects, held = dialect.begin(session, board, 1), []
    for place, (name, content) in enumerate(FILES.items()):
        (offer,) = effects
        assert isinstance(offer, OfferSocket)
        assert IMAGE[offer.offset : offer.offset + offer.length] == content
        digest = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        last = place == len(FILES) - 1
        assert told(effects) == ["192.0.2.1", "49200", name, digest, "1" if last else "0"]
        effects = dialect.served(session, board, None, 2 + place)
        held.append(session.held)
    assert effects == []
    assert held == sorted(held)
    assert (held[-1], session.state, session.wake_at) == (len(IMAGE), State.REBOOTING, 4 + 20)


def test_progress_is_what_was_served_of_the_whole() -> None:
    dialect = speak()
    session, board = prepared(dialect)
    dialect.begin(session, board, 1)
    assert not session.percentage
    dialect.served(session, board, None, 2)
    first = IMAGE.index(FILES["lib/lamp.py"]) + len(FILES["lib/lamp.py"])
    assert session.state is State.TRANSFERRING
    assert session.percentage == pytest.approx(100 * first / len(IMAGE), abs=0.1)


def test_an_older_board_restarts_after_each_file_and_is_given_the_time() -> None:
    dialect = speak(reboot_field=False)
    session, board = prepared(dialect)
    effects, now = dialect.begin(session, board, 0.0), 0.0
    for name in FILES:
        assert told(effects)[2] == name
        assert len(told(effects)) == 4
        assert dialect.served(session, board, None, now) == []
        assert session.wake_at == now + 20
        now += 20
        effects = dialect.tick(session, board, now)
    assert effects == [StopBlocks()]
    assert session.state is State.UNVERIFIED


def test_nobody_sees_whether_it_starts_so_nothing_is_confirmed() -> None:
    dialect = speak()
    session, board = prepared(dialect, image_of({"main.py": b"x"}))
    dialect.begin(session, board, 1)
    dialect.served(session, board, None, 2)
    assert dialect.tick(session, board, 30) == [StopBlocks()]
    assert (session.state, session.detail, session.reason, session.verified) == (
        State.UNVERIFIED,
        "fetched_all",
        None,
        False,
    )


@given(
    host=st.ip_addresses(v=4).map(str),
    port=st.integers(1024, 65535),
    name=st.from_regex(r"[A-Za-z0-9_-]{1,8}", fullmatch=True),
    reboot_field=st.booleans(),
)
def test_no_message_is_so_short_that_a_board_refuses_it(host: str, port: int, name: str, reboot_field: bool) -> None:
    dialect = speak(reboot_field=reboot_field)
    session, board = prepared(dialect, image_of({name: b""}))
    (offer,) = dialect.begin(session, board, 1)
    assert isinstance(offer, OfferSocket)
    # A digest of 40, three signs between, and at least 7, 4 and 1 for the rest: 55.
    assert len(offer.payload(host, port)) >= 55 > SHORTEST


@pytest.mark.parametrize("failure", [Reason.NEVER_FETCHED, Reason.BOARD_TRANSPORT])
def test_a_board_that_does_not_take_the_first_file_is_told_three_times(failure: Reason) -> None:
    dialect = speak()
    session, board = prepared(dialect)
    effects, now = dialect.begin(session, board, 0.0), 0.0
    for _ in range(OFFERS - 1):
        assert told(effects)[2] == "lib/lamp.py"
        assert dialect.served(session, board, failure, now) == []
        # It may restart over it.
        assert session.wake_at == now + 20
        now += 20
        effects = dialect.tick(session, board, now)
    assert dialect.served(session, board, failure, now) == [StopBlocks()]
    assert (session.state, session.reason, session.detail) == (State.FAILED, failure, "1/3: lib/lamp.py")


def test_a_half_delivered_release_names_the_file_that_is_missing() -> None:
    dialect = speak()
    session, board = prepared(dialect)
    dialect.begin(session, board, 0)
    dialect.served(session, board, None, 1)
    for now in (2, 30, 60):
        dialect.served(session, board, Reason.NEVER_FETCHED, now)
        dialect.tick(session, board, now + 20)
    assert (session.reason, session.detail) == (Reason.HALF_DELIVERED, "2/3: empty.py")


def test_a_file_that_was_missed_once_does_not_count_against_the_next() -> None:
    dialect = speak()
    session, board = prepared(dialect)
    dialect.begin(session, board, 0)
    for now in range(0, 200, 100):
        for later in (0, 30):
            dialect.served(session, board, Reason.NEVER_FETCHED, now + later)
            dialect.tick(session, board, now + later + 20)
        dialect.served(session, board, None, now + 60)
    assert (session.state, session.memo["at"]) == (State.TRANSFERRING, 2)


def test_the_next_try_of_a_half_delivered_release_goes_on_where_it_was() -> None:
    dialect = speak()
    session, board = prepared(dialect)
    session.retries = 1
    dialect.begin(session, board, 0)
    dialect.served(session, board, None, 1)
    for now in (2, 30, 60):
        dialect.served(session, board, Reason.NEVER_FETCHED, now)
        if now < 60:
            dialect.tick(session, board, now + 20)
    assert session.state is State.QUEUED
    assert told(dialect.begin(session, board, 200))[2] == "empty.py"


@pytest.mark.parametrize("reason", [Reason.NO_PORT, Reason.NO_ADDRESS])
def test_where_nothing_can_be_listened_on_the_reason_is_named(reason: Reason) -> None:
    dialect = speak()
    session, board = prepared(dialect)
    dialect.begin(session, board, 0)
    assert dialect.transport_failed(session, board, reason, 1) == [StopBlocks()]
    assert session.reason is reason


def test_an_offer_of_which_nothing_was_heard_is_made_again_and_not_for_ever() -> None:
    dialect = speak()
    session, board = prepared(dialect)
    dialect.begin(session, board, 0)
    assert session.wake_at == 10 + LONGEST
    assert told(dialect.tick(session, board, 100))[2] == "lib/lamp.py"
    assert told(dialect.tick(session, board, 200))[2] == "lib/lamp.py"
    assert dialect.tick(session, board, 300) == [StopBlocks()]
    assert session.reason is Reason.NEVER_FETCHED


def test_a_restart_of_home_assistant_goes_on_with_the_file_whose_turn_it_is() -> None:
    dialect = speak()
    session, board = prepared(dialect)
    dialect.begin(session, board, 0)
    dialect.served(session, board, None, 1)
    restored = Session.restored(session.stored(5), 1000)
    assert told(dialect.tick(restored, board, 1005))[2] == "empty.py"


def test_the_queue_is_not_hurried_and_a_cancelled_session_is_silent() -> None:
    dialect = speak()
    session, board = prepared(dialect)
    assert dialect.tick(session, board, 5) == []
    session.wait(6)
    assert dialect.presence(session, board, Availability.OFFLINE, 7) == []
    dialect.tick(session, board, 1e6)
    assert session.reason is Reason.WAITED_TOO_LONG
    assert dialect.cancel(session, board, 8) == [StopBlocks()]

"""The agent's MQTT client, fed with whatever a broker might send."""

import random
import struct

import pytest

from .interpreter import ask, needs_micropython, raw

pytestmark = needs_micropython

LIMIT = 1024
LOST = "the connection is lost"


def packet(kind: int, body: bytes) -> bytes:
    """Write a packet."""
    length, head = len(body), [kind]
    while length > 127:
        head.append(length & 127 | 128)
        length >>= 7
    return bytes([*head, length]) + body


def message(topic: bytes, payload: bytes, pid: int = 0) -> bytes:
    middle = struct.pack(">H", pid) if pid else b""
    return packet(0x32 if pid else 0x30, struct.pack(">H", len(topic)) + topic + middle + payload)


def hear(*packets: bytes) -> list[object]:
    heard: list[object] = ask([["hear", raw(b"".join(packets)), LIMIT]])[0]
    return heard


def test_messages_are_heard_whatever_comes_between() -> None:
    others = (packet(0xD0, b""), packet(0x40, b"\0\1"), packet(0x90, b"\0\1\0"), packet(0xB0, b"\0\1"))
    assert hear(message(b"a/b", b"one"), *others, message(b"a/b", b"two", pid=7)) == [
        ["a/b", raw(b"one")],
        ["a/b", raw(b"two")],
        LOST,
    ]


@pytest.mark.parametrize("size", [0, 1, 127, 128, 1024])
def test_a_message_may_be_as_long_as_the_limit(size: int) -> None:
    assert hear(message(b"t", bytes(size))) == [["t", raw(bytes(size))], LOST]


def test_one_that_is_too_long_is_dropped_and_the_next_one_heard() -> None:
    assert hear(message(b"t", bytes(100_000)), message(b"t", b"next")) == [["t", raw(b"next")], LOST]


def test_one_that_is_too_long_is_acknowledged_so_that_the_connection_stays() -> None:
    stream = message(b"t", bytes(5000), pid=1) + message(b"t", b"next", pid=2)
    assert hear(stream) == [["t", raw(b"next")], LOST]
    assert ask([["say_back", raw(stream), LIMIT]]) == [raw(packet(0x40, b"\0\1") + packet(0x40, b"\0\2"))]


@pytest.mark.parametrize(
    "stream",
    [packet(0x32, b"\0\1t"), packet(0x32, b"\0\1t\0"), packet(0x34, b"\0\1t\0\1"), packet(0x32, b"\0\x09t\0\1")],
)
def test_a_message_without_a_whole_packet_id_or_of_another_qos_is_answered_with_nothing(stream: bytes) -> None:
    assert hear(stream) == ["no MQTT"]
    assert ask([["say_back", raw(stream), LIMIT]]) == [raw(b"")]


def test_a_packet_may_come_in_any_pieces() -> None:
    stream = message(b"a/b", b"one", pid=7) + message(b"a/b", bytes(300))
    for size in (1, 2, 3, 50):
        heard = ask([["hear_in_pieces", raw(stream), LIMIT, size]])[0]
        assert heard == [["a/b", raw(b"one")], ["a/b", raw(bytes(300))], LOST]


@pytest.mark.parametrize(
    "stream",
    [
        b"\x30",
        b"\x30\xff\xff\xff\xff\xff",
        b"\x30\x00",
        b"\x30\x01\x00",
        message(b"\xff\xfe", b"x"),
        b"\x40\xff\xff\x7f",
        packet(0x90, bytes(5000)),
        message(b"t" * 513, b""),
    ],
)
def test_what_is_no_mqtt_ends_the_connection(stream: bytes) -> None:
    (lost,) = hear(stream)
    assert isinstance(lost, str)


def test_no_bytes_do_anything_else() -> None:
    chance = random.Random(20261121)
    streams = [chance.randbytes(chance.randrange(60)) for _ in range(400)]
    streams += [message(chance.randbytes(3), chance.randbytes(9), pid=1)[: chance.randrange(18)] for _ in range(100)]
    for heard in ask([["hear", raw(stream), LIMIT] for stream in streams]):
        assert isinstance(heard[-1], str)

"""A native board's words, for the tests of floor 0."""

from dataclasses import replace
from hashlib import sha256
import json
from typing import Any

from custom_components.mqtt_ota.ota.board import Board, Encoding, Order, Transport
from custom_components.mqtt_ota.ota.dialects import Message
from custom_components.mqtt_ota.ota.session import Session, Target

IMAGE = bytes(range(256)) * 40
TARGET = Target(version="1.1.0", sha256=sha256(IMAGE).hexdigest(), size=len(IMAGE), manifest="mqtt_ota 1\n")
BOARD = Board(
    id="relay-1",
    dialect="native",
    name="Relay",
    model="relay",
    chip="ESP32-S3",
    version="1.0.0",
    slot_size=1 << 20,
    block_size=1024,
    window=8,
    order=Order.ANY,
    encodings=frozenset(Encoding),
    transports=frozenset(Transport),
)
ANNOUNCE: dict[str, Any] = {
    "protocol": 1,
    "id": "relay-1",
    "name": "Relay",
    "model": "relay",
    "chip": "ESP32-S3",
    "project": "relay",
    "version": "1.0.0",
    "mac": "AA:BB:CC:00:11:22",
    "slot_size": 1 << 20,
    "block_size": 1024,
    "window": 8,
    "order": "any",
    "encodings": ["raw", "deflate", "later"],
    "transports": ["blocks", "http", "pigeon"],
    "keys": ["0123456789abcdef"],
    "counter": 3,
    "rollback": True,
    "wake_interval": 0,
    "feed": "https://example.com/manifest.json",
}


def a_session(board: Board = BOARD, **changes: Any) -> Session:
    """Return a session that was created at 0."""
    session = Session.create("0123456789abcdef", board, TARGET, 0.0, Transport.BLOCKS)
    for name, value in changes.items():
        setattr(session, name, value)
    return session


def running(version: str, **changes: Any) -> Board:
    """Return the board with another version."""
    return replace(BOARD, version=version, **changes)


def message(kind: str, payload: Any, *, board_id: str = "relay-1", retain: bool = False) -> Message:
    """Return a message from a board; what is not bytes becomes JSON."""
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Message(f"mqtt_ota/board/{board_id}/{kind}", raw, retain)

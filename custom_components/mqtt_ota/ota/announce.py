"""A native board's announcement: one JSON object, as `firmware/PROTOCOL.md` has it."""

import re
from typing import Final

from .board import Board, Encoding, Order, Transport
from .fields import FieldError, Fields

PROTOCOL: Final = 1
ANNOUNCE_LIMIT: Final = 2048
BLOCK_SIZES: Final = (256, 16384)
WINDOWS: Final = (1, 256)


def parse_announce(payload: bytes, dialect: str) -> Board:
    """Return the board that an announcement describes; raises FieldError with the cause."""
    fields = Fields(payload, ANNOUNCE_LIMIT)
    if fields.integer("protocol", 0, 2**31) != PROTOCOL:
        raise FieldError("speaks another protocol version; update the integration or the board")
    return _board(fields, dialect)


def _board(fields: Fields, dialect: str) -> Board:
    transports = frozenset(Transport(way) for way in fields.texts("transports") if way in Transport)
    blocks = Transport.BLOCKS in transports
    sha256, mac = fields.text("sha256", default="").lower(), fields.text("mac", default="").lower()
    if not re.fullmatch(r"(|[0-9a-f]{64})", sha256):
        raise FieldError("sha256 is not 64 hex digits")
    if not re.fullmatch(r"(|[0-9a-f]{2}(:[0-9a-f]{2}){5})", mac):
        raise FieldError("mac is not six hex pairs")
    return Board(
        id=fields.text("id"),
        dialect=dialect,
        name=fields.text("name", default=""),
        model=fields.text("model", default=""),
        chip=fields.text("chip"),
        project=fields.text("project", default=""),
        version=fields.text("version"),
        sha256=sha256,
        mac=mac,
        slot_size=fields.integer("slot_size", 0, 2**32 - 1),
        block_size=fields.integer("block_size", *BLOCK_SIZES, default=None if blocks else BLOCK_SIZES[0]),
        window=fields.integer("window", *WINDOWS, default=None if blocks else 1),
        order=Order(fields.choice("order", set(Order), default=None if blocks else Order.SEQUENTIAL)),
        encodings=frozenset(Encoding(way) for way in fields.texts("encodings", default=()) if way in Encoding),
        transports=transports,
        keys=fields.texts("keys", default=()),
        counter=fields.integer("counter", 0, 2**32 - 1, default=0),
        rollback=fields.boolean("rollback", default=False),
        wake_interval=fields.integer("wake_interval", 0, 2**31, default=0),
        feed=fields.text("feed", 256, default=""),
        pending=fields.boolean("pending", default=False),
    )

"""The part of CBOR (RFC 8949) that boards use to ask for blocks: whole numbers, bytes, texts, lists and maps.

Lengths must be told before what they are of. Numbers with a point, tags and the like are none of it.
"""

from collections.abc import Mapping, Sequence
from typing import Final

type Item = int | bytes | str | Sequence[Item] | Mapping[str, Item]

_DEEPEST: Final = 4
# What follows a first byte with 24 to 27 in its lower bits, in bytes.
_WIDTHS: Final = {24: 1, 25: 2, 26: 4, 27: 8}
_NUMBER, _NEGATIVE, _BYTES, _TEXT, _LIST, _MAP = range(6)


class CborError(ValueError):
    """Bytes are not CBOR, or another part of it."""


def encode(item: Item) -> bytes:
    """Return an item as bytes."""
    match item:
        case int():
            return _head(_NUMBER, item) if item >= 0 else _head(_NEGATIVE, -1 - item)
        case bytes():
            return _head(_BYTES, len(item)) + item
        case str():
            text = item.encode()
            return _head(_TEXT, len(text)) + text
        case Mapping():
            return _head(_MAP, len(item)) + b"".join(encode(key) + encode(value) for key, value in item.items())
        case _:
            return _head(_LIST, len(item)) + b"".join(map(encode, item))


def decode(data: bytes) -> Item:
    """Return the one item that bytes hold; raises CborError."""
    item, end = _decode(data, 0, 0)
    if end != len(data):
        raise CborError("something follows")
    return item


def _head(kind: int, number: int) -> bytes:
    """Return the beginning of an item, in its shortest form."""
    if number < min(_WIDTHS):
        return bytes([kind << 5 | number])
    for code, width in _WIDTHS.items():
        if number < 1 << 8 * width:
            return bytes([kind << 5 | code]) + number.to_bytes(width)
    raise CborError("too large a number")


def _decode(data: bytes, place: int, depth: int) -> tuple[Item, int]:
    """Return the item at a place, and where it ends."""
    kind, number, place = _read_head(data, place)
    if depth >= _DEEPEST:
        raise CborError("too deep")
    match kind:
        case 0:
            return number, place
        case 1:
            return -1 - number, place
        case 2 | 3:
            end = place + number
            if end > len(data):
                raise CborError("too short")
            part = data[place:end]
            return (part if kind == _BYTES else _text(part)), end
        case 4:
            return _decode_list(data, place, number, depth)
        case 5:
            items, place = _decode_list(data, place, 2 * number, depth)
            keys, values = items[::2], items[1::2]
            if not all(isinstance(key, str) for key in keys):
                raise CborError("a key is no text")
            return dict(zip(map(str, keys), values, strict=True)), place
    raise CborError("another kind of item")


def _read_head(data: bytes, place: int) -> tuple[int, int, int]:
    """Return the kind of an item, its number or length, and where its content begins."""
    if place >= len(data):
        raise CborError("too short")
    kind, low = data[place] >> 5, data[place] & 0x1F
    if low < min(_WIDTHS):
        return kind, low, place + 1
    end = place + 1 + _WIDTHS.get(low, len(data))
    if end > len(data):
        raise CborError("too short, or of no length that is told")
    return kind, int.from_bytes(data[place + 1 : end]), end


def _decode_list(data: bytes, place: int, count: int, depth: int) -> tuple[list[Item], int]:
    if count > len(data) - place:
        # Each item takes a byte at the least.
        raise CborError("too short")
    items = []
    for _ in range(count):
        item, place = _decode(data, place, depth + 1)
        items.append(item)
    return items, place


def _text(part: bytes) -> str:
    try:
        return part.decode()
    except UnicodeDecodeError as err:
        raise CborError("a text is none") from err

"""Cutting an image into blocks, and the two binary messages that move them: the want and the frame.

Block n of an image is its bytes from n times the block size onward; the last one may be short. The byte tables are
in `firmware/PROTOCOL.md`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
import struct
from typing import Final
import zlib

from .board import Encoding

MIN_BLOCK_SIZE: Final = 256
MAX_BLOCK_SIZE: Final = 16384
MAX_BLOCKS: Final = 1 << 20  # 256 MiB in the smallest blocks: more than any slot
MAX_WANTED: Final = 256

_VERSION: Final = 1
_TAG_LENGTH: Final = 8
_PROBE: Final = 0x01
_WANT: Final = struct.Struct("<BB8sHI")
_FRAME: Final = struct.Struct("<BB8sIHI")
_RAW: Final = 0
_DEFLATE: Final = 1
# A board inflates with a window of 4 kB at most.
_WINDOW_BITS: Final = -12


def tag_of(sha256: str) -> bytes:
    """Return the tag of an image: the first 8 bytes of its SHA-256, given as 64 hex digits."""
    return bytes.fromhex(sha256)[:_TAG_LENGTH]


def block_count(size: int, block_size: int) -> int:
    """Return in how many blocks an image of `size` bytes is cut."""
    return -(-size // block_size)


def span(number: int, size: int, block_size: int) -> tuple[int, int]:
    """Return offset and length of a block in an image of `size` bytes; the length of a block beyond it is 0."""
    offset = number * block_size
    return offset, max(0, min(block_size, size - offset))


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """The blocks that a board asks for.

    `blocks` are block numbers, ascending, counted in `block_size` from the start of the image; the first of its
    256 places is `first`. A probe asks for exactly one, which then travels raw.
    """

    tag: bytes
    block_size: int
    first: int
    blocks: tuple[int, ...]
    probe: bool = False

    def payload(self) -> bytes:
        """Write the want as it travels. Its blocks lie from `first` to `first` + 255, or this is a ValueError."""
        places = [number - self.first for number in self.blocks]
        if not places or min(places) < 0 or max(places) >= MAX_WANTED:
            raise ValueError("blocks out of reach")
        bitmap = sum(1 << place for place in places)
        head = _WANT.pack(_VERSION, _PROBE * self.probe, self.tag, self.block_size, self.first)
        return head + bitmap.to_bytes(max(places) // 8 + 1, "little")


def parse_want(payload: bytes) -> Want:
    """Read a want; ValueError with a short cause where it is none."""
    bitmap = payload[_WANT.size :]
    if not 1 <= len(bitmap) <= MAX_WANTED // 8:
        raise ValueError("wrong length")
    version, flags, tag, block_size, first = _WANT.unpack_from(payload)
    if version != _VERSION:
        raise ValueError("unknown version")
    if flags & ~_PROBE:
        raise ValueError("unknown flags")
    if not MIN_BLOCK_SIZE <= block_size <= MAX_BLOCK_SIZE:
        raise ValueError("block size out of range")
    blocks = tuple(first + place for place in _places(bitmap))
    if not blocks:
        raise ValueError("no block")
    probe = bool(flags & _PROBE)
    if probe and len(blocks) > 1:
        raise ValueError("more than one block in a probe")
    return Want(tag=tag, block_size=block_size, first=first, blocks=blocks, probe=probe)


@dataclass(frozen=True, slots=True)
class Frame:
    """One block as it arrived, decoded and checked."""

    tag: bytes
    offset: int
    block: bytes


def encode_frame(image: bytes, offset: int, length: int, encoding: Encoding, tag: bytes) -> bytes:
    """Write one block of an image as it travels: deflated where that is asked for and shorter, else raw.

    ValueError where the image has no such block.
    """
    block = image[offset : offset + length]
    if not block or len(block) != length or length > MAX_BLOCK_SIZE:
        raise ValueError("no such block")
    code, payload = _RAW, block
    if encoding is Encoding.DEFLATE:
        deflated = zlib.compress(block, level=9, wbits=_WINDOW_BITS)
        if len(deflated) < length:
            code, payload = _DEFLATE, deflated
    return _FRAME.pack(_VERSION, code, tag, offset, length, zlib.crc32(block)) + payload


def parse_frame(payload: bytes) -> Frame:
    """Read a frame; ValueError with a short cause where it is none."""
    if not _FRAME.size < len(payload) <= _FRAME.size + MAX_BLOCK_SIZE:
        raise ValueError("wrong length")
    version, code, tag, offset, length, crc = _FRAME.unpack_from(payload)
    if version != _VERSION:
        raise ValueError("unknown version")
    if not 1 <= length <= MAX_BLOCK_SIZE:
        raise ValueError("decoded length out of range")
    block = _decode(code, payload[_FRAME.size :], length)
    if zlib.crc32(block) != crc:
        raise ValueError("wrong CRC")
    return Frame(tag, offset, block)


def _decode(code: int, payload: bytes, length: int) -> bytes:
    """Return the `length` bytes that a payload stands for."""
    if code == _RAW:
        block = payload
    elif code == _DEFLATE:
        block = _inflate(payload, length)
    else:
        raise ValueError("unknown encoding")
    if len(block) != length:
        raise ValueError("wrong decoded length")
    return block


def _inflate(payload: bytes, length: int) -> bytes:
    """Inflate a whole stream, but never more than one byte past `length`: that one tells that it lies."""
    stream = zlib.decompressobj(_WINDOW_BITS)
    try:
        block = stream.decompress(payload, length + 1)
    except zlib.error as err:
        raise ValueError("broken deflate stream") from err
    if len(block) <= length and (not stream.eof or stream.unused_data):
        raise ValueError("broken deflate stream")
    return block


class Bitmap:
    """Which blocks of an image are held: one bit a block, the lowest bit of the first byte is block 0."""

    __slots__ = ("_bits", "count", "held")

    def __init__(self, count: int, bits: bytes = b"") -> None:
        """Start with the blocks of a written bitmap, or none; ValueError where it does not fit the count."""
        if not 0 <= count <= MAX_BLOCKS:
            raise ValueError("too many blocks")
        length = block_count(count, 8)
        if bits and (len(bits) != length or int.from_bytes(bits, "little") >> count):
            raise ValueError("not a bitmap of this many blocks")
        self.count: Final = count
        self._bits = bytearray(bits or length)
        self.held = sum(byte.bit_count() for byte in self._bits)

    def __contains__(self, number: int) -> bool:
        """Tell whether a block is held."""
        return 0 <= number < self.count and bool(self._bits[number // 8] >> number % 8 & 1)

    def __bytes__(self) -> bytes:
        """Write the bitmap, to be read again by the constructor."""
        return bytes(self._bits)

    def add(self, number: int) -> None:
        """Note that a block is held; IndexError where the image has none of this number."""
        if not 0 <= number < self.count:
            raise IndexError(number)
        if number not in self:
            self._bits[number // 8] |= 1 << number % 8
            self.held += 1

    def missing(self) -> Iterator[int]:
        """Yield the blocks that are not held, ascending."""
        for place, byte in enumerate(self._bits):
            if byte != 0xFF:
                yield from (number for number in _numbers(place, byte ^ 0xFF) if number < self.count)


def _places(bitmap: bytes) -> Iterator[int]:
    """Yield the places of the bits that are set, ascending."""
    for place, byte in enumerate(bitmap):
        yield from _numbers(place, byte)


def _numbers(place: int, byte: int) -> Iterator[int]:
    """Yield the numbers of the bits that are set in one byte of a bitmap."""
    return (place * 8 + bit for bit in range(8) if byte >> bit & 1)

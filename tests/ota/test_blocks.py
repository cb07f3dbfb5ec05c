"""Blocks, wants, frames and bitmaps."""

import hashlib
import struct
import zlib

from hypothesis import given, strategies as st
import pytest

from custom_components.mqtt_ota.ota.blocks import (
    MAX_BLOCKS,
    Bitmap,
    Frame,
    Want,
    block_count,
    encode_frame,
    parse_frame,
    parse_want,
    span,
    tag_of,
)
from custom_components.mqtt_ota.ota.board import Encoding

TAG = bytes(range(8))
HEAD = 20
encodings = st.sampled_from(Encoding)
block_sizes = st.integers(256, 16384)


def want_payload(version: int = 1, flags: int = 0, size: int = 4096, first: int = 0, bitmap: bytes = b"\x01") -> bytes:
    return struct.pack("<BB8sHI", version, flags, TAG, size, first) + bitmap


def frame_payload(
    payload: bytes,
    *,
    version: int = 1,
    encoding: int = 0,
    offset: int = 0,
    length: int | None = None,
    decoded: bytes | None = None,
) -> bytes:
    decoded = payload if decoded is None else decoded
    length = len(decoded) if length is None else length
    return struct.pack("<BB8sIHI", version, encoding, TAG, offset, length, zlib.crc32(decoded)) + payload


def deflated(block: bytes) -> bytes:
    return zlib.compress(block, level=9, wbits=-12)


def test_a_tag_is_the_start_of_the_digest() -> None:
    digest = hashlib.sha256(b"image")
    assert tag_of(digest.hexdigest()) == digest.digest()[:8]


@pytest.mark.parametrize(
    ("size", "block_size", "count"),
    [(0, 256, 0), (1, 256, 1), (255, 256, 1), (256, 256, 1), (257, 256, 2), (8192, 4096, 2), (8193, 4096, 3)],
)
def test_the_last_block_may_be_short_but_never_empty(size: int, block_size: int, count: int) -> None:
    assert block_count(size, block_size) == count
    assert span(count, size, block_size)[1] == 0


@given(st.integers(0, 1 << 24), block_sizes)
def test_the_blocks_of_an_image_cover_it_once(size: int, block_size: int) -> None:
    end = 0
    for number in range(block_count(size, block_size)):
        offset, length = span(number, size, block_size)
        assert offset == end
        assert 1 <= length <= block_size
        end += length
    assert end == size


@given(
    st.binary(min_size=8, max_size=8),
    block_sizes,
    st.integers(0, 0xFFFFFFFF),
    st.sets(st.integers(0, 255), min_size=1),
    st.booleans(),
)
def test_a_want_reads_as_it_was_written(tag: bytes, size: int, first: int, places: set[int], probe: bool) -> None:
    chosen = sorted(places)[:1] if probe else sorted(places)
    blocks = tuple(first + place for place in chosen)
    want = Want(tag=tag, block_size=size, first=first, blocks=blocks, probe=probe)
    assert parse_want(want.payload()) == want


def test_a_want_may_carry_more_zero_bits_than_it_needs() -> None:
    assert parse_want(want_payload(first=7, bitmap=b"\x05" + bytes(31))).blocks == (7, 9)


@pytest.mark.parametrize("blocks", [(), (4,), (5, 261), (4, 5)])
def test_a_want_reaches_256_blocks_from_its_first(blocks: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="out of reach"):
        Want(tag=TAG, block_size=4096, first=5, blocks=blocks).payload()


@pytest.mark.parametrize(
    ("payload", "cause"),
    [
        (b"", "wrong length"),
        (want_payload()[:-1], "wrong length"),
        (want_payload(bitmap=b"\x01" * 33), "wrong length"),
        (want_payload(version=0), "unknown version"),
        (want_payload(version=2), "unknown version"),
        (want_payload(flags=2), "unknown flags"),
        (want_payload(flags=0x81), "unknown flags"),
        (want_payload(size=255), "block size"),
        (want_payload(size=16385), "block size"),
        (want_payload(bitmap=bytes(32)), "no block"),
        (want_payload(flags=1, bitmap=b"\x03"), "more than one"),
    ],
)
def test_what_is_no_want_is_refused_with_its_cause(payload: bytes, cause: str) -> None:
    with pytest.raises(ValueError, match=cause):
        parse_want(payload)


@given(st.binary(max_size=64) | st.binary(max_size=48).map(lambda tail: want_payload()[:16] + tail))
def test_any_bytes_are_a_want_or_a_value_error(payload: bytes) -> None:
    try:
        want = parse_want(payload)
    except ValueError:
        return
    assert want.first <= min(want.blocks)
    assert max(want.blocks) < want.first + 256
    assert 256 <= want.block_size <= 16384


@given(st.binary(min_size=1, max_size=3000) | st.integers(1, 3000).map(bytes), block_sizes, encodings)
def test_an_image_survives_its_frames(image: bytes, block_size: int, encoding: Encoding) -> None:
    copy = bytearray(len(image))
    for number in range(block_count(len(image), block_size)):
        offset, length = span(number, len(image), block_size)
        payload = encode_frame(image, offset, length, encoding, TAG)
        assert len(payload) <= HEAD + length
        frame = parse_frame(payload)
        assert frame == Frame(TAG, offset, image[offset : offset + length])
        copy[frame.offset : frame.offset + len(frame.block)] = frame.block
    assert copy == image


def test_a_block_is_deflated_only_where_that_is_shorter_and_asked_for() -> None:
    plain, noise = bytes(4096), hashlib.shake_256(b"noise").digest(4096)
    assert encode_frame(plain, 0, 4096, Encoding.DEFLATE, TAG)[1] == 1
    assert encode_frame(plain, 0, 4096, Encoding.RAW, TAG) == frame_payload(plain)
    assert encode_frame(noise, 0, 4096, Encoding.DEFLATE, TAG) == frame_payload(noise)
    assert encode_frame(b"x", 0, 1, Encoding.DEFLATE, TAG) == frame_payload(b"x")


@pytest.mark.parametrize(("offset", "length"), [(0, 0), (0, 101), (99, 2), (100, 1), (0, -1)])
def test_a_block_outside_the_image_is_never_sent(offset: int, length: int) -> None:
    with pytest.raises(ValueError, match="no such block"):
        encode_frame(bytes(100), offset, length, Encoding.RAW, TAG)


def test_a_block_above_the_limit_is_never_sent() -> None:
    with pytest.raises(ValueError, match="no such block"):
        encode_frame(bytes(20000), 0, 16385, Encoding.RAW, TAG)


PLAIN = bytes(1024)


@pytest.mark.parametrize(
    ("payload", "cause"),
    [
        (b"", "wrong length"),
        (frame_payload(b""), "wrong length"),
        (frame_payload(bytes(16385)), "wrong length"),
        (frame_payload(PLAIN, version=2), "unknown version"),
        (frame_payload(PLAIN, encoding=2), "unknown encoding"),
        (frame_payload(PLAIN, length=0), "decoded length"),
        (frame_payload(PLAIN, length=16385), "decoded length"),
        (frame_payload(PLAIN, length=1023), "wrong decoded length"),
        (frame_payload(PLAIN, length=1025), "wrong decoded length"),
        (frame_payload(PLAIN, decoded=b"other", length=1024), "wrong CRC"),
        (frame_payload(deflated(PLAIN), encoding=1, length=1023), "wrong decoded length"),
        (frame_payload(deflated(PLAIN), encoding=1, length=1025), "wrong decoded length"),
        (frame_payload(deflated(PLAIN), encoding=1, decoded=bytes(1023) + b"\x01"), "wrong CRC"),
        (frame_payload(deflated(PLAIN)[:-1], encoding=1, length=1024), "broken deflate"),
        (frame_payload(deflated(PLAIN) + b"\x00", encoding=1, length=1024), "broken deflate"),
        (frame_payload(b"\xff" * 9, encoding=1, length=1024), "broken deflate"),
        (frame_payload(zlib.compress(PLAIN), encoding=1, length=1024), "broken deflate"),
    ],
)
def test_what_is_no_frame_is_refused_with_its_cause(payload: bytes, cause: str) -> None:
    with pytest.raises(ValueError, match=cause):
        parse_frame(payload)


def test_a_bomb_is_inflated_no_further_than_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    inflated: list[int] = []
    original = zlib.decompressobj

    class Counting:
        def __init__(self, wbits: int) -> None:
            self.stream = original(wbits)

        def __getattr__(self, name: str) -> object:
            return getattr(self.stream, name)

        def decompress(self, payload: bytes, limit: int) -> bytes:
            block = self.stream.decompress(payload, limit)
            inflated.append(len(block))
            return block

    monkeypatch.setattr(zlib, "decompressobj", Counting)
    bomb = deflated(bytes(10_000_000))
    with pytest.raises(ValueError, match="wrong decoded length"):
        parse_frame(frame_payload(bomb, encoding=1, length=256, decoded=bytes(256)))
    assert inflated == [257]


@given(st.binary(min_size=1, max_size=400), st.integers(0, 2), st.integers(0, 0xFFFF))
def test_any_bytes_are_a_frame_or_a_value_error(payload: bytes, encoding: int, length: int) -> None:
    try:
        frame = parse_frame(frame_payload(payload, encoding=encoding, length=length))
    except ValueError:
        return
    assert len(frame.block) == length


@given(st.integers(1, 2000).flatmap(lambda count: st.tuples(st.just(count), st.sets(st.integers(0, count - 1)))))
def test_a_bitmap_knows_what_is_held_and_what_is_missing(case: tuple[int, set[int]]) -> None:
    count, numbers = case
    bitmap = Bitmap(count)
    for number in [*numbers, *numbers]:
        bitmap.add(number)
    again = Bitmap(count, bytes(bitmap))
    for one in (bitmap, again):
        assert one.held == len(numbers)
        assert {number for number in range(count) if number in one} == numbers
        assert list(one.missing()) == sorted(set(range(count)) - numbers)


def test_a_bitmap_of_nothing_misses_nothing() -> None:
    bitmap = Bitmap(0)
    assert (bytes(bitmap), list(bitmap.missing()), bitmap.held) == (b"", [], 0)


@pytest.mark.parametrize(
    ("count", "bits"), [(-1, b""), (MAX_BLOCKS + 1, b""), (8, b"\x00\x00"), (9, b"\x00"), (9, b"\x00\x02")]
)
def test_a_bitmap_that_does_not_fit_is_refused(count: int, bits: bytes) -> None:
    with pytest.raises(ValueError, match="blocks"):
        Bitmap(count, bits)


@pytest.mark.parametrize("number", [-1, 9])
def test_a_block_beyond_the_image_is_never_held(number: int) -> None:
    bitmap = Bitmap(9)
    assert number not in bitmap
    with pytest.raises(IndexError):
        bitmap.add(number)


def test_a_full_bitmap_misses_nothing() -> None:
    bitmap = Bitmap(9, b"\xff\x01")
    assert (bitmap.held, list(bitmap.missing())) == (9, [])
    assert list(Bitmap(9, b"\xff\x00").missing()) == [8]

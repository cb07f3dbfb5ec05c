"""The binary messages: wants and frames.

Deflated blocks are constants here: every deflater may write them in its own way.
"""

import struct
import zlib

from .facts import BLOCK_SIZE, IMAGE, TAG, Json

DEFLATED = {
    0: bytes.fromhex(
        "7bc9c424cfc060e1f08e818181158819feff07918c0a0c0c360c8c0c0c46216757332001433d433d0306dc203d3f2725"
        "350fb7bca18195b1819501dc08bffc32052343052303233330bfcc54cf54cf10b7fef7fbafe9bc98cf3d3568769ad05b"
        "8bd60b9f967c56af5c3ba1f6a48ed3bb3755355718480400"
    ),
    4: bytes.fromhex("63601854e06d4bcffb5db13999bb1a6ad5d71fcd55659f97587456a3e6e88f2b0d07189ae3383a01"),
}
# 4096 zero bytes.
BOMB = bytes.fromhex("edc1010d000000c2a0f74f6d0f0714000000f06e")


def want(blocks: range, *, first: int = 0, flags: int = 0, size: int = BLOCK_SIZE, version: int = 1) -> bytes:
    """Return a want of these blocks of the image."""
    bitmap = sum(1 << (number - first) for number in blocks)
    length = max(1, (bitmap.bit_length() + 7) // 8)
    return struct.pack("<BB8sHI", version, flags, TAG, size, first) + bitmap.to_bytes(length, "little")


def wants() -> Json:
    """Return wants: valid ones, ones that no image makes valid, and ones that the image does not."""
    some = {"tag": TAG.hex(), "block_size": BLOCK_SIZE}
    valid: tuple[tuple[bytes, Json], ...] = (
        (want(range(1), flags=1), {"probe": True, "first": 0, "blocks": [0]}),
        (want(range(5)), {"probe": False, "first": 0, "blocks": [0, 1, 2, 3, 4]}),
        (want(range(1, 5, 3), first=1), {"probe": False, "first": 1, "blocks": [1, 4]}),
        (want(range(4, 5)) + bytes(31), {"probe": False, "first": 0, "blocks": [4]}),
    )
    invalid = (
        ("wrong length", b""),
        ("wrong length", want(range(1))[:16]),
        ("wrong length", want(range(1)) + bytes(32)),
        ("unknown version", want(range(1), version=2)),
        ("unknown flags", want(range(1), flags=2)),
        ("block size", want(range(1), size=255)),
        ("block size", want(range(1), size=16385)),
        ("no block", want(range(0))),
        ("more than one", want(range(2), flags=1)),
    )
    refused = (
        ("beyond", want(range(5, 6))),
        ("beyond", want(range(3, 6), first=3)),
        ("beyond", want(range(4294967295, 4294967296), first=4294967295)),
        ("beyond", want(range(1, 2), size=4096)),
        ("another image", want(range(1)).replace(TAG, bytes(8))),
    )
    return {
        "valid": [{"payload": raw.hex()} | some | fields for raw, fields in valid],
        "invalid": [{"payload": raw.hex(), "cause": cause} for cause, raw in invalid],
        "refused": [{"payload": raw.hex(), "cause": cause} for cause, raw in refused],
    }


def frame(
    payload: bytes, decoded: bytes, *, encoding: int = 0, offset: int = 0, length: int | None = None, version: int = 1
) -> bytes:
    """Return a frame of a payload that stands for the decoded bytes."""
    length = len(decoded) if length is None else length
    return struct.pack("<BB8sIHI", version, encoding, TAG, offset, length, zlib.crc32(decoded)) + payload


def frames() -> Json:
    """Return frames of the image's blocks, and what is none."""
    block = IMAGE[:BLOCK_SIZE]
    valid: list[Json] = []
    for number in range(5):
        offset = number * BLOCK_SIZE
        cut = IMAGE[offset : offset + BLOCK_SIZE]
        ways = [(0, "raw", cut)]
        if number in DEFLATED:
            assert zlib.decompress(DEFLATED[number], -12) == cut
            ways.append((1, "deflate", DEFLATED[number]))
        for code, encoding, payload in ways:
            raw = frame(payload, cut, encoding=code, offset=offset)
            facts = {"encoding": encoding, "offset": offset, "length": len(cut), "block": cut.hex()}
            valid.append({"payload": raw.hex(), "tag": TAG.hex()} | facts)
    deflated = DEFLATED[0]
    invalid = (
        ("wrong length", b""),
        ("wrong length", frame(b"", b"")),
        ("wrong length", frame(bytes(16385), bytes(16385))),
        ("unknown version", frame(block, block, version=2)),
        ("unknown encoding", frame(block, block, encoding=2)),
        ("decoded length", frame(block, block, length=0)),
        ("decoded length", frame(block, block, length=255)),
        ("decoded length", frame(block, block, length=257)),
        ("wrong CRC", frame(block, bytes(256))),
        ("wrong CRC", frame(deflated, bytes(256), encoding=1)),
        ("decoded length", frame(deflated, block, encoding=1, length=255)),
        ("decoded length", frame(deflated, block, encoding=1, length=257)),
        ("decoded length", frame(BOMB, bytes(256), encoding=1)),
        ("deflate", frame(deflated[:-1], block, encoding=1)),
        ("deflate", frame(deflated + b"\0", block, encoding=1)),
        ("deflate", frame(b"\xff" * 16, block, encoding=1)),
    )
    return {"valid": valid, "invalid": [{"payload": raw.hex(), "cause": cause} for cause, raw in invalid]}

"""Blocks on the wire: the frames that bring them, the wants that ask for them."""

import binascii
import io
import struct

try:
    import deflate
except ImportError:  # a small port: blocks come raw
    deflate = None

MIN_BLOCK = 256
MAX_BLOCK = 16384
FRAME_HEAD = 20


def parse_frame(payload):
    """Return tag, offset and block of a frame; ValueError where it is none."""
    if not FRAME_HEAD < len(payload) <= FRAME_HEAD + MAX_BLOCK:
        raise ValueError("wrong length")
    version, code, tag, offset, length, crc = struct.unpack_from("<BB8sIHI", payload)
    if version != 1 or not 1 <= length <= MAX_BLOCK:
        raise ValueError("wrong head")
    block = payload[FRAME_HEAD:]
    if code == 1:
        block = _inflate(block, length)
    elif code:
        raise ValueError("unknown encoding")
    if len(block) != length or binascii.crc32(block) != crc:
        raise ValueError("wrong block")
    return tag, offset, block


def _inflate(payload, length):
    if deflate is None:
        raise ValueError("unknown encoding")
    source = io.BytesIO(payload)
    try:
        block = deflate.DeflateIO(source, deflate.RAW, 12).read(length + 1)
    except (OSError, EOFError):
        raise ValueError("broken stream")
    if source.read(1):
        raise ValueError("bytes after the stream")
    return block


def write_want(tag, block_size, first, count, probe):
    """Return a want of `count` blocks from `first` on, at most 256."""
    head = struct.pack("<BB8sHI", 1, 1 if probe else 0, tag, block_size, first)
    return head + ((1 << count) - 1).to_bytes((count + 7) // 8, "little")

"""Cutting an image into chunks without numbers, and the frames that carry them: bytes only, nothing of when.

A frame is a chunk's length, its bytes, their MD5, and how many chunks come after it; both numbers are big-endian and
have 16 bits. A frame of four bytes is the size of the image.
"""

import hashlib
from typing import Final

from .blocks import block_count

MOST: Final = 65_536
# What boards take that were built as the original is: PubSubClient keeps 256 bytes for a packet, older ones 128.
USUAL: Final = 200
SMALLER: Final = (120, 60)
LARGEST: Final = 16_384
# What a frame has beside its bytes, and a packet beside its topic and its frame.
OVERHEAD: Final = 20
_BUFFER: Final = 256
_PACKET: Final = 7
_SMALLEST: Final = 16

# A size for which no board has room. It is no size that ESP-IDF reads as "unknown", and no negative one.
NO_ROOM: Final = 0x7FFFFFFF.to_bytes(4, "big")


def size_frame(size: int) -> bytes:
    """Return what opens a transfer of so many bytes."""
    return size.to_bytes(4, "big")


def chunk_frame(image: bytes, offset: int, length: int, chunk_size: int) -> bytes:
    """Return the frame of the chunk at an offset, in an image that is cut into chunks of this size."""
    data = image[offset : offset + length]
    digest = hashlib.md5(data, usedforsecurity=False).digest()
    remaining = block_count(len(image) - offset - length, chunk_size)
    return length.to_bytes(2, "big") + data + digest + remaining.to_bytes(2, "big")


def misfit(chunk_size: int) -> bytes:
    """Return a frame as long as that of a chunk of this size, which no board writes: it says that it is empty."""
    return bytes(chunk_size + OVERHEAD)


def chunk_sizes(largest: int, topic: str, proven: int) -> tuple[int, ...]:
    """Return the sizes of chunks to try, largest first, where nothing larger than `largest` may be tried.

    A board that took `proven` bytes before, which is 0 where it was never asked, is not tried with what lies between.
    """
    usual = max(_SMALLEST, min(USUAL, _BUFFER - _PACKET - len(topic.encode()) - OVERHEAD))
    largest = min(largest, usual) if largest <= USUAL else largest
    sizes = {largest, usual, *SMALLER, proven}
    halved = largest // 2
    while halved > usual:
        sizes.add(halved)
        halved //= 2
    usable = {size for size in sizes if 0 < size <= largest}
    return tuple(sorted((size for size in usable if not proven or size <= proven or size == largest), reverse=True))

"""The Arduino core's `Update`, and what an ESP32 asks of an image before it starts it."""

from collections.abc import Callable
import hashlib

_SECTOR = 4096
_MAGIC = 0xE9
_UNKNOWN_SIZE = 0xFFFFFFFF
_ANY_SIZE = 0xFFFFFFFF


def is_bootable(image: bytes, chip_id: int | None = None) -> bool:
    """Tell whether an ESP32 starts this: its segments are whole, its checksum and its digest are right."""
    if len(image) < 24 or image[0] != _MAGIC or not 0 < image[1] <= 16:
        return False
    if chip_id is not None and int.from_bytes(image[12:14], "little") != chip_id:
        return False
    place, checksum = 24, 0xEF
    for _ in range(image[1]):
        length = int.from_bytes(image[place + 4 : place + 8], "little")
        content = image[place + 8 : place + 8 + length]
        if len(content) < length:
            return False
        for byte in content:
            checksum ^= byte
        place += 8 + length
    place += 15 - place % 16
    if image[place : place + 1] != bytes([checksum]):
        return False
    place += 1
    return image[23] != 1 or image[place : place + 32] == hashlib.sha256(image[:place]).digest()


def chip_of(image: bytes) -> int | None:
    """Return the chip that an image is for; None where there is none."""
    return int.from_bytes(image[12:14], "little") if len(image) > 24 and image[0] == _MAGIC else None


class Update:
    """The slot that is written, as the core's class of this name does it; `on_write` hears of each flushed sector."""

    def __init__(self, slot_size: int, chip_id: int | None, on_write: Callable[[bytes], None]) -> None:
        """Describe the slot."""
        self.written = bytearray()
        self._slot_size = slot_size
        self._chip_id = chip_id
        self._on_write = on_write
        self._size = 0
        self._buffer = bytearray()
        self._md5 = ""
        self._failed = False

    def begin(self, size: int) -> bool:
        """Open the slot for so many bytes; all ones means as many as there is room for."""
        if self._size > 0:
            return False
        self._reset(failed=False)
        self._md5 = ""
        if size == 0 or (size != _ANY_SIZE and size > self._slot_size):
            self._failed = True
            return False
        self._size = self._slot_size if size == _ANY_SIZE else size
        return True

    def set_md5(self, digest: str) -> None:
        """Let `end` compare the whole image; to be called after `begin`, which forgets it."""
        self._md5 = digest.lower()

    def write(self, data: bytes) -> int:
        """Take bytes; return how many were taken. What does not fit is refused, and ends the update."""
        if self._failed or self._size == 0:
            return 0
        if len(data) > self._remaining():
            self.abort()
            return 0
        left = len(data)
        while len(self._buffer) + left > _SECTOR:
            start = len(data) - left
            count = _SECTOR - len(self._buffer)
            self._buffer += data[start : start + count]
            if not self._flush():
                return start
            left -= count
        self._buffer += data[len(data) - left :]
        if len(self._buffer) == self._remaining() and not self._flush():
            return len(data) - left
        return len(data)

    def end(self) -> bool:
        """Close the slot even if bytes are missing (`end(true)`): only the image itself tells whether it is whole."""
        if self._failed or self._size == 0:
            return False
        if self._buffer:
            self._flush()
        image = bytes(self.written)
        whole = not self._md5 or hashlib.md5(image, usedforsecurity=False).hexdigest() == self._md5
        if not whole or not is_bootable(image, self._chip_id):
            self.abort()
            return False
        self._size = 0
        return True

    def abort(self) -> None:
        """Give up; nothing is taken until the next `begin`."""
        self._reset(failed=True)

    def _remaining(self) -> int:
        # A size_t, that does not count what is buffered.
        return (self._size - len(self.written)) & _UNKNOWN_SIZE

    def _flush(self) -> bool:
        first_of_all = not self.written
        if (first_of_all and self._buffer[0] != _MAGIC) or len(self.written) + len(self._buffer) > self._slot_size:
            self.abort()
            return False
        sector = bytes(self._buffer)
        self.written += sector
        self._buffer.clear()
        self._on_write(sector)
        return True

    def _reset(self, *, failed: bool) -> None:
        self.written = bytearray()
        self._buffer.clear()
        self._size = 0
        self._failed = failed

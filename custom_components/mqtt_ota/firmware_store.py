"""Keep the images that boards install, each under its SHA-256.

The folder is one that Home Assistant leaves out of backups: what is here can be fetched again.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterable
from contextlib import suppress
from dataclasses import dataclass
import errno
import hashlib
import logging
import os
from pathlib import Path
import re
import shutil
import tempfile
import time
from typing import Final

from homeassistant.core import HomeAssistant, callback

from .ota.errors import OtaError, Reason
from .ota.image import Image, inspect

_LOGGER = logging.getLogger(__name__)

MAX_IMAGE_SIZE: Final = 16 * 1024 * 1024
KEEP: Final = 8
_FOLDER: Final = (".cache", "mqtt_ota")
_SUFFIX: Final = ".bin"
_PART_SUFFIX: Final = ".part"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# Images are held in memory while they arrive: this many at once, whatever the number of feeds.
_ARRIVING: Final = 4


@dataclass(frozen=True, slots=True)
class Expected:
    """What a feed promised of an image; what it did not say is None or empty."""

    size: int | None = None
    sha256: str = ""
    md5: str = ""


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image in the store, and what its own bytes say of it."""

    sha256: str
    size: int
    image: Image


class FirmwareStore:
    """Images by SHA-256: those in use, and the ones used last."""

    def __init__(self, hass: HomeAssistant, keep: int = KEEP) -> None:
        """Place the store in the configuration folder, and touch nothing yet."""
        self._hass = hass
        self._keep = keep
        self._folder = Path(hass.config.path(*_FOLDER))
        self._pins: Counter[str] = Counter()
        self._accepted: dict[str, StoredImage] = {}
        self._arriving = asyncio.Semaphore(_ARRIVING)
        self._changing = asyncio.Lock()

    async def async_setup(self) -> None:
        """Make the folder and remove what an interrupted write left.

        Prunes nothing: the sessions that pin their images are not restored yet.
        """
        await self._hass.async_add_executor_job(self._clean)

    @callback
    def pin(self, sha256: str) -> None:
        """Keep an image for as long as a session needs it; every pin wants its own unpin."""
        self._pins[sha256] += 1

    @callback
    def unpin(self, sha256: str) -> None:
        """Let go of an image that one session no longer needs."""
        self._pins[sha256] -= 1
        if self._pins[sha256] <= 0:
            del self._pins[sha256]

    def path(self, sha256: str) -> Path:
        """Return where an image lies, whether it is there or not."""
        if _SHA256.fullmatch(sha256) is None:
            raise OtaError(Reason.IMAGE_UNREADABLE, sha256=sha256[:64])
        return self._folder / f"{sha256}{_SUFFIX}"

    async def async_add_stream(
        self, chunks: AsyncIterable[bytes], *, limit: int = MAX_IMAGE_SIZE, expected: Expected | None = None
    ) -> StoredImage:
        """Keep an image as it arrives, if it is what was promised and one that a board can run."""
        expected = expected or Expected()
        async with self._arriving:
            received = await _receive(chunks, min(limit, MAX_IMAGE_SIZE), expected.size)
            return await self._async_add(received, expected)

    async def async_add_bytes(self, image: bytes, *, expected: Expected | None = None) -> StoredImage:
        """Keep an image that is at hand, if it is what was promised and one that a board can run."""
        if len(image) > MAX_IMAGE_SIZE:
            raise OtaError(Reason.IMAGE_OVERSIZE, size=len(image), limit=MAX_IMAGE_SIZE)
        return await self._async_add([image], expected or Expected())

    async def async_find(self, sha256: str) -> StoredImage | None:
        """Return an image that is here and whole, None for one that has to be fetched."""
        return await self._hass.async_add_executor_job(self._find, sha256)

    async def async_has(self, sha256: str) -> bool:
        """Tell whether an image is here and whole."""
        return await self.async_find(sha256) is not None

    async def async_read(self, sha256: str) -> bytes:
        """Return an image's bytes; a damaged one is removed, and unreadable."""
        return await self._hass.async_add_executor_job(self._read, sha256)

    async def async_usage(self) -> tuple[int, int]:
        """Return how many images are here, and how many bytes they take."""
        return await self._hass.async_add_executor_job(self._usage)

    async def async_prune(self) -> None:
        """Remove the images that no session needs, but for those used last."""
        async with self._changing:
            await self._hass.async_add_executor_job(self._prune, frozenset(self._pins))

    async def async_remove_all(self) -> None:
        """Delete the store."""
        async with self._changing:
            await self._hass.async_add_executor_job(self._remove_all)

    async def _async_add(self, parts: list[bytes], expected: Expected) -> StoredImage:
        """Judge an image, write it and make room, before anybody else changes the folder."""
        async with self._changing:
            return await self._hass.async_add_executor_job(self._add, parts, expected, frozenset(self._pins))

    # What follows runs in the executor.

    def _clean(self) -> None:
        """Make the folder, and remove the files of interrupted writes."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for part in self._folder.glob(f"*{_PART_SUFFIX}"):
                part.unlink()
        except OSError as err:
            raise _write_error(err) from err

    def _add(self, parts: list[bytes], expected: Expected, pinned: frozenset[str]) -> StoredImage:
        """Judge an image, write it and make room; the image that was just added stays."""
        data = b"".join(parts)
        sha256 = hashlib.sha256(data).hexdigest()
        _check_promise(data, sha256, expected)
        stored = StoredImage(sha256=sha256, size=len(data), image=inspect(data))
        path = self.path(stored.sha256)
        if self._find(stored.sha256) is None:
            try:
                _write_aside(path, data)
            except OSError as err:
                raise _write_error(err) from err
        self._accepted[stored.sha256] = stored
        self._prune(pinned | {stored.sha256})
        return stored

    def _find(self, sha256: str) -> StoredImage | None:
        """Return an image that is here and whole, from memory if its file still has its size."""
        try:
            path = self.path(sha256)
            if (stored := self._accepted.get(sha256)) and path.stat().st_size == stored.size:
                _touch(path)
                return stored
            data = self._read(sha256)
            stored = StoredImage(sha256=sha256, size=len(data), image=inspect(data))
        except OSError, OtaError:
            return None
        self._accepted[sha256] = stored
        return stored

    def _read(self, sha256: str) -> bytes:
        """Return an image's bytes and remember the use."""
        path = self.path(sha256)
        try:
            data = path.read_bytes()
            _touch(path)
        except OSError as err:
            raise OtaError(Reason.IMAGE_UNREADABLE, sha256=sha256) from err
        if hashlib.sha256(data).hexdigest() != sha256:
            _LOGGER.warning("The stored image %s is damaged; it is removed, to be fetched again", sha256)
            self._remove(path)
            raise OtaError(Reason.IMAGE_UNREADABLE, sha256=sha256)
        return data

    def _prune(self, pinned: frozenset[str]) -> None:
        """Remove the images beyond those pinned and those used last."""
        try:
            images = [path for path in self._folder.glob(f"*{_SUFFIX}") if _SHA256.fullmatch(path.stem)]
            images.sort(key=lambda path: path.stat().st_atime_ns, reverse=True)
        except OSError as err:
            _LOGGER.warning("Old images cannot be removed: %s", err)
            return
        for path in images[self._keep :]:
            if path.stem not in pinned:
                self._remove(path)

    def _usage(self) -> tuple[int, int]:
        try:
            sizes = [path.stat().st_size for path in self._folder.glob(f"*{_SUFFIX}")]
        except OSError as err:
            _LOGGER.warning("The stored images cannot be counted: %s", err)
            return 0, 0
        return len(sizes), sum(sizes)

    def _remove_all(self) -> None:
        """Delete the store's folder, as far as that can be done."""
        self._accepted.clear()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _remove(self, path: Path) -> None:
        """Remove an image, and forget what it was."""
        self._accepted.pop(path.stem, None)
        with suppress(OSError):
            path.unlink()


async def _receive(chunks: AsyncIterable[bytes], limit: int, size: int | None) -> list[bytes]:
    """Collect an image as it arrives, and stop at the first byte too many."""
    parts: list[bytes] = []
    received = 0
    if size is not None and size > limit:
        raise OtaError(Reason.IMAGE_OVERSIZE, size=size, limit=limit)
    async for chunk in chunks:
        received += len(chunk)
        if size is not None and received > size:
            raise OtaError(Reason.SIZE_MISMATCH, expected=size, actual=received)
        if received > limit:
            raise OtaError(Reason.IMAGE_OVERSIZE, size=received, limit=limit)
        parts.append(chunk)
    return parts


def _check_promise(data: bytes, sha256: str, expected: Expected) -> None:
    """Refuse an image that is not the one that the feed named."""
    if expected.size is not None and len(data) != expected.size:
        raise OtaError(Reason.SIZE_MISMATCH, expected=expected.size, actual=len(data))
    if expected.sha256 and sha256 != expected.sha256:
        raise OtaError(Reason.SHA256_MISMATCH, expected=expected.sha256, actual=sha256)
    if expected.md5 and (actual := hashlib.md5(data, usedforsecurity=False).hexdigest()) != expected.md5:
        raise OtaError(Reason.MD5_MISMATCH, expected=expected.md5, actual=actual)


def _touch(path: Path) -> None:
    """Note when an image was used, in the access time: downloads go on by the modification time."""
    with suppress(OSError):
        os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))


def _write_aside(path: Path, data: bytes) -> None:
    """Write a file that is there whole or not at all, also after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=_PART_SUFFIX, delete=False) as part:
        aside = Path(part.name)
        try:
            part.write(data)
            part.flush()
            os.fsync(part.fileno())
            aside.replace(path)
        except OSError:
            aside.unlink(missing_ok=True)
            raise


def _write_error(err: OSError) -> OtaError:
    """Say why the store cannot be written."""
    reason = Reason.DISK_FULL if err.errno in _NO_SPACE else Reason.STORE_UNWRITABLE
    return OtaError(reason, error=err.strerror or err)

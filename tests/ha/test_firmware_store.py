"""The image store: whole or not at all, bounded, and never a file that was not asked for."""

import asyncio
from collections.abc import AsyncIterator
import errno
import hashlib
import os
from pathlib import Path
from unittest.mock import patch

import pytest

from custom_components.mqtt_ota.firmware_store import MAX_IMAGE_SIZE, Expected, FirmwareStore
from custom_components.mqtt_ota.ota.errors import OtaError, Reason
from homeassistant.components.backup.const import EXCLUDE_FROM_BACKUP
from homeassistant.core import HomeAssistant
from tests.firmware_images import build_app

IMAGE = build_app(size=4096)
SHA256 = hashlib.sha256(IMAGE).hexdigest()


@pytest.fixture
def hass_config_dir(hass_tmp_config_dir: str) -> str:
    return hass_tmp_config_dir


@pytest.fixture
async def store(hass: HomeAssistant) -> FirmwareStore:
    store = FirmwareStore(hass, keep=2)
    await store.async_setup()
    return store


@pytest.fixture
def folder(hass: HomeAssistant) -> Path:
    return Path(hass.config.path(".cache", "mqtt_ota"))


async def pieces(data: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def leave(path: Path) -> None:
    """Leave a file that nobody asked for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"part of an image")


def age(store: FirmwareStore, sha256: str, seconds: int) -> None:
    """Make an image look as if it was used last so long ago."""
    path = store.path(sha256)
    mtime = path.stat().st_mtime_ns
    os.utime(path, ns=(mtime - seconds * 10**9, mtime))


async def test_a_streamed_image_is_kept_under_its_sha256(store: FirmwareStore, folder: Path) -> None:
    stored = await store.async_add_stream(pieces(IMAGE))

    assert (stored.sha256, stored.size, stored.image.version) == (SHA256, len(IMAGE), "1.1.0")
    assert files(folder) == {f"{SHA256}.bin"}
    assert store.path(SHA256).read_bytes() == IMAGE
    assert await store.async_read(SHA256) == IMAGE
    assert await store.async_has(SHA256)


async def test_the_folder_is_left_out_of_backups(hass: HomeAssistant, store: FirmwareStore) -> None:
    inside = store.path(SHA256).relative_to(hass.config.config_dir)
    assert any(inside.full_match(pattern.replace("/*", "/**")) for pattern in EXCLUDE_FROM_BACKUP)


async def test_an_image_is_found_again_by_a_store_that_never_saw_it(hass: HomeAssistant, store: FirmwareStore) -> None:
    stored = await store.async_add_bytes(IMAGE)
    again = FirmwareStore(hass)
    await again.async_setup()

    assert await again.async_find(SHA256) == stored


async def test_adding_twice_keeps_the_first_file(store: FirmwareStore) -> None:
    await store.async_add_bytes(IMAGE)
    before = store.path(SHA256).stat()
    await store.async_add_bytes(IMAGE)
    after = store.path(SHA256).stat()

    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize(
    ("expected", "reason"),
    [
        (Expected(size=len(IMAGE) + 1), Reason.SIZE_MISMATCH),
        (Expected(size=len(IMAGE) - 1), Reason.SIZE_MISMATCH),
        (Expected(size=0), Reason.SIZE_MISMATCH),
        (Expected(size=MAX_IMAGE_SIZE + 1), Reason.IMAGE_OVERSIZE),
        (Expected(sha256="0" * 64), Reason.SHA256_MISMATCH),
        (Expected(md5="0" * 32), Reason.MD5_MISMATCH),
    ],
)
async def test_an_image_other_than_promised_is_refused(
    store: FirmwareStore, folder: Path, expected: Expected, reason: Reason
) -> None:
    with pytest.raises(OtaError) as refused:
        await store.async_add_stream(pieces(IMAGE), expected=expected)

    assert refused.value.reason is reason
    assert files(folder) == set()


async def test_an_image_as_promised_is_kept(store: FirmwareStore) -> None:
    md5 = hashlib.md5(IMAGE, usedforsecurity=False).hexdigest()
    expected = Expected(size=len(IMAGE), sha256=SHA256, md5=md5)
    assert (await store.async_add_stream(pieces(IMAGE), expected=expected)).sha256 == SHA256
    assert (await store.async_add_bytes(IMAGE, expected=expected)).sha256 == SHA256


@pytest.mark.parametrize("data", [b"", b"<html>", IMAGE[:-1], IMAGE + b"x", b"\x1f\x8b" + bytes(100), b"\xff" * 100])
async def test_what_is_no_image_is_refused(store: FirmwareStore, folder: Path, data: bytes) -> None:
    with pytest.raises(OtaError) as streamed:
        await store.async_add_stream(pieces(data))
    with pytest.raises(OtaError) as given:
        await store.async_add_bytes(data)

    assert streamed.value.reason is given.value.reason
    assert streamed.value.reason.value.startswith("image_")
    assert files(folder) == set()


async def test_an_endless_stream_ends_at_the_limit(store: FirmwareStore, folder: Path) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1024
            yield bytes(1024)

    with pytest.raises(OtaError) as refused:
        await store.async_add_stream(endless(), limit=10_000)

    assert refused.value.reason is Reason.IMAGE_OVERSIZE
    assert sent == 10_240
    assert files(folder) == set()


async def test_a_limit_cannot_be_raised_above_the_stores_own(store: FirmwareStore) -> None:
    async def large() -> AsyncIterator[bytes]:
        for _ in range(17):
            yield bytes(1024 * 1024)

    with pytest.raises(OtaError, match="image_oversize"):
        await store.async_add_stream(large(), limit=10**9)
    with pytest.raises(OtaError, match="image_oversize"):
        await store.async_add_bytes(bytes(MAX_IMAGE_SIZE + 1))


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (errno.ENOSPC, Reason.DISK_FULL),
        (errno.EDQUOT, Reason.DISK_FULL),
        (errno.EROFS, Reason.STORE_UNWRITABLE),
    ],
)
async def test_a_disk_that_takes_no_more_is_left_as_it_was(
    store: FirmwareStore, folder: Path, code: int, reason: Reason
) -> None:
    with patch("os.fsync", side_effect=OSError(code, os.strerror(code))), pytest.raises(OtaError) as failed:
        await store.async_add_bytes(IMAGE)

    assert failed.value.reason is reason
    assert failed.value.placeholders == {"error": os.strerror(code)}
    assert files(folder) == set()
    assert not await store.async_has(SHA256)


async def test_a_really_full_disk(hass: HomeAssistant, folder: Path) -> None:
    """Every write to /dev/full fails for lack of space, and so does the close that tries again."""
    store = FirmwareStore(hass)
    await store.async_setup()
    real_open = os.open

    def full(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        descriptor = real_open(path, flags, mode, dir_fd=dir_fd)
        if path.endswith(".part"):
            device = real_open("/dev/full", os.O_RDWR)
            os.dup2(device, descriptor)
            os.close(device)
        return descriptor

    with patch("tempfile._os.open", full), pytest.raises(OtaError) as failed:
        await store.async_add_bytes(build_app(size=100_000))

    assert failed.value.reason is Reason.DISK_FULL
    assert files(folder) == set()


async def test_setup_removes_what_a_power_cut_left(hass: HomeAssistant, folder: Path) -> None:
    leave(folder / "tmpabc.part")
    store = FirmwareStore(hass)
    await store.async_setup()

    assert files(folder) == set()


async def test_setup_keeps_every_image_until_sessions_are_known(hass: HomeAssistant, store: FirmwareStore) -> None:
    shas = {(await store.async_add_bytes(build_app(version=f"1.{number}", size=4096))).sha256 for number in range(2)}
    again = FirmwareStore(hass, keep=0)
    await again.async_setup()

    assert [await again.async_has(sha256) for sha256 in shas] == [True, True]


async def test_setup_says_when_it_cannot_write(hass: HomeAssistant, folder: Path) -> None:
    leave(folder)

    with pytest.raises(OtaError) as failed:
        await FirmwareStore(hass).async_setup()
    assert failed.value.reason is Reason.STORE_UNWRITABLE


async def test_a_folder_that_was_deleted_comes_back(store: FirmwareStore, folder: Path) -> None:
    await store.async_remove_all()
    await store.async_prune()
    await store.async_add_bytes(IMAGE)
    assert await store.async_has(SHA256)


async def test_the_images_used_last_stay(store: FirmwareStore) -> None:
    old, used, new = [build_app(version=version, size=4096) for version in ("1", "2", "3")]
    shas = [hashlib.sha256(data).hexdigest() for data in (old, used, new)]
    await store.async_add_bytes(old)
    age(store, shas[0], 300)
    await store.async_add_bytes(used)
    age(store, shas[1], 600)
    await store.async_read(shas[1])
    await store.async_add_bytes(new)

    assert [await store.async_has(sha256) for sha256 in shas] == [False, True, True]


async def test_pinned_images_stay_until_the_last_session_lets_go(store: FirmwareStore) -> None:
    await store.async_add_bytes(IMAGE)
    store.pin(SHA256)
    store.pin(SHA256)
    age(store, SHA256, 600)
    for number in range(3):
        await store.async_add_bytes(build_app(version=f"2.{number}", size=4096))
    assert store.path(SHA256).exists()

    store.unpin(SHA256)
    await store.async_prune()
    assert store.path(SHA256).exists()

    store.unpin(SHA256)
    age(store, SHA256, 600)
    await store.async_prune()
    assert not store.path(SHA256).exists()
    assert await store.async_find(SHA256) is None


async def test_an_unpin_too_many_pins_nothing_less(store: FirmwareStore) -> None:
    store.unpin(SHA256)
    store.pin(SHA256)
    await store.async_add_bytes(IMAGE)
    age(store, SHA256, 600)
    for number in range(3):
        await store.async_add_bytes(build_app(version=f"2.{number}", size=4096))
    assert store.path(SHA256).exists()


async def test_a_new_image_is_not_pruned_by_its_own_arrival(hass: HomeAssistant) -> None:
    store = FirmwareStore(hass, keep=0)
    await store.async_add_bytes(IMAGE)
    assert await store.async_has(SHA256)


async def test_other_files_in_the_folder_are_let_be(store: FirmwareStore, folder: Path) -> None:
    (folder / "notes.bin").write_bytes(b"somebody's")
    for number in range(3):
        await store.async_add_bytes(build_app(version=f"2.{number}", size=4096))
    assert (folder / "notes.bin").exists()


async def test_reading_keeps_the_modification_time_by_which_downloads_resume(store: FirmwareStore) -> None:
    await store.async_add_bytes(IMAGE)
    before = store.path(SHA256).stat().st_mtime_ns
    await store.async_read(SHA256)
    assert store.path(SHA256).stat().st_mtime_ns == before


async def test_a_damaged_image_is_removed_and_unreadable(
    store: FirmwareStore, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await store.async_add_bytes(IMAGE)
    store.path(SHA256).write_bytes(IMAGE[:-1] + b"x")

    with pytest.raises(OtaError) as failed:
        await store.async_read(SHA256)
    assert failed.value.reason is Reason.IMAGE_UNREADABLE
    assert files(folder) == set()
    assert caplog.text.count("is damaged") == 1


async def test_a_shortened_image_is_not_found(store: FirmwareStore) -> None:
    await store.async_add_bytes(IMAGE)
    store.path(SHA256).write_bytes(IMAGE[:-1])
    assert await store.async_find(SHA256) is None
    assert (await store.async_add_bytes(IMAGE)).sha256 == SHA256
    assert await store.async_read(SHA256) == IMAGE


async def test_a_file_that_is_no_image_is_not_found_even_under_its_sha256(store: FirmwareStore) -> None:
    sha256 = hashlib.sha256(b"text").hexdigest()
    store.path(sha256).write_bytes(b"text")
    assert await store.async_find(sha256) is None


async def test_an_image_that_is_not_there(store: FirmwareStore) -> None:
    assert await store.async_find(SHA256) is None
    with pytest.raises(OtaError) as failed:
        await store.async_read(SHA256)
    assert failed.value.reason is Reason.IMAGE_UNREADABLE


@pytest.mark.parametrize(
    "name", ["", "../../secrets", "/etc/passwd", "A" * 64, SHA256.upper(), SHA256 + "\n", SHA256[:-1], "٣" * 64, "\0"]
)
async def test_a_hostile_name_is_no_path(store: FirmwareStore, name: str) -> None:
    with pytest.raises(OtaError) as failed:
        store.path(name)
    assert failed.value.reason is Reason.IMAGE_UNREADABLE
    assert await store.async_find(name) is None
    with pytest.raises(OtaError):
        await store.async_read(name)


async def test_images_that_arrive_at_once_are_bounded_and_all_kept(hass: HomeAssistant) -> None:
    store = FirmwareStore(hass)
    open_gate = asyncio.Event()
    arriving = most = 0

    async def slow(data: bytes) -> AsyncIterator[bytes]:
        nonlocal arriving, most
        arriving += 1
        most = max(most, arriving)
        await open_gate.wait()
        yield data
        arriving -= 1

    images = [build_app(version=f"3.{number}", size=4096) for number in range(6)]
    adding = [asyncio.ensure_future(store.async_add_stream(slow(data))) for data in images]
    hass.loop.call_soon(hass.loop.call_soon, open_gate.set)
    added = await asyncio.gather(*adding)

    assert most == 4
    assert [stored.sha256 for stored in added] == [hashlib.sha256(data).hexdigest() for data in images]
    assert [await store.async_has(stored.sha256) for stored in added] == [True] * 6


async def test_the_store_can_be_deleted(hass: HomeAssistant, store: FirmwareStore, folder: Path) -> None:
    await store.async_add_bytes(IMAGE)
    leave(folder.parent / "somebody" / "elses.bin")
    await store.async_remove_all()

    assert files(folder.parent) == {"somebody"}
    assert await store.async_find(SHA256) is None
    await store.async_remove_all()


async def test_a_folder_that_cannot_be_listed_keeps_its_images(
    store: FirmwareStore, caplog: pytest.LogCaptureFixture
) -> None:
    await store.async_add_bytes(IMAGE)
    with patch.object(Path, "glob", side_effect=PermissionError("no")):
        await store.async_prune()
    assert "cannot be removed" in caplog.text
    assert await store.async_has(SHA256)

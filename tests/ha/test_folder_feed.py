"""A folder as a feed: what is copied there is a release, and nothing outside the configuration is ever read."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.mqtt_ota import folder_feed
from custom_components.mqtt_ota.const import DOMAIN
from custom_components.mqtt_ota.firmware_store import MAX_IMAGE_SIZE, FirmwareStore
from custom_components.mqtt_ota.folder_feed import FolderFeed
from custom_components.mqtt_ota.ota.errors import OtaError, Reason
from custom_components.mqtt_ota.ota.image import inspect
from custom_components.mqtt_ota.ota.release import Asset, Candidate, Product, Release
from custom_components.mqtt_ota.releases import ReleaseFeed, async_try_feed
from homeassistant.core import HomeAssistant
from tests.firmware_images import build_app, build_bootloader

IMAGE = build_app(version="1.1.0", size=4096)
SHA256 = hashlib.sha256(IMAGE).hexdigest()
SUBENTRY = {"kind": "folder", "location": "firmware", "name": "Lamp"}


@pytest.fixture
def hass_config_dir(hass_tmp_config_dir: str) -> str:
    (Path(hass_tmp_config_dir) / "firmware").mkdir(parents=True)
    return hass_tmp_config_dir


@pytest.fixture
def folder(hass: HomeAssistant) -> Path:
    return Path(hass.config.path("firmware"))


@pytest.fixture
def feed(hass: HomeAssistant) -> FolderFeed:
    return FolderFeed(hass, "firmware")


@pytest.fixture
async def store(hass: HomeAssistant) -> FirmwareStore:
    store = FirmwareStore(hass)
    await store.async_setup()
    return store


def put(path: Path, content: bytes = IMAGE, **sidecar: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    if sidecar:
        path.with_name(f"{path.name}.json").write_text(json.dumps(sidecar))


def link(path: Path, target: str | Path) -> None:
    path.symlink_to(target)


def remove(folder: Path) -> None:
    folder.rmdir()


def listed(releases: tuple[Release, ...]) -> dict[str, list[str]]:
    return {release.version: [asset.url for asset in release.assets] for release in releases}


async def reason_of(awaitable: Any) -> Reason:
    with pytest.raises(OtaError) as failed:
        await awaitable
    return failed.value.reason


async def test_images_are_releases(feed: FolderFeed, folder: Path) -> None:
    put(folder / "lamp.bin")
    put(folder / "old" / "lamp.BIN", build_app(version="1.0.0", size=4096))
    put(folder / "notes.txt", b"not firmware")
    releases = await feed.async_load()

    assert listed(releases) == {"1.1.0": ["lamp.bin"], "1.0.0": ["old/lamp.BIN"]}
    asset = releases[0].assets[0]
    assert (asset.chip, asset.size, asset.sha256) == ("ESP32-S3", len(IMAGE), SHA256)


async def test_a_sidecar_tells_more(feed: FolderFeed, folder: Path) -> None:
    put(folder / "lamp.bin", version="2.0.0", notes="Brighter.")
    release = (await feed.async_load())[0]
    assert (release.version, release.notes) == ("2.0.0", "Brighter.")


@pytest.mark.parametrize("location", ["firmware/", "./firmware", " firmware "])
async def test_a_folder_is_named_as_people_name_it(hass: HomeAssistant, folder: Path, location: str) -> None:
    put(folder / "lamp.bin")
    assert listed(await async_try_feed(hass, SUBENTRY | {"location": location})) == {"1.1.0": ["lamp.bin"]}


async def test_a_whole_path_into_the_configuration_is_one(hass: HomeAssistant, folder: Path) -> None:
    put(folder / "lamp.bin")
    assert listed(await FolderFeed(hass, str(folder)).async_load()) == {"1.1.0": ["lamp.bin"]}


async def test_an_empty_folder_has_no_releases(feed: FolderFeed) -> None:
    assert await reason_of(feed.async_load()) is Reason.FEED_EMPTY


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("nowhere", Reason.FOLDER_NOT_FOUND),
        ("firmware/file.bin", Reason.FOLDER_NOT_FOUND),
        ("firmware/loop", Reason.FOLDER_NOT_FOUND),
        ("x\0y", Reason.FOLDER_NOT_FOUND),
        ("x" * 5000, Reason.FOLDER_NOT_FOUND),
        ("..", Reason.FOLDER_OUTSIDE),
        ("firmware/../../elsewhere", Reason.FOLDER_OUTSIDE),
        ("/etc", Reason.FOLDER_OUTSIDE),
        ("firmware/out", Reason.FOLDER_OUTSIDE),
    ],
)
async def test_a_folder_that_is_not_one(hass: HomeAssistant, folder: Path, location: str, reason: Reason) -> None:
    put(folder / "file.bin")
    link(folder / "loop", "loop")
    link(folder / "out", "/etc")
    with pytest.raises(OtaError) as failed:
        await FolderFeed(hass, location).async_load()
    assert failed.value.reason is reason
    assert failed.value.placeholders == {"folder": location}


async def test_links_out_of_the_configuration_are_not_followed(
    feed: FolderFeed, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    put(outside / "secret.bin")
    put(outside / "lamp.bin.json", b'{"version": "6.6.6"}')
    put(folder / "lamp.bin")
    link(folder / "secret.bin", outside / "secret.bin")
    link(folder / "more", outside)
    link(folder / "lamp.bin.json", outside / "lamp.bin.json")
    link(folder / "broken.bin", "nowhere")
    link(folder / "loop.bin", "loop.bin")

    assert listed(await feed.async_load()) == {"1.1.0": ["lamp.bin"]}


async def test_links_within_the_configuration_are(hass: HomeAssistant, feed: FolderFeed, folder: Path) -> None:
    put(folder.parent / "share" / "lamp.bin")
    link(folder / "lamp.bin", folder.parent / "share" / "lamp.bin")
    link(folder.parent / "alias", folder)

    assert listed(await feed.async_load()) == {"1.1.0": ["lamp.bin"]}
    assert listed(await FolderFeed(hass, "alias").async_load()) == {"1.1.0": ["lamp.bin"]}


async def test_hidden_and_deep_places_are_left_alone(feed: FolderFeed, folder: Path) -> None:
    put(folder / "a" / "b" / "c" / "lamp.bin")
    put(folder / "a" / "b" / "c" / "d" / "deep.bin", build_app(version="9", size=4096))
    put(folder / ".git" / "lamp.bin", build_app(version="9", size=4096))
    put(folder / ".lamp.bin", build_app(version="9", size=4096))
    assert listed(await feed.async_load()) == {"1.1.0": ["a/b/c/lamp.bin"]}


async def test_a_folder_of_everything_is_refused(
    feed: FolderFeed, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_feed, "MAX_FILES", 3)
    for number in range(4):
        put(folder / str(number) / "notes.txt", b"")
    assert await reason_of(feed.async_load()) is Reason.FEED_TOO_LARGE


async def test_images_are_inspected_once(feed: FolderFeed, folder: Path) -> None:
    put(folder / "lamp.bin")
    put(folder / "boot-1.0.0.bin", build_bootloader())
    with patch.object(folder_feed, "inspect", side_effect=inspect) as inspected:
        first = await feed.async_load()
        assert await feed.async_load() == first
        assert inspected.call_count == 2

        put(folder / "lamp.bin", build_app(version="1.2.0", size=8192))
        assert "1.2.0" in listed(await feed.async_load())
        assert inspected.call_count == 3


async def test_a_change_of_the_same_size_is_seen(feed: FolderFeed, folder: Path) -> None:
    put(folder / "lamp.bin")
    await feed.async_load()
    put(folder / "lamp.bin", build_app(version="1.2.0", size=4096))
    os.utime(folder / "lamp.bin", (1, 1))
    assert listed(await feed.async_load()) == {"1.2.0": ["lamp.bin"]}


async def test_what_is_gone_is_forgotten(feed: FolderFeed, folder: Path) -> None:
    put(folder / "lamp.bin")
    put(folder / "other.bin", build_app(version="2.0.0", size=4096))
    await feed.async_load()
    (folder / "other.bin").unlink()
    assert listed(await feed.async_load()) == {"1.1.0": ["lamp.bin"]}
    assert len(feed._inspected) == 1


async def test_files_that_vanish_or_cannot_be_read_hide_no_others(feed: FolderFeed, folder: Path) -> None:
    put(folder / "lamp.bin")
    put(folder / "other.bin", build_app(version="2.0.0", size=4096))
    real = Path.open

    def guarded(path: Path, *args: Any) -> Any:
        if path.name == "other.bin":
            raise PermissionError(path)
        return real(path, *args)

    with patch.object(Path, "open", guarded):
        assert listed(await feed.async_load()) == {"1.1.0": ["lamp.bin"]}


async def test_a_file_larger_than_any_image_is_not_read(feed: FolderFeed, folder: Path) -> None:
    put(folder / "lamp.bin")
    with (folder / "dump-9.9.9.bin").open("wb") as dump:
        dump.truncate(MAX_IMAGE_SIZE + 1)
    with patch.object(folder_feed, "inspect", side_effect=inspect) as inspected:
        await feed.async_load()
    assert inspected.call_count == 1


async def test_a_huge_sidecar_is_not_swallowed(feed: FolderFeed, folder: Path) -> None:
    put(folder / "lamp.bin")
    put(folder / "good.bin", build_app(version="2.0.0", size=4096))
    (folder / "lamp.bin.json").write_text('{"version": "3"}' + " " * 10**6)
    with patch.object(folder_feed, "releases", side_effect=folder_feed.releases) as given:
        await feed.async_load()
    assert max(len(entry.sidecar or b"") for entry in given.call_args[0][0]) <= folder_feed.MAX_SIDECAR + 1


async def test_a_pipe_is_no_image(feed: FolderFeed, folder: Path) -> None:
    put(folder / "lamp.bin")
    os.mkfifo(folder / "pipe.bin")
    os.mkfifo(folder / "lamp.bin.json")
    assert listed(await feed.async_load()) == {"1.1.0": ["lamp.bin"]}


# Images


async def test_an_image_comes_into_the_store(feed: FolderFeed, folder: Path, store: FirmwareStore) -> None:
    put(folder / "new" / "lamp.bin")
    asset = (await feed.async_load())[0].assets[0]
    assert (await feed.async_fetch(asset, store)).sha256 == SHA256
    assert await store.async_read(SHA256) == IMAGE


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (build_app(version="1.2.0", size=4096), Reason.SHA256_MISMATCH),
        (IMAGE[:-16], Reason.SIZE_MISMATCH),
        (None, Reason.FEED_CHANGED),
    ],
)
async def test_an_image_that_changed_after_the_look_is_refused(
    feed: FolderFeed, folder: Path, store: FirmwareStore, content: bytes | None, reason: Reason
) -> None:
    put(folder / "lamp.bin")
    asset = (await feed.async_load())[0].assets[0]
    if content is None:
        (folder / "lamp.bin").unlink()
    else:
        put(folder / "lamp.bin", content)
    assert await reason_of(feed.async_fetch(asset, store)) is reason


async def test_a_folder_that_went_away(feed: FolderFeed, folder: Path, store: FirmwareStore) -> None:
    remove(folder)
    assert await reason_of(feed.async_fetch(Asset(name="lamp.bin", url="lamp.bin"), store)) is Reason.FOLDER_NOT_FOUND


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("../../secret.bin", Reason.FOLDER_OUTSIDE),
        ("/etc/hostname", Reason.FOLDER_OUTSIDE),
        ("passwd.bin", Reason.FOLDER_OUTSIDE),
        ("", Reason.FEED_CHANGED),
        ("x\0y", Reason.FEED_CHANGED),
        ("loop.bin", Reason.FEED_CHANGED),
    ],
)
async def test_an_asset_is_never_read_from_outside(
    feed: FolderFeed, folder: Path, store: FirmwareStore, url: str, reason: Reason
) -> None:
    link(folder / "passwd.bin", "/etc/passwd")
    link(folder / "loop.bin", "loop.bin")
    assert await reason_of(feed.async_fetch(Asset(name="x.bin", url=url), store)) is reason


async def test_a_folder_is_a_feed_like_any_other(hass: HomeAssistant, folder: Path, store: FirmwareStore) -> None:
    entry = MockConfigEntry(domain=DOMAIN)
    entry.add_to_hass(hass)
    feed = ReleaseFeed(hass, entry, SUBENTRY)
    put(folder / "lamp.bin")
    await feed.async_refresh()
    release = feed.data[0]
    candidate = Candidate(release, release.assets[0], Product(name="Lamp"))
    assert (await feed.async_fetch_image(candidate, store)).sha256 == SHA256

    (folder / "lamp.bin").unlink()
    await feed.async_refresh()
    assert not feed.last_update_success
    assert feed.data == (release,)

"""A folder of images."""

from dataclasses import replace
import json
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.mqtt_ota.ota.errors import OtaError, Reason
from custom_components.mqtt_ota.ota.feeds.folder import FolderEntry, releases, sidecar_of
from custom_components.mqtt_ota.ota.image import Image
from custom_components.mqtt_ota.ota.release import Asset, Release

SIZE = 912384
IMAGE = Image(
    chip="ESP32-C3",
    chip_id=5,
    version="1.0.0",
    project="relay",
    date="Nov 21 2026",
    time="08:15:00",
    idf_version="v6.0",
    secure_version=0,
    elf_sha256="cd" * 32,
    size=SIZE,
    sha256="ab" * 32,
    md5="ef" * 16,
    signed=False,
    digest_appended=True,
)


def entry(name: str = "relay.bin", image: Image | None = IMAGE, size: int = SIZE, **says: Any) -> FolderEntry:
    return FolderEntry(name=name, size=size, image=image, sidecar=json.dumps(says).encode() if says else None)


def read(*entries: FolderEntry) -> Release:
    (release,) = releases(entries)
    return release


def detail(*entries: FolderEntry) -> str:
    with pytest.raises(OtaError) as refusal:
        releases(entries, "firmware")
    assert refusal.value.reason is Reason.FEED_INVALID
    assert refusal.value.placeholders["url"] == "firmware"
    return refusal.value.placeholders["detail"]


def test_an_image_alone_says_enough() -> None:
    assert read(entry("new/relay.bin")) == Release(
        version="1.0.0",
        assets=(
            Asset(name="relay.bin", url="new/relay.bin", size=SIZE, sha256="ab" * 32, md5="ef" * 16, chip="ESP32-C3"),
        ),
    )


def test_a_sidecar_says_everything() -> None:
    sidecar = {
        "version": "2.0",
        "title": "Quiet",
        "notes": "- less noise",
        "url": "https://feed.test/2.0",
        "published": "2026-11-21",
        "channel": "beta",
        "size": SIZE,
        "sha256": "AB" * 32,
        "md5": "EF" * 16,
        "chip": "ESP32-C3",
        "model": "relay-*",
        "project": "relay",
        "signature": "A" * 85 + "A==",
        "counter": 3,
        "min_version": "1.0",
        "max_version": "1.9",
    }
    assert read(entry("relay-1.5-esp32c3.bin", **sidecar)) == Release(
        version="2.0",
        title="Quiet",
        notes="- less noise",
        url="https://feed.test/2.0",
        published="2026-11-21",
        prerelease=True,
        assets=(
            Asset(
                name="relay-1.5-esp32c3.bin",
                url="relay-1.5-esp32c3.bin",
                size=SIZE,
                sha256="ab" * 32,
                md5="ef" * 16,
                chip="ESP32-C3",
                model="relay-*",
                project="relay",
                signature="A" * 85 + "A==",
                counter=3,
                min_version="1.0",
                max_version="1.9",
            ),
        ),
    )


def test_the_sidecar_goes_before_the_name_and_the_name_before_the_image() -> None:
    assert read(entry("relay-1.5.bin", version="2.0")).version == "2.0"
    assert read(entry("relay-1.5.bin")).version == "1.5"
    assert read(entry("relay.bin")).version == "1.0.0"


def test_a_framework_does_not_pass_for_an_application() -> None:
    arduino = replace(IMAGE, project="arduino-lib-builder", version="esp-idf: v5.1")
    assert detail(entry(image=arduino)) == "relay.bin.json.version"
    assert read(entry("relay-1.5.bin", image=arduino)).version == "1.5"


@pytest.mark.parametrize(
    ("name", "image", "told", "chip"),
    [
        ("relay.bin", "ESP32-C3", None, "ESP32-C3"),
        ("relay-esp32c3.bin", "ESP32-C3", None, "ESP32-C3"),
        ("esp32-relay.bin", "ESP32-C3", None, "ESP32-C3"),
        ("relay-s2.bin", "ESP32", None, "ESP32"),
        ("relay-esp32c3-esp32s3.bin", "ESP32-S3", None, "ESP32-S3"),
        ("relay-esp32.bin", "ESP32-C3", "ESP32-C3", "ESP32-C3"),
        ("relay-esp32c3.bin", "", None, "ESP32-C3"),
        ("relay-s2.bin", "", None, "ESP32-S2"),
        ("relay-esp32c3.bin", "", "ESP32-S3", "ESP32-S3"),
        ("relay-esp32c3-esp32s3.bin", "", None, ""),
        ("relay.bin", "", None, ""),
    ],
)
def test_the_chip_is_what_they_agree_on(name: str, image: str, told: str | None, chip: str) -> None:
    (asset,) = read(entry(name, replace(IMAGE, chip=image), chip=told)).assets
    assert asset.chip == chip


@pytest.mark.parametrize(
    ("name", "says", "member"),
    [
        ("relay-esp32s3.bin", {}, "chip"),
        ("relay.bin", {"chip": "ESP32"}, "chip"),
        ("relay.bin", {"size": 1}, "size"),
        ("relay.bin", {"sha256": "cd" * 32}, "sha256"),
        ("relay.bin", {"md5": "cd" * 16}, "md5"),
    ],
)
def test_nobody_contradicts_the_image(name: str, says: dict[str, Any], member: str) -> None:
    assert detail(entry(name, **says)) == f"{name}.json.{member}"


def test_a_file_that_is_being_written_is_left_out() -> None:
    assert detail(entry(size=SIZE - 1)) == "relay.bin.json.size"


def test_a_file_that_is_no_image_is_what_its_name_and_sidecar_say() -> None:
    (asset,) = read(entry("relay-1.5.bin", None, size=7)).assets
    assert (asset.size, asset.sha256, asset.chip) == (7, "", "")
    (asset,) = read(entry("main.py", None, size=7, version="1.5", sha256="ab" * 32)).assets
    assert (asset.name, asset.size, asset.sha256) == ("main.py", 7, "ab" * 32)


def test_files_of_one_version_are_one_release() -> None:
    release = read(
        entry("b-esp32.bin", replace(IMAGE, chip="ESP32"), notes="more", title="B", prerelease=True),
        entry("a-esp32c3.bin", url="https://feed.test/a", published="2026-11-21", title="A"),
    )
    assert [asset.name for asset in release.assets] == ["a-esp32c3.bin", "b-esp32.bin"]
    assert (release.title, release.notes, release.url) == ("A", "more", "https://feed.test/a")
    assert (release.published, release.prerelease) == ("2026-11-21", True)


def test_releases_come_newest_first() -> None:
    found = releases([entry("relay-1.9.bin"), entry("relay-1.10.bin")])
    assert [release.version for release in found] == ["1.10", "1.9"]


@pytest.mark.parametrize(
    "name",
    [
        "../relay.bin",
        "a/../../relay.bin",
        "/etc/relay.bin",
        "a//relay.bin",
        "./relay.bin",
        "..",
        "",
        "a\\relay.bin",
        "relay\n.bin",
        "relay\0.bin",
        "\ud800.bin",
        "relay.bin/",
        "a/" * 200 + "relay.bin",
        "relay.txt",
        "relay.bin.json",
    ],
)
def test_what_is_no_firmware_below_the_folder_is_not_there(name: str) -> None:
    with pytest.raises(OtaError) as refusal:
        releases([entry(name)], "firmware")
    assert refusal.value.reason is Reason.FEED_EMPTY
    assert refusal.value.placeholders == {"url": "firmware"}


@pytest.mark.parametrize(
    "sidecar", [b"", b"{", b"[]", b"7", b"<html>", b"[" * 100_000, b'{"version": 7}', b'{"chip": "x"}']
)
def test_a_file_whose_sidecar_is_wrong_is_left_out_alone(sidecar: bytes) -> None:
    wrong = FolderEntry(name="relay.bin", size=SIZE, image=IMAGE, sidecar=sidecar)
    assert detail(wrong).startswith("relay.bin.json")
    assert [release.version for release in releases([wrong, entry("relay-1.5.bin")])] == ["1.5"]


def test_a_folder_has_bounds() -> None:
    many = [entry(f"relay-1.{number}.bin") for number in range(1001)]
    assert detail(*many) == "relay-1.999.bin"
    assert len(releases(many[:1000])) == 100
    same = [entry(f"relay-{number}.bin") for number in range(120)]
    assert len(read(*same).assets) == 100


def test_a_sidecar_lies_beside_its_file() -> None:
    assert sidecar_of("new/relay.bin") == "new/relay.bin.json"


@given(
    st.lists(
        st.builds(
            FolderEntry,
            name=st.text(max_size=12).map(lambda stem: f"{stem}.bin")
            | st.sampled_from(["a-1.0.bin", "b/a-2.0-esp32s3.bin"]),
            size=st.integers(0, 2**33),
            image=st.none() | st.just(IMAGE),
            sidecar=st.none() | st.binary(max_size=20) | st.sampled_from([b'{"version": "1"}', b'{"chip": "ESP32"}']),
        ),
        max_size=5,
    )
)
def test_no_listing_raises_anything_else(entries: list[FolderEntry]) -> None:
    try:
        found = releases(entries)
    except OtaError as err:
        found, reason = (), err.reason
    else:
        reason = None
    assert bool(found) is (reason is None)
    assert reason in {None, Reason.FEED_INVALID, Reason.FEED_EMPTY}
    names = {asset.url for release in found for asset in release.assets}
    assert names <= {listed.name for listed in entries}
    assert not any(".." in name.split("/") for name in names)

"""The manifest of ESP Web Tools, with ESPHome's addition."""

import json
from typing import Any

import pytest

from custom_components.mqtt_ota.ota.errors import OtaError, Reason
from custom_components.mqtt_ota.ota.feeds import parse
from custom_components.mqtt_ota.ota.release import Asset, Release

BASE = "https://feed.test/relay/manifest.json"
FACTORY = {"path": "relay-esp32.factory.bin", "offset": 0}
APPLICATION = {"path": "relay-esp32.bin", "offset": 0x10000}
OTA = {"path": "relay-esp32.ota.bin", "md5": "AB" * 16, "summary": "Quiet", "release_url": "https://feed.test/1.1"}


def read(*builds: Any, **says: Any) -> Release:
    told = {"name": "Relay", "version": "1.1.0", "builds": list(builds)} | says
    (release,) = parse("esp_web_tools", json.dumps(told).encode(), BASE)
    return release


def detail(*builds: Any, **says: Any) -> str:
    with pytest.raises(OtaError) as refusal:
        read(*builds, **says)
    assert refusal.value.reason is Reason.FEED_INVALID
    return refusal.value.placeholders["detail"]


def build(chip: str = "ESP32", **says: Any) -> dict[str, Any]:
    return {"chipFamily": chip} | says


def test_the_addition_of_esphome_is_read() -> None:
    assert read(build(parts=[FACTORY], ota=OTA)) == Release(
        version="1.1.0",
        title="Relay",
        notes="Quiet",
        url="https://feed.test/1.1",
        assets=(
            Asset(
                name="relay-esp32.ota.bin",
                url="https://feed.test/relay/relay-esp32.ota.bin",
                md5="ab" * 16,
                chip="ESP32",
            ),
        ),
    )


def test_each_build_is_a_file_of_one_release() -> None:
    other = {"path": "https://other.test/c3.bin", "md5": "cd" * 16, "summary": "Quiet"}
    release = read(build(ota=OTA), build("ESP32-C3", ota=other), build("ESP32-S3", parts=[FACTORY]))
    assert [(asset.chip, asset.name) for asset in release.assets] == [
        ("ESP32", "relay-esp32.ota.bin"),
        ("ESP32-C3", "c3.bin"),
    ]
    assert release.notes == "Quiet"


def test_summaries_that_differ_are_all_told() -> None:
    release = read(
        build(ota={"path": "a.bin", "summary": "One"}), build("ESP32-C3", ota={"path": "b.bin", "summary": "Two"})
    )
    assert release.notes == "One\n\nTwo"
    assert release.url == ""


def test_a_lone_part_at_the_place_of_the_application_goes_over_the_air() -> None:
    (asset,) = read(build(parts=[APPLICATION])).assets
    assert asset == Asset(name="relay-esp32.bin", url="https://feed.test/relay/relay-esp32.bin", chip="ESP32")


@pytest.mark.parametrize(
    "parts",
    [
        [FACTORY],
        [{"path": "bootloader.bin", "offset": 0x1000}, APPLICATION],
        [APPLICATION, {"path": "littlefs.bin", "offset": 0x290000}],
        [{"path": "bootloader.bin", "offset": 0x1000}],
        [],
    ],
)
def test_other_parts_never_do(parts: list[dict[str, Any]]) -> None:
    assert detail(build(parts=parts)) == "$.builds[0].ota"
    assert len(read(build(parts=parts), build("ESP32-C3", ota=OTA)).assets) == 1


@pytest.mark.parametrize(
    ("builds", "says", "path"),
    [
        ([], {}, "$.builds"),
        ([build(ota=OTA)], {"version": None}, "$.version"),
        ([build(ota=OTA)], {"version": 1}, "$.version"),
        ([build(ota=OTA)], {"name": []}, "$.name"),
        ([build(ota=OTA)], {"builds": None}, "$.builds"),
        ([build(ota=OTA)] * 101, {}, "$.builds[100]"),
        (["build"], {}, "$.builds[0]"),
        ([{"ota": OTA}], {}, "$.builds[0].chipFamily"),
        ([build("Z80", ota=OTA)], {}, "$.builds[0].chipFamily"),
        ([build()], {}, "$.builds[0].parts"),
        ([build(ota="relay.bin")], {}, "$.builds[0].ota"),
        ([build(ota={})], {}, "$.builds[0].ota.path"),
        ([build(ota=OTA | {"md5": "short"})], {}, "$.builds[0].ota.md5"),
        ([build(ota=OTA | {"path": "ftp://x.test/r.bin"})], {}, "$.builds[0].ota.path"),
        ([build(ota=OTA | {"release_url": "javascript:0"})], {}, "$.builds[0].ota.release_url"),
        ([build(ota=OTA | {"summary": 7})], {}, "$.builds[0].ota.summary"),
        ([build(parts=[{"path": "relay.bin"}])], {}, "$.builds[0].parts[0].offset"),
        ([build(parts=[{"offset": 0x10000}])], {}, "$.builds[0].parts[0].path"),
        ([build(parts=[{"path": "relay.bin", "offset": "0x10000"}])], {}, "$.builds[0].parts[0].offset"),
    ],
)
def test_what_is_wrong_is_refused_where_it_is_wrong(builds: list[Any], says: dict[str, Any], path: str) -> None:
    assert detail(*builds, **says) == path

"""What a file's name says."""

from hypothesis import given, strategies as st
import pytest

from custom_components.mqtt_ota.ota.asset_name import (
    canonical_chip,
    chip_evidence,
    chip_key,
    chip_spellings,
    chips_hinted,
    chips_written,
    is_application,
    version_in,
)

CHIPS = ["ESP32", "ESP32-S2", "ESP32-S3", "ESP32-C2", "ESP32-C3", "ESP32-C5", "ESP32-C6", "ESP32-C61", "ESP32-H2"]
CHIPS += ["ESP32-P4", "ESP32-S31", "ESP8266"]


@pytest.mark.parametrize("text", ["ESP32-C3", "esp32c3", "ESP32_C3", "Esp32 c3", "esp32.c3"])
def test_a_chip_is_one_chip_in_every_spelling(text: str) -> None:
    assert chip_key(text) == "ESP32C3"
    assert canonical_chip(text) == "ESP32-C3"


@pytest.mark.parametrize("chip", ["ESP32", "ESP8266", "", "host"])
def test_a_chip_without_a_variant_is_left_alone(chip: str) -> None:
    assert canonical_chip(chip) == chip.upper()


@pytest.mark.parametrize(
    ("name", "chips"),
    [
        ("relay-esp32.bin", {"ESP32"}),
        ("relay-ESP-32.bin", {"ESP32"}),
        ("relay-esp32c3.bin", {"ESP32C3"}),
        ("relay-esp32-c3.bin", {"ESP32C3"}),
        ("relay_ESP32_S3_1.0.bin", {"ESP32S3"}),
        ("relay-esp32s3r8.bin", {"ESP32S3"}),
        ("relay-esp32-c6.bin", {"ESP32C6"}),
        ("relay-esp32-c61.bin", {"ESP32C61"}),
        ("relay-esp32-s31.bin", {"ESP32S31"}),
        ("relay-esp32c9.bin", {"ESP32C9"}),
        ("tasmota32c3.bin", {"ESP32C3"}),
        ("relay-esp8266.bin", {"ESP8266"}),
        ("relay-esp8285.bin", {"ESP8266"}),
        ("esp32-v2.1.bin", {"ESP32"}),
        ("esp32-cam.bin", {"ESP32"}),
        ("esp32-h264.bin", {"ESP32"}),
        ("esp32-weather-esp32s3.bin", {"ESP32S3"}),
        ("esp32-weather-esp8266.bin", {"ESP8266"}),
        ("esp32s3-and-esp32c3.bin", {"ESP32S3", "ESP32C3"}),
        ("esp320.bin", set()),
        ("relay.bin", set()),
        ("relay-s3.bin", set()),
        ("", set()),
    ],
)
def test_a_name_writes_out_its_chips(name: str, chips: set[str]) -> None:
    assert chips_written(name) == chips


@pytest.mark.parametrize(
    ("name", "chips"),
    [
        ("relay-s3.bin", {"ESP32S3"}),
        ("c3/relay.bin", {"ESP32C3"}),
        ("esp32-relay-s3.bin", {"ESP32S3"}),
        ("esp32c3-relay-s3.bin", {"ESP32C3"}),
        ("relay-s3mini.bin", set()),
        ("relay-esp32.bin", {"ESP32"}),
        ("relay.bin", set()),
    ],
)
def test_a_name_hints_at_chips_where_it_writes_none_out(name: str, chips: set[str]) -> None:
    assert chips_hinted(name) == chips


@given(
    st.sampled_from(CHIPS),
    st.sampled_from(["relay-{}.bin", "{}_1.0.bin", "fw.{}.bin", "{}", "my{}board.bin"]),
    st.data(),
)
def test_every_spelling_of_a_chip_is_read_as_that_chip_alone(chip: str, frame: str, data: st.DataObject) -> None:
    spelling = data.draw(st.sampled_from(chip_spellings(chip)))
    name = frame.format(data.draw(st.sampled_from([spelling, spelling.lower()])))
    assert chips_written(name) == chips_hinted(name) == {chip_key(chip)}


@pytest.mark.parametrize(
    "name",
    [
        "relay.factory.bin",
        "relay-factory-1.0.bin",
        "RelayFactory.bin",
        "RELAY_MERGED.bin",
        "bootloader.bin",
        "boot-loader_esp32.bin",
        "partitions.bin",
        "partition-table.bin",
        "littlefs.bin",
        "LittleFS.bin",
        "little_fs-1.0.bin",
        "spiffs.bin",
        "fatfs.bin",
        "filesystem.bin",
        "nvs.bin",
        "ota_data_initial.bin",
        "boot_app0.bin",
    ],
)
def test_what_can_be_no_application_is_known_by_its_name(name: str) -> None:
    assert not is_application(name)


@pytest.mark.parametrize(
    "name", ["relay.bin", "relay.ota.bin", "satisfactory.bin", "submerged-pump.bin", "main.py", ""]
)
def test_what_only_looks_like_that_is_an_application(name: str) -> None:
    assert is_application(name)


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("relay-1.2.0-esp32c3.bin", "1.2.0"),
        ("relay-v1.2.0.bin", "1.2.0"),
        ("relay.1.2.0.BIN", "1.2.0"),
        ("1.2.0.bin", "1.2.0"),
        ("esp32-1.0.bin", "1.0"),
        ("relay_2026.11.21.bin", "2026.11.21"),
        ("relay-1.2.0-rc.1-esp32.bin", "1.2.0-rc.1"),
        ("relay-1.2.0beta2.bin", "1.2.0beta2"),
        ("relay-1.2.0-4-gabc1234.bin", "1.2.0-4-gabc1234"),
        ("relay-1.2.0+build7.bin", "1.2.0+build7"),
        ("relay-1.2.0-idf5.1.2.bin", "1.2.0"),
        ("1.2.0/relay-1.2.0.bin", "1.2.0"),
        ("relay-1.2.0-2.0.0.bin", ""),
        ("relay-1.2.3.4.5.bin", ""),
        ("relay-12.bin", ""),
        ("relay.bin", ""),
    ],
)
def test_a_version_is_read_from_a_name_that_says_exactly_one(name: str, version: str) -> None:
    assert version_in(name) == version


@pytest.mark.parametrize(
    ("chip", "told", "name", "is_told", "is_anonymous", "evidence"),
    [
        ("ESP32-C3", "esp32c3", "x-esp32.bin", False, False, 2),
        ("ESP32-C3", "ESP32", "x-esp32c3.bin", True, True, None),
        ("", "ESP32", "x.bin", False, True, None),
        ("", "ESP32", "x.bin", True, True, 0),
        ("ESP32-C3", "", "x-esp32c3.bin", False, False, 1),
        ("ESP32-C3", "", "x-c3.bin", False, False, 1),
        ("ESP32", "", "x-c3.bin", False, True, None),
        ("ESP32", "", "x-c3.bin", True, True, 0),
        ("ESP32", "", "x-esp32c3.bin", True, True, None),
        ("ESP32-C3", "", "x-esp32c3-esp32s3.bin", False, True, None),
        ("ESP32-C3", "", "x-esp32c3-esp32s3.bin", True, True, 1),
        ("ESP32", "", "x.bin", False, True, 0),
        ("ESP32", "", "x.bin", False, False, None),
        ("ESP32", "", "x.bin", True, False, 0),
        ("", "", "x.bin", False, True, 0),
        ("", "", "x-esp32.bin", False, True, None),
        ("", "", "x-esp32.bin", True, True, 0),
    ],
)
def test_how_surely_a_file_is_for_a_chip(
    chip: str, told: str, name: str, is_told: bool, is_anonymous: bool, evidence: int | None
) -> None:
    assert chip_evidence(chip, told, name, is_told=is_told, is_anonymous=is_anonymous) == evidence


@given(st.text(max_size=300))
def test_no_name_makes_reading_it_raise(name: str) -> None:
    assert chips_written(name) <= chips_hinted(name) | {"ESP32"}
    assert isinstance(is_application(name), bool)
    assert len(version_in(name)) <= len(name)


@pytest.mark.parametrize(
    "name",
    [
        "relay-esp32c3.elf",
        "relay.map",
        "checksums.txt",
        "relay.bin.md5",
        "relay.bin.sha256",
        "SHA256.TXT",
        "notes.md",
        "src.tar.gz",
    ],
)
def test_what_lies_beside_an_image_is_no_application(name: str) -> None:
    assert not is_application(name)

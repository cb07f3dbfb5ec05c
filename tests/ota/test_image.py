"""An image's bytes: what is read from them, and which are refused and why."""

from dataclasses import replace
import hashlib
from itertools import pairwise
from pathlib import Path
import struct
import zlib

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.mqtt_ota.ota.board import Board
from custom_components.mqtt_ota.ota.errors import OtaError, Reason
from custom_components.mqtt_ota.ota.image import CHIPS as KNOWN_CHIPS, check_fits, inspect
from tests.firmware_images import (
    CHIPS,
    SECTOR,
    SMALLEST_APP,
    add_trailing,
    break_checksum,
    break_digest,
    build_app,
    build_bootloader,
    build_esp8266,
    build_merged,
    compress,
    sign_v1,
    sign_v2,
    truncate,
)

REAL_IMAGES = Path(__file__).parents[3] / "shared" / "images"

APP = build_app(size=8192)
PLAIN_APP = build_app(size=8192, digest=False)
SIGNED_APP = sign_v2(APP)


def refusal(data: bytes) -> OtaError:
    with pytest.raises(OtaError) as caught:
        inspect(data)
    return caught.value


def patched(data: bytes, offset: int, replacement: bytes) -> bytes:
    return data[:offset] + replacement + data[offset + len(replacement) :]


def board(chip: str = "", slot_size: int = 0) -> Board:
    return Board(id="b1", dialect="native", chip=chip, slot_size=slot_size)


def test_names_every_digest_that_a_board_may_tell():
    data = build_app(date="Nov  1 2026", time="09:12:00", size=8192)
    elf = data[0xB0:0xD0].hex()
    assert inspect(data).digests == (
        f"sha256:{hashlib.sha256(data).hexdigest()}",
        f"md5:{hashlib.md5(data).hexdigest()}",
        f"elf:{elf}",
        f"elf:{elf[:32]}",
        "built:Nov 1 2026 09:12:00",
    )


def test_names_no_digest_that_was_not_made():
    data = build_esp8266()
    digests = inspect(data).digests
    assert digests == (f"sha256:{hashlib.sha256(data).hexdigest()}", f"md5:{hashlib.md5(data).hexdigest()}")
    no_elf = replace(inspect(APP), elf_sha256="0" * 64)
    assert [name for name in no_elf.digests if name.startswith("elf:")] == []


def test_says_what_the_descriptor_says():
    data = build_app(
        "ESP32-C3",
        version="2.0.1-rc1",
        project="lamp",
        size=20_000,
        secure_version=7,
        date="Nov 21 2026",
        time="09:12:00",
        idf_version="v5.5.1-2-gabcdef0",
    )
    image = inspect(data)
    assert (image.chip, image.chip_id) == ("ESP32-C3", 5)
    assert (image.version, image.project) == ("2.0.1-rc1", "lamp")
    assert (image.date, image.time, image.idf_version) == ("Nov 21 2026", "09:12:00", "v5.5.1-2-gabcdef0")
    assert image.secure_version == 7
    assert image.elf_sha256 == data[0xB0:0xD0].hex()
    assert image.size == len(data) == 20_000
    assert image.sha256 == hashlib.sha256(data).hexdigest()
    assert image.md5 == hashlib.md5(data).hexdigest()
    assert image.digest_appended
    assert not image.signed


@pytest.mark.parametrize("chip", CHIPS)
def test_names_the_chip(chip: str):
    assert inspect(build_app(chip, size=4096)).chip == chip


def test_an_unknown_chip_id_has_no_name():
    image = inspect(build_app(size=4096, chip_id=0x7FFF))
    assert (image.chip, image.chip_id) == ("", 0x7FFF)


@pytest.mark.parametrize("digest", [True, False])
@pytest.mark.parametrize("size", [SMALLEST_APP, 4096, 4096 + 16, 65536, 100_000])
def test_takes_every_size(size: int, digest: bool):
    image = inspect(build_app(size=size, digest=digest))
    assert (image.size, image.digest_appended) == (size, digest)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"", Reason.IMAGE_EMPTY, id="empty"),
        pytest.param(b"<!DOCTYPE html><html>", Reason.IMAGE_NOT_ESP, id="html"),
        pytest.param(b"\x7fELF" + bytes(400), Reason.IMAGE_NOT_ESP, id="elf"),
        pytest.param(bytes(4096), Reason.IMAGE_NOT_ESP, id="zeros"),
        pytest.param(compress(APP), Reason.IMAGE_COMPRESSED, id="gzip"),
        pytest.param(b"PK\x03\x04" + APP, Reason.IMAGE_COMPRESSED, id="zip"),
        pytest.param(build_bootloader(), Reason.IMAGE_BOOTLOADER, id="boot loader"),
        pytest.param(build_bootloader("ESP32-C3", size=4096), Reason.IMAGE_BOOTLOADER, id="small boot loader"),
        pytest.param(build_merged("ESP32-S3"), Reason.IMAGE_MERGED, id="merged, boot loader at 0"),
        pytest.param(build_merged("ESP32"), Reason.IMAGE_MERGED, id="merged, boot loader at 0x1000"),
        pytest.param(build_merged("ESP32-P4"), Reason.IMAGE_MERGED, id="merged, boot loader at 0x2000"),
        pytest.param(b"\xff", Reason.IMAGE_MERGED, id="erased flash"),
        pytest.param(add_trailing(APP), Reason.IMAGE_TRAILING, id="trailing bytes"),
        pytest.param(add_trailing(APP, 1), Reason.IMAGE_TRAILING, id="one trailing byte"),
        pytest.param(add_trailing(APP, SECTOR), Reason.IMAGE_TRAILING, id="a trailing sector"),
        pytest.param(add_trailing(SIGNED_APP), Reason.IMAGE_TRAILING, id="bytes behind the signature"),
        pytest.param(add_trailing(build_app(size=5008), 3184), Reason.IMAGE_TRAILING, id="junk to the sector's end"),
        pytest.param(APP + bytes(68), Reason.IMAGE_TRAILING, id="zeros as long as a signature"),
        pytest.param(build_app(size=5008) + b"\xff" * 16, Reason.IMAGE_TRAILING, id="padding to nowhere"),
        pytest.param(break_checksum(APP), Reason.IMAGE_CHECKSUM, id="checksum"),
        pytest.param(break_checksum(PLAIN_APP, digest=False), Reason.IMAGE_CHECKSUM, id="checksum without digest"),
        pytest.param(patched(APP, 4000, b"\x5a\xa6"), Reason.IMAGE_CHECKSUM, id="flipped bits in the code"),
        pytest.param(break_digest(APP), Reason.IMAGE_DIGEST, id="digest"),
        pytest.param(patched(APP, 2, b"\0"), Reason.IMAGE_DIGEST, id="flipped bits in the header"),
        pytest.param(patched(APP, 1, b"\0"), Reason.IMAGE_NOT_ESP, id="no segments"),
        pytest.param(patched(APP, 1, b"\x11"), Reason.IMAGE_NOT_ESP, id="17 segments"),
        pytest.param(patched(APP, 23, b"\x02"), Reason.IMAGE_NOT_ESP, id="neither with nor without digest"),
        pytest.param(patched(APP, 28, b"\x10\0\0\0"), Reason.IMAGE_NOT_ESP, id="descriptor longer than its segment"),
        pytest.param(patched(APP, 28, b"\xff" * 4), Reason.IMAGE_TRUNCATED, id="segment of 4 GB"),
        pytest.param(patched(APP, 1, b"\x10"), Reason.IMAGE_TRUNCATED, id="more segments than there are"),
        pytest.param(truncate(APP), Reason.IMAGE_TRUNCATED, id="cut in the code"),
        pytest.param(truncate(APP, 32), Reason.IMAGE_TRUNCATED, id="without its digest"),
        pytest.param(truncate(APP, 33), Reason.IMAGE_TRUNCATED, id="without its checksum"),
        pytest.param(truncate(SIGNED_APP, 1), Reason.IMAGE_TRUNCATED, id="cut in the signature"),
    ],
)
def test_refuses(data: bytes, reason: Reason):
    assert refusal(data).reason is reason


@pytest.mark.parametrize("size", [1, 23, 24, 31, 35, 36, 100, 287, 288, 295, 296, 4096, 8191])
def test_refuses_what_was_cut_anywhere(size: int):
    error = refusal(APP[:size])
    assert error.reason is Reason.IMAGE_TRUNCATED
    assert int(error.placeholders["size"]) == size < int(error.placeholders["expected"])


def test_tells_what_a_foreign_file_begins_with():
    assert refusal(b"<html>").placeholders == {"start": "3c 68 74 6d"}


def test_tells_where_trailing_bytes_begin():
    assert refusal(add_trailing(APP)).placeholders == {"size": "8208", "expected": "8192"}


@pytest.mark.parametrize("size", [8192, 8192 + 16, 12288 - 16])
@pytest.mark.parametrize("signatures", [1, 2, 3])
@pytest.mark.parametrize("digest", [True, False])
def test_takes_a_signature_sector(size: int, signatures: int, digest: bool):
    image = inspect(sign_v2(build_app(size=size, digest=digest), signatures))
    assert image.signed
    assert image.size % SECTOR == 0


def test_takes_an_image_signed_twice():
    assert inspect(sign_v2(SIGNED_APP)).signed


def test_takes_a_signature_of_version_1():
    image = inspect(sign_v1(build_app("ESP32", size=8192)))
    assert image.signed
    assert image.size == 8192 + 68


def test_takes_padding_to_a_whole_sector():
    image = inspect(build_app(size=5008).ljust(8192, b"\xff"))
    assert not image.signed
    assert image.size == 8192


@pytest.mark.parametrize("offset", [1, 4, 1195, 1196], ids=["version", "digest", "last byte", "crc"])
@pytest.mark.parametrize("block", [0, 1])
def test_refuses_a_damaged_signature(block: int, offset: int):
    signed = sign_v2(APP, 2)
    place = len(APP) + block * 1216 + offset
    assert refusal(patched(signed, place, bytes([signed[place] ^ 0xFF]))).reason is Reason.IMAGE_DIGEST


def test_refuses_a_signature_of_an_unknown_kind():
    signed = sign_v2(APP)
    block = patched(signed[len(APP) : len(APP) + 1196], 1, b"\x09")
    damaged = patched(signed, len(APP), block + struct.pack("<I", zlib.crc32(block)))
    assert refusal(damaged).reason is Reason.IMAGE_DIGEST


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        pytest.param(b"", "", id="empty"),
        pytest.param(b"1.0\0\xff\xfegarbage", "1.0", id="bytes behind the NUL"),
        pytest.param(b"v" * 32, "v" * 32, id="no NUL"),
        pytest.param(b"  1.0 \t\n", "1.0", id="white space"),
        pytest.param(b"1.\x1b[31m0\r\n\x7f", "1.[31m0", id="control characters"),
        pytest.param("1.0-\u202eü".encode(), "1.0-ü", id="direction marks"),
        pytest.param(b"1.0-\xff\xc3", "1.0-\ufffd\ufffd", id="not UTF-8"),
    ],
)
def test_descriptor_texts_may_be_anything(raw: bytes, text: str):
    image = inspect(build_app(version=raw, project=raw, size=4096))
    assert (image.version, image.project) == (text, text)


@pytest.mark.parametrize("form", ["rom", "v2", "arduino"])
def test_knows_an_esp8266_image(form: str):
    image = inspect(build_esp8266(20_480, form=form))
    assert (image.chip, image.chip_id) == ("ESP8266", None)
    assert (image.version, image.project, image.elf_sha256) == ("", "", "")
    assert image.size == 20_480


def test_an_esp8266_image_with_a_descriptor_is_not_an_esp32_image():
    """The ESP8266's RTOS SDK writes the header of an ESP32, with 0 for the chip id."""
    esp32 = build_app("ESP32", size=8192, digest=False)
    image = inspect(patched(esp32, 4, struct.pack("<I", 0x40100004)))
    assert (image.chip, image.chip_id, image.version) == ("ESP8266", None, "1.1.0")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(truncate(build_esp8266(8192), 1), Reason.IMAGE_TRUNCATED, id="rom, cut"),
        pytest.param(truncate(build_esp8266(8192, form="v2"), 1), Reason.IMAGE_TRUNCATED, id="v2, cut"),
        pytest.param(build_esp8266(8192, form="v2")[:4115], Reason.IMAGE_TRUNCATED, id="v2, cut in a header"),
        pytest.param(truncate(build_esp8266(8192, form="arduino"), 99), Reason.IMAGE_TRUNCATED, id="arduino, cut"),
        pytest.param(patched(build_esp8266(8192), 100, b"\xa5\xa4"), Reason.IMAGE_CHECKSUM, id="flipped bits"),
        pytest.param(b"\xea" + APP[1:], Reason.IMAGE_NOT_ESP, id="magic of an ESP8266 before an ESP32"),
        pytest.param(b"\xea\x04", Reason.IMAGE_TRUNCATED, id="v2, two bytes"),
        pytest.param(
            patched(build_esp8266(8192, form="v2"), 16 + 4096, b"\0"), Reason.IMAGE_NOT_ESP, id="v2, no second header"
        ),
        pytest.param(
            patched(build_esp8266(8192, form="v2"), 20 + 4096, bytes(4)), Reason.IMAGE_NOT_ESP, id="v2, another chip"
        ),
        pytest.param(patched(build_esp8266(8192), 1, b"\0"), Reason.IMAGE_NOT_ESP, id="no segments"),
    ],
)
def test_refuses_a_damaged_esp8266_image(data: bytes, reason: Reason):
    assert refusal(data).reason is reason


@pytest.mark.parametrize("rest", [b"\xaa" * 100, b"\xe9"], ids=["filling", "one byte"])
def test_what_follows_an_esp8266_boot_loader_need_not_be_a_sketch(rest: bytes):
    assert inspect(build_esp8266(1024).ljust(4096, b"\xaa") + rest).chip == "ESP8266"


def test_a_byte_of_esp8266_code_is_not_taken_for_a_sketch():
    image = build_esp8266(8192)
    assert image[4096:4099] == bytes(3)
    # Three bytes whose XOR is nothing leave the checksum right.
    assert inspect(patched(image, 4096, b"\xe9\xff\x16")).chip == "ESP8266"


@pytest.mark.parametrize(
    ("image_chip", "board_chip"),
    [
        ("ESP32-C3", "ESP32-C3"),
        ("ESP32-C3", "esp32c3"),
        ("ESP32-C3", "ESP32_C3"),
        ("ESP32", "esp32"),
        ("ESP32-S2", ""),
    ],
)
def test_an_image_fits_its_chip(image_chip: str, board_chip: str):
    image = inspect(build_app(image_chip, size=4096))
    assert check_fits(image, board(board_chip, slot_size=4096)) is None


@pytest.mark.parametrize(("found", "expected"), [*pairwise(CHIPS), ("ESP32", "ESP32-X9"), ("ESP32-C6", "ESP8266")])
def test_an_image_does_not_fit_another_chip(found: str, expected: str):
    with pytest.raises(OtaError) as caught:
        check_fits(inspect(build_app(found, size=4096)), board(expected))
    assert caught.value.reason is Reason.WRONG_CHIP
    assert caught.value.placeholders == {"found": found, "expected": expected}


@pytest.mark.parametrize("chip", [*KNOWN_CHIPS.values(), "ESP8266"])
def test_an_image_for_a_chip_not_known_here_does_not_fit_a_known_one(chip: str):
    with pytest.raises(OtaError) as caught:
        check_fits(inspect(build_app(size=4096, chip_id=0x7F)), board(chip))
    assert caught.value.reason is Reason.WRONG_CHIP
    assert caught.value.placeholders == {"found": "id 127", "expected": chip}


def test_an_image_for_a_chip_not_known_here_may_fit_a_board_not_known_here():
    image = inspect(build_app(size=4096, chip_id=0x7F))
    assert check_fits(image, board("ESP32-X9")) is None
    assert check_fits(image, board()) is None


@pytest.mark.parametrize("chip", ["", "ESP32", "ESP32-C3"])
def test_an_esp8266_image_fits_only_boards_that_say_so(chip: str):
    image = inspect(build_esp8266(8192))
    assert check_fits(image, board("ESP8266")) is None
    with pytest.raises(OtaError) as caught:
        check_fits(image, board(chip))
    assert caught.value.reason is Reason.WRONG_CHIP
    assert caught.value.placeholders == {"found": "ESP8266", "expected": chip or "ESP32"}


def test_an_image_fits_a_slot_of_exactly_its_size():
    assert check_fits(inspect(APP), board("ESP32-S3", slot_size=len(APP))) is None


def test_an_image_does_not_fit_a_smaller_slot():
    with pytest.raises(OtaError) as caught:
        check_fits(inspect(APP), board("ESP32-S3", slot_size=len(APP) - 1))
    assert caught.value.reason is Reason.TOO_LARGE
    assert caught.value.placeholders == {"size": "8192", "slot": "8191"}


def test_another_version_changes_little_of_a_built_image():
    old, new = build_app(version="1.0.0"), build_app(version="1.1.0")
    assert len(old) == len(new)
    assert 0 < sum(one != other for one, other in zip(old, new, strict=True)) < 128


def inspected(data: bytes) -> None:
    try:
        image = inspect(data)
    except OtaError:
        return
    assert image.size == len(data)
    assert image.sha256 == hashlib.sha256(data).hexdigest()


@given(st.binary(max_size=600))
def test_any_bytes_are_read_or_refused(data: bytes):
    inspected(data)


@given(st.sampled_from([b"\xe9", b"\xea", b"\xff"]), st.binary(max_size=600))
def test_any_bytes_behind_a_magic_are_read_or_refused(magic: bytes, data: bytes):
    inspected(magic + data)


@settings(max_examples=300)
@given(
    st.sampled_from(
        [APP, PLAIN_APP, SIGNED_APP, *(build_esp8266(8192, form=form) for form in ("rom", "v2", "arduino"))]
    ),
    st.one_of(st.integers(0, 320), st.integers(0, 13_000)),
    st.binary(max_size=8),
)
def test_any_change_is_read_or_refused(data: bytes, offset: int, replacement: bytes):
    inspected(patched(data, offset, replacement))


@given(st.integers(0, len(APP) - 1), st.integers(1, 255))
def test_no_change_of_a_byte_passes_an_appended_digest(offset: int, flip: int):
    refusal(patched(APP, offset, bytes([APP[offset] ^ flip])))


@given(st.integers(0, len(APP) - 1))
def test_no_beginning_of_an_image_passes(size: int):
    assert refusal(APP[:size]).reason in {Reason.IMAGE_TRUNCATED, Reason.IMAGE_EMPTY}


@given(st.integers(0, 5000), st.booleans(), st.integers(0, 9), st.sampled_from(sorted(CHIPS)))
def test_every_built_image_is_read(size: int, digest: bool, seed: int, chip: str):
    image = inspect(build_app(chip, size=size, digest=digest, seed=seed))
    assert (image.chip, image.version, image.digest_appended) == (chip, "1.1.0", digest)


@pytest.mark.skipif(not REAL_IMAGES.is_dir(), reason="the folder ../shared/images with real images is missing")
def test_reads_a_real_application_and_refuses_a_real_boot_loader():
    image = inspect((REAL_IMAGES / "esp_idf_blink_esp32s2.bin").read_bytes())
    assert (image.chip, image.project, image.version) == ("ESP32-S2", "blink", "qa-test-v5.0-20220830-4-g4532e6")
    assert (image.size, image.digest_appended, image.signed) == (182_368, True, False)
    with pytest.raises(OtaError) as caught:
        check_fits(image, board("ESP32-C3"))
    assert caught.value.reason is Reason.WRONG_CHIP
    assert refusal((REAL_IMAGES / "bootloader_esp32c3.bin").read_bytes()).reason is Reason.IMAGE_BOOTLOADER

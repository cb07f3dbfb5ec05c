"""Firmware images for the tests: good ones that esptool accepts, and one of each kind that must be refused."""

from dataclasses import dataclass
import gzip
import hashlib
from itertools import chain, repeat
import random
import struct
import zlib

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

SECTOR = 4096
PARTITIONS_AT = 0x8000
APP_AT = 0x10000


@dataclass(frozen=True, slots=True)
class Chip:
    """Where a chip's images are loaded, and where its boot loader lies in flash."""

    id: int
    rodata: int
    code: int
    bootloader_at: int


CHIPS = {
    "ESP32": Chip(0x00, 0x3F400000, 0x40080000, 0x1000),
    "ESP32-S2": Chip(0x02, 0x3F000000, 0x40022000, 0x1000),
    "ESP32-C3": Chip(0x05, 0x3C000000, 0x40380000, 0x0000),
    "ESP32-S3": Chip(0x09, 0x3C000000, 0x40374000, 0x0000),
    "ESP32-C2": Chip(0x0C, 0x3C000000, 0x4037C000, 0x0000),
    "ESP32-C6": Chip(0x0D, 0x42000000, 0x40800000, 0x0000),
    "ESP32-H2": Chip(0x10, 0x42000000, 0x40800000, 0x0000),
    "ESP32-P4": Chip(0x12, 0x40000000, 0x4FF00000, 0x2000),
    "ESP32-C61": Chip(0x14, 0x42000000, 0x40800000, 0x0000),
    "ESP32-C5": Chip(0x17, 0x42000000, 0x40800000, 0x2000),
}

SMALLEST_APP = 352


def build_app(
    chip: str = "ESP32-S3",
    version: str | bytes = "1.1.0",
    project: str | bytes = "mqtt_ota_test",
    size: int = 64 * 1024,
    *,
    secure_version: int = 0,
    digest: bool = True,
    seed: int = 0,
    date: str | bytes = "Nov 21 2026",
    time: str | bytes = "10:30:00",
    idf_version: str | bytes = "v5.5.1",
    chip_id: int | None = None,
) -> bytes:
    """Build an application image of a size in bytes, rounded up to a multiple of 16; at least `SMALLEST_APP`.

    Its bytes compress to about two thirds, as those of real images do. The same seed and size with another version
    gives an image that differs as little as it can.
    """
    size = max(-(-size // 16) * 16, SMALLEST_APP)
    known = CHIPS[chip]
    elf_sha256 = hashlib.sha256(repr((chip, version, project, size, seed)).encode()).digest()
    descriptor = struct.pack(
        "<II8x32s32s16s16s32s32s80x",
        0xABCD5432,
        secure_version,
        *map(_field, (version, project, time, date, idf_version)),
        elf_sha256,
    )
    # What is neither header, descriptor, padding, checksum nor digest is code: the last word goes to the checksum.
    code_size = size - 32 * digest - 4 - 24 - 8 - len(descriptor) - 8
    code = code_bytes(code_size, seed)
    segments = ((known.rodata + 0x20, descriptor), (known.code, code))
    return _assemble(known.id if chip_id is None else chip_id, known.code, segments, digest=digest)


def code_bytes(size: int, seed: int = 0) -> bytes:
    """Make bytes that compress to about two thirds: noise with gaps."""
    noise = random.Random(seed).randbytes(size)
    return b"".join(noise[start : start + 640].ljust(1024, b"\0") for start in range(0, size, 1024))[:size]


def build_bootloader(chip: str = "ESP32-S3", size: int = 16 * 1024) -> bytes:
    """Build a boot loader: a good image that has no application descriptor."""
    known = CHIPS[chip]
    code = code_bytes(size // 16 * 16 - 32 - 4 - 24 - 8 - 80 - 8, seed=1)
    # Its own descriptor begins with the byte 80.
    segments = ((known.code, struct.pack("<B79x", 80)), (known.code + 0x2000, code))
    return _assemble(known.id, known.code, segments)


def build_merged(chip: str = "ESP32-S3", size: int = 64 * 1024) -> bytes:
    """Build a factory image: boot loader, partition table and application, each at its place in flash.

    It begins with 0xFF on an ESP32, whose boot loader lies at 0x1000, and with 0xE9 on an ESP32-S3.
    """
    partitions = struct.pack("<2sBBII16sI", b"\xaa\x50", 0, 0x10, APP_AT, 0x100000, b"app0", 0)
    flash = b"\xff" * CHIPS[chip].bootloader_at + build_bootloader(chip)
    flash = flash.ljust(PARTITIONS_AT, b"\xff") + partitions
    return flash.ljust(APP_AT, b"\xff") + build_app(chip, size=size)


def build_esp8266(size: int = 64 * 1024, *, form: str = "rom") -> bytes:
    """Build an ESP8266 image: as the ROM starts it, as rboot does (`v2`), or as Arduino does (`arduino`)."""
    match form:
        case "rom":
            return _esp8266_program(0x40100000, size)
        case "v2":
            irom = code_bytes(size // 2 // 16 * 16, seed=3)
            head = struct.pack("<BBBBI", 0xEA, 4, 0, 0, 0x40100004) + struct.pack("<II", 0, len(irom)) + irom
            return head + _esp8266_program(0x40100000, size - len(head), start=len(head))
        case _:
            sketch = bytearray(_esp8266_program(0x40201010, size - 0x1000))
            # Arduino writes the length and a CRC over the sketch's first words after its checksum was made.
            struct.pack_into("<II", sketch, 16, size, 0x12345678)
            return _esp8266_program(0x4010F000, 1024).ljust(0x1000, b"\xaa") + sketch


def truncate(image: bytes, by: int = 100) -> bytes:
    """Cut off an image's end."""
    return image[:-by]


def add_trailing(image: bytes, count: int = 16) -> bytes:
    """Append bytes that belong to nothing."""
    return image + bytes(chain.from_iterable(repeat(b"junk", count)))[:count]


def break_checksum(image: bytes, *, digest: bool = True) -> bytes:
    """Spoil the XOR checksum alone: an appended digest is made anew."""
    body = image[: -32 if digest else None]
    body = body[:-1] + bytes([body[-1] ^ 0x5A])
    return body + hashlib.sha256(body).digest() if digest else body


def break_digest(image: bytes) -> bytes:
    """Spoil the appended digest alone."""
    return image[:-1] + bytes([image[-1] ^ 0x5A])


def compress(image: bytes) -> bytes:
    """Compress an image as ESP8266 and Tasmota take it."""
    return gzip.compress(image, mtime=0)


def sign_v1(image: bytes) -> bytes:
    """Append a Secure Boot version 1 signature."""
    return image + bytes(4) + _signature(hashlib.sha256(image).digest(), "big")


def sign_v2(image: bytes, signatures: int = 1) -> bytes:
    """Pad an image to whole sectors and append a Secure Boot version 2 sector of one to three signatures."""
    image = image.ljust(-(-len(image) // SECTOR) * SECTOR, b"\xff")
    digest = hashlib.sha256(image).digest()
    public = _KEY.public_key().public_numbers()
    point = public.x.to_bytes(32, "little") + public.y.to_bytes(32, "little")
    block = struct.pack("<BBBx32sB64s64s1031x", 0xE7, 3, 0, digest, 2, point, _signature(digest, "little"))
    block += struct.pack("<I16x", zlib.crc32(block))
    return image + (block * signatures).ljust(SECTOR, b"\xff")


_KEY = ec.derive_private_key(20261121, ec.SECP256R1())


def _signature(digest: bytes, order: str) -> bytes:
    algorithm = ec.ECDSA(utils.Prehashed(hashes.SHA256()), deterministic_signing=True)
    numbers = utils.decode_dss_signature(_KEY.sign(digest, algorithm))
    return b"".join(number.to_bytes(32, "little" if order == "little" else "big") for number in numbers)


def _field(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def _assemble(chip_id: int, entry: int, segments: tuple[tuple[int, bytes], ...], *, digest: bool = True) -> bytes:
    header = struct.pack("<BBBBI", 0xE9, len(segments), 2, 0x1F, entry)
    header += struct.pack("<B3xHBHH4xB", 0xEE, chip_id, 0, 0, 0xFFFF, digest)
    image = _with_checksum(header, segments)
    return image + hashlib.sha256(image).digest() if digest else image


def _with_checksum(header: bytes, segments: tuple[tuple[int, bytes], ...], *, start: int = 0) -> bytes:
    checksum = 0xEF
    image = header
    for address, content in segments:
        image += struct.pack("<II", address, len(content)) + content
        for byte in content:
            checksum ^= byte
    return image + bytes(15 - (start + len(image)) % 16) + bytes([checksum])


def _esp8266_program(address: int, size: int, *, start: int = 0) -> bytes:
    code = code_bytes((size - 16 - 4) // 4 * 4, seed=2)
    entry = address if address < 0x40200000 else 0x40100000
    return _with_checksum(struct.pack("<BBBBI", 0xE9, 1, 2, 0x40, entry), ((address, code),), start=start)

"""ESP application images of any size, valid to the last byte."""

import hashlib
import struct


def app_image(*, chip_id: int = 5, version: str = "1.1.0", project: str = "lamp", size: int = 4096) -> bytes:
    """Return an image for a chip, by default the ESP32-C3; `size` is about what it comes to, in bytes."""
    descriptor = struct.pack(
        "<IIQ32s32s16s16s32s32s80x",
        0xABCD5432,
        0,
        0,
        version.encode(),
        project.encode(),
        b"12:00:00",
        b"Jan  1 2026",
        b"v5.5",
        hashlib.sha256(version.encode()).digest(),
    )
    code = hashlib.shake_256(version.encode()).digest((size - 512) // 4 * 4)
    segments = ((0x3C000020, descriptor), (0x42000000, code))
    image = bytearray(struct.pack("<BBBBI4xHBHH4xB", 0xE9, len(segments), 2, 0x20, 0x40380000, chip_id, 0, 0, 99, 1))
    checksum = 0xEF
    for address, content in segments:
        image += struct.pack("<II", address, len(content)) + content
        for byte in content:
            checksum ^= byte
    image += bytes(15 - len(image) % 16) + bytes([checksum])
    return bytes(image + hashlib.sha256(image).digest())

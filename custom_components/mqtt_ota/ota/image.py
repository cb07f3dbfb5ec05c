"""A firmware image's bytes: what they are, and why some of them are refused."""

from dataclasses import dataclass
import hashlib
from struct import Struct
from typing import Final

from .board import Board
from .bundle import MICROPYTHON, is_bundle, read_bundle
from .elf import HOST, check_program, is_elf
from .errors import OtaError, Reason
from .secure_boot import is_followed_by_signature

ESP8266: Final = "ESP8266"
CHIPS: Final = {
    0x00: "ESP32",
    0x02: "ESP32-S2",
    0x05: "ESP32-C3",
    0x09: "ESP32-S3",
    0x0C: "ESP32-C2",
    0x0D: "ESP32-C6",
    0x10: "ESP32-H2",
    0x12: "ESP32-P4",
    0x14: "ESP32-C61",
    0x17: "ESP32-C5",
    0x19: "ESP32-H21",
    0x1C: "ESP32-H4",
    0x1F: "ESP32-E22",
    0x20: "ESP32-S31",
}

_MAGIC: Final = 0xE9
_MAGIC_ESP8266_V2: Final = 0xEA
_MAX_SEGMENTS: Final = 16
_CHECKSUM_SEED: Final = 0xEF
_DIGEST_SIZE: Final = 32
_U32: Final = Struct("<I")
_SEGMENT: Final = Struct("<II")  # load address, length
_PREFIX: Final = Struct("<BBBBI")  # magic, segments, flash mode, flash size and speed, entry point
_HEADER: Final = Struct("<BBBBI4xHBHH4xB")  # the prefix, pins, chip id, revisions, digest appended
_DESCRIPTOR: Final = Struct("<II8x32s32s16s16s32s32s")
_DESCRIPTOR_MAGIC: Final = 0xABCD5432
_DESCRIPTOR_OFFSET: Final = 0x20
_DESCRIPTOR_SIZE: Final = 256

# The ESP8266 starts in instruction RAM that no ESP32 starts in: theirs is elsewhere.
_ESP8266_ENTRY: Final = range(0x4010_0000, 0x4011_0000)
_ESP8266_LOWEST_ADDRESS: Final = 0x3FF0_0000
_ESP8266_SKETCH: Final = 0x1000  # where Arduino puts the sketch, behind its boot loader

_PARTITION_MAGIC: Final = b"\xaa\x50"
_PARTITION_OFFSETS: Final = range(0x8000, 0x20000, 0x1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What an application image says of itself, its size in bytes and its digests in lower-case hex.

    `chip` is empty where the chip id is not known here. `chip_id` is None, and what a descriptor would say is empty,
    for the ESP8266 and for programs, whose images carry neither; a release of files for MicroPython has a version and a
    project. `signed` is Secure Boot's signature, present but not verified.
    """

    chip: str
    chip_id: int | None
    version: str
    project: str
    date: str
    time: str
    idf_version: str
    secure_version: int
    elf_sha256: str
    size: int
    sha256: str
    md5: str
    signed: bool
    digest_appended: bool

    @property
    def digests(self) -> tuple[str, ...]:
        """Return what boards may call the image, each `algorithm:hex`; the ELF's digest as a whole and its first half.

        Some boards tell instead when their image was built.
        """
        elf = (f"elf:{self.elf_sha256}", f"elf:{self.elf_sha256[:32]}") if self.elf_sha256.strip("0") else ()
        built = (f"built:{' '.join(f'{self.date} {self.time}'.split())}",) if self.date and self.time else ()
        return (f"sha256:{self.sha256}", f"md5:{self.md5}", *elf, *built)


def inspect(data: bytes) -> Image:
    """Read an application image, or raise OtaError with the reason why it cannot be installed over the air.

    Takes some milliseconds a megabyte: not for the event loop.
    """
    if is_bundle(data):
        return _inspect_bundle(data)
    if is_elf(data):
        check_program(data)
        return _image(data, chip=HOST, chip_id=None)
    _refuse_foreign(data)
    if data[0] == _MAGIC_ESP8266_V2:
        return _inspect_esp8266(data)
    if len(data) < _HEADER.size:
        raise _truncated(data, _HEADER.size)
    _, segments, _, _, entry, chip_id, _, _, _, digest_appended = _HEADER.unpack_from(data)
    esp8266 = entry in _ESP8266_ENTRY
    if esp8266 and _U32.unpack_from(data, _PREFIX.size)[0] >= _ESP8266_LOWEST_ADDRESS:
        return _inspect_esp8266(data)
    if digest_appended not in {0, 1}:
        raise _not_esp(data)
    _require_descriptor(data)
    end = _verify_segments(data, _HEADER.size, segments)
    digest = hashlib.sha256(memoryview(data)[:end])
    if digest_appended:
        end = _verify_digest(data, end, digest.digest())
    signed = is_followed_by_signature(data, end)
    return _image(
        data,
        chip=ESP8266 if esp8266 else CHIPS.get(chip_id, ""),
        chip_id=None if esp8266 else chip_id,
        descriptor=_DESCRIPTOR.unpack_from(data, _DESCRIPTOR_OFFSET),
        signed=signed,
        digest_appended=bool(digest_appended),
    )


def check_fits(image: Image, board: Board) -> None:
    """Raise OtaError when a board cannot run an image or has no room for it.

    What a board did not say is not held against the image, except that only a board which says so is an ESP8266,
    runs MicroPython or is a program.
    """
    expected = board.chip or ("ESP32" if image.chip in {ESP8266, MICROPYTHON, HOST} else "")
    if expected and not _is_same_chip(image, expected):
        raise OtaError(Reason.WRONG_CHIP, found=image.chip or f"id {image.chip_id}", expected=expected)
    if 0 < board.slot_size < image.size:
        raise OtaError(Reason.TOO_LARGE, size=image.size, slot=board.slot_size)


def _is_same_chip(image: Image, name: str) -> bool:
    """Compare chips by name, however it is written; two that are not known here may be the same."""
    known = {_plain(chip) for chip in (*CHIPS.values(), ESP8266, MICROPYTHON, HOST)}
    return _plain(image.chip) == _plain(name) if image.chip else _plain(name) not in known


def _plain(chip: str) -> str:
    return "".join(filter(str.isalnum, chip.casefold()))


def _refuse_foreign(data: bytes) -> None:
    if not data:
        raise OtaError(Reason.IMAGE_EMPTY)
    if data.startswith((b"\x1f\x8b", b"PK\x03\x04")):
        raise OtaError(Reason.IMAGE_COMPRESSED)
    if data[0] == 0xFF:
        raise OtaError(Reason.IMAGE_MERGED)
    if data[0] not in {_MAGIC, _MAGIC_ESP8266_V2}:
        raise _not_esp(data)


def _require_descriptor(data: bytes) -> None:
    """Tell an application from a boot loader, and from a factory image that begins with one."""
    if len(data) < _DESCRIPTOR_OFFSET + _U32.size:
        raise _truncated(data, _DESCRIPTOR_OFFSET + _DESCRIPTOR_SIZE)
    if _U32.unpack_from(data, _DESCRIPTOR_OFFSET)[0] != _DESCRIPTOR_MAGIC:
        merged = any(data.startswith(_PARTITION_MAGIC, offset) for offset in _PARTITION_OFFSETS)
        raise OtaError(Reason.IMAGE_MERGED if merged else Reason.IMAGE_BOOTLOADER)
    if _SEGMENT.unpack_from(data, _HEADER.size)[1] < _DESCRIPTOR_SIZE:
        raise _not_esp(data)


def _walk_segments(data: bytes, offset: int, count: int) -> tuple[int, int]:
    """Return where the segments end and the checksum of their bytes."""
    if not 0 < count <= _MAX_SEGMENTS:
        raise _not_esp(data)
    view = memoryview(data)
    checksum = _CHECKSUM_SEED
    for _ in range(count):
        start = offset + _SEGMENT.size
        if len(data) < start:
            raise _truncated(data, start)
        offset = start + _SEGMENT.unpack_from(data, offset)[1]
        if len(data) < offset:
            raise _truncated(data, offset)
        checksum ^= _xor(view[start:offset])
    return offset, checksum


def _verify_segments(data: bytes, offset: int, count: int) -> int:
    """Return where the checksum's 16-byte block ends."""
    offset, checksum = _walk_segments(data, offset, count)
    end = (offset | 15) + 1
    if len(data) < end:
        raise _truncated(data, end)
    if data[end - 1] != checksum:
        raise OtaError(Reason.IMAGE_CHECKSUM)
    return end


def _verify_digest(data: bytes, end: int, digest: bytes) -> int:
    """Return where the appended SHA-256 ends."""
    start, end = end, end + _DIGEST_SIZE
    if len(data) < end:
        raise _truncated(data, end)
    if data[start:end] != digest:
        raise OtaError(Reason.IMAGE_DIGEST)
    return end


def _inspect_esp8266(data: bytes) -> Image:
    """Read an image with an 8-byte header: the program that the ROM starts, and Arduino's sketch behind its loader.

    What comes after them is up to the boot loader in use and is not judged.
    """
    start = 0
    if data[0] == _MAGIC_ESP8266_V2:
        start, _ = _walk_segments(data, _PREFIX.size, 1)
    if len(data) < start + _PREFIX.size:
        raise _truncated(data, start + _PREFIX.size)
    magic, segments, _, _, entry = _PREFIX.unpack_from(data, start)
    if magic != _MAGIC or entry not in _ESP8266_ENTRY:
        raise _not_esp(data)
    end = _verify_segments(data, start + _PREFIX.size, segments)
    if end <= _ESP8266_SKETCH < len(data) - 1 and data[_ESP8266_SKETCH] == _MAGIC:
        # Arduino writes its CRC over the sketch after the checksum was made: only its length can be checked.
        _walk_segments(data, _ESP8266_SKETCH + _PREFIX.size, data[_ESP8266_SKETCH + 1])
    return _image(data, chip=ESP8266, chip_id=None)


def _inspect_bundle(data: bytes) -> Image:
    bundle = read_bundle(data)
    descriptor = (0, 0, bundle.version.encode(), bundle.project.encode(), b"", b"", b"", b"")
    return _image(data, chip=MICROPYTHON, chip_id=None, descriptor=descriptor)


def _image(
    data: bytes,
    *,
    chip: str,
    chip_id: int | None,
    descriptor: tuple[int, int, bytes, bytes, bytes, bytes, bytes, bytes] = (0, 0, b"", b"", b"", b"", b"", b""),
    signed: bool = False,
    digest_appended: bool = False,
) -> Image:
    _, secure_version, version, project, time, date, idf_version, elf_sha256 = descriptor
    return Image(
        chip=chip,
        chip_id=chip_id,
        version=_text(version),
        project=_text(project),
        date=_text(date),
        time=_text(time),
        idf_version=_text(idf_version),
        secure_version=secure_version,
        elf_sha256=elf_sha256.hex(),
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        md5=hashlib.md5(data, usedforsecurity=False).hexdigest(),
        signed=signed,
        digest_appended=digest_appended,
    )


def _text(field: bytes) -> str:
    """Decode a NUL-terminated field that may hold anything."""
    text = field.partition(b"\0")[0].decode(errors="replace")
    return "".join(filter(str.isprintable, text)).strip()


def _xor(view: memoryview) -> int:
    """Return the XOR of all bytes, by folding them in halves: a loop over bytes takes a hundred times as long."""
    size = len(view)
    number = int.from_bytes(view, "little")
    while size > 1:
        half = (size + 1) // 2
        number = (number >> 8 * half) ^ (number & ((1 << 8 * half) - 1))
        size = half
    return number


def _not_esp(data: bytes) -> OtaError:
    return OtaError(Reason.IMAGE_NOT_ESP, start=data[:4].hex(" "))


def _truncated(data: bytes, expected: int) -> OtaError:
    return OtaError(Reason.IMAGE_TRUNCATED, size=len(data), expected=expected)

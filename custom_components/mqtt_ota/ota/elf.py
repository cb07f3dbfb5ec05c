"""Programs as images, for the boards that are programs themselves: ESPHome's platform `host` announces that chip."""

from struct import Struct
from typing import Final

from .errors import OtaError, Reason

HOST: Final = "host"

_MAGIC: Final = b"\x7fELF"
_PROGRAMS: Final = {2, 3}  # with fixed addresses, and position-independent
_IDENTITY: Final = Struct("4sBBB9x")  # magic, class, byte order, version
# Type, machine, offset of segments, offset of sections, then the size of this head, and of each: size, count.
_HEADS: Final = {
    (1, 1): Struct("<16xHH4x4xII4xHHHHH2x"),
    (2, 1): Struct("<16xHH4x8xQQ4xHHHHH2x"),
}
# By class: what ESPHome's platform `host` is built for. An ESP32's own ELF is what its image is made from, not an image.
_MACHINES: Final = {
    (1, 3),  # x86
    (1, 40),  # ARM
    (2, 62),  # x86-64
    (2, 183),  # AArch64
    (2, 243),  # RISC-V
}


def is_elf(data: bytes) -> bool:
    """Tell whether an image means to be an ELF file."""
    return data.startswith(_MAGIC)


def check_program(data: bytes) -> None:
    """Refuse what is no whole program that a `host` board could run; only the board knows for which machine it is.

    Raises OtaError: IMAGE_NOT_ESP, IMAGE_TRUNCATED.
    """
    if len(data) < _IDENTITY.size:
        raise _truncated(data, _IDENTITY.size)
    _, width, order, version = _IDENTITY.unpack_from(data)
    head = _HEADS.get((width, order))
    if head is None or version != 1:
        raise _not_a_program(data)
    if len(data) < head.size:
        raise _truncated(data, head.size)
    kind, code, segments_at, sections_at, size, segment_size, segments, section_size, sections = head.unpack_from(data)
    if (width, code) not in _MACHINES or kind not in _PROGRAMS or size < head.size or not segments:
        raise _not_a_program(data)
    # Linkers write the table of sections last: a program that lost its end has lost it.
    end = max(segments_at + segment_size * segments, sections_at + section_size * sections)
    if len(data) < end:
        raise _truncated(data, end)


def _not_a_program(data: bytes) -> OtaError:
    return OtaError(Reason.IMAGE_NOT_ESP, start=data[:4].hex(" "))


def _truncated(data: bytes, expected: int) -> OtaError:
    return OtaError(Reason.IMAGE_TRUNCATED, size=len(data), expected=expected)

"""What may follow an application image: a Secure Boot signature, and padding before it."""

from struct import Struct
from typing import Final
import zlib

from .errors import OtaError, Reason

_SECTOR: Final = 4096
_MAGIC: Final = 0xE7
_VERSIONS: Final = (2, 3)  # RSA, ECDSA
_OFFSETS: Final = (0, 1216, 2432)
_CRC: Final = 1196
_V1_SIZE: Final = 68  # a version word of zero, then r and s
_U32: Final = Struct("<I")


def is_followed_by_signature(data: bytes, end: int) -> bool:
    """Tell whether a signature follows the image that ends here; nothing else may, but padding to a whole sector.

    Raises OtaError: IMAGE_TRAILING, IMAGE_TRUNCATED or IMAGE_DIGEST.
    """
    if len(data) == end + _V1_SIZE and data[end : end + 4] == bytes(4) and any(data[end + 4 :]):
        return True
    aligned = -(-end // _SECTOR) * _SECTOR
    if len(data) > end and (len(data) < aligned or data[end:aligned].strip(b"\xff")):
        raise _trailing(data, end)
    for start in range(aligned, len(data), _SECTOR):
        if data[start] != _MAGIC:
            raise _trailing(data, start)
        if len(data) < start + _SECTOR:
            raise OtaError(Reason.IMAGE_TRUNCATED, size=len(data), expected=start + _SECTOR)
        _verify_blocks(data, start)
    return len(data) > aligned


def _verify_blocks(data: bytes, sector: int) -> None:
    """Check that the signatures of a sector arrived whole; whether they are good is for the board to say."""
    for start in (sector + offset for offset in _OFFSETS):
        if data[start] != _MAGIC:
            return
        crc = start + _CRC
        if data[start + 1] not in _VERSIONS or _U32.unpack_from(data, crc)[0] != zlib.crc32(data[start:crc]):
            raise OtaError(Reason.IMAGE_DIGEST)


def _trailing(data: bytes, end: int) -> OtaError:
    return OtaError(Reason.IMAGE_TRAILING, size=len(data), expected=end)

"""What boards with Homie say of themselves, attribute by attribute, and of an update, code by code."""

from collections.abc import Callable, Mapping
from ipaddress import AddressValueError, IPv4Address
import re
from typing import Any, Final

from ..board import Availability, Transport
from ..errors import Reason
from ..session import Session, State
from . import Effect, Ignored, StopBlocks

STATUS: Final = "$implementation/ota/status"
ENABLED: Final = "$implementation/ota/enabled"
FIRMWARE: Final = "$implementation/ota/firmware"
CHECKSUM: Final = "$fw/checksum"
IMPLEMENTATION: Final = "$implementation"
ATTRIBUTES: Final = (
    "$fw/name",
    "$fw/version",
    CHECKSUM,
    IMPLEMENTATION,
    ENABLED,
    "$mac",
    "$name",
    "$localip",
    "$state",
    "$online",
    STATUS,
)
PRESENCE: Final = {
    "ready": Availability.ONLINE,
    "alert": Availability.ONLINE,
    "true": Availability.ONLINE,
    "sleeping": Availability.ASLEEP,
    "disconnected": Availability.OFFLINE,
    "lost": Availability.OFFLINE,
    "false": Availability.OFFLINE,
}
_LONGEST: Final = 64
_MD5: Final = re.compile(r"[0-9a-f]{32}")
_MAC: Final = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_STATUS: Final = re.compile(r"(\d{3})(?: (.*))?", re.ASCII)
_PROGRESS: Final = re.compile(r"(\d{1,9})/(\d{1,9})", re.ASCII)
# What it says of a slot that was opened, never closed, and cannot be opened again before a restart.
_STUCK: Final = "INTERNAL_ERROR 0"
_SWITCHED_OFF: Final = "403: updates are switched off in its configuration"


def take_status(session: Session, text: str, now: float) -> list[Effect]:
    """Move a session by a status that is news."""
    found = _STATUS.fullmatch(text)
    if found is None:
        return [Ignored("its status is none of Homie's")]
    code, said = found[1], found[2] or ""
    match code:
        case "202":
            session.alive(State.TRANSFERRING, now, held=0)
            return []
        case "206" if progress := _PROGRESS.fullmatch(said):
            done, total = int(progress[1]), int(progress[2])
            session.alive(State.TRANSFERRING, now, held=session.target.size * done // max(total, 1))
            return []
        case "200":
            session.alive(State.REBOOTING, now, held=session.target.size)
            return []
        case "304" | "403" | "400" | "500" if session.state is not State.REBOOTING:
            session.fail(_reason(code, said), now, _SWITCHED_OFF if code == "403" else text)
            return [StopBlocks()]
    return [Ignored("its status says nothing here")]


def _reason(code: str, said: str) -> Reason:
    """Return what a refusal means."""
    match code, said:
        case "304", _:
            return Reason.ALREADY_INSTALLED
        case "400", "BAD_FIRMWARE":
            return Reason.BOARD_IMAGE
        case "400", "BAD_CHECKSUM":
            return Reason.BOARD_DIGEST
        case "500", "FLASH_ERROR":
            return Reason.BOARD_FLASH
        case "500", _ if said == _STUCK:
            return Reason.STUCK
        case "500", _:
            return Reason.BOARD_FAILED
    return Reason.BOARD_REFUSED


def short_text(payload: bytes) -> str | None:
    """Return a short text of one line, without the white space around it; None where it is none."""
    if len(payload) > _LONGEST:
        return None
    try:
        text = payload.decode().strip()
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() and text else None


def _checksum(text: str) -> dict[str, Any]:
    if not _MD5.fullmatch(text.lower()):
        raise ValueError(text)
    return {"digest": f"md5:{text.lower()}"}


def _mac(text: str) -> dict[str, Any]:
    if not _MAC.fullmatch(text.lower()):
        raise ValueError(text)
    return {"mac": text.lower()}


def _address(text: str) -> dict[str, Any]:
    try:
        return {"address": str(IPv4Address(text))}
    except AddressValueError as err:
        raise ValueError(text) from err


READERS: Final[Mapping[str, Callable[[str], dict[str, Any]]]] = {
    "$fw/name": lambda text: {"project": text},
    "$fw/version": lambda text: {"version": text},
    CHECKSUM: _checksum,
    IMPLEMENTATION: lambda text: {},
    ENABLED: lambda text: {"transports": frozenset({Transport.BLOCKS}) if text == "true" else frozenset()},
    "$mac": _mac,
    "$name": lambda text: {"name": text},
    "$localip": _address,
}

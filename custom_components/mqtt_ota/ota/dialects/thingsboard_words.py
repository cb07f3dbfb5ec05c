"""What boards say and ask over ThingsBoard's MQTT API, as far as it is about firmware."""

from collections.abc import Mapping
from dataclasses import dataclass
import json
import re
from typing import Any, Final

from ..errors import Reason

TELEMETRY: Final = "v1/devices/me/telemetry"
ATTRIBUTES: Final = "v1/devices/me/attributes"
REQUEST: Final = re.compile(rf"{ATTRIBUTES}/request/([0-9]{{1,10}})", re.ASCII)
CHUNK_REQUEST: Final = re.compile(r"v2/fw/request/([0-9]{1,10})/chunk/([0-9]{1,7})", re.ASCII)
KEYS: Final = frozenset({"fw_title", "fw_version", "fw_checksum", "fw_checksum_algorithm", "fw_size"})
# What a board says that asked when there was no firmware, or was not answered.
ASKED_TOO_EARLY: Final = ("Missing shared attribute", "Did not receive requested shared attribute")

# Chunks below and above are no board's: the number is 16 bits wide there.
SMALLEST_CHUNK: Final = 64
LARGEST_CHUNK: Final = 65_535
_LONGEST_REPORT: Final = 16_384
_LONGEST_TEXT: Final = 64
_SIZE: Final = re.compile(rb"[0-9]{1,5}")
# The beginnings of the errors that ThingsBoard's own library tells.
_REASONS: Final[Mapping[str, Reason]] = {
    "Checksum verification failed": Reason.BOARD_DIGEST,
    "Failed to initalize flash": Reason.BOARD_FLASH,
    "Failed to initialize flash": Reason.BOARD_FLASH,
    "Only wrote": Reason.BOARD_FLASH,
    "Error (": Reason.BOARD_FLASH,
    "Received firmware title": Reason.BOARD_REFUSED,
    "Received checksum algorithm": Reason.BOARD_REFUSED,
    "Unable to request firmware chunk": Reason.BOARD_TRANSPORT,
}


@dataclass(frozen=True, slots=True)
class Report:
    """What telemetry tells of firmware; empty texts are what it does not tell."""

    title: str
    version: str
    state: str
    error: str


def read_report(payload: bytes) -> Report:
    """Return what a telemetry message tells of firmware: empty texts where it tells nothing."""
    told = _parsed(payload)
    if isinstance(told.get("values"), dict):
        # With a time of its own.
        told = told["values"]
    return Report(*(_text(told.get(key)) for key in ("current_fw_title", "current_fw_version", "fw_state", "fw_error")))


def asked_keys(payload: bytes) -> frozenset[str]:
    """Return which shared attributes of firmware a request asks for."""
    keys = _parsed(payload).get("sharedKeys")
    return KEYS.intersection(keys.split(",")) if isinstance(keys, str) else frozenset()


def chunk_size(payload: bytes) -> int | None:
    """Return the size of the chunks that a board asks for; None where it is none."""
    size = int(payload) if _SIZE.fullmatch(payload) else 0
    return size if SMALLEST_CHUNK <= size <= LARGEST_CHUNK else None


def reason_of(error: str) -> Reason:
    """Return what an error of a board's means."""
    return next((reason for beginning, reason in _REASONS.items() if error.startswith(beginning)), Reason.BOARD_FAILED)


def _parsed(payload: bytes) -> dict[str, Any]:
    """Return a JSON object, empty where it is none."""
    if len(payload) > _LONGEST_REPORT:
        return {}
    try:
        parsed = json.loads(payload)
    except ValueError, RecursionError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _text(value: Any) -> str:
    """Return a text as far as it can be shown."""
    if not isinstance(value, str):
        return ""
    return "".join(filter(str.isprintable, value[:_LONGEST_TEXT])).strip()

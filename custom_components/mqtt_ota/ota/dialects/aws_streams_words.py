"""What boards ask over the MQTT APIs of AWS IoT Jobs and of its file streams, and what they are answered."""

from base64 import b64decode, b64encode
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
import json
import re
from typing import Any, Final

from ..cbor import CborError, Item, decode, encode
from ..session import Session

JOB_QUESTION: Final = re.compile(r"jobs/(?:\$next/get|start-next|([A-Za-z0-9_-]{1,64})/(get|update))", re.ASCII)
STREAM_QUESTION: Final = re.compile(r"streams/([A-Za-z0-9_-]{1,128})/(get|describe)/(json|cbor)", re.ASCII)
FILE_ID: Final = 0
STREAM_VERSION: Final = 1

SMALLEST_BLOCK: Final = 256
LARGEST_BLOCK: Final = 131_072
# As many as a request is answered with; a board asks again for the rest.
MOST_BLOCKS: Final = 128
_LONGEST_QUESTION: Final = 65_536
_LONGEST_TEXT: Final = 64
_MOST_DETAILS: Final = 10
_ACCEPTED: Final = re.compile(r"accepted\s+v(\d{1,5}\.\d{1,5}\.\d{1,5})", re.ASCII)
_RECEIVED: Final = re.compile(r"(\d{1,9})/(\d{1,9})", re.ASCII)


class RejectedError(ValueError):
    """A question cannot be answered, for this reason in the words of AWS."""


@dataclass(frozen=True, slots=True)
class Update:
    """What a board says of its job: its status, and its own details."""

    status: str
    details: Mapping[str, str]

    @property
    def version(self) -> str:
        """Return the version that a board says it accepted; empty where it does not say one."""
        found = _ACCEPTED.search(self.details.get("reason", "")) if self.status == "SUCCEEDED" else None
        return found[1] if found else ""

    @property
    def received(self) -> float | None:
        """Return which part of the blocks has come in; None where that is not told."""
        found = _RECEIVED.fullmatch(self.details.get("receive", ""))
        return int(found[1]) / max(int(found[2]), 1) if found else None


def job_of(session: Session) -> str:
    """Return the name of a session as a job."""
    return f"mqtt-ota-{session.id}"


def stream_of(session: Session) -> str:
    """Return the name of the stream that a session's image is."""
    return f"stream-{session.id}"


def read_update(payload: bytes) -> Update:
    """Return what a board says of its job; an empty status where it says none."""
    told = parsed(payload)
    details = told.get("statusDetails")
    return Update(
        _text(told.get("status")),
        {_text(key): _text(value) for key, value in list(details.items())[:_MOST_DETAILS]}
        if isinstance(details, dict)
        else {},
    )


def token(payload: bytes) -> dict[str, str]:
    """Return the word by which a board recognises the answer to its question, where it sent one."""
    told = parsed(payload).get("clientToken")
    return {"clientToken": told} if isinstance(told, str) and len(told) <= _LONGEST_TEXT else {}


def stream_token(told: Mapping[str, Any]) -> dict[str, str]:
    """Return the word by which a board recognises the answer to its question about a stream."""
    word = told.get("c")
    return {"c": word} if isinstance(word, str) and len(word) <= _LONGEST_TEXT else {}


def parsed(payload: bytes, form: str = "json") -> dict[str, Any]:
    """Return the object of a question, empty where there is none."""
    if len(payload) > _LONGEST_QUESTION:
        return {}
    try:
        told = decode(payload) if form == "cbor" else json.loads(payload)
    except CborError, ValueError, RecursionError:
        return {}
    return told if isinstance(told, dict) else {}


def written(told: Mapping[str, Item], form: str) -> bytes:
    """Return an answer as bytes."""
    return encode(told) if form == "cbor" else json.dumps(told).encode()


def block_message(form: str, number: int, data: bytes) -> bytes:
    """Return the answer that carries a block."""
    payload = data if form == "cbor" else b64encode(data).decode()
    return written({"f": FILE_ID, "l": len(data), "i": number, "p": payload}, form)


def asked_blocks(told: Mapping[str, Any], form: str, total: int) -> tuple[int, list[int]]:
    """Return the size of the blocks that a question is for, and their numbers; raises RejectedError.

    A bitmap begins at the offset, with the lowest bit of its first byte. A count alone is from the offset on.
    """
    size, offset, count = _number(told.get("l")), _number(told.get("o", 0)), _number(told.get("n", MOST_BLOCKS))
    if _number(told.get("s", STREAM_VERSION)) != STREAM_VERSION:
        raise RejectedError("VersionMismatch")
    if _number(told.get("f")) != FILE_ID:
        raise RejectedError("InvalidRequest")
    if not SMALLEST_BLOCK <= size <= LARGEST_BLOCK:
        raise RejectedError("BlockSizeOutOfBounds")
    there_are = -(-total // size)
    if not 0 <= offset < there_are:
        raise RejectedError("OffsetOutOfBounds")
    if count < 1:
        raise RejectedError("BlockCountLimitExceeded")
    wanted = range(offset, there_are) if "b" not in told else _marked(_bitmap(told["b"], form), offset, there_are)
    return size, list(wanted)[: min(count, MOST_BLOCKS)]


def _marked(bitmap: bytes, offset: int, end: int) -> list[int]:
    numbers = range(offset, min(end, offset + 8 * len(bitmap)))
    return [number for number in numbers if bitmap[(number - offset) // 8] >> (number - offset) % 8 & 1]


def _bitmap(told: Any, form: str) -> bytes:
    if form == "cbor" and isinstance(told, bytes):
        return told
    try:
        return b64decode(told, validate=True)
    except (TypeError, ValueError, binascii.Error) as err:
        raise RejectedError("InvalidRequest") from err


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise RejectedError("InvalidRequest")
    return value


def _text(value: Any) -> str:
    """Return a text as far as it can be shown."""
    return "".join(filter(str.isprintable, value[:_LONGEST_TEXT])).strip() if isinstance(value, str) else ""

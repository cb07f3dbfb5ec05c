"""A release of files as one image, for boards that run MicroPython.

A head of text names the files, their bytes follow. `firmware/micropython/README.md` has the format.
"""

from collections.abc import Iterable
from dataclasses import dataclass
import hashlib
import re
from typing import Final

from .errors import OtaError, Reason

MICROPYTHON: Final = "MicroPython"
MAGIC: Final = b"mqtt_ota files 1\n"
MAX_HEAD: Final = 8192
MAX_FILES: Final = 64
MAX_NAME: Final = 96
# What starts a board, what repairs it and what names it never change over the air, where the agent is what updates it.
RESERVED: Final = frozenset({"boot.py", "main.py", "mqtt_ota.py", "mqtt_ota.mpy", "settings.json"})
# What the agent imports: MicroPython would prefer a file or folder of such a name, and nobody could undo it.
_IMPORTED: Final = re.compile(
    r"(lib/)?(asyncio|binascii|deflate|hashlib|io|json|machine|mqtt_ota|network|os|select|socket|ssl|struct|sys|time|tls)"
    r"(\.m?py|/.*)"
)

_END: Final = b"\n\n"
_MAX_LINE: Final = 64
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")
_FILE = re.compile(r"file=(0|[1-9][0-9]{0,8}) ([0-9a-f]{64}) ([A-Za-z0-9_./-]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file: its path below the application's folder with `/`, its bytes."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """What a release of files says of itself; an empty project is none."""

    version: str
    project: str
    files: tuple[File, ...]


def is_bundle(data: bytes) -> bool:
    """Tell whether an image means to be a release of files."""
    return data.startswith(MAGIC)


def read_bundle(data: bytes) -> Bundle:
    """Read a release and check every file's digest.

    Raises OtaError: IMAGE_BUNDLE with the line that is wrong, IMAGE_TRUNCATED, IMAGE_TRAILING or IMAGE_DIGEST.
    """
    end = data.find(_END, 0, MAX_HEAD)
    if end < 0:
        raise _refused("head")
    try:
        _, project, version, *lines = data[:end].decode().split("\n")
    except ValueError as err:
        raise _refused("head") from err
    if not project.startswith("project=") or not _is_line(project[8:] or "-"):
        raise _refused(project)
    if not version.startswith("version=") or not _is_line(version[8:]):
        raise _refused(version)
    files = _read_files(data, end + len(_END), lines)
    return Bundle(version=version[8:], project=project[8:], files=files)


def is_safe_name(name: str) -> bool:
    """Tell whether the agent may write a file of this name: not hidden, not what starts the board or is imported there."""
    return _is_name(name) and name.lower() not in RESERVED and not _IMPORTED.fullmatch(name.lower())


def check_for_agent(bundle: Bundle) -> None:
    """Raise OtaError(IMAGE_BUNDLE) for a release that would replace what the agent starts from."""
    for file in bundle.files:
        if not is_safe_name(file.name):
            raise _refused(file.name)


def collide(names: Iterable[str]) -> bool:
    """Tell whether two names are one where case does not matter, or one is a folder of another."""
    paths = [tuple(name.lower().split("/")) for name in names]
    folders = {path[:length] for path in paths for length in range(1, len(path))}
    return len(set(paths)) < len(paths) or not folders.isdisjoint(paths)


def write_bundle(bundle: Bundle) -> bytes:
    """Write a release; raises OtaError(IMAGE_BUNDLE) for one that could not be read again."""
    head = [MAGIC.decode().rstrip("\n"), f"project={bundle.project}", f"version={bundle.version}"]
    head += [f"file={len(f.content)} {hashlib.sha256(f.content).hexdigest()} {f.name}" for f in bundle.files]
    data = "\n".join(head).encode() + _END + b"".join(file.content for file in bundle.files)
    if read_bundle(data) != bundle:
        raise _refused("head")
    return data


def _read_files(data: bytes, offset: int, lines: list[str]) -> tuple[File, ...]:
    if not 1 <= len(lines) <= MAX_FILES:
        raise _refused(f"{len(lines)} files")
    files = []
    for line in lines:
        found = _FILE.fullmatch(line)
        if found is None or not _is_name(found[3]):
            raise _refused(line)
        start, offset = offset, offset + int(found[1])
        if offset > len(data):
            raise OtaError(Reason.IMAGE_TRUNCATED, size=len(data), expected=offset)
        content = data[start:offset]
        if hashlib.sha256(content).hexdigest() != found[2]:
            raise OtaError(Reason.IMAGE_DIGEST)
        files.append(File(name=found[3], content=content))
    if offset < len(data):
        raise OtaError(Reason.IMAGE_TRAILING, size=len(data), expected=offset)
    if collide(file.name for file in files):
        raise _refused("names")
    return tuple(files)


def _is_name(name: str) -> bool:
    """Tell whether a file of this name lies below the folder and is not hidden."""
    return len(name) <= MAX_NAME and _NAME.fullmatch(name) is not None


def _is_line(text: str) -> bool:
    """Tell whether a text is 1 to 64 bytes without control characters."""
    return 0 < len(text.encode()) <= _MAX_LINE and not _CONTROL.search(text)


def _refused(detail: str) -> OtaError:
    return OtaError(Reason.IMAGE_BUNDLE, detail="".join(filter(str.isprintable, detail))[:120])

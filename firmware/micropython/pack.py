"""Pack the files of an application into one image that Home Assistant sends to boards with MicroPython.

    python firmware/micropython/pack.py 1.1.0 relay-1.1.0.bin --folder application [--project relay] [--without-agent]

Takes every file below the folder, but hidden ones and what Python leaves behind (`__pycache__`). Needs Python 3.10
and nothing else. `README.md` beside it has the format, and what a release must not carry; with `--without-agent` it
may carry that too, for boards that fetch their files in another way.
"""

import argparse
from collections.abc import Iterator
import hashlib
from pathlib import Path
import re
import sys

MAGIC = "mqtt_ota files 1"
MAX_HEAD = 8192
MAX_FILES = 64
MAX_NAME = 96
MAX_LINE = 64
RESERVED = {"boot.py", "main.py", "mqtt_ota.py", "mqtt_ota.mpy", "settings.json"}
# What the agent imports: MicroPython would prefer a file or folder of a release that has such a name.
MODULES = "asyncio|binascii|deflate|hashlib|io|json|machine|mqtt_ota|network|os|select|socket|ssl|struct|sys|time|tls"

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")
_IMPORTED = re.compile(rf"(lib/)?({MODULES})(\.m?py|/.*)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def find(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of every file that belongs to a release, by name."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not re.search(r"(^|/)(\.|__pycache__/)", name):
            yield name, path.read_bytes()


def pack(version: str, files: list[tuple[str, bytes]], project: str = "", *, with_agent: bool = True) -> bytes:
    """Return the image of a release; ValueError says what a board would refuse."""
    for text in (version, project or "-"):
        if not 0 < len(text.encode()) <= MAX_LINE or _CONTROL.search(text):
            raise ValueError(f"neither a version nor a project: {text!r}")
    if not 1 <= len(files) <= MAX_FILES:
        raise ValueError(f"{len(files)} files: a release has 1 to {MAX_FILES}")
    _check_names([name for name, _ in files])
    if with_agent:
        _check_for_agent([name for name, _ in files])
    lines = [MAGIC, f"project={project}", f"version={version}"]
    lines += [f"file={len(content)} {hashlib.sha256(content).hexdigest()} {name}" for name, content in files]
    head = "\n".join(lines).encode() + b"\n\n"
    if len(head) > MAX_HEAD:
        raise ValueError(f"the names are too long together: a head of {len(head)} bytes, {MAX_HEAD} at most")
    return head + b"".join(content for _, content in files)


def _check_names(names: list[str]) -> None:
    for name in names:
        if len(name) > MAX_NAME or not _NAME.fullmatch(name):
            raise ValueError(f"no name for a board: {name!r}")
    paths = [tuple(name.lower().split("/")) for name in names]
    folders = {path[:length] for path in paths for length in range(1, len(path))}
    if len(set(paths)) < len(paths) or folders & set(paths):
        raise ValueError("two names differ in nothing but case, or one is a folder of another")


def _check_for_agent(names: list[str]) -> None:
    for name in names:
        if name.lower() in RESERVED:
            raise ValueError(
                f"{name} starts, repairs or names the board and stays as it is: call it otherwise, such as app.py"
            )
        if _IMPORTED.fullmatch(name.lower()):
            raise ValueError(f"{name} would be what the agent imports instead of MicroPython's own: call it otherwise")


def main() -> None:
    """Pack what the command line says."""
    parser = argparse.ArgumentParser(description="Pack files into an image for boards with MicroPython.")
    parser.add_argument("version")
    parser.add_argument("image", type=Path, help="written; end its name in .bin")
    parser.add_argument("--folder", type=Path, required=True, help="what lies in it lies in the board's root folder")
    parser.add_argument("--project", default="")
    parser.add_argument(
        "--without-agent", action="store_true", help="for boards that fetch their files in another way, such as main.py"
    )
    chosen = parser.parse_args()
    try:
        image = pack(chosen.version, list(find(chosen.folder)), chosen.project, with_agent=not chosen.without_agent)
        chosen.image.write_bytes(image)
    except (OSError, ValueError) as err:
        sys.exit(str(err))
    sys.stdout.write(f"{chosen.image}: {len(image)} bytes, sha256 {hashlib.sha256(image).hexdigest()}\n")


if __name__ == "__main__":
    main()

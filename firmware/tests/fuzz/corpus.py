# ruff: noqa: INP001
"""The inputs that fuzzers start from: corpus/PARSER.hex, a line each, and a folder of files for libFuzzer."""

from hashlib import sha1
from pathlib import Path
import sys


def main(verb: str, parser: str, folder: Path) -> None:
    """Pack a folder into the lines of a parser, or unpack the lines into a folder."""
    lines = Path(__file__).parent / "corpus" / f"{parser}.hex"
    folder.mkdir(parents=True, exist_ok=True)
    if verb == "pack":
        inputs = sorted((path.read_bytes() for path in folder.iterdir()), key=lambda one: (len(one), one))
        lines.write_text("".join(f"{one.hex()}\n" for one in inputs))
    else:
        for line in lines.read_text().splitlines():
            content = bytes.fromhex(line)
            (folder / sha1(content, usedforsecurity=False).hexdigest()).write_bytes(content)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))

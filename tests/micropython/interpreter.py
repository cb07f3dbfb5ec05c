"""MicroPython on this machine: where it is, and what its agent answers."""

import json
from pathlib import Path
import subprocess
from typing import Any

import pytest

from tests.e2e.harness.places import CACHE, ROOT, find_mosquitto, find_program

AGENT = ROOT / "firmware" / "micropython" / "mqtt_ota.py"
ON_BOARD = Path(__file__).parent / "on_board"

PROGRAM = find_program("MICROPYTHON", "micropython", str(CACHE / "micropython" / "micropython")) or ""

needs_micropython = pytest.mark.skipif(not PROGRAM, reason="MicroPython was not found: scripts/micropython")
needs_mosquitto = pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto was not found: scripts/setup")


def ask(calls: list[list[Any]], *, folder: Path | None = None) -> list[Any]:
    """Return what functions of the agent answer, each call being a name and arguments; an error is its type's name.

    Bytes travel as {"hex": text}, both ways.
    """
    done = subprocess.run(
        [PROGRAM, str(ON_BOARD / "answer.py")],
        input=json.dumps(calls),
        capture_output=True,
        text=True,
        timeout=60,
        cwd=folder,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers: list[Any] = json.loads(done.stdout)
    return answers


def raw(data: bytes | str) -> dict[str, str]:
    """Write bytes for `ask`; a text is hex already."""
    return {"hex": data if isinstance(data, str) else data.hex()}

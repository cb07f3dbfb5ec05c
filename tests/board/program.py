"""The board as another process, for the scenarios that every board program must pass."""

import json
import os
from pathlib import Path
import shlex
import subprocess
import sys
import threading
from typing import Any

from tests.board.events import Event, Events

_ROOT = Path(__file__).parents[2]
_PATIENCE = 10.0


def command() -> list[str]:
    """Return how a board is started: BOARD_PROGRAM, or this package."""
    return shlex.split(os.environ.get("BOARD_PROGRAM", "")) or [sys.executable, "-m", "tests.board"]


class Program:
    """A board program that runs."""

    def __init__(self, *arguments: str) -> None:
        """Start it."""
        self.events = Events()
        self._process = subprocess.Popen(
            [*command(), *arguments], cwd=_ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
        self._reader = threading.Thread(target=self._read, name="board-reader", daemon=True)
        self._reader.start()

    def wait_for(self, event: str, *, timeout: float = 10.0, **fields: Any) -> Event:
        """Return the next event of this name with these fields; raises TimeoutError."""
        return self.events.wait_for(event, timeout=timeout, **fields)

    def stop(self) -> int:
        """End it as a person would, and return its exit code."""
        self._process.terminate()
        return self.wait()

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()
        self.wait()

    def wait(self) -> int:
        """Wait until it ends by itself, and return its exit code."""
        code = self._process.wait(_PATIENCE)
        self._reader.join()
        return code

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self.events.add(json.loads(line))

"""Programs that are started here and end here."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
import os
from pathlib import Path
import signal
import sys

from . import leash

_PATIENCE = 15.0
_TAIL = 25
# Programs write no byte code beside the sources that they run from.
_ENVIRONMENT = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}


class MissingProgramError(Exception):
    """A program that is needed is not on this machine; the text says what to do."""


class ProgramEndedError(Exception):
    """A program ended although it was still needed."""


class Program:
    """One child process with its log; it leads a process group of its own, so that all it started ends with it."""

    def __init__(self, name: str, command: Sequence[str], *, folder: Path, log: Path) -> None:
        """Describe the program; `folder` is where it runs."""
        self.name = name
        self.log = log
        self._command = command
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the process, its words going to the log."""
        tied = [sys.executable, "-I", "-S", str(Path(leash.__file__)), str(os.getpid()), *self._command]
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *tied,
                cwd=self._folder,
                env=_ENVIRONMENT,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def check(self) -> None:
        """Raise ProgramEndedError with the log's end unless the process runs."""
        if self._process is None or self._process.returncode is not None:
            code = None if self._process is None else self._process.returncode
            raise ProgramEndedError(f"{self.name} ended (exit {code}):\n{self.tail()}")

    def tail(self) -> str:
        """Return the last lines of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-_TAIL:]) if self.log.exists() else ""

    async def stop(self, first: signal.Signals = signal.SIGTERM) -> None:
        """End the process: politely first, then surely."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(first)
        try:
            async with asyncio.timeout(_PATIENCE):
                await process.wait()
        except TimeoutError:
            pass
        finally:
            # What it left behind, itself included.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    async def kill(self) -> None:
        """End the process the way a power cut does."""
        await self.stop(signal.SIGKILL)

"""Programs that are started here and end here."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
import os
from pathlib import Path
import signal
import sys

from . import leash

_PATIENCE = 15.0
_TAIL = 25


class ProgramEndedError(Exception):
    """A program ended although it was still needed."""


class Program:
    """One child process with its log; it leads a process group of its own, so that all it started ends with it."""

    def __init__(
        self, name: str, command: Sequence[str], *, folder: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        """Describe the program; `folder` is where it runs, and beside which its log is written."""
        self.name = name
        self.log = folder.parent / f"{name}.log"
        self._command = command
        self._folder = folder
        self._environment = {**os.environ, **(environment or {})}
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the process, its words going to the log."""
        tied = [sys.executable, "-I", "-S", str(Path(leash.__file__)), str(os.getpid()), *self._command]
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *tied,
                cwd=self._folder,
                env=self._environment,
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

"""A board that ESPHome built for the platform host: a program that replaces itself."""

from dataclasses import dataclass
import os
from pathlib import Path
import shutil
import subprocess
import sys

from tests.e2e.harness import leash

_PATIENCE = 20.0


@dataclass(slots=True)
class HostBoard:
    """A program in a folder of its own, with the broker (HOST:PORT) that it is told."""

    folder: Path
    broker: str
    _process: subprocess.Popen[bytes] | None = None

    @property
    def program(self) -> Path:
        """Return the file that runs, and that an update replaces."""
        return self.folder / "board"

    def flash(self, program: Path) -> None:
        """Put a program on the board, as somebody with a cable does."""
        self.folder.mkdir(parents=True)
        shutil.copyfile(program, self.program)
        self.program.chmod(0o755)

    def start(self) -> None:
        """Switch it on."""
        environment = os.environ | {"ESPHOME_PREFDIR": str(self.folder), "MQTT_OTA_BROKER": self.broker}
        # Tied to this process, so that nothing is left of a run that was killed.
        tied = [sys.executable, "-I", "-S", str(Path(leash.__file__)), str(os.getpid()), str(self.program)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(tied, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def stop(self) -> None:
        """Switch it off in an orderly way."""
        self._end(kill=False)

    def cut_power(self) -> None:
        """End it without a word."""
        self._end(kill=True)

    def log(self) -> str:
        """Return what it has said on its console so far."""
        return (self.folder / "log").read_text(errors="replace")

    @property
    def is_on(self) -> bool:
        """Tell whether it runs."""
        return self._process is not None and self._process.poll() is None

    def _end(self, *, kill: bool) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if kill:
            process.kill()
        else:
            process.terminate()
        process.wait(_PATIENCE)

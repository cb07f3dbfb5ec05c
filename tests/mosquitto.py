"""A real broker on a free loopback port."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
import os
from pathlib import Path
import socket
import subprocess
import sys
import time

from tests.e2e.harness import leash
from tests.e2e.harness.places import find_mosquitto
from tests.e2e.harness.ports import LOOPBACK, reserved_port

_PATIENCE = 20.0
_PAUSE = 0.01


@dataclass(slots=True)
class Mosquitto:
    """A mosquitto that answers on `host` and `port`; it may be stopped and started again, on the same port."""

    folder: Path
    port: int
    settings: tuple[str, ...] = ()
    host: str = LOOPBACK
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the broker and return when it answers."""
        program = find_mosquitto()
        if program is None:
            raise FileNotFoundError("mosquitto: install it with your package manager, or run scripts/setup")
        access = (
            ()
            if any(line.startswith(("allow_anonymous", "password_file")) for line in self.settings)
            else ("allow_anonymous true",)
        )
        user = ("user root",) if os.geteuid() == 0 else ()
        fixed = (f"listener {self.port} {self.host}", "persistence false", "set_tcp_nodelay true", "log_dest stderr")
        path = self.folder / "mosquitto.conf"
        path.write_text("\n".join([*fixed, *user, *access, *self.settings, ""]))
        with (self.folder / "mosquitto.log").open("ab") as log:
            # Tied to this process, so that nothing is left of a run that was killed.
            tied = [sys.executable, "-I", "-S", str(Path(leash.__file__)), str(os.getpid())]
            self._process = subprocess.Popen(
                [*tied, program, "-c", str(path)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._await_answer()

    def stop(self) -> None:
        """End the broker; it forgets everything."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_PATIENCE)
            self._process = None

    def _await_answer(self) -> None:
        until = time.monotonic() + _PATIENCE
        while True:
            assert self._process is not None
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"mosquitto does not answer: {(self.folder / 'mosquitto.log').read_text()}")
            try:
                socket.create_connection((self.host, self.port), timeout=_PATIENCE).close()
            except OSError:
                time.sleep(_PAUSE)
            else:
                return


@contextmanager
def run_mosquitto(folder: Path, *settings: str) -> Iterator[Mosquitto]:
    """Run a mosquitto of its own for as long as the context lasts; `settings` are further lines of its file."""
    folder.mkdir(parents=True, exist_ok=True)
    with reserved_port() as port:
        broker = Mosquitto(folder, port, settings)
        try:
            broker.start()
            yield broker
        finally:
            broker.stop()

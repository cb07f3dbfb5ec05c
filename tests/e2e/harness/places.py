"""Where things are on this machine, and the folders of one run."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
import fcntl
import os
from pathlib import Path
import shutil
import tempfile

ROOT = Path(__file__).parents[3]
CACHE = Path(os.environ.get("MQTT_OTA_CACHE") or ROOT / ".cache")
_LOCK = ".lock"


def find_program(variable: str, *names: str) -> str | None:
    """Return the program that an environment variable names, or else the first of these on the search path."""
    candidates = (os.environ.get(variable) or "", *names)
    return next((found for name in candidates if name and (found := shutil.which(name))), None)


def find_mosquitto() -> str | None:
    """Return the broker's program."""
    return find_program("MOSQUITTO", "mosquitto", "/usr/sbin/mosquitto", str(CACHE / "debian/usr/sbin/mosquitto"))


def find_chromium() -> str | None:
    """Return the browser's program."""
    return find_program("CHROMIUM", "chromium", "chromium-browser", "google-chrome")


@contextmanager
def throw_away_folder() -> Iterator[Path]:
    """Give a folder for one run; what killed runs left behind is swept up first."""
    home = CACHE / "runs"
    home.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        with (home / _LOCK).open("w") as gate:
            fcntl.flock(gate, fcntl.LOCK_EX)
            _sweep(home)
            folder = Path(tempfile.mkdtemp(prefix="run-", dir=home))
            lock = stack.enter_context((folder / _LOCK).open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _sweep(home: Path) -> None:
    """Remove the folders whose runs are over: nobody holds their lock."""
    for path in home.glob(f"run-*/{_LOCK}"):
        # Held by a living run, or another user's.
        with suppress(OSError), path.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path.parent, ignore_errors=True)

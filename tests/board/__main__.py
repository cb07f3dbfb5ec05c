"""`python -m tests.board`: the board as a program; its package says how to use it."""

import argparse
from collections.abc import Sequence
import json
from pathlib import Path
import signal
import sys
import threading
import types

_ROOT = Path(__file__).parents[2]
_INTEGRATION = "custom_components.mqtt_ota"


def _without_home_assistant() -> None:
    """Let `ota` be imported without its package, which needs Home Assistant: a board has none."""
    package = types.ModuleType(_INTEGRATION)
    package.__path__ = [str(_ROOT / _INTEGRATION.replace(".", "/"))]
    sys.modules[_INTEGRATION] = package


if __name__ == "__main__":
    _without_home_assistant()

from custom_components.mqtt_ota.ota.board import Encoding, Order, Transport  # noqa: E402

from .board import Board  # noqa: E402
from .events import Event  # noqa: E402
from .faults import Faults  # noqa: E402
from .settings import Settings  # noqa: E402


def parse(arguments: Sequence[str]) -> tuple[Settings, Faults]:
    """Return what a command line asks for; ends the program where it makes no sense."""
    parser = argparse.ArgumentParser(prog="python -m tests.board", description="A native board as a program.")
    add = parser.add_argument
    add("--broker", required=True, metavar="HOST:PORT")
    add("--id", required=True)
    add("--state", required=True, type=Path, metavar="FOLDER")
    for name in ("name", "model", "chip", "project", "mac", "version", "feed", "root", "user", "password"):
        add(f"--{name}", default=argparse.SUPPRESS)
    for name in ("slot-size", "block-size", "window", "counter", "wake-interval"):
        add(f"--{name}", type=int, default=argparse.SUPPRESS)
    for name in ("rate", "reboot-time", "sleep-time", "awake-time", "ask-timeout", "give-up"):
        add(f"--{name}", type=float, default=argparse.SUPPRESS)
    add("--order", type=Order, default=argparse.SUPPRESS)
    add("--encodings", type=lambda text: tuple(map(Encoding, text.split(","))), default=argparse.SUPPRESS)
    add("--transports", type=lambda text: tuple(map(Transport, text.split(","))), default=argparse.SUPPRESS)
    add("--public-key", dest="public_keys", action="append", type=_key, default=[])
    add("--fault", action="append", default=[], metavar="NAME[=N]")
    chosen = vars(parser.parse_args(arguments))
    host, _, port = chosen.pop("broker").rpartition(":")
    keys = tuple(chosen.pop("public_keys"))
    try:
        faults = Faults.parse(chosen.pop("fault"))
        return Settings(host=host, port=int(port), public_keys=keys, **chosen), faults
    except ValueError as err:
        parser.error(str(err))


def _key(text: str) -> str:
    """Return a public key that was given as such, or as the name of its file."""
    path = Path(text)
    return path.read_text() if len(text) < 256 and path.is_file() else text


def _print(event: Event) -> None:
    print(json.dumps(event), flush=True)


def main() -> None:
    """Be a board until somebody ends it."""
    settings, faults = parse(sys.argv[1:])
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    board = Board(settings, faults, _print)
    board.start()
    ended.wait()
    board.stop()


if __name__ == "__main__":
    main()

"""`python -m tests.seeds`: one of these boards as a program; its package says how to use it."""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
import json
from pathlib import Path
import signal
import sys
import threading

from tests.board.events import Event

from .aws_streams import AwsBoard
from .chunked import ChunkedBoard
from .device import Device
from .faults import Faults
from .homie import HomieBoard
from .mesh import Mesh, Node
from .settings import Settings
from .single_message import SingleMessageBoard
from .socket_pull import SocketPullBoard
from .tasmota import TasmotaBoard
from .thingsboard import ThingsBoardBoard
from .url import UrlBoard

type MakeBoard = Callable[[Settings, Faults, Callable[[Event], None]], Device]


def _mesh(settings: Settings, faults: Faults, on_event: Callable[[Event], None]) -> Device:
    """Make a mesh of three; the faults are those of its last node."""
    nodes = [Node(1074207536 + place, settings.image) for place in range(3)]
    nodes[-1].faults = faults
    return Mesh(settings, nodes, on_event)


KINDS: dict[str, tuple[str, MakeBoard]] = {
    "chunked": ("esp32-c40a24", partial(ChunkedBoard, restart_delay=0.5)),
    "url": ("ESP32_DEMO", partial(UrlBoard, quiet_time=5.0)),
    "mesh": ("domator", _mesh),
    "socket_pull": ("24_0a_c4_11_22_33", SocketPullBoard),
    "tasmota": ("tasmota_D3E4F5", partial(TasmotaBoard, announce_delay=10.0, restart_delay=2.0)),
    "single_message": ("sming-demo", partial(SingleMessageBoard, restart_delay=1.0)),
    "homie": ("hall", partial(HomieBoard, implementation="esp32", restart_delay=1.0)),
    "thingsboard": ("hall", partial(ThingsBoardBoard, timeout=5.0, restart_delay=1.0)),
    "aws_streams": ("hall", partial(AwsBoard, timeout=10.0, restart_delay=1.0)),
}


def make(arguments: Sequence[str], on_event: Callable[[Event], None]) -> Device:
    """Make the board of a command line; ends the program where that makes no sense."""
    parser = argparse.ArgumentParser(prog="python -m tests.seeds", description="A board that is already in the field.")
    add = parser.add_argument
    add("kind", choices=KINDS)
    add("--broker", required=True, metavar="HOST:PORT")
    add("--id", help="its client id, from which its topics are made")
    add("--version-image", type=Path, metavar="FILE", help="the image that it runs at first")
    add("--state", required=True, type=Path, metavar="FOLDER")
    add("--user")
    add("--password")
    add("--fault", action="append", default=[], metavar="NAME[=VALUE]")
    chosen = parser.parse_args(arguments)
    usual_id, board = KINDS[chosen.kind]
    host, _, port = chosen.broker.rpartition(":")
    try:
        settings = Settings(
            host=host,
            port=int(port),
            client_id=chosen.id or usual_id,
            image=chosen.version_image.read_bytes() if chosen.version_image else b"",
            restart_time=1.0,
            state=chosen.state,
            user=chosen.user,
            password=chosen.password,
        )
        return board(settings, Faults.parse(chosen.fault), on_event)
    except (OSError, ValueError) as err:
        parser.error(str(err))


def _print(event: Event) -> None:
    print(json.dumps(event), flush=True)


def main() -> None:
    """Be a board until somebody ends it."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    board = make(sys.argv[1:], _print)
    board.start()
    ended.wait()
    board.stop()


if __name__ == "__main__":
    main()

"""A broker, a client that hears everything, and boards."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.e2e.harness.places import find_mosquitto
from tests.firmware_images import build_app
from tests.mosquitto import Mosquitto, run_mosquitto

from .device import Device
from .settings import Settings
from .site import Site, open_site
from .uploaders import Ear, open_ear

NEEDS_BROKER = [
    pytest.mark.usefixtures("socket_enabled"),
    pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto was not found: scripts/setup"),
]
OLD = build_app(version="1.0.0", size=8 * 1024, seed=1)
NEW = build_app(version="1.0.1", size=9 * 1024, seed=2)


class StartBoard(Protocol):
    """What starts a board, and waits until it is on its broker."""

    def __call__[B: Device](
        self, kind: Callable[..., B], client_id: str, *, image: bytes = ..., **options: Any
    ) -> B: ...


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with run_mosquitto(tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
def ear(broker: Mosquitto) -> Iterator[Ear]:
    with open_ear(broker.port) as ear:
        yield ear


@pytest.fixture
def start(broker: Mosquitto) -> Iterator[StartBoard]:
    running: list[Device] = []

    def start[B: Device](kind: Callable[..., B], client_id: str, *, image: bytes = OLD, **options: Any) -> B:
        settings = Settings(host=broker.host, port=broker.port, client_id=client_id, image=image)
        board = kind(settings, **options)
        running.append(board)
        board.start()
        board.wait_for("connected")
        return board

    yield start
    for board in running:
        board.stop()


@pytest.fixture
def site() -> Iterator[Site]:
    with open_site() as site:
        yield site

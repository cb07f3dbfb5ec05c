"""Loopback ports that nobody else gets."""

from collections.abc import Iterator
from contextlib import contextmanager
import socket

LOOPBACK = "127.0.0.1"


@contextmanager
def reserved_port() -> Iterator[int]:
    """Keep a free port for one server, also while that server restarts.

    The socket is bound but never listens: the kernel gives the port to nobody who asks for any free one, yet a
    server that names it (with SO_REUSEADDR, as they all do) gets it.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as keeper:
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        keeper.bind((LOOPBACK, 0))
        yield keeper.getsockname()[1]

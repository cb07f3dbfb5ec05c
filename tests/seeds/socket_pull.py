"""A MicroPython board that fetches one source file from a TCP socket that an MQTT message names."""

from collections.abc import Callable
import hashlib
from pathlib import Path, PurePath
import select
import socket

from tests.board.events import Event

from .device import Device
from .faults import Faults
from .settings import Settings

TEMPORARY = "tmp"

_SHORTEST = 45
_TIMEOUT = 10.0
_GLANCE = 0.05


def hostname(mac: str) -> str:
    """Return what a board calls itself that has no file HOSTNAME."""
    return mac.replace(":", "_")


class SocketPullBoard(Device):
    """The boards of the IOT house. `files` is its flash, `runs_files` what it had read when it started.

    It tells nothing to anybody. What raises in its handler resets it, as its main loop does.
    """

    def __init__(
        self,
        settings: Settings,
        faults: Faults | None = None,
        on_event: Callable[[Event], None] | None = None,
        *,
        files: dict[str, bytes] | None = None,
        piece_size: int = 1024,
        knows_reboot: bool = True,
    ) -> None:
        """Describe it; its host name is its client id.

        Older ones take 536 bytes at a time and do not know the fifth field: they always reset.
        """
        super().__init__(settings, faults, on_event)
        self.topic = f"{settings.client_id}/OTA"
        self.files = {**(files or {}), **_load(settings.state)}
        self.runs_files: dict[str, bytes] = {}
        self._piece_size = piece_size
        self._knows_reboot = knows_reboot

    def _boot(self) -> None:
        self.runs_files = dict(self.files)

    def _connected(self) -> None:
        self._subscribe(self.topic, 0)

    def _received(self, topic: str, payload: bytes) -> None:
        if len(payload) < _SHORTEST:
            self._tell("refused", size=len(payload))
            return
        try:
            self._take_command(payload.decode("ascii").split("|"))
        except (OSError, ValueError, IndexError) as err:
            self._tell("raised", cause=str(err))
            self._restart("exception")

    def _take_command(self, fields: list[str]) -> None:
        host, port, filename, digest = fields[0], int(fields[1]), fields[2], fields[3]
        reboot = bool(int(fields[4])) if self._knows_reboot and len(fields) > 4 else True
        self._tell("command", filename=filename, reboot=reboot)
        if hashlib.sha1(self._receive(host, port), usedforsecurity=False).hexdigest() != digest:
            # Neither renamed nor reset: `tmp` stays.
            self._tell("mismatch", filename=filename)
            return
        self._rename(filename)
        self._tell("stored", filename=filename)
        if not reboot:
            return
        self.flashes += 1
        if self.faults.never_comes_back:
            self._lose_power("update", None)
        self._restart("update")

    def _receive(self, host: str, port: int) -> bytes:
        """Write what comes until the peer closes to `tmp`, and return it."""
        self.files[TEMPORARY] = b""
        with socket.create_connection((host, port), _TIMEOUT) as peer:
            while True:
                self._check_power()
                if not select.select([peer], [], [], _GLANCE)[0]:
                    continue
                piece = peer.recv(self._piece_size)
                if not piece:
                    return self.files[TEMPORARY]
                self.files[TEMPORARY] += piece
                if self.faults.slow:
                    self._pause(self.faults.slow)
                self._write(piece)

    def _rename(self, filename: str) -> None:
        fresh = self.files.pop(TEMPORARY)
        if not self.faults.comes_back_old:
            self.files[filename] = fresh
            _save(self.settings.state, filename, fresh)


def _load(folder: Path | None) -> dict[str, bytes]:
    if folder is None or not folder.is_dir():
        return {}
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def _save(folder: Path | None, filename: str, content: bytes) -> None:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / PurePath(filename).name).write_bytes(content)

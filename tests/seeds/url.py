"""A board that takes a bare URL from one topic for all boards, and tells its progress as text."""

from collections.abc import Callable
import time

from tests.board.events import Event

from .arduino import Update, chip_of
from .device import Device
from .faults import Faults
from .fetch import Download
from .settings import Settings

STARTING = "Starting OTA update..."
PROGRESS = "OTA Progress: {}%"
CHECKSUM_FAILED = "ERROR: Checksum Failed!"
UPDATE_FAILED = "ERROR: Update Failed!"
COMPLETE = "Update Complete. Restarting..."

_PIECE = 128
_TIMEOUT = 5.0
_GLANCE = 0.05


class _RefusedError(Exception):
    """A fault let the update fail here."""


class UrlBoard(Device):
    """OTA_FirmwareUpdates_ESP32-S3. Its `runs` changes only when it has said so; a failed download says nothing."""

    def __init__(
        self,
        settings: Settings,
        faults: Faults | None = None,
        on_event: Callable[[Event], None] | None = None,
        *,
        topic: str = "ESP32/ota/update",
        status_topic: str = "",
        slot_size: int = 0x140000,
        buffer_size: int = 256,
        quiet_time: float = 0.0,
    ) -> None:
        """Describe it; `status_topic` is `<client id>/progress` where none is given.

        A board that has been up for less than `quiet_time` (5 s on a real one) does not say that it is complete.
        Faults count the texts that it says as answers: 0 is that it starts.
        """
        super().__init__(settings, faults, on_event, buffer_size=buffer_size)
        self.topic = topic
        self.status_topic = status_topic or f"{settings.client_id}/progress"
        self._slot_size = slot_size
        self._quiet_time = quiet_time

    def _boot(self) -> None:
        self._update = Update(self._slot_size, chip_of(self.runs), self._write)
        self._started_at = time.monotonic()

    def _connected(self) -> None:
        self._subscribe(self.topic, 0)

    def _received(self, topic: str, payload: bytes) -> None:
        url = payload.decode("latin-1")
        self._tell("command", url=url)
        try:
            download = Download(url, timeout=_TIMEOUT)
        except (OSError, ValueError) as err:
            self._tell("failed", cause=str(err))
            return
        try:
            self._install(download)
        except _RefusedError:
            self._update.abort()
        finally:
            download.close()

    def _install(self, download: Download) -> None:
        total = 0xFFFFFFFF if download.length is None else download.length
        if download.status != 200 or not self._update.begin(total):
            # Also while another update runs: its loop hears a second command, and begins nothing.
            self._tell("failed", cause=f"status {download.status}, {total} bytes")
            return
        self._say(STARTING)
        if self._fill(download, total) == 0:
            self._update.abort()
            self._say(CHECKSUM_FAILED)
        elif not self._update.end():
            self._update.abort()
            self._say(UPDATE_FAILED)
        else:
            if time.monotonic() - self._started_at >= self._quiet_time:
                self._say(COMPLETE)
            self._restart_with(bytes(self._update.written))

    def _fill(self, download: Download, total: int) -> int:
        """Write what comes until there is enough or no more; return how many pieces came."""
        pieces = taken = shown = 0
        while taken < total and (piece := self._read(download, total - taken)):
            # What `write` returns is not looked at: only the end tells that it failed.
            self._update.write(piece)
            pieces += 1
            taken += len(piece)
            progress = taken * 100 // total
            if progress % 10 == 0:
                self._say(PROGRESS.format(progress))
            if self.faults.slow and progress > shown:
                self._pause(self.faults.slow)
            shown = progress
            # Its loop hears more commands here, but connects to no broker again.
            if self._link.is_connected:
                self._serve(0.0)
        return pieces

    def _read(self, download: Download, left: int) -> bytes:
        """Return the next piece, whole unless the end or a pause of the server comes first."""
        piece = b""
        wanted = min(_PIECE, left)
        while len(piece) < wanted:
            self._check_power()
            more = download.read(wanted - len(piece), _GLANCE)
            if more == b"" or (more is None and piece):
                break
            piece += more or b""
        return piece

    def _say(self, text: str) -> None:
        fault = self.faults.answer_at
        if fault is not None and fault[0] == self._answers and self._strikes("answer_at", fault):
            self._answer(self.status_topic, fault[1])
            raise _RefusedError
        self._answer(self.status_topic, text)

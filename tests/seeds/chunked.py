"""A board that takes its image in chunks over MQTT (`ota/<chip id>`), stop and wait."""

from collections.abc import Callable
import hashlib

from tests.board.events import Event

from .arduino import Update, chip_of
from .device import Device
from .faults import Faults
from .settings import Settings

FAILURES = ("begin-fail", "len-fail", "size-mismatch", "md5-fail", "write-fail", "end-fail")


def chip_id(mac: str) -> str:
    """Return the id that the sketch makes of a MAC address.

    It takes the low 24 bits of a little-endian number: the first three bytes, which are the maker's. Boards of one
    batch have the same id.
    """
    octets = bytes.fromhex(mac.replace(":", ""))
    return f"esp32-{int.from_bytes(octets[:3], 'little'):x}"


class ChunkedBoard(Device):
    """The ESP32 MQTT OTA Firmware Updater's sketch."""

    def __init__(
        self,
        settings: Settings,
        faults: Faults | None = None,
        on_event: Callable[[Event], None] | None = None,
        *,
        slot_size: int = 0x140000,
        buffer_size: int = 256,
        restart_delay: float = 0.02,
        wants_md5: bool = False,
    ) -> None:
        """Describe it; its chip id is its client id.

        `wants_md5` is the sibling that must hear `md5:<32 hex>` first. `restart_delay` is 0.5 on a real one.
        """
        super().__init__(settings, faults, on_event, buffer_size=buffer_size)
        self.topic = f"ota/{settings.client_id}"
        self.feedback = f"ota/feedback/{settings.client_id}"
        self._slot_size = slot_size
        self._restart_delay = restart_delay
        self._wants_md5 = wants_md5

    def _boot(self) -> None:
        self._update = Update(self._slot_size, chip_of(self.runs), self._note_flash)
        self._open = False
        self._md5 = ""

    def _connected(self) -> None:
        self._subscribe(self.topic, 1)
        # Also in the middle of a transfer: the sketch says it at every connection.
        self._publish(self.feedback, b"ready", retain=True)
        self._tell("ready")

    def _received(self, topic: str, payload: bytes) -> None:
        step = self._heard - 1
        self._tell("heard", step=step, size=len(payload))
        fault = self.faults.answer_at
        if fault is not None and fault[0] == step and self._strikes("answer_at", fault):
            if fault[1] in {"write-fail", "end-fail"}:
                self._update.abort()
            self._say(fault[1])
        elif self._open:
            self._take_chunk(payload)
        else:
            self._take_size(payload)

    def _take_size(self, payload: bytes) -> None:
        if self._wants_md5 and len(payload) == 36 and payload.startswith(b"md5:"):
            self._md5 = payload[4:].decode("ascii", "replace")
            return
        if len(payload) != 4 or (self._wants_md5 and not self._md5):
            return
        if not self._update.begin(int.from_bytes(payload, "big")):
            self._say("begin-fail")
            return
        self._update.set_md5(self._md5)
        self._open = True
        self._say("ok")

    def _take_chunk(self, payload: bytes) -> None:
        if len(payload) < 20:
            self._say("len-fail")
            return
        length = int.from_bytes(payload[:2], "big")
        if len(payload) != 2 + length + 16 + 2:
            self._say("size-mismatch")
            return
        data, digest, remaining = payload[2 : 2 + length], payload[-18:-2], int.from_bytes(payload[-2:], "big")
        if hashlib.md5(data, usedforsecurity=False).digest() != digest:
            self._say("md5-fail")
        elif self._update.write(data) != length:
            self._say("write-fail")
        elif remaining:
            self._say("ok")
        else:
            self._finish()

    def _finish(self) -> None:
        image_so_far = self._update
        if not image_so_far.end():
            # `_open` stays: only a restart helps.
            self._say("end-fail")
            return
        self._say("success")
        self._pause(self._restart_delay)
        self._restart_with(bytes(image_so_far.written))

    def _say(self, word: str) -> None:
        self._answer(self.feedback, word, retain=True)

    def _note_flash(self, sector: bytes) -> None:
        self._write(sector)

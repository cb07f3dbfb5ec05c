"""A Sming board that takes a whole ROM in one MQTT message: a patch version, then the image."""

from collections.abc import Callable
import re

from tests.board.events import Event

from .arduino import chip_of, is_bootable
from .device import Device
from .faults import Faults
from .settings import Settings

_LONGEST_VERSION = 24


def decode(message: bytes, *, varint: bool = True) -> tuple[int, int] | None:
    """Return the patch version as the board reads it, and how many bytes it took; None where it never ends.

    The board adds up the groups and never shifts them: 128 reads as 1, 300 as 46.
    """
    if not message:
        return None
    if not varint:
        return message[0], 1
    patch = 0
    for place, byte in enumerate(message):
        patch += byte & 0x7F
        if not byte & 0x80:
            return patch, place + 1
        if place >= _LONGEST_VERSION:
            break
    return None


class SingleMessageBoard(Device):
    """A board with Sming's OtaUpgradeMqtt. It tells nothing; its version is compiled into what it runs."""

    def __init__(
        self,
        settings: Settings,
        faults: Faults | None = None,
        on_event: Callable[[Event], None] | None = None,
        *,
        app_id: str = "test",
        version: str = "1.0.0",
        varint: bool = True,
        prefix: str = "",
        channel: str = "",
        slot_size: int = 0x100000,
        checks_image: bool = True,
        restart_delay: float = 0.02,
    ) -> None:
        """Describe it; `version` counts where its image tells none.

        `checks_image` is an ESP32: an ESP8266 starts whatever it was sent. `prefix` is `/` in the oldest text,
        `channel` the suffix of a channel. `restart_delay` is 1 on a real one.
        """
        super().__init__(settings, faults, on_event)
        self._app_id = app_id
        self._version = version
        self._varint = varint
        self._prefix = prefix
        self._channel = f"/{channel}" if channel else ""
        self._slot_size = slot_size
        self._checks_image = checks_image
        self._restart_delay = restart_delay

    @property
    def version(self) -> str:
        """Return the version that is compiled into what it runs."""
        told = self.runs[0x30:0x50].split(b"\0")[0].decode("latin-1") if chip_of(self.runs) is not None else ""
        return told if re.fullmatch(r"\d+\.\d+\.\d+", told) else self._version

    @property
    def patch(self) -> int:
        """Return its patch version."""
        return int(self.version.rsplit(".", 1)[1])

    @property
    def topic(self) -> str:
        """Return the topic for its major and minor version."""
        return f"{self._prefix}a/{self._app_id}/u/{self.version.rsplit('.', 1)[0]}{self._channel}"

    def _connected(self) -> None:
        self._subscribe(self.topic, 1)

    def _received(self, topic: str, payload: bytes) -> None:
        decoded = decode(payload, varint=self._varint)
        if decoded is None:
            self._tell("refused", cause="no patch version")
            return
        patch, start = decoded
        self._tell("command", patch=patch, running=self.patch, size=len(payload) - start)
        if patch < self.patch:
            self._tell("skipped", patch=patch)
        elif len(payload) - start > self._slot_size:
            self._tell("failed", cause="too large for the slot")
        else:
            self._flash(payload[:start], payload[start:])

    def _flash(self, encoded: bytes, image: bytes) -> None:
        for start in range(0, len(image), 1024):
            if self.faults.slow:
                self._pause(self.faults.slow)
            self._write(image[start : start + 1024])
        if self._checks_image and not is_bootable(image, chip_of(self.runs)):
            self._tell("failed", cause="not a whole image for this chip")
            return
        self._acknowledge()
        self._pause(self._restart_delay)
        if not self._checks_image and image[:1] not in {b"\xe9", b"\xea"}:
            # The boot loader finds nothing that it could start.
            self._lose_power("bricked", None)
        if chip_of(image) is None and not self.faults.comes_back_old:
            # Nothing in it tells its version: it is taken to be what the deployer meant.
            self._version = f"{self.version.rsplit('.', 1)[0]}.{self._meant(encoded)}"
        self._restart_with(image)

    def _meant(self, encoded: bytes) -> int:
        if not self._varint:
            return encoded[0]
        return sum((byte & 0x7F) << (7 * place) for place, byte in enumerate(encoded))

"""A board with Homie for ESP8266 or ESP32: all that it says is retained, and an image comes in one message."""

from base64 import b64decode
import binascii
from collections.abc import Callable, Mapping
import hashlib
import re

from tests.board.events import Event

from .arduino import chip_of, is_bootable
from .device import Device
from .faults import Faults
from .settings import Settings, Will

# What the network hands over at a time.
_PIECE = 1460
_MD5 = re.compile(r"[0-9a-f]{32}")


class HomieBoard(Device):
    """A board of convention 2 (`$online`) or 3 (`$state`); its id is its client id."""

    def __init__(
        self,
        settings: Settings,
        faults: Faults | None = None,
        on_event: Callable[[Event], None] | None = None,
        *,
        base: str = "homie",
        firmware: str = "lamp",
        implementation: str = "esp8266",
        convention: int = 2,
        enabled: bool = True,
        slot_size: int = 0x100000,
        versions: Mapping[bytes, str] | None = None,
        adapts_header: bool = False,
        breaks_at: int | None = None,
        restart_delay: float = 0.02,
    ) -> None:
        """Describe it; `versions` are those that are compiled into images which do not tell them.

        With `adapts_header` it writes its flash's own settings into an image, as an ESP8266 does whose flash is another
        one than it was built for. At `breaks_at` bytes of a message it loses its connection, once.
        """
        super().__init__(settings, faults, on_event)
        self._base = base
        self._firmware = firmware
        self._implementation = implementation
        self._convention = convention
        self._enabled = enabled
        self._slot_size = slot_size
        self._versions = versions or {}
        self._adapts_header = adapts_header
        self._breaks_at = breaks_at
        self._restart_delay = restart_delay
        self._slot_is_open = False

    @property
    def checksum(self) -> str:
        """Return the MD5 of what it runs."""
        return hashlib.md5(self.runs, usedforsecurity=False).hexdigest()

    @property
    def version(self) -> str:
        """Return the version that is compiled into what it runs."""
        for image, version in self._versions.items():
            # The two bytes of the flash's settings are the board's own.
            if self.runs[4:] == image[4:]:
                return version
        return self.runs[0x30:0x50].split(b"\0")[0].decode("latin-1")

    def topic(self, attribute: str) -> str:
        """Return the topic of one of its attributes."""
        return f"{self._base}/{self.settings.client_id}/{attribute}"

    def say(self, attribute: str, text: str) -> None:
        """Say an attribute; it is retained."""
        self._publish(self.topic(attribute), text.encode(), 1, retain=True)

    def _will(self) -> Will:
        if self._convention == 2:
            return Will(self.topic("$online"), b"false")
        return Will(self.topic("$state"), b"lost")

    def _boot(self) -> None:
        self._slot_is_open = False

    def _connected(self) -> None:
        if self._convention > 2:
            self.say("$state", "init")
        for attribute, text in {
            "$homie": f"{self._convention}.0.1",
            "$mac": "5C:CF:7F:00:00:01",
            "$name": "Hall lamp",
            "$localip": "192.168.0.10",
            "$fw/name": self._firmware,
            "$fw/version": self.version,
            "$fw/checksum": self.checksum,
            "$implementation": self._implementation,
            "$implementation/version": "2.0.0",
            "$implementation/ota/enabled": "true" if self._enabled else "false",
        }.items():
            self.say(attribute, text)
        # Whoever sends an image before this sends it to nobody.
        self._subscribe(self.topic("$implementation/ota/firmware/+"), 1)
        self.say(*("$online", "true") if self._convention == 2 else ("$state", "ready"))

    def _received(self, topic: str, payload: bytes) -> None:
        told = topic.rsplit("/", 1)[1]
        self._tell("command", size=len(payload))
        if (refusal := self.faults.answer_at) is not None and self._strikes("answer_at", refusal):
            self._status(refusal[1])
        elif not self._enabled:
            self._status("403")
        elif not _MD5.fullmatch(told):
            self._status("400 BAD_CHECKSUM")
        elif told == self.checksum:
            self._status("304")
        else:
            self._status("202")
            self._flash(told, payload)

    def _flash(self, md5: str, payload: bytes) -> None:
        if (image := _decoded(payload)) is None:
            self._status("400 BAD_FIRMWARE")
        elif self._slot_is_open:
            # `Update.begin` refuses without an error of its own, and nothing closes the slot before a restart.
            self._status("500 INTERNAL_ERROR 0")
        elif len(image) > self._slot_size:
            self._status("400 NOT_ENOUGH_SPACE")
        elif self._take_in(image):
            self._slot_is_open = False
            if hashlib.md5(image, usedforsecurity=False).hexdigest() != md5:
                self._status("400 BAD_CHECKSUM")
            elif self._implementation != "esp8266" and not is_bootable(image, chip_of(self.runs)):
                self._status("500 INTERNAL_ERROR 10")
            else:
                self._status("200")
                self._acknowledge()
                self._pause(self._restart_delay)
                self._restart_with(image[:2] + b"\x00\x10" + image[4:] if self._adapts_header else image)

    def _take_in(self, image: bytes) -> bool:
        """Write an image as it comes in; return whether all of it came."""
        self._slot_is_open = True
        for start in range(0, len(image), _PIECE):
            self._check_power()
            if self.faults.slow:
                self._pause(self.faults.slow)
            if self._breaks_at is not None and start >= self._breaks_at:
                self._breaks_at = None
                self._link.drop()
                self._tell("disconnected")
                return False
            self._write(image[start : start + _PIECE])
            self._status(f"206 {min(start + _PIECE, len(image))}/{len(image)}")
        return True

    def _status(self, text: str) -> None:
        self._answer(self.topic("$implementation/ota/status"), text, retain=True)


def _decoded(payload: bytes) -> bytes | None:
    """Return an image that comes raw or as base64; None where it is neither."""
    if payload[:1] == b"\xe9":
        return payload
    try:
        image = b64decode(payload, validate=True)
    except binascii.Error:
        return None
    return image if image[:1] == b"\xe9" else None

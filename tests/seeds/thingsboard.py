"""A board with ThingsBoard's own library for updates over MQTT; below a prefix where a broker puts one."""

from collections.abc import Callable, Mapping
import hashlib
import json
import time
from typing import Any

from tests.board.events import Event

from .arduino import chip_of, is_bootable
from .device import Device
from .faults import Faults
from .settings import Settings

_KEYS = ("fw_checksum", "fw_checksum_algorithm", "fw_size", "fw_title", "fw_version")


class ThingsBoardBoard(Device):
    """A board that asks for its firmware when it starts, and hears of changes from then on."""

    def __init__(
        self,
        settings: Settings,
        faults: Faults | None = None,
        on_event: Callable[[Event], None] | None = None,
        *,
        prefix: str = "",
        title: str = "lamp",
        chunk_size: int = 4096,
        retries: int = 12,
        timeout: float = 0.2,
        slot_size: int = 0x100000,
        restart_delay: float = 0.02,
    ) -> None:
        """Describe it; `timeout` is 5 on a real one."""
        super().__init__(settings, faults, on_event)
        self._prefix = f"{prefix}/" if prefix else ""
        self._title = title
        self._chunk_size = chunk_size
        self._most_retries = retries
        self._timeout = timeout
        self._slot_size = slot_size
        self._restart_delay = restart_delay

    @property
    def version(self) -> str:
        """Return the version that is compiled into what it runs."""
        return self.runs[0x30:0x50].split(b"\0")[0].decode("latin-1")

    def report(self, **told: Any) -> None:
        """Say telemetry."""
        self._publish(f"{self._prefix}v1/devices/me/telemetry", json.dumps(told).encode(), 1)

    def _boot(self) -> None:
        self._request = 0
        self._asks_at: float | None = None
        self._offer: dict[str, Any] | None = None
        self._begun_request = 0
        self._image = bytearray()
        self._chunk = 0
        self._retries = 0

    def _connected(self) -> None:
        self._subscribe(f"{self._prefix}v1/devices/me/attributes", 1)
        self._subscribe(f"{self._prefix}v1/devices/me/attributes/response/+", 1)
        self._subscribe(f"{self._prefix}v2/fw/response/+/chunk/+", 1)
        self.report(temperature=21)
        self.report(current_fw_title=self._title, current_fw_version=self.version)
        if self._offer is None:
            self._request += 1
            topic = f"{self._prefix}v1/devices/me/attributes/request/{self._request}"
            self._publish(topic, json.dumps({"sharedKeys": ",".join(_KEYS)}).encode(), 1)

    def _received(self, topic: str, payload: bytes) -> None:
        rest = topic.removeprefix(self._prefix)
        if rest == "v1/devices/me/attributes":
            self._consider(json.loads(payload))
        elif rest.startswith("v1/devices/me/attributes/response/"):
            self._tell("attributes", shared=json.loads(payload).get("shared", {}))
            self._consider(json.loads(payload).get("shared", {}))
        elif rest.startswith(f"v2/fw/response/{self._begun_request}/chunk/"):
            self._take_chunk(int(rest.rsplit("/", 1)[1]), payload)

    def _consider(self, told: Mapping[str, Any]) -> None:
        if not set(_KEYS) <= set(told):
            self._state(
                "FAILED", "Missing shared attribute firmware keys. Ensure you assigned an OTA update with binary"
            )
        elif str(told["fw_title"])[: len(self._title)] != self._title:
            self._state("FAILED", f"Received firmware title ({told['fw_title']}) is different")
        elif str(told["fw_version"])[: len(self.version)] == self.version:
            # It compares no more than its own version is long.
            self._state("UPDATED")
        elif (refusal := self.faults.answer_at) is not None and self._strikes("answer_at", refusal):
            self._state("FAILED", refusal[1])
        else:
            self._offer = dict(told)
            self._request += 1
            self._begun_request = self._request
            self._retries = self._most_retries
            self._begin()

    def _begin(self) -> None:
        self._image.clear()
        self._chunk = 0
        self._ask()

    def _ask(self) -> None:
        assert self._offer is not None
        if self._chunk >= self._offer["fw_size"] // self._chunk_size + 1:
            self._finish(self._offer)
            return
        topic = f"{self._prefix}v2/fw/request/{self._begun_request}/chunk/{self._chunk}"
        self._publish(topic, str(self._chunk_size).encode(), 1)
        self._tell("asked", chunk=self._chunk)
        self._asks_at = time.monotonic() + self._timeout

    def _take_chunk(self, number: int, data: bytes) -> None:
        self._state("DOWNLOADING")
        if self._offer is None or number != self._chunk:
            return
        if number == 0 and self._offer["fw_size"] > self._slot_size:
            self._fail("Failed to initalize flash updater")
            return
        self._write(data)
        self._image += data
        self._chunk += 1
        self._retries = self._most_retries
        self._ask()

    def _finish(self, offer: Mapping[str, Any]) -> None:
        self._asks_at = None
        self._state("DOWNLOADED")
        image = bytes(self._image)
        if hashlib.new(offer["fw_checksum_algorithm"].lower(), image).hexdigest() != offer["fw_checksum"]:
            self._fail("Checksum verification failed")
        elif not is_bootable(image, chip_of(self.runs)):
            self._fail("Error (10) during flash updater not all bytes written")
        else:
            self._state("UPDATING")
            self._pause(self._restart_delay)
            self._restart_with(image)

    def _fail(self, error: str) -> None:
        self._state("FAILED", error)
        if self._retries > 0:
            self._retries -= 1
            self._begin()
        else:
            self._give_up()

    def _give_up(self) -> None:
        self._asks_at = None
        self._offer = None
        self._tell("gave_up")

    def _tick(self, now: float) -> float:
        if self._asks_at is not None and now >= self._asks_at:
            if self._retries > 0:
                self._retries -= 1
                self._ask()
            else:
                self._give_up()
        return min(now + 1.0, self._asks_at or now + 0.05)

    def _state(self, state: str, error: str = "") -> None:
        text = json.dumps({"fw_error": error, "fw_state": state})
        self._answer(f"{self._prefix}v1/devices/me/telemetry", text)

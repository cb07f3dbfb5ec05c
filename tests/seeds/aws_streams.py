"""A board with AWS IoT Jobs and file streams: it asks for a job, for blocks by a bitmap, and tries what it got."""

from base64 import b64decode, b64encode
from collections.abc import Callable
import json
import time
from typing import Any

from custom_components.mqtt_ota.ota import cbor
from tests.board.events import Event

from .arduino import chip_of, is_bootable
from .device import Device
from .faults import Faults
from .settings import Settings


class AwsBoard(Device):
    """A board that speaks as the agent of FreeRTOS does; its thing name is its client id."""

    def __init__(
        self,
        settings: Settings,
        faults: Faults | None = None,
        on_event: Callable[[Event], None] | None = None,
        *,
        prefix: str = "$aws/things",
        form: str = "cbor",
        block_size: int = 4096,
        at_once: int = 4,
        timeout: float = 0.2,
        retries: int = 5,
        demands_signature: bool = False,
        tells_version: bool = True,
        self_tests: bool = True,
        restart_delay: float = 0.02,
    ) -> None:
        """Describe it; with `self_tests` it goes back to what it ran where no job asks for its self-test afterwards."""
        super().__init__(settings, faults, on_event)
        self._prefix = f"{prefix}/{settings.client_id}"
        self._form = form
        self._block_size = block_size
        self._at_once = at_once
        self._timeout = timeout
        self._most_retries = retries
        self._demands_signature = demands_signature
        self._tells_version = tells_version
        self._self_tests = self_tests
        self._restart_delay = restart_delay
        self._former: bytes | None = None

    @property
    def version(self) -> str:
        """Return the version that is compiled into what it runs."""
        return self.runs[0x30:0x50].split(b"\0")[0].decode("latin-1")

    def _boot(self) -> None:
        self._job: dict[str, Any] | None = None
        self._missing: set[int] = set()
        self._blocks: dict[int, bytes] = {}
        self._expects = 0
        self._asks_at: float | None = None
        self._asks_job_at: float | None = None
        self._retries = 0

    def _connected(self) -> None:
        for rest in ("jobs/notify-next", "jobs/$next/get/accepted", "jobs/+/update/+"):
            self._subscribe(f"{self._prefix}/{rest}", 1)
        for what in ("data", "rejected", "description"):
            self._subscribe(f"{self._prefix}/streams/+/{what}/{self._form}", 0)
        self._ask_job()

    def _ask_job(self) -> None:
        self.ask("jobs/$next/get", {"clientToken": f"0:{self.settings.client_id}"})
        self._asks_job_at = time.monotonic() + self._timeout

    def ask(self, rest: str, told: dict[str, Any]) -> None:
        """Ask something about jobs."""
        self._publish(f"{self._prefix}/{rest}", json.dumps(told).encode(), 1)

    def _received(self, topic: str, payload: bytes) -> None:
        rest = topic.removeprefix(f"{self._prefix}/")
        if rest in {"jobs/notify-next", "jobs/$next/get/accepted"}:
            self._consider(json.loads(payload).get("execution"))
        elif rest.startswith("jobs/"):
            self._tell("answered", answer=rest.rsplit("/", 1)[1])
        elif rest.startswith("streams/") and "/data/" in rest:
            self._take_block(cbor.decode(payload) if self._form == "cbor" else json.loads(payload))
        else:
            self._tell("rejected", told=cbor.decode(payload) if self._form == "cbor" else json.loads(payload))

    def _consider(self, execution: dict[str, Any] | None) -> None:
        self._tell("job", execution=execution)
        self._asks_job_at = None
        if execution is None:
            if self._former is not None:
                self._go_back()
            self._job = None
        elif self._former is not None and "self_test" in execution.get("statusDetails", {}):
            self._job = execution
            self._former = None
            self._succeed()
        elif self._job is None or self._job["jobId"] != execution["jobId"]:
            self._job = execution
            self._begin(execution["jobDocument"]["afr_ota"])

    def _begin(self, document: dict[str, Any]) -> None:
        (file,) = document["files"]
        if (refusal := self.faults.answer_at) is not None and self._strikes("answer_at", refusal):
            status, _, reason = refusal[1].partition(" ")
            self._update(status, {"reason": reason})
        elif self._demands_signature and not file["sig-sha256-ecdsa"]:
            self._update("FAILED", {"reason": "0x22000000: 0x00000000"})
        else:
            self._blocks.clear()
            self._missing = set(range(-(-file["filesize"] // self._block_size)))
            self._update("IN_PROGRESS", {"receive": f"0/{len(self._missing)}"})
            self._retries = self._most_retries
            self._ask_blocks()

    def _ask_blocks(self) -> None:
        assert self._job is not None
        document = self._job["jobDocument"]["afr_ota"]
        bitmap = bytearray(-(-(max(self._missing) + 1) // 8))
        for number in self._missing:
            bitmap[number // 8] |= 1 << number % 8
        marks = bytes(bitmap) if self._form == "cbor" else b64encode(bitmap).decode()
        told: dict[str, Any] = {"c": "rdy", "f": 0, "l": self._block_size, "o": 0, "b": marks, "n": self._at_once}
        payload = cbor.encode(told) if self._form == "cbor" else json.dumps(told).encode()
        self._publish(f"{self._prefix}/streams/{document['streamname']}/get/{self._form}", payload, 0)
        self._tell("asked", missing=len(self._missing))
        self._expects = min(self._at_once, len(self._missing))
        self._asks_at = time.monotonic() + self._timeout

    def _take_block(self, told: Any) -> None:
        if self._job is None or told["i"] not in self._missing:
            return
        data = told["p"] if self._form == "cbor" else b64decode(told["p"])
        assert told["l"] == len(data)
        self._write(data)
        self._blocks[told["i"]] = data
        self._missing.discard(told["i"])
        self._retries = self._most_retries
        self._expects -= 1
        if not self._missing:
            self._asks_at = None
            self._finish(b"".join(self._blocks[number] for number in sorted(self._blocks)))
        elif not self._expects:
            total = len(self._blocks) + len(self._missing)
            self._update("IN_PROGRESS", {"receive": f"{len(self._blocks)}/{total}"})
            self._ask_blocks()

    def _finish(self, image: bytes) -> None:
        if not is_bootable(image, chip_of(self.runs)):
            self._update("FAILED", {"reason": "0x27000000: 0x00000000"})
            return
        if not self._self_tests:
            self._succeed()
        else:
            self._update("IN_PROGRESS", {"self_test": "ready", "updatedBy": "0x1000000"})
            self._former = self.runs
        self._pause(self._restart_delay)
        self._restart_with(image)

    def _succeed(self) -> None:
        reason = f"accepted v{self.version}" if self._tells_version else "done"
        self._update("SUCCEEDED", {"reason": reason, "updatedBy": " v1.0.0"})

    def _go_back(self) -> None:
        """Start what it ran before: nothing asked for its self-test."""
        assert self._former is not None
        self._runs, self._former = self._former, None
        self.settings.save(self._runs)
        self._restart("went_back")

    def _update(self, status: str, details: dict[str, str]) -> None:
        assert self._job is not None
        text = json.dumps({"status": status, "statusDetails": details})
        self._answer(f"{self._prefix}/jobs/{self._job['jobId']}/update", text)

    def _tick(self, now: float) -> float:
        if self._asks_job_at is not None and now >= self._asks_job_at:
            self._ask_job()
        if self._asks_at is not None and now >= self._asks_at:
            if self._retries > 0:
                self._retries -= 1
                self._ask_blocks()
            else:
                self._asks_at = None
                self._tell("gave_up")
        return min(now + 0.05, self._asks_at or now + 0.05)

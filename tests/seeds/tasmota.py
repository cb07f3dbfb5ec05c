"""A board with Tasmota on an ESP32: told an address, it fetches by itself, maybe in a small build in between."""

from collections.abc import Callable
import json
import time
from typing import Any, NoReturn

from tests.board.events import Event

from .arduino import Update, chip_of
from .device import Device
from .faults import Faults
from .fetch import Download
from .settings import Settings, Will

# It counts down from five before each attempt.
ATTEMPTS = 4
# What is kept of an address.
URL_LENGTH = 150
SAFEBOOT = "safeboot"

_TIMEOUT = 5.0
_GLANCE = 0.05
_PIECE = 1460
_CHIPS = {0: "ESP32-D0WD-V3 v3.1", 2: "ESP32-S2FN4R2 v1.0", 5: "ESP32-C3 v0.4", 9: "ESP32-S3 v0.2"}


class TasmotaBoard(Device):
    """Tasmota 15; its client id is its topic.

    `one_partition` is the layout of most of them: `safeboot` fetches, and stays if that fails. `ota_url` outlives its
    power. Faults count its answers to commands; `answer_at` lets the update fail with this text.
    """

    def __init__(
        self,
        settings: Settings,
        faults: Faults | None = None,
        on_event: Callable[[Event], None] | None = None,
        *,
        mac: str = "A0B1C2D3E4F5",
        image_name: str = "release-tasmota32",
        full_topic: str = "%prefix%/%topic%/",
        ota_url: str = "http://ota.tasmota.com/tasmota32/release/tasmota32s3.bin",
        one_partition: bool = True,
        separate_answers: bool = False,
        slot_size: int = 0x2D0000,
        announce_delay: float = 0.05,
        restart_delay: float = 0.05,
    ) -> None:
        """Describe it; `separate_answers` is SetOption4. The delays are 10 and 2 on a real one."""
        super().__init__(settings, faults, on_event)
        self.mac = mac
        self.default_url = self.ota_url = ota_url
        self.image_name = image_name
        self.one_partition = one_partition
        self.upgrades = 0
        self._full_topic = full_topic
        self._separate_answers = separate_answers
        self._slot_size = slot_size
        self._announce_delay = announce_delay
        self._restart_delay = restart_delay
        self._in_safeboot = False
        self._goes_on = False

    @property
    def version(self) -> str:
        """Return the version that is compiled into what it runs."""
        return self.runs[0x30:0x50].split(b"\0")[0].decode("latin-1")

    @property
    def in_safeboot(self) -> bool:
        """Tell whether it runs only the build that fetches."""
        return self._in_safeboot

    def topic(self, prefix: str, word: str) -> str:
        """Return one of its topics."""
        filled = self._full_topic.replace("%prefix%", prefix).replace("%topic%", self.settings.client_id)
        return f"{filled.rstrip('/')}/{word}"

    def _will(self) -> Will:
        return Will(self.topic("tele", "LWT"), b"Offline")

    def _boot(self) -> None:
        self._flashes_now, self._goes_on = self._goes_on, False
        self._announces_at: float | None = None
        self._verdict = ""
        self._brought: bytes | None = None

    def _connected(self) -> None:
        self._publish(self.topic("tele", "LWT"), b"Online", retain=True)
        self._subscribe(self.topic("cmnd", "#"), 0)
        if not self._in_safeboot:
            self._announces_at = time.monotonic() + self._announce_delay

    def _tick(self, now: float) -> float:
        if self._announces_at is not None and now >= self._announces_at:
            self._announces_at = None
            self._announce()
        if self._verdict and self._announces_at is None and self._link.is_connected:
            self._say_verdict()
        if self._flashes_now and self._link.is_connected:
            self._flashes_now = False
            self._flash()
        return now + 0.01

    def _announce(self) -> None:
        config: dict[str, Any] = {
            "ip": "127.0.0.1",
            "dn": "Plug",
            "fn": ["Plug", None, None, None],
            "hn": f"{self.settings.client_id}-1234",
            "mac": self.mac,
            "md": "ESP32-DevKit",
            "ofln": "Offline",
            "onln": "Online",
            "state": ["OFF", "ON", "TOGGLE", "HOLD"],
            "sw": self.version,
            "t": self.settings.client_id,
            "ft": self._full_topic,
            "tp": ["cmnd", "stat", "tele"],
            "so": {"4": int(self._separate_answers)},
            "ver": 1,
        }
        self._publish(f"tasmota/discovery/{self.mac}/config", json.dumps(config).encode(), retain=True)
        self._tell("announced", version=self.version)

    def _received(self, topic: str, payload: bytes) -> None:
        command, text = topic.rpartition("/")[2].lower(), payload.decode("latin-1").strip()
        self._tell("command", name=command, text=text)
        match command:
            case "otaurl":
                if text:
                    self.ota_url = self.default_url if text == "1" else text[:URL_LENGTH]
                self._reply("OtaUrl", self.ota_url)
            case "upgrade" if text == "1":
                self.upgrades += 1
                self._flashes_now = True
                self._reply("Upgrade", f"Version {self.version} from {self.ota_url}")
            case "upgrade":
                self._reply("Upgrade", f"1 or >{self.version} to upgrade")
            case "status":
                self._status(text)

    def _reply(self, name: str, text: str) -> None:
        word = name.upper() if self._separate_answers else "RESULT"
        self._answer(self.topic("stat", word), json.dumps({name: text}))

    def _status(self, which: str) -> None:
        image = SAFEBOOT if self._in_safeboot else self.image_name
        hardware = _CHIPS[chip_of(self.runs) or 0]
        match which:
            case "1":
                said = {"StatusPRM": {"GroupTopic": "tasmotas", "OtaUrl": self.ota_url, "BootCount": self.boots}}
            case "2":
                said = {"StatusFWR": {"Version": f"{self.version}({image})", "Core": "3.1.3", "Hardware": hardware}}
            case _:
                return
        self._publish(self.topic("stat", f"STATUS{which}"), json.dumps(said).encode())

    def _flash(self) -> None:
        if self.one_partition and not self._in_safeboot:
            self._in_safeboot = self._goes_on = True
            self._restart("safeboot")
        # Its connection does not outlive the time in which it does nothing else.
        self._link.drop()
        self._verdict = f"Failed {self.faults.answer_at[1]}" if self.faults.answer_at else self._fetch()

    def _fetch(self) -> str:
        why = ""
        for _ in range(ATTEMPTS):
            update = Update(self._slot_size, chip_of(self.runs), self._write)
            why = self._attempt(update)
            if not why:
                self._brought = bytes(update.written)
                return "Successful. Restarting"
        return f"Failed {why}"

    def _attempt(self, update: Update) -> str:
        """Fetch once; return why it failed, empty where it did not."""
        self._tell("fetching", url=self.ota_url)
        try:
            download = Download(self.ota_url, timeout=_TIMEOUT)
        except OSError, ValueError:
            return "HTTP error: connection refused"
        try:
            if download.status != 200:
                return {404: "File Not Found (404)", 403: "Forbidden (403)"}.get(download.status, "Wrong HTTP Code")
            if download.length is None:
                return "Server Did Not Report Size"
            if not update.begin(download.length):
                return "Not Enough space"
            return self._fill(download, download.length, update)
        finally:
            download.close()

    def _fill(self, download: Download, left: int, update: Update) -> str:
        heard_at = time.monotonic()
        while left and (piece := download.read(min(_PIECE, left), _GLANCE)) != b"":
            self._check_power()
            if self.faults.slow:
                self._pause(self.faults.slow)
            if piece is None and time.monotonic() > heard_at + _TIMEOUT:
                break
            if piece is not None:
                heard_at = time.monotonic()
                if update.write(piece) < len(piece):
                    return "Update error: Wrong Magic Byte"
                left -= len(piece)
        if left:
            return "HTTP error: connection lost"
        return "" if update.end() else "Update error: Could Not Activate The Firmware"

    def _say_verdict(self) -> None:
        verdict, self._verdict = self._verdict, ""
        self._answer(self.topic("stat", "UPGRADE"), json.dumps({"Upgrade": verdict}))
        if self._brought is not None:
            self._finish(self._brought)

    def _finish(self, image: bytes) -> NoReturn:
        """Hear commands for a moment, then start what was brought."""
        until = time.monotonic() + self._restart_delay
        while time.monotonic() < until:
            self._check_power()
            self._serve(0.01)
        self._in_safeboot = False
        self._restart_with(image)

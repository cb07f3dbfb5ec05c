"""What a board is and how it behaves."""

from dataclasses import dataclass
import hashlib
import json
from pathlib import Path
from typing import Any

from custom_components.mqtt_ota.ota.board import Encoding, Order, Transport

PROTOCOL = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A board's identity, abilities and times; sizes in bytes, times in seconds, `rate` in kB/s (0: no limit)."""

    host: str
    port: int
    id: str
    state: Path
    name: str = ""
    model: str = ""
    chip: str = "ESP32"
    project: str = ""
    version: str = "1.0.0"
    mac: str = ""
    slot_size: int = 4 << 20
    block_size: int = 4096
    window: int = 8
    order: Order = Order.ANY
    encodings: tuple[Encoding, ...] = (Encoding.RAW, Encoding.DEFLATE)
    transports: tuple[Transport, ...] = (Transport.BLOCKS, Transport.HTTP)
    public_keys: tuple[str, ...] = ()
    counter: int = 0
    feed: str = ""
    wake_interval: int = 0
    root: str = "mqtt_ota"
    user: str | None = None
    password: str | None = None
    rate: float = 0.0
    reboot_time: float = 0.3
    sleep_time: float = 1.0
    awake_time: float = 2.0
    ask_timeout: float = 1.0
    give_up: float = 300.0

    def topic(self, kind: str) -> str:
        """Return one of the board's own topics."""
        return f"{self.root}/board/{self.id}/{kind}"

    def shared_topic(self, tag: bytes) -> str:
        """Return the topic on which every board can hear the blocks of an image."""
        return f"{self.root}/image/{tag.hex()}"

    def announce(self, *, version: str, sha256: str, counter: int, keys: tuple[str, ...], pending: bool) -> bytes:
        """Write the announce of a board that runs this."""
        text: dict[str, Any] = {
            "protocol": PROTOCOL,
            "id": self.id,
            "name": self.name or self.id,
            "model": self.model,
            "chip": self.chip,
            "project": self.project,
            "version": version,
            "mac": self.mac or _made_up_mac(self.id),
            "slot_size": self.slot_size,
            "block_size": self.block_size,
            "window": self.window,
            "order": self.order,
            "encodings": self.encodings,
            "transports": self.transports,
            "keys": keys,
            "counter": counter,
            "rollback": True,
            "wake_interval": self.wake_interval,
        }
        told = {"feed": self.feed, "sha256": sha256, "pending": pending}
        return json.dumps(text | {key: value for key, value in told.items() if value}).encode()


def _made_up_mac(board_id: str) -> str:
    """Return a locally administered MAC that is always the same for an id."""
    return ":".join(f"{byte:02x}" for byte in b"\x02" + hashlib.sha256(board_id.encode()).digest()[:5])

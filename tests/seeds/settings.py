"""Where a board connects, and where it keeps what it runs."""

from dataclasses import dataclass
from pathlib import Path

_RUNNING = "running.bin"


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says when a board has vanished."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A board's connection and its first image; `state` is a folder, None keeps its flash for this object's life."""

    host: str
    port: int
    client_id: str
    image: bytes = b""
    restart_time: float = 0.02
    state: Path | None = None
    user: str | None = None
    password: str | None = None

    def load(self) -> bytes:
        """Return what it runs."""
        if self.state is None or not (path := self.state / _RUNNING).is_file():
            return self.image
        return path.read_bytes()

    def save(self, image: bytes) -> None:
        """Keep what it runs from now on."""
        if self.state is None:
            return
        self.state.mkdir(parents=True, exist_ok=True)
        fresh = self.state / f"{_RUNNING}.new"
        fresh.write_bytes(image)
        fresh.replace(self.state / _RUNNING)

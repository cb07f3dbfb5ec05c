"""A protocol that no board speaks: one setting of each type, and boards that say what a test wants to hear."""

from collections.abc import Mapping
from typing import Any, Final

import pytest

from custom_components.mqtt_ota.ota.board import Availability, Board
from custom_components.mqtt_ota.ota.dialects import (
    Announcement,
    Answer,
    Echo,
    Effect,
    Hint,
    Ignored,
    Leftover,
    Message,
    Presence,
    Publish,
    Reading,
    Traits,
    registry,
)
from custom_components.mqtt_ota.ota.dialects.base import BaseDialect
from custom_components.mqtt_ota.ota.dialects.settings import Kind, Setting, SettingError, SettingType
from custom_components.mqtt_ota.ota.dialects.topics import Topic
from custom_components.mqtt_ota.ota.session import Session, State

WHISPER: Final = "whisper"
SETTINGS: Final[dict[str, Any]] = {
    "command": "whisper/command",
    "status": "whisper/{id}/status",
    "board_id": "",
    "model": "",
    "port": 8000,
    "size": "small",
    "quick": False,
    "pattern": "v=",
    "shared": False,
}


class Whisper(BaseDialect):
    """Boards that say one word, and a value after a space."""

    name = WHISPER

    def __init__(self, key: str, settings: Mapping[str, Any]) -> None:
        super().__init__(key)
        self._settings = settings
        self._status = Topic(settings["status"]) if settings["status"] else None
        self.traits = Traits.BROADCAST if settings["shared"] else Traits(0)
        if settings["pattern"] == "(":
            raise SettingError("pattern", "text_invalid")
        if settings["pattern"] == ")":
            raise SettingError("nothing", "missing")

    def topics(self) -> tuple[tuple[str, int], ...]:
        return ((self._status.filter, 0),) if self._status else ()

    def boards(self) -> tuple[Board, ...]:
        return (self._board(self._settings["board_id"]),) if self._settings["board_id"] else ()

    def board_id(self, message: Message) -> str | None:
        return self._status.match(message.topic) if self._status else None

    def read(self, message: Message, known: Board | None) -> Reading | Ignored:
        board_id = self.board_id(message) or ""
        word, _, value = message.payload.decode().partition(" ")
        match word:
            case "ready":
                return Announcement(self._board(board_id, value), (Publish("whisper/asked", b"?"),))
            case "hint":
                return Hint(self._board(board_id))
            case "here":
                return Presence(Availability.ONLINE)
            case "echo":
                return Echo()
            case "left":
                return Leftover(value)
            case "done":
                return Answer()
        return Ignored(f"{word} is no word")

    def begin(self, session: Session, board: Board, now: float) -> list[Effect]:
        session.alive(State.REBOOTING, now)
        return [Publish(self._settings["command"], b"go")]

    def receive(self, session: Session, board: Board, message: Message, now: float) -> list[Effect]:
        session.came_back(now)
        return []

    def _board(self, board_id: str, version: str = "") -> Board:
        return Board(
            id=board_id,
            dialect=self.key,
            model=self._settings["model"],
            chip="ESP32-S3",
            version=version,
            cohort=self._settings["command"],
        )


def _try_out(settings: Mapping[str, Any], captured: bytes) -> tuple[tuple[str, str], ...]:
    _, _, found = captured.decode().partition(settings["pattern"])
    return (("pattern", found), ("size", ""))


KIND: Final = Kind(
    name=WHISPER,
    make=Whisper,
    settings=(
        Setting(key="command", type=SettingType.TOPIC, default="whisper/command", required=True),
        Setting(key="status", type=SettingType.TOPIC, default="whisper/{id}/status"),
        Setting(key="board_id", type=SettingType.BOARD_ID),
        Setting(key="model"),
        Setting(key="port", type=SettingType.NUMBER, default=8000, low=1, high=9000, unit="px"),
        Setting(key="size", type=SettingType.CHOICE, default="small", choices=("small", "large")),
        Setting(key="quick", type=SettingType.FLAG, default=False),
        Setting(key="pattern", type=SettingType.LINES, default="v="),
        Setting(key="shared", type=SettingType.FLAG, default=False),
    ),
    presets={"loud": {"command": "loud/command", "model": "loud"}},
    try_out=_try_out,
)


@pytest.fixture
def whisper(monkeypatch: pytest.MonkeyPatch) -> Kind:
    """Let the protocol be one that can be set up."""
    monkeypatch.setitem(registry.KINDS, WHISPER, KIND)
    return KIND

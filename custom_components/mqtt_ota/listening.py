"""Listening for a while as a dialect would, and saying nothing: what its settings make of what is there."""

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from homeassistant.core import HomeAssistant, callback

from .broker import Broker
from .ota.board import Board
from .ota.dialects import Announcement, Dialect, Echo, Hint, Ignored, Leftover, Message, Reading

BOARDS_LIMIT: Final = 256
CAUSES_LIMIT: Final = 5
LEFTOVERS_LIMIT: Final = 10


@dataclass(slots=True)
class Heard:
    """What was heard: how many messages, how many of them from the broker's memory, whose, and why not.

    `boards` said all that has to be known of them, `hinted` said something. `ignored` has a topic for each cause;
    `without_meaning` is a topic of messages that are well-formed and concern nobody.
    """

    messages: int = 0
    remembered: int = 0
    boards: dict[str, Board] = field(default_factory=dict)
    hinted: dict[str, Board] = field(default_factory=dict)
    leftovers: set[str] = field(default_factory=set)
    ignored: dict[str, str] = field(default_factory=dict)
    without_meaning: str = ""

    @callback
    def async_hear(self, dialect: Dialect, known: dict[str, Board], message: Message) -> None:
        """Take a message in."""
        if not message.payload:
            # Somebody removed what the broker remembered: no word of a board's.
            return
        board_id = dialect.board_id(message)
        reading = self._read(dialect, known, board_id, message)
        self.messages += 1
        self.remembered += message.retain
        match reading:
            case Echo():
                self.without_meaning = self.without_meaning or message.topic
            case Ignored(cause):
                if len(self.ignored) < CAUSES_LIMIT:
                    self.ignored.setdefault(cause, message.topic)
            case Leftover(topic) if len(self.leftovers) < LEFTOVERS_LIMIT:
                self.leftovers.add(topic)
            case Announcement(board):
                self._note(board, is_known=True)
            case Hint(board):
                self._note(board, is_known=False)
            case _ if board_id in known:
                self._note(known[board_id], is_known=True)

    def _read(
        self, dialect: Dialect, known: dict[str, Board], board_id: str | None, message: Message
    ) -> Reading | Ignored:
        if board_id is None:
            return Ignored("it names no valid board")
        return dialect.read(message, self.boards.get(board_id) or self.hinted.get(board_id) or known.get(board_id))

    def _note(self, board: Board, *, is_known: bool) -> None:
        if len(self.boards) + len(self.hinted) >= BOARDS_LIMIT:
            return
        if is_known:
            self.hinted.pop(board.id, None)
            self.boards[board.id] = board
        elif board.id not in self.boards:
            self.hinted[board.id] = board


def can_listen(hass: HomeAssistant) -> bool:
    """Tell whether the broker can be heard now."""
    return Broker(hass).is_connected


async def async_listen(hass: HomeAssistant, dialect: Dialect, seconds: float) -> Heard:
    """Return what a dialect hears in this time; nothing is sent, and nothing is kept."""
    heard = Heard()
    known = {board.id: board for board in dialect.boards()}
    broker = Broker(hass)
    over = asyncio.Event()
    timer = hass.loop.call_later(seconds, over.set)
    try:
        for topic, qos in dialect.topics():
            await broker.async_subscribe(topic, qos, partial(heard.async_hear, dialect, known))
        await over.wait()
    finally:
        timer.cancel()
        broker.async_close()
    return heard

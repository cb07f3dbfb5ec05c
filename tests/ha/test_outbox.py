"""The outbox sends what steers first, takes turns with blocks, and loses rather than piles up."""

import asyncio
from dataclasses import dataclass, field

import pytest

from custom_components.mqtt_ota.broker import Broker
from custom_components.mqtt_ota.ota.board import Encoding
from custom_components.mqtt_ota.ota.dialects import Block
from custom_components.mqtt_ota.outbox import TOPIC_LIMIT, Outbox
from homeassistant.exceptions import HomeAssistantError


@dataclass
class Line:
    """A broker that notes what was sent."""

    is_connected: bool = True
    refuses: bool = False
    sent: list[tuple[str, bytes]] = field(default_factory=list)

    async def async_publish(self, topic: str, payload: bytes, qos: int, *, retain: bool = False) -> None:
        if self.refuses:
            raise HomeAssistantError("gone")
        self.sent.append((topic, payload))


class Sender(Outbox):
    """An outbox on such a line; a block's frame names its session and its offset."""

    def __init__(self) -> None:
        self.line = Line()
        self.ended: set[str] = set()
        super().__init__(self.line, self._make)  # type: ignore[arg-type]

    def _make(self, session_id: str, block: Block) -> bytes | None:
        return None if session_id in self.ended else f"{session_id} {block.offset}".encode()

    async def flush(self) -> list[tuple[str, bytes]]:
        """Send everything that waits."""
        task = asyncio.ensure_future(self.async_run())
        for _ in range(2 * TOPIC_LIMIT * 4):
            await asyncio.sleep(0)
        task.cancel()
        return self.line.sent


@pytest.fixture
async def outbox() -> Sender:
    return Sender()


def blocks(*numbers: int) -> tuple[Block, ...]:
    return tuple(Block(number, 1, Encoding.RAW) for number in numbers)


async def test_what_steers_goes_first_and_topics_take_turns(outbox: Sender) -> None:
    outbox.async_send_blocks("one", "a", blocks(0, 1, 2), 0)
    outbox.async_send_blocks("two", "b", blocks(0), 0)
    outbox.async_send("offer", b"!", 1)
    assert await outbox.flush() == [
        ("offer", b"!"),
        ("a", b"one 0"),
        ("b", b"two 0"),
        ("a", b"one 1"),
        ("a", b"one 2"),
    ]


async def test_a_block_that_several_want_is_sent_once(outbox: Sender) -> None:
    outbox.async_send_blocks("one", "shared", blocks(0, 1), 0)
    outbox.async_send_blocks("two", "shared", blocks(1, 2), 0)
    outbox.ended.add("one")
    outbox.async_send_blocks("two", "shared", blocks(0), 0)
    assert [payload for _, payload in await outbox.flush()] == [b"two 0", b"two 1", b"two 2"]


async def test_dropping_takes_back_only_what_nobody_else_wants(outbox: Sender) -> None:
    outbox.async_send_blocks("one", "shared", blocks(0, 1), 0)
    outbox.async_send_blocks("two", "shared", blocks(1), 0)
    outbox.async_send_blocks("one", "own", blocks(5), 0)
    outbox.async_drop_blocks("one")
    assert await outbox.flush() == [("shared", b"two 1")]


async def test_a_session_that_ended_sends_nothing_and_stops_nobody(outbox: Sender) -> None:
    outbox.ended.add("one")
    outbox.async_send_blocks("one", "a", blocks(0), 0)
    outbox.async_send_blocks("two", "b", blocks(0), 0)
    assert await outbox.flush() == [("b", b"two 0")]


async def test_one_topic_cannot_fill_the_memory(outbox: Sender) -> None:
    outbox.async_send_blocks("one", "a", blocks(*range(TOPIC_LIMIT * 2)), 0)
    assert len(await outbox.flush()) == TOPIC_LIMIT


async def test_while_the_broker_is_gone_everything_is_dropped(outbox: Sender) -> None:
    outbox.line.is_connected = False
    outbox.async_send("offer", b"!", 1)
    outbox.async_send_blocks("one", "a", blocks(0), 0)
    assert await outbox.flush() == []


async def test_a_message_that_cannot_leave_does_not_end_the_sending(outbox: Sender) -> None:
    outbox.line.refuses = True
    outbox.async_send("offer", b"1", 1)
    assert await outbox.flush() == []
    outbox.line.refuses = False
    outbox.async_send("offer", b"2", 1)
    assert await outbox.flush() == [("offer", b"2")]


def test_the_line_stands_for_the_broker() -> None:
    assert {"is_connected", "async_publish"} <= set(dir(Broker))

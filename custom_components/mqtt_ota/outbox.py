"""What waits to be sent: one message at a time, the few that steer before the many that carry blocks."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
import logging

from homeassistant.core import callback
from homeassistant.exceptions import HomeAssistantError

from .broker import Broker
from .ota.dialects import Block

_LOGGER = logging.getLogger(__name__)

# Blocks that one topic may have waiting; a board asks again for what was left out.
TOPIC_LIMIT = 256
STEERING_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class _Steering:
    topic: str
    payload: bytes
    qos: int
    retain: bool


class Outbox:
    """Send steering messages in order and blocks by turns of their topics, so that no board waits for another's image.

    A block that several sessions want on one topic is sent once.
    """

    def __init__(self, broker: Broker, frame: Callable[[str, Block], bytes | None]) -> None:
        """Send through `broker`; `frame` makes the payload of a session's block, or None when the session is over."""
        self._broker = broker
        self._frame = frame
        self._steering: deque[_Steering] = deque(maxlen=STEERING_LIMIT)
        self._blocks: dict[str, dict[Block, set[str]]] = {}
        self._qos: dict[str, int] = {}
        self._filled = asyncio.Event()

    async def async_run(self) -> None:
        """Send until cancelled."""
        while True:
            await self._filled.wait()
            if self._steering:
                message = self._steering.popleft()
                await self._publish(message.topic, message.payload, message.qos, retain=message.retain)
            elif (item := self._next_block()) is not None:
                topic, payload, qos = item
                if payload is not None:
                    await self._publish(topic, payload, qos)
            else:
                self._filled.clear()

    @callback
    def async_send(self, topic: str, payload: bytes, qos: int, *, retain: bool = False) -> None:
        """Queue a message that steers a board."""
        self._steering.append(_Steering(topic, payload, qos, retain))
        self._filled.set()

    @callback
    def async_send_blocks(self, session_id: str, topic: str, blocks: tuple[Block, ...], qos: int) -> None:
        """Queue blocks of a session's image; a topic has one QoS."""
        self._qos[topic] = qos
        waiting = self._blocks.setdefault(topic, {})
        for block in blocks:
            if block in waiting:
                waiting[block].add(session_id)
            elif len(waiting) < TOPIC_LIMIT:
                waiting[block] = {session_id}
        self._filled.set()

    @callback
    def async_drop_blocks(self, session_id: str) -> None:
        """Take back what is queued for this session alone."""
        for topic, waiting in list(self._blocks.items()):
            for block in [block for block, sessions in waiting.items() if session_id in sessions]:
                waiting[block].discard(session_id)
                if not waiting[block]:
                    del waiting[block]
            if not waiting:
                del self._blocks[topic], self._qos[topic]

    def _next_block(self) -> tuple[str, bytes | None, int] | None:
        """Take the next block, from the topic that waited longest."""
        if not self._blocks:
            return None
        topic = next(iter(self._blocks))
        waiting = self._blocks.pop(topic)
        block, sessions = next(iter(waiting.items()))
        del waiting[block]
        qos = self._qos[topic]
        if waiting:
            self._blocks[topic] = waiting
        else:
            del self._qos[topic]
        frames = (self._frame(session_id, block) for session_id in sessions)
        return topic, next((frame for frame in frames if frame is not None), None), qos

    async def _publish(self, topic: str, payload: bytes, qos: int, *, retain: bool = False) -> None:
        # While the connection is down a message would be raised and yet queued: it is dropped here, and said again
        # when its board is heard of.
        if not self._broker.is_connected:
            return
        try:
            await self._broker.async_publish(topic, payload, qos, retain=retain)
        except HomeAssistantError as err:
            _LOGGER.debug("Not sent to %s: %s", topic, err)

"""Home Assistant's own MQTT connection: the one module that imports it."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

from homeassistant.components import mqtt
from homeassistant.core import HomeAssistant, callback

from .ota.dialects import Message

# How long the broker may take to say that it knows what is listened to, in seconds; then it is taken to.
DEAF: Final = 10.0


class Broker:
    """Subscribe, publish and know whether the connection stands."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Speak through the MQTT entry of `hass`."""
        self._hass = hass
        self._closed = False
        self._unsubscribes: list[Callable[[], None]] = []
        self._topics: set[str] = set()
        self._deaf_to: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._changed: Callable[[], None] = lambda: None

    @property
    def is_connected(self) -> bool:
        """Tell whether a message can leave now."""
        return mqtt.is_connected(self._hass)

    @property
    def is_heard(self) -> bool:
        """Tell whether a message can leave now and its answer will come in: a reconnect subscribes a moment later."""
        return self.is_connected and not self._deaf_to

    async def async_subscribe(self, topic: str, qos: int, receive: Callable[[Message], None]) -> None:
        """Hand every message on a topic filter to `receive`, on the event loop."""

        @callback
        def _receive(message: mqtt.ReceiveMessage) -> None:
            # After a reload of the MQTT entry an unsubscribe does nothing, and this is still called.
            if not self._closed:
                receive(Message(message.topic, _as_bytes(message.payload), message.retain, message.timestamp))

        self._topics.add(topic)
        self._deaf_to.add(topic)
        self._unsubscribes.append(await mqtt.async_subscribe(self._hass, topic, _receive, qos, encoding=None))
        hears = partial(self._hear, {topic})
        self._unsubscribes.append(mqtt.async_on_subscribe_done(self._hass, topic, qos, hears))

    @callback
    def async_watch(self, changed: Callable[[], None]) -> None:
        """Call `changed` when the connection comes or goes, and when answers can be heard."""

        @callback
        def _changed(connected: bool) -> None:
            self._deaf_to = set(self._topics)
            self._wait_for_subscriptions(connected)
            if not self._closed:
                changed()

        self._changed = changed
        self._wait_for_subscriptions(self.is_connected)
        self._unsubscribes.append(mqtt.async_subscribe_connection_status(self._hass, _changed))

    async def async_publish(self, topic: str, payload: bytes, qos: int, *, retain: bool = False) -> None:
        """Send a message; raises HomeAssistantError when the connection is down.

        A return proves nothing: only the board's own answer says that a message arrived.
        """
        await mqtt.async_publish(self._hass, topic, payload, qos, retain, encoding=None)

    @callback
    def async_close(self) -> None:
        """Hear nothing more."""
        self._closed = True
        self._wait_for_subscriptions(False)
        for unsubscribe in self._unsubscribes:
            unsubscribe()
        self._unsubscribes.clear()

    def _wait_for_subscriptions(self, connected: bool) -> None:
        """Hear of them for a bounded time: where another integration asked for a higher QoS, nothing is told of ours."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._hass.loop.call_later(DEAF, self._hear, self._topics) if connected else None

    @callback
    def _hear(self, topics: set[str]) -> None:
        """Take the broker to know these topics."""
        was_deaf = bool(self._deaf_to)
        self._deaf_to -= topics
        if was_deaf and not self._deaf_to and not self._closed:
            self._changed()


def _as_bytes(payload: str | bytes | bytearray) -> bytes:
    return payload.encode() if isinstance(payload, str) else bytes(payload)

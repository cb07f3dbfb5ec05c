"""Home Assistant's own MQTT connection: the one module that imports it."""

from collections.abc import Callable

from homeassistant.components import mqtt
from homeassistant.core import HomeAssistant, callback

from .ota.dialects import Message


class Broker:
    """Subscribe, publish and know whether the connection stands."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Speak through the MQTT entry of `hass`."""
        self._hass = hass
        self._closed = False
        self._unsubscribes: list[Callable[[], None]] = []

    @property
    def is_connected(self) -> bool:
        """Tell whether a message can leave now."""
        return mqtt.is_connected(self._hass)

    async def async_subscribe(self, topic: str, qos: int, receive: Callable[[Message], None]) -> None:
        """Hand every message on a topic filter to `receive`, on the event loop."""

        @callback
        def _receive(message: mqtt.ReceiveMessage) -> None:
            # After a reload of the MQTT entry an unsubscribe does nothing, and this is still called.
            if not self._closed:
                receive(Message(message.topic, _as_bytes(message.payload), message.retain, message.timestamp))

        self._unsubscribes.append(await mqtt.async_subscribe(self._hass, topic, _receive, qos, encoding=None))

    @callback
    def async_watch(self, changed: Callable[[], None]) -> None:
        """Call `changed` when the connection comes or goes."""

        @callback
        def _changed(_connected: bool) -> None:
            if not self._closed:
                changed()

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
        for unsubscribe in self._unsubscribes:
            unsubscribe()
        self._unsubscribes.clear()


def _as_bytes(payload: str | bytes | bytearray) -> bytes:
    return payload.encode() if isinstance(payload, str) else bytes(payload)

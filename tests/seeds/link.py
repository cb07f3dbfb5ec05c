"""A board's connection to its broker: MQTT 3.1.1, a clean session, acknowledged only when told to."""

from collections import deque
from contextlib import suppress
import select
import socket
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from .settings import Settings, Will

_KEEPALIVE = 15


def packet_size(topic: str, payload: bytes, qos: int) -> int:
    """Return the bytes that a PUBLISH takes on the wire, its fixed header included."""
    remaining = 2 + len(topic.encode()) + (2 if qos else 0) + len(payload)
    return 1 + max(1, -(-remaining.bit_length() // 7)) + remaining


class Link:
    """One connection after the other; what arrives waits in `inbox`, None stands for a connection that was taken."""

    def __init__(self, settings: Settings) -> None:
        """Describe it; `connect` makes it."""
        self.inbox: deque[MQTTMessage | None] = deque()
        self._settings = settings
        self._client: Client | None = None

    @property
    def is_open(self) -> bool:
        """Tell whether there is a socket."""
        return self._client is not None and self._client.socket() is not None

    @property
    def is_connected(self) -> bool:
        """Tell whether the broker has taken it."""
        return self._client is not None and self._client.is_connected()

    def connect(self, will: Will | None) -> None:
        """Try to connect; `is_open` tells whether that worked."""
        settings = self._settings
        self._client = client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=settings.client_id,
            clean_session=True,
            protocol=MQTTv311,
            manual_ack=True,
        )
        client.username_pw_set(settings.user, settings.password)
        if will is not None:
            client.will_set(will.topic, will.payload, will.qos, will.retain)
        client.on_socket_open = without_delay
        client.on_connect = self._on_connect
        client.on_message = self._on_message
        with suppress(OSError):
            client.connect(settings.host, settings.port, keepalive=_KEEPALIVE)

    def wait(self, timeout: float, waker: socket.socket) -> None:
        """Let something happen, for `timeout` seconds at most; a byte on `waker` ends the wait."""
        client = self._client
        if client is None or (link := client.socket()) is None:
            return
        writers = [link] if client.want_write() else []
        readable, writable, _ = select.select([waker, link], writers, [], max(0.0, timeout))
        if waker in readable:
            waker.recv(4096)
        if link in readable:
            client.loop_read()
        if link in writable:
            client.loop_write()
        client.loop_misc()

    def publish(self, topic: str, payload: bytes, qos: int, *, retain: bool) -> None:
        """Send a message; it is lost while there is no connection."""
        if self._client is not None and self.is_connected:
            self._client.publish(topic, payload, qos, retain)

    def subscribe(self, topic: str, qos: int) -> None:
        """Hear a topic, as long as this connection lasts."""
        if self._client is not None:
            self._client.subscribe(topic, qos)

    def acknowledge(self, message: MQTTMessage) -> None:
        """Acknowledge a message of QoS 1."""
        if self._client is not None:
            self._client.ack(message.mid, message.qos)

    def drop(self) -> None:
        """Vanish: no goodbye, and what was not yet read is lost."""
        self.inbox.clear()
        if self._client is not None and (link := self._client.socket()):
            link.close()
        self._client = None

    def _on_connect(
        self, client: Client, userdata: Any, flags: ConnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        if not code.is_failure:
            self.inbox.append(None)

    def _on_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        self.inbox.append(message)


def without_delay(client: Client, userdata: Any, link: Any) -> None:
    """Let small messages go at once."""
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

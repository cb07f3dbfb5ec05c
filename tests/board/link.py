"""The board's connection to its broker: one socket, driven by the board's own thread."""

from collections import deque
from contextlib import suppress
from dataclasses import dataclass
import select
import socket
import time
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from .settings import Settings

_KEEPALIVE = 15
_RETRY = 0.2
_SLOWEST_RETRY = 5.0
_FAREWELL = 2.0


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker took the board."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection is gone; another one is tried."""


@dataclass(frozen=True, slots=True)
class Received:
    """A message arrived."""

    topic: str
    payload: bytes


class Link:
    """Connects, and connects again; what happens waits in `inbox`."""

    def __init__(self, settings: Settings) -> None:
        """Describe the connection; `wait` makes it."""
        self.inbox: deque[Connected | Disconnected | Received] = deque()
        self._settings = settings
        self._retry = _RETRY
        self._retry_at = 0.0
        self._unacknowledged: set[int] = set()
        self._client = client = Client(CallbackAPIVersion.VERSION2, client_id=settings.id)
        client.username_pw_set(settings.user, settings.password)
        client.will_set(settings.topic("availability"), b"offline", qos=1, retain=True)
        client.on_socket_open = without_delay
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish

    def wait(self, timeout: float, waker: socket.socket) -> None:
        """Let something happen, for `timeout` seconds at most; a byte on `waker` ends the wait."""
        link = self._client.socket()
        if link is None and time.monotonic() >= self._retry_at:
            self._connect()
            link = self._client.socket()
        if link is None:
            timeout = min(timeout, max(0.0, self._retry_at - time.monotonic()))
        readers = [waker] if link is None else [waker, link]
        writers = [link] if link is not None and self._client.want_write() else []
        readable, writable, _ = select.select(readers, writers, [], max(0.0, timeout))
        if waker in readable:
            waker.recv(4096)
        if link in readable:
            self._client.loop_read()
        if link in writable:
            self._client.loop_write()
        if link is not None:
            self._client.loop_misc()

    def publish(self, topic: str, payload: bytes, qos: int, *, retain: bool) -> None:
        """Send a message; QoS 0 is lost while there is no connection."""
        message = self._client.publish(topic, payload, qos, retain)
        if qos:
            self._unacknowledged.add(message.mid)

    def subscribe(self, topic: str, qos: int) -> None:
        """Hear a topic, as long as this connection lasts."""
        self._client.subscribe(topic, qos)

    def unsubscribe(self, topic: str) -> None:
        """Hear a topic no more."""
        self._client.unsubscribe(topic)

    def close(self, waker: socket.socket) -> None:
        """Let the broker take what was said, then say goodbye: the last will stays unspoken."""
        until = time.monotonic() + _FAREWELL
        while self._client.socket() and time.monotonic() < until and self._unacknowledged:
            self.wait(until - time.monotonic(), waker)
        self._client.disconnect()
        while self._client.socket() and time.monotonic() < until and self._client.want_write():
            self.wait(until - time.monotonic(), waker)
        self.drop()

    def drop(self) -> None:
        """Vanish: the broker speaks the last will."""
        if link := self._client.socket():
            link.close()

    def _connect(self) -> None:
        self._retry_at = time.monotonic() + self._retry
        self._retry = min(2 * self._retry, _SLOWEST_RETRY)
        with suppress(OSError):
            self._client.connect(self._settings.host, self._settings.port, keepalive=_KEEPALIVE)

    def _on_connect(
        self, client: Client, userdata: Any, flags: ConnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        if not code.is_failure:
            self._retry = _RETRY
            self.inbox.append(Connected())

    def _on_disconnect(
        self, client: Client, userdata: Any, flags: DisconnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        self.inbox.append(Disconnected())

    def _on_publish(
        self, client: Client, userdata: Any, mid: int, code: ReasonCode, properties: Properties | None
    ) -> None:
        self._unacknowledged.discard(mid)

    def _on_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        self.inbox.append(Received(message.topic, message.payload))


def without_delay(client: Client, userdata: Any, link: Any) -> None:
    """Let small messages go at once: a stock socket makes each wait for an acknowledgement."""
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

"""How the original uploaders flash their boards: what these tests hold the fakes against."""

from collections.abc import Iterator
from contextlib import contextmanager
import hashlib
import socket
import struct
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from tests.board.events import Event, Events

from .link import without_delay

_PATIENCE = 10.0


class Ear:
    """A client that hears everything, in order, and says what it is told to."""

    def __init__(self, port: int) -> None:
        """Connect, and hear everything."""
        self.events = Events()
        self._client = client = Client(CallbackAPIVersion.VERSION2)
        client.on_socket_open = without_delay
        client.on_connect = self._on_connect
        client.on_subscribe = lambda *_: self.events.add({"event": "subscribed"})
        client.on_message = self._on_message
        client.connect("127.0.0.1", port)
        client.loop_start()
        self.events.wait_for("subscribed")

    def close(self) -> None:
        """Go."""
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str, payload: bytes | str, qos: int = 0, *, retain: bool = False) -> None:
        """Say something, and wait until the broker has it."""
        self._client.publish(topic, payload, qos, retain).wait_for_publish(_PATIENCE)

    def hear(self, topic: str, payload: bytes | str | None = None, *, timeout: float = _PATIENCE, **more: Any) -> Event:
        """Return the next message on a topic, or the next one that says this."""
        if payload is not None:
            more["payload"] = payload.encode() if isinstance(payload, str) else payload
        return self.events.wait_for("message", timeout=timeout, topic=topic, **more)

    def heard(self, topic: str) -> list[bytes]:
        """Return all that was said on a topic so far."""
        return [one["payload"] for one in self.events.told if one.get("topic") == topic]

    def _on_connect(
        self, client: Client, userdata: Any, flags: ConnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        client.subscribe("#", 2)

    def _on_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        told = {"topic": message.topic, "payload": message.payload, "qos": message.qos, "retain": message.retain}
        self.events.add({"event": "message", **told})


@contextmanager
def open_ear(port: int) -> Iterator[Ear]:
    """Hear for as long as the context lasts."""
    ear = Ear(port)
    try:
        yield ear
    finally:
        ear.close()


def size_frame(size: int) -> bytes:
    """Return what opens a chunked transfer."""
    return struct.pack(">I", size)


def chunk_frame(data: bytes, remaining: int) -> bytes:
    """Return a chunk as it travels."""
    digest = hashlib.md5(data, usedforsecurity=False).digest()
    return struct.pack(">H", len(data)) + data + digest + struct.pack(">H", remaining)


def chunk_frames(image: bytes, size: int = 200) -> list[bytes]:
    """Return all chunks of an image."""
    pieces = [image[start : start + size] for start in range(0, len(image), size)]
    return [chunk_frame(piece, len(pieces) - place - 1) for place, piece in enumerate(pieces)]


def send_chunks(ear: Ear, board: str, frames: list[bytes]) -> None:
    """Send chunks to a board that wants the first of them; each but the last is answered `ok`."""
    feedback = f"ota/feedback/{board}"
    for frame in frames[:-1]:
        ear.publish(f"ota/{board}", frame, 1)
        ear.hear(feedback, "ok")
    ear.publish(f"ota/{board}", frames[-1], 1)


def flash_chunked(ear: Ear, board: str, image: bytes, size: int = 200) -> None:
    """Flash a board as the reference uploader does, until it says `success`."""
    ear.hear(f"ota/feedback/{board}", "ready")
    ear.publish(f"ota/{board}", size_frame(len(image)), 1)
    ear.hear(f"ota/feedback/{board}", "ok")
    send_chunks(ear, board, chunk_frames(image, size))
    ear.hear(f"ota/feedback/{board}", "success")


class Offer:
    """A TCP socket that gives a file to the first client, as the sender of `socket_pull` does."""

    def __init__(self, content: bytes, *, cut_at: int | None = None) -> None:
        """Listen; `cut_at` ends the connection after so many bytes."""
        self._content = content if cut_at is None else content[:cut_at]
        self._digest = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(_PATIENCE)
        self.port: int = self._listener.getsockname()[1]

    def payload(self, filename: str, reboot: str | None = None) -> str:
        """Return what tells a board of it."""
        fields = ["127.0.0.1", str(self.port), filename, self._digest, *([] if reboot is None else [reboot])]
        return "|".join(fields)

    def serve(self) -> None:
        """Wait for the first client, give it everything, and close."""
        with self._listener, self._listener.accept()[0] as peer:
            peer.sendall(self._content)


def varint(number: int) -> bytes:
    """Return a base-128 varint, least significant group first."""
    groups = []
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*groups, number])

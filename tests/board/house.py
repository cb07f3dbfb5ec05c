"""The least of a house: enough of Home Assistant's side to bring an image to a board, and to see what the board does."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
import json
import threading
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from custom_components.mqtt_ota.ota.blocks import encode_frame, parse_want, span, tag_of
from custom_components.mqtt_ota.ota.board import Encoding
from custom_components.mqtt_ota.ota.signature import Manifest

from .events import Event, Events
from .link import without_delay

SESSION = "00112233445566aa"
_HEARD = ("announce", "availability", "status", "want")
_ENDED = ("confirmed", "rolled_back", "failed", "cancelled")


def manifest_of(image: bytes, **changes: Any) -> str:
    """Return the manifest of an image for an ESP32-S3."""
    facts: dict[str, Any] = {
        "chip": "ESP32-S3",
        "version": "1.1.0",
        "size": len(image),
        "sha256": sha256(image).hexdigest(),
    }
    return Manifest(**(facts | changes)).text()


class House:
    """Offers images, offers them again when a board comes back, and answers every want.

    Its events are what boards say, by kind: `announce`, `availability` (with `text`), `status` and `want` (with
    `probe`, `block_size`, `blocks`), each with `board` and `retain`.
    """

    def __init__(self, port: int, *, root: str = "mqtt_ota", user: str | None = None, password: str = "") -> None:
        """Describe it; `connect` begins."""
        self.events = Events()
        self.frames = 0
        self.deaf_after = 1 << 30
        self._root = root
        self._images: dict[bytes, bytes] = {}
        self._topics: dict[str, str] = {}
        self._offers: dict[str, bytes] = {}
        self._subscribed = threading.Event()
        self._port = port
        self._client = Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=True)
        self._client.reconnect_delay_set(1, 1)
        self._client.username_pw_set(user, password)
        self._client.on_socket_open = without_delay
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message

    def connect(self) -> None:
        """Connect, and return when everything that boards say will be heard."""
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        assert self._subscribed.wait(10)

    def close(self) -> None:
        """Fall silent."""
        self._client.disconnect()
        self._client.loop_stop()

    def wait_for(self, kind: str, *, timeout: float = 10.0, **fields: Any) -> Event:
        """Return the next message of this kind with these fields; raises TimeoutError."""
        return self.events.wait_for(kind, timeout=timeout, **fields)

    def said(self, kind: str) -> list[Event]:
        """Return all messages of a kind."""
        return [event for event in self.events.told if event["event"] == kind]

    def offer(
        self, board: str, image: bytes, *, session: str = SESSION, topic: str = "", manifest: str = "", **changes: Any
    ) -> None:
        """Offer an image by blocks, or by what the changes to the offer say."""
        digest = sha256(image).hexdigest()
        topic = topic or f"{self._root}/board/{board}/block"
        offer: dict[str, Any] = {
            "protocol": 1,
            "session": session,
            "manifest": manifest or manifest_of(image),
            "transport": "blocks",
            "topic": topic,
            "block_size": 4096,
            "window": 8,
            "encoding": "deflate",
        }
        self._images[tag_of(digest)] = image
        self._topics[board] = topic
        self._offers[board] = json.dumps(offer | changes).encode()
        self.say(board, "offer", self._offers[board])

    def shared_topic(self, image: bytes) -> str:
        """Return the topic on which an image's blocks may go to everybody."""
        return f"{self._root}/image/{tag_of(sha256(image).hexdigest()).hex()}"

    def cancel(self, board: str, session: str = SESSION) -> None:
        """Call a session off."""
        self._offers.pop(board, None)
        self.say(board, "cancel", json.dumps({"session": session}).encode())

    def say(self, board: str, kind: str, payload: bytes) -> None:
        """Say anything to a board."""
        self._client.publish(f"{self._root}/board/{board}/{kind}", payload, qos=1)

    def _on_connect(self, client: Client, *_: Any) -> None:
        client.subscribe([(f"{self._root}/board/+/{kind}", 0 if kind == "want" else 1) for kind in _HEARD])

    def _on_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        _, _, path = message.topic.partition("/board/")
        board, _, kind = path.partition("/")
        said = getattr(self, f"_hear_{kind}")(board, message.payload)
        self.events.add({"event": kind, "board": board, "retain": message.retain, **said})
        if said == {"text": "online"} and not message.retain and board in self._offers:
            self.say(board, "offer", self._offers[board])

    def _hear_announce(self, board: str, payload: bytes) -> Event:
        announce: Event = json.loads(payload)
        return announce

    def _hear_availability(self, board: str, payload: bytes) -> Event:
        return {"text": payload.decode()}

    def _hear_status(self, board: str, payload: bytes) -> Event:
        status: Event = json.loads(payload)
        if status["state"] in _ENDED:
            self._offers.pop(board, None)
        return status

    def _hear_want(self, board: str, payload: bytes) -> Event:
        want = parse_want(payload)
        image = self._images[want.tag]
        for number in want.blocks:
            if self.frames < self.deaf_after:
                self.frames += 1
                encoding = Encoding.RAW if want.probe else Encoding.DEFLATE
                offset, length = span(number, len(image), want.block_size)
                frame = encode_frame(image, offset, length, encoding, want.tag)
                self._client.publish(self._topics[board], frame)
        return {"probe": want.probe, "block_size": want.block_size, "blocks": list(want.blocks)}


@contextmanager
def open_house(port: int, **settings: Any) -> Iterator[House]:
    """Give a house that hears everything, for as long as the context lasts."""
    house = House(port, **settings)
    house.connect()
    try:
        yield house
    finally:
        house.close()

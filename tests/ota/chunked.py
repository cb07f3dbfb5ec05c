"""A bench for the chunked dialect: a session, the fake board that the broker tests have, and a line between them."""

from collections import deque
from hashlib import md5, sha256
from typing import Any

from custom_components.mqtt_ota.ota.board import Board
from custom_components.mqtt_ota.ota.chunks import chunk_frame
from custom_components.mqtt_ota.ota.dialects import (
    Announcement,
    Effect,
    Ignored,
    Learned,
    Message,
    Publish,
    SendBlocks,
    StopBlocks,
)
from custom_components.mqtt_ota.ota.dialects.chunked import ChunkedDialect
from custom_components.mqtt_ota.ota.session import Session, Target
from tests.firmware_images import build_app
from tests.seeds.chunked import ChunkedBoard
from tests.seeds.device import PowerLostError
from tests.seeds.faults import Faults
from tests.seeds.link import packet_size
from tests.seeds.settings import Settings

CHIP = "esp32-c40a24"
TOPIC = f"ota/{CHIP}"
FEEDBACK = f"ota/feedback/{CHIP}"
OLD = build_app(version="1.0.0", size=1024, seed=1)
NEW = build_app(version="1.1.0", size=9 * 1024, seed=2)


class BenchBoard(ChunkedBoard):
    """The fake board, without its thread and its connection: it is given messages, and what it says is kept."""

    def __init__(self, faults: Faults | None = None, **options: Any) -> None:
        """Give it power."""
        super().__init__(Settings(host="", port=0, client_id=CHIP, image=OLD), faults, restart_delay=0.0, **options)
        self.said: deque[str] = deque()
        self.is_on = True
        self.power_on()

    def power_on(self) -> None:
        """Begin a life; it connects at once."""
        self._heard = self._answers = 0
        self.is_on = True
        self.boots += 1
        self._boot()
        self.connect()

    def connect(self) -> None:
        """Be connected, which it says."""
        self.said.append("ready")

    def take(self, payload: bytes) -> None:
        """Take a message as the real one does."""
        if packet_size(self.topic, payload, 0) > (self._buffer_size or 0):
            return
        step = self._heard
        self._heard += 1
        if self._strikes("lose_message", step):
            return
        try:
            self._received(self.topic, payload)
        except PowerLostError as lost:
            if lost.seconds is None:
                self.is_on = False
            else:
                self.power_on()

    @property
    def appended(self) -> bytes:
        """Return what its open transfer has appended so far."""
        return bytes(self._update.written + self._update._buffer) if self._open else b""

    def _publish(self, topic: str, payload: bytes, qos: int = 0, *, retain: bool = False) -> None:
        assert (topic, retain) == (self.feedback, True)
        self.said.append(payload.decode())

    def _subscribe(self, topic: str, qos: int) -> None:
        raise AssertionError("it has no connection")


class Bench:
    """A session of the dialect with a board; `outbox` is what waits to get to the board, `clock` what it is."""

    def __init__(
        self, *, image: bytes = NEW, dialect: ChunkedDialect | None = None, proven: int = 0, **options: Any
    ) -> None:
        """Prepare a session of a board that is known; `proven` is what is known of its chunks."""
        self.dialect = dialect or ChunkedDialect()
        self.device = BenchBoard(options.pop("faults", None), **options)
        self.device.said.clear()
        self.board = Board(id=CHIP, dialect=self.dialect.key, block_size=proven)
        self.image = image
        digests = (f"md5:{md5(image, usedforsecurity=False).hexdigest()}",)
        target = Target(version="1.1.0", sha256=sha256(image).hexdigest(), size=len(image), digests=digests)
        self.session = Session.create("0123456789abcdef", self.board, target, 0.0)
        self.clock = 1.0
        self.outbox: deque[bytes] = deque()
        self.sent: list[bytes] = []
        self.ignored: list[str] = []
        self.copies = 1
        self.dialect.prepare(self.session, self.board, image)

    def begin(self) -> Bench:
        """Begin the session."""
        self.carry_out(self.dialect.begin(self.session, self.board, self.clock))
        return self

    def carry_out(self, effects: list[Effect]) -> None:
        """Do what the dialect wants."""
        for effect in effects:
            match effect:
                case Publish(topic, payload, qos):
                    assert (topic, qos) == (TOPIC, 0)
                    self._send(payload)
                case SendBlocks(topic, blocks, qos):
                    assert (topic, qos, len(blocks)) == (TOPIC, 0, 1)
                    self._send(self.dialect.frame(self.session, self.image, blocks[0]))
                case Learned(board):
                    self.board = board
                case Ignored(cause):
                    self.ignored.append(cause)
                case StopBlocks():
                    # A chunk that waits is dropped; here nothing waits longer than a step.
                    pass

    def _send(self, payload: bytes) -> None:
        self.outbox.append(payload)
        self.sent.append(payload)

    def hear(self, word: str, *, retain: bool = False) -> None:
        """Let the board's word arrive."""
        message = Message(FEEDBACK, word.encode(), retain, self.clock)
        reading = self.dialect.read(message, self.board)
        if isinstance(reading, Ignored):
            self.ignored.append(reading.cause)
            return
        assert isinstance(reading, Announcement)
        self.board = reading.board
        self.session.announced(self.board, self.clock, live=not retain)
        if reading.is_answer and self.session.is_active:
            self.carry_out(self.dialect.receive(self.session, self.board, message, self.clock))

    def step(self) -> bool:
        """Let one message arrive, on the side where one waits; the board's words first."""
        self.clock += 0.01
        if self.device.said:
            word = self.device.said.popleft()
            for _ in range(self.copies):
                self.hear(word)
        elif self.outbox:
            payload = self.outbox.popleft()
            if self.device.is_on:
                self.device.take(payload)
        else:
            return False
        return True

    def settle(self, steps: int = 1_000_000) -> int:
        """Let all arrive that is on its way, or so many messages; return how many that were."""
        done = 0
        while done < steps and self.step():
            done += 1
        return done

    def wait(self) -> None:
        """Let time pass until the session is looked after."""
        assert self.session.wake_at is not None
        self.clock = max(self.clock, self.session.wake_at)
        self.carry_out(self.dialect.tick(self.session, self.board, self.clock))

    def finish(self) -> Session:
        """Go on until there is a verdict."""
        for _ in range(200):
            self.settle()
            if not self.session.is_active:
                return self.session
            self.wait()
        raise AssertionError("no verdict")

    def lose_all(self) -> None:
        """Lose what is on its way, in both directions."""
        self.outbox.clear()
        self.device.said.clear()

    def restart(self, *, clean: bool) -> None:
        """Let Home Assistant restart: as it should, or with what was stored in the middle of something."""
        stored = self.session.stored(self.clock)
        if clean:
            while not self.dialect.rest(self.session) and self.step():
                pass
            self.session.rested = self.dialect.rest(self.session)
            stored = self.session.stored(self.clock)
        self.device.said.clear()
        self.outbox.clear()
        self.session = Session.restored(stored, self.clock)
        self.session.wake_at = self.clock + 5

    @property
    def chunks(self) -> list[bytes]:
        """Return the chunks that were sent, as frames."""
        size = self.session.memo["size"]
        frames = {
            chunk_frame(self.image, start, min(size, len(self.image) - start), size)
            for start in range(0, len(self.image), size)
        }
        return [payload for payload in self.sent if payload in frames]

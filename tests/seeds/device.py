"""What all these boards share: power, a connection to a broker, what is kept in flash, and faults on demand."""

from collections.abc import Callable
from contextlib import suppress
import socket
import threading
import time
from typing import Any, Never

from paho.mqtt.client import MQTTMessage

from tests.board.events import Event, Events

from .faults import Faults
from .link import Link, packet_size
from .settings import Settings, Will

_RETRY = 0.05
_LONGEST_WAIT = 1.0


class PowerLostError(Exception):
    """The board is without power for so many seconds; None: for ever."""

    def __init__(self, cause: str, seconds: float | None) -> None:
        """Say why, and for how long."""
        super().__init__(cause)
        self.cause = cause
        self.seconds = seconds


class Device:
    """A board; `start` gives it power. One thread does everything, as one loop does on the board.

    `runs` is what it runs, `writes` every write to its flash in order (both outlive its power); `boots`, `flashes` and
    `acknowledged` count its starts, the updates that it took and the messages that it acknowledged.
    """

    def __init__(
        self,
        settings: Settings,
        faults: Faults | None = None,
        on_event: Callable[[Event], None] | None = None,
        *,
        buffer_size: int | None = None,
    ) -> None:
        """Describe it; a packet above `buffer_size` bytes vanishes, as it does in PubSubClient."""
        self.events = Events()
        self.settings = settings
        self.faults = faults or Faults()
        self.writes: list[bytes] = []
        self.acknowledged = 0
        self.boots = 0
        self.flashes = 0
        self._on_event = on_event
        self._buffer_size = buffer_size
        self._runs = settings.load()
        self._spent: set[str] = set()
        self._link = Link(settings)
        self._retry_at = 0.0
        self._ended = threading.Event()
        self._order: PowerLostError | None = None
        self._hang_up_now = False
        self._disturbed = threading.Event()
        self._waker, self._wakes = socket.socketpair()
        self._wakes.setblocking(False)
        self._thread = threading.Thread(target=self._run, name=f"seed-{settings.client_id}", daemon=True)

    @property
    def runs(self) -> bytes:
        """Return the image that it runs."""
        return self._runs

    def start(self) -> None:
        """Give it power."""
        self._thread.start()

    def stop(self) -> None:
        """Take its power for good, and wait until it is gone."""
        self._ended.set()
        self._order_power("stopped", 0.0)
        if self._thread.is_alive():
            self._thread.join()
        self._waker.close()
        self._wakes.close()

    def power_cycle(self) -> None:
        """Take its power for a moment: its memory is lost, its flash is kept, its socket just ends."""
        self._order_power("power_cut", self.settings.restart_time)

    def lose_connection(self) -> None:
        """Break its connection to the broker; its memory is kept, and it connects again."""
        self._hang_up_now = True
        self._disturb()

    def wait_for(self, event: str, *, timeout: float = 10.0, **fields: Any) -> Event:
        """Return the next event of this name with these fields; raises TimeoutError."""
        return self.events.wait_for(event, timeout=timeout, **fields)

    # What a kind of board is made of.

    def _boot(self) -> None:
        """Begin a life: all that is in memory."""

    def _connected(self) -> None:
        """Do what it does at every connection to its broker."""

    def _received(self, topic: str, payload: bytes) -> None:
        """Do what it does with a message."""

    def _tick(self, now: float) -> float:
        """Do what is due; return when to be called again."""
        return now + _LONGEST_WAIT

    def _will(self) -> Will | None:
        """Return its last will."""
        return None

    # What a kind of board does it with.

    def _publish(self, topic: str, payload: bytes, qos: int = 0, *, retain: bool = False) -> None:
        """Send a message; it is lost while there is no connection."""
        self._link.publish(topic, payload, qos, retain=retain)

    def _answer(self, topic: str, text: str, *, retain: bool = False) -> None:
        """Say what an update has come to; faults may lose or double it."""
        number = self._answers
        self._answers += 1
        if self._strikes("lose_answer", number):
            self._tell("lost", answer=text)
            return
        times = 2 if self._strikes("repeat_answer", number) else 1
        for _ in range(times):
            self._publish(topic, text.encode(), retain=retain)
        self._tell("said", text=text)

    def _subscribe(self, topic: str, qos: int) -> None:
        self._link.subscribe(topic, qos)

    def _pause(self, seconds: float) -> None:
        """Do nothing at all for so long, as `delay` does."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._check_power()
            self._disturbed.wait(left)
            self._disturbed.clear()
        self._check_power()

    def _write(self, data: bytes) -> None:
        """Note a write to flash; the fault power_cut strikes in the write that reaches its byte."""
        before = sum(map(len, self.writes))
        self.writes.append(bytes(data))
        cut = self.faults.power_cut
        if cut is not None and before < cut <= before + len(data) and self._strikes("power_cut", cut):
            raise PowerLostError("power_cut", self.settings.restart_time)

    def _lose_power(self, cause: str, seconds: float | None) -> Never:
        raise PowerLostError(cause, seconds)

    def _restart(self, cause: str) -> Never:
        raise PowerLostError(cause, self.settings.restart_time)

    def _restart_with(self, image: bytes) -> Never:
        """Restart with a new image, where no fault is against it."""
        if self.faults.never_comes_back:
            raise PowerLostError("update", None)
        if not self.faults.comes_back_old:
            self._runs = image
            self.settings.save(image)
        self.flashes += 1
        self._restart("update")

    def _check_power(self) -> None:
        """Raise PowerLostError where somebody took its power."""
        order, self._order = self._order, None
        if order is not None:
            raise order

    def _tell(self, event: str, **fields: Any) -> None:
        told = {"event": event, **fields}
        self.events.add(told)
        if self._on_event is not None:
            self._on_event(told)

    def _strikes(self, fault: str, number: object) -> bool:
        """Tell whether a fault strikes at this number; it does so once, also over restarts."""
        if getattr(self.faults, fault) != number or fault in self._spent:
            return False
        self._spent.add(fault)
        return True

    def _serve(self, timeout: float) -> None:
        """Let the link do something, then handle at most one message."""
        if not self._link.is_open:
            self._connect()
            return
        self._link.wait(timeout, self._waker)
        if self._hang_up_now:
            self._hang_up_now = False
            self._link.drop()
            self._tell("disconnected")
        elif self._link.inbox:
            self._take(self._link.inbox.popleft())

    def _order_power(self, cause: str, seconds: float | None) -> None:
        """Take its power, from whatever thread."""
        self._order = PowerLostError(cause, seconds)
        self._disturb()

    # The rest is its power and its link.

    def _disturb(self) -> None:
        self._disturbed.set()
        with suppress(BlockingIOError, OSError):
            self._wakes.send(b"!")

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self._live()
            except PowerLostError as lost:
                self._link.drop()
                if not self._ended.is_set():
                    self._tell("powerless", cause=lost.cause, seconds=lost.seconds)
                    self._ended.wait(lost.seconds)
                self._order = None
        self._tell("stopped")

    def _live(self) -> None:
        """Live until the power goes."""
        self._heard = 0
        self._answers = 0
        self._hung = False
        self._unacknowledged: MQTTMessage | None = None
        self.boots += 1
        self._boot()
        self._tell("started", boots=self.boots)
        due = time.monotonic()
        while True:
            self._check_power()
            self._serve(0.0 if self._link.inbox else due - time.monotonic())
            now = time.monotonic()
            if now >= due:
                due = self._tick(now)

    def _take(self, message: MQTTMessage | None) -> None:
        if message is None:
            self._connected()
            self._tell("connected")
            return
        size = packet_size(message.topic, message.payload, message.qos)
        if self._buffer_size is not None and size > self._buffer_size:
            # PubSubClient reads it, drops it, and acknowledges nothing.
            self._tell("vanished", topic=message.topic, size=size)
            return
        step = self._heard
        self._heard += 1
        if self._strikes("silent_at", step):
            self._hung = True
        if self._strikes("lose_message", step) or self._hung:
            self._tell("lost", step=step)
            return
        if self.faults.slow:
            self._pause(self.faults.slow)
        self._unacknowledged = message
        self._received(message.topic, message.payload)
        # Only now: whoever restarts in the middle has acknowledged nothing.
        self._acknowledge()

    def _acknowledge(self) -> None:
        """Acknowledge what it was just sent."""
        message, self._unacknowledged = self._unacknowledged, None
        if message is not None and message.qos:
            self.acknowledged += 1
            self._link.acknowledge(message)

    def _connect(self) -> None:
        wait = self._retry_at - time.monotonic()
        if wait > 0:
            self._disturbed.wait(wait)
            self._disturbed.clear()
            return
        self._retry_at = time.monotonic() + _RETRY
        self._link.connect(self._will())

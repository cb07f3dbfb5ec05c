"""The board as a whole: a thread that lives one life of the machine after the other."""

from collections.abc import Callable
from contextlib import suppress
import socket
import threading
import time
from typing import Any

from .effects import Busy, Effect, Fetch, PowerOff, Publish, StopFetch, Subscribe, Told, Unsubscribe
from .events import Event, Events
from .faults import Faults
from .flash import Flash
from .link import Connected, Link, Received
from .machine import Machine
from .puller import Puller
from .settings import Settings

# No wait is longer, so that a keep-alive is never late.
_LONGEST_WAIT = 1.0


class Board:
    """A native board. `start` gives it power; `stop` lets it say goodbye, `kill` does not."""

    def __init__(
        self, settings: Settings, faults: Faults | None = None, on_event: Callable[[Event], None] | None = None
    ) -> None:
        """Describe the board; `on_event` is called from its thread. Raises OtaError where a key is none."""
        self.events = Events()
        self._settings = settings
        self._faults = faults or Faults()
        self._on_event = on_event
        self._stopped = threading.Event()
        self._farewell = True
        self._thread = threading.Thread(target=self._run, name=f"board-{settings.id}", daemon=True)
        self._waker, self._wakes = socket.socketpair()
        self._wakes.setblocking(False)
        self._flash = Flash(settings.state)
        self._link = Link(settings)
        self._machine = Machine(settings, self._flash, self._faults)
        self._puller: Puller | None = None
        self._power_off: PowerOff | None = None

    def start(self) -> None:
        """Give it power."""
        self._thread.start()

    def stop(self) -> None:
        """Let it say that it goes, and wait until it is gone."""
        self._end(farewell=True)

    def kill(self) -> None:
        """Take its power; its last will speaks."""
        self._end(farewell=False)

    def wait_for(self, event: str, *, timeout: float = 10.0, **fields: Any) -> Event:
        """Return the next event of this name with these fields; raises TimeoutError."""
        return self.events.wait_for(event, timeout=timeout, **fields)

    def _end(self, *, farewell: bool) -> None:
        self._farewell = farewell
        self._stopped.set()
        self._wake()
        self._thread.join()
        self._waker.close()
        self._wakes.close()

    def _wake(self) -> None:
        with suppress(BlockingIOError):
            self._wakes.send(b"!")

    def _run(self) -> None:
        self._live()
        while not self._stopped.is_set() and self._power_off is not None:
            if self._stopped.wait(self._power_off.seconds):
                break
            self._power_off = None
            self._link = Link(self._settings)
            self._machine = Machine(self._settings, self._flash, self._faults)
            self._live()
        self._tell({"event": "stopped"})

    def _live(self) -> None:
        """Live until the power goes."""
        while not self._stopped.is_set() and self._power_off is None:
            timeout = min(_LONGEST_WAIT, self._machine.wake_at - time.monotonic())
            self._link.wait(timeout, self._waker)
            self._take_messages()
            self._take_pieces()
            self._do(self._machine.tick(time.monotonic()))
        self._stop_fetching()
        if self._power_off is None and self._farewell:
            self._link.publish(self._settings.topic("availability"), b"offline", 1, retain=True)
            self._link.close(self._waker)
        elif self._power_off is not None and self._power_off.clean:
            self._link.close(self._waker)
        else:
            self._link.drop()

    def _take_messages(self) -> None:
        while self._link.inbox and self._power_off is None:
            match self._link.inbox.popleft():
                case Connected():
                    self._do(self._machine.connected(time.monotonic()))
                case Received(topic, payload):
                    self._do(self._machine.received(topic, payload, time.monotonic()))
                case _:
                    self._tell({"event": "disconnected"})

    def _take_pieces(self) -> None:
        while self._power_off is None and self._puller and (piece := self._puller.take()) is not None:
            if isinstance(piece, str):
                self._do(self._machine.fetch_failed(piece))
            else:
                self._do(self._machine.fetched(*piece, time.monotonic()))

    def _do(self, effects: list[Effect]) -> None:
        """Carry effects out, up to a loss of power."""
        for effect in effects:
            match effect:
                case Publish(topic, payload, qos, retain):
                    self._link.publish(topic, payload, qos, retain=retain)
                case Subscribe(topic, qos):
                    self._link.subscribe(topic, qos)
                case Unsubscribe(topic):
                    self._link.unsubscribe(topic)
                case Busy(seconds):
                    self._stopped.wait(seconds)
                case Told(event, fields):
                    self._tell({"event": event, **fields})
                case PowerOff():
                    self._power_off = effect
                case _:
                    self._fetch(effect)

    def _fetch(self, effect: Fetch | StopFetch) -> None:
        self._stop_fetching()
        if isinstance(effect, Fetch):
            self._puller = Puller(effect, self._wake)

    def _stop_fetching(self) -> None:
        if self._puller is not None:
            self._puller.stop()
            self._puller = None

    def _tell(self, event: Event) -> None:
        self.events.add(event)
        if self._on_event is not None:
            self._on_event(event)

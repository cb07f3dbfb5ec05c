"""What a board told, to be waited for in order."""

import threading
import time
from typing import Any

_SHOWN = 20

type Event = dict[str, Any]


class Events:
    """A record that one thread writes and another one reads."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._told: list[Event] = []
        self._read = 0
        self._changed = threading.Condition()

    @property
    def told(self) -> list[Event]:
        """Return everything so far."""
        with self._changed:
            return list(self._told)

    def add(self, event: Event) -> None:
        """Note an event."""
        with self._changed:
            self._told.append(event)
            self._changed.notify_all()

    def wait_for(self, name: str, *, timeout: float = 10.0, **fields: Any) -> Event:
        """Return the next event of this name with these fields, after the one that was waited for last.

        Raises TimeoutError, with what came instead.
        """
        wanted = {"event": name, **fields}
        until = time.monotonic() + timeout
        with self._changed:
            begin = unread = self._read
            while True:
                for place in range(unread, len(self._told)):
                    if wanted.items() <= self._told[place].items():
                        self._read = place + 1
                        return self._told[place]
                unread = len(self._told)
                if not self._changed.wait(until - time.monotonic()):
                    raise TimeoutError(f"No {wanted} in {timeout} s but {self._told[begin:][-_SHOWN:]}")

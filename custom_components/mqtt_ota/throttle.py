"""Doing something at most so often, and yet always for the last time it was asked for."""

import asyncio
from collections.abc import Callable

from homeassistant.core import callback


class Throttle:
    """Run an action at most once in `interval` seconds; what is asked for in between runs when that is over."""

    def __init__(self, loop: asyncio.AbstractEventLoop, interval: float, action: Callable[[], None]) -> None:
        """Run `action` on `loop`."""
        self._loop = loop
        self._interval = interval
        self._action = action
        self._next = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @callback
    def async_request(self) -> None:
        """Run the action now, or as soon as the interval allows."""
        if self._timer is not None:
            return
        if self._loop.time() >= self._next:
            self.async_run()
        else:
            self._timer = self._loop.call_at(self._next, self.async_run)

    @callback
    def async_run(self) -> None:
        """Run the action now, whenever it last ran: for what must not wait, as a verdict."""
        self.async_cancel()
        self._next = self._loop.time() + self._interval
        self._action()

    @callback
    def async_cancel(self) -> None:
        """Forget what was asked for."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

"""The one queue of the house: at most so many boards are updated at once, in the order in which it was asked for."""

import asyncio
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Final

from homeassistant.core import callback

from .member import Member
from .ota.board import Availability
from .ota.session import Session, State

# How often to look again at who is held back by something that does not tell when it ends, in seconds.
LOOK: Final = 60.0

_AWAY: Final = frozenset({Availability.OFFLINE, Availability.ASLEEP})


class WaitsFor(StrEnum):
    """What an update that has not begun yet waits for."""

    TURN = "turn"
    BOARD = "board"
    BATTERY = "battery"
    RETRY = "retry"
    BROKER = "broker"


class Queue:
    """Starts the sessions that wait for their turn; it stores nothing, the sessions themselves are the queue."""

    def __init__(
        self,
        at_once: int,
        members: Callable[[], Iterable[Member]],
        hold: Callable[[Member], WaitsFor | None],
        start: Callable[[Member, Session], None],
    ) -> None:
        """Start at most `at_once` of the `members`; `hold` says why one must not start although it is its turn."""
        self._at_once = at_once
        self._members = members
        self._hold = hold
        self._start = start
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._opens = 0.0

    @callback
    def async_open_in(self, seconds: float) -> None:
        """Start nothing before so many seconds have passed."""
        self._opens = self._loop.time() + seconds
        self._look_at(self._opens)

    @callback
    def async_close(self) -> None:
        """Start nothing more."""
        self._opens = float("inf")
        if self._timer is not None:
            self._timer.cancel()

    @callback
    def async_advance(self) -> None:
        """Start whoever may start now."""
        now = self._loop.time()
        if now < self._opens:
            return
        held = False
        for member, session in self._waiting():
            if session.wake_at is not None and session.wake_at > now:
                continue
            if self._hold(member) is not None:
                held = True
            elif member.availability in _AWAY or self._has_room(member):
                self._start(member, session)
        for member, _ in self._waiting():
            # Its place may be another now.
            member.async_changed()
        if held:
            self._look_at(now + LOOK)

    def place(self, member: Member) -> int | None:
        """Return which place a board has in the queue, from 1 on; None where it is in no queue."""
        order = [waiting for waiting, _ in self._waiting()]
        return order.index(member) + 1 if member in order else None

    def __len__(self) -> int:
        """Return how many wait for their turn."""
        return len(self._waiting())

    @property
    def running(self) -> int:
        """Return how many are updated now; boards that one trigger starts are one."""
        return len(self._busy())

    def waits_for(self, member: Member) -> WaitsFor | None:
        """Return what a board's update waits for before it begins."""
        session = member.active_session
        if session is None or session.state not in {State.QUEUED, State.WAITING}:
            return None
        if session.state is State.WAITING:
            return WaitsFor.BOARD
        if session.wake_at is not None and session.wake_at > self._loop.time():
            return WaitsFor.RETRY
        return self._hold(member) or WaitsFor.TURN

    def _waiting(self) -> list[tuple[Member, Session]]:
        """Return whoever waits for a turn, in the order in which it was asked for."""
        queued = [
            (member, session)
            for member in self._members()
            if (session := member.active_session) is not None and session.state is State.QUEUED
        ]
        return sorted(queued, key=lambda item: (item[1].started, item[1].id))

    def _busy(self) -> set[str]:
        """Return the places that are taken; a board that only waits takes none."""
        return {
            _unit(member)
            for member in self._members()
            if (session := member.active_session) is not None and session.state not in {State.QUEUED, State.WAITING}
        }

    def _has_room(self, member: Member) -> bool:
        busy = self._busy()
        return _unit(member) in busy or len(busy) < self._at_once

    def _look_at(self, time: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(time, self.async_advance)


def _unit(member: Member) -> str:
    """Return what counts as one: a board, or all boards that one trigger starts."""
    return f"cohort {member.board.cohort}" if member.board.cohort else member.id

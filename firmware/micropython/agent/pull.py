"""Pulling: an image from its start to its end, a file being written best in order."""

import time

from .frames import MIN_BLOCK, write_want


class Pull:
    """What to ask for, and when again. Times are ticks in ms, `timeout` is ms."""

    def __init__(self, tag, size, block_size, held, window, timeout, now):
        self.block_size = block_size
        self.next = self._asked_to = 0
        self.hopeless = False
        self.wake_at = now
        self.tag = tag
        self._size, self._window = size, window
        self._timeout = self._patience = timeout
        self._went_back_to = -1
        self._count_from(held)
        self.again(now)

    @property
    def held(self):
        """Bytes of the image that are there."""
        return min(self.next * self.block_size, self._size)

    @property
    def is_whole(self):
        """Whether nothing is missing."""
        return self.next == self._blocks

    def again(self, now):
        """Begin with a probe: what was asked for before went another way."""
        self.probing = True
        self._tries = 0
        self._asked_to = self.next
        self.wake_at = now

    def wants(self, now):
        """Return the want to send now, or None."""
        is_due = time.ticks_diff(now, self.wake_at) >= 0
        if self.probing:
            return self._probe(now) if is_due else None
        if is_due:
            self._asked_to = self.next
            self._patience = min(2 * self._patience, 8 * self._timeout)
            self.wake_at = time.ticks_add(now, self._patience)
        first, end = self._asked_to, min(self.next + self._window, self._blocks)
        if first - self.next > self._window // 2 or first >= end:
            return None
        self._asked_to = end
        return write_want(self.tag, self.block_size, first, end - first, False)

    def heard(self, offset, length, now):
        """Return whether a frame of the image brings the block that is due."""
        number = offset // self.block_size
        expected = min(self.block_size, self._size - offset)
        if offset != number * self.block_size or length != expected:
            return False
        self.probing = False
        if number != self.next:
            # One that came too early tells that the one before is lost; once, for the rest is on its way.
            if number > self.next and self._went_back_to != self.next:
                self._went_back_to = self._asked_to = self.next
            return False
        self.next += 1
        self._asked_to = max(self._asked_to, self.next)
        self._patience = self._timeout
        self.wake_at = time.ticks_add(now, self._patience)
        return True

    def _probe(self, now):
        if self._tries == 2:
            if self.block_size == MIN_BLOCK:
                self.hopeless = True
                return None
            held = self.held
            self.block_size = max(MIN_BLOCK, self.block_size // 2)
            self._count_from(held)
            self._tries = 0
        self._tries += 1
        self.wake_at = time.ticks_add(now, self._timeout)
        return write_want(self.tag, self.block_size, self.next, 1, True)

    def _count_from(self, held):
        self._blocks = (self._size + self.block_size - 1) // self.block_size
        self.next = self._asked_to = self._blocks if held == self._size else held // self.block_size

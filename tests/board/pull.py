"""Which blocks to ask for, and when to ask again."""

from collections.abc import Iterator
from itertools import islice

from custom_components.mqtt_ota.ota.blocks import MAX_WANTED, MIN_BLOCK_SIZE, Bitmap, Frame, Want, block_count, span
from custom_components.mqtt_ota.ota.board import Order

_TRIES = 2
_LONGEST_PATIENCE = 8


class Pull:
    """The wants of one transfer. Times are seconds, given by the caller.

    The broker keeps the order of what one sender says: a block of a later want tells that what an earlier one asked for
    and did not bring is lost. What is lost at the very end is asked for again after a silence.
    """

    def __init__(
        self,
        tag: bytes,
        size: int,
        block_size: int,
        bitmap: Bitmap,
        *,
        window: int,
        order: Order,
        timeout: float,
        now: float,
    ) -> None:
        """Pull what a bitmap lacks; the first want is a probe."""
        self.block_size = block_size
        self.bitmap = bitmap
        self.probing = True
        self.hopeless = False
        self.wake_at = now
        self._tag = tag
        self._size = size
        self._window = window
        self._order = order
        self._timeout = self._patience = timeout
        self._tries = 0
        self._serial = 0
        self._asked: dict[int, int] = {}
        self._went_back_to: int | None = None

    def again(self, now: float) -> None:
        """Forget what was asked: the connection that it was asked on is gone."""
        self._asked.clear()
        self._tries = 0
        self.wake_at = now

    def wants(self, now: float) -> list[bytes]:
        """Return the wants to send now."""
        if self.probing:
            return self._probe(now)
        if now >= self.wake_at:
            self._asked.clear()
            self._patience = min(2 * self._patience, _LONGEST_PATIENCE * self._timeout)
            self.wake_at = now + self._patience
        if len(self._asked) > self._window // 2:
            return []
        chosen = self._next(self._window - len(self._asked))
        self._serial += 1
        self._asked.update(dict.fromkeys(chosen, self._serial))
        return [self._want(group).payload() for group in _groups(chosen)]

    def heard(self, frame: Frame, now: float) -> int | None:
        """Return which block to write, None for a frame that brings nothing that can be written now."""
        number = frame.offset // self.block_size
        where = span(number, self._size, self.block_size)
        if frame.tag != self._tag or (frame.offset, len(frame.block)) != where:
            return None
        self.probing = False
        if number in self.bitmap or not self._is_in_turn(number):
            return None
        self._patience = self._timeout
        self.wake_at = now + self._patience
        serial = self._asked.pop(number, 0)
        self._asked = {asked: since for asked, since in self._asked.items() if since >= serial}
        return number

    def _is_in_turn(self, number: int) -> bool:
        """Tell whether a block can be written now.

        Where order matters, one that came too early tells that the next one is lost, and all behind it is of no use:
        they are asked for again, once; after that silence decides, as what is still on its way says nothing new.
        """
        if self._order == Order.ANY:
            return True
        due = next(self.bitmap.missing())
        if due not in {number, self._went_back_to}:
            self._went_back_to = due
            self._asked.clear()
        return number == due

    def _probe(self, now: float) -> list[bytes]:
        """Ask for one frame of full size, smaller when two of a size stayed away."""
        if now < self.wake_at:
            return []
        if self._tries == _TRIES:
            if self.block_size == MIN_BLOCK_SIZE:
                self.hopeless = True
                return []
            self._halve()
        self._tries += 1
        self.wake_at = now + self._timeout
        return [self._want(self._next(1), probe=True).payload()]

    def _halve(self) -> None:
        """Count in smaller blocks; one is held where all that it covers was."""
        old, self.block_size = self.block_size, max(MIN_BLOCK_SIZE, self.block_size // 2)
        bitmap = Bitmap(block_count(self._size, self.block_size))
        for number in range(bitmap.count):
            offset, length = span(number, self._size, self.block_size)
            if all(covered in self.bitmap for covered in range(offset // old, (offset + length - 1) // old + 1)):
                bitmap.add(number)
        self.bitmap = bitmap
        self._tries = 0

    def _next(self, most: int) -> list[int]:
        return list(islice((number for number in self.bitmap.missing() if number not in self._asked), most))

    def _want(self, blocks: list[int], *, probe: bool = False) -> Want:
        return Want(tag=self._tag, block_size=self.block_size, first=blocks[0], blocks=tuple(blocks), probe=probe)


def _groups(blocks: list[int]) -> Iterator[list[int]]:
    """Split ascending blocks so that each group fits in one want."""
    group: list[int] = []
    for number in blocks:
        if group and number - group[0] >= MAX_WANTED:
            yield group
            group = []
        group.append(number)
    if group:
        yield group

"""Seeing that several boards have one name: each throws the others off the broker, and connects again."""

from collections import OrderedDict
from typing import Final

# So many connections in so many seconds are not those of one board.
CONNECTIONS: Final = 5
SECONDS: Final = 10.0
_NAMES: Final = 256


class Crowds:
    """The last connections under each name."""

    def __init__(self) -> None:
        """Have seen nobody."""
        self._seen: OrderedDict[str, list[float]] = OrderedDict()

    def connected(self, name: str, now: float) -> bool:
        """Take a connection in; return whether it is the one that makes a crowd."""
        was_crowd = self.is_crowd(name, now)
        seen = self._seen.setdefault(name, [])
        seen.append(now)
        del seen[:-CONNECTIONS]
        self._seen.move_to_end(name)
        if len(self._seen) > _NAMES:
            self._seen.popitem(last=False)
        return not was_crowd and self.is_crowd(name, now)

    def is_crowd(self, name: str, now: float) -> bool:
        """Tell whether several boards have this name."""
        return sum(now - at <= SECONDS for at in self._seen.get(name, ())) >= CONNECTIONS

"""Reading back what was stored as JSON types."""

from collections.abc import Callable
from math import isfinite


def text(value: object) -> str:
    """Return a stored text; raises TypeError when it is none."""
    if not isinstance(value, str):
        raise TypeError(f"not a text: {value!r}")
    return value


def flag(value: object) -> bool:
    """Return a stored truth; raises TypeError when it is none."""
    if not isinstance(value, bool):
        raise TypeError(f"not a truth: {value!r}")
    return value


def count(value: object) -> int:
    """Return a stored number of things; raises TypeError or ValueError when it is none."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"not a count: {value!r}")
    if value < 0:
        raise ValueError(f"less than none: {value}")
    return value


def seconds(value: object) -> float:
    """Return stored seconds; raises TypeError or ValueError when they are none."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"not seconds: {value!r}")
    if not (isfinite(value) and value >= 0):
        raise ValueError(f"no time: {value}")
    return float(value)


def maybe[T](read: Callable[[object], T]) -> Callable[[object], T | None]:
    """Return what reads a stored value that may be missing."""
    return lambda value: None if value is None else read(value)

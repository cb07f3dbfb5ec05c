"""What goes wrong, on demand."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """The faults of a board. Those with a number strike once; messages and answers are counted from each start, from 0.

    In `chunked`, message 0 is the size frame and message 1 the first chunk; answer N is the answer to message N.
    """

    silent_at: int | None = None  # from this message on it hears and says nothing, until it restarts
    lose_message: int | None = None  # this message never arrives: nothing was done
    lose_answer: int | None = None  # this answer never arrives: everything was done
    repeat_answer: int | None = None  # this answer is said twice
    answer_at: tuple[int, str] | None = None  # this message is refused with this word, as the firmware would
    power_cut: int | None = None  # the power goes in the write that reaches this byte, counted over all writes
    comes_back_old: bool = False
    never_comes_back: bool = False
    slow: float = 0.0  # seconds more for each message

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """Return the faults of a command line, each NAME or NAME=VALUE; raises ValueError for what is none."""
        chosen: dict[str, Any] = {}
        for text in texts:
            name, equals, value = text.partition("=")
            if name not in _READERS or bool(equals) == (_READERS[name] is bool):
                raise ValueError(f"No such fault: {text}")
            chosen[name] = _READERS[name](value or "yes")
        return cls(**chosen)


def _answer_at(text: str) -> tuple[int, str]:
    step, _, word = text.partition(":")
    return int(step), word


_READERS: dict[str, Callable[[str], object]] = {
    "silent_at": int,
    "lose_message": int,
    "lose_answer": int,
    "repeat_answer": int,
    "answer_at": _answer_at,
    "power_cut": int,
    "comes_back_old": bool,
    "never_comes_back": bool,
    "slow": float,
}

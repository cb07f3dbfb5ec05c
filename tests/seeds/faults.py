"""What goes wrong, on demand."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Self


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
        kinds = {one.name: type(one.default) for one in fields(cls)}
        chosen: dict[str, object] = {}
        for text in texts:
            name, equals, value = text.partition("=")
            if name not in kinds or bool(equals) == (kinds[name] is bool):
                raise ValueError(f"No such fault: {text}")
            if name == "answer_at":
                step, _, word = value.partition(":")
                chosen[name] = (int(step), word)
            else:
                chosen[name] = {bool: lambda _: True, float: float}.get(kinds[name], int)(value)
        return cls(**chosen)  # type: ignore[arg-type]

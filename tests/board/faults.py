"""What goes wrong, on demand."""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from random import Random
from typing import Self


@dataclass(slots=True, kw_only=True)
class Faults:
    """The faults of a board; they outlive its restarts, what they count does too."""

    lose: int = 0
    drops_large: int = 0
    power_cut: int = 0
    falls_asleep: int = 0
    repeat: bool = False
    reorder: bool = False
    corrupt: bool = False
    wrong_digest: bool = False
    comes_back_old: bool = False
    comes_back_old_silent: bool = False
    fails_self_test: bool = False
    never_confirms: bool = False
    never_comes_back: bool = False
    silent: bool = False
    dies_on_url: bool = False
    _received: int = field(default=0, init=False)
    _chance: Random = field(default_factory=lambda: Random(1), init=False)
    _kept_back: bytes | None = field(default=None, init=False)

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """Return the faults of a command line, each NAME or NAME=N; raises ValueError for what is none."""
        known = {one.name: one.type for one in fields(cls) if one.init}
        chosen: dict[str, int | bool] = {}
        for text in texts:
            name, equals, number = text.partition("=")
            if known.get(name) is not (int if equals else bool):
                raise ValueError(f"No such fault: {text}")
            chosen[name] = int(number) if equals else True
        return cls(**chosen)  # type: ignore[arg-type]

    def arriving(self, frame: bytes) -> list[bytes]:
        """Return what arrives when this frame is sent."""
        self._received += 1
        # Not each Nth: a loss in step with the wants would hit the same block for ever.
        if self.lose and self._chance.random() * self.lose < 1:
            return []
        if 0 < self.drops_large < len(frame):
            return []
        if self.corrupt and self._received > 1:
            self.corrupt = False
            frame = frame[:-1] + bytes([frame[-1] ^ 0xFF])
        if self.reorder and self._kept_back is None:
            self._kept_back = frame
            return []
        frames = [frame] if self._kept_back is None else [frame, self._kept_back]
        self._kept_back = None
        return frames * 2 if self.repeat else frames

    def cuts_power(self, before: int, after: int) -> bool:
        """Tell whether the power goes while a board that holds `before` bytes gets to `after`; it does so once."""
        if not before < self.power_cut <= after:
            return False
        self.power_cut = 0
        return True

    def sends_to_sleep(self, held: int) -> bool:
        """Tell whether a board that holds so many bytes falls asleep; it does so once."""
        if not 0 < self.falls_asleep <= held:
            return False
        self.falls_asleep = 0
        return True

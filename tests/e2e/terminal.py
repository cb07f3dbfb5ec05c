"""What the demo shows in a terminal: short lines, and one that moves."""

import sys

_WIDTH = 32
# Without a terminal a line is printed for each such step, in percent.
_STEP = 10


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


class ProgressLine:
    """How far an update is: a bar that moves in a terminal, plain lines elsewhere."""

    def __init__(self, label: str) -> None:
        """Begin with nothing shown."""
        self._label = label
        self._moves = sys.stdout.isatty()
        self._shown: tuple[int, str] | None = None

    @property
    def is_shown(self) -> bool:
        """Tell whether there is something to look at."""
        return self._shown is not None

    def show(self, percentage: float | None, state: str) -> None:
        """Show where the update is, unless that is what is shown already."""
        percent = int(percentage or 0)
        shown = (percent if self._moves else percent // _STEP, state)
        if shown == self._shown:
            return
        self._shown = shown
        if self._moves:
            filled = percent * _WIDTH // 100
            bar = "█" * filled + "░" * (_WIDTH - filled)
            print(f"\r  {self._label}  {bar} {percent:3} %  {state:<14}", end="", flush=True)
        else:
            say(f"  {self._label}  {percent:3} %  {state}")

    def end(self) -> None:
        """Leave what is shown and go to the next line."""
        if self._moves and self.is_shown:
            print(flush=True)
        self._shown = None

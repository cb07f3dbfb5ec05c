"""The course of an update of a board that was told a URL: what each word, each fetch and each silence makes of it."""

import re
from typing import Final

from ..board import Board
from ..errors import Reason
from ..session import Session, State
from .url_sketch import Said, Sketch

# How long a board may take to fetch, and then to say the next word, in seconds.
TO_FETCH: Final = 60.0
TO_SPEAK: Final = 180.0
# How long to wait for a word after all was fetched, and for a further fetch by a board that says nothing.
TO_END: Final = 60.0
TO_SETTLE: Final = 30.0
# After how long a board that still says its old version did not start the new one.
TO_START: Final = 60.0
# What it says sooner than this, it may have said before its restart.
TO_RESTART: Final = 5.0

# What a verdict rests on where the board's return is not seen.
SAID_DONE: Final = "said_done"
FETCHED_ALL: Final = "fetched_all"

_DIGEST: Final = re.compile("checksum|digest|verif|md5|sha|crc", re.IGNORECASE)
_MEMORY: Final = ("along", "begun", "done", "gone", "old", "online", "patience", "said", "whole")


class Course:
    """Moves the sessions of one sketch.

    What it must know of one is in its `memo`: `before` is what the board ran, `along` that another board's command reached it, `begun` and `whole` that the image
    was fetched from Home Assistant, in part and wholly, `said` the last percentage, `done` that the board said so, `old`
    how many seconds after the last sign of the update it still told its old version, `gone` and `online` what it told of its presence, `patience` how long it is
    waited for.
    """

    def __init__(self, sketch: Sketch, timeout: float) -> None:
        """Wait `timeout` seconds for a board that says nothing."""
        self._sketch = sketch
        self.timeout = timeout

    def begin(self, session: Session, now: float, *, along: bool = False) -> None:
        """Note that a board was sent the command, its own or another one's, for the first time or again."""
        if session.state in {State.QUEUED, State.WAITING}:
            for key in _MEMORY:
                session.memo.pop(key, None)
        if along:
            session.memo["along"] = True
        session.offer(now, patience=TO_FETCH if self.is_seen(session) else self.timeout)

    def is_seen(self, session: Session) -> bool:
        """Tell whether Home Assistant sees the board of a session fetch."""
        return self._sketch.is_seen_fetching and not session.memo.get("along")

    def due(self, session: Session) -> float:
        """Return when the patience with a board ends."""
        if session.state is State.OFFERED:
            return (session.changed if session.begun is None else session.begun) + self.timeout
        return session.changed + float(session.memo.get("patience", 0.0))

    def hear(self, session: Session, board: Board, said: Said, now: float) -> None:
        """Take what a board said."""
        if said.tells_what_runs:
            self._told(session, board, now)
        if said.failure is not None:
            is_damaged = _DIGEST.search(said.failure)
            session.fail(Reason.BOARD_DIGEST if is_damaged else Reason.BOARD_FAILED, now, said.failure)
        elif said.is_done:
            self._done(session, board, now)
        elif said.percent is not None and not session.memo.get("done"):
            self._progressed(session, said.percent, now)

    def fetched(self, session: Session, board: Board, position: int, now: float) -> None:
        """Take note of a fetch; in a cohort nobody knows whose it is."""
        memo, is_whole = session.memo, position >= session.target.size
        memo["begun"] = True
        memo["whole"] = memo.get("whole", False) or is_whole
        if "said" in memo or "done" in memo:
            # It tells more itself.
            return
        held = None if board.cohort else position
        if is_whole or (board.cohort and session.state is State.VERIFYING):
            self._alive(session, State.VERIFYING, now, self._wait, held)
        else:
            self._alive(session, State.TRANSFERRING, now, self.timeout, held)

    def came(self, session: Session, board: Board, now: float) -> None:
        """Take note that a board is there, maybe again."""
        memo = session.memo
        if session.state is not State.VERIFYING:
            return
        if not (memo.get("done") or memo.get("gone")):
            memo["online"] = True
        elif not self._sketch.tells_what_runs:
            session.came_back(now)
        else:
            has_told = "old" in memo
            self._alive(session, State.REBOOTING, now, TO_START)
            if has_told:
                session.announced(board, now, live=True)

    def went(self, session: Session) -> None:
        """Take note that a board is gone."""
        if session.state in {State.TRANSFERRING, State.VERIFYING}:
            session.memo["gone"] = True

    def give_up(self, session: Session, board: Board, now: float) -> None:
        """End a session of which nothing more is heard, by what was."""
        memo, sketch, said = session.memo, self._sketch, session.memo.get("said")
        reached = "" if said is None else f"{said:.0f} %"
        if not (memo.get("whole") or memo.get("done") or (said or 0) >= 100):
            session.fail(Reason.BOARD_TRANSPORT, now, reached)
        elif sketch.tells_what_runs:
            self._end_by_what_runs(session, board, now)
        elif sketch.tells_presence and not memo.get("online"):
            session.fail(Reason.NEVER_RETURNED, now)
        elif sketch.tells_presence:
            session.came_back(now)
        elif sketch.speaks and (said or 0) < 100:
            session.fail(Reason.FELL_SILENT, now, reached)
        else:
            session.came_back(now, FETCHED_ALL)

    @property
    def _wait(self) -> float:
        """Return how long to wait for what comes after the whole image, in seconds."""
        if self._sketch.tells_what_runs or self._sketch.tells_presence:
            return self.timeout
        return TO_END if self._sketch.speaks else TO_SETTLE

    def _alive(self, session: Session, state: State, now: float, patience: float, held: int | None = None) -> None:
        session.memo["patience"] = patience
        session.memo.pop("old", None)
        session.alive(state, now, held=held, patience=patience)

    def _told(self, session: Session, board: Board, now: float) -> None:
        """Compare what a board runs with what it ran before; that it runs the new one is the session's to see."""
        runs = board.digest or board.version
        before = session.memo.get("before") or runs
        session.memo["before"] = before
        if session.is_run_by(board):
            return
        if runs != before:
            session.fail(Reason.OTHER_IMAGE, now, runs.partition(":")[2] if board.digest else runs)
            return
        if session.state is State.VERIFYING:
            session.memo["old"] = now - session.changed
            if session.memo["old"] >= TO_START and not board.cohort:
                session.fail(Reason.ROLLED_BACK, now, board.version)

    def _done(self, session: Session, board: Board, now: float) -> None:
        """Take a board's word that it is done, where it can be about this update."""
        if self.is_seen(session) and not board.cohort and not session.memo.get("begun"):
            return
        session.memo["done"] = True
        if self._sketch.tells_what_runs or self._sketch.tells_presence:
            self._alive(session, State.VERIFYING, now, self.timeout, session.target.size)
        else:
            session.came_back(now, SAID_DONE)

    def _progressed(self, session: Session, percent: float, now: float) -> None:
        session.memo["said"] = percent
        if percent >= 100:
            self._alive(session, State.VERIFYING, now, self._wait, session.target.size)
        else:
            held = int(session.target.size * percent / 100)
            self._alive(session, State.TRANSFERRING, now, TO_SPEAK, held)

    def _end_by_what_runs(self, session: Session, board: Board, now: float) -> None:
        old = session.memo.get("old", 0.0)
        # Where others fetch too, it may have been heard for long before it restarted.
        if old < ((now - session.changed) / 2 if board.cohort else TO_RESTART):
            session.fail(Reason.NEVER_RETURNED, now)
        elif board.cohort:
            # Others fetched all; whether this one did, nobody knows.
            session.fail(Reason.BOARD_FAILED, now)
        else:
            session.fail(Reason.ROLLED_BACK, now, board.version)

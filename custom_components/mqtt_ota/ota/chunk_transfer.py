"""A transfer to a board that appends an image chunk by chunk, and says one word after each.

A chunk has no number, so one that is sent twice is written twice, and nothing that a board says tells how much it has.
What makes it safe are two questions after which nothing is written. A size for which no board has room is answered
`begin-fail` by an idle board and `len-fail` in a transfer. A frame of a wrong length is answered `size-mismatch` in a
transfer if the board has room for it, else not at all. Everything travels at most once (QoS 0): what a broker delivers
again would be written again.
"""

from dataclasses import replace
from enum import StrEnum
from typing import Any, Final

from .board import Board, Encoding
from .chunks import NO_ROOM, misfit, size_frame
from .dialects import Block, Effect, Ignored, Learned, Publish, SendBlocks, StopBlocks
from .errors import Reason
from .session import Session, State

# Seconds: for a word that is awaited, for one that tells whether a size fits, and between two looks for a restart.
ANSWER: Final = 10.0
FITS: Final = 5.0
RESTART: Final = 20.0
# How often to ask a silent board in the middle and before it said anything, to send a refused chunk again, and to begin again with a board that is idle again.
PROBES: Final = 12
PROBES_FIRST: Final = 3
REPEATS: Final = 3
RESTARTS: Final = 3
# After so many chunks, and oftener in the beginning, to see whether words come twice.
CHECK: Final = 64


class Step(StrEnum):
    """What was sent last.

    `OPEN`: the size. `MEASURE`: a frame that tells whether chunks of a size fit. `CHUNK`: a chunk. `PROBE`: the
    question whether the board is idle, whose answer comes after all that is still on its way.
    """

    OPEN = "open"
    MEASURE = "measure"
    CHUNK = "chunk"
    PROBE = "probe"


class ChunkTransfer:
    """A session's transfer at one moment: all that outlasts the moment is in the session and its `memo`.

    There `size` of chunks is used, or tried, of all `sizes`, and `fits` says which; `offset` is what the board has, and
    `owed` what was sent beside that and not answered; `refused` is the word by which it may be known to be refused.
    `probes` were sent since the last answer to one, and so many as `stale` says may still be answered.
    `doubled` says that words come twice, `resting` that no chunk must be sent.
    """

    def __init__(self, session: Session, board: Board, topic: str, now: float, *, wants_md5: bool) -> None:
        """Go on with a session; its board hears `topic`, and wants the image's MD5 before a size or not."""
        self._session = session
        self._board = board
        self._topic = topic
        self._now = now
        self._wants_md5 = wants_md5
        self._memo: dict[str, Any] = session.memo

    def begin(self) -> list[Effect]:
        """Tell the board the size of the image, which opens a transfer."""
        self._memo |= {"size": self._memo["sizes"][0], "restarts": 0, "repeats": 0, "doubled": False, "resting": False}
        self._session.interrupted = False
        self._session.offer(self._now, patience=ANSWER)
        return self._open(stale=0)

    def receive(self, word: str) -> list[Effect]:
        """Move by what the board said."""
        session, memo = self._session, self._memo
        if session.interrupted:
            self._lose_count()
        match word:
            case "ready":
                return self._probe()
            case "ok":
                return self._ok()
            case "success" if session.interrupted or (memo["owed"] == Step.CHUNK and self._is_last):
                session.alive(State.REBOOTING, self._now, held=session.target.size, patience=RESTART)
                return []
            case "begin-fail" if memo["step"] == Step.OPEN:
                return self._no_room()
            case "begin-fail" if memo["step"] == Step.PROBE:
                return self._idle()
            case "len-fail" | "size-mismatch" | "md5-fail":
                return self._refused(word)
            case "write-fail" | "end-fail" if session.state is State.TRANSFERRING:
                reason = Reason.BOARD_FLASH if word == "write-fail" else Reason.BOARD_IMAGE
                return self._fail(reason, f"{word}; switch it off and on before the next try")
        return [Ignored(f"it says {word} when nothing asks for that")]

    def silent(self) -> list[Effect]:
        """Try smaller chunks, or ask a board that fell silent whether it is idle."""
        memo = self._memo
        if self._session.interrupted:
            self._lose_count()
        elif memo["step"] == Step.MEASURE and not memo["resting"]:
            smaller = [size for size in memo["sizes"] if size < memo["size"]]
            if smaller:
                memo["size"] = smaller[0]
                return self._measure()
            if memo["repeats"]:
                return self._stuck(f"it takes no chunk of {memo['size']} bytes")
            memo["repeats"] += 1
        is_offered = self._session.state is State.OFFERED
        if memo["probes"] < (PROBES_FIRST if is_offered else PROBES):
            return self._probe()
        return self._fail(Reason.NO_ANSWER) if is_offered else self._stuck("it fell silent")

    def look(self) -> list[Effect]:
        """Ask a board that restarts whether it is back."""
        self._session.offer(self._now, patience=RESTART)
        return self._question()

    @staticmethod
    def rest(session: Session) -> bool:
        """Send no further chunk; return whether it is known what the board has."""
        session.memo["resting"] = True
        return not session.memo["owed"]

    @property
    def _is_last(self) -> bool:
        """Tell whether no chunk comes after the one at the offset."""
        return bool(self._memo["offset"] + self._memo["size"] >= self._session.target.size)

    def _lose_count(self) -> None:
        """Believe nothing of what a memo says that may be old."""
        self._memo |= {"step": Step.PROBE, "owed": Step.CHUNK, "refused": "", "resting": False}

    def _ok(self) -> list[Effect]:
        """Take an `ok` for what is owed; one too many came twice, or from another board."""
        memo, owed = self._memo, self._memo["owed"]
        if not owed or (owed == Step.CHUNK and self._is_last and not self._session.interrupted):
            memo["doubled"] = True
            return []
        if memo["refused"] == "md5-fail":
            return self._stuck("it refused and took the same chunk")
        memo |= {"owed": "", "refused": "", "repeats": 0}
        if owed == Step.CHUNK:
            memo["offset"] += memo["size"]
        self._session.alive(State.TRANSFERRING, self._now, held=memo["offset"], patience=ANSWER)
        # Else the answer to a question that was sent after it is still to come.
        return self._go_on() if memo["step"] in {Step.OPEN, Step.CHUNK} else []

    def _no_room(self) -> list[Effect]:
        """Take the refusal of a size, where it is not an old answer."""
        if self._memo["stale"]:
            self._memo["stale"] -= 1
            return []
        return self._fail(Reason.BOARD_REFUSED, f"begin-fail: it has no room for {self._session.target.size} bytes")

    def _idle(self) -> list[Effect]:
        """Learn that the board is in no transfer: it restarted, or heard of none."""
        memo, session = self._memo, self._session
        if memo["owed"] == Step.CHUNK and self._is_last and not session.interrupted:
            session.came_back(self._now, "it restarted after the last chunk; that all is well was not heard")
            return []
        memo["restarts"] += 1
        if memo["restarts"] > RESTARTS:
            return self._fail(Reason.BOARD_FAILED, f"it was idle again {memo['restarts']} times")
        session.interrupted = False
        session.alive(session.state, self._now, held=0, patience=ANSWER)
        return [StopBlocks(), *self._open(stale=memo["probes"] - 1 + memo["doubled"])]

    def _refused(self, word: str) -> list[Effect]:
        """Take a word after which nothing was written."""
        memo = self._memo
        match memo["step"], word:
            case Step.OPEN, "len-fail":
                return self._stuck("another transfer is open")
            case Step.MEASURE, "len-fail":
                # Of all that is sent here only the size is short: the `ok` before was a late one, to a session called off.
                return self._stuck("another transfer is open")
            case Step.PROBE, "len-fail":
                return self._is_open()
            case Step.MEASURE, "size-mismatch" | "md5-fail":
                memo["fits"] = True
                return [*self._learned(), *self._go_on()]
            case Step.PROBE, "md5-fail" if memo["owed"] == Step.CHUNK:
                memo["refused"] = word
            case Step.CHUNK, "len-fail" if memo["stale"]:
                memo["stale"] -= 1
            case Step.CHUNK, "len-fail" | "size-mismatch" if memo["doubled"]:
                # No chunk is answered so: these are the second answers to what was asked before it.
                pass
            case Step.CHUNK, _:
                # Whatever is said of the chunk beside this comes before the answer to this question.
                memo["refused"] = word
                return self._probe(keep=True)
        return []

    def _is_open(self) -> list[Effect]:
        """Go on in a transfer if it is known what the board has of it."""
        memo = self._memo
        if memo["owed"] == Step.CHUNK and memo["refused"]:
            memo["repeats"] += 1
            if memo["repeats"] > REPEATS:
                return self._fail(Reason.BOARD_FAILED, f"{memo['refused']}: it refuses the same chunk again and again")
            memo |= {"owed": "", "refused": ""}
        elif memo["owed"] or self._session.interrupted:
            return self._stuck(f"it has {memo['offset']} bytes, or more")
        memo |= {"probes": 0, "stale": memo["probes"] - 1}
        return self._go_on()

    def _go_on(self) -> list[Effect]:
        """Send what comes next, where it is known what the board has."""
        memo = self._memo
        if memo["resting"]:
            memo["step"] = Step.PROBE
            return []
        if not memo["fits"]:
            return self._measure()
        number = memo["offset"] // memo["size"]
        is_due = memo["doubled"] or number & (number - 1) == 0 or number % CHECK == 0
        return self._probe() if memo["step"] == Step.CHUNK and is_due else self._send_chunk()

    def _open(self, *, stale: int) -> list[Effect]:
        memo = self._memo
        memo |= {"step": Step.OPEN, "owed": Step.OPEN, "refused": "", "offset": 0, "fits": False}
        memo |= {"probes": 0, "stale": stale}
        return [*self._digest(), self._say(size_frame(self._session.target.size))]

    def _measure(self) -> list[Effect]:
        self._memo["step"] = Step.MEASURE
        self._session.offer(self._now, patience=FITS)
        return [self._say(misfit(self._memo["size"]))]

    def _learned(self) -> list[Effect]:
        size = self._memo["size"]
        return [] if size == self._board.block_size else [Learned(replace(self._board, block_size=size))]

    def _send_chunk(self) -> list[Effect]:
        memo = self._memo
        memo |= {"step": Step.CHUNK, "owed": Step.CHUNK, "refused": ""}
        self._session.alive(State.TRANSFERRING, self._now, held=memo["offset"], patience=ANSWER)
        length = min(memo["size"], self._session.target.size - memo["offset"])
        return [SendBlocks(self._topic, (Block(memo["offset"], length, Encoding.RAW),))]

    def _probe(self, *, keep: bool = False) -> list[Effect]:
        """Ask whether the board is idle; `keep` the word that a chunk was refused with."""
        memo = self._memo
        memo |= {"step": Step.PROBE, "probes": memo["probes"] + 1, "resting": False}
        memo["refused"] = memo["refused"] if keep else ""
        self._session.offer(self._now, patience=ANSWER)
        # A chunk that has not left must not leave after the question.
        return [StopBlocks(), *self._question()]

    def _question(self) -> list[Effect]:
        return [*self._digest(), self._say(NO_ROOM)]

    def _digest(self) -> list[Effect]:
        """Return what some boards must hear before any size; in a transfer they answer `size-mismatch`."""
        return [self._say(f"md5:{self._memo['md5']}".encode())] if self._wants_md5 else []

    def _say(self, payload: bytes) -> Publish:
        return Publish(self._topic, payload, qos=0)

    def _stuck(self, detail: str) -> list[Effect]:
        return self._fail(Reason.STUCK, detail)

    def _fail(self, reason: Reason, detail: str = "") -> list[Effect]:
        self._session.fail(reason, self._now, detail)
        return [StopBlocks()]

"""The dialect of boards that are told a URL on a command topic, in the many ways in which sketches do it.

What such a board says of itself differs from nothing at all to the digest of what it runs; a verdict never claims more
than that. A board that may be flashing is told nothing: a second command would flash it again.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from ..board import Availability, Board, Transport
from ..errors import OtaError, Reason
from ..session import Session, State
from . import (
    Announcement,
    Answer,
    Echo,
    Effect,
    Leftover,
    Message,
    OfferUrl,
    Presence,
    Publish,
    Reading,
    StopBlocks,
    Traits,
)
from .base import BaseDialect
from .settings import Kind
from .url_course import Course
from .url_settings import PRESETS, SCHEMES, SETTINGS
from .url_sketch import Sketch

# How often to say the URL: the second time only to a board that did not fetch and said nothing.
OFFERS: Final = 2
MINUTE: Final = 60.0

_UNUSABLE: Final = '"\\ \t\r\n'
_UNTOUCHED: Final = frozenset({State.QUEUED, State.WAITING})


class UrlDialect(BaseDialect):
    """Boards that fetch what a command names."""

    name = "url"

    def __init__(self, key: str, settings: Mapping[str, Any]) -> None:
        """Speak as the settings say; raises SettingError for those that cannot be used."""
        super().__init__(key)
        self._sketch = sketch = Sketch(settings)
        self._schemes = SCHEMES[settings["scheme"]]
        self._file_name: str = settings["file_name"]
        self._course = Course(sketch, settings["timeout"] * MINUTE)
        self._described = Board(
            id="",
            dialect=key,
            model=settings["model"],
            chip=settings["chip"],
            slot_size=int(settings["slot_size"]),
            transports=frozenset({Transport.HTTP}),
            cohort=sketch.command.text if sketch.is_shared else "",
        )
        self.traits = (
            (Traits.PROGRESS if sketch.tells_progress else Traits(0))
            | (Traits.BROADCAST if sketch.is_shared else Traits(0))
            | (Traits.REPORTS_VERSION if sketch.tells_version else Traits(0))
        )

    def topics(self) -> tuple[tuple[str, int], ...]:
        """Return the topic filters to subscribe, each with its QoS."""
        return tuple((topic, 1) for topic in self._sketch.topics())

    def boards(self) -> tuple[Board, ...]:
        """Return the board that the user named."""
        return (replace(self._described, id=self._sketch.id),) if self._sketch.id else ()

    def board_id(self, message: Message) -> str | None:
        """Return which board a message is from; None when it names no valid one."""
        return self._sketch.board_id(message)

    def read(self, message: Message, known: Board | None) -> Reading:
        """Say what a message is. Never raises, whatever the bytes."""
        sketch = self._sketch
        if sketch.is_command(message.topic):
            is_left = message.retain and sketch.template.is_like(message.payload)
            return Leftover(message.topic) if is_left else Echo()
        said = sketch.hear(message)
        has_word = said.has_word and not message.retain
        is_new = known is None and not sketch.tells_what_runs and said.availability is not Availability.OFFLINE
        if said.tells_what_runs or is_new or (has_word and said.availability is not None):
            former = known or replace(self._described, id=self.board_id(message) or "")
            board = replace(self._described, id=former.id, address=former.address)
            board = replace(board, version=said.version or former.version, digest=said.digest or former.digest)
            return Announcement(board, is_answer=not message.retain, availability=said.availability)
        if said.availability is not None:
            return Presence(said.availability)
        return Answer() if has_word else Echo()

    def transport(self, board: Board, preferred: Transport) -> Transport:
        """Choose how the image gets to a board: it fetches."""
        return Transport.HTTP

    def prepare(self, session: Session, board: Board, image: bytes) -> None:
        """Refuse what the board runs already, and a command that has no room for a URL."""
        if board.tells_what_runs and session.is_run_by(board):
            raise OtaError(Reason.ALREADY_INSTALLED, board=board.name or board.id, version=session.target.version)
        if "url" in self._sketch.template.words and (limit := self._room(session, board)) < 1:
            raise OtaError(Reason.URL_TOO_LONG, board=board.name or board.id, limit=max(limit, 0))
        session.memo["before"] = board.digest or board.version

    def begin(self, session: Session, board: Board, now: float) -> list[Effect]:
        """Send the command, for the first time or again."""
        sketch = self._sketch
        self._course.begin(session, now)
        topic, values = sketch.command.of(board.id), _values(session, board)
        if "url" not in sketch.template.words:
            return [Publish(topic, sketch.template.fill(values), sketch.qos)]
        return [
            OfferUrl(
                topic,
                self._schemes,
                lambda url: sketch.template.fill(values | {"url": url}),
                qos=sketch.qos,
                limit=self._room(session, board),
                forbidden=_UNUSABLE,
                name=self._file_name,
                from_feed=sketch.from_feed,
                shared=sketch.is_shared,
            )
        ]

    def join_in(self, session: Session, board: Board, now: float) -> list[Effect]:
        """Wait for what the board makes of the command that another one of its cohort was sent."""
        self._course.begin(session, now, along=True)
        return []

    def receive(self, session: Session, board: Board, message: Message, now: float) -> list[Effect]:
        """Move an active session by what its board said. Never raises, whatever the bytes."""
        if session.state not in _UNTOUCHED:
            self._course.hear(session, board, self._sketch.hear(message), now)
        return [] if session.is_active else [StopBlocks()]

    def fetched(self, session: Session, board: Board, position: int, now: float) -> list[Effect]:
        """Move an active session whose image is being fetched."""
        if session.state not in _UNTOUCHED:
            self._course.fetched(session, board, position, now)
        return []

    def tick(self, session: Session, board: Board, now: float) -> list[Effect]:
        """Say the URL once more where nothing came of it, and give up where nothing more can come."""
        match session.state:
            case State.QUEUED:
                return []
            case State.OFFERED if self._course.is_seen(session):
                if session.attempts < OFFERS:
                    return self.begin(session, board, now)
                session.fail(Reason.NEVER_FETCHED, now)
            case State.WAITING:
                session.fail(Reason.WAITED_TOO_LONG, now)
            case _ if (due := self._course.due(session)) > now + 0.5 and not session.came_back_old:
                # Woken early, after Home Assistant was started again: what the board was doing is not over.
                session.wake_at = due
                return []
            case State.OFFERED:
                session.fail(Reason.NO_ANSWER, now)
            case State.REBOOTING:
                session.never_returned(now)
            case _:
                self._course.give_up(session, board, now)
        return [StopBlocks()]

    def presence(self, session: Session, board: Board, availability: Availability, now: float) -> list[Effect]:
        """Move an active session by its board's coming and going."""
        if availability is not Availability.ONLINE:
            self._course.went(session)
        elif session.state is State.WAITING:
            return self.begin(session, board, now)
        else:
            self._course.came(session, board, now)
        return []

    def _room(self, session: Session, board: Board) -> int:
        """Return how many characters a URL may have for the board to take its command."""
        topic, template = self._sketch.command.of(board.id), self._sketch.template
        filled = template.fill(_values(session, board) | {"url": ""})
        return (self._sketch.longest - self._sketch.overhead(topic, filled)) // template.text.count("{url}")


def _values(session: Session, board: Board) -> dict[str, Any]:
    """Return what stands for each word of a command but the URL."""
    target = session.target
    md5 = next((digest for digest in target.digests if digest.startswith("md5:")), "")
    return {
        "version": target.version,
        "size": target.size,
        "sha256": target.sha256,
        "md5": md5.removeprefix("md5:"),
        "id": board.id,
    }


def _try_out(settings: Mapping[str, Any], captured: bytes) -> tuple[tuple[str, str], ...]:
    """Return what each pattern finds in a message."""
    return tuple(Sketch(settings).read(captured).items())


KIND: Final = Kind(name=UrlDialect.name, make=UrlDialect, settings=SETTINGS, presets=PRESETS, try_out=_try_out)

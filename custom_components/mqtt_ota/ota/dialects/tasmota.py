"""The Tasmota dialect: boards that are told an address, fetch by themselves, and say how it went.

A board announces itself retained, and answers which build it runs. Between two builds it may run a small third one,
`safeboot`, that fetches in its place. The address that it had before is given back to it.
"""

from collections.abc import Mapping
from typing import Any, Final

from ..board import Availability, Board, Transport
from ..errors import OtaError, Reason
from ..fields import FieldError, Fields
from ..session import Session, State
from . import Effect, Ignored, Message, OfferUrl, Reading, StopBlocks, Traits
from .base import BaseDialect
from .settings import Kind, Setting, SettingError, SettingType
from .tasmota_ear import Ear
from .tasmota_spots import BUSY, Spot, is_ours
from .tasmota_words import CONFIG_LIMIT, NO_BUILD, filter_of, read_firmware, reason_of
from .topics import Topic

FULL_TOPICS_LIMIT: Final = 8
# What Tasmota keeps of an address, in characters.
URL_LIMIT: Final = 150
# Signs that Tasmota fills in, or ends a command at.
FORBIDDEN: Final = "%; "
HOME_ASSISTANT: Final = "home_assistant"
FEED: Final = "feed"
# In seconds.
MINUTE = 60.0
# How long a board that runs its old build again may take to say why, in seconds.
QUIET = 60.0
# How long a board that was asked what it runs may take to answer, in seconds.
ANSWER = 15.0
# How long it may stay away after its restart, beyond what every board may.
LATE = 120.0


class TasmotaDialect(BaseDialect):
    """Boards with Tasmota, which Home Assistant's own integration may know too."""

    name = "tasmota"
    traits = Traits.REPORTS_VERSION | Traits.GUEST

    def __init__(self, key: str, settings: Mapping[str, Any], filters: tuple[str, ...]) -> None:
        """Hear boards below these filters; know nobody yet."""
        super().__init__(key)
        self._ear = Ear(key, settings, filters)
        self._spots = self._ear.spots
        self._patience = settings["minutes"] * MINUTE
        self._from_feed = settings["source"] == FEED

    def topics(self) -> tuple[tuple[str, int], ...]:
        """Return the topic filters to subscribe, each with its QoS."""
        return self._ear.topics()

    def board_id(self, message: Message) -> str | None:
        """Return which board a message is from, by its MAC; None when it names no valid one."""
        return self._ear.board_id(message)

    def read(self, message: Message, known: Board | None) -> Reading | Ignored:
        """Say what a message is, of a board that is `known` so far. Never raises, whatever the bytes."""
        return self._ear.read(message, known)

    def transport(self, board: Board, preferred: Transport) -> Transport:
        """Choose how the image gets to a board; raises OtaError when a command would reach another one too."""
        spot = self._spots.of(board.id)
        if spot is not None and self._spots.is_shared(spot):
            topic = spot.place.commands
            raise OtaError(Reason.TOPIC_SHARED, board=board.name or board.id, topic=topic)
        return Transport.HTTP

    def begin(self, session: Session, board: Board, now: float) -> list[Effect]:
        """Ask for the board's present address, or tell it the new one where that is known."""
        session.offer(now)
        session.memo |= {"sent": False, "late": False, "asked": False, "back": False, "rescue": ""}
        spot = self._spot(session, board)
        if spot is None:
            return []
        return [self._offer(session, board, spot) if "former" in session.memo else spot.command("OtaUrl")]

    def receive(self, session: Session, board: Board, message: Message, now: float) -> list[Effect]:
        """Move an active session by what its board said. Never raises, whatever the bytes."""
        spot = self._spot(session, board)
        if spot is None:
            return []
        if self._ear.is_config(message):
            self._came_back_early(session, now)
            return []
        try:
            fields = Fields(message.payload, CONFIG_LIMIT)
            if message.topic.endswith("/STATUS2"):
                session.memo["rescue"] = read_firmware(message.payload, "").image
                return []
            url, said = fields.text("OtaUrl", 256, default=""), fields.text("Upgrade", 256, default="")
        except FieldError as err:
            return [Ignored(str(err))]
        return self._told(session, board, spot, url, now) if url else self._heard(session, spot, said, now)

    def tick(self, session: Session, board: Board, now: float) -> list[Effect]:
        """Ask a board that is overdue what it runs, and give up where it does not say."""
        spot = self._spot(session, board)
        effects = self._overdue(session, board, spot, now)
        if spot is None or session.is_active:
            return effects
        # Whoever is there after all says whether it has the address of this update still, and gets its own back.
        return [*effects, spot.command("Status", "1")]

    def silent(self, session: Session, board: Board, now: float) -> list[Effect]:
        """End the session of a board that was told to fetch, and said no more."""
        was_fetched = self._from_feed or session.memo.get("fetched")
        session.fail(Reason.STALLED if was_fetched else Reason.NEVER_FETCHED, now)
        return [StopBlocks()]

    def presence(self, session: Session, board: Board, availability: Availability, now: float) -> list[Effect]:
        """Ask a board that is back what it runs; one that goes before it was told to fetch is waited for."""
        spot = self._spot(session, board)
        match session.state, availability:
            case State.REBOOTING, Availability.ONLINE if spot is not None:
                # In this order: the address can be given back once the verdict has fallen.
                return list(reversed(spot.questions()))
            case State.OFFERED, Availability.OFFLINE if not session.memo.get("sent"):
                session.wait(now)
                return []
        return super().presence(session, board, availability, now)

    def fetched(self, session: Session, board: Board, position: int, now: float) -> list[Effect]:
        """Take a fetch for a sign of life."""
        if session.state in BUSY:
            session.memo["fetched"], session.memo["back"] = True, False
            session.alive(State.TRANSFERRING, now, held=position, patience=self._patience)
        return []

    def cancel(self, session: Session, board: Board, now: float) -> list[Effect]:
        """Give the board its address back while it was not told to fetch; later it cannot be stopped."""
        spot = self._spot(session, board)
        if spot is None or "told" not in session.memo or session.memo.get("sent"):
            return [StopBlocks()]
        return [StopBlocks(), spot.restored()]

    def _overdue(self, session: Session, board: Board, spot: Spot | None, now: float) -> list[Effect]:
        waits = QUIET if session.memo.get("back") else self._patience
        match session.state:
            case State.OFFERED if session.memo.get("sent") and not session.memo.get("late"):
                # It may be on its way: a second command would let it begin anew.
                session.memo["late"] = True
                session.offer(now, patience=self._patience if self._from_feed else QUIET)
            case State.OFFERED if session.memo.get("sent"):
                return self.silent(session, board, now)
            case State.TRANSFERRING if now < session.changed + waits:
                session.wake_at = session.changed + waits
            case State.TRANSFERRING if spot is not None and not session.memo.get("asked"):
                session.memo["asked"] = True
                session.offer(now, patience=ANSWER)
                return [spot.command("Status", "2")]
            case State.REBOOTING if spot is not None and not session.attempts and not session.came_back_old:
                session.offer(now, patience=LATE)
                return [spot.command("Status", "2")]
            case State.REBOOTING | State.TRANSFERRING if session.memo.get("rescue"):
                session.fail(Reason.BOARD_FAILED, now, session.memo["rescue"])
            case _:
                return super().tick(session, board, now)
        return [StopBlocks()]

    def _spot(self, session: Session, board: Board) -> Spot | None:
        """Return where a board is spoken to; its next address is then this session's matter."""
        spot = self._spots.of(board.id)
        if spot is not None:
            spot.session = session
        return spot

    def _offer(self, session: Session, board: Board, spot: Spot) -> OfferUrl:
        """Make an address, and tell it."""

        def _tell(url: str) -> bytes:
            session.memo["told"] = url
            return url.encode()

        name = "firmware" if board.build == NO_BUILD else board.build
        return OfferUrl(
            spot.command("OtaUrl").topic,
            frozenset({"http", "https"}),
            _tell,
            limit=URL_LIMIT,
            forbidden=FORBIDDEN,
            name=f"{name}.bin",
            from_feed=self._from_feed,
        )

    def _told(self, session: Session, board: Board, spot: Spot, url: str, now: float) -> list[Effect]:
        """Note the address that a board has, and go on with the next step: the new one, then the update."""
        memo = session.memo
        if session.state is not State.OFFERED or memo.get("sent"):
            return []
        if "former" not in memo:
            memo["former"] = "" if is_ours(url) else url
            session.alive(State.OFFERED, now)
            return [self._offer(session, board, spot)]
        if url == memo.get("told"):
            memo["sent"] = True
            session.alive(State.OFFERED, now)
            return [spot.command("Upgrade", "1")]
        told = memo.get("told", "")
        is_older = url == memo["former"] or (is_ours(url) and not told.startswith(url))
        if not told or is_older:
            return []
        session.fail(Reason.BOARD_REFUSED, now, url)
        return [StopBlocks(), spot.restored()]

    def _heard(self, session: Session, spot: Spot, said: str, now: float) -> list[Effect]:
        """Take what a board says of its update."""
        if session.state not in BUSY or not session.memo.get("sent"):
            return [Ignored("speaks of an update that is not this one")]
        what, _, why = said.partition(" ")
        match what.rstrip("."):
            case "Version":
                session.alive(State.TRANSFERRING, now, patience=self._patience)
                return []
            case "Successful":
                session.alive(State.REBOOTING, now)
                return []
            case "Failed":
                session.fail(reason_of(why), now, why)
            case _:
                session.fail(Reason.BOARD_REFUSED, now, said)
        return [StopBlocks(), spot.restored()]

    def _came_back_early(self, session: Session, now: float) -> None:
        """Wait less for a board that runs its old build again: it fetches no more, or would fetch from here anew."""
        if session.state is State.TRANSFERRING and not self._from_feed:
            session.memo["back"] = True
            session.alive(State.TRANSFERRING, now, patience=QUIET)


def _make(key: str, settings: Mapping[str, Any]) -> TasmotaDialect:
    """Return the dialect of these settings; raises SettingError."""
    if Topic(settings["prefix"]).has_id:
        raise SettingError("prefix", "topic_invalid")
    lines = [line.strip() for line in settings["full_topics"].splitlines() if line.strip()]
    if not 0 < len(lines) <= FULL_TOPICS_LIMIT:
        raise SettingError("full_topics", "missing" if not lines else "text_invalid")
    filters = {}
    for line in lines:
        try:
            filters[filter_of(line)] = line
        except ValueError as err:
            raise SettingError("full_topics", "full_topic_invalid", line=line) from err
    return TasmotaDialect(key, settings, tuple(filters))


KIND: Final = Kind(
    name=TasmotaDialect.name,
    make=_make,
    settings=(
        Setting(key="prefix", type=SettingType.TOPIC, default="tasmota/discovery", required=True),
        Setting(key="full_topics", type=SettingType.LINES, default="%prefix%/%topic%/", required=True),
        Setting(
            key="source", type=SettingType.CHOICE, default=HOME_ASSISTANT, choices=(HOME_ASSISTANT, FEED), required=True
        ),
        Setting(key="minutes", type=SettingType.NUMBER, default=10, low=2, high=60, unit="min"),
        Setting(key="esp32_only", type=SettingType.FLAG, default=True),
    ),
)

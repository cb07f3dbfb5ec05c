"""Boards with MicroPython that fetch one file after the other over TCP, from where a message says.

They tell nothing, and restart whenever something goes wrong. `tests/seeds/socket_pull.py` plays one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
import hashlib
from ipaddress import AddressValueError, IPv4Address
from typing import Any, Final

from ..board import Board
from ..bundle import MICROPYTHON, is_bundle, read_bundle
from ..errors import OtaError, Reason
from ..session import Session, State
from . import Echo, Effect, Ignored, Leftover, Message, OfferSocket, Reading, StopBlocks, Traits
from .base import OFFERS, BaseDialect
from .settings import MODEL, Kind, Setting, SettingError, SettingType
from .topics import Topic

# What the verdict rests on: nobody saw the board come back.
FETCHED_ALL: Final = "fetched_all"
# How long after the board came it may read at the longest, in seconds; the listener gives up before.
LONGEST: Final = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How a board is offered its files: `listens` and `restarts` are seconds.

    `restarts_once` is a board that can be told to restart after the last file alone.
    """

    topic: str
    ports: tuple[int, int]
    host: str
    address: str
    listens: float
    restarts: float
    restarts_once: bool


class SocketPullDialect(BaseDialect):
    """One board that the user named, since it does not announce itself."""

    name = "socket_pull"
    traits = Traits.PROGRESS

    def __init__(self, key: str, board: Board, terms: Terms) -> None:
        """Speak to this board on these terms."""
        super().__init__(key)
        self._board = board
        self._terms = terms

    def topics(self) -> tuple[tuple[str, int], ...]:
        """Return the topic of its commands: what somebody left there makes the board restart again and again."""
        return ((self._terms.topic, 0),)

    def boards(self) -> tuple[Board, ...]:
        """Return the board."""
        return (self._board,)

    def board_id(self, message: Message) -> str | None:
        """Return which board a message is for."""
        return self._board.id if message.topic == self._terms.topic else None

    def read(self, message: Message, known: Board | None) -> Reading | Ignored:
        """Find commands that somebody left; the others are commands as well, and no board's words."""
        return Leftover(message.topic) if message.retain else Echo()

    def prepare(self, session: Session, board: Board, image: bytes) -> None:
        """Note the name, offset, length and SHA-1 of each file; raises OtaError(NOT_FILES) where it is none."""
        if not is_bundle(image):
            raise OtaError(Reason.NOT_FILES)
        files = read_bundle(image).files
        offset = len(image) - sum(len(file.content) for file in files)
        noted = []
        for file in files:
            digest = hashlib.sha1(file.content, usedforsecurity=False).hexdigest()
            noted.append([file.name, offset, len(file.content), digest])
            offset += len(file.content)
        session.memo |= {"files": noted, "at": 0}

    def begin(self, session: Session, board: Board, now: float) -> list[Effect]:
        """Offer the file whose turn it is."""
        session.offer(now, patience=self._terms.listens + LONGEST)
        return [self._offer(session)]

    def tick(self, session: Session, board: Board, now: float) -> list[Effect]:
        """Go on when the board had its time to restart."""
        match session.state:
            case State.QUEUED | State.WAITING:
                return super().tick(session, board, now)
            case State.REBOOTING:
                session.came_back(now, FETCHED_ALL)
            case _ if session.attempts < OFFERS:
                return self.begin(session, board, now)
            case _:
                self._give_up(session, Reason.NEVER_FETCHED, now)
        return [StopBlocks()]

    def served(self, session: Session, board: Board, failure: Reason | None, now: float) -> list[Effect]:
        """Go on to the next file, or offer the same one again when the board is back."""
        if failure is not None:
            return self._missed(session, failure, now)
        terms, files = self._terms, session.memo["files"]
        _, offset, length, _ = files[session.memo["at"]]
        session.memo["at"] += 1
        if session.memo["at"] == len(files):
            session.alive(State.REBOOTING, now, held=session.target.size, patience=terms.restarts)
            return []
        session.alive(State.TRANSFERRING, now, held=offset + length, patience=terms.restarts)
        return self.begin(session, board, now) if terms.restarts_once else []

    def transport_failed(
        self, session: Session, board: Board, reason: Reason, now: float, detail: str = ""
    ) -> list[Effect]:
        """End the session: there is no other way."""
        self._give_up(session, reason, now)
        return [StopBlocks()]

    def _missed(self, session: Session, failure: Reason, now: float) -> list[Effect]:
        if session.attempts >= OFFERS:
            self._give_up(session, failure, now)
            return [StopBlocks()]
        # Whatever went wrong, the board restarts over it.
        session.away(now, self._terms.restarts)
        return []

    def _give_up(self, session: Session, reason: Reason, now: float) -> None:
        """Fail, and name the file; those before it are in place already."""
        at, files = session.memo["at"], session.memo["files"]
        session.fail(Reason.HALF_DELIVERED if at else reason, now, f"{at + 1}/{len(files)}: {files[at][0]}")

    def _offer(self, session: Session) -> OfferSocket:
        terms, at, files = self._terms, session.memo["at"], session.memo["files"]
        name, offset, length, digest = files[at]
        fields = [name, digest]
        if terms.restarts_once:
            fields.append("1" if at + 1 == len(files) else "0")
        return OfferSocket(
            terms.topic,
            offset,
            length,
            lambda host, port: "|".join((host, str(port), *fields)).encode(),
            ports=terms.ports,
            host=terms.host,
            address=terms.address,
            seconds=terms.listens,
            qos=0,
        )


def _address(settings: Mapping[str, Any], key: str) -> str:
    """Return an IP address of version 4 that was set, or empty: these boards know no other."""
    text: str = settings[key]
    try:
        return str(IPv4Address(text)) if text else ""
    except AddressValueError as err:
        raise SettingError(key, "address_invalid") from err


def _make(key: str, settings: Mapping[str, Any]) -> SocketPullDialect:
    ports = int(settings["first_port"]), int(settings["last_port"])
    if ports[0] > ports[1]:
        raise SettingError("last_port", "ports_invalid")
    board = Board(id=settings["id"], dialect=key, model=settings["model"], chip=MICROPYTHON)
    terms = Terms(
        topic=Topic(settings["command_topic"]).of(board.id),
        ports=ports,
        host=_address(settings, "host"),
        address=_address(settings, "address"),
        listens=float(settings["seconds"]),
        restarts=float(settings["restart_seconds"]),
        restarts_once=settings["reboot_field"],
    )
    return SocketPullDialect(key, board, terms)


KIND: Final = Kind(
    name=SocketPullDialect.name,
    make=_make,
    settings=(
        Setting(key="id", type=SettingType.BOARD_ID, required=True),
        Setting(key="command_topic", type=SettingType.TOPIC, default="{id}/OTA", required=True),
        Setting(key="address"),
        Setting(key="host"),
        Setting(key="first_port", type=SettingType.NUMBER, default=49200, low=1024, high=65535),
        Setting(key="last_port", type=SettingType.NUMBER, default=49299, low=1024, high=65535),
        Setting(key="seconds", type=SettingType.NUMBER, default=10, low=3, high=60, unit="s"),
        Setting(key="restart_seconds", type=SettingType.NUMBER, default=20, low=3, high=300, unit="s"),
        Setting(key="reboot_field", type=SettingType.FLAG, default=True),
        MODEL,
    ),
)

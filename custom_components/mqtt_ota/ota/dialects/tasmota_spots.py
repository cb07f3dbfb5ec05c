"""Where Tasmota boards are spoken to, whose topics are whose, and the addresses that they are owed."""

from dataclasses import dataclass
import re
from typing import Final

from ..session import Session, State
from . import Publish
from .tasmota_words import Place

BOARDS_LIMIT: Final = 2048
# States in which a board may be fetching, or is about to.
BUSY: Final = frozenset({State.OFFERED, State.TRANSFERRING})

_OURS: Final = re.compile(r"https?://[^/]+/mqtt_ota/[\w-]{22}(?:/|$)")


@dataclass(slots=True)
class Spot:
    """What is known of a board beside what it is: its topics, its address for updates, and its last session."""

    place: Place
    ota_url: str = ""
    session: Session | None = None

    def command(self, name: str, payload: str = "") -> Publish:
        """Return a command; without a payload it is a question."""
        return Publish(f"{self.place.commands}/{name}", payload.encode())

    @property
    def is_updating(self) -> bool:
        """Tell whether questions would disturb an update."""
        return self.session is not None and self.session.state in BUSY

    def questions(self) -> tuple[Publish, ...]:
        """Ask where the board updates from, then what it runs."""
        return self.command("Status", "1"), self.command("Status", "2")

    def repair(self) -> tuple[Publish, ...]:
        """Give a board back the address that it had before an update that is over."""
        told = ""
        if self.session is not None:
            if self.session.is_active:
                return ()
            told = self.session.memo.get("told", "")
        if told and self.ota_url == told:
            return (self.restored(),)
        return (self.command("OtaUrl", "1"),) if is_ours(self.ota_url) else ()

    def restored(self) -> Publish:
        """Return the command that gives back the former address; `1` is the one that the build came with."""
        former = "" if self.session is None else self.session.memo.get("former", "")
        return self.command("OtaUrl", former or "1")


class Spots:
    """The spots of all boards that announced themselves, by their ids."""

    def __init__(self) -> None:
        """Know nobody yet."""
        self._spots: dict[str, Spot] = {}
        self._owners: dict[str, set[str]] = {}

    def of(self, board_id: str) -> Spot | None:
        """Return the spot of a board."""
        return self._spots.get(board_id)

    def owner(self, topic: str) -> str | None:
        """Return whose a topic is, without its last level; None where it is nobody's, or not of one board alone."""
        owners = self._owners.get(topic, set())
        return next(iter(owners)) if len(owners) == 1 else None

    def is_shared(self, spot: Spot) -> bool:
        """Tell whether a command for a board would reach another one too."""
        return any(len(self._owners[topic]) > 1 for topic in spot.place.topics)

    def learn(self, board_id: str, place: Place) -> Spot | None:
        """Note where a board is spoken to; None where there are too many boards."""
        spot = self._spots.get(board_id)
        if spot is None:
            if len(self._spots) >= BOARDS_LIMIT:
                return None
            spot = self._spots[board_id] = Spot(place)
        for topic in spot.place.topics:
            owners = self._owners.pop(topic, set()) - {board_id}
            if owners:
                self._owners[topic] = owners
        spot.place = place
        for topic in place.topics:
            self._owners.setdefault(topic, set()).add(board_id)
        return spot


def is_ours(url: str) -> bool:
    """Tell whether an address is one that Home Assistant made for an update."""
    return _OURS.match(url) is not None

"""What is heard of Tasmota boards: who is there, and what each message means."""

from collections.abc import Mapping
from dataclasses import replace
import re
from typing import Any, Final

from ..board import Availability, Board, Transport
from ..fields import FieldError, Fields
from . import Announcement, Answer, Echo, Hint, Ignored, Leftover, Message, Presence, Reading
from .tasmota_spots import BOARDS_LIMIT, Spot, Spots
from .tasmota_words import CONFIG_LIMIT, ESP8266, Place, is_heard, read_config, read_firmware

# Whoever did not announce itself, or shares its topics.
_NOBODY: Final = "nobody"
_WORDS: Final = ("LWT", "STATUS1", "STATUS2", "RESULT", "OTAURL", "UPGRADE")
_UPGRADE: Final = "Upgrade"
_MAC: Final = re.compile(r"[0-9A-Fa-f]{12}")


class Ear:
    """Hears the boards below some topic filters, and remembers where each is spoken to."""

    def __init__(self, key: str, settings: Mapping[str, Any], filters: tuple[str, ...]) -> None:
        """Hear for the dialect of this key; know nobody yet."""
        self.spots: Final = Spots()
        self._key = key
        self._discovery = settings["prefix"].rstrip("/")
        self._config = re.compile(re.escape(self._discovery) + "/([^/]+)/config")
        self._filters = filters
        self._esp32_only = settings["esp32_only"]
        self._last_words: dict[str, str] = {}

    def is_config(self, message: Message) -> bool:
        """Tell whether a board announces itself."""
        return self._config.fullmatch(message.topic) is not None

    def topics(self) -> tuple[tuple[str, int], ...]:
        """Return the topic filters to subscribe, each with its QoS.

        Who is there comes after the answers: whoever is heard of is asked at once, and must be heard by then. A command
        that somebody retained means something once it is known whose it is.
        """
        heard = [(f"{one}/{word}", 1) for word in _WORDS for one in self._filters]
        commands = [(f"{one}/{_UPGRADE}", 1) for one in self._filters]
        return (*heard, (f"{self._discovery}/+/config", 1), *commands)

    def board_id(self, message: Message) -> str | None:
        """Return which board a message is from, by its MAC; None when it names no valid one."""
        if found := self._config.fullmatch(message.topic):
            return found[1] if _MAC.fullmatch(found[1]) else None
        return self.spots.owner(message.topic.rpartition("/")[0]) or _NOBODY

    def read(self, message: Message, known: Board | None) -> Reading | Ignored:
        """Say what a message is, of a board that is `known` so far. Never raises, whatever the bytes."""
        board_id = self.board_id(message) or _NOBODY
        topic, _, word = message.topic.rpartition("/")
        try:
            if self.is_config(message):
                return self._read_config(message, known, board_id)
            if word == "LWT":
                return self._read_last_will(message, topic, board_id)
            spot = self.spots.of(board_id)
            if spot is None or known is None:
                return Echo()
            if word == _UPGRADE:
                # A command: only one that somebody retained concerns anybody.
                return Leftover(message.topic) if message.retain and topic == spot.place.commands else Echo()
            if message.retain:
                return Ignored("retained by somebody")
            match word:
                case "STATUS1":
                    return self._read_address(message, known, spot)
                case "STATUS2":
                    return self._read_firmware(message, known, spot)
        except FieldError as err:
            return Ignored(str(err))
        return Answer() if b'"OtaUrl"' in message.payload or b'"Upgrade"' in message.payload else Echo()

    def _read_config(self, message: Message, known: Board | None, board_id: str) -> Reading | Ignored:
        config = read_config(message.payload, board_id)
        place = config.place
        if not all(is_heard(topic, self._filters) for topic in (place.answers, place.tells)):
            return Ignored(f"the full topic of {place.answers} is not set up")
        spot = self.spots.learn(board_id, place)
        if spot is None or self.spots.is_shared(spot):
            return Ignored("there are too many boards" if spot is None else f"two boards share {place.commands}")
        board = replace(
            known or Board(id=board_id, dialect=self._key),
            name=config.name,
            model=config.model,
            project="Tasmota",
            mac=":".join(re.findall("..", board_id.lower())),
            transports=frozenset({Transport.HTTP}),
            address=config.address,
        )
        if not board.build:
            return Hint(board, spot.questions())
        is_other = config.version != board.version
        # A board that updates is not disturbed.
        asks = spot.questions() if is_other or not (message.retain or spot.is_updating) else ()
        last = self._last_words.get(place.tells)
        availability = Availability.ONLINE if not message.retain else _availability(place, last)
        board = replace(board, version=config.version or board.version)
        return Announcement(board, asks, not message.retain, availability)

    def _read_last_will(self, message: Message, topic: str, board_id: str) -> Reading | Ignored:
        # It may come before the board has told its words.
        said = message.payload[:64].decode(errors="replace")
        if topic in self._last_words or len(self._last_words) < BOARDS_LIMIT:
            self._last_words[topic] = said
        spot = self.spots.of(board_id)
        availability = None if spot is None else _availability(spot.place, said)
        return Echo() if availability is None else Presence(availability)

    def _read_address(self, message: Message, known: Board, spot: Spot) -> Reading:
        spot.ota_url = Fields(message.payload, CONFIG_LIMIT).inside("StatusPRM").text("OtaUrl", 256, default="")
        repair = spot.repair()
        return Hint(known, repair) if repair else Echo()

    def _read_firmware(self, message: Message, known: Board, spot: Spot) -> Reading:
        firmware = read_firmware(message.payload, spot.ota_url)
        if firmware.is_intermediate:
            return Answer()
        if firmware.chip == ESP8266 and self._esp32_only:
            return Echo()
        board = replace(known, version=firmware.version, chip=firmware.chip, build=firmware.build)
        return Announcement(board, availability=Availability.ONLINE)


def _availability(place: Place, said: str | None) -> Availability | None:
    """Return what the words of a board's last will mean."""
    return {place.online: Availability.ONLINE, place.offline: Availability.OFFLINE}.get(said or "")

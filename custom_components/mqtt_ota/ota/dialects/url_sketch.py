"""A sketch that is told a URL, as its user described it: its topics, its command, and what its words mean."""

from collections.abc import Mapping
from dataclasses import dataclass
import re
from typing import Any, Final

from ..board import Availability
from . import Message
from .patterns import Pattern, Template, readable
from .settings import SettingError
from .topics import Topic

WORDS: Final = frozenset({"url", "version", "size", "sha256", "md5", "id"})
# A board whose name is not known: no id has this sign.
NOBODY: Final = "*"
FROM_FEED: Final = "feed"
# The ways in which boards name what they run, each with its form; `built` is when that was built.
DIGESTS: Final = {
    "elf": re.compile(r"[0-9a-f]{32}|[0-9a-f]{64}"),
    "sha256": re.compile(r"[0-9a-f]{64}"),
    "md5": re.compile(r"[0-9a-f]{32}"),
    "built": re.compile(r"\S.*"),
}

# The patterns of each topic, each with the word that it looks for and whether it must.
_STATUS: Final = {
    "pattern_failure": ("reason", False),
    "pattern_success": ("", False),
    "pattern_progress": ("percent", True),
}
_VERSION: Final = {"pattern_version": ("version", True), "pattern_digest": ("digest", True)}
_PRESENCE: Final = {"offline": ("", False), "online": ("", False)}
_GROUPS: Final = {"status_topic": _STATUS, "version_topic": _VERSION, "presence_topic": _PRESENCE}
_FILE_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a message says; None and empty texts are what it does not say."""

    version: str = ""
    digest: str = ""
    availability: Availability | None = None
    failure: str | None = None
    is_done: bool = False
    percent: float | None = None

    @property
    def tells_what_runs(self) -> bool:
        """Tell whether it depends on the image that runs."""
        return bool(self.version or self.digest)

    @property
    def has_word(self) -> bool:
        """Tell whether it is about an update."""
        return self.failure is not None or self.is_done or self.percent is not None


class Sketch:
    """The settings of a dialect, read; raises SettingError for those that cannot be used."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Read the settings."""
        self.id: Final[str] = settings["id"]
        self.command: Final = self._topic(settings["command_topic"])
        self.is_shared: Final = not Topic(settings["command_topic"]).has_id
        self.from_feed: Final = settings["source"] == FROM_FEED
        self.longest: Final = int(settings["longest"])
        self.qos: Final = int(settings["qos"])
        self.template: Final = self._template(settings["payload"])
        self._patterns: Final = _patterns(settings)
        self._digest: Final[str] = settings["digest"]
        self._heard = self._groups(settings)
        self._check_ids()
        self._check_ends(settings)

    @property
    def tells_what_runs(self) -> bool:
        """Tell whether its boards say anything that depends on the image that they run."""
        return not _VERSION.keys().isdisjoint(self._patterns)

    @property
    def tells_version(self) -> bool:
        """Tell whether its boards say a version."""
        return "pattern_version" in self._patterns

    @property
    def tells_presence(self) -> bool:
        """Tell whether its boards say that they are there again."""
        return "online" in self._patterns

    @property
    def tells_progress(self) -> bool:
        """Tell whether its boards say how far they are."""
        return "pattern_progress" in self._patterns

    @property
    def speaks(self) -> bool:
        """Tell whether its boards say how an update goes, at least at its end."""
        return self.tells_progress or "pattern_success" in self._patterns

    @property
    def is_seen_fetching(self) -> bool:
        """Tell whether Home Assistant sees a board fetch, as it is from its own server."""
        return "url" in self.template.words and not self.from_feed

    def topics(self) -> tuple[str, ...]:
        """Return the topic filters to subscribe."""
        return tuple(dict.fromkeys((self.command.filter, *(topic.filter for topic in self._heard))))

    def is_command(self, topic: str) -> bool:
        """Tell whether it is a topic of commands."""
        return self.command.match(topic) is not None

    def board_id(self, message: Message) -> str | None:
        """Return which board a message is from; None when it names no valid one."""
        if (named := self.command.match(message.topic)) is not None:
            return named or self.id or NOBODY
        named = next((found for topic in self._heard if (found := topic.match(message.topic)) is not None), None)
        if named == "" and "pattern_id" in self._patterns:
            named = self._patterns["pattern_id"].find(readable(message.payload))
        return (named or self.id or None) if named is not None else None

    def hear(self, message: Message) -> Said:
        """Return what a message says of its board."""
        text = readable(message.payload)
        found: dict[str, str] = {}
        for topic, group in self._heard.items():
            if topic.match(message.topic) is not None:
                values = ((key, self._patterns[key].find(text)) for key in group)
                found |= {key: value for key, value in values if value is not None}
        return Said(
            version=_clean(found.get("pattern_version", "")),
            digest=self._named(found.get("pattern_digest", "")),
            availability=_availability(found),
            failure=found.get("pattern_failure"),
            # Where a message can be read both ways, it is no success.
            is_done="pattern_success" in found and "pattern_failure" not in found,
            percent=_percent(found.get("pattern_progress", "")),
        )

    def read(self, captured: bytes) -> dict[str, str]:
        """Return what each pattern finds in a message, whatever its topic; empty for those that do not match."""
        text = readable(captured)
        found = {key: pattern.find(text) for key, pattern in self._patterns.items()}
        return {key: "" if value is None else value or "✓" for key, value in found.items()}

    def overhead(self, topic: str, payload: bytes) -> int:
        """Return how many bytes a message takes on the wire, where it is as long as it may be."""
        length = 2 if self.longest < 130 else 3 if self.longest < 16387 else 4
        return length + 2 + len(topic.encode()) + (2 if self.qos else 0) + len(payload)

    def _topic(self, text: str) -> Topic:
        """Return a topic of the one board that the user named, else of all."""
        return Topic(Topic(text).of(self.id)) if self.id else Topic(text)

    def _template(self, text: str) -> Template:
        template = Template("payload", text, WORDS)
        if self.overhead(self.command.text, template.fill(dict.fromkeys(WORDS, ""))) > self.longest:
            raise SettingError("payload", "payload_too_long", limit=self.longest)
        return template

    def _groups(self, settings: Mapping[str, Any]) -> dict[Topic, tuple[str, ...]]:
        """Return which patterns are looked for on each topic; without a topic of their own, it is the one of the status."""
        heard: dict[str, tuple[str, ...]] = {}
        for key, group in _GROUPS.items():
            used = tuple(one for one in group if one in self._patterns)
            text = settings[key] or settings["status_topic"]
            if used and not text:
                raise SettingError(key, "topic_needed")
            if settings[key] and settings[key] == settings["command_topic"]:
                raise SettingError(key, "topic_of_commands")
            if text:
                heard[text] = (*heard.get(text, ()), *used)
        return {self._topic(text): used for text, used in heard.items()}

    def _check_ids(self) -> None:
        """Refuse what would leave nobody, or everybody, to be heard."""
        finds_id = "pattern_id" in self._patterns
        if self.id:
            if finds_id:
                raise SettingError("id", "id_not_needed")
            return
        if not self._heard or not (finds_id or all(topic.has_id for topic in self._heard)):
            raise SettingError("id", "id_needed", words="{id}")
        if any(topic.filter.split("/")[0] == "+" for topic in self._heard):
            raise SettingError("id", "id_too_wide")

    def _check_ends(self, settings: Mapping[str, Any]) -> None:
        """Refuse settings with which nobody would know what became of an update."""
        if settings["file_name"] and not _FILE_NAME.fullmatch(settings["file_name"]):
            raise SettingError("file_name", "file_name_invalid")
        if not (self.is_seen_fetching or self.tells_what_runs or "pattern_success" in self._patterns):
            raise SettingError("source" if self.from_feed else "payload", "nobody_tells")

    def _named(self, text: str) -> str:
        """Return a digest in the form of `Target.digests`; empty where it is none."""
        text = " ".join(text.split()) if self._digest == "built" else text.lower()
        return f"{self._digest}:{text}" if DIGESTS[self._digest].fullmatch(text) else ""


def _patterns(settings: Mapping[str, Any]) -> dict[str, Pattern]:
    """Return the patterns that there are."""
    words = {"pattern_id": ("id", True), **_STATUS, **_VERSION, **_PRESENCE}
    patterns = {}
    for key, (word, needed) in words.items():
        if not settings[key].strip():
            continue
        is_free = key == "pattern_digest" and settings["digest"] == "built"
        patterns[key] = Pattern(key, settings[key], word, needed=needed, free=is_free)
    return patterns


def _availability(found: Mapping[str, str]) -> Availability | None:
    if "offline" in found:
        return Availability.OFFLINE
    return Availability.ONLINE if "online" in found else None


def _clean(version: str) -> str:
    return version[:64].strip()


def _percent(text: str) -> float | None:
    try:
        percent = float(text.replace(",", "."))
    except ValueError:
        return None
    return percent if 0 <= percent <= 100 else None

"""A JSON document that somebody else wrote: its places, each read with a type and a bound.

Every reader refuses what is wrong with OtaError(FEED_INVALID), whose `detail` is the JSON path of the place.
A member that is null and one that is not there are the same.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
import json
import re
from typing import Any, NoReturn
from urllib.parse import quote, unquote, urljoin, urlsplit

from ..errors import OtaError, Reason
from ..release import Channel, Release
from ..version import newest_first

MAX_BYTES = 4 * 1024 * 1024
MAX_ENTRIES = 1000
MAX_RELEASES = 100
MAX_ASSETS = 100
MAX_TITLE = 200
MAX_NOTES = 20_000

# What a text must match as a whole; the manifest's schema says the same.
CHIP = re.compile(r"ESP[0-9]{2,4}(?:-[A-Z][0-9]{1,2})?|MicroPython|host")
FILE_NAME = re.compile(r"(?!\.\.?$)[ -.0-\[\]-~\u00a1-\ud7ff\ue000-\ufffd]{1,255}")
LABEL = re.compile(r"[ -~\u00a1-\ud7ff\ue000-\ufffd]{1,64}")
LINK = re.compile(
    r"(?:[Hh][Tt][Tt][Pp][Ss]?://(?:[!-.0-;=A-Z_a-z~]*@)?(?:[0-9A-Za-z._~-]+|\[[0-9A-Fa-f:.]+\])"
    r"(?::[0-9]{1,5})?(?![^/?#])|(?!//)(?![A-Za-z][A-Za-z0-9+.-]*:)(?=[^ ]))"
    r"[ !#-;=?-\[\]-~\u00a1-\ud7ff\ue000-\ufffd]{0,2000}"
)
MD5 = re.compile(r"[0-9A-Fa-f]{32}")
MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(?:Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
SHA256 = re.compile(r"[0-9A-Fa-f]{64}")
SIGNATURE = re.compile(r"[A-Za-z0-9+/]{85}[AQgw]==")
VERSION = re.compile(r"[!-~](?:[ -~]{0,62}[!-~])?")

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_RESERVED = "!#$%&'()*+,/:;=?@[]~"


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a document, its JSON path, and what stands there; None for nothing."""

    value: Any
    path: str = "$"

    @property
    def is_absent(self) -> bool:
        """Tell whether nothing stands here."""
        return self.value is None

    def refuse(self) -> NoReturn:
        """Say that what stands here is wrong."""
        raise OtaError(Reason.FEED_INVALID, detail=self.path)

    def required(self) -> Place:
        """Return this place, refused if nothing stands here."""
        return self.refuse() if self.is_absent else self

    def __getitem__(self, member: str) -> Place:
        """Return the place of an object's member."""
        if not isinstance(self.value, dict):
            self.refuse()
        return Place(self.value.get(member), f"{self.path}.{member}")

    def items(self, most: int) -> list[Place]:
        """Return the places of a list's items; the first beyond `most` is refused."""
        if not isinstance(self.value, list):
            self.refuse()
        places = [Place(item, f"{self.path}[{index}]") for index, item in enumerate(self.value[: most + 1])]
        return places if len(places) <= most else places[most].refuse()

    def matched(self, pattern: re.Pattern[str]) -> str:
        """Return a text that matches as a whole, or nothing where nothing stands."""
        if self.is_absent:
            return ""
        if not isinstance(self.value, str) or not pattern.fullmatch(self.value):
            self.refuse()
        return self.value

    def text(self, most: int = MAX_NOTES) -> str:
        """Return a text for people, cut at `most` characters, without what no screen can show."""
        if self.is_absent:
            return ""
        if not isinstance(self.value, str):
            self.refuse()
        text = _UNPRINTABLE.sub("", self.value.replace("\r\n", "\n").replace("\r", "\n")).strip()
        return text if len(text) <= most else f"{text[: most - 1]}…"

    def title(self) -> str:
        """Return a text for people on one line."""
        return " ".join(self.text(MAX_TITLE).split())

    def integer(self, low: int, high: int) -> int | None:
        """Return a whole number from `low` to `high`; 1.0 is one, as in JSON Schema."""
        if self.is_absent:
            return None
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            self.refuse()
        if not low <= self.value <= high or self.value != int(self.value):
            self.refuse()
        return int(self.value)

    def flag(self) -> bool:
        """Return true or false; false where nothing stands."""
        if not self.is_absent and not isinstance(self.value, bool):
            self.refuse()
        return bool(self.value)

    def moment(self) -> str:
        """Return a date, or a date and time, of ISO 8601; nothing for one that no calendar has."""
        text = self.matched(MOMENT)
        try:
            datetime.fromisoformat(text)
        except ValueError:
            return ""
        return text

    def link(self, base_url: str) -> str:
        """Return an absolute http or https URL, from one or from one relative to `base_url`."""
        if self.is_absent:
            return ""
        try:
            parts = urlsplit(quote(urljoin(base_url, self.matched(LINK)), safe=_RESERVED))
            is_web = parts.scheme in {"http", "https"} and parts.hostname and (parts.port is None or parts.port)
        except ValueError:
            self.refuse()
        return parts.geturl() if is_web else self.refuse()


def load(body: bytes) -> Place:
    """Return the root of a document; raises OtaError(FEED_EMPTY, FEED_IS_HTML, FEED_NOT_JSON or FEED_TOO_LARGE)."""
    if len(body) > MAX_BYTES:
        raise OtaError(Reason.FEED_TOO_LARGE, limit=MAX_BYTES)
    start = body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if not start:
        raise OtaError(Reason.FEED_EMPTY)
    if start == b"<":
        raise OtaError(Reason.FEED_IS_HTML)
    try:
        return Place(json.loads(body.decode("utf-8-sig"), parse_constant=_refuse_constant))
    except (ValueError, RecursionError) as err:
        raise OtaError(Reason.FEED_NOT_JSON) from err


def _refuse_constant(name: str) -> NoReturn:
    # Python reads NaN and Infinity, JSON has neither.
    raise ValueError(name)


def file_name(url: str) -> str:
    """Return the file name at the end of a URL's path; empty when it has none."""
    name = unquote(urlsplit(url).path.rpartition("/")[2])
    return name if FILE_NAME.fullmatch(name) else ""


def read_releases(places: Iterable[Place], read: Callable[[Place], Release | None]) -> tuple[Release, ...]:
    """Read each release on its own; one that is wrong does not hide the others, None is none.

    A release stands or falls whole: without one of its files, another could match a board that it is not meant for.
    When none is left, the first refusal is raised, or OtaError(FEED_EMPTY).
    """
    releases: list[Release] = []
    refusal = OtaError(Reason.FEED_EMPTY)
    for place in places:
        try:
            release = read(place)
        except OtaError as err:
            refusal = err if refusal.reason is Reason.FEED_EMPTY else refusal
        else:
            releases.extend([release] if release else [])
    if not releases:
        raise refusal
    return newest(releases)


def newest(releases: Iterable[Release]) -> tuple[Release, ...]:
    """Return the newest releases, as many as are kept, newest first; where versions have no order, by date."""
    dated = sorted(releases, key=lambda release: release.published, reverse=True)
    return newest_first(dated, lambda release: release.version)[:MAX_RELEASES]


def read_prerelease(place: Place) -> bool:
    """Read whether a release is one, from its `prerelease` or its `channel`; saying both is refused."""
    channel = place["channel"]
    if channel.is_absent:
        return place["prerelease"].flag()
    if channel.value not in tuple(Channel) or not place["prerelease"].is_absent:
        channel.refuse()
    return bool(channel.value == Channel.BETA)

"""Feeds: the formats in which releases are published, each a module that turns a document into releases."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..errors import OtaError
from ..release import Release
from . import esp_web_tools, github, manifest
from .document import Place, load


@dataclass(frozen=True, slots=True)
class Format:
    """One format: whether a document means to be one, and what releases it holds."""

    recognise: Callable[[Place], bool]
    releases: Callable[[Place, str], tuple[Release, ...]]


# In the order in which an unknown document is tried; each looks for a member that the others do not have.
FORMATS = {
    "manifest": Format(manifest.recognise, manifest.releases),
    "esp_web_tools": Format(esp_web_tools.recognise, esp_web_tools.releases),
    "github": Format(github.recognise, github.releases),
}


def parse(kind: str, body: bytes, base_url: str) -> tuple[Release, ...]:
    """Read the releases of a feed, newest first; `base_url` is where it was fetched, `kind` a key of FORMATS.

    Raises OtaError(FEED_NOT_JSON, FEED_IS_HTML, FEED_INVALID, FEED_EMPTY or FEED_TOO_LARGE).
    """
    try:
        return FORMATS[kind].releases(load(body), base_url)
    except OtaError as err:
        raise OtaError(err.reason, url=_shown(base_url), **err.placeholders) from err


def kind_of(body: bytes, base_url: str) -> str:
    """Return the key of the format that a document means to be; raises OtaError as `parse` does."""
    try:
        document = load(body)
        kinds = (kind for kind, form in FORMATS.items() if form.recognise(document))
        return next(kinds, None) or document.refuse()
    except OtaError as err:
        raise OtaError(err.reason, url=_shown(base_url), **err.placeholders) from err


def _shown(url: str) -> str:
    """Return a URL as it may be shown: a login, a query and a fragment can be secret."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()

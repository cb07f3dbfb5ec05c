"""What a feed turns out to hold when it is looked at before it is saved."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from homeassistant.core import HomeAssistant

from .ota.board import Board
from .ota.errors import OtaError, Reason
from .ota.release import Channel, Product, Release, candidates
from .releases import async_try_feed

CONF_KIND: Final = "kind"
CONF_LOCATION: Final = "location"
CONF_GITHUB_TOKEN: Final = "github_token"
CONF_BOARD_ID: Final = "board_id"
CONF_MODEL: Final = "model"
CONF_CHIP: Final = "chip"
CONF_PROJECT: Final = "project"
CONF_ASSET_PATTERN: Final = "asset_pattern"
CONF_CHANNEL: Final = "channel"
CONF_PUBLIC_KEY: Final = "public_key"

GITHUB: Final = "github"
KINDS: Final = (GITHUB, "manifest", "esp_web_tools", "folder")

_GITHUB_HOSTS: Final = frozenset({"github.com", "www.github.com"})
_DOCUMENTS: Final = ("manifest", "esp_web_tools")
_NAME_LENGTH: Final = 64


@dataclass(frozen=True, slots=True)
class FirstLook:
    """A feed that could be read: where it is, and its releases, newest first."""

    source: Mapping[str, Any]
    releases: tuple[Release, ...]

    @property
    def name(self) -> str:
        """Return what the feed's firmware may be called: what its files agree on, else what its address says."""
        kind, location = self.source[CONF_KIND], self.source[CONF_LOCATION]
        if kind == "esp_web_tools" and self.releases[0].title:
            return self.releases[0].title[:_NAME_LENGTH]
        assets = [asset for release in self.releases for asset in release.assets]
        for said in ({asset.model for asset in assets}, {asset.project for asset in assets}):
            if len(said) == 1 and (word := said.pop()):
                return word
        return _name_of_place(kind, location)[:_NAME_LENGTH]

    @property
    def chips(self) -> list[str]:
        """Return the chips that the feed's files say they are for."""
        return sorted({asset.chip for release in self.releases for asset in release.assets if asset.chip})

    @property
    def channel(self) -> Channel:
        """Return the channel in which there is anything: a feed may hold pre-releases alone."""
        return Channel.BETA if all(release.prerelease for release in self.releases) else Channel.STABLE

    def newest(self, channel: Channel) -> str:
        """Return the newest version of a channel, empty when there is none."""
        visible = (release for release in self.releases if channel is Channel.BETA or not release.prerelease)
        return next((release.version for release in visible), "")

    def fitting(self, product: Product, boards: list[Board]) -> int:
        """Return for how many boards there is a file; a fleet's worth of work, so not for the event loop."""
        return sum(bool(candidates(board, product, self.releases)) for board in boards)


async def async_look(hass: HomeAssistant, source: Mapping[str, Any]) -> FirstLook:
    """Read a feed; raises OtaError with what is wrong with it."""
    releases = await async_try_feed(hass, source)
    return FirstLook({**source, CONF_LOCATION: _canonical(source)}, releases)


async def async_recognise(hass: HomeAssistant, url: str) -> FirstLook:
    """Read a feed of which only the address is known; raises OtaError with what is wrong with it."""
    if urlsplit(url).hostname in _GITHUB_HOSTS:
        return await async_look(hass, {CONF_KIND: GITHUB, CONF_LOCATION: url})
    refusals = []
    for kind in _DOCUMENTS:
        try:
            return await async_look(hass, {CONF_KIND: kind, CONF_LOCATION: url})
        except OtaError as err:
            if err.reason is not Reason.FEED_INVALID:
                raise
            refusals.append(err)
    # The format that was followed furthest into the document says best what is wrong with it.
    raise max(refusals, key=lambda err: len(err.placeholders.get("detail", "")))


def _canonical(source: Mapping[str, Any]) -> str:
    """Return a place that could be read, in the one form in which it is kept."""
    location = str(source[CONF_LOCATION]).strip()
    if source[CONF_KIND] != GITHUB:
        return location
    parts = [part for part in location.split("/") if part]
    host = next((index for index, part in enumerate(parts) if part.lower() in _GITHUB_HOSTS), -1)
    owner, repository = parts[host + 1 : host + 3]
    return f"{owner}/{repository.removesuffix('.git')}"


def _name_of_place(kind: str, location: str) -> str:
    """Return the word of an address that says most: a repository, a folder, or the last word before a file."""
    if kind in {GITHUB, "folder"}:
        return location.rstrip("/").rpartition("/")[2] or location
    parts = urlsplit(location)
    words = [unquote(word) for word in parts.path.split("/")[:-1] if word]
    return words[-1] if words else parts.hostname or location

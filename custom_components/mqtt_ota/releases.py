"""The feeds of the `firmware` subentries, each read by one coordinator however many products it holds."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
import logging
import random
import re
from typing import Any, Final, Protocol, override

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.debounce import Debouncer
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator, UpdateFailed

from .const import DOMAIN, SUBENTRY_FIRMWARE
from .firmware_store import FirmwareStore, StoredImage
from .folder_feed import FolderFeed
from .ota.errors import OtaError, Reason
from .ota.release import Asset, Candidate, Channel, Product, Release
from .web_feed import FeedRefused, WebFeed, shown

_LOGGER = logging.getLogger(__name__)

GITHUB_API = "https://api.github.com"
INTERVAL: Final = timedelta(hours=6)
_JITTER: Final = 0.1
# How many releases are read of a repository, and of one whose releases have so many files that this is too much.
_PER_PAGE: Final = (30, 8)
# GitHub allows 60 requests an hour; a fleet that is told to look for updates asks once.
_COOLDOWN: Final = 60.0
_FIRST_RETRY: Final = 300.0
_LONGEST_RETRY: Final = INTERVAL.total_seconds()
_SHORTEST_WISH: Final = 60.0
_LONGEST_WISH: Final = 86_400.0
_REPOSITORY = re.compile(
    r"(?:(?:https?://)?(?:www\.)?github\.com/)?([A-Za-z0-9-]{1,39}/(?!\.{1,2}(?:/|$))[\w.-]{1,100}?)(?:\.git)?(?:/(?:releases/?)?)?",
    re.ASCII,
)


class Source(Protocol):
    """Where releases come from."""

    async def async_load(self) -> tuple[Release, ...] | None:
        """Return the releases, None when they are the same as the last time."""

    async def async_fetch(self, asset: Asset, store: FirmwareStore) -> StoredImage:
        """Bring an asset into the store."""


class ReleaseFeed(DataUpdateCoordinator[tuple[Release, ...]]):
    """The releases of one feed, newest first; while it cannot be read, the last ones that could."""

    config_entry: ConfigEntry

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry, data: Mapping[str, Any]) -> None:
        """Read nothing yet; `data` is that of a subentry which names the feed."""
        super().__init__(
            hass,
            _LOGGER,
            config_entry=entry,
            name=f"firmware feed {shown(_place(data)[1])}",
            update_interval=INTERVAL * _jitter(),
            request_refresh_debouncer=Debouncer(hass, _LOGGER, cooldown=_COOLDOWN, immediate=True),
            always_update=False,
        )
        self.data = ()
        self._subentry = dict(data)
        self._source: Source | None = None
        self._failures = 0
        self._quiet_until = 0.0
        self._refusal: OtaError | None = None
        self._fetched: dict[Asset, str] = {}
        self._fetches: dict[Asset, asyncio.Task[StoredImage]] = {}

    async def async_fetch_image(self, candidate: Candidate, store: FirmwareStore) -> StoredImage:
        """Return a release's image from the store, fetched before if need be; boards that want the same one share it.

        What the feed gives no digest of counts as the same until the feed is read again.
        """
        asset = candidate.asset
        sha256 = asset.sha256 or self._fetched.get(asset, "")
        if sha256 and (stored := await store.async_find(sha256)):
            return stored
        if (fetch := self._fetches.get(asset)) is None:
            fetch = self.config_entry.async_create_background_task(
                self.hass, self._source_of_feed().async_fetch(asset, store), f"{self.name}: fetch {asset.name}"
            )
            self._fetches[asset] = fetch
            fetch.add_done_callback(lambda done: self._async_fetched(asset, done))
        # A board that is cancelled while it waits must not take the image from the others.
        await asyncio.wait([fetch])
        if fetch.cancelled():
            raise OtaError(Reason.CANCELLED)
        return fetch.result()

    @callback
    def _async_fetched(self, asset: Asset, fetch: asyncio.Task[StoredImage]) -> None:
        """Remember which image an asset is."""
        self._fetches.pop(asset, None)
        if not fetch.cancelled() and fetch.exception() is None:
            self._fetched[asset] = fetch.result().sha256

    @override
    async def _async_update_data(self) -> tuple[Release, ...]:
        """Read the feed, unless its server wants to be left alone."""
        if (wait := self._quiet_until - self.hass.loop.time()) > 0 and self._refusal is not None:
            raise _update_failed(self._refusal, wait + 1)
        try:
            releases = await self._source_of_feed().async_load()
        except OtaError as err:
            raise _update_failed(err, self._wait(err)) from err
        self._failures = 0
        self._refusal = None
        self._fetched.clear()
        return self.data if releases is None else releases

    def _wait(self, err: OtaError) -> float:
        """Return how many seconds to leave the feed alone: longer each time, and as long as its server asks."""
        wait = min(_FIRST_RETRY * 2.0 ** min(self._failures, 16), _LONGEST_RETRY) * _jitter()
        self._failures += 1
        if isinstance(err, FeedRefused) and err.retry_after is not None:
            wish = min(max(err.retry_after, _SHORTEST_WISH), _LONGEST_WISH)
            self._quiet_until, self._refusal = self.hass.loop.time() + wish, err
            # The coordinator's clock is a second coarse: it must not ask just before its server is ready.
            wait = max(wait, wish + 1)
        return wait

    def _source_of_feed(self) -> Source:
        """Return where the releases come from."""
        if self._source is None:
            self._source = _source(self.hass, self._subentry)
        return self._source


@callback
def async_feeds(hass: HomeAssistant, entry: ConfigEntry) -> dict[str, ReleaseFeed]:
    """Return the feed of each firmware subentry by its id; those that name the same place share one."""
    subentries = [subentry for subentry in entry.subentries.values() if subentry.subentry_type == SUBENTRY_FIRMWARE]
    # Whoever has a token lends it to the others.
    subentries.sort(key=lambda subentry: not subentry.data.get("github_token"))
    feeds: dict[tuple[str, str], ReleaseFeed] = {}
    by_subentry: dict[str, ReleaseFeed] = {}
    for subentry in subentries:
        place = _place(subentry.data)
        if place not in feeds:
            feeds[place] = ReleaseFeed(hass, entry, subentry.data)
        by_subentry[subentry.subentry_id] = feeds[place]
    return by_subentry


async def async_try_feed(hass: HomeAssistant, data: Mapping[str, Any]) -> tuple[Release, ...]:
    """Read the feed that a subentry would name, or raise OtaError with what is wrong."""
    return await _source(hass, data).async_load() or ()


def product_from_subentry(data: Mapping[str, Any]) -> Product:
    """Return the product that a firmware subentry describes."""
    return Product(
        name=data["name"],
        board_id=data.get("board_id", ""),
        model=data.get("model", ""),
        chip=data.get("chip", ""),
        project=data.get("project", ""),
        asset_pattern=data.get("asset_pattern", ""),
        channel=Channel(data.get("channel", Channel.STABLE)),
        public_key=data.get("public_key", ""),
    )


def _place(data: Mapping[str, Any]) -> tuple[str, str]:
    """Return what tells one feed from another."""
    kind, location = data["kind"], data["location"].strip()
    if kind == "github" and (found := _REPOSITORY.fullmatch(location)):
        location = found[1].lower()
    return kind, location.rstrip("/")


def _source(hass: HomeAssistant, data: Mapping[str, Any]) -> Source:
    """Return where a subentry's releases come from."""
    kind, location = data["kind"], data["location"].strip()
    if kind == "folder":
        return FolderFeed(hass, location)
    if kind != "github":
        return WebFeed(hass, kind, location)
    if (repository := _REPOSITORY.fullmatch(location)) is None:
        raise OtaError(Reason.URL_INVALID, url=location)
    headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
    if token := data.get("github_token"):
        headers["Authorization"] = f"Bearer {token}"
    pages = [f"{GITHUB_API}/repos/{repository[1]}/releases?per_page={count}" for count in _PER_PAGE]
    return WebFeed(hass, kind, pages[0], headers, smaller=pages[1])


def _update_failed(err: OtaError, wait: float) -> UpdateFailed:
    """Say why a feed cannot be read, in words that have a translation, and when to try again."""
    return UpdateFailed(
        translation_domain=DOMAIN,
        translation_key=err.reason,
        translation_placeholders=err.placeholders,
        retry_after=wait,
    )


def _jitter() -> float:
    """Return a factor near one, so that not everybody asks at the same moment."""
    return random.uniform(1 - _JITTER, 1 + _JITTER)

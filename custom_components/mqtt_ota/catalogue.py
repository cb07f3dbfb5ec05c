"""What there is to install: the products of the `firmware` subentries and the releases of their feeds."""

from collections.abc import Callable

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.update_coordinator import UpdateFailed

from .firmware_store import FirmwareStore, StoredImage
from .ota.board import Board
from .ota.errors import OtaError, Reason
from .ota.release import Candidate, Product, Release, candidates, choose, product_for
from .releases import ReleaseFeed, async_feeds, product_from_subentry


class Catalogue:
    """Find for a board the product that it is and the releases that it can take."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry, images: FirmwareStore) -> None:
        """Take the products of an entry; its feeds are read from `async_start` on."""
        self._entry = entry
        self._hass = hass
        self._images = images
        self._feeds = [
            (product_from_subentry(entry.subentries[subentry_id].data), feed)
            for subentry_id, feed in async_feeds(hass, entry).items()
        ]
        self._found: dict[str, tuple[Board, tuple[Release, ...], tuple[Candidate, ...]]] = {}
        self._listeners: set[Callable[[], None]] = set()

    @callback
    def async_start(self) -> None:
        """Read the feeds in the background: one that is down must not keep the boards from showing."""
        for feed in {feed for _, feed in self._feeds}:
            self._entry.async_on_unload(feed.async_add_listener(self._changed))
            self._entry.async_create_background_task(self._hass, feed.async_refresh(), f"first read of {feed.name}")

    @callback
    def async_listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` after every read of a feed; return what ends that."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    @property
    def feeds(self) -> tuple[tuple[Product, ReleaseFeed], ...]:
        """Return the products, each with its feed."""
        return tuple(self._feeds)

    def product(self, board: Board) -> Product | None:
        """Return the product that a board is, None when no subentry says; raises OtaError when several do."""
        return product_for(board, [product for product, _ in self._feeds])

    def candidates(self, board: Board) -> tuple[Candidate, ...] | None:
        """Return what a board can take, newest first; None while its feed has not been read."""
        if (product := self._product_or_none(board)) is None:
            return ()
        releases = self._feed(product).data
        if not releases:
            return None
        key = f"{board.dialect}/{board.id}"
        known = self._found.get(key)
        if known is None or known[0] != board or known[1] is not releases:
            known = self._found[key] = (board, releases, candidates(board, product, releases))
        return known[2]

    def has_feed(self, board: Board) -> bool:
        """Tell whether it is known where a board's releases come from."""
        return self._product_or_none(board) is not None

    def reason(self, board: Board) -> Reason | None:
        """Return why no release can be offered to a board; None when there is one."""
        if self.candidates(board):
            return None
        try:
            self.choose(board, None)
        except OtaError as err:
            return err.reason
        return None

    def choose(self, board: Board, version: str | None) -> Candidate:
        """Return the candidate of a version (None: the newest), or raise OtaError with why there is none."""
        name = board.name or board.id
        if (product := self.product(board)) is None:
            raise OtaError(Reason.NO_PRODUCT, board=name)
        feed = self._feed(product)
        if not feed.data:
            raise _not_read(feed, name)
        return choose(board, product, feed.data, version)

    async def async_read(self, board: Board) -> None:
        """Read the feed of a board if that did not succeed yet: an install just after a start must not fail on it."""
        product = self._product_or_none(board)
        if product is not None and not (feed := self._feed(product)).data:
            await feed.async_refresh()

    async def async_fetch(self, candidate: Candidate) -> StoredImage:
        """Return a candidate's image from the store, fetched before if need be."""
        return await self._feed(candidate.product).async_fetch_image(candidate, self._images)

    async def async_refresh(self, board: Board) -> None:
        """Read the feed of a board again; many boards that ask at once are one request."""
        if (product := self._product_or_none(board)) is not None:
            await self._feed(product).async_request_refresh()

    def _feed(self, product: Product) -> ReleaseFeed:
        return next(feed for one, feed in self._feeds if one is product)

    def _product_or_none(self, board: Board) -> Product | None:
        try:
            return self.product(board)
        except OtaError:
            return None

    @callback
    def _changed(self) -> None:
        for listener in tuple(self._listeners):
            listener()


def _not_read(feed: ReleaseFeed, board: str) -> OtaError:
    """Return why a feed has no releases yet: the cause where it was tried, else that it was not."""
    failure = feed.last_exception
    if isinstance(failure, UpdateFailed) and isinstance(failure.__cause__, OtaError):
        return failure.__cause__
    return OtaError(Reason.FEED_NOT_READ, board=board, feed=feed.name)

"""Hand images to boards over HTTP, each session under a random URL of its own.

Boards ask for the length first, fetch by ranges and lose connections, so "one-time" cannot mean one request. A URL is
good until its session ends, its time is over, or the image's last byte was handed out `MAX_FETCHES` times: enough for a
board that tries again, useless to whoever finds it later. Whoever ends a session also ends the transfers that run. Only
where many boards were told one URL it is good for all of them, until its time is over.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
import logging
from pathlib import Path
from secrets import token_urlsafe
from typing import Final, override

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.http import HomeAssistantView
from homeassistant.helpers.network import NoURLAvailableError, get_url
from homeassistant.util.hass_dict import HassKey

from .firmware_store import FirmwareStore
from .ota.errors import OtaError, Reason

_LOGGER = logging.getLogger(__name__)

MAX_FETCHES: Final = 3
MAX_OFFERS: Final = 4096
# Sketches in the field cut a URL at 199 or 255 characters, with their topic and header in the same buffer.
MAX_URL: Final = 119
_PATH: Final = "/mqtt_ota/"
_TOKEN_BYTES: Final = 16
_TOKEN_CHARACTERS: Final = 22
_MAX_BASE_URL: Final = MAX_URL - len(_PATH) - _TOKEN_CHARACTERS

type Progress = Callable[[str, int], None]

DOWNLOADS: HassKey[Downloads] = HassKey("mqtt_ota_downloads")


@dataclass(slots=True)
class _Offer:
    """One session's right to one image; `expires` is in seconds of the loop's clock."""

    session_id: str
    board_id: str
    sha256: str
    path: Path
    size: int
    expires: float
    shared: bool = False
    fetches: int = 0
    transfers: set[asyncio.Task[object]] = field(default_factory=set)


@callback
def async_register_view(hass: HomeAssistant) -> None:
    """Serve the images of whichever `Downloads` is open; once a run, as a view cannot be taken back."""
    hass.http.register_view(DownloadView(hass))


def check_base_url(text: str) -> str:
    """Return an address of Home Assistant in the form that boards can take, or raise `URL_INVALID`.

    Boards know neither logins nor escapes, and Tasmota ends a command at `;`.
    """
    try:
        url = URL(text.strip())
    except ValueError as err:
        raise OtaError(Reason.URL_INVALID, url=text) from err
    base = str(url).rstrip("/")
    plain = url.scheme in {"http", "https"} and url.host and not (url.user or url.query_string or url.fragment)
    if not plain or len(base) > _MAX_BASE_URL or any(sign in base for sign in "%;?#"):
        raise OtaError(Reason.URL_INVALID, url=text)
    return base


class Downloads:
    """The images that boards may fetch now."""

    def __init__(self, hass: HomeAssistant, store: FirmwareStore, *, base_url: str = "") -> None:
        """Offer nothing yet.

        `on_progress(session_id, bytes)` hears where a board's request begins, which is what the board holds, and where
        the answer ended, which is what was handed to the network.
        """
        self._hass = hass
        self._store = store
        self._base_url = base_url
        self.on_progress: Progress | None = None
        self._offers: dict[str, _Offer] = {}
        self._tokens: dict[str, str] = {}

    @callback
    def async_open(self) -> None:
        """Begin to answer boards."""
        self._hass.data[DOWNLOADS] = self

    @callback
    def async_close(self) -> None:
        """End every transfer, and know no URL any more."""
        self._hass.data.pop(DOWNLOADS, None)
        self._tokens.clear()
        for token in list(self._offers):
            self._drop(token)

    @callback
    def async_base_url(self) -> str:
        """Return the address under which boards reach Home Assistant, without a trailing slash."""
        if self._base_url:
            return self._base_url.rstrip("/")
        try:
            return get_url(self._hass, allow_external=False, allow_cloud=False).rstrip("/")
        except NoURLAvailableError as err:
            raise OtaError(Reason.NO_URL) from err

    async def async_offer(
        self, session_id: str, board_id: str, sha256: str, lifetime: float, name: str = "", *, shared: bool = False
    ) -> str:
        """Return the URL of a session's image, good for `lifetime` seconds; the same one when asked again.

        It ends with the name of a file for boards that look at it. A `shared` one outlives the session, and is good for
        any number of boards.
        """
        base_url = self.async_base_url()
        if (stored := await self._store.async_find(sha256)) is None:
            raise OtaError(Reason.IMAGE_UNREADABLE, sha256=sha256)
        expires = self._hass.loop.time() + lifetime
        token = self._tokens.get(session_id)
        if token is not None and self._offers[token].sha256 == sha256:
            self._offers[token].expires = expires
            self._offers[token].fetches = 0
        else:
            self.revoke(session_id)
            self._make_room()
            token = token_urlsafe(_TOKEN_BYTES)
            self._tokens[session_id] = token
            self._offers[token] = _Offer(
                session_id, board_id, sha256, self._store.path(sha256), stored.size, expires, shared=shared
            )
        return f"{base_url}{_PATH}{token}" + (f"/{name}" if name else "")

    @callback
    def revoke(self, session_id: str) -> None:
        """Forget a session's URL, and cut off a board that is still fetching from it; others go on from a shared one."""
        token = self._tokens.pop(session_id, None)
        if token is not None and not self._offers[token].shared:
            self._drop(token)

    @callback
    def answer(self, token: str) -> web.StreamResponse:
        """Return what a board gets for a token; nothing tells an old token from one that never was."""
        offer = self._offers.get(token)
        if offer is None or offer.expires <= self._hass.loop.time():
            raise web.HTTPNotFound
        if offer.fetches >= MAX_FETCHES and not offer.shared:
            raise web.HTTPNotFound
        return _ImageResponse(offer, self._async_report)

    @callback
    def _async_report(self, offer: _Offer, position: int) -> None:
        """Tell how far a session's board is."""
        if self.on_progress is not None:
            self.on_progress(offer.session_id, position)

    def _make_room(self) -> None:
        """Forget what is over, then what is over soonest."""
        now = self._hass.loop.time()
        for token in [token for token, offer in self._offers.items() if offer.expires <= now]:
            self._drop(token)
        while len(self._offers) >= MAX_OFFERS:
            self._drop(min(self._offers, key=lambda token: self._offers[token].expires))

    def _drop(self, token: str) -> None:
        """Let a URL be no more, and cut off whoever is still fetching from it."""
        offer = self._offers.pop(token)
        if self._tokens.get(offer.session_id) == token:
            del self._tokens[offer.session_id]
        for transfer in offer.transfers:
            transfer.cancel()


class _ImageResponse(web.FileResponse):
    """An image, or the range of it that a board asks for."""

    def __init__(self, offer: _Offer, report: Callable[[_Offer, int], None]) -> None:
        """Answer from the store's file."""
        super().__init__(offer.path, headers={hdrs.CACHE_CONTROL: "no-store"})
        self._offer = offer
        self._report = report

    @override
    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send the image, and count it when its last byte has left."""
        if request.method == hdrs.METH_HEAD:
            return await super().prepare(request)
        offer = self._offer
        start = _range_start(request, offer.size)
        transfer = asyncio.current_task()
        assert transfer is not None
        offer.transfers.add(transfer)
        self._report(offer, start)
        try:
            writer = await super().prepare(request)
        finally:
            offer.transfers.discard(transfer)
        if self.status in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
            end = (start if self.status == HTTPStatus.PARTIAL_CONTENT else 0) + (self.content_length or 0)
            offer.fetches += end == offer.size
            self._report(offer, end)
            _LOGGER.debug("Board %s was sent bytes %s to %s of %s", offer.board_id, start, end, offer.size)
        return writer


def _range_start(request: web.BaseRequest, size: int) -> int:
    """Return where in the image a request begins; 0 where it names no place in it."""
    try:
        start = request.http_range.start or 0
    except ValueError:
        return 0
    return max(size + start, 0) if start < 0 else (start if start < size else 0)


class DownloadView(HomeAssistantView):
    """The way for boards, which have no login: the token in the URL is the right."""

    url = f"{_PATH}{{token}}"
    extra_urls = [f"{_PATH}{{token}}/{{name}}"]
    name = "mqtt_ota:download"
    requires_auth = False

    def __init__(self, hass: HomeAssistant) -> None:
        """Answer for this Home Assistant."""
        self._hass = hass

    async def get(self, _request: web.Request, token: str, name: str = "") -> web.StreamResponse:
        """Answer a board; the name is for its own eyes."""
        if (downloads := self._hass.data.get(DOWNLOADS)) is None:
            raise web.HTTPNotFound
        return downloads.answer(token)

    head = get

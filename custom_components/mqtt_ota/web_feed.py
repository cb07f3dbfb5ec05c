"""A feed on the web: fetched politely, and every way in which that fails has its reason."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

import aiohttp
from aiohttp import hdrs
from yarl import URL

from homeassistant.core import HomeAssistant
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.util import dt as dt_util

from .firmware_store import Expected, FirmwareStore, StoredImage
from .ota.errors import OtaError, Reason
from .ota.feeds import parse
from .ota.release import Asset, Release

MAX_FEED_SIZE: Final = 4 * 1024 * 1024
MAX_REDIRECTS: Final = 5
FEED_TIMEOUT = aiohttp.ClientTimeout(total=30)
# An image may be slow as long as it moves.
IMAGE_TIMEOUT = aiohttp.ClientTimeout(total=900, sock_connect=30, sock_read=30)
_CHUNK: Final = 64 * 1024
_RATE_REMAINING: Final = "X-RateLimit-Remaining"
_RATE_RESET: Final = "X-RateLimit-Reset"


class FeedRefused(OtaError):
    """A server said no; `retry_after` is how many seconds it wants to be left alone, None if it did not say."""

    def __init__(self, reason: Reason, retry_after: float | None, **placeholders: object) -> None:
        """Keep the reason and the wait."""
        super().__init__(reason, **placeholders)
        self.retry_after = retry_after


class WebFeed:
    """One URL, and what the server told of its version the last time."""

    def __init__(
        self,
        hass: HomeAssistant,
        kind: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        smaller: str = "",
    ) -> None:
        """Fetch nothing yet; `kind` is the feed's format, `headers` go to the feed and never to its assets.

        `smaller` is the URL of less of the same, for when this is too much.
        """
        self._hass = hass
        self._location = url
        self._smaller = smaller
        self._kind = kind
        self._headers = dict(headers or {})
        self._validators: dict[str, str] = {}

    async def async_load(self) -> tuple[Release, ...] | None:
        """Return the feed's releases, None when they are the same as the last time."""
        try:
            return await self._async_load()
        except OtaError as err:
            if err.reason is not Reason.FEED_TOO_LARGE or not self._smaller:
                raise
        self._location, self._smaller, self._validators = self._smaller, "", {}
        return await self._async_load()

    async def _async_load(self) -> tuple[Release, ...] | None:
        url = _web_url(self._location)
        async with self._answer(url, FEED_TIMEOUT, self._headers | self._validators) as response:
            if self._validators and response.status == HTTPStatus.NOT_MODIFIED:
                return None
            _check(response)
            body = await _read(response)
        # Files are named from where the feed is published, not from the mirror that a redirect chose.
        releases = await self._hass.async_add_executor_job(parse, self._kind, body, str(url))
        self._validators = _validators(response.headers)
        return releases

    async def async_fetch(self, asset: Asset, store: FirmwareStore) -> StoredImage:
        """Bring an asset into the store, if it is what the feed promised."""
        expected = Expected(size=asset.size, sha256=asset.sha256, md5=asset.md5)
        try:
            async with self._answer(_web_url(asset.url), IMAGE_TIMEOUT, {}) as response:
                _check(response)
                return await store.async_add_stream(response.content.iter_chunked(_CHUNK), expected=expected)
        except FeedRefused as err:
            if err.reason is Reason.FEED_NOT_FOUND:
                raise OtaError(Reason.FEED_CHANGED, **err.placeholders, asset=asset.name) from err
            raise

    @asynccontextmanager
    async def _answer(
        self, url: URL, timeout: aiohttp.ClientTimeout, headers: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Ask for a URL, and turn what can go wrong until the answer is read into a reason."""
        session = async_get_clientsession(self._hass)
        with _reasons(url):
            async with session.get(url, timeout=timeout, headers=headers, max_redirects=MAX_REDIRECTS) as response:
                yield response


def shown(location: URL | str) -> str:
    """Return a feed's place as it may be shown: without login, query and fragment, which can be secret."""
    try:
        url = URL(location)
        return str(url.with_user(None).with_query(None).with_fragment(None) if url.absolute else url)
    except ValueError:
        return "an invalid URL"


def _web_url(text: str) -> URL:
    """Return a URL that can be fetched."""
    try:
        url = URL(text)
    except ValueError as err:
        raise OtaError(Reason.URL_INVALID, url=text) from err
    if url.scheme not in {"http", "https"} or not url.host:
        raise OtaError(Reason.URL_INVALID, url=text)
    return url


@contextmanager
def _reasons(url: URL) -> Iterator[None]:
    """Give every failure on the way its reason."""
    try:
        yield
    except OtaError:
        raise
    except TimeoutError as err:
        raise OtaError(Reason.FEED_TIMEOUT, url=shown(url)) from err
    except aiohttp.TooManyRedirects as err:
        raise OtaError(Reason.FEED_UNREACHABLE, url=shown(url), error="too many redirects") from err
    # A hostile redirect target or header can raise a plain ValueError inside the client.
    except (aiohttp.ClientError, OSError, ValueError) as err:
        raise OtaError(Reason.FEED_UNREACHABLE, url=shown(url), error=type(err).__name__) from err


def _check(response: aiohttp.ClientResponse) -> None:
    """Refuse an answer that does not hold what was asked for."""
    url = shown(response.url)
    if response.status != HTTPStatus.OK:
        reason = _refusal(response)
        raise FeedRefused(reason, _retry_after(response.headers), url=url, status=response.status)
    if response.content_type in {"text/html", "application/xhtml+xml"}:
        raise OtaError(Reason.FEED_IS_HTML, url=url)


def _refusal(response: aiohttp.ClientResponse) -> Reason:
    """Say what a status other than 200 means."""
    match response.status:
        case HTTPStatus.TOO_MANY_REQUESTS:
            return Reason.FEED_RATE_LIMITED
        case HTTPStatus.FORBIDDEN if (
            response.headers.get(_RATE_REMAINING) == "0" or hdrs.RETRY_AFTER in response.headers
        ):
            return Reason.FEED_RATE_LIMITED
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return Reason.FEED_FORBIDDEN
        case HTTPStatus.NOT_FOUND | HTTPStatus.GONE:
            return Reason.FEED_NOT_FOUND
        case _:
            return Reason.FEED_SERVER_ERROR


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return how many seconds a server asks for; GitHub names the second at which its limit ends."""
    now = dt_util.utcnow().timestamp()
    if text := headers.get(hdrs.RETRY_AFTER, "").strip():
        if _is_number(text):
            return float(text)
        try:
            date = parsedate_to_datetime(text)
        except ValueError, OverflowError:
            return None
        return max(date.replace(tzinfo=date.tzinfo or UTC).timestamp() - now, 0)
    reset = headers.get(_RATE_RESET, "")
    if headers.get(_RATE_REMAINING) == "0" and _is_number(reset):
        return max(float(reset) - now, 0)
    return None


def _is_number(text: str) -> bool:
    """Tell whether a header holds a number of seconds, and not a thousand digits."""
    return text.isascii() and text.isdecimal() and len(text) <= 12


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Return a feed's text, but no more of it than any feed needs."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > MAX_FEED_SIZE:
            raise OtaError(Reason.FEED_TOO_LARGE, url=shown(response.url), limit=f"{MAX_FEED_SIZE // 2**20} MiB")
    return bytes(body)


def _validators(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the request headers by which the server can say that nothing changed."""
    pairs = ((hdrs.ETAG, hdrs.IF_NONE_MATCH), (hdrs.LAST_MODIFIED, hdrs.IF_MODIFIED_SINCE))
    return {ask: headers[told] for told, ask in pairs if told in headers}

"""Offers that take more than a message: an address on Home Assistant that the board fetches its image from."""

from collections.abc import Callable
from typing import Final

from homeassistant.core import HomeAssistant, callback

from .downloads import Downloads
from .member import Member
from .ota.dialects import OfferSocket, OfferUrl
from .ota.errors import OtaError, Reason
from .ota.session import Session
from .outbox import Outbox
from .socket_offers import SocketOffers

URL_LIFETIME: Final = 3600.0

type Served = Callable[[Member, Session, Reason | None], None]
type Failed = Callable[[Member, Session, OtaError], None]


class Offers:
    """Makes addresses for sessions and tells their boards."""

    def __init__(
        self, hass: HomeAssistant, downloads: Downloads, outbox: Outbox, served: Served, failed: Failed
    ) -> None:
        """Call `served` when a socket's time is over, and `failed` where no address can be had."""
        self._downloads = downloads
        self._outbox = outbox
        self._served = served
        self._failed = failed
        self._sockets = SocketOffers(hass)

    async def async_make(self, member: Member, session: Session, offer: OfferUrl | OfferSocket, image: bytes) -> None:
        """Carry out an offer; whether its session still runs is for the caller's callbacks to see."""
        try:
            match offer:
                case OfferUrl():
                    url = await self._async_url(member, session, offer)
                    if member.active_session is session:
                        self._outbox.async_send(offer.topic, offer.payload(url), offer.qos)
                case OfferSocket():
                    self._served(member, session, await self._async_serve(session, offer, image))
        except OtaError as err:
            self._failed(member, session, err)

    @callback
    def async_close_socket(self, session_id: str) -> None:
        """Listen no more for a session."""
        self._sockets.close(session_id)

    @callback
    def async_withdraw(self, session_id: str) -> None:
        """Make every address of a session void."""
        self._downloads.revoke(session_id)
        self._sockets.close(session_id)

    async def _async_url(self, member: Member, session: Session, offer: OfferUrl) -> str:
        """Return a URL that the board can use; raises OtaError when there is none."""
        target = session.target
        if offer.from_feed and _why_not(target.url, offer, member) is None:
            return target.url
        url = await self._downloads.async_offer(
            session.id, member.id, target.sha256, URL_LIFETIME, offer.name, shared=offer.shared
        )
        if (failure := _why_not(url, offer, member)) is not None:
            raise failure
        return url

    async def _async_serve(self, session: Session, offer: OfferSocket, image: bytes) -> Reason | None:
        """Serve a stretch of an image over a socket; raises OtaError when no listener can be opened."""
        return await self._sockets.async_serve(
            session.id,
            image[offer.offset : offer.offset + offer.length],
            ports=offer.ports,
            host=offer.host,
            address=offer.address,
            seconds=offer.seconds,
            say=lambda host, port: self._outbox.async_send(offer.topic, offer.payload(host, port), offer.qos),
        )


def _why_not(url: str, offer: OfferUrl, member: Member) -> OtaError | None:
    """Return why a board cannot use a URL."""
    scheme = url.partition(":")[0]
    if scheme not in offer.schemes:
        return OtaError(Reason.URL_SCHEME, board=member.name, scheme=scheme)
    if len(url) > offer.limit or any(sign in url for sign in offer.forbidden):
        return OtaError(Reason.URL_TOO_LONG, board=member.name, limit=offer.limit)
    return None

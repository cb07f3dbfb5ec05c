"""What dialects want done, done: messages, blocks of images, and addresses that boards fetch from."""

from collections.abc import Callable, Iterable

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback

from .broker import Broker
from .downloads import Downloads
from .firmware_store import FirmwareStore
from .member import Member
from .offers import Failed, Offers, Served
from .ota.dialects import (
    Block,
    Clear,
    Dialect,
    Effect,
    Ignored,
    Learned,
    OfferSocket,
    OfferUrl,
    Publish,
    SendBlocks,
    StopBlocks,
)
from .ota.errors import OtaError
from .ota.session import Session
from .outbox import Outbox

type Speaking = Callable[[str], tuple[Member, Dialect] | None]


class Delivery:
    """Holds the images of the sessions that run, and sends what is to be sent."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        broker: Broker,
        images: FirmwareStore,
        downloads: Downloads,
        speaking: Speaking,
        served: Served,
        failed: Failed,
    ) -> None:
        """Send through `broker`; `speaking` finds the member of a running session's id, and its dialect."""
        self._hass = hass
        self._entry = entry
        self._images = images
        self._speaking = speaking
        self._loaded: dict[str, bytes] = {}
        self._users: dict[str, set[str]] = {}
        self._outbox = Outbox(broker, self._frame)
        self._offers = Offers(hass, downloads, self._outbox, served, failed)

    def async_start(self) -> None:
        """Begin to send."""
        self._entry.async_create_background_task(self._hass, self._outbox.async_run(), "mqtt_ota outbox")

    async def async_load(self, session_id: str, sha256: str) -> bytes:
        """Return the image of a session, which stays at hand until its release; raises OtaError when it is gone."""
        self._images.pin(sha256)
        try:
            image = self._loaded.get(sha256) or await self._images.async_read(sha256)
        except OtaError:
            self._images.unpin(sha256)
            raise
        self._loaded[sha256] = image
        self._users.setdefault(sha256, set()).add(session_id)
        return image

    def is_shared(self, sha256: str) -> bool:
        """Tell whether more than one session sends an image now."""
        return len(self._users.get(sha256, ())) > 1

    @callback
    def async_release(self, session: Session) -> None:
        """Let go of what a session had: its addresses and its image."""
        self._offers.async_withdraw(session.id)
        sha256 = session.target.sha256
        users = self._users.get(sha256, set())
        if session.id in users:
            users.discard(session.id)
            self._images.unpin(sha256)
        if not users:
            self._users.pop(sha256, None)
            self._loaded.pop(sha256, None)

    @callback
    def async_ask(self, asks: Iterable[Publish]) -> None:
        """Send what a dialect wants to know of boards."""
        for ask in asks:
            self._outbox.async_send(ask.topic, ask.payload, ask.qos)

    @callback
    def async_clear(self, topic: str) -> None:
        """Remove what the broker remembers on a topic."""
        self._outbox.async_send(topic, b"", 1, retain=True)

    @callback
    def async_carry_out(self, member: Member, effects: Iterable[Effect]) -> None:
        """Do what a dialect wants done for a board."""
        session = member.session
        for effect in effects:
            match effect:
                case Publish(topic, payload, qos):
                    self._outbox.async_send(topic, payload, qos)
                case Clear(topic):
                    self.async_clear(topic)
                case Ignored(cause):
                    member.async_note_ignored(cause)
                case Learned(board):
                    member.board = board
                case SendBlocks(topic, blocks, qos) if session is not None:
                    self._outbox.async_send_blocks(session.id, topic, blocks, qos)
                case StopBlocks() if session is not None:
                    self._outbox.async_drop_blocks(session.id)
                    self._offers.async_close_socket(session.id)
                case OfferUrl() | OfferSocket() if session is not None and session.is_active:
                    self._offer(member, session, effect)

    def _offer(self, member: Member, session: Session, offer: OfferUrl | OfferSocket) -> None:
        """Make an offer that takes time to make."""
        task = self._offers.async_make(member, session, offer, self._loaded[session.target.sha256])
        self._entry.async_create_background_task(self._hass, task, f"offer to {member.board.id}")

    def _frame(self, session_id: str, block: Block) -> bytes | None:
        """Return the payload of a session's block, None when the session is over."""
        if (found := self._speaking(session_id)) is None or (session := found[0].active_session) is None:
            return None
        return found[1].frame(session, self._loaded[session.target.sha256], block)

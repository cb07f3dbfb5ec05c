"""The native dialect: boards that run the firmware under `firmware/`, as `firmware/PROTOCOL.md` has it."""

import json
import re
from typing import Any, Final

from ..announce import PROTOCOL, parse_announce
from ..blocks import block_count, encode_frame, parse_want, span, tag_of
from ..board import Availability, Board, Encoding, Order, Transport, is_board_id
from ..bundle import check_for_agent, is_bundle, read_bundle
from ..errors import OtaError, Reason
from ..fields import FieldError, Fields
from ..session import Session, State
from . import (
    Announcement,
    Answer,
    Block,
    Clear,
    Effect,
    Ignored,
    Message,
    OfferUrl,
    Presence,
    Publish,
    Reading,
    SendBlocks,
    StopBlocks,
    Traits,
)
from .base import BaseDialect

DEFAULT_ROOT: Final = "mqtt_ota"
STATUS_LIMIT: Final = 512
OFFERS: Final = 6
OFFERS_SHARED: Final = 2
# How often a way to the board may fail, over all ways, before the session does.
FAILURES: Final = 4
# A board that went away in the middle may be without power for a while; its flash keeps what it holds.
AWAY: Final = 600.0

_STATES: Final = {
    "accepted": State.TRANSFERRING,
    "transferring": State.TRANSFERRING,
    "verifying": State.VERIFYING,
    "rebooting": State.REBOOTING,
    # Its announcement is the proof; until that comes it is still on its way back.
    "confirmed": State.REBOOTING,
}
_REASONS: Final = {
    "chip": Reason.WRONG_CHIP,
    "counter": Reason.COUNTER_TOO_LOW,
    "signature": Reason.SIGNATURE_INVALID,
    "already_running": Reason.ALREADY_INSTALLED,
    "busy": Reason.BOARD_BUSY,
    "flash": Reason.BOARD_FLASH,
    "digest": Reason.BOARD_DIGEST,
    "image": Reason.BOARD_IMAGE,
    "transport": Reason.BOARD_TRANSPORT,
    "timeout": Reason.BOARD_TRANSPORT,
    "offer_invalid": Reason.BOARD_REFUSED,
    "model": Reason.BOARD_REFUSED,
    "size": Reason.BOARD_REFUSED,
}


class NativeDialect(BaseDialect):
    """The project's own protocol, version 1."""

    name = "native"
    traits = Traits.PROGRESS | Traits.RESUME | Traits.SIGNED | Traits.CANCEL | Traits.REPORTS_VERSION

    def __init__(self, root: str = DEFAULT_ROOT) -> None:
        """Speak below the topic `root`."""
        super().__init__(self.name)
        self._root = root
        self._topic = re.compile(re.escape(f"{root}/board/") + r"([^/]+)/(announce|availability|want|status)")

    def topics(self) -> tuple[tuple[str, int], ...]:
        """Return the topic filters to subscribe, each with its QoS."""
        return (
            (f"{self._root}/board/+/announce", 1),
            (f"{self._root}/board/+/availability", 1),
            (f"{self._root}/board/+/want", 0),
            (f"{self._root}/board/+/status", 1),
        )

    def board_id(self, message: Message) -> str | None:
        """Return which board a message is from; None when it names no valid one."""
        matched = self._topic.fullmatch(message.topic)
        return matched[1] if matched and is_board_id(matched[1]) else None

    def read(self, message: Message, known: Board | None = None) -> Reading | Ignored:
        """Say what a message is. Never raises, whatever the bytes."""
        match message.topic.rpartition("/")[2]:
            case "announce":
                return self._read_announce(message)
            case "availability":
                return _read_availability(message.payload)
        return Ignored("retained by somebody") if message.retain else Answer()

    def transport(self, board: Board, preferred: Transport) -> Transport:
        """Choose how the image gets to a board; raises OtaError when there is no way."""
        ways = _ways(board)
        if not ways:
            raise OtaError(Reason.NO_TRANSPORT, board=board.name or board.id)
        return preferred if preferred in ways else ways[0]

    def prepare(self, session: Session, board: Board, image: bytes) -> None:
        """Refuse a release of files that the agent on the board would refuse; raises OtaError."""
        if is_bundle(image):
            check_for_agent(read_bundle(image))

    def begin(self, session: Session, board: Board, now: float) -> list[Effect]:
        """Offer the session's image to its board, for the first time or again."""
        transport = session.transport or Transport.BLOCKS
        session.offer(now)
        offer = {
            "protocol": PROTOCOL,
            "session": session.id,
            "manifest": session.target.manifest,
            **({"signature": session.target.signature} if session.target.signature else {}),
            "transport": transport,
        }
        topic = self._to(board, "offer")
        if transport is Transport.BLOCKS:
            return [Publish(topic, _json(offer | self._block_terms(session, board)))]
        schemes = frozenset(way.value for way in board.transports if way is not Transport.BLOCKS)
        return [OfferUrl(topic, schemes, lambda url: _json(offer | {"transport": url.partition(":")[0], "url": url}))]

    def receive(self, session: Session, board: Board, message: Message, now: float) -> list[Effect]:
        """Move an active session by what its board said. Never raises, whatever the bytes."""
        try:
            if message.topic.endswith("/want"):
                return self._receive_want(session, board, message.payload, now)
            return self._receive_status(session, board, message.payload, now)
        except ValueError as err:
            return [Ignored(str(err))]

    def tick(self, session: Session, board: Board, now: float) -> list[Effect]:
        """Offer again where that may help, and give up where it did not."""
        match session.state:
            case State.QUEUED:
                return []
            case State.WAITING:
                session.fail(Reason.WAITED_TOO_LONG, now)
            case State.REBOOTING if session.attempts or session.came_back_old:
                session.never_returned(now)
            case State.OFFERED if session.attempts >= OFFERS:
                session.fail(Reason.NO_ANSWER, now)
            case _ if session.attempts >= OFFERS:
                session.fail(Reason.STALLED, now)
            case _:
                return self.begin(session, board, now)
        return [StopBlocks()]

    def presence(self, session: Session, board: Board, availability: Availability, now: float) -> list[Effect]:
        """Let an active session go on when its board comes, and wait when it goes."""
        if session.state is State.REBOOTING:
            return []
        match availability:
            case Availability.ONLINE:
                return self.begin(session, board, now)
            case Availability.ASLEEP:
                session.wait(now)
                return [StopBlocks()]
            case Availability.OFFLINE if session.state is not State.WAITING:
                session.away(now, AWAY)
                return [StopBlocks()]
        return []

    def transport_failed(
        self, session: Session, board: Board, reason: Reason, now: float, detail: str = ""
    ) -> list[Effect]:
        """Go on another way after one failed, or end the session for this reason."""
        ways, failures = _ways(board), session.memo.get("failures", 0) + 1
        if failures >= FAILURES or not ways:
            session.fail(reason, now, detail)
            return [StopBlocks()]
        session.memo["failures"] = failures
        other_ways = [way for way in ways if way is not session.transport] or ways
        session.transport = other_ways[0]
        return [StopBlocks(), *self.begin(session, board, now)]

    def cancel(self, session: Session, board: Board, now: float) -> list[Effect]:
        """Tell the board that its session is over."""
        return [StopBlocks(), Publish(self._to(board, "cancel"), _json({"session": session.id}))]

    def forget(self, board: Board) -> list[Effect]:
        """Remove what the broker remembers of a board that was deleted; one that lives announces itself again."""
        return [Clear(self._to(board, "announce")), Clear(self._to(board, "availability"))]

    def frame(self, session: Session, image: bytes, block: Block) -> bytes:
        """Return the payload that carries one block of an image."""
        return encode_frame(image, block.offset, block.length, block.encoding, tag_of(session.target.sha256))

    def _to(self, board: Board, kind: str) -> str:
        return f"{self._root}/board/{board.id}/{kind}"

    def _block_terms(self, session: Session, board: Board) -> dict[str, Any]:
        return {
            "topic": self._frames_topic(session, board),
            "block_size": board.block_size,
            "window": board.window,
            "encoding": Encoding.DEFLATE if Encoding.DEFLATE in board.encodings else Encoding.RAW,
        }

    def _frames_topic(self, session: Session, board: Board) -> str:
        """Return where frames go: a board that fell behind on the shared topic gets its own."""
        if session.memo.get("shared") and board.order is Order.ANY and session.attempts < OFFERS_SHARED:
            return f"{self._root}/image/{tag_of(session.target.sha256).hex()}"
        session.memo["shared"] = False
        return self._to(board, "block")

    def _receive_want(self, session: Session, board: Board, payload: bytes, now: float) -> list[Effect]:
        want = parse_want(payload)
        if session.transport is not Transport.BLOCKS:
            return [Ignored("wants blocks of an image that was offered by URL")]
        if want.tag != tag_of(session.target.sha256):
            return [Ignored("wants blocks of another image")]
        size = session.target.size
        if want.blocks[-1] >= block_count(size, want.block_size):
            return [Ignored("wants blocks beyond the image")]
        session.alive(State.TRANSFERRING, now)
        encoding = Encoding.RAW if want.probe or Encoding.DEFLATE not in board.encodings else Encoding.DEFLATE
        blocks = tuple(Block(*span(number, size, want.block_size), encoding) for number in want.blocks)
        return [SendBlocks(self._frames_topic(session, board), blocks)]

    def _receive_status(self, session: Session, board: Board, payload: bytes, now: float) -> list[Effect]:
        fields = Fields(payload, STATUS_LIMIT)
        if fields.text("session") != session.id:
            return [Ignored("status of another session")]
        said = fields.text("state")
        held = fields.integer("held", 0, 2**32 - 1, default=session.held)
        reason, detail = fields.text("reason", default=""), fields.text("detail", 128, default="")
        if said in _STATES:
            session.alive(_STATES[said], now, held=held)
            return []
        match said:
            case "failed" if reason == "transport":
                return self.transport_failed(session, board, Reason.BOARD_TRANSPORT, now, detail)
            case "failed":
                session.fail(_REASONS.get(reason, Reason.BOARD_FAILED), now, detail or reason)
            case "rolled_back":
                session.fail(Reason.ROLLED_BACK, now, detail or reason)
            case "cancelled":
                session.cancel(now)
            case _:
                return [Ignored(f"unknown state {said}")]
        return [StopBlocks()]

    def _read_announce(self, message: Message) -> Announcement | Ignored:
        try:
            board = parse_announce(message.payload, self.name)
        except FieldError as err:
            return Ignored(str(err))
        if board.id != self.board_id(message):
            return Ignored("announces itself under the id of another board")
        return Announcement(board)


def _read_availability(payload: bytes) -> Presence | Ignored:
    said = payload[:16].decode("ascii", "replace")
    if said not in Availability or said == Availability.UNKNOWN:
        return Ignored("availability is none of online, offline, asleep")
    return Presence(Availability(said))


def _ways(board: Board) -> list[Transport]:
    """Return how an image can get to a board, best first; HTTPS counts as HTTP here, its scheme is chosen later."""
    ways = [Transport.BLOCKS] if Transport.BLOCKS in board.transports else []
    if board.transports & {Transport.HTTP, Transport.HTTPS}:
        ways.append(Transport.HTTP)
    return ways


def _json(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()

"""What Home Assistant offers, and every reason to refuse it before the flash is touched."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
import json
import re
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from custom_components.mqtt_ota.ota.blocks import MAX_BLOCK_SIZE, MIN_BLOCK_SIZE, tag_of
from custom_components.mqtt_ota.ota.board import Transport
from custom_components.mqtt_ota.ota.errors import OtaError
from custom_components.mqtt_ota.ota.signature import Manifest, decode, parse, verify

from .flash import Flash
from .settings import PROTOCOL, Settings

_LIMIT = 1024
_SESSION = re.compile(r"[0-9a-f]{16}")


class Refused(Exception):
    """An offer that the board must not take, with the session and the reason to answer."""

    def __init__(self, session: str, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.session = session
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An image for this board, and the way to it: a topic and the terms of its blocks, or a URL."""

    session: str
    text: str
    manifest: Manifest
    signature: str
    transport: Transport
    topic: str = ""
    block_size: int = 0
    window: int = 0
    url: str = ""

    @property
    def way(self) -> tuple[Transport, str, str]:
        """Return what must stay the same for a transfer to go on undisturbed."""
        return self.transport, self.topic, self.url


def parse_session(payload: bytes) -> tuple[str, dict[str, Any]]:
    """Return the session that a message names, and all its fields; raises ValueError where there is none."""
    if len(payload) > _LIMIT:
        raise ValueError("too long")
    try:
        fields = json.loads(payload)
    except (ValueError, RecursionError) as err:
        raise ValueError("not JSON") from err
    session = fields.get("session") if isinstance(fields, dict) else None
    if not isinstance(session, str) or not _SESSION.fullmatch(session):
        raise ValueError("no session")
    return session, fields


def parse_offer(payload: bytes, settings: Settings) -> Offer:
    """Read an offer; raises ValueError where nobody can be answered, else Refused."""
    session, fields = parse_session(payload)
    try:
        return _offer(session, fields, settings)
    except (ValueError, OtaError) as err:
        raise Refused(session, "offer_invalid", str(err)[:128]) from err


def check(offer: Offer, settings: Settings, keys: Mapping[str, EllipticCurvePublicKey], flash: Flash) -> None:
    """Raise Refused for the first thing that speaks against an offer, in the protocol's order."""
    manifest = offer.manifest
    checks: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("model", lambda: manifest.model in {"", settings.model}),
        ("chip", lambda: manifest.chip == settings.chip),
        ("size", lambda: manifest.size <= settings.slot_size),
        ("counter", lambda: manifest.counter >= max(settings.counter, flash.journal.counter)),
        ("signature", lambda: not keys or any(_is_signed(offer, key) for key in keys.values())),
        ("already_running", lambda: manifest.sha256 != flash.digest),
    )
    for reason, holds in checks:
        if not holds():
            raise Refused(offer.session, reason)


def _offer(session: str, fields: dict[str, Any], settings: Settings) -> Offer:
    if fields.get("protocol") != PROTOCOL:
        raise ValueError("protocol")
    manifest = parse(_text(fields, "manifest"))
    transport = Transport(_text(fields, "transport"))
    if transport not in settings.transports:
        raise ValueError("transport")
    terms = _block_terms if transport is Transport.BLOCKS else _url
    return Offer(
        session=session,
        text=fields["manifest"],
        manifest=manifest,
        signature="" if fields.get("signature") is None else _text(fields, "signature"),
        transport=transport,
        **terms(fields, settings, manifest),
    )


def _is_signed(offer: Offer, key: EllipticCurvePublicKey) -> bool:
    try:
        verify(offer.text, decode(offer.signature), key)
    except OtaError:
        return False
    return True


def _block_terms(fields: dict[str, Any], settings: Settings, manifest: Manifest) -> dict[str, Any]:
    """Read the terms of blocks. The topic must be one of the two that frames may come on."""
    topic = _text(fields, "topic")
    if topic not in {settings.topic("block"), settings.shared_topic(tag_of(manifest.sha256))}:
        raise ValueError("topic")
    return {
        "topic": topic,
        "block_size": min(settings.block_size, _integer(fields, "block_size", MIN_BLOCK_SIZE, MAX_BLOCK_SIZE)),
        "window": min(settings.window, _integer(fields, "window", 1, 256)),
    }


def _url(fields: dict[str, Any], settings: Settings, manifest: Manifest) -> dict[str, Any]:
    url = _text(fields, "url")
    if url.partition("://")[0] != fields["transport"]:
        raise ValueError("url")
    return {"url": url, "block_size": settings.block_size, "window": 1}


def _text(fields: dict[str, Any], name: str) -> str:
    text = fields.get(name)
    if not isinstance(text, str):
        raise ValueError(name)  # noqa: TRY004
    return text


def _integer(fields: dict[str, Any], name: str, low: int, high: int) -> int:
    number = fields.get(name)
    if not isinstance(number, int) or isinstance(number, bool) or not low <= number <= high:
        raise ValueError(name)
    return number

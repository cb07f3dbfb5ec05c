"""The canonical manifest of an image, and its ECDSA P-256 signature."""

import base64
import binascii
from dataclasses import dataclass
import hashlib
import re

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from .errors import OtaError, Reason

HEADER = "mqtt_ota 1"
FIELDS = ("model", "chip", "version", "size", "sha256", "counter")
MAX_TEXT = 64
U32_MAX = 2**32 - 1
SIGNATURE_SIZE = 64

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CHIP = re.compile(r"[A-Za-z0-9-]{1,32}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,9}")
_PEM = re.compile(r"-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]*)-----END PUBLIC KEY-----")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a publisher signs about an image; `size` is bytes, an empty `model` means any.

    Raises OtaError(MANIFEST_INVALID) for a value that the canonical text cannot carry.
    """

    model: str = ""
    chip: str
    version: str
    size: int
    sha256: str
    counter: int = 0

    def __post_init__(self) -> None:
        """Refuse what would change the text's lines or not fit into a board's memory."""
        valid = {
            "model": not self.model or _is_line(self.model),
            "chip": _CHIP.fullmatch(self.chip),
            "version": _is_line(self.version),
            "size": 0 < self.size <= U32_MAX,
            "sha256": _SHA256.fullmatch(self.sha256),
            "counter": 0 <= self.counter <= U32_MAX,
        }
        for name in FIELDS:
            if not valid[name]:
                raise OtaError(Reason.MANIFEST_INVALID, detail=name)

    def text(self) -> str:
        """Return the canonical text: the one and only way to write this manifest."""
        return "".join(f"{line}\n" for line in (HEADER, *(f"{name}={getattr(self, name)}" for name in FIELDS)))


def _is_line(text: str) -> bool:
    """Tell whether a text is 1 to 64 bytes of UTF-8 without control characters."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return False
    return 0 < size <= MAX_TEXT and not _CONTROL.search(text)


def parse(text: str) -> Manifest:
    """Read a canonical manifest; raises OtaError(MANIFEST_INVALID) for any other text."""
    header, *lines = text.split("\n")
    if header != HEADER or len(lines) != len(FIELDS) + 1 or lines.pop():
        raise OtaError(Reason.MANIFEST_INVALID, detail=HEADER)
    values = {}
    for name, line in zip(FIELDS, lines, strict=True):
        key, _, values[name] = line.partition("=")
        if key != name:
            raise OtaError(Reason.MANIFEST_INVALID, detail=name)
    return Manifest(
        model=values["model"],
        chip=values["chip"],
        version=values["version"],
        size=_decimal("size", values["size"]),
        sha256=values["sha256"],
        counter=_decimal("counter", values["counter"]),
    )


def _decimal(name: str, text: str) -> int:
    if not _DECIMAL.fullmatch(text):
        raise OtaError(Reason.MANIFEST_INVALID, detail=name)
    return int(text)


def load_public_key(text: str) -> ec.EllipticCurvePublicKey:
    """Read a P-256 public key: PEM, also on one line, or the base64 of its uncompressed point.

    Raises OtaError(KEY_INVALID); the text itself is never repeated, it may be a private key pasted by mistake.
    """
    pem = _PEM.fullmatch(text.strip())
    try:
        raw = base64.b64decode("".join((pem[1] if pem else text).split()), validate=True)
        key = load_der_public_key(raw) if pem else ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
    except (ValueError, TypeError, UnsupportedAlgorithm) as err:
        raise OtaError(Reason.KEY_INVALID) from err
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise OtaError(Reason.KEY_INVALID)
    return key


def point(public_key: ec.EllipticCurvePublicKey) -> bytes:
    """Return a key's uncompressed point: 65 bytes, the first is 4."""
    return public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def key_id(public_key: ec.EllipticCurvePublicKey) -> str:
    """Return the 16 hex digits by which boards name a key that they trust."""
    return hashlib.sha256(point(public_key)).hexdigest()[:16]


def sign(text: str, private_key: ec.EllipticCurvePrivateKey) -> bytes:
    """Sign a canonical manifest: 64 bytes, r and s, big-endian."""
    r, s = decode_dss_signature(private_key.sign(_signed_bytes(text), ec.ECDSA(SHA256())))
    return r.to_bytes(32) + s.to_bytes(32)


def decode(signature: str) -> bytes:
    """Return the 64 bytes of a signature in base64; raises OtaError(SIGNATURE_INVALID)."""
    try:
        raw = base64.b64decode(signature, validate=True)
    except (ValueError, binascii.Error) as err:
        raise OtaError(Reason.SIGNATURE_INVALID) from err
    if len(raw) != SIGNATURE_SIZE:
        raise OtaError(Reason.SIGNATURE_INVALID)
    return raw


def verify(text: str, signature: bytes, public_key: ec.EllipticCurvePublicKey) -> None:
    """Check that this key signed this canonical manifest; raises OtaError(SIGNATURE_INVALID)."""
    if len(signature) != SIGNATURE_SIZE:
        raise OtaError(Reason.SIGNATURE_INVALID)
    der = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
    try:
        public_key.verify(der, _signed_bytes(text), ec.ECDSA(SHA256()))
    except InvalidSignature as err:
        raise OtaError(Reason.SIGNATURE_INVALID) from err


def _signed_bytes(text: str) -> bytes:
    # Half a surrogate pair has no UTF-8; this keeps such a text apart from every valid one.
    return text.encode("utf-8", "surrogatepass")

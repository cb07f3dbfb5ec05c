"""Manifests and their signatures."""

import base64
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from .facts import DIGEST, IMAGE, KEY, Json

# The order of P-256: s and ORDER - s are the same signature.
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def manifest(**changes: Any) -> str:
    """Return the manifest of the image."""
    facts = {"model": "relay", "chip": "ESP32-C3", "version": "1.1.0", "size": len(IMAGE), "sha256": DIGEST}
    lines = ("mqtt_ota 1", *(f"{name}={value}" for name, value in (facts | {"counter": 3} | changes).items()))
    return "".join(f"{line}\n" for line in lines)


def manifests() -> Json:
    """Return canonical manifests, and texts that are none."""
    good = manifest()
    valid: tuple[dict[str, Any], ...] = (
        {},
        {"model": ""},
        {"model": "caf\u00e9 lamp", "version": "v2.0.0-rc.1+build 7"},
        {"model": "m" * 64, "version": "=" * 64, "size": 4294967295, "counter": 4294967295},
        {"counter": 0, "size": 1},
    )
    invalid = {
        "header": good.replace("mqtt_ota 1", "mqtt_ota 2"),
        "last newline missing": good[:-1],
        "one newline too many": good + "\n",
        "carriage returns": good.replace("\n", "\r\n"),
        "line missing": good.replace("model=relay\n", ""),
        "line too many": good + "extra=1\n",
        "order": good.replace("model=relay\nchip=ESP32-C3\n", "chip=ESP32-C3\nmodel=relay\n"),
        "chip empty": manifest(chip=""),
        "version empty": manifest(version=""),
        "version too long": manifest(version="1" * 65),
        "model too long in bytes": manifest(model="\u00e9" * 33),
        "control character": manifest(version="1.1\t0"),
        "size zero": manifest(size=0),
        "size with a leading zero": manifest(size="01200"),
        "size with a sign": manifest(size="+1200"),
        "size above u32": manifest(size=4294967296),
        "counter negative": manifest(counter=-1),
        "counter above u32": manifest(counter=4294967296),
        "sha256 upper case": manifest(sha256=DIGEST.upper()),
        "sha256 short": manifest(sha256=DIGEST[:-1]),
        "nothing": "",
    }
    return {
        "valid": [
            {
                "text": manifest(**changes),
                "fields": {"model": "relay", "chip": "ESP32-C3", "version": "1.1.0", "size": len(IMAGE)}
                | {"sha256": DIGEST, "counter": 3}
                | changes,
            }
            for changes in valid
        ],
        "invalid": [{"why": why, "text": text} for why, text in invalid.items()],
    }


def sign(signed: str) -> bytes:
    """Sign as RFC 6979 has it, so that the same text gets the same signature."""
    r, s = decode_dss_signature(KEY.sign(signed.encode(), ec.ECDSA(SHA256(), deterministic_signing=True)))
    return r.to_bytes(32) + s.to_bytes(32)


def signatures() -> Json:
    """Return signatures of manifests by the test key, and what must not pass as one."""
    signed = manifest()
    good = sign(signed)
    r, s = good[:32], good[32:]
    other = ec.derive_private_key(7, ec.SECP256R1())
    der = KEY.sign(signed.encode(), ec.ECDSA(SHA256(), deterministic_signing=True))
    foreign = decode_dss_signature(other.sign(signed.encode(), ec.ECDSA(SHA256(), deterministic_signing=True)))
    valid = {
        "plain": (signed, good),
        "any model": (manifest(model=""), sign(manifest(model=""))),
        "the other s": (signed, r + (ORDER - int.from_bytes(s)).to_bytes(32)),
    }
    invalid = {
        "another text": (manifest(version="1.1.1"), good),
        "a flipped bit": (signed, good[:-1] + bytes([good[-1] ^ 1])),
        "s before r": (signed, s + r),
        "another key": (signed, b"".join(number.to_bytes(32) for number in foreign)),
        "DER": (signed, der),
        "too short": (signed, good[:-1]),
        "zero": (signed, bytes(64)),
        "empty": (signed, b""),
    }
    return {
        name: [
            {"why": why, "text": text, "signature": base64.b64encode(raw).decode()}
            for why, (text, raw) in cases.items()
        ]
        for name, cases in (("valid", valid), ("invalid", invalid))
    }

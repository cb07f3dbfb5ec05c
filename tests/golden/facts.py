"""What the vectors are made of: one key, one board, one image."""

import base64
from hashlib import sha256
import json
import struct
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.firmware_images import build_app

type Json = dict[str, Any]

SCALAR = sha256(b"mqtt_ota golden test key").digest()
KEY = ec.derive_private_key(int.from_bytes(SCALAR), ec.SECP256R1())

IMAGE = build_app("ESP32-C3", "1.1.0", "golden", 1200, seed=7)
DIGEST = sha256(IMAGE).hexdigest()
TAG = bytes.fromhex(DIGEST)[:8]
BLOCK_SIZE = 256

SESSION = "0123456789abcdef"
BOARD: Json = {
    "root": "mqtt_ota",
    "id": "relay-1",
    "model": "relay",
    "chip": "ESP32-C3",
    "slot_size": 1310720,
    "block_size": 256,
    "window": 8,
    "transports": ["blocks", "http"],
    "keys": [],
    "counter": 3,
    "running_sha256": sha256(b"what runs").hexdigest(),
}


def compact(fields: Json) -> str:
    """Write a message's JSON as the integration does."""
    return json.dumps(fields, separators=(",", ":"))


def without(fields: Json, name: str) -> Json:
    return {key: value for key, value in fields.items() if key != name}


def key() -> Json:
    """Return the test key."""
    point = KEY.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return {
        "private_scalar": SCALAR.hex(),
        "public_point": point.hex(),
        "public_base64": base64.b64encode(point).decode(),
        "public_pem": KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        "id": sha256(point).hexdigest()[:16],
    }


def ids() -> Json:
    """Return texts that name boards, and texts that must not."""
    return {
        "valid": ["relay-1", "A", "0", "a.b_c-D", "...", "x" * 64],
        "invalid": ["", ".", "..", "x" * 65, "a/b", "../a", "+", "#", "a b", "a\u0000", "caf\u00e9", "$a"],
    }


def topics() -> Json:
    """Return where the board of these vectors speaks and hears."""
    own = f"{BOARD['root']}/board/{BOARD['id']}"
    kinds = ("announce", "availability", "offer", "want", "block", "status", "cancel")
    return {kind: f"{own}/{kind}" for kind in kinds} | {"image": f"{BOARD['root']}/image/{TAG.hex()}"}


def image() -> Json:
    """Return the image of these vectors, and what its header says."""
    version, project, time, date, idf = struct.unpack_from("<32s32s16s16s32s", IMAGE, 0x30)
    return {
        "bytes": IMAGE.hex(),
        "size": len(IMAGE),
        "sha256": DIGEST,
        "tag": TAG.hex(),
        "magic": IMAGE[0],
        "segments": IMAGE[1],
        "chip_id": struct.unpack_from("<H", IMAGE, 12)[0],
        "chip": "ESP32-C3",
        "digest_appended": bool(IMAGE[23]),
        "descriptor_magic": IMAGE[0x20:0x24].hex(),
        "secure_version": struct.unpack_from("<I", IMAGE, 0x24)[0],
        "version": version.rstrip(b"\0").decode(),
        "project": project.rstrip(b"\0").decode(),
        "time": time.rstrip(b"\0").decode(),
        "date": date.rstrip(b"\0").decode(),
        "idf_version": idf.rstrip(b"\0").decode(),
        "elf_sha256": IMAGE[0xB0:0xD0].hex(),
    }


def cuts() -> list[Json]:
    """Return how images are cut into blocks."""
    cases = ((1, 256), (255, 256), (256, 256), (257, 256), (1200, 256), (8192, 4096), (8193, 4096), (1000000, 16384))
    return [
        {"size": size, "block_size": block, "blocks": -(-size // block), "last": (size - 1) % block + 1}
        for size, block in cases
    ]

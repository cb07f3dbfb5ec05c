"""The messages in JSON: announce, offer, status, cancel."""

import base64

from .facts import DIGEST, SESSION, Json, compact, key, topics, without
from .trust import manifest, sign

ANNOUNCE: Json = {
    "protocol": 1,
    "id": "relay-1",
    "name": "Kitchen relay",
    "model": "relay",
    "chip": "ESP32-C3",
    "project": "golden",
    "version": "1.0.0",
    "mac": "02:00:00:00:00:01",
    "slot_size": 1310720,
    "block_size": 4096,
    "window": 8,
    "order": "any",
    "encodings": ["raw", "deflate"],
    "transports": ["blocks", "http"],
    "keys": [],
    "counter": 3,
    "rollback": True,
    "wake_interval": 0,
}


def announces() -> Json:
    """Return announces, and what is none: `cause` is a word that the integration's log line has."""
    least = {name: ANNOUNCE[name] for name in ("protocol", "id", "chip", "version", "slot_size")}
    key_id = key()["id"]
    valid = (
        ANNOUNCE,
        least | {"transports": ["http"]},
        least | {"transports": ["blocks"], "block_size": 256, "window": 1, "order": "sequential", "encodings": ["raw"]},
        ANNOUNCE | {"keys": [key_id], "feed": "https://example.com/manifest.json", "wake_interval": 3600},
        ANNOUNCE | {"version": "1.1.0", "sha256": DIGEST, "pending": True},
        ANNOUNCE | {"transports": ["blocks", "pigeon"], "encodings": ["raw", "zstd"], "colour": "red"},
    )
    invalid: tuple[tuple[str, str], ...] = (
        ("JSON", ""),
        ("JSON", '{"protocol":1'),
        ("object", "[1]"),
        ("longer", compact(ANNOUNCE | {"notes": "x" * 2048})),
        ("protocol", compact(ANNOUNCE | {"protocol": 2})),
        *((name, compact(without(ANNOUNCE, name))) for name in ("protocol", *without(least, "protocol"), "transports")),
        *((name, compact(without(ANNOUNCE, name))) for name in ("block_size", "window", "order")),
        *((name, compact(ANNOUNCE | {name: "x" * 65})) for name in ("name", "model", "chip", "project", "version")),
        ("feed", compact(ANNOUNCE | {"feed": "x" * 257})),
        ("name", compact(ANNOUNCE | {"name": "a\u0007b"})),
        ("version", compact(ANNOUNCE | {"version": ""})),
        ("version", compact(ANNOUNCE | {"version": 1})),
        ("slot_size", compact(ANNOUNCE | {"slot_size": -1})),
        ("slot_size", compact(ANNOUNCE | {"slot_size": "1310720"})),
        ("block_size", compact(ANNOUNCE | {"block_size": 255})),
        ("block_size", compact(ANNOUNCE | {"block_size": 16385})),
        ("window", compact(ANNOUNCE | {"window": 0})),
        ("order", compact(ANNOUNCE | {"order": "random"})),
        ("counter", compact(ANNOUNCE | {"counter": 4294967296})),
        ("rollback", compact(ANNOUNCE | {"rollback": "yes"})),
        ("sha256", compact(ANNOUNCE | {"sha256": "00"})),
        ("mac", compact(ANNOUNCE | {"mac": "no mac"})),
        ("another board", compact(ANNOUNCE | {"id": "relay-2"})),
    )
    return {
        "valid": [{"payload": compact(fields), "fields": fields} for fields in valid],
        "invalid": [{"payload": payload, "cause": cause} for cause, payload in invalid],
    }


def offers() -> Json:
    """Return offers to the board of these vectors, each with what it answers."""
    signed = manifest()
    signature = base64.b64encode(sign(signed)).decode()
    blocks = {"topic": topics()["block"], "block_size": 256, "window": 8, "encoding": "deflate"}
    start = {"protocol": 1, "session": SESSION, "manifest": signed}
    plain = start | {"transport": "blocks"} | blocks
    url = {"transport": "http", "url": "http://127.0.0.1:8123/mqtt_ota/AAAAAAAAAAAAAAAAAAAAAA"}
    closed = {"keys": [key()["id"]]}
    taken: tuple[tuple[Json, Json], ...] = (
        (plain, {}),
        (start | {"signature": signature, "transport": "blocks"} | blocks, closed),
        (plain | {"topic": topics()["image"]}, {}),
        (plain | {"block_size": 16384, "window": 256, "encoding": "raw"}, {}),
        (start | url, {}),
        (plain | {"manifest": manifest(model="")}, {}),
        (plain | {"signature": signature}, {}),
    )
    refused: tuple[tuple[str, Json, Json], ...] = (
        ("offer_invalid", plain | {"protocol": 2}, {}),
        ("offer_invalid", without(plain, "manifest"), {}),
        ("offer_invalid", plain | {"manifest": signed[:-1]}, {}),
        ("offer_invalid", plain | {"transport": "https", "url": "https://example.com/a"}, {}),
        ("offer_invalid", plain | {"topic": "mqtt_ota/board/relay-2/block"}, {}),
        ("offer_invalid", plain | {"topic": "#"}, {}),
        ("offer_invalid", plain | {"block_size": 255}, {}),
        ("offer_invalid", plain | {"window": 0}, {}),
        ("offer_invalid", start | url | {"url": "file:///etc/hostname"}, {}),
        ("model", plain | {"manifest": manifest(model="lamp", chip="ESP32")}, {}),
        ("chip", plain | {"manifest": manifest(chip="ESP32", size=1310721)}, {}),
        ("size", plain | {"manifest": manifest(size=1310721, counter=2)}, {}),
        ("counter", plain | {"manifest": manifest(counter=2)}, closed),
        ("signature", plain, closed),
        ("signature", plain | {"signature": base64.b64encode(bytes(64)).decode()}, closed),
        ("signature", plain | {"signature": "????"}, closed | {"running_sha256": DIGEST}),
        ("already_running", plain, {"running_sha256": DIGEST}),
    )
    dropped = ("", "[]", "{}", '{"session":5}', '{"session":"0123456789ABCDEF"}', '{"session":"0123"}', "\u0000")
    return {
        "taken": [{"payload": compact(offer), "board": board} for offer, board in taken],
        "refused": [{"payload": compact(offer), "board": board, "reason": why} for why, offer, board in refused],
        "dropped": [*dropped, compact(plain | {"manifest": "x" * 1024})],
    }


def statuses() -> Json:
    """Return statuses of the session, and what is none of it."""
    said = {"session": SESSION, "held": 0}
    progress = ("accepted", "transferring", "verifying", "rebooting", "confirmed", "cancelled")
    refusals = ("offer_invalid", "model", "chip", "size", "counter", "signature", "already_running", "busy")
    failures = (*refusals, "flash", "digest", "image", "transport", "timeout")
    valid = [
        *(said | {"state": state, "held": 512} for state in progress),
        *(said | {"state": "failed", "reason": reason} for reason in failures),
        said | {"state": "failed", "reason": "a later one", "detail": "x" * 128},
        *(said | {"state": "rolled_back", "reason": reason} for reason in ("boot", "self_test")),
    ]
    good = said | {"state": "transferring"}
    dropped = (
        "",
        "5",
        compact(without(good, "session")),
        compact(good | {"session": "fedcba9876543210"}),
        compact(without(good, "state")),
        compact(good | {"state": "dreaming"}),
        compact(good | {"held": -1}),
        compact(good | {"held": "512"}),
        compact(good | {"detail": "x" * 129}),
        compact(good | {"more": "x" * 512}),
    )
    return {"session": SESSION, "valid": [compact(status) for status in valid], "dropped": list(dropped)}


def cancels() -> Json:
    """Return what calls the session off, and what does nothing."""
    return {"valid": [compact({"session": SESSION})], "dropped": ["", "{}", '{"session":null}']}

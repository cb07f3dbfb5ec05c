"""Offers: what one must say, and why one is refused."""

import json

from .frames import MAX_BLOCK, MIN_BLOCK
from .signature import is_signed
from .texts import CHARACTERS, is_hex, is_line, number_in, text_in, to_number

PROTOCOL = 1
OFFER_LIMIT = 1024


class Refused(Exception):
    """An offer that must not be taken; the first argument is the reason to answer, the second more for people."""


def parse_session(payload):
    """Return the session that a message names, and all its fields; ValueError where there is none."""
    if len(payload) > OFFER_LIMIT:
        raise ValueError("too long")
    try:
        fields = json.loads(str(payload, "utf-8"))
    except (ValueError, RuntimeError):  # RuntimeError: nested beyond reason
        raise ValueError("not JSON")
    session = fields.get("session") if isinstance(fields, dict) else None
    if not isinstance(session, str) or not is_hex(session, 16):
        raise ValueError("no session")
    return session, fields


def parse_manifest(text):
    """Read a canonical manifest into a dict; ValueError for any other text."""
    lines = text.split("\n")
    if len(lines) != 8 or lines[0] != "mqtt_ota 1" or lines[7]:
        raise ValueError("manifest")
    manifest = {}
    for key, line in zip(("model", "chip", "version", "size", "sha256", "counter"), lines[1:7]):
        if not line.startswith(key + "="):
            raise ValueError(key)
        manifest[key] = line[len(key) + 1 :]
    manifest["size"] = to_number(manifest["size"])
    manifest["counter"] = to_number(manifest["counter"])
    valid = (
        manifest["size"] > 0
        and (not manifest["model"] or is_line(manifest["model"]))
        and is_line(manifest["version"])
        and is_hex(manifest["sha256"], 64)
        and 1 <= len(manifest["chip"]) <= 32
        and all(c in CHARACTERS and c not in "_." for c in manifest["chip"])
    )
    if not valid:
        raise ValueError("manifest")
    return manifest


def parse_offer(session, fields, own_topic, root, about):
    """Read an offer to the board that announces this; ValueError says which of its fields is wrong."""
    if type(fields.get("protocol")) is not int or fields["protocol"] != PROTOCOL:
        raise ValueError("protocol")
    text = text_in(fields, "manifest")
    facts = parse_manifest(text)
    if text_in(fields, "transport") != "blocks":
        raise ValueError("transport")
    topic = text_in(fields, "topic")
    if topic not in (own_topic, root + "/image/" + facts["sha256"][:16]):
        raise ValueError("topic")
    block_size = number_in(fields, "block_size", MIN_BLOCK, MAX_BLOCK)
    window = number_in(fields, "window", 1, 256)
    if text_in(fields, "encoding") not in ("raw", "deflate"):
        raise ValueError("encoding")
    return {
        "session": session,
        "manifest": text,
        "facts": facts,
        "topic": topic,
        "block_size": min(block_size, about["block_size"]),
        "window": min(window, about["window"]),
        "signature": "" if fields.get("signature") is None else text_in(fields, "signature"),
    }


def check_offer(offer, about, counter, keys, running, arriving):
    """Raise Refused with the first reason that applies; the last two are SHA-256 or None."""
    facts = offer["facts"]
    if facts["model"] not in ("", about["model"]):
        raise Refused("model")
    if facts["chip"] != about["chip"]:
        raise Refused("chip")
    if facts["size"] > about["slot_size"]:
        raise Refused("size")
    if facts["counter"] < counter:
        raise Refused("counter")
    if keys and not any(is_signed(offer["manifest"], offer["signature"], point) for point, _ in keys):
        raise Refused("signature")
    if facts["sha256"] == running:
        raise Refused("already_running")
    if arriving not in (None, facts["sha256"]):
        raise Refused("busy")

"""Golden vectors: what both sides of the native protocol must read and write alike.

`python -m tests.golden` writes them to `firmware/golden.json`; the same run gives the same bytes.
"""

import json
from pathlib import Path

from .binary import frames, wants
from .facts import BOARD, Json, cuts, ids, image, key, topics
from .messages import announces, cancels, offers, statuses
from .trust import manifests, signatures

PATH = Path(__file__).parents[2] / "firmware/golden.json"
NOTE = (
    "Golden vectors of the native protocol, version 1, written by tests/golden; PROTOCOL.md explains them. "
    "The private key is for tests only and protects nothing."
)


def golden() -> Json:
    """Return all vectors."""
    return {
        "format": 1,
        "note": NOTE,
        "key": key(),
        "board": BOARD,
        "ids": ids(),
        "topics": topics(),
        "image": image(),
        "cuts": cuts(),
        "manifests": manifests(),
        "signatures": signatures(),
        "announces": announces(),
        "availability": {"valid": ["online", "offline", "asleep"], "invalid": ["", "ONLINE", "online\n", "away"]},
        "offers": offers(),
        "wants": wants(),
        "frames": frames(),
        "statuses": statuses(),
        "cancels": cancels(),
    }


def text() -> str:
    """Return the file."""
    return json.dumps(golden(), indent=1) + "\n"

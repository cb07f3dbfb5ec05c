"""The golden vectors in `firmware/golden.json`, against the MicroPython agent; and its P-256 against any key."""

import base64
import json
from pathlib import Path
import random
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
import pytest

from custom_components.mqtt_ota.ota.bundle import is_safe_name
from custom_components.mqtt_ota.ota.signature import key_id, point, sign
from tests import golden

from .interpreter import ask, needs_micropython, raw

pytestmark = needs_micropython

GOLDEN: dict[str, Any] = json.loads(golden.PATH.read_text())
KEY = GOLDEN["key"]["public_base64"]
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def test_manifests() -> None:
    valid, invalid = (GOLDEN["manifests"][kind] for kind in ("valid", "invalid"))
    answers = ask([["parse_manifest", vector["text"]] for vector in valid + invalid])
    assert answers == [vector["fields"] for vector in valid] + ["ValueError"] * len(invalid)


def test_signatures() -> None:
    valid, invalid = (GOLDEN["signatures"][kind] for kind in ("valid", "invalid"))
    answers = ask([["is_signed", vector["text"], vector["signature"], KEY] for vector in valid + invalid])
    assert answers == [True] * len(valid) + [False] * len(invalid)


def test_keys_and_their_ids() -> None:
    off_curve = bytes.fromhex(GOLDEN["key"]["public_point"])[:-1] + b"\x00"
    wrong = ["", "!", base64.b64encode(off_curve).decode(), base64.b64encode(b"\x04" + b"\xff" * 64).decode(), KEY[:-8]]
    answers = ask([["key_id", text] for text in (KEY, GOLDEN["key"]["public_pem"], *wrong)])
    assert answers == [GOLDEN["key"]["id"]] * 2 + ["ValueError"] * len(wrong)


def test_signatures_of_any_key() -> None:
    chance = random.Random(20261121)
    calls: list[list[str]] = []
    expected: list[bool | str] = []
    for _ in range(12):
        key = ec.derive_private_key(chance.randrange(1, ORDER), ec.SECP256R1())
        text = chance.randbytes(30).hex()
        signature = sign(text, key)
        r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
        public = base64.b64encode(point(key.public_key())).decode()
        for is_good, values in (
            (True, (r, s)),
            (True, (r, ORDER - s)),
            (False, (r, s ^ 1 << chance.randrange(250))),
            (False, (r ^ 1 << chance.randrange(250), s)),
            (False, (0, s)),
            (False, (r, 0)),
            (False, (ORDER, s)),
            (False, (s, r)),
        ):
            written = base64.b64encode(b"".join(value.to_bytes(32) for value in values)).decode()
            calls.append(["is_signed", text, written, public])
            expected.append(is_good)
        calls.append(["key_id", public])
        expected.append(key_id(key.public_key()))
    assert ask(calls) == expected


def test_small_keys_whose_sums_meet_themselves() -> None:
    """Keys that are small multiples of the generator make the addition meet equal and opposite points."""
    calls = []
    for scalar in (1, 2, 3, ORDER - 1, ORDER - 2):
        key = ec.derive_private_key(scalar, ec.SECP256R1())
        public = base64.b64encode(point(key.public_key())).decode()
        calls += [["is_signed", text, base64.b64encode(sign(text, key)).decode(), public] for text in ("a", "b", "c")]
    assert ask(calls) == [True] * len(calls)


def test_frames() -> None:
    valid, invalid = (GOLDEN["frames"][kind] for kind in ("valid", "invalid"))
    answers = ask([["parse_frame", raw(vector["payload"])] for vector in valid + invalid])
    expected = [[raw(vector["tag"]), vector["offset"], raw(vector["block"])] for vector in valid]
    assert answers == expected + ["ValueError"] * len(invalid)


def test_wants() -> None:
    vectors = [
        vector
        for vector in GOLDEN["wants"]["valid"]
        if vector["blocks"] == list(range(vector["first"], vector["first"] + len(vector["blocks"])))
    ]
    assert len(vectors) >= 2
    calls = [
        [
            "write_want",
            raw(vector["tag"]),
            vector["block_size"],
            vector["first"],
            len(vector["blocks"]),
            vector["probe"],
        ]
        for vector in vectors
    ]
    assert ask(calls) == [raw(vector["payload"]) for vector in vectors]


def test_sessions() -> None:
    offers, cancels = GOLDEN["offers"], GOLDEN["cancels"]
    answers = ask([["parse_session", raw(text.encode())] for text in cancels["valid"] + cancels["dropped"]])
    assert answers[: len(cancels["valid"])] == [
        [json.loads(text)["session"], json.loads(text)] for text in cancels["valid"]
    ]
    assert answers[len(cancels["valid"]) :] == ["ValueError"] * len(cancels["dropped"])
    answers = ask([["parse_session", raw(text.encode())] for text in offers["dropped"]])
    assert answers == ["ValueError"] * len(offers["dropped"])


def test_board_ids() -> None:
    valid, invalid = (GOLDEN["ids"][kind] for kind in ("valid", "invalid"))
    assert ask([["is_board_id", text] for text in valid + invalid]) == [True] * len(valid) + [False] * len(invalid)


def offer(vector: dict[str, Any]) -> list[Any]:
    board = GOLDEN["board"] | vector["board"]
    names = ("id", "root", "model", "chip", "slot_size", "block_size", "window", "counter")
    settings = {name: board[name] for name in names} | {"keys": [KEY] if board["keys"] else []}
    return ["answer_offer", settings, board["running_sha256"], raw(vector["payload"].encode())]


@pytest.mark.parametrize("kind", ["taken", "refused"])
def test_offers(kind: str, tmp_path: Path) -> None:
    session = GOLDEN["statuses"]["session"]
    (tmp_path / "board").mkdir()
    for vector in GOLDEN["offers"][kind]:
        # It takes blocks alone.
        reason = vector.get("reason") or ("" if '"transport":"blocks"' in vector["payload"] else "offer_invalid")
        state = "failed" if reason else "accepted"
        assert ask([offer(vector)], folder=tmp_path) == [[[session, state, reason]]], vector["payload"]


@pytest.mark.parametrize(
    "name",
    [
        *("app.py", "lib/umqtt/simple.py", "A-b_c.9", "lib/main.py", "x" * 96),
        *("", "/", "/app.py", "lib/", "lib//a.py", ".", "..", "../app.py", "lib/../app.py", ".mqtt_ota/journal.json"),
        *(
            "lib/.hidden",
            "app\\x.py",
            "C:app.py",
            "ä.py",
            "a b",
            "a\0",
            "x" * 97,
            "~",
            "MAIN.PY",
            "boot.py",
            "mqtt_ota.mpy",
        ),
    ],
)
def test_names_are_judged_as_home_assistant_judges_them(name: str) -> None:
    assert ask([["is_safe_name", name]]) == [is_safe_name(name)]

"""The golden vectors in `firmware/golden.json`, against this side of the protocol and against the board of the tests."""

import base64
from hashlib import sha256
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
import pytest

from custom_components.mqtt_ota.ota import signature
from custom_components.mqtt_ota.ota.blocks import Want, block_count, encode_frame, parse_frame, parse_want, span, tag_of
from custom_components.mqtt_ota.ota.board import Availability, Board, Encoding, Transport, is_board_id
from custom_components.mqtt_ota.ota.dialects import (
    Announcement,
    Block,
    Ignored,
    Message,
    OfferUrl,
    Presence,
    Publish,
    SendBlocks,
)
from custom_components.mqtt_ota.ota.dialects.native import NativeDialect
from custom_components.mqtt_ota.ota.errors import OtaError
from custom_components.mqtt_ota.ota.image import inspect
from custom_components.mqtt_ota.ota.session import Session, State, Target
from tests import golden
from tests.board.flash import Flash, Journal
from tests.board.offer import Refused, check, parse_offer, parse_session
from tests.board.settings import Settings

GOLDEN: dict[str, Any] = json.loads(golden.PATH.read_text())
KEY = signature.load_public_key(GOLDEN["key"]["public_base64"])
IMAGE = bytes.fromhex(GOLDEN["image"]["bytes"])
TOPICS: dict[str, str] = GOLDEN["topics"]
DIALECT = NativeDialect(GOLDEN["board"]["root"])


def cases(*path: str) -> pytest.MarkDecorator:
    """Parametrise by the vectors at a path, which name themselves by their place."""
    vectors: Any = GOLDEN
    for step in path:
        vectors = vectors[step]
    assert vectors
    return pytest.mark.parametrize("vector", vectors, ids=range(len(vectors)))


def from_board(kind: str, payload: bytes | str) -> Message:
    return Message(TOPICS[kind], payload if isinstance(payload, bytes) else payload.encode())


def announced(payload: str) -> Board:
    reading = DIALECT.read(from_board("announce", payload))
    assert isinstance(reading, Announcement)
    return reading.board


def session_of(board: Board) -> Session:
    """Return the session of the vectors, with the image on its way."""
    text = GOLDEN["manifests"]["valid"][0]["text"]
    target = Target(version="1.1.0", sha256=GOLDEN["image"]["sha256"], size=len(IMAGE), manifest=text)
    session = Session.create(GOLDEN["statuses"]["session"], board, target, 0.0, Transport.BLOCKS)
    session.alive(State.TRANSFERRING, 0.0)
    return session


BOARD = announced(GOLDEN["announces"]["valid"][0]["payload"])


def test_the_file_is_what_its_generator_writes() -> None:
    assert golden.PATH.read_text() == golden.text(), "run: python -m tests.golden"


def test_the_key_has_its_id() -> None:
    key = GOLDEN["key"]
    assert signature.key_id(KEY) == key["id"]
    assert signature.point(KEY).hex() == key["public_point"]
    assert signature.key_id(signature.load_public_key(key["public_pem"])) == key["id"]
    private = ec.derive_private_key(int(key["private_scalar"], 16), ec.SECP256R1())
    assert signature.key_id(private.public_key()) == key["id"]


@pytest.mark.parametrize("kind", ["valid", "invalid"])
def test_ids_name_boards_or_do_not(kind: str) -> None:
    assert {is_board_id(text) for text in GOLDEN["ids"][kind]} == {kind == "valid"}


def test_the_topics_are_those_of_the_dialect() -> None:
    for kind in ("announce", "availability", "want", "status"):
        assert DIALECT.board_id(from_board(kind, b"")) == GOLDEN["board"]["id"]
    assert tag_of(GOLDEN["image"]["sha256"]).hex() == GOLDEN["image"]["tag"]
    assert TOPICS["image"].endswith(GOLDEN["image"]["tag"])


def test_the_image_is_what_its_header_says() -> None:
    facts, image = GOLDEN["image"], inspect(IMAGE)
    for name in ("size", "sha256", "chip", "chip_id", "version", "project", "time", "date", "idf_version"):
        assert getattr(image, name) == facts[name]
    for name in ("secure_version", "elf_sha256", "digest_appended"):
        assert getattr(image, name) == facts[name]
    assert (facts["magic"], facts["descriptor_magic"]) == (0xE9, "3254cdab")


@cases("cuts")
def test_images_are_cut_alike(vector: dict[str, int]) -> None:
    size, block_size, blocks = vector["size"], vector["block_size"], vector["blocks"]
    assert block_count(size, block_size) == blocks
    assert span(blocks - 1, size, block_size)[1] == vector["last"]


@cases("manifests", "valid")
def test_a_manifest_is_written_in_one_way(vector: dict[str, Any]) -> None:
    assert signature.Manifest(**vector["fields"]).text() == vector["text"]
    assert signature.parse(vector["text"]) == signature.Manifest(**vector["fields"])


@cases("manifests", "invalid")
def test_any_other_text_is_no_manifest(vector: dict[str, str]) -> None:
    with pytest.raises(OtaError):
        signature.parse(vector["text"])


@cases("signatures", "valid")
def test_a_signature_is_accepted(vector: dict[str, str]) -> None:
    signature.verify(vector["text"], signature.decode(vector["signature"]), KEY)


@cases("signatures", "invalid")
def test_what_is_no_signature_of_this_text_is_refused(vector: dict[str, str]) -> None:
    with pytest.raises(OtaError):
        signature.verify(vector["text"], signature.decode(vector["signature"]), KEY)


@cases("announces", "valid")
def test_an_announce_describes_its_board(vector: dict[str, Any]) -> None:
    board, fields = announced(vector["payload"]), vector["fields"]
    for name in ("id", "chip", "version", "slot_size"):
        assert getattr(board, name) == fields[name]
    for name in ("name", "model", "project", "mac", "sha256", "feed"):
        assert getattr(board, name) == fields.get(name, "")
    for name in ("counter", "wake_interval", "rollback", "pending"):
        assert getattr(board, name) == fields.get(name, 0)
    assert board.keys == tuple(fields.get("keys", ()))
    assert board.transports == set(Transport) & set(fields["transports"])
    assert board.encodings == set(Encoding) & set(fields.get("encodings", ()))
    if Transport.BLOCKS in board.transports:
        assert [board.block_size, board.window, board.order] == [fields[k] for k in ("block_size", "window", "order")]


@cases("announces", "invalid")
def test_what_is_no_announce_is_dropped_with_its_cause(vector: dict[str, str]) -> None:
    reading = DIALECT.read(from_board("announce", vector["payload"]))
    assert isinstance(reading, Ignored)
    assert vector["cause"] in reading.cause


def test_availability_is_one_of_three_words() -> None:
    for word in GOLDEN["availability"]["valid"]:
        assert DIALECT.read(from_board("availability", word)) == Presence(Availability(word))
    for word in GOLDEN["availability"]["invalid"]:
        assert isinstance(DIALECT.read(from_board("availability", word)), Ignored)


@cases("wants", "valid")
def test_a_want_is_read_written_and_answered(vector: dict[str, Any]) -> None:
    payload = bytes.fromhex(vector["payload"])
    want = parse_want(payload)
    facts = {name: vector[name] for name in ("block_size", "first", "probe")}
    assert want == Want(tag=bytes.fromhex(vector["tag"]), blocks=tuple(vector["blocks"]), **facts)
    assert want.payload() == payload[: len(want.payload())]
    assert not any(payload[len(want.payload()) :])
    encoding = Encoding.RAW if want.probe else Encoding.DEFLATE
    blocks = tuple(Block(*span(number, len(IMAGE), want.block_size), encoding) for number in want.blocks)
    answer = DIALECT.receive(session_of(BOARD), BOARD, from_board("want", payload), 1.0)
    assert answer == [SendBlocks(TOPICS["block"], blocks)]


@cases("wants", "invalid")
def test_what_is_no_want_is_dropped_with_its_cause(vector: dict[str, str]) -> None:
    payload = bytes.fromhex(vector["payload"])
    with pytest.raises(ValueError, match=vector["cause"]):
        parse_want(payload)
    (answer,) = DIALECT.receive(session_of(BOARD), BOARD, from_board("want", payload), 1.0)
    assert isinstance(answer, Ignored)


@cases("wants", "refused")
def test_a_want_beyond_the_image_is_dropped(vector: dict[str, str]) -> None:
    payload = bytes.fromhex(vector["payload"])
    assert parse_want(payload)
    (answer,) = DIALECT.receive(session_of(BOARD), BOARD, from_board("want", payload), 1.0)
    assert isinstance(answer, Ignored)
    assert vector["cause"] in answer.cause


@cases("frames", "valid")
def test_a_frame_is_read_and_written(vector: dict[str, Any]) -> None:
    payload, block = bytes.fromhex(vector["payload"]), bytes.fromhex(vector["block"])
    frame = parse_frame(payload)
    assert (frame.tag.hex(), frame.offset, frame.block) == (vector["tag"], vector["offset"], block)
    assert IMAGE[frame.offset :][: vector["length"]] == block
    encoding = Encoding(vector["encoding"])
    written = encode_frame(IMAGE, frame.offset, len(block), encoding, frame.tag)
    if encoding is Encoding.RAW:
        assert written == payload
    else:
        assert (written[1], parse_frame(written)) == (1, frame)


@cases("frames", "invalid")
def test_what_is_no_frame_is_dropped_with_its_cause(vector: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=vector["cause"]):
        parse_frame(bytes.fromhex(vector["payload"]))


@cases("statuses", "valid")
def test_a_status_is_heard(vector: str) -> None:
    session = session_of(BOARD)
    answer = DIALECT.receive(session, BOARD, from_board("status", vector), 1.0)
    assert not any(isinstance(effect, Ignored) for effect in answer)
    said = json.loads(vector)
    match said["state"]:
        case "failed" | "rolled_back" | "cancelled" as state if said.get("reason") != "transport":
            assert session.state == state
        case "failed":
            # The way failed, not the session: this board can also fetch a URL.
            assert session.transport is Transport.HTTP
        case _:
            assert session.is_active


@cases("statuses", "dropped")
def test_what_is_no_status_of_the_session_is_dropped(vector: str) -> None:
    session = session_of(BOARD)
    (answer,) = DIALECT.receive(session, BOARD, from_board("status", vector), 1.0)
    assert isinstance(answer, Ignored)
    assert session.state is State.TRANSFERRING


def answered(vector: dict[str, Any], folder: Path) -> str:
    """Return why the board of the vectors refuses an offer; empty when it takes it."""
    board = GOLDEN["board"] | vector["board"]
    names = ("root", "id", "model", "chip", "slot_size", "block_size", "window", "counter")
    settings = Settings(
        host="",
        port=0,
        state=folder,
        transports=tuple(map(Transport, board["transports"])),
        **{name: board[name] for name in names},
    )
    flash = Flash(folder)
    flash.journal = Journal(digests=[board["running_sha256"], ""])
    keys = {GOLDEN["key"]["id"]: KEY} if board["keys"] else {}
    try:
        check(parse_offer(vector["payload"].encode(), settings), settings, keys, flash)
    except Refused as refused:
        return refused.reason
    return ""


@cases("offers", "taken")
def test_an_offer_is_taken(vector: dict[str, Any], tmp_path: Path) -> None:
    assert answered(vector, tmp_path) == ""


@cases("offers", "refused")
def test_an_offer_is_refused_for_the_first_thing_against_it(vector: dict[str, Any], tmp_path: Path) -> None:
    assert answered(vector, tmp_path) == vector["reason"]


@cases("offers", "dropped")
def test_what_names_no_session_is_no_offer(vector: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no session|not JSON|too long"):
        answered({"payload": vector, "board": {}}, tmp_path)


@pytest.mark.parametrize("transport", [Transport.BLOCKS, Transport.HTTP])
def test_the_dialect_makes_the_offers_of_the_vectors(transport: Transport) -> None:
    taken = [json.loads(vector["payload"]) for vector in GOLDEN["offers"]["taken"]]
    expected = next(offer for offer in taken if offer["transport"] == transport)
    session = session_of(announced(json.dumps(GOLDEN["announces"]["valid"][0]["fields"] | {"block_size": 256})))
    session.transport = transport
    board = announced(json.dumps(GOLDEN["announces"]["valid"][0]["fields"] | {"block_size": 256}))
    (effect,) = DIALECT.begin(session, board, 1.0)
    match effect:
        case Publish(topic, payload):
            pass
        case OfferUrl(topic, _, write):
            payload = write(expected["url"])
        case _:
            pytest.fail(str(effect))
    assert (topic, json.loads(payload)) == (TOPICS["offer"], expected)


def test_a_cancel_names_its_session() -> None:
    (_, said) = DIALECT.cancel(session_of(BOARD), BOARD, 1.0)
    (payload,) = GOLDEN["cancels"]["valid"]
    assert said == Publish(TOPICS["cancel"], payload.encode())
    assert parse_session(payload.encode())[0] == GOLDEN["statuses"]["session"]
    for dropped in GOLDEN["cancels"]["dropped"]:
        with pytest.raises(ValueError, match="no session|not JSON|too long"):
            parse_session(dropped.encode())


def test_the_private_key_signs_what_the_vectors_say() -> None:
    vector = GOLDEN["signatures"]["valid"][0]
    private = ec.derive_private_key(int(GOLDEN["key"]["private_scalar"], 16), ec.SECP256R1())
    signature.verify(vector["text"], signature.sign(vector["text"], private), KEY)


def test_every_example_of_the_document_is_a_vector() -> None:
    """Whoever types the examples of PROTOCOL.md in must get what the vectors say."""
    document = (golden.PATH.parent / "PROTOCOL.md").read_text()
    vectors = {vector["payload"] for message in ("wants", "frames") for vector in GOLDEN[message]["valid"]}
    examples = ["".join(block.split()) for block in document.split("```") if block.startswith("hex\n")]
    assert len(examples) >= 3
    for example in examples:
        assert example.removeprefix("hex") in vectors
    for text in (GOLDEN["manifests"]["valid"][0]["text"], GOLDEN["key"]["id"], GOLDEN["key"]["public_base64"]):
        assert text in document
    assert sha256(bytes.fromhex(GOLDEN["key"]["public_point"])).hexdigest()[:16] in document
    assert base64.b64encode(base64.b64decode(GOLDEN["signatures"]["valid"][0]["signature"])).decode() in document

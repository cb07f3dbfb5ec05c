"""The canonical manifest and its signature."""

import base64
from collections.abc import Callable
import hashlib

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given, strategies as st
import pytest

from custom_components.mqtt_ota.ota import signature
from custom_components.mqtt_ota.ota.errors import OtaError, Reason
from custom_components.mqtt_ota.ota.signature import Manifest, decode, key_id, load_public_key, parse, sign, verify

SHA256 = "a1" * 32
TEXT = f"mqtt_ota 1\nmodel=relay-4\nchip=ESP32-C3\nversion=1.1.0\nsize=912384\nsha256={SHA256}\ncounter=3\n"
PRIVATE_KEY = ec.derive_private_key(0x5EED, ec.SECP256R1())
PUBLIC_KEY = PRIVATE_KEY.public_key()
OTHER_KEY = ec.derive_private_key(0xBAD, ec.SECP256R1())

lines = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=64)
manifests = st.builds(
    Manifest,
    model=lines.filter(lambda text: len(text.encode()) <= 64),
    chip=st.from_regex(r"[A-Za-z0-9-]{1,32}", fullmatch=True),
    version=lines.filter(lambda text: 0 < len(text.encode()) <= 64),
    size=st.integers(1, 2**32 - 1),
    sha256=st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
    counter=st.integers(0, 2**32 - 1),
)


def relay(**changes: object) -> Manifest:
    fields = {
        "model": "relay-4",
        "chip": "ESP32-C3",
        "version": "1.1.0",
        "size": 912384,
        "sha256": SHA256,
        "counter": 3,
    }
    return Manifest(**(fields | changes))


def pem(key: object) -> str:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def outcome[T](reader: Callable[[], T]) -> T | Reason:
    try:
        return reader()
    except OtaError as err:
        return err.reason


def test_the_canonical_text_is_exactly_this() -> None:
    assert relay().text() == TEXT
    assert parse(TEXT) == relay()


def test_an_empty_model_means_any() -> None:
    assert relay(model="").text().splitlines()[1] == "model="
    assert parse(relay(model="").text()).model == ""


@given(manifests)
def test_every_manifest_comes_back_from_its_text(manifest: Manifest) -> None:
    assert parse(manifest.text()) == manifest
    assert parse(manifest.text()).text() == manifest.text()


@given(st.text() | st.from_regex(TEXT.replace("1", "[0-9a-f\n=]?"), fullmatch=True))
def test_whatever_is_read_has_one_text_only(text: str) -> None:
    assert outcome(lambda: parse(text).text()) in {text, Reason.MANIFEST_INVALID}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", "a\nchip=ESP32"),
        ("model", "a\x7f"),
        ("model", "é" * 33),
        ("model", "\ud800"),
        ("chip", ""),
        ("chip", "ESP32 C3"),
        ("chip", "E" * 33),
        ("version", ""),
        ("version", "1.0\r"),
        ("version", "1" * 65),
        ("size", 0),
        ("size", 2**32),
        ("sha256", SHA256.upper()),
        ("sha256", SHA256[:-1]),
        ("counter", -1),
        ("counter", 2**32),
    ],
)
def test_a_value_that_the_text_cannot_carry_is_refused(field: str, value: object) -> None:
    with pytest.raises(OtaError) as refusal:
        relay(**{field: value})
    assert refusal.value.reason is Reason.MANIFEST_INVALID
    assert refusal.value.placeholders == {"detail": field}


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("", "mqtt_ota 1"),
        (TEXT[:-1], "mqtt_ota 1"),
        (TEXT + "\n", "mqtt_ota 1"),
        (TEXT + "more=1\n", "mqtt_ota 1"),
        (TEXT.replace("ota 1", "ota 2"), "mqtt_ota 1"),
        (TEXT.replace("\n", "\r\n"), "mqtt_ota 1"),
        (TEXT.replace("chip=", "Chip="), "chip"),
        (TEXT.replace("model=relay-4\nchip=ESP32-C3", "chip=ESP32-C3\nmodel=relay-4"), "model"),
        (TEXT.replace("size=9", "size=09"), "size"),
        (TEXT.replace("size=9", "size=+9"), "size"),
        (TEXT.replace("size=9", "size=٩"), "size"),
        (TEXT.replace("counter=3", "counter="), "counter"),
        (TEXT.replace("counter=3", "counter=4294967296"), "counter"),
        (TEXT.replace(SHA256, SHA256.upper()), "sha256"),
    ],
)
def test_any_other_text_is_refused(text: str, detail: str) -> None:
    with pytest.raises(OtaError) as refusal:
        parse(text)
    assert refusal.value.reason is Reason.MANIFEST_INVALID
    assert refusal.value.placeholders == {"detail": detail}


def test_a_signature_is_64_bytes_that_verify() -> None:
    signed = sign(TEXT, PRIVATE_KEY)
    assert len(signed) == 64
    verify(TEXT, signed, PUBLIC_KEY)


@pytest.mark.parametrize(
    ("text", "signed", "key"),
    [
        (TEXT.replace("1.1.0", "1.1.1"), sign(TEXT, PRIVATE_KEY), PUBLIC_KEY),
        (TEXT, sign(TEXT, PRIVATE_KEY), OTHER_KEY.public_key()),
        (TEXT, sign(TEXT, PRIVATE_KEY)[:-1], PUBLIC_KEY),
        (TEXT, sign(TEXT, PRIVATE_KEY) + b"\0", PUBLIC_KEY),
        (TEXT, bytes(64), PUBLIC_KEY),
        (TEXT, b"\xff" * 64, PUBLIC_KEY),
        (TEXT, b"", PUBLIC_KEY),
        ("\ud800", sign("?", PRIVATE_KEY), PUBLIC_KEY),
    ],
    ids=["other text", "other key", "short", "long", "zeros", "ones", "nothing", "half a pair"],
)
def test_a_wrong_signature_is_refused(text: str, signed: bytes, key: ec.EllipticCurvePublicKey) -> None:
    with pytest.raises(OtaError) as refusal:
        verify(text, signed, key)
    assert refusal.value.reason is Reason.SIGNATURE_INVALID


@given(st.integers(0, 63), st.integers(1, 255))
def test_no_byte_of_a_signature_can_be_changed(at: int, flip: int) -> None:
    signed = bytearray(sign(TEXT, PRIVATE_KEY))
    signed[at] ^= flip
    with pytest.raises(OtaError):
        verify(TEXT, bytes(signed), PUBLIC_KEY)


def test_a_signature_is_read_from_base64() -> None:
    signed = sign(TEXT, PRIVATE_KEY)
    assert decode(base64.b64encode(signed).decode()) == signed


@pytest.mark.parametrize("text", ["", "AAAA", "!" * 88, "é", base64.b64encode(bytes(65)).decode(), "A" * 87])
def test_what_is_no_signature_in_base64_is_refused(text: str) -> None:
    with pytest.raises(OtaError) as refusal:
        decode(text)
    assert refusal.value.reason is Reason.SIGNATURE_INVALID


def test_a_public_key_is_read_in_every_form_in_which_people_have_it() -> None:
    point = PUBLIC_KEY.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    encoded = base64.b64encode(point).decode()
    for text in (
        pem(PUBLIC_KEY),
        f"\n {pem(PUBLIC_KEY)} \n",
        pem(PUBLIC_KEY).replace("\n", " "),
        encoded,
        f" {encoded}\n",
    ):
        assert signature.point(load_public_key(text)) == point


def test_a_key_is_named_by_the_digest_of_its_point() -> None:
    point = signature.point(PUBLIC_KEY)
    assert len(point) == 65
    assert point[0] == 4
    assert key_id(PUBLIC_KEY) == hashlib.sha256(point).hexdigest()[:16]
    assert key_id(PUBLIC_KEY) != key_id(OTHER_KEY.public_key())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not a key",
        "é",
        base64.b64encode(bytes(65)).decode(),
        base64.b64encode(b"\x04" + b"\x01" * 64).decode(),
        base64.b64encode(b"\x04" + bytes(63)).decode(),
        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\nA\n-----END PUBLIC KEY-----",
        pem(ec.derive_private_key(1, ec.SECP384R1()).public_key()),
        pem(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()),
        pem(PUBLIC_KEY) + pem(PUBLIC_KEY),
    ],
)
def test_any_other_key_is_refused(text: str) -> None:
    with pytest.raises(OtaError) as refusal:
        load_public_key(text)
    assert refusal.value.reason is Reason.KEY_INVALID


def test_a_private_key_pasted_by_mistake_is_refused_and_not_repeated() -> None:
    secret = PRIVATE_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises(OtaError) as refusal:
        load_public_key(secret)
    assert refusal.value.reason is Reason.KEY_INVALID
    assert secret.splitlines()[1] not in str(refusal.value)


@given(st.text())
def test_no_text_makes_reading_a_key_raise_anything_else(text: str) -> None:
    with pytest.raises(OtaError):
        load_public_key(text)


@given(st.integers(0, 90), st.integers(0, 255))
def test_no_damage_to_a_key_makes_reading_it_raise_anything_else(at: int, byte: int) -> None:
    der = bytearray(PUBLIC_KEY.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    der[at] = byte
    text = f"-----BEGIN PUBLIC KEY-----{base64.b64encode(der).decode()}-----END PUBLIC KEY-----"
    assert outcome(lambda: load_public_key(text).curve.name) in {"secp256r1", Reason.KEY_INVALID}

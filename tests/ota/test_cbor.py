"""The part of CBOR that boards use: it comes back as it was, and nothing else is taken."""

from contextlib import suppress

from hypothesis import given, strategies as st
import pytest

from custom_components.mqtt_ota.ota.cbor import CborError, decode, encode

LEAVES = st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=300) | st.text(max_size=300)
ITEMS = (
    LEAVES
    | st.lists(LEAVES, max_size=30)
    | st.dictionaries(st.text(max_size=9), LEAVES | st.lists(LEAVES), max_size=30)
)


# From the appendix of RFC 8949.
@pytest.mark.parametrize(
    ("item", "told"),
    [
        (0, "00"),
        (23, "17"),
        (24, "1818"),
        (1000, "1903e8"),
        (1000000, "1a000f4240"),
        (1000000000000, "1b000000e8d4a51000"),
        (-1, "20"),
        (-1000, "3903e7"),
        (b"\x01\x02\x03\x04", "4401020304"),
        ("IETF", "6449455446"),
        ([1, [2, 3]], "8201820203"),
        ({"a": 1, "b": [2, 3]}, "a26161016162820203"),
    ],
)
def test_items_are_written_as_the_standard_has_them(item: object, told: str) -> None:
    assert encode(item).hex() == told  # type: ignore[arg-type]
    assert decode(bytes.fromhex(told)) == item


@pytest.mark.parametrize(
    "told",
    [
        "",
        "18",
        "1903",
        "44010203",
        "0000",
        "a10101",
        "a161",
        "8201",
        "61ff",
        "f97c00",
        "c001",
        "5f",
        "9bffffffffffffffff",
        "818181818101",
    ],
)
def test_what_is_none_of_it_is_refused(told: str) -> None:
    with pytest.raises(CborError):
        decode(bytes.fromhex(told))


def test_a_number_beyond_64_bits_cannot_be_written() -> None:
    with pytest.raises(CborError):
        encode(2**64)


@given(ITEMS)
def test_an_item_comes_back_as_it_was(item: object) -> None:
    assert decode(encode(item)) == item  # type: ignore[arg-type]


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(told: bytes) -> None:
    with suppress(CborError):
        decode(told)

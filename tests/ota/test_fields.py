"""Fields of strangers are read within bounds."""

import json
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.mqtt_ota.ota.fields import FieldError, Fields


def fields(**values: Any) -> Fields:
    return Fields(json.dumps(values).encode(), 4096)


@pytest.mark.parametrize(
    ("payload", "cause"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[1]", "not a JSON object"),
        (b"[" * 4000, "not JSON"),
        (b"x" * 4097, "longer than 4096 bytes"),
    ],
)
def test_a_payload_that_is_no_object_is_refused(payload: bytes, cause: str) -> None:
    with pytest.raises(FieldError, match=cause):
        Fields(payload, 4096)


@pytest.mark.parametrize(
    ("read", "cause"),
    [
        (lambda: fields().text("a"), "a is missing"),
        (lambda: fields(a=None).text("a"), "a is missing"),
        (lambda: fields(a=" ").text("a"), "a is empty"),
        (lambda: fields(a=1).text("a"), "a is not text"),
        (lambda: fields(a="é" * 33).text("a"), "a is longer than 64 bytes"),
        (lambda: fields(a="a\x00b").text("a"), "control characters"),
        (lambda: Fields(b'{"a": "\\ud800"}', 64).text("a"), "not valid text"),
        (lambda: fields(a=True).integer("a", 0, 5), "not a whole number"),
        (lambda: fields(a=1.5).integer("a", 0, 5), "not a whole number"),
        (lambda: fields(a=6).integer("a", 0, 5), "not from 0 to 5"),
        (lambda: fields(a=1).boolean("a", default=False), "neither true nor false"),
        (lambda: fields(a="c").choice("a", {"a", "b"}), "none of a, b"),
        (lambda: fields(a="x").texts("a"), "not a list"),
        (lambda: fields(a=["x"] * 17).texts("a"), "at most 16"),
        (lambda: fields(a=[1]).texts("a"), "short texts"),
        (lambda: fields(a=["x" * 65]).texts("a"), "short texts"),
        (lambda: fields().texts("a"), "a is missing"),
    ],
)
def test_a_wrong_field_is_named(read: Any, cause: str) -> None:
    with pytest.raises(FieldError, match=cause):
        read()


def test_right_fields_are_read() -> None:
    read = fields(text=" x ", number=3, yes=True, choice="b", texts=["a", "b"])
    assert (read.text("text"), read.integer("number", 0, 3), read.boolean("yes", default=False)) == ("x", 3, True)
    assert (read.choice("choice", {"b"}), read.texts("texts")) == ("b", ("a", "b"))
    assert (read.text("none", default=""), read.integer("none", 0, 9, default=4)) == ("", 4)
    assert (read.texts("none", default=()), read.boolean("none", default=True)) == ((), True)


@given(st.binary(max_size=200))
def test_no_payload_raises_anything_else(payload: bytes) -> None:
    try:
        read = Fields(payload, 128)
        read.text("a", default="")
    except FieldError:
        pass


def test_an_object_that_is_a_field_is_read_like_any_other() -> None:
    outer = fields(inner={"name": "lamp"}, name="house", text="x")
    assert (outer.inside("inner").text("name"), outer.text("name")) == ("lamp", "house")
    for name in ("text", "nothing"):
        with pytest.raises(FieldError, match=f"{name} is not a JSON object"):
            outer.inside(name)

"""Globs, and how much they say."""

from fnmatch import fnmatchcase

from hypothesis import given, strategies as st
import pytest

from custom_components.mqtt_ota.ota.globs import chip_specificity, is_literal, matches_name, specificity

words = st.text(st.sampled_from("ab*?[]-{}"), max_size=12)


@pytest.mark.parametrize(
    ("glob", "text", "says"),
    [
        ("", "relay", 0),
        ("*", "relay", 0),
        ("**", "", 0),
        ("relay", "Relay", 200),
        ("Relay [v2]", "relay [V2]", 200),
        ("relay", "relay-4", None),
        ("relay", "", None),
        ("relay-*", "RELAY-4", 106),
        ("relay-?", "relay-4", 106),
        ("?" * 3, "abc", 100),
        ("x" * 120 + "*", "x" * 121, 199),
        ("[z-a]", "b", None),
        ("[", "[", 200),
    ],
)
def test_a_literal_says_more_than_a_glob_and_a_glob_more_than_nothing(glob: str, text: str, says: int | None) -> None:
    assert specificity(glob, text) == says


@pytest.mark.parametrize(
    ("glob", "chip", "says"),
    [
        ("", "ESP32", 0),
        ("", "", 0),
        ("esp32c3", "ESP32-C3", 200),
        ("ESP32", "ESP32-C3", None),
        ("ESP32*", "ESP32-C3", 105),
        ("ESP32-C3", "", None),
    ],
)
def test_a_chip_is_matched_in_every_spelling(glob: str, chip: str, says: int | None) -> None:
    assert chip_specificity(glob, chip) == says


@pytest.mark.parametrize(
    ("glob", "literal"), [("relay", True), ("", True), ("r*", False), ("r?", False), ("[r]", False)]
)
def test_a_glob_is_told_from_a_text(glob: str, literal: bool) -> None:
    assert is_literal(glob) is literal


VALUES = {
    "model": ("Relay-4",),
    "chip": ("ESP32-C3", "ESP32C3"),
    "project": ("*",),
    "id": ("{chip}",),
    "version": ("1.0",),
}


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("*.bin", "relay.BIN", True),
        ("{model}-*.bin", "relay-4-x.bin", True),
        ("{chip}.bin", "esp32-c3.bin", True),
        ("{chip}-{chip}.bin", "esp32c3-esp32c3.bin", True),
        ("{chip}-{version}.bin", "esp32c3-1.0.bin", True),
        ("{chip}.bin", "esp32.bin", False),
        ("{project}.bin", "relay.bin", False),
        ("{project}.bin", "*.bin", True),
        ("{id}.bin", "esp32c3.bin", False),
        ("{id}.bin", "{chip}.bin", True),
        ("{other}.bin", "{other}.bin", True),
        ("{", "{", True),
    ],
)
def test_a_pattern_matches_with_what_the_board_says(pattern: str, name: str, matches: bool) -> None:
    assert matches_name(pattern, name, VALUES) is matches


@given(words, words)
def test_a_board_cannot_widen_a_pattern(word: str, name: str) -> None:
    values = dict.fromkeys(("model", "chip", "project", "id", "version"), (word,))
    assert matches_name("{model}", name, values) is (word == name)


@given(words, words)
def test_no_glob_makes_matching_raise(glob: str, text: str) -> None:
    says = specificity(glob, text)
    assert says is None or says == 0 or glob == text or fnmatchcase(text, glob)

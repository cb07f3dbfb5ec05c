"""What a user can set of a dialect is checked before it is saved."""

from collections.abc import Mapping
from typing import Any

import pytest

from custom_components.mqtt_ota.ota.dialects import Dialect
from custom_components.mqtt_ota.ota.dialects.native import NativeDialect
from custom_components.mqtt_ota.ota.dialects.registry import KINDS, NATIVE, built_in
from custom_components.mqtt_ota.ota.dialects.settings import (
    CHIP,
    LONGEST,
    MODEL,
    Kind,
    Setting,
    SettingError,
    SettingType,
)

PORT = Setting(key="port", type=SettingType.NUMBER, default=8000, low=1, high=9000)
SIZE = Setting(key="size", type=SettingType.CHOICE, default="small", choices=("small", "large"))
QUICK = Setting(key="quick", type=SettingType.FLAG, default=True)
TOPIC = Setting(key="topic", type=SettingType.TOPIC, required=True)
BOARD = Setting(key="id", type=SettingType.BOARD_ID)
LINES = Setting(key="lines", type=SettingType.LINES)


def _make(key: str, settings: Mapping[str, Any]) -> Dialect:
    made.append((key, dict(settings)))
    return NativeDialect()


made: list[tuple[str, dict[str, Any]]] = []
KIND = Kind(name="any", make=_make, settings=(TOPIC, PORT, MODEL))


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        (PORT, 1),
        (PORT, 9000),
        (PORT, 80.0),
        (SIZE, "large"),
        (SIZE, ""),
        (QUICK, False),
        (TOPIC, "a/{id}"),
        (BOARD, "b-1"),
        (BOARD, ""),
        (LINES, "one\ntwo"),
        (MODEL, "x" * LONGEST),
        (CHIP, ""),
    ],
)
def test_what_can_be_used_is_taken(setting: Setting, value: Any) -> None:
    setting.check(value)


@pytest.mark.parametrize(
    ("setting", "value", "reason", "placeholders"),
    [
        (PORT, 0, "number_invalid", {"low": "1", "high": "9000"}),
        (PORT, 9001, "number_invalid", {"low": "1", "high": "9000"}),
        (PORT, "80", "number_invalid", {"low": "1", "high": "9000"}),
        (PORT, True, "number_invalid", {"low": "1", "high": "9000"}),
        (PORT, None, "number_invalid", {"low": "1", "high": "9000"}),
        (PORT, float("nan"), "number_invalid", {"low": "1", "high": "9000"}),
        (SIZE, "huge", "text_invalid", {}),
        (QUICK, "yes", "text_invalid", {}),
        (QUICK, 1, "text_invalid", {}),
        (TOPIC, "", "missing", {}),
        (TOPIC, "a/#", "topic_invalid", {"words": "{id}"}),
        (TOPIC, "a/{who}", "word_unknown", {"words": "{id}"}),
        (BOARD, "no board", "id_invalid", {}),
        (BOARD, "..", "id_invalid", {}),
        (MODEL, "x" * (LONGEST + 1), "text_invalid", {}),
        (MODEL, 7, "text_invalid", {}),
        (LINES, None, "text_invalid", {}),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_reason(
    setting: Setting, value: Any, reason: str, placeholders: dict[str, str]
) -> None:
    with pytest.raises(SettingError) as refused:
        setting.check(value)
    assert (refused.value.key, refused.value.reason) == (setting.key, reason)
    assert refused.value.placeholders == placeholders
    assert str(refused.value) == f"{setting.key}: {reason}"


def test_a_kind_is_made_of_its_settings_and_the_defaults_of_those_that_are_not_there() -> None:
    made.clear()
    KIND.build("any.1", {"topic": "a", "other": 3})
    assert made == [("any.1", {"topic": "a", "port": 8000, "model": ""})]


def test_a_kind_is_not_made_of_what_cannot_be_used() -> None:
    made.clear()
    with pytest.raises(SettingError, match="^topic: missing$"):
        KIND.build("any.1", {"port": 80})
    with pytest.raises(SettingError, match="^port: number_invalid$"):
        KIND.build("any.1", {"topic": "a", "port": "80"})
    assert made == []


# The registry


def test_the_native_dialect_is_spoken_everywhere_on_the_topic_of_the_house() -> None:
    first, *others = built_in("house")
    assert (first.name, first.topics()[0][0].split("/")[0]) == (NATIVE, "house")
    assert len({dialect.key for dialect in (first, *others)}) == 1 + len(others)


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_every_preset_is_one_that_can_be_used_once_its_blanks_are_filled_in(kind: Kind) -> None:
    keys = [setting.key for setting in kind.settings]
    assert len(set(keys)) == len(keys)
    assert "name" not in keys
    assert "captured" not in keys
    assert "dialect" not in keys
    for preset in kind.presets.values():
        assert set(preset) <= set(keys)
        filled = kind.filled(preset)
        for setting in kind.settings:
            if filled[setting.key] != "":
                setting.check(filled[setting.key])
    for setting in kind.settings:
        if setting.default != "":
            setting.check(setting.default)

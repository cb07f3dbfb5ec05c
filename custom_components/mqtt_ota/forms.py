"""What the forms of the flows are made of."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from homeassistant.helpers.selector import (
    BooleanSelector,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectSelector,
    SelectSelectorConfig,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)

if TYPE_CHECKING:
    # From 2026.10 on Home Assistant brings this library under the old one's name.
    import probatio as vol
else:
    import voluptuous as vol

__all__ = ["choice", "flag", "suggestions", "text_field", "vol", "whole_number"]


def text_field(kind: TextSelectorType = TextSelectorType.TEXT, *, multiline: bool = False) -> TextSelector:
    """Ask for a text."""
    return TextSelector(TextSelectorConfig(type=kind, multiline=multiline))


def choice(options: Iterable[str], translation_key: str) -> SelectSelector:
    """Ask for one of a few things that have names."""
    return SelectSelector(SelectSelectorConfig(options=list(options), translation_key=translation_key))


def suggestions(words: Iterable[str]) -> SelectSelector:
    """Offer words, and take any other."""
    return SelectSelector(SelectSelectorConfig(options=sorted({*words} - {""}), custom_value=True))


def flag() -> BooleanSelector:
    """Ask for a yes or a no."""
    return BooleanSelector()


def whole_number(most: int, unit: str | None = None, *, least: int = 1) -> NumberSelector:
    """Ask for a number, from 1 on where nothing else is said."""
    config = NumberSelectorConfig(min=least, max=most, step=1, mode=NumberSelectorMode.BOX)
    if unit is not None:
        config["unit_of_measurement"] = unit
    return NumberSelector(config)

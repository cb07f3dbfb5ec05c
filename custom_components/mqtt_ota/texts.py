"""Texts that are put together here and not by Home Assistant, in its language."""

from collections.abc import Mapping
from typing import Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.translation import async_get_cached_translations, async_get_translations

from .const import DOMAIN

COMMON: Final = "common"


class Texts:
    """The texts of one category, by what follows the category in their keys."""

    def __init__(self, category: str, texts: Mapping[str, str]) -> None:
        """Keep the texts as Home Assistant names them."""
        self._prefix = f"component.{DOMAIN}.{category}."
        self._texts = texts

    def get(self, key: str, **placeholders: object) -> str:
        """Return a text, empty where there is none; what a translator left out or invented breaks nothing."""
        text = self._texts.get(self._prefix + key, "")
        for name, value in placeholders.items():
            text = text.replace(f"{{{name}}}", str(value))
        return text

    def below(self, key: str) -> list[str]:
        """Return all texts below a key."""
        prefix = f"{self._prefix}{key}."
        return [text for name, text in self._texts.items() if name.startswith(prefix)]


async def async_texts(hass: HomeAssistant, category: str = COMMON) -> Texts:
    """Return the texts of a category, read from disk where need be."""
    return Texts(category, await async_get_translations(hass, hass.config.language, category, [DOMAIN]))


@callback
def async_cached_texts(hass: HomeAssistant, category: str = COMMON) -> Texts:
    """Return the texts of a category as far as they were read already."""
    return Texts(category, async_get_cached_translations(hass, hass.config.language, category, DOMAIN))

"""What a user can set of a dialect: described here once, shown as a form, and checked before it is saved."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from ..board import is_board_id
from . import Dialect
from .topics import Topic, TopicError

LONGEST: Final = 1024


class SettingType(StrEnum):
    """What a setting takes."""

    TEXT = "text"
    TOPIC = "topic"
    BOARD_ID = "board_id"
    NUMBER = "number"
    CHOICE = "choice"
    FLAG = "flag"
    LINES = "lines"


class SettingError(ValueError):
    """A setting cannot be used: its key, the key of the reason's translation, and what that text names."""

    def __init__(self, key: str, reason: str, **placeholders: object) -> None:
        """Keep what is wrong."""
        super().__init__(f"{key}: {reason}")
        self.key = key
        self.reason = reason
        self.placeholders = {name: str(value) for name, value in placeholders.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One thing to set; `low` and `high` bound a number, whose `unit` is shown; `choices` have translations."""

    key: str
    type: SettingType = SettingType.TEXT
    default: str | int | bool = ""
    required: bool = False
    choices: tuple[str, ...] = ()
    low: int = 0
    high: int = 0
    unit: str = ""

    def check(self, value: Any) -> None:
        """Raise SettingError for a value that cannot be saved."""
        match self.type:
            case SettingType.NUMBER:
                if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
                    raise SettingError(self.key, "number_invalid", low=self.low, high=self.high)
            case SettingType.FLAG:
                if not isinstance(value, bool):
                    raise SettingError(self.key, "text_invalid")
            case _:
                self._check_text(value)

    def _check_text(self, value: Any) -> None:
        if not isinstance(value, str) or len(value) > LONGEST:
            raise SettingError(self.key, "text_invalid")
        if not value:
            if self.required:
                raise SettingError(self.key, "missing")
            return
        if self.type is SettingType.CHOICE and value not in self.choices:
            raise SettingError(self.key, "text_invalid")
        if self.type is SettingType.BOARD_ID and not is_board_id(value):
            raise SettingError(self.key, "id_invalid")
        if self.type is SettingType.TOPIC:
            try:
                Topic(value)
            except TopicError as err:
                raise SettingError(self.key, str(err), words="{id}") from err


# What boards that say nothing of themselves are, as far as the user knows: their releases are found by it.
MODEL: Final = Setting(key="model")
CHIP: Final = Setting(key="chip")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of dialect that users can set up.

    `make(key, settings)` returns the dialect, or raises SettingError. `presets` are ready-made settings by name.
    `try_out(settings, captured)` tells what the settings make of a captured message, as (what, value) pairs; the
    `what` has a translation.
    """

    name: str
    make: Callable[[str, Mapping[str, Any]], Dialect]
    settings: tuple[Setting, ...]
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    try_out: Callable[[Mapping[str, Any], bytes], tuple[tuple[str, str], ...]] | None = None

    def filled(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return settings with the defaults in the place of what is not there."""
        return {one.key: settings.get(one.key, one.default) for one in self.settings}

    def build(self, key: str, settings: Mapping[str, Any]) -> Dialect:
        """Return the dialect that settings describe; raises SettingError for the first that cannot be used."""
        filled = self.filled(settings)
        for one in self.settings:
            one.check(filled[one.key])
        return self.make(key, filled)

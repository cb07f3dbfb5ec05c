"""Reading the fields of a JSON object that somebody else wrote, within bounds."""

from collections.abc import Collection
from copy import copy
import json
from typing import Any, Self


class FieldError(ValueError):
    """A field is missing, of the wrong type or out of bounds; the text names it."""


class Fields:
    """The fields of one JSON object; each reader returns the default for an absent or null field.

    A reader without a default raises FieldError for an absent field; every reader raises it for a wrong one.
    """

    def __init__(self, payload: bytes, limit: int) -> None:
        """Parse a payload of at most `limit` bytes; raises FieldError when it is no JSON object."""
        if len(payload) > limit:
            raise FieldError(f"longer than {limit} bytes")
        try:
            parsed = json.loads(payload)
        except (ValueError, RecursionError) as err:
            raise FieldError("not JSON") from err
        if not isinstance(parsed, dict):
            raise FieldError("not a JSON object")
        self._fields: dict[str, Any] = parsed

    def text(self, name: str, limit: int = 64, default: str | None = None) -> str:
        """Return a text of at most `limit` bytes without control characters, stripped; empty only by default."""
        value = self._get(name, default)
        if not isinstance(value, str):
            raise FieldError(f"{name} is not text")
        value = value.strip()
        if not value and default is None:
            raise FieldError(f"{name} is empty")
        try:
            size = len(value.encode())
        except UnicodeEncodeError as err:
            raise FieldError(f"{name} is not valid text") from err
        if size > limit:
            raise FieldError(f"{name} is longer than {limit} bytes")
        if not value.isprintable():
            raise FieldError(f"{name} holds control characters")
        return value

    def integer(self, name: str, low: int, high: int, default: int | None = None) -> int:
        """Return a whole number from `low` to `high`."""
        value = self._get(name, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise FieldError(f"{name} is not a whole number")
        if not low <= value <= high:
            raise FieldError(f"{name} is not from {low} to {high}")
        return value

    def boolean(self, name: str, *, default: bool) -> bool:
        """Return true or false."""
        value = self._get(name, default)
        if not isinstance(value, bool):
            raise FieldError(f"{name} is neither true nor false")
        return value

    def choice(self, name: str, choices: Collection[str], default: str | None = None) -> str:
        """Return one of the texts in `choices`."""
        value = self.text(name, default=default)
        if value not in choices:
            raise FieldError(f"{name} is none of {', '.join(sorted(choices))}")
        return value

    def texts(self, name: str, most: int = 16, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Return a list of at most `most` texts of at most 64 characters."""
        value = self._get(name, default)
        if not isinstance(value, (list, tuple)) or len(value) > most:
            raise FieldError(f"{name} is not a list of at most {most}")
        if not all(isinstance(item, str) and len(item) <= 64 and item.isprintable() for item in value):
            raise FieldError(f"{name} does not hold short texts alone")
        return tuple(value)

    def inside(self, name: str) -> Self:
        """Return the fields of an object that is a field."""
        value = self._fields.get(name)
        if not isinstance(value, dict):
            raise FieldError(f"{name} is not a JSON object")
        inner = copy(self)
        inner._fields = value
        return inner

    def _get(self, name: str, default: Any) -> Any:
        value = self._fields.get(name)
        if value is not None:
            return value
        if default is None:
            raise FieldError(f"{name} is missing")
        return default

"""What a user wrote down of what boards say and are told: patterns that find, and templates that are filled.

A pattern is a text in which `*` is anything and one word in braces is what is looked for. It is matched anywhere in a
message, with any white space around signs. Nothing in it can run away: a star is a search that goes on where the last
piece ended, a word has a longest length and ends at what follows it in the pattern, and no piece ever gives back what it
took. So a message costs its length times the pattern's, both of which are bounded.
"""

from collections.abc import Mapping
import json
import re
from typing import Any, Final

from .settings import SettingError

LONGEST_PATTERN: Final = 200
MOST_STARS: Final = 8
# Of a message, only so many bytes are looked at.
LONGEST_MESSAGE: Final = 4096

_STAR: Final = "*"
# Braces around anything else are the braces of JSON.
_WORD: Final = re.compile(r"\{([a-z0-9_]+)\}")
_TOKEN: Final = re.compile(r"\{[a-z0-9_]+\}|\w+|\s+|[^\w\s]")
_SPACE: Final = r"\s*+"
# From the first one of several on: a search that began at each of them would read the rest every time.
_MUST_SPACE: Final = r"(?<!\s)\s++"

# What a word can be, sign by sign; any other is a text of one line.
_SIGNS: Final[Mapping[str, str]] = {"id": "[A-Za-z0-9_.-]", "percent": "[0-9.,]", "digest": "[0-9A-Fa-f]"}
_ANY: Final = r"[^\x00-\x1f\x7f]"
_LONGEST_VALUE: Final = 128


def readable(payload: bytes) -> str:
    """Return what patterns are matched with."""
    return payload[:LONGEST_MESSAGE].decode("utf-8", "replace")


class Pattern:
    """A text that may be found in a message, with a word of it."""

    __slots__ = ("_pieces",)

    def __init__(self, key: str, text: str, word: str = "", *, needed: bool = True, free: bool = False) -> None:
        """Read the pattern of a setting, in which `word` is looked for, always where `needed`; `free`, it is any text.

        Raises SettingError: `pattern_invalid`, `word_unknown`, `word_missing`.
        """
        pieces = text.strip().split(_STAR)
        if len(text) > LONGEST_PATTERN or len(pieces) > MOST_STARS + 1 or not "".join(pieces).strip():
            raise SettingError(key, "pattern_invalid", limit=LONGEST_PATTERN, stars=MOST_STARS)
        named = _WORD.findall(text)
        if any(name != word for name in named) or len(named) > 1:
            raise SettingError(key, "word_unknown", words=f"{{{word}}}" if word else "-")
        if word and needed and not named:
            raise SettingError(key, "word_missing", words=f"{{{word}}}")
        signs = _ANY if free else _SIGNS.get(word, _ANY)
        self._pieces = tuple(re.compile(_expression(piece, signs)) for piece in pieces if piece)

    def find(self, text: str) -> str | None:
        """Return what stands for the word in a text, empty where there is no word; None where the text does not match."""
        value, place = "", 0
        for piece in self._pieces:
            found = piece.search(text, place)
            if found is None:
                return None
            place = found.end()
            value = found.group(1).strip() if piece.groups else value
        return value


def _expression(piece: str, signs: str) -> str:
    """Return the expression of what stands between two stars; the word in it is made of these signs."""
    tokens = ["", *_TOKEN.findall(piece), ""]
    parts: list[str] = []
    for before, token, after in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if token.isspace():
            is_apart = before and after and not (_is_name(before) and _is_name(after))
            parts.append(_SPACE if is_apart else _MUST_SPACE)
            continue
        # A word that may be any text takes the space behind it as its own.
        takes_space = signs == _ANY and _WORD.fullmatch(before)
        if before.strip() and not takes_space and not (_is_name(before) and _is_name(token)):
            parts.append(_SPACE)
        parts.append(_value(signs, after) if _WORD.fullmatch(token) else re.escape(token))
    return "".join(parts)


def _value(signs: str, after: str) -> str:
    """Return the expression of what a word stands for: it ends where `after` begins."""
    end = r"\s" if after.isspace() else re.escape(after[:1])
    until = f"(?!{end})" if end else ""
    return f"((?:{until}{signs}){{1,{_LONGEST_VALUE}}}+)"


def _is_name(token: str) -> bool:
    """Tell whether a token is written in letters and digits, or stands for something that may be."""
    return re.match(r"\w|\{\w", token) is not None


class Template:
    """A command with words in braces that are filled in; in JSON they are escaped."""

    __slots__ = ("_is_json", "words", "text")

    def __init__(self, key: str, text: str, known: frozenset[str]) -> None:
        """Read the template of a setting, in which the `known` words may stand.

        Raises SettingError: `word_unknown`, `json_invalid`.
        """
        self.words: Final = frozenset(_WORD.findall(text))
        if not self.words <= known:
            raise SettingError(key, "word_unknown", words=", ".join(f"{{{word}}}" for word in sorted(known)))
        self.text: Final = text
        tried = _WORD.sub(lambda found: "0" if found[1] == "size" else "x", text)
        self._is_json = tried.lstrip().startswith(("{", "["))
        if self._is_json and not _is_json(tried):
            raise SettingError(key, "json_invalid")

    def fill(self, values: Mapping[str, Any]) -> bytes:
        """Return the command with these values in it."""
        escape = _escaped if self._is_json else str
        return _WORD.sub(lambda found: escape(values[found[1]]), self.text).encode()

    def is_like(self, payload: bytes) -> bool:
        """Tell whether somebody's message is such a command."""
        if "url" in self.words:
            return b"://" in payload
        said, place = readable(payload).strip(), 0
        pieces = _WORD.sub("\0", self.text.strip()).split("\0")
        if not said.startswith(pieces[0]) or not said.endswith(pieces[-1]):
            return False
        for piece in pieces:
            place = said.find(piece, place)
            if place < 0:
                return False
            place += len(piece)
        return place == len(said) or len(pieces) > 1


def _escaped(value: object) -> str:
    return json.dumps(str(value))[1:-1]


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError, RecursionError:
        return False
    return True

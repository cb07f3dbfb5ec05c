"""Topics of a user's sketch, with `{id}` where each board has its own name."""

import re
from typing import Final

from ..board import is_board_id

MOST: Final = 200
_ID: Final = "{id}"
_BRACED: Final = re.compile(r"\{[^{}]*\}")
_WRONG: Final = re.compile(r"[+#\x00-\x1f\x7f]")


class TopicError(ValueError):
    """A text is no topic that can be used; the text is the key of its translation."""


class Topic:
    """A topic, or with `{id}` in it a topic a board."""

    __slots__ = ("_pattern", "text")

    def __init__(self, text: str) -> None:
        """Read a topic; raises TopicError with `topic_invalid` or `word_unknown`."""
        if not text or len(text.encode()) > MOST or _WRONG.search(text) or text.startswith("$SYS"):
            raise TopicError("topic_invalid")
        if any(word != _ID for word in _BRACED.findall(text)) or text.count(_ID) > 1:
            raise TopicError("word_unknown")
        self.text: Final = text
        self._pattern = re.compile(re.escape(text).replace(re.escape(_ID), "([^/]+)"))

    @property
    def has_id(self) -> bool:
        """Tell whether each board has a topic of its own."""
        return _ID in self.text

    @property
    def filter(self) -> str:
        """Return what to subscribe to hear this topic of all boards."""
        return "/".join("+" if _ID in level else level for level in self.text.split("/"))

    def of(self, board_id: str) -> str:
        """Return the topic of a board."""
        return self.text.replace(_ID, board_id)

    def match(self, topic: str) -> str | None:
        """Return which board a topic is of, empty where all share it; None where it is another topic, or no valid id."""
        found = self._pattern.fullmatch(topic)
        if found is None:
            return None
        if not self.has_id:
            return ""
        return found[1] if is_board_id(found[1]) else None

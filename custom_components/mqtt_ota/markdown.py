"""Text from boards in texts that Home Assistant shows as Markdown."""

import re
import string
from typing import Final

_PUNCTUATION: Final = re.compile(f"[{re.escape(string.punctuation)}]")


def escape(text: str) -> str:
    """Return a text that Markdown shows as it is: a board's name must not become a link or a picture."""
    return _PUNCTUATION.sub(r"\\\g<0>", text)


def code(text: str) -> str:
    """Return a text that cannot leave the code marks which stand around it."""
    return text.replace("`", "'")

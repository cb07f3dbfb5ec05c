"""`python -m tests.golden`: write the golden vectors anew."""

from . import PATH, text

PATH.write_text(text(), encoding="ascii")

"""Globs: how much one says about a text, and a pattern of file names with what a board says in it."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import partial
from itertools import product
import re

from .asset_name import chip_key

# A literal says more than any glob, a glob the more the more of it is literal.
LITERAL = 200
GLOB = 100
GLOB_MOST = 99

_WILD = re.compile(r"[*?\[]")
_PLACEHOLDER = re.compile(r"\{(model|chip|project|id|version)\}")


def is_literal(glob: str) -> bool:
    """Tell whether a glob is a mere text."""
    return _WILD.search(glob) is None


def specificity(glob: str, text: str) -> int | None:
    """Return how much a glob says about a text, 0 for nothing, None when it does not match; case does not count."""
    if not glob.strip("*"):
        return 0
    glob, text = glob.casefold(), text.casefold()
    if glob == text:
        return LITERAL
    if not fnmatchcase(text, glob):
        return None
    return GLOB + min(len(_WILD.sub("", glob)), GLOB_MOST)


def chip_specificity(glob: str, chip: str) -> int | None:
    """Return how much a glob says about a chip, whose name has several spellings."""
    if chip_key(glob) == chip_key(chip):
        return LITERAL if chip else 0
    return specificity(glob, chip)


def matches_name(pattern: str, name: str, values: Mapping[str, tuple[str, ...]]) -> bool:
    """Tell whether a file name matches a pattern, with any spelling of each placeholder's value in its place."""
    used = dict.fromkeys(_PLACEHOLDER.findall(pattern))
    for spellings in product(*(values[key] for key in used)):
        # A board's own words are no globs.
        literal = {f"{{{key}}}": _WILD.sub(r"[\g<0>]", text) for key, text in zip(used, spellings, strict=True)}
        glob = _PLACEHOLDER.sub(partial(_spelt, literal), pattern)
        if fnmatchcase(name.casefold(), glob.casefold()):
            return True
    return False


def _spelt(spelling: Mapping[str, str], found: re.Match[str]) -> str:
    return spelling[found[0]]

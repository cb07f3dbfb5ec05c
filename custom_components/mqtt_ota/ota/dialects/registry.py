"""Every dialect there is: a line each."""

from collections.abc import Mapping
from typing import Final

from . import Dialect
from .native import DEFAULT_ROOT, NativeDialect
from .settings import Kind

NATIVE: Final = NativeDialect.name
# What a user can set up.
_KINDS: Final[tuple[Kind, ...]] = ()
KINDS: Final[Mapping[str, Kind]] = {kind.name: kind for kind in _KINDS}


def built_in(root: str = DEFAULT_ROOT) -> tuple[Dialect, ...]:
    """Return the dialects that need no configuration."""
    return (NativeDialect(root),)

"""Every dialect there is: a line each."""

from collections.abc import Mapping
from typing import Final

from . import Dialect
from .aws_streams import KIND as AWS_STREAMS
from .chunked import KIND as CHUNKED, ChunkedDialect
from .homie import KIND as HOMIE
from .native import DEFAULT_ROOT, NativeDialect
from .settings import Kind
from .single_message import KIND as SINGLE_MESSAGE
from .socket_pull import KIND as SOCKET_PULL
from .tasmota import KIND as TASMOTA
from .thingsboard import KIND as THINGSBOARD
from .url import KIND as URL

NATIVE: Final = NativeDialect.name
# What a user can set up.
_KINDS: Final[tuple[Kind, ...]] = (URL, CHUNKED, SOCKET_PULL, SINGLE_MESSAGE, TASMOTA, HOMIE, THINGSBOARD, AWS_STREAMS)
KINDS: Final[Mapping[str, Kind]] = {kind.name: kind for kind in _KINDS}


def built_in(root: str = DEFAULT_ROOT) -> tuple[Dialect, ...]:
    """Return the dialects that need no configuration."""
    return (NativeDialect(root), ChunkedDialect())

"""The dialects that are spoken here: those that need no configuration, and those that the user set up."""

import logging

from homeassistant.config_entries import ConfigEntry

from .const import CONF_DIALECT, CONF_ROOT, SUBENTRY_DIALECT
from .ota.dialects import Dialect
from .ota.dialects.native import DEFAULT_ROOT
from .ota.dialects.registry import KINDS, built_in
from .ota.dialects.settings import SettingError

_LOGGER = logging.getLogger(__name__)


def spoken_dialects(entry: ConfigEntry) -> dict[str, Dialect]:
    """Return every dialect of an entry by its key; one whose settings cannot be used any more is left out."""
    dialects = {dialect.key: dialect for dialect in built_in(entry.data.get(CONF_ROOT, DEFAULT_ROOT))}
    for subentry in entry.subentries.values():
        if subentry.subentry_type != SUBENTRY_DIALECT:
            continue
        try:
            kind = KINDS[subentry.data[CONF_DIALECT]]
            dialect = kind.build(f"{kind.name}.{subentry.subentry_id}", subentry.data)
        except (KeyError, SettingError) as err:
            _LOGGER.error("The protocol %s cannot be spoken; change its settings: %r", subentry.title, err)
            continue
        # What the user set up takes the place of what needs no settings, where both would hear the same boards.
        dialects = {key: other for key, other in dialects.items() if not _is_same(other, dialect)}
        dialects[dialect.key] = dialect
    return dialects


def _is_same(built_in_one: Dialect, dialect: Dialect) -> bool:
    """Tell whether a dialect that is built in hears just what one does that was set up."""
    is_built_in = built_in_one.key == built_in_one.name == dialect.name
    return is_built_in and set(built_in_one.topics()) == set(dialect.topics())

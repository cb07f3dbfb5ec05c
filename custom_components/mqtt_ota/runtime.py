"""What a set-up entry consists of."""

from dataclasses import dataclass

from homeassistant.config_entries import ConfigEntry

from .catalogue import Catalogue
from .downloads import Downloads
from .firmware_store import FirmwareStore
from .fleet import Fleet
from .ota.board import Transport
from .rollouts import Rollouts
from .sessions import Sessions


@dataclass(frozen=True, slots=True)
class Runtime:
    """The parts of the running integration; `patience` is how long a session waits for its board, in seconds."""

    fleet: Fleet
    sessions: Sessions
    rollouts: Rollouts
    catalogue: Catalogue
    images: FirmwareStore
    downloads: Downloads
    preferred: Transport
    patience: float


type MqttOtaConfigEntry = ConfigEntry[Runtime]

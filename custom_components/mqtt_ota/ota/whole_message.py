"""What it takes to send a whole image in one MQTT message."""

from typing import Final

from .dialects.settings import Setting, SettingType
from .errors import OtaError, Reason

# What a message takes on the wire beside its topic and its payload, at the most.
HEADROOM: Final = 64

# The default is what Mosquitto takes unless it is told otherwise.
LARGEST: Final = Setting(
    key="largest", type=SettingType.NUMBER, default=2_000_000, low=10_000, high=268_435_455, unit="B"
)


def check_message(topic: str, length: int, largest: int) -> None:
    """Raise OtaError where a payload of this length makes a message that a broker may not take.

    A client that sends more than its broker takes is cut off, and with it everything that Home Assistant does over MQTT.
    """
    size = HEADROOM + len(topic.encode()) + length
    if size > largest:
        raise OtaError(Reason.MESSAGE_TOO_LARGE, size=size, limit=largest)

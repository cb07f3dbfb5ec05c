"""Names that several modules share."""

from typing import Final

DOMAIN: Final = "mqtt_ota"

CONF_ROOT: Final = "root"
CONF_TRANSPORT: Final = "transport"
CONF_BASE_URL: Final = "base_url"
CONF_KEEP_IMAGES: Final = "keep_images"
CONF_WAIT_HOURS: Final = "wait_hours"
CONF_AT_ONCE: Final = "at_once"
CONF_BATTERY: Final = "battery_least"
CONF_DIALECT: Final = "dialect"

DEFAULT_KEEP_IMAGES: Final = 10
DEFAULT_WAIT_HOURS: Final = 24
DEFAULT_AT_ONCE: Final = 2
DEFAULT_BATTERY: Final = 20

SUBENTRY_FIRMWARE: Final = "firmware"
SUBENTRY_DIALECT: Final = "dialect"

"""MQTT OTA: firmware updates for the ESP32 boards that talk MQTT."""

from homeassistant.components import mqtt
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ConfigEntryNotReady
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.device_registry import DeviceEntry
from homeassistant.helpers.typing import ConfigType

from .broker import Broker
from .catalogue import Catalogue
from .const import (
    CONF_BASE_URL,
    CONF_KEEP_IMAGES,
    CONF_ROOT,
    CONF_TRANSPORT,
    CONF_WAIT_HOURS,
    DEFAULT_KEEP_IMAGES,
    DEFAULT_WAIT_HOURS,
    DOMAIN,
)
from .downloads import Downloads, async_register_view
from .feed_proposals import async_watch_feeds, async_withdraw
from .firmware_store import FirmwareStore
from .fleet import Fleet
from .fleet_store import FleetStore
from .ota.board import Transport
from .ota.dialects import Dialect
from .ota.dialects.native import DEFAULT_ROOT, NativeDialect
from .runtime import MqttOtaConfigEntry, Runtime
from .sessions import Sessions

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)
PLATFORMS = [Platform.UPDATE]


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Register what lives as long as Home Assistant does."""
    async_register_view(hass)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: MqttOtaConfigEntry) -> bool:
    """Find the boards on the broker, and the releases for them."""
    if not await mqtt.async_wait_for_mqtt_client(hass):
        raise ConfigEntryNotReady(translation_domain=DOMAIN, translation_key="mqtt_not_set_up")
    options = entry.options
    images = FirmwareStore(hass, keep=options.get(CONF_KEEP_IMAGES, DEFAULT_KEEP_IMAGES))
    await images.async_setup()
    downloads = Downloads(hass, images, base_url=options.get(CONF_BASE_URL, ""))
    native = NativeDialect(entry.data.get(CONF_ROOT, DEFAULT_ROOT))
    dialects: dict[str, Dialect] = {native.name: native}
    broker = Broker(hass)
    sessions = Sessions(hass, entry, broker, images, downloads, dialects)
    fleet = Fleet(hass, broker, sessions, FleetStore(hass), dialects)
    entry.runtime_data = Runtime(
        fleet=fleet,
        sessions=sessions,
        catalogue=Catalogue(hass, entry, images),
        images=images,
        downloads=downloads,
        preferred=Transport(options.get(CONF_TRANSPORT, Transport.BLOCKS)),
        patience=options.get(CONF_WAIT_HOURS, DEFAULT_WAIT_HOURS) * 3600.0,
    )
    downloads.async_open()
    entry.async_on_unload(downloads.async_close)
    entry.runtime_data.catalogue.async_start()
    await fleet.async_restore()
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    await fleet.async_start()
    async_watch_feeds(hass, entry)
    entry.async_on_unload(entry.add_update_listener(_async_changed))
    return True


async def _async_changed(hass: HomeAssistant, entry: MqttOtaConfigEntry) -> None:
    """Take over what the user changed."""
    hass.config_entries.async_schedule_reload(entry.entry_id)


async def async_unload_entry(hass: HomeAssistant, entry: MqttOtaConfigEntry) -> bool:
    """Let go of everything; what runs on the boards goes on, and is taken up at the next start."""
    unloaded = await hass.config_entries.async_unload_platforms(entry, PLATFORMS)
    if unloaded:
        await entry.runtime_data.fleet.async_stop()
    return unloaded


async def async_remove_entry(hass: HomeAssistant, entry: MqttOtaConfigEntry) -> None:
    """Delete what was kept on disk, and what was proposed."""
    async_withdraw(hass)
    await FleetStore(hass).async_remove()
    await FirmwareStore(hass).async_remove_all()


async def async_remove_config_entry_device(hass: HomeAssistant, entry: MqttOtaConfigEntry, device: DeviceEntry) -> bool:
    """Let a user delete a board: it comes back by itself if it ever speaks again."""
    if entry.state is ConfigEntryState.LOADED:
        for domain, board_id in device.identifiers:
            if domain == DOMAIN:
                entry.runtime_data.fleet.async_forget(board_id)
    return True

"""MQTT OTA: firmware updates for the ESP32 boards that talk MQTT."""

from functools import partial

from homeassistant.components import mqtt
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import Platform
from homeassistant.core import HassJob, HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryNotReady
from homeassistant.helpers import config_validation as cv, device_registry as dr
from homeassistant.helpers.device_registry import DeviceEntry
from homeassistant.helpers.typing import ConfigType

from .actions import async_register_actions
from .batteries import Batteries
from .broker import Broker
from .catalogue import Catalogue
from .cohort_issues import SHARED_TRIGGER
from .const import (
    CONF_AT_ONCE,
    CONF_BASE_URL,
    CONF_BATTERY,
    CONF_KEEP_IMAGES,
    CONF_TRANSPORT,
    CONF_WAIT_HOURS,
    DEFAULT_AT_ONCE,
    DEFAULT_BATTERY,
    DEFAULT_KEEP_IMAGES,
    DEFAULT_WAIT_HOURS,
    DOMAIN,
)
from .downloads import Downloads, async_register_view
from .feed_proposals import FEED_PROPOSED
from .firmware_store import FirmwareStore
from .fleet import Fleet
from .fleet_store import FleetStore
from .installs import async_install
from .issue_watch import IssueWatch
from .leftover_issues import RETAINED_COMMAND
from .member import Member
from .ota.board import Transport
from .rollout_actions import async_register_rollout_actions
from .rollout_issues import ROLLOUT_PAUSED
from .rollouts import Rollouts, async_remove_rollouts
from .runtime import MqttOtaConfigEntry, Runtime
from .sessions import Sessions
from .spoken import spoken_dialects
from .step_events import async_fire_steps
from .verdict_issues import NEVER_RETURNED, ROLLED_BACK

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)
PLATFORMS = [Platform.EVENT, Platform.SENSOR, Platform.UPDATE]
ISSUES = (FEED_PROPOSED, RETAINED_COMMAND, SHARED_TRIGGER, ROLLED_BACK, NEVER_RETURNED, ROLLOUT_PAUSED)


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Register what lives as long as Home Assistant does."""
    async_register_view(hass)
    async_register_actions(hass)
    async_register_rollout_actions(hass)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: MqttOtaConfigEntry) -> bool:
    """Find the boards on the broker, and the releases for them."""
    if not await mqtt.async_wait_for_mqtt_client(hass):
        raise ConfigEntryNotReady(translation_domain=DOMAIN, translation_key="mqtt_not_set_up")
    runtime = entry.runtime_data = await _async_make(hass, entry)
    runtime.downloads.async_open()
    entry.async_on_unload(runtime.downloads.async_close)
    runtime.catalogue.async_start()
    _remove_devices(hass, entry, await runtime.fleet.async_restore())
    entry.async_on_unload(async_fire_steps(hass, runtime.sessions))
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    await runtime.fleet.async_start()
    # At the end of Home Assistant entries are not unloaded, and MQTT goes early.
    entry.async_on_unload(hass.async_add_shutdown_job(HassJob(runtime.fleet.async_stop)))
    await runtime.rollouts.async_start()
    IssueWatch(hass, entry, ISSUES)
    entry.async_on_unload(entry.add_update_listener(_async_changed))
    return True


async def _async_make(hass: HomeAssistant, entry: MqttOtaConfigEntry) -> Runtime:
    """Put together what an entry consists of."""
    options = entry.options
    images = FirmwareStore(hass, keep=options.get(CONF_KEEP_IMAGES, DEFAULT_KEEP_IMAGES))
    await images.async_setup()
    downloads = Downloads(hass, images, base_url=options.get(CONF_BASE_URL, ""))
    dialects = spoken_dialects(entry)
    broker = Broker(hass)
    sessions = Sessions(
        hass,
        entry,
        broker,
        images,
        downloads,
        dialects,
        at_once=options.get(CONF_AT_ONCE, DEFAULT_AT_ONCE),
        batteries=Batteries(hass, options.get(CONF_BATTERY, DEFAULT_BATTERY)),
    )
    fleet = Fleet(hass, broker, sessions, FleetStore(hass), dialects)
    catalogue = Catalogue(hass, entry, images)
    return Runtime(
        fleet=fleet,
        sessions=sessions,
        rollouts=Rollouts(hass, entry, fleet, sessions, catalogue, partial(_async_install, entry)),
        catalogue=catalogue,
        images=images,
        downloads=downloads,
        preferred=Transport(options.get(CONF_TRANSPORT, Transport.BLOCKS)),
        patience=options.get(CONF_WAIT_HOURS, DEFAULT_WAIT_HOURS) * 3600.0,
    )


async def _async_install(entry: MqttOtaConfigEntry, member: Member, version: str | None, retries: int) -> object:
    return await async_install(entry.runtime_data, member, version, retries)


@callback
def _remove_devices(hass: HomeAssistant, entry: MqttOtaConfigEntry, gone: list[str]) -> None:
    """Remove the boards of a protocol that the user removed: nobody can speak to them any more."""
    registry = dr.async_get(hass)
    identifiers = {(DOMAIN, member_id) for member_id in gone}
    for device in dr.async_entries_for_config_entry(registry, entry.entry_id):
        if device.identifiers & identifiers:
            registry.async_remove_device(device.id)


async def _async_changed(hass: HomeAssistant, entry: MqttOtaConfigEntry) -> None:
    """Take over what the user changed."""
    hass.config_entries.async_schedule_reload(entry.entry_id)


async def async_unload_entry(hass: HomeAssistant, entry: MqttOtaConfigEntry) -> bool:
    """Let go of everything; what runs on the boards goes on, and is taken up at the next start."""
    unloaded = await hass.config_entries.async_unload_platforms(entry, PLATFORMS)
    if unloaded:
        await entry.runtime_data.rollouts.async_stop()
        await entry.runtime_data.fleet.async_stop()
    return unloaded


async def async_remove_entry(hass: HomeAssistant, entry: MqttOtaConfigEntry) -> None:
    """Delete what was kept on disk, and what was asked."""
    for kind in ISSUES:
        kind.async_withdraw(hass)
    await FleetStore(hass).async_remove()
    await async_remove_rollouts(hass)
    await FirmwareStore(hass).async_remove_all()


async def async_remove_config_entry_device(hass: HomeAssistant, entry: MqttOtaConfigEntry, device: DeviceEntry) -> bool:
    """Let a user delete a board: it comes back by itself if it ever speaks again.

    One that the user set up cannot be deleted but where it was set up.
    """
    if entry.state is not ConfigEntryState.LOADED:
        return True
    fleet = entry.runtime_data.fleet
    ids = [member_id for domain, member_id in device.identifiers if domain == DOMAIN]
    if any(fleet.is_configured(fleet.members[member_id]) for member_id in ids if member_id in fleet.members):
        return False
    for member_id in ids:
        fleet.async_forget(member_id)
    return True

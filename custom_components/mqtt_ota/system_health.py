"""The page on which a user sees at a glance whether everything is well."""

from collections import Counter
from typing import Any

from homeassistant.components.system_health import SystemHealthRegistration
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant, callback

from .const import DOMAIN
from .ota.board import Availability
from .ota.rollout import Status
from .runtime import MqttOtaConfigEntry, Runtime


@callback
def async_register(hass: HomeAssistant, register: SystemHealthRegistration) -> None:
    """Have the page show this integration too."""
    register.async_register_info(async_health)


async def async_health(hass: HomeAssistant) -> dict[str, Any]:
    """Return what the page shows; nothing while the integration does not run."""
    entry: MqttOtaConfigEntry | None = next(iter(hass.config_entries.async_entries(DOMAIN)), None)
    if entry is None or entry.state is not ConfigEntryState.LOADED:
        return {}
    runtime = entry.runtime_data
    count, size = await runtime.images.async_usage()
    return {
        "broker_connected": runtime.sessions.is_connected,
        **_boards(runtime),
        "updates_running": runtime.sessions.queue.running,
        "updates_queued": len(runtime.sessions.queue),
        **_rollouts(runtime),
        "feeds_unreadable": _unreadable(runtime),
        "images": count,
        "images_size": f"{size / 1e6:.1f} MB",
    }


def _boards(runtime: Runtime) -> dict[str, int]:
    members = runtime.fleet.members.values()
    found = Counter(member.availability for member in members)
    return {
        "boards": len(members),
        "boards_online": found[Availability.ONLINE],
        "boards_asleep": found[Availability.ASLEEP],
        "boards_offline": found[Availability.OFFLINE],
    }


def _rollouts(runtime: Runtime) -> dict[str, int]:
    found = Counter(running.rollout.status for running in runtime.rollouts.all.values())
    return {"rollouts_running": found[Status.RUNNING], "rollouts_paused": found[Status.PAUSED]}


def _unreadable(runtime: Runtime) -> int:
    return len({feed.name for _, feed in runtime.catalogue.feeds if not feed.last_update_success})

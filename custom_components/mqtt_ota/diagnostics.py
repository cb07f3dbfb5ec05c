"""What helps to understand a report: everything that is known, without what is secret."""

from collections.abc import Mapping
import math
from typing import Any, Final

from homeassistant.components.diagnostics import async_redact_data
from homeassistant.core import HomeAssistant
from homeassistant.helpers.device_registry import DeviceEntry

from .const import CONF_BASE_URL, DOMAIN, SUBENTRY_DIALECT, SUBENTRY_FIRMWARE
from .first_look import CONF_GITHUB_TOKEN, CONF_LOCATION
from .runtime import MqttOtaConfigEntry, Runtime
from .web_feed import shown

# A board's signature, digest and keys are public.
_SECRET: Final = {"mac", "address", "password", CONF_GITHUB_TOKEN, CONF_BASE_URL}


async def async_get_config_entry_diagnostics(hass: HomeAssistant, entry: MqttOtaConfigEntry) -> dict[str, Any]:
    """Return what is known of the set-up, the feeds and every board."""
    runtime = entry.runtime_data
    return {
        "entry": {**entry.data, "options": async_redact_data(dict(entry.options), _SECRET)},
        "firmware": [
            _redacted(subentry.data)
            for subentry in entry.subentries.values()
            if subentry.subentry_type == SUBENTRY_FIRMWARE
        ],
        "feeds": [
            {
                "product": product.name,
                "feed": feed.name,
                "last_read_succeeded": feed.last_update_success,
                "last_error": None if feed.last_exception is None else str(feed.last_exception),
                "releases": [release.version for release in feed.data],
            }
            for product, feed in runtime.catalogue.feeds
        ],
        "boards": [_redacted_board(board) for board in runtime.fleet.records()],
        "queue": {"running": runtime.sessions.queue.running, "waiting": _waiting(runtime)},
        "rollouts": [running.stored() for running in runtime.rollouts.all.values()],
        "dialects": [
            async_redact_data(dict(subentry.data), _SECRET)
            for subentry in entry.subentries.values()
            if subentry.subentry_type == SUBENTRY_DIALECT
        ],
        "leftovers": runtime.fleet.leftovers,
    }


async def async_get_device_diagnostics(
    hass: HomeAssistant, entry: MqttOtaConfigEntry, device: DeviceEntry
) -> dict[str, Any]:
    """Return what is known of one board, and what there is for it."""
    runtime = entry.runtime_data
    ids = {member_id for domain, member_id in device.identifiers if domain == DOMAIN}
    boards = [board for board in runtime.fleet.records() if board["id"] in ids]
    members = [member for member_id, member in runtime.fleet.members.items() if member_id in ids]
    return {
        "boards": [_redacted_board(board) for board in boards],
        "candidates": {
            member.id: [
                {"version": candidate.release.version, "asset": candidate.asset.name}
                for candidate in runtime.catalogue.candidates(member.board) or ()
            ]
            for member in members
        },
    }


def _redacted(firmware: Mapping[str, Any]) -> dict[str, Any]:
    """Return a firmware without its token, and without what may be secret in its address."""
    return async_redact_data({**firmware, CONF_LOCATION: shown(firmware[CONF_LOCATION])}, _SECRET)


def _waiting(runtime: Runtime) -> dict[str, Any]:
    """Return what each update waits for that has not begun, the next one first."""
    queue = runtime.sessions.queue
    waiting = [(queue.place(member), member) for member in runtime.fleet.members.values() if queue.waits_for(member)]
    # Who waits for a board that is away has no place.
    waiting.sort(key=lambda item: item[0] or math.inf)
    return {member.id: queue.waits_for(member) for _, member in waiting}


def _redacted_board(record: dict[str, Any]) -> dict[str, Any]:
    """Return a board without its MAC, and without what may be secret in addresses."""
    board, session = record["board"], record["session"]
    told = {
        **record,
        "board": {**board, "feed": shown(board["feed"])},
        "session": None if session is None else _redacted_session(session),
        "history": [_redacted_session(one) for one in record["history"]],
    }
    return async_redact_data(told, _SECRET)


def _redacted_session(session: Mapping[str, Any]) -> dict[str, Any]:
    """Return a session without the addresses that let whoever knows them fetch its image."""
    target, memo = session["target"], session["memo"]
    addresses = {key for key, value in memo.items() if isinstance(value, str) and "://" in value}
    return {
        **session,
        "target": {**target, "url": shown(target.get("url", ""))},
        "memo": async_redact_data(memo, addresses),
    }

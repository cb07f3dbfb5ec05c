"""The actions on single boards: install, cancel and retry, each with a result a board."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse, SupportsResponse, callback
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.service import async_register_admin_service

from .const import DOMAIN
from .forms import vol
from .installs import async_install
from .member import Member
from .ota.errors import OtaError, Reason
from .ota.session import Session
from .ota.state import GOOD, State
from .runtime import MqttOtaConfigEntry, Runtime
from .targets import CONF_PRODUCT, members_meant, update_entity_id

CONF_VERSION: Final = "version"
CONF_RETRIES: Final = "retries"
RETRIES_MOST: Final = 10
DEFAULT_RETRIES: Final = 2

TARGET_FIELDS: Final = {**cv.TARGET_SERVICE_FIELDS, vol.Optional(CONF_PRODUCT): cv.string}
RETRIES_FIELD: Final = {
    vol.Optional(CONF_RETRIES, default=DEFAULT_RETRIES): vol.All(vol.Coerce(int), vol.Range(min=0, max=RETRIES_MOST))
}
_INSTALL: Final = vol.Schema({**TARGET_FIELDS, vol.Optional(CONF_VERSION): cv.string, **RETRIES_FIELD})
_CANCEL: Final = vol.Schema(TARGET_FIELDS)
_RETRY: Final = vol.Schema({**TARGET_FIELDS, **RETRIES_FIELD})

NOTHING_TO_DO: Final = "nothing_to_do"

type Outcome = dict[str, Any]


@callback
def async_register_actions(hass: HomeAssistant) -> None:
    """Register the actions, once a run: they are there even if nothing is set up, and say so."""
    for name, handle, schema in (
        ("install", _async_install_boards, _INSTALL),
        ("cancel", _async_cancel_boards, _CANCEL),
        ("retry", _async_retry_boards, _RETRY),
    ):
        async_register_admin_service(hass, DOMAIN, name, handle, schema, SupportsResponse.OPTIONAL)


def loaded_entry(hass: HomeAssistant) -> MqttOtaConfigEntry:
    """Return the entry, or raise ServiceValidationError when the integration does not run."""
    entry: MqttOtaConfigEntry | None = next(iter(hass.config_entries.async_entries(DOMAIN)), None)
    if entry is None or entry.state is not ConfigEntryState.LOADED:
        raise ServiceValidationError(translation_domain=DOMAIN, translation_key="not_loaded")
    return entry


def described(hass: HomeAssistant, member: Member | None, outcome: Outcome) -> Outcome:
    """Return what became of a board, with how a person finds it."""
    if member is None:
        return {"entity_id": None, "name": None, **outcome}
    return {"entity_id": update_entity_id(hass, member), "name": member.name, **outcome}


async def _async_install_boards(call: ServiceCall) -> ServiceResponse:
    version, retries = call.data.get(CONF_VERSION), call.data[CONF_RETRIES]
    return await _async_for_each(
        call, lambda runtime, member: _async_outcome(runtime, member, lambda _: version, retries)
    )


async def _async_retry_boards(call: ServiceCall) -> ServiceResponse:
    retries = call.data[CONF_RETRIES]
    return await _async_for_each(call, lambda runtime, member: _async_retry(runtime, member, retries))


async def _async_cancel_boards(call: ServiceCall) -> ServiceResponse:
    async def _async_cancel(runtime: Runtime, member: Member) -> Outcome:
        ended = runtime.sessions.async_cancel(member)
        return {"result": State.CANCELLED if ended else NOTHING_TO_DO, "reason": None}

    return await _async_for_each(call, _async_cancel)


async def _async_retry(runtime: Runtime, member: Member, retries: int) -> Outcome:
    """Try a board's last update again, if that did not go well."""
    session = member.session
    if session is None or session.is_active or session.state in GOOD:
        return {"result": NOTHING_TO_DO, "reason": None}
    rollout = runtime.rollouts.part_of(member)
    if rollout is not None:
        runtime.rollouts.async_apply(runtime.rollouts.get(rollout.id), lambda _: rollout.retry([member.id]))
        return {"result": "pending", "reason": None}
    return await _async_outcome(runtime, member, lambda ended: ended.target.version if ended else None, retries)


async def _async_outcome(
    runtime: Runtime, member: Member, version: Callable[[Session | None], str | None], retries: int
) -> Outcome:
    """Install, and return the verdict; a board that cannot be reached now is armed."""
    try:
        session = await async_install(runtime, member, version(member.session), retries)
    except OtaError as err:
        is_done = err.reason is Reason.ALREADY_INSTALLED
        return {"result": str(err.reason) if is_done else "refused", "reason": str(err.reason)}
    await member.settled.wait()
    return outcome(session)


def outcome(session: Session) -> Outcome:
    """Return where a session stands, as JSON types; the duration is in seconds, the size in bytes."""
    return {
        "result": str(session.state),
        "reason": None if session.reason is None else str(session.reason),
        "version": session.target.version,
        "from_version": session.from_version or None,
        "duration": session.duration,
        "bytes": session.target.size,
    }


async def _async_for_each(
    call: ServiceCall, handle: Callable[[Runtime, Member], Awaitable[Outcome]]
) -> ServiceResponse:
    """Do something for every board that is meant; one that fails leaves the others alone."""
    runtime = loaded_entry(call.hass).runtime_data
    members = members_meant(call.hass, runtime, call.data)
    outcomes = await asyncio.gather(*(handle(runtime, member) for member in members))
    boards: dict[str, Any] = {
        member.id: described(call.hass, member, outcome) for member, outcome in zip(members, outcomes, strict=True)
    }
    if not call.return_response:
        _raise_for(boards.values())
        return None
    return {"boards": boards}


def _raise_for(outcomes: Iterable[Outcome]) -> None:
    """Let whoever asked for no results at least learn that not all went well."""
    outcomes = list(outcomes)
    bad = [one for one in outcomes if one["result"] in {"refused", State.FAILED, State.ROLLED_BACK}]
    if bad:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="some_boards_failed",
            translation_placeholders={
                "failed": str(len(bad)),
                "count": str(len(outcomes)),
                "board": str(bad[0]["name"]),
                "reason": str(bad[0]["reason"]),
            },
        )

"""The actions on rollouts: begin one, look at it, and change its course."""

from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Any, Final

from homeassistant.const import ATTR_ENTITY_ID, CONF_NAME
from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse, SupportsResponse, callback
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.service import async_register_admin_service
from homeassistant.util import dt as dt_util

from .actions import CONF_RETRIES, CONF_VERSION, RETRIES_FIELD, TARGET_FIELDS, described, loaded_entry
from .const import CONF_AT_ONCE, DEFAULT_AT_ONCE, DOMAIN
from .forms import vol
from .member import Member
from .ota.errors import OtaError
from .ota.rollout import Rollout
from .ota.rollout_plan import Policy, Wave
from .reason_words import reason_in_words
from .running_rollout import Running, Terms
from .runtime import MqttOtaConfigEntry, Runtime
from .targets import members_meant

CONF_ROLLOUT: Final = "rollout_id"
CONF_CANARY: Final = "canary"
CONF_BY_SIGNAL: Final = "canary_by_signal"
CONF_STAGES: Final = "stages"
CONF_SOAK: Final = "soak"
CONF_STOP_AFTER: Final = "stop_after"
CONF_PATIENCE: Final = "patience"
CONF_WHILE_OFF: Final = "only_while_off"
CONF_UNTIL: Final = "until"
CONF_RETRY: Final = "retry"
CONF_MIN_AGE: Final = "min_age"

_COUNT: Final = vol.All(vol.Coerce(int), vol.Range(min=1, max=2048))
_ROLLOUT: Final = vol.Schema(
    {
        **TARGET_FIELDS,
        vol.Optional(CONF_VERSION): cv.string,
        vol.Optional(CONF_CANARY): cv.entity_id,
        vol.Optional(CONF_BY_SIGNAL, default=False): cv.boolean,
        vol.Optional(CONF_STAGES, default=list): vol.All(cv.ensure_list, [vol.Any(int, cv.string)]),
        vol.Optional(CONF_SOAK, default=timedelta()): cv.positive_time_period,
        vol.Optional(CONF_STOP_AFTER, default=1): _COUNT,
        vol.Optional(CONF_AT_ONCE): _COUNT,
        vol.Optional(CONF_PATIENCE): cv.positive_time_period,
        vol.Optional(CONF_WHILE_OFF, default=list): cv.entity_ids,
        vol.Optional(CONF_UNTIL): cv.time,
        vol.Optional(CONF_MIN_AGE, default=timedelta()): cv.positive_time_period,
        vol.Optional(CONF_NAME, default=""): cv.string,
        **RETRIES_FIELD,
    }
)
_ONE: Final = vol.Schema({vol.Optional(CONF_ROLLOUT): cv.string})
_RESUME: Final = vol.Schema(
    {vol.Optional(CONF_ROLLOUT): cv.string, vol.Optional(CONF_RETRY, default=False): cv.boolean}
)


@callback
def async_register_rollout_actions(hass: HomeAssistant) -> None:
    """Register the actions, once a run."""
    async_register_admin_service(hass, DOMAIN, "rollout", _async_rollout, _ROLLOUT, SupportsResponse.OPTIONAL)
    async_register_admin_service(hass, DOMAIN, "get_rollout", _async_get_rollout, _ONE, SupportsResponse.ONLY)
    for name, handle, schema in (
        ("pause_rollout", _async_pause_rollout, _ONE),
        ("resume_rollout", _async_resume_rollout, _RESUME),
        ("cancel_rollout", _async_cancel_rollout, _ONE),
    ):
        async_register_admin_service(hass, DOMAIN, name, handle, schema, SupportsResponse.OPTIONAL)


async def _async_rollout(call: ServiceCall) -> ServiceResponse:
    """Begin a rollout; with a response, stay until it is over or paused."""
    entry = loaded_entry(call.hass)
    runtime = entry.runtime_data
    members = members_meant(call.hass, runtime, call.data)
    try:
        running = runtime.rollouts.async_begin(
            members,
            _policy(call, entry),
            version=call.data.get(CONF_VERSION),
            terms=Terms(
                name=call.data[CONF_NAME],
                while_off=tuple(call.data[CONF_WHILE_OFF]),
                until=_until(call.data.get(CONF_UNTIL)),
                retries=call.data[CONF_RETRIES],
                min_age=call.data[CONF_MIN_AGE].total_seconds(),
            ),
        )
    except OtaError as err:
        raise _refused(err) from err
    except ValueError as err:
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="policy_invalid", translation_placeholders={"detail": str(err)}
        ) from err
    if not call.return_response:
        return None
    await runtime.rollouts.async_settled(running)
    return _report(call.hass, runtime, running)


def _policy(call: ServiceCall, entry: MqttOtaConfigEntry) -> Policy:
    """Return how careful the user wants to be; raises ValueError for what makes no sense."""
    data = call.data
    patience = data.get(CONF_PATIENCE)
    return Policy(
        canary=_canary(call, entry.runtime_data) if CONF_CANARY in data else "",
        canary_by_signal=data[CONF_BY_SIGNAL],
        waves=tuple(Wave.read(stage) for stage in data[CONF_STAGES]),
        soak=data[CONF_SOAK].total_seconds(),
        stop_after=data[CONF_STOP_AFTER],
        at_once=data.get(CONF_AT_ONCE, entry.options.get(CONF_AT_ONCE, DEFAULT_AT_ONCE)),
        patience=entry.runtime_data.patience if patience is None else patience.total_seconds(),
    )


def _canary(call: ServiceCall, runtime: Runtime) -> str:
    (canary, *_) = members_meant(call.hass, runtime, {ATTR_ENTITY_ID: [call.data[CONF_CANARY]]})
    return canary.id


def _until(clock: time | None) -> float | None:
    """Return when it is next this time of the day in Home Assistant's zone, in UTC seconds."""
    if clock is None:
        return None
    now = dt_util.now()
    today, tomorrow = (datetime.combine(now.date() + timedelta(days=days), clock, tzinfo=now.tzinfo) for days in (0, 1))
    # An hour that comes twice, as the clock is set back, is not over after the first time.
    moments = (moment.timestamp() for moment in (today, today.replace(fold=1), tomorrow))
    return next(moment for moment in moments if moment > now.timestamp())


async def _async_get_rollout(call: ServiceCall) -> ServiceResponse:
    runtime = loaded_entry(call.hass).runtime_data
    return _report(call.hass, runtime, _running(call, runtime))


async def _async_pause_rollout(call: ServiceCall) -> ServiceResponse:
    return _apply(call, Rollout.pause)


async def _async_resume_rollout(call: ServiceCall) -> ServiceResponse:
    retry = call.data[CONF_RETRY]
    return _apply(call, lambda rollout: rollout.resume(retry=retry))


async def _async_cancel_rollout(call: ServiceCall) -> ServiceResponse:
    return _apply(call, lambda rollout: rollout.cancel(dt_util.utcnow().timestamp()))


def _apply(call: ServiceCall, verb: Callable[[Rollout], object]) -> ServiceResponse:
    runtime = loaded_entry(call.hass).runtime_data
    running = _running(call, runtime)
    runtime.rollouts.async_apply(running, verb)
    return _report(call.hass, runtime, running)


def _running(call: ServiceCall, runtime: Runtime) -> Running:
    try:
        return runtime.rollouts.get(call.data.get(CONF_ROLLOUT))
    except OtaError as err:
        raise _refused(err) from err


def _report(hass: HomeAssistant, runtime: Runtime, running: Running) -> dict[str, Any]:
    """Return what became of each board so far, with how a person finds it."""
    report = running.report()
    members: dict[str, Member] = runtime.fleet.members
    boards = {key: _described(hass, members.get(key), one) for key, one in report["boards"].items()}
    return {**report, "boards": boards}


def _described(hass: HomeAssistant, member: Member | None, one: dict[str, Any]) -> dict[str, Any]:
    """Return what became of a board with how a person finds it, and why in words."""
    known = {} if member is None else {"board": member.name, "chip": member.board.chip}
    known |= {"version": one["version"], "installed": one["from_version"]}
    told = {key: value for key, value in known.items() if value}
    return described(hass, member, {**one, "why": reason_in_words(hass, one["reason"], **told)})


def _refused(err: OtaError) -> ServiceValidationError:
    return ServiceValidationError(
        translation_domain=DOMAIN, translation_key=err.reason, translation_placeholders=err.placeholders
    )

"""What a rollout is told of a board."""

import math

from homeassistant.components.sensor import SensorDeviceClass
from homeassistant.core import HomeAssistant, callback
from homeassistant.util import dt as dt_util

from .catalogue import Catalogue
from .member import Member
from .ota.errors import OtaError, Reason
from .ota.rollout_sight import Install, Sight
from .ota.version import is_newer, is_same
from .readings import readings


@callback
def sight(
    hass: HomeAssistant, catalogue: Catalogue, member: Member, version: str | None, min_age: float = 0.0
) -> Sight:
    """Return what is known of a board now; `version` is what it is to run, None for the newest.

    The newest is at least `min_age` seconds old, where that is known.
    """
    target, no_update = _target(catalogue, member, version, min_age)
    signals = readings(hass, member, SensorDeviceClass.SIGNAL_STRENGTH)
    session = member.session
    is_current = bool(target) and (
        is_same(member.version, target) or (version is None and is_newer(member.version, target))
    )
    return Sight(
        availability=member.availability,
        version=member.version,
        target=target,
        up_to_date=is_current,
        no_update="" if is_current else no_update,
        signal=max(signals, default=None),
        heard=member.heard,
        install=None if session is None else Install(id=session.id, state=session.state, reason=session.reason or ""),
    )


def _target(catalogue: Catalogue, member: Member, version: str | None, min_age: float) -> tuple[str, str]:
    """Return the version that a board is to run, and why there is no release of it; one of the two is empty.

    Both are where nobody knows, as a feed has not been read since the restart: its install will read it.
    """
    candidates = catalogue.candidates(member.board)
    if candidates is None:
        return version or "", ""
    for candidate in candidates:
        release = candidate.release
        if is_same(release.version, version) if version else _age(release.published) >= min_age:
            return release.version, ""
    if candidates and not version:
        return "", Reason.TOO_FRESH
    try:
        return catalogue.choose(member.board, version).release.version, ""
    except OtaError as err:
        return version or "", err.reason


def _age(published: str) -> float:
    """Return how many seconds ago a release was published; one of which nobody knows is old enough for anything."""
    day = dt_util.parse_date(published)
    moment = dt_util.parse_datetime(published) or (None if day is None else dt_util.start_of_local_day(day))
    return math.inf if moment is None else (dt_util.utcnow() - dt_util.as_utc(moment)).total_seconds()

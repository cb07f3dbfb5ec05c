"""Where a rollout stands, and why it is paused, in words."""

from collections.abc import Mapping
from typing import Any

from .ota.rollout import Status
from .ota.rollout_gate import Cause
from .ota.rollout_sight import ON_NEW_VERSION
from .texts import Texts


def rollout_in_words(texts: Texts, data: Mapping[str, Any]) -> str:
    """Return where a rollout stands, and how many boards have what it brings."""
    count = len(data["boards"])
    done = sum(data["totals"].get(result, 0) for result in ON_NEW_VERSION)
    match data["status"]:
        case Status.PAUSED:
            return texts.get("log_rollout_paused", done=done, count=count, why=cause_in_words(texts, data["cause"]))
        case Status.FINISHED:
            return texts.get("log_rollout_finished", done=done, count=count)
        case Status.CANCELLED:
            return texts.get("log_rollout_cancelled", done=done, count=count)
    return texts.get("log_rollout_running", done=done, count=count)


def cause_in_words(texts: Texts, cause: str | None) -> str:
    """Return why a rollout is paused."""
    match cause:
        case Cause.ROLLED_BACK:
            return texts.get("paused_rolled_back")
        case Cause.CANARY_FAILED:
            return texts.get("paused_canary_failed")
        case Cause.NEVER_SOAKED:
            return texts.get("paused_never_soaked")
        case Cause.FAILURES:
            return texts.get("paused_failures")
    return texts.get("paused_user")

"""Rollouts that stopped by themselves: nothing more is installed until the user says how to go on."""

from collections.abc import Mapping
from typing import Final

from .issue_watch import IssueKind, issue_id_of
from .leftover_issues import shown_names
from .ota.rollout import RETRIED, Status
from .ota.rollout_gate import Cause
from .ota.rollout_sight import ON_NEW_VERSION
from .running_rollout import Running
from .runtime import Runtime

ISSUE: Final = "rollout_paused"


def paused(runtime: Runtime) -> dict[str, Running]:
    """Return each rollout that nobody but itself paused, by its issue's id."""
    return {
        issue_id_of(ISSUE, rollout_id): running
        for rollout_id, running in runtime.rollouts.all.items()
        if running.rollout.status is Status.PAUSED and running.rollout.cause is not Cause.USER
    }


def paused_placeholders(runtime: Runtime, running: Running) -> dict[str, str]:
    """Return what the texts about a rollout name."""
    parts, members = running.rollout.parts, runtime.fleet.members
    bad = [board_id for board_id, part in parts.items() if part.result in RETRIED and not part.excused]
    return {
        "rollout": running.rollout.id,
        "done": str(sum(part.result in ON_NEW_VERSION for part in parts.values())),
        "count": str(len(parts)),
        "boards": shown_names([members[board_id].name if board_id in members else board_id for board_id in bad]),
    }


def _questions(runtime: Runtime) -> Mapping[str, Mapping[str, str]]:
    return {issue_id: paused_placeholders(runtime, running) for issue_id, running in paused(runtime).items()}


ROLLOUT_PAUSED: Final = IssueKind(ISSUE, _questions, is_fixable=True)

"""Boards that one trigger reaches together: none of them can be updated alone, so that none can be the canary."""

from typing import Final

from .issue_watch import IssueKind, issue_id_of
from .leftover_issues import shown_names
from .markdown import code
from .member import Member
from .ota.dialects import Traits
from .runtime import Runtime

ISSUE: Final = "shared_trigger"


def cohort_of(runtime: Runtime, member: Member) -> list[Member]:
    """Return the boards that a board's trigger reaches, itself among them; none where the trigger is its own."""
    if not (cohort := member.board.cohort):
        return []
    mates = [one for one in runtime.fleet.members.values() if one.board.cohort == cohort]
    return mates if _is_shared(runtime, mates) else []


def cohorts(runtime: Runtime) -> dict[str, list[Member]]:
    """Return the boards of each trigger that is not one board's alone, as far as they are known."""
    by_trigger: dict[str, list[Member]] = {}
    for member in runtime.fleet.members.values():
        if member.board.cohort:
            by_trigger.setdefault(member.board.cohort, []).append(member)
    return {trigger: members for trigger, members in by_trigger.items() if _is_shared(runtime, members)}


def _is_shared(runtime: Runtime, members: list[Member]) -> bool:
    """Tell whether others may listen to the trigger of these boards, known or not."""
    return len(members) > 1 or any(Traits.BROADCAST in runtime.fleet.dialect_of(one).traits for one in members)


def _questions(runtime: Runtime) -> dict[str, dict[str, str]]:
    return {
        issue_id_of(ISSUE, trigger): {
            "topic": code(trigger),
            "count": str(len(members)),
            "boards": shown_names([member.name for member in members]),
        }
        for trigger, members in cohorts(runtime).items()
    }


SHARED_TRIGGER: Final = IssueKind(ISSUE, _questions, is_fixable=False)

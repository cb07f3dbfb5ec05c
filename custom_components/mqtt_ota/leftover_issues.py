"""Commands that somebody left on the broker: boards obey them at every reconnect, until the user lets them be cleared."""

from typing import Final

from .issue_watch import IssueKind, issue_id_of
from .markdown import code, escape
from .runtime import Runtime

ISSUE: Final = "retained_command"
NAMES_SHOWN: Final = 10


def leftovers(runtime: Runtime) -> dict[str, str]:
    """Return the topic of each command that was left, by its issue's id."""
    return {issue_id_of(ISSUE, topic): topic for topic in runtime.fleet.leftovers}


def leftover_placeholders(runtime: Runtime, topic: str) -> dict[str, str]:
    """Return what the texts about a topic name: those boards that are known to obey what is there."""
    members = runtime.fleet.members
    owner = members.get(runtime.fleet.leftovers.get(topic, ""))
    names = []
    if owner is not None:
        cohort = owner.board.cohort
        names = [one.name for one in members.values() if one is owner or (cohort and one.board.cohort == cohort)]
    return {"topic": code(topic), "boards": shown_names(names)}


def shown_names(names: list[str]) -> str:
    """Return the names of boards in a text, not all of very many."""
    shown = [escape(name) for name in sorted(names)[:NAMES_SHOWN]]
    more = [f"+ {len(names) - NAMES_SHOWN}"] if len(names) > NAMES_SHOWN else []
    return ", ".join((*shown, *more)) or "?"


def _questions(runtime: Runtime) -> dict[str, dict[str, str]]:
    return {issue_id: leftover_placeholders(runtime, topic) for issue_id, topic in leftovers(runtime).items()}


RETAINED_COMMAND: Final = IssueKind(ISSUE, _questions, is_fixable=True)

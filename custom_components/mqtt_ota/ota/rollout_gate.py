"""What opens the next stage of a rollout, who may start then, and what stops it."""

from collections.abc import Collection, Mapping
from enum import StrEnum

from .rollout_part import Part
from .rollout_plan import CANARY, Policy, group
from .rollout_sight import AWAY, INSTALLED, ON_NEW_VERSION, Result, Sight

# A board of a wave that had nothing to install says nothing about the version.
SAYS_NOTHING = frozenset({Result.ALREADY_INSTALLED, Result.NO_UPDATE})


class Cause(StrEnum):
    """Why a rollout is paused."""

    USER = "user"
    FAILURES = "failures"
    ROLLED_BACK = "rolled_back"
    CANARY_FAILED = "canary_failed"
    NEVER_SOAKED = "never_soaked"


class Proof(StrEnum):
    """What a stage says about the next one: it may be given yet, it is, or it never will be."""

    OPEN = "open"
    GIVEN = "given"
    MISSING = "missing"


def stopped_by(parts: Collection[Part], stage: int, last: int, policy: Policy) -> Cause | None:
    """Return what speaks against starting anything more, the gravest first."""
    results = [(part.result, part.stage) for part in parts if not part.excused]
    failed = [of for result, of in results if result is Result.FAILED]
    if any(result is Result.ROLLED_BACK for result, _ in results):
        return Cause.ROLLED_BACK
    if CANARY in failed:
        return Cause.CANARY_FAILED
    if len(failed) >= policy.stop_after:
        return Cause.FAILURES
    # Nothing comes after the last stage that would need its proof.
    if stage < last and proof(parts, stage, policy) is Proof.MISSING:
        return Cause.NEVER_SOAKED
    return None


def proof(parts: Collection[Part], stage: int, policy: Policy) -> Proof:
    """Tell whether a stage is done and soaked.

    A canary is waited for; another board that only waits is left behind, if any board has proven the version before.
    """
    inside = [part for part in parts if part.stage == stage]
    if any(part.result is None and (stage == CANARY or not part.is_waiting) for part in inside):
        return Proof.OPEN
    # A canary that ran the version before is a canary all the same.
    count = ON_NEW_VERSION if stage == CANARY else INSTALLED
    if news := [part for part in inside if part.result in count and not part.excused]:
        return _soaked(news, stage, policy)
    if any(part.stage < stage and part.result in ON_NEW_VERSION and part.soaked >= policy.soak for part in parts):
        return Proof.GIVEN
    if any(part.result is None for part in inside):
        return Proof.OPEN
    if all(part.excused or (stage != CANARY and part.result in SAYS_NOTHING) for part in inside):
        return Proof.GIVEN
    return Proof.MISSING


def _soaked(news: Collection[Part], stage: int, policy: Policy) -> Proof:
    """Tell whether boards were long enough on the new version: each that is awake, or one where all sleep."""
    must = news if stage == CANARY else [part for part in news if not part.asleep]
    raw = [part for part in must or news if part.soaked < policy.soak]
    gone = [part for part in raw if part.waited >= policy.patience]
    if not raw or (not must and len(raw) < len(news)):
        return Proof.GIVEN
    return Proof.MISSING if gone and (must or gone == raw) else Proof.OPEN


def due(parts: Mapping[str, Part], stage: int, at_once: int, sights: Mapping[str, Sight]) -> list[str]:
    """Return the boards to start now, earlier stages first, unit by unit as far as there is room.

    Boards that are away need no room: their installs wait.
    """
    order = sorted(parts, key=lambda board_id: parts[board_id].stage)
    units = group(order, {board_id: part.cohort for board_id, part in parts.items()})
    busy = [unit for unit in units if any(parts[board_id].is_busy for board_id in unit)]
    room = at_once - len(busy)
    starting: list[str] = []
    for unit in units:
        turn = [board_id for board_id in unit if parts[board_id].is_due(stage)]
        # Together or not at all: none may be unseen, and none in an install that somebody else began.
        if not all(board_id in sights and not sights[board_id].is_installing for board_id in turn):
            continue
        if unit not in busy and any(sights[board_id].availability not in AWAY for board_id in turn):
            if room <= 0:
                continue
            room -= 1
        starting.extend(turn)
    return starting

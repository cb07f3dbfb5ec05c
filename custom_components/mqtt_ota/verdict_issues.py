"""Boards that did not come out of an update well: before the user until they did, or run something else."""

import asyncio
from typing import Final

from homeassistant.util import dt as dt_util

from .issue_watch import IssueKind, issue_id_of
from .markdown import escape
from .member import Member
from .ota.board import Availability
from .ota.errors import Reason
from .ota.session import Session
from .ota.state import GOOD, State
from .past_sessions import past_sessions
from .runtime import Runtime

ROLLED_BACK_ISSUE: Final = "rolled_back"
NEVER_RETURNED_ISSUE: Final = "never_returned"
UNKNOWN: Final = "?"


def unsettled(member: Member) -> tuple[str, Session] | None:
    """Return the issue that a board's updates leave, with the session that did; None where all is well.

    A later try settles it when it succeeds: one that runs, failed or was called off leaves the board as it was.
    """
    for session in past_sessions(member):
        if session.state in GOOD:
            return None
        if session.state is State.ROLLED_BACK:
            return None if _runs_another(member, session) else (ROLLED_BACK_ISSUE, session)
        if session.reason is Reason.NEVER_RETURNED:
            is_back = _runs_another(member, session) or _was_heard_since(member, session)
            return None if is_back else (NEVER_RETURNED_ISSUE, session)
    return None


def _runs_another(member: Member, session: Session) -> bool:
    """Tell whether a board says by now that it runs anything but what it ran before a session."""
    return bool(member.board.version) and member.board.version != session.from_version


def _was_heard_since(member: Member, session: Session) -> bool:
    """Tell whether a board spoke after the verdict: one that tells no version can correct it in no other way."""
    if session is not member.session:
        return member.availability is Availability.ONLINE
    verdict = dt_util.utcnow().timestamp() - (asyncio.get_running_loop().time() - session.changed)
    # Its last will is not its own word.
    is_there = member.availability is not Availability.OFFLINE
    return is_there and member.heard is not None and member.heard > verdict


def _found(runtime: Runtime, issue: str) -> dict[str, tuple[Member, Session]]:
    found = {}
    for member in runtime.fleet.members.values():
        if (left := unsettled(member)) is not None and left[0] == issue:
            found[issue_id_of(issue, member.id)] = member, left[1]
    return found


def _rolled_back(runtime: Runtime) -> dict[str, dict[str, str]]:
    return {
        issue_id: _names(member, session) | {"detail": _said_of_it(session)}
        for issue_id, (member, session) in _found(runtime, ROLLED_BACK_ISSUE).items()
    }


def _never_returned(runtime: Runtime) -> dict[str, dict[str, str]]:
    return {
        issue_id: _names(member, session) | {"said": _last_said(session), "heard": _last_heard(member)}
        for issue_id, (member, session) in _found(runtime, NEVER_RETURNED_ISSUE).items()
    }


def _names(member: Member, session: Session) -> dict[str, str]:
    return {
        # Titles are no Markdown.
        "name": member.name,
        "board": escape(member.name),
        "version": escape(session.target.version),
        "from_version": escape(session.from_version or UNKNOWN),
    }


def _said_of_it(session: Session) -> str:
    """Return what a board said of why it went back, if that is more than its version."""
    return "-" if session.detail in {"", session.from_version} else escape(session.detail)


def _last_said(session: Session) -> str:
    """Return what the timeline has before the verdict."""
    said = [text for _, text in session.timeline if not text.startswith(State.FAILED)]
    return said[-1].replace("`", "'") if said else UNKNOWN


def _last_heard(member: Member) -> str:
    """Return when a board last spoke, in the user's time."""
    if member.heard is None:
        return UNKNOWN
    return dt_util.as_local(dt_util.utc_from_timestamp(member.heard)).strftime("%Y-%m-%d %H:%M")


ROLLED_BACK: Final = IssueKind(ROLLED_BACK_ISSUE, _rolled_back, is_fixable=False)
NEVER_RETURNED: Final = IssueKind(NEVER_RETURNED_ISSUE, _never_returned, is_fixable=False)

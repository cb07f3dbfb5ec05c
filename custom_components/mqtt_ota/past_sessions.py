"""The updates of a board that are kept: the last or running one, and those before it."""

from collections.abc import Iterator

from .member import Member
from .ota.session import Session


def past_sessions(member: Member) -> Iterator[Session]:
    """Yield a board's sessions, the latest first; those before the last one tell durations, and no moments."""
    if member.session is not None:
        yield member.session
    for record in member.history:
        try:
            yield Session.restored({key: value for key, value in record.items() if key != "replaced"}, 0.0)
        except AttributeError, KeyError, TypeError, ValueError:
            # One of an older version of this integration.
            continue


def last_ended(member: Member) -> Session | None:
    """Return the last update of a board that has its verdict."""
    return next((session for session in past_sessions(member) if not session.is_active), None)

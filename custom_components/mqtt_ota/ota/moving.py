"""Recognising a board that speaks another way since its last update."""

from collections.abc import Iterable

from .board import Board
from .session import CORRECTABLE, Session, State

_ON_THE_WAY = frozenset({State.TRANSFERRING, State.VERIFYING, State.REBOOTING})


def moved_from(newcomer: Board, known: Iterable[tuple[Board, Session | None]], now: float) -> Board | None:
    """Return which of the known boards, each with its last session, a newcomer is; None where it is none for sure.

    It is the one with its MAC address, or else the only one that was just sent what the newcomer runs.
    """
    others = [
        (board, session)
        for board, session in known
        if board.dialect != newcomer.dialect and not _differ(board, newcomer)
    ]
    if newcomer.mac and (alike := [board for board, _ in others if board.mac == newcomer.mac]):
        return alike[0] if len(alike) == 1 else None
    sent = [board for board, session in others if session is not None and _was_sent(session, newcomer, now)]
    return sent[0] if len(sent) == 1 else None


def _differ(board: Board, newcomer: Board) -> bool:
    """Tell whether two boards cannot be one."""
    macs = bool(board.mac and newcomer.mac) and board.mac != newcomer.mac
    return macs or (bool(board.chip and newcomer.chip) and board.chip.casefold() != newcomer.chip.casefold())


def _was_sent(session: Session, newcomer: Board, now: float) -> bool:
    """Tell whether a session brought, or may have brought, what a newcomer runs."""
    is_recent = session.state in _ON_THE_WAY or (not session.is_active and now - session.changed <= CORRECTABLE)
    return is_recent and session.state is not State.CONFIRMED and session.is_run_by(newcomer)

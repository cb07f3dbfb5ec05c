"""Feeds that boards name themselves: proposed to the user, and not touched before the user's yes."""

from dataclasses import dataclass
import glob
from typing import Final

from yarl import URL

from .issue_watch import IssueKind, issue_id_of
from .markdown import escape
from .ota.board import Board
from .ota.release import fits
from .runtime import Runtime

ISSUE: Final = "feed_proposed"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A feed, and the boards that name it and for which no firmware is set up."""

    url: URL
    boards: tuple[Board, ...]

    @property
    def issue_id(self) -> str:
        """Return the id of the issue that asks the user."""
        return issue_id_of(ISSUE, str(self.url))

    @property
    def placeholders(self) -> dict[str, str]:
        """Return what the texts of the issue name."""
        first = self.boards[0]
        return {
            "board": escape(first.name or first.id),
            "count": str(len(self.boards)),
            "host": self.url.host_port_subcomponent or "",
            # In full but for a login: the user says yes to just this.
            "url": str(self.url.with_user(None)),
        }

    @property
    def match(self) -> dict[str, str]:
        """Return which boards the feed is for: the first one's kind, and its chip unless that kind has several."""
        first = self.boards[0]
        alike = [board for board in self.boards if (board.model, board.project) == (first.model, first.project)]
        is_told_apart = first.model or first.project
        one_chip = not is_told_apart or len({board.chip for board in alike}) == 1
        said = {"model": first.model, "chip": first.chip if one_chip else "", "project": first.project}
        # A board's own words are no globs.
        return {key: glob.escape(word) for key, word in said.items() if word}


def proposals(runtime: Runtime) -> dict[str, Proposal]:
    """Return what there is to propose by its issue's id, in the order in which the boards came."""
    boards: dict[URL, list[Board]] = {}
    for member in runtime.fleet.members.values():
        board = member.board
        if (url := _feed_url(board.feed)) is not None and not _is_covered(runtime, board):
            boards.setdefault(url, []).append(board)
    found = [Proposal(url, tuple(named)) for url, named in boards.items()]
    return {proposal.issue_id: proposal for proposal in found}


def _is_covered(runtime: Runtime, board: Board) -> bool:
    """Tell whether any firmware is for a board; that two are is another question."""
    return any(fits(product, board) is not None for product, _ in runtime.catalogue.feeds)


def _feed_url(text: str) -> URL | None:
    """Return the address that a board names, None for what is no web address."""
    try:
        url = URL(text)
    except ValueError:
        return None
    return url if url.scheme in {"http", "https"} and url.host else None


def _questions(runtime: Runtime) -> dict[str, dict[str, str]]:
    return {issue_id: proposal.placeholders for issue_id, proposal in proposals(runtime).items()}


FEED_PROPOSED: Final = IssueKind(ISSUE, _questions, is_fixable=True)

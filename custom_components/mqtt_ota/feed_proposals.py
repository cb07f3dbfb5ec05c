"""Feeds that boards name themselves: proposed to the user, and not touched before the user's yes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
import glob
from hashlib import sha256
from typing import Any, Final

from yarl import URL

from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr, issue_registry as ir

from .const import DOMAIN
from .markdown import escape
from .member import Member
from .ota.board import Board
from .ota.release import fits
from .runtime import MqttOtaConfigEntry, Runtime
from .throttle import Throttle

ISSUE: Final = "feed_proposed"
PROPOSALS_LIMIT: Final = 20
# A fleet that starts announces itself within seconds: it is looked through once, not once a board.
REVIEW_INTERVAL: Final = 1.0


@dataclass(frozen=True, slots=True)
class Proposal:
    """A feed, and the boards that name it and for which no firmware is set up."""

    url: URL
    boards: tuple[Board, ...]

    @property
    def issue_id(self) -> str:
        """Return the id of the issue that asks the user."""
        return f"{ISSUE}_{sha256(str(self.url).encode()).hexdigest()[:16]}"

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


@callback
def async_watch_feeds(hass: HomeAssistant, entry: MqttOtaConfigEntry) -> None:
    """Propose the feeds that the boards of an entry name, for as long as it is set up."""
    watch = _Watch(hass, entry.runtime_data)
    entry.async_on_unload(watch.async_close)


@callback
def async_withdraw(hass: HomeAssistant) -> None:
    """Take back every proposal: there is nobody left who could follow it."""
    for issue_id in _issues(hass):
        ir.async_delete_issue(hass, DOMAIN, issue_id)


def proposals(runtime: Runtime) -> dict[str, Proposal]:
    """Return what there is to propose by its issue's id, in the order in which the boards came."""
    boards: dict[URL, list[Board]] = {}
    for member in runtime.fleet.members.values():
        board = member.board
        if (url := _feed_url(board.feed)) is not None and not _is_covered(runtime, board):
            boards.setdefault(url, []).append(board)
    found = [Proposal(url, tuple(named)) for url, named in boards.items()]
    return {proposal.issue_id: proposal for proposal in found}


class _Watch:
    """Keeps the issues true while boards come, change and go."""

    def __init__(self, hass: HomeAssistant, runtime: Runtime) -> None:
        self._hass = hass
        self._runtime = runtime
        self._reviews = Throttle(hass.loop, REVIEW_INTERVAL, self._review)
        self._boards: dict[str, Board] = {}
        self._unsubscribes: dict[str, Callable[[], None]] = {}
        self._closes = (
            runtime.fleet.async_on_join(self._joined),
            hass.bus.async_listen(dr.EVENT_DEVICE_REGISTRY_UPDATED, self._left, event_filter=_is_removal),
        )
        self._reviews.async_request()

    @callback
    def async_close(self) -> None:
        """Look no further; what was asked stays asked, so that an answer is not forgotten over a restart."""
        self._reviews.async_cancel()
        for unsubscribe in (*self._closes, *self._unsubscribes.values()):
            unsubscribe()

    @callback
    def _joined(self, member: Member) -> None:
        member_id = member.id
        if (unsubscribe := self._unsubscribes.pop(member_id, None)) is not None:
            unsubscribe()
        self._unsubscribes[member_id] = member.async_listen(lambda: self._changed(member))
        self._changed(member)

    @callback
    def _changed(self, member: Member) -> None:
        # Progress is no news here: a board that announces the same is the same object.
        if self._boards.get(member.id) is not member.board:
            self._boards[member.id] = member.board
            self._reviews.async_request()

    @callback
    def _left(self, _event: Event[dr.EventDeviceRegistryUpdatedData]) -> None:
        self._reviews.async_request()

    def _review(self) -> None:
        """Ask what is to be asked, and take back what is settled."""
        found = proposals(self._runtime)
        for issue_id in _issues(self._hass) - found.keys():
            ir.async_delete_issue(self._hass, DOMAIN, issue_id)
        registry = ir.async_get(self._hass)
        issues = {issue_id: registry.async_get_issue(DOMAIN, issue_id) for issue_id in found}
        ignored = {issue_id for issue_id, issue in issues.items() if issue is not None and issue.dismissed_version}
        asked = [issue_id for issue_id in found if issue_id not in ignored][:PROPOSALS_LIMIT]
        for issue_id in (*ignored, *asked):
            self._raise_issue(found[issue_id])
        for issue_id in found.keys() - ignored - set(asked):
            ir.async_delete_issue(self._hass, DOMAIN, issue_id)

    def _raise_issue(self, proposal: Proposal) -> None:
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            proposal.issue_id,
            is_fixable=True,
            severity=ir.IssueSeverity.WARNING,
            translation_key=ISSUE,
            translation_placeholders=proposal.placeholders,
        )


def _issues(hass: HomeAssistant) -> set[str]:
    """Return the ids of the proposals that are before the user, answered or not."""
    return {
        issue_id
        for (domain, issue_id), issue in ir.async_get(hass).issues.items()
        if domain == DOMAIN and issue_id.startswith(f"{ISSUE}_") and issue.active
    }


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


@callback
def _is_removal(event: Mapping[str, Any]) -> bool:
    return bool(event["action"] == "remove")

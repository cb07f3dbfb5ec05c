"""What is before the user as issues: kept true while boards come, change and go."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr, issue_registry as ir

from .const import DOMAIN
from .member import Member
from .ota.board import Availability, Board
from .runtime import MqttOtaConfigEntry, Runtime
from .throttle import Throttle

# How many issues of one kind may be before the user.
ISSUES_LIMIT: Final = 20
# A fleet that starts announces itself within seconds: it is looked through once, not once a board.
REVIEW_INTERVAL: Final = 1.0


@dataclass(frozen=True, slots=True)
class IssueKind:
    """A kind of issue: the key of its texts, and what finds all that there is now, by id, with what its texts name."""

    key: str
    find: Callable[[Runtime], Mapping[str, Mapping[str, str]]]
    is_fixable: bool

    def active(self, hass: HomeAssistant) -> set[str]:
        """Return the ids of its issues that are before the user, answered or not."""
        return {
            issue_id
            for (domain, issue_id), issue in ir.async_get(hass).issues.items()
            if domain == DOMAIN and issue_id.startswith(f"{self.key}_") and issue.active
        }

    @callback
    def async_withdraw(self, hass: HomeAssistant) -> None:
        """Take back every issue of the kind: there is nobody left who could settle it."""
        for issue_id in self.active(hass):
            ir.async_delete_issue(hass, DOMAIN, issue_id)

    @callback
    def async_review(self, hass: HomeAssistant, runtime: Runtime) -> None:
        """Ask what is to be asked, and take back what is settled."""
        found = self.find(runtime)
        for issue_id in self.active(hass) - found.keys():
            ir.async_delete_issue(hass, DOMAIN, issue_id)
        registry = ir.async_get(hass)
        issues = {issue_id: registry.async_get_issue(DOMAIN, issue_id) for issue_id in found}
        ignored = {issue_id for issue_id, issue in issues.items() if issue is not None and issue.dismissed_version}
        asked = [issue_id for issue_id in found if issue_id not in ignored][:ISSUES_LIMIT]
        for issue_id in (*ignored, *asked):
            self._raise(hass, issue_id, found[issue_id])
        for issue_id in found.keys() - ignored - set(asked):
            ir.async_delete_issue(hass, DOMAIN, issue_id)

    def _raise(self, hass: HomeAssistant, issue_id: str, placeholders: Mapping[str, str]) -> None:
        ir.async_create_issue(
            hass,
            DOMAIN,
            issue_id,
            is_fixable=self.is_fixable,
            severity=ir.IssueSeverity.WARNING,
            translation_key=self.key,
            translation_placeholders=dict(placeholders),
        )


def issue_id_of(key: str, what: str) -> str:
    """Return the id of the issue of a kind that is about something, which may be any text."""
    return f"{key}_{sha256(what.encode()).hexdigest()[:16]}"


class IssueWatch:
    """Looks through the boards again when something happened that may raise or settle an issue."""

    def __init__(self, hass: HomeAssistant, entry: MqttOtaConfigEntry, kinds: tuple[IssueKind, ...]) -> None:
        """Watch over issues of these kinds, for as long as the entry is set up."""
        self._hass = hass
        self._runtime = entry.runtime_data
        self._kinds = kinds
        self._reviews = Throttle(hass.loop, REVIEW_INTERVAL, self._review)
        self._known: dict[str, tuple[Board, Availability]] = {}
        self._unsubscribes: dict[str, Callable[[], None]] = {}
        fleet = self._runtime.fleet
        self._closes = (
            fleet.async_on_join(self._joined),
            fleet.async_on_leftovers(self._reviews.async_request),
            self._runtime.sessions.async_listen(lambda *_: self._reviews.async_request()),
            self._runtime.rollouts.async_listen(self._reviews.async_request),
            hass.bus.async_listen(dr.EVENT_DEVICE_REGISTRY_UPDATED, self._left, event_filter=_is_removal),
        )
        entry.async_on_unload(self._close)
        self._reviews.async_request()

    @callback
    def _close(self) -> None:
        """Look no further; what was asked stays asked, so that an answer is not forgotten over a restart."""
        self._reviews.async_cancel()
        for unsubscribe in (*self._closes, *self._unsubscribes.values()):
            unsubscribe()

    @callback
    def _joined(self, member: Member) -> None:
        if (unsubscribe := self._unsubscribes.pop(member.id, None)) is not None:
            unsubscribe()
        self._unsubscribes[member.id] = member.async_listen(lambda: self._changed(member))
        self._changed(member)

    @callback
    def _changed(self, member: Member) -> None:
        # Progress is no news here: a board that announces the same is the same object.
        known = self._known.get(member.id)
        if known is None or known[0] is not member.board or known[1] is not member.availability:
            self._known[member.id] = member.board, member.availability
            self._reviews.async_request()

    @callback
    def _left(self, _event: Event[dr.EventDeviceRegistryUpdatedData]) -> None:
        self._reviews.async_request()

    def _review(self) -> None:
        for kind in self._kinds:
            kind.async_review(self._hass, self._runtime)


@callback
def _is_removal(event: Mapping[str, Any]) -> bool:
    return bool(event["action"] == "remove")

"""Rollouts at work: many boards, a few at a time, kept over restarts, stopped when one fails."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
import logging
from secrets import token_hex
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import STATE_OFF
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.start import async_at_started
from homeassistant.helpers.storage import Store
from homeassistant.util import dt as dt_util

from .catalogue import Catalogue
from .const import DOMAIN
from .fleet import Fleet
from .member import Member
from .ota.board import Availability
from .ota.errors import OtaError, Reason
from .ota.rollout import Rollout, Start, Status
from .ota.rollout_plan import Policy
from .ota.rollout_sight import Sight
from .ota.session import Session
from .running_rollout import Running, Terms
from .sessions import Sessions
from .sights import sight
from .steps import Step
from .throttle import Throttle

_LOGGER = logging.getLogger(__name__)

STORAGE_KEY: Final = f"{DOMAIN}.rollouts"
STORAGE_VERSION: Final = 1
EVENT_ROLLOUT: Final = f"{DOMAIN}_rollout"
# Rollouts that are over and can still be looked at.
KEEP: Final = 10
# Many boards report at the same moment: they are looked at once.
LOOK_INTERVAL: Final = 1.0
SAVE_DELAY: Final = 1.0

# Begins the update of a board to a version, None for the newest, with so many tries more.
type Begin = Callable[[Member, str | None, int], Awaitable[object]]


class Rollouts:
    """All rollouts: those that run, and the last that did."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        fleet: Fleet,
        sessions: Sessions,
        catalogue: Catalogue,
        install: Begin,
    ) -> None:
        """Roll out to the boards of `fleet`; `install` begins one board's update."""
        self._hass = hass
        self._entry = entry
        self._fleet = fleet
        self._sessions = sessions
        self._catalogue = catalogue
        self._install = install
        self._store: Store[dict[str, Any]] = Store(hass, STORAGE_VERSION, STORAGE_KEY, atomic_writes=True)
        self._looks = Throttle(hass.loop, LOOK_INTERVAL, self._look)
        self._timer: asyncio.TimerHandle | None = None
        self._listeners: set[Callable[[], None]] = set()
        self._unlisten: Callable[[], None] = lambda: None
        self._unlisten_start: Callable[[], None] = lambda: None
        self._started = False
        self._closed = False
        self.all: dict[str, Running] = {}

    async def async_start(self) -> None:
        """Go on with what ran before the restart."""
        for record in (await self._store.async_load() or {}).get("rollouts", ()):
            try:
                running = Running.restored(record)
            except (AttributeError, KeyError, TypeError, ValueError) as err:
                _LOGGER.warning("A stored rollout cannot be read and is left out: %r", err)
                continue
            self.all[running.rollout.id] = running
        self._unlisten = self._sessions.async_listen(self._stepped)
        # Before that nobody could hear how a rollout goes, and entities that hold it up are not there yet.
        self._unlisten_start = async_at_started(self._hass, self._begin_to_look)

    async def async_stop(self) -> None:
        """Decide nothing more; who waits for an end learns how far it came."""
        self._closed = True
        self._unlisten_start()
        self._unlisten()
        self._looks.async_cancel()
        if self._timer is not None:
            self._timer.cancel()
        for running in self.all.values():
            running.settled.set()
        await self._store.async_save(self._saved())

    @callback
    def async_listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` when a rollout began, paused, went on or ended; return what ends that."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    @callback
    def async_begin(
        self,
        members: Iterable[Member],
        policy: Policy,
        *,
        version: str | None = None,
        terms: Terms,
    ) -> Running:
        """Begin a rollout to boards, or return the one of its name that runs, or had the same window already.

        Raises OtaError when one of the boards is in another, ValueError for an odd policy.
        """
        if (same := self._same(terms)) is not None:
            return same
        targets = {member.id: member for member in members}
        for running in self.all.values():
            busy = [key for key in targets if key in running.rollout.parts] if running.is_live else []
            if busy:
                raise OtaError(Reason.IN_ROLLOUT, board=targets[busy[0]].name, rollout=running.rollout.id)
        rollout = Rollout.create(
            token_hex(4),
            targets,
            policy,
            {
                key: sight(self._hass, self._catalogue, member, version, terms.min_age)
                for key, member in targets.items()
            },
            _now(),
            version=version,
            cohorts={key: member.board.cohort for key, member in targets.items()},
        )
        running = self.all[rollout.id] = Running(rollout, terms)
        self._changed(running)
        self._looks.async_run()
        return running

    def get(self, rollout_id: str | None) -> Running:
        """Return a rollout, the newest without an id; raises OtaError where there is none."""
        running = self.all.get(rollout_id) if rollout_id else next(reversed(self.all.values()), None)
        if running is None:
            raise OtaError(Reason.NO_ROLLOUT, rollout=rollout_id or "-")
        return running

    @callback
    def async_apply(self, running: Running, verb: Callable[[Rollout], object]) -> None:
        """Let a user change the course of a rollout, and look at where that leads."""
        if verb(running.rollout):
            running.settled.clear()
            self._changed(running)
            self._looks.async_run()

    @staticmethod
    async def async_settled(running: Running) -> dict[str, Any]:
        """Wait until a rollout is over or paused, and return its report."""
        await running.settled.wait()
        return running.report()

    def part_of(self, member: Member) -> Rollout | None:
        """Return the live rollout that a board is part of."""
        live = (running.rollout for running in self.all.values() if running.is_live)
        return next((rollout for rollout in live if member.id in rollout.parts), None)

    def _same(self, terms: Terms) -> Running | None:
        """Return the rollout of a name that is not over, or of which one had its turn in the same window."""
        named = [running for running in self.all.values() if terms.name and running.terms.name == terms.name]
        return next((one for one in named if one.is_live or one.terms.until == terms.until is not None), None)

    @callback
    def _begin_to_look(self, _hass: HomeAssistant) -> None:
        self._started = True
        self._looks.async_request()

    @callback
    def _stepped(self, _member: Member, _session: Session, _step: Step) -> None:
        # Not at once: others are still to be told of this step, and nothing may begin before that.
        self._hass.loop.call_soon(self._looks.async_request)

    def _look(self) -> None:
        """Look at every board of every live rollout, and do what is decided."""
        if self._closed or not self._started:
            return
        now, wake_at = _now(), None
        # One that a user cancelled is over at once, and still has armed installs to call off.
        for running in [one for one in self.all.values() if one.is_live or not one.settled.is_set()]:
            next_look = self._step(running, now)
            wake_at = next_look if wake_at is None else min(wake_at, next_look or wake_at)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if wake_at is not None:
            self._timer = self._hass.loop.call_later(max(LOOK_INTERVAL, wake_at - now), self._looks.async_request)
        self._forget_old()
        self._store.async_delay_save(self._saved, SAVE_DELAY)

    def _step(self, running: Running, now: float) -> float | None:
        rollout = running.rollout
        if running.terms.until is not None and now >= running.terms.until and rollout.status is Status.RUNNING:
            rollout.cancel(now, Reason.WINDOW_CLOSED)
        decision = rollout.step(self._sights(running), now, may_start=self._may_start(running))
        for board_id in decision.withdraw:
            self._sessions.async_cancel(self._fleet.members[board_id])
        for start in decision.start:
            self._entry.async_create_background_task(
                self._hass, self._async_install(running, start), f"rollout {rollout.id}: {start.board_id}"
            )
        if running.told != running.standing:
            self._changed(running)
        if not running.is_live or rollout.status is Status.PAUSED:
            running.settled.set()
        return (
            decision.wake_at
            if running.terms.until is None
            else min(running.terms.until, decision.wake_at or running.terms.until)
        )

    def _sights(self, running: Running) -> Mapping[str, Sight]:
        return {board_id: self._sight(running, board_id) for board_id in running.rollout.parts}

    def _sight(self, running: Running, board_id: str) -> Sight:
        """Return what is known of a board; one that was deleted gets nothing any more."""
        member = self._fleet.members.get(board_id)
        if member is None:
            return Sight(availability=Availability.UNKNOWN, no_update=Reason.BOARD_UNKNOWN)
        version = running.rollout.version_of(board_id)
        return sight(self._hass, self._catalogue, member, version, running.terms.min_age)

    def _may_start(self, running: Running) -> bool:
        states = [self._hass.states.get(entity_id) for entity_id in running.terms.while_off]
        return all(state is not None and state.state == STATE_OFF for state in states)

    async def _async_install(self, running: Running, start: Start) -> None:
        """Begin a board's install; what it cannot even begin for is its result."""
        reason: Reason | None = Reason.BOARD_UNKNOWN
        if (member := self._fleet.members.get(start.board_id)) is not None:
            try:
                await self._install(member, start.version, running.terms.retries)
            except OtaError as err:
                reason = err.reason
            else:
                reason = None
        if reason is not None:
            running.rollout.refuse(start.board_id, reason, _now())
        self._looks.async_request()

    def _changed(self, running: Running) -> None:
        """Tell that a rollout goes another way; its status is an event only when it is news."""
        report = running.report()
        _LOGGER.info("The rollout %s is %s %s", running.rollout.id, report["status"], report["cause"] or "")
        if running.told != running.standing:
            running.told = running.standing
            self._hass.bus.async_fire(EVENT_ROLLOUT, report)
        for listener in tuple(self._listeners):
            listener()

    def _forget_old(self) -> None:
        over = [key for key, running in self.all.items() if not running.is_live]
        for key in over[: max(0, len(over) - KEEP)]:
            del self.all[key]

    def _saved(self) -> dict[str, Any]:
        return {"rollouts": [running.stored() for running in self.all.values()]}


async def async_remove_rollouts(hass: HomeAssistant) -> None:
    """Delete what was kept of rollouts."""
    await Store[dict[str, Any]](hass, STORAGE_VERSION, STORAGE_KEY).async_remove()


def _now() -> float:
    return dt_util.utcnow().timestamp()

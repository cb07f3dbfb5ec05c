"""Boards and rollouts that need somebody: said once, as long as it is so, and over restarts."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.mqtt_ota.const import DOMAIN
from custom_components.mqtt_ota.ota.board import Availability, Transport
from custom_components.mqtt_ota.ota.errors import Reason
from custom_components.mqtt_ota.ota.rollout import Status
from custom_components.mqtt_ota.ota.session import Session, State, Target
from custom_components.mqtt_ota.verdict_issues import NEVER_RETURNED, unsettled
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr, issue_registry as ir
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from tests.board.faults import Faults

from .conftest import Announce, SetUp
from .house import House

LOST = dict.fromkeys(State, 5.0) | {State.REBOOTING: 0.2, State.OFFERED: 0.2}


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again soon, so that nothing waits for the clock."""
    monkeypatch.setattr("custom_components.mqtt_ota.issue_watch.REVIEW_INTERVAL", 0.02)
    monkeypatch.setattr("custom_components.mqtt_ota.rollouts.LOOK_INTERVAL", 0.02)
    monkeypatch.setattr("custom_components.mqtt_ota.ota.rollout.LOOK", 0.05)


def issues(hass: HomeAssistant, key: str) -> list[ir.IssueEntry]:
    found = ir.async_get(hass).issues.values()
    return [issue for issue in found if issue.domain == DOMAIN and issue.active and issue.translation_key == key]


def told(issue: ir.IssueEntry) -> dict[str, str]:
    assert issue.translation_placeholders is not None
    return issue.translation_placeholders


async def failed(house: House, board_id: str = "relay-1") -> None:
    with pytest.raises(HomeAssistantError):
        await house.install(board_id)


# Rolled back


async def test_a_board_that_rolled_back_is_named_until_an_update_succeeds(house: House) -> None:
    board = await house.add_board(faults=Faults(comes_back_old=True))
    await house.refresh()
    await failed(house)
    await house.until(lambda: bool(issues(house.hass, "rolled_back")))
    (issue,) = issues(house.hass, "rolled_back")
    assert not issue.is_fixable
    assert {key: told(issue)[key] for key in ("name", "board", "version", "from_version")} == {
        "name": "relay-1",
        "board": r"relay\-1",
        "version": r"1\.1\.0",
        "from_version": r"1\.0\.0",
    }
    await house.switch_off(board)
    await house.add_board()
    await house.install()
    await house.until(lambda: not issues(house.hass, "rolled_back"))


async def test_what_is_ignored_stays_so_and_what_is_not_comes_back_after_a_restart(house: House) -> None:
    for name in ("relay-1", "relay-2"):
        await house.add_board(name, faults=Faults(comes_back_old=True))
    await house.refresh()
    for name in ("relay-1", "relay-2"):
        await failed(house, name)
    await house.until(lambda: len(issues(house.hass, "rolled_back")) == 2)
    ignored = next(issue for issue in issues(house.hass, "rolled_back") if told(issue)["name"] == "relay-1")
    ir.async_get(house.hass).async_ignore(DOMAIN, ignored.issue_id, True)
    for issue in issues(house.hass, "rolled_back"):
        # As after a start, where only what is asked again is active.
        if issue.issue_id != ignored.issue_id:
            ir.async_delete_issue(house.hass, DOMAIN, issue.issue_id)
    await house.reload()
    await house.until(lambda: len(issues(house.hass, "rolled_back")) == 2)
    answered = {told(issue)["name"]: bool(issue.dismissed_version) for issue in issues(house.hass, "rolled_back")}
    assert answered == {"relay-1": True, "relay-2": False}


async def test_the_issue_of_a_board_goes_with_it(house: House) -> None:
    board = await house.add_board(faults=Faults(comes_back_old=True))
    await house.refresh()
    await failed(house)
    await house.until(lambda: bool(issues(house.hass, "rolled_back")))
    await house.switch_off(board)
    registry = dr.async_get(house.hass)
    (device,) = dr.async_entries_for_config_entry(registry, house.entry.entry_id)
    house.entry.runtime_data.fleet.async_forget("relay-1")
    registry.async_remove_device(device.id)
    await house.until(lambda: not issues(house.hass, "rolled_back"))


# Never returned


async def test_a_board_that_never_returned_is_named_with_the_last_that_is_known(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("custom_components.mqtt_ota.ota.session.PATIENCE", LOST)
    board = await house.add_board(faults=Faults(never_comes_back=True))
    await house.refresh()
    await failed(house)
    await house.until(lambda: bool(issues(house.hass, "never_returned")))
    (issue,) = issues(house.hass, "never_returned")
    assert (told(issue)["name"], told(issue)["version"], told(issue)["said"]) == ("relay-1", r"1\.1\.0", "rebooting")
    heard = told(issue)["heard"]
    assert heard.startswith(dt_util.now().strftime("%Y-%m-"))
    await house.reload()
    await house.until(lambda: bool(issues(house.hass, "never_returned")))
    assert told(issues(house.hass, "never_returned")[0])["heard"] == heard
    # Somebody switches it off and on again.
    house.boards.remove(board)
    await house.hass.async_add_executor_job(board.stop)
    await house.add_board()
    await house.until(lambda: not issues(house.hass, "never_returned"))
    await house.state_is(lambda state: state.attributes["install_state"] == "confirmed")


type Kept = Callable[[Session], None]


@pytest.mark.parametrize(
    ("then", "left"),
    [
        ({}, "never_returned"),
        # It is there, on its old version: that is another matter.
        ({"version": "1.0.0"}, "rolled_back"),
        ({"version": "1.2.0"}, None),
        # Somebody used a cable.
        ({"version": "1.1.0"}, None),
    ],
)
async def test_what_a_lost_board_says_when_it_is_back_settles_it(
    ota_entry: SetUp, announce: Announce, then: dict[str, Any], left: str | None
) -> None:
    entry = await ota_entry()
    await announce()
    member = entry.runtime_data.fleet.members["lamp-1"]
    member.session = lost(member.board)
    if then:
        await announce(**then)
    found = unsettled(member)
    assert (found and found[0]) == left


async def test_a_board_without_a_version_is_back_when_it_is_heard(ota_entry: SetUp, announce: Announce) -> None:
    entry = await ota_entry()
    await announce()
    member = entry.runtime_data.fleet.members["lamp-1"]
    member.board = replace(member.board, version="")
    member.session = lost(member.board)
    member.heard = dt_util.utcnow().timestamp() - 60
    assert unsettled(member) is not None
    member.heard = (dt_util.utcnow() + timedelta(seconds=1)).timestamp()
    assert unsettled(member) is None


@pytest.mark.parametrize(
    ("end", "left"),
    [
        (lambda session: session.cancel(1), "rolled_back"),
        (lambda session: session.fail(Reason.NO_ANSWER, 1), "rolled_back"),
        (lambda session: None, "rolled_back"),
        (lambda session: session.came_back(1), None),
    ],
)
async def test_a_later_try_settles_it_only_where_it_succeeds(
    ota_entry: SetUp, announce: Announce, end: Kept, left: str | None
) -> None:
    entry = await ota_entry()
    await announce()
    member = entry.runtime_data.fleet.members["lamp-1"]
    first = lost(member.board)
    first.announced(member.board, first.changed + 1.0, live=True)
    assert first.state is State.ROLLED_BACK
    member.session = first
    later = Session.create("01" * 8, member.board, TARGET, 0.0, Transport.BLOCKS)
    member.async_open(later, "2026-01-01")
    end(later)
    found = unsettled(member)
    assert (found and found[0]) == left
    member.async_close()


async def test_a_lost_board_is_still_lost_when_a_later_try_finds_nobody(ota_entry: SetUp, announce: Announce) -> None:
    entry = await ota_entry()
    await announce()
    member = entry.runtime_data.fleet.members["lamp-1"]
    member.session, member.heard = lost(member.board), None
    member.availability = Availability.OFFLINE
    (words,) = NEVER_RETURNED.find(entry.runtime_data).values()
    assert words["heard"] == "?"
    later = Session.create("01" * 8, member.board, TARGET, 0.0, Transport.BLOCKS)
    member.async_open(later, "2026-01-01")
    later.fail(Reason.NO_ANSWER, 1)
    assert unsettled(member) is not None
    member.availability = Availability.ONLINE
    assert unsettled(member) is None
    member.async_close()


TARGET = Target(version="1.2.0", sha256="ab" * 32, size=4096)


def lost(board: Any) -> Session:
    """Return the session of a board that did not come back."""
    now = asyncio.get_running_loop().time()
    session = Session.create("00" * 8, board, TARGET, now, Transport.BLOCKS)
    session.alive(State.REBOOTING, now)
    session.never_returned(now)
    assert (session.state, session.reason) == (State.FAILED, Reason.NEVER_RETURNED)
    return session


# Rollouts


class Menu:
    """The user's side of the menu that an issue opens."""

    def __init__(self, hass: HomeAssistant, hass_client: ClientSessionGenerator) -> None:
        self._hass = hass
        self._hass_client = hass_client

    async def open(self, issue_id: str) -> dict[str, Any]:
        """Open the issue."""
        assert await async_setup_component(self._hass, "repairs", {})
        self._client = await self._hass_client()
        return await self._post("/api/repairs/issues/fix", {"handler": DOMAIN, "issue_id": issue_id})

    async def choose(self, menu: dict[str, Any], option: str) -> dict[str, Any]:
        """Take one of the ways."""
        return await self._post(f"/api/repairs/issues/fix/{menu['flow_id']}", {"next_step_id": option})

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = await (await self._client.post(path, json=body)).json()
        await self._hass.async_block_till_done()
        return answer


@pytest.fixture
async def menu(house: House, hass_client: ClientSessionGenerator) -> Menu:
    """Let a rollout stop at its canary, which rolls back."""
    await house.add_board(faults=Faults(comes_back_old=True))
    await house.add_board("relay-2")
    await house.refresh()
    both = [house.entity_id("relay-1"), house.entity_id("relay-2")]
    action = {"entity_id": both, "canary": both[0]}
    await house.hass.services.async_call(DOMAIN, "rollout", action, blocking=True, return_response=True)
    await house.until(lambda: bool(issues(house.hass, "rollout_paused")))
    return Menu(house.hass, hass_client)


def status(house: House) -> Status:
    found: Status = house.entry.runtime_data.rollouts.get(None).rollout.status
    return found


async def test_a_rollout_that_stopped_says_why_and_asks_how_to_go_on(house: House, menu: Menu) -> None:
    (issue,) = issues(house.hass, "rollout_paused")
    assert issue.is_fixable
    assert (told(issue)["done"], told(issue)["count"], told(issue)["boards"]) == ("0", "2", r"relay\-1")
    await house.reload()
    await house.until(lambda: [one.issue_id for one in issues(house.hass, "rollout_paused")] == [issue.issue_id])
    asked = await menu.open(issue.issue_id)
    assert (asked["type"], asked["menu_options"]) == ("menu", ["retry", "resume", "cancel"])
    assert asked["description_placeholders"]["why"] == "A board came back with its old version."


@pytest.mark.parametrize(
    ("option", "becomes", "version"),
    [("resume", Status.FINISHED, "1.1.0"), ("cancel", Status.CANCELLED, "1.0.0"), ("retry", Status.PAUSED, "1.0.0")],
)
async def test_the_user_says_how_it_goes_on(
    house: House, menu: Menu, option: str, becomes: Status, version: str
) -> None:
    (issue,) = issues(house.hass, "rollout_paused")
    first = house.members["relay-1"].session
    done = await menu.choose(await menu.open(issue.issue_id), option)
    assert done["type"] == "create_entry"
    if option == "retry":
        # It is tried again, and rolls back again.
        await house.until(lambda: house.members["relay-1"].session is not first)
        await house.until(lambda: house.members["relay-1"].active_session is None)
    await house.until(lambda: status(house) is becomes)
    await house.until(lambda: bool(issues(house.hass, "rollout_paused")) == (becomes is Status.PAUSED))
    assert house.state("relay-2").attributes["installed_version"] == version
    assert (house.members["relay-1"].session is first) == (option != "retry")


async def test_a_rollout_that_somebody_decided_on_meanwhile_is_left_alone(house: House, menu: Menu) -> None:
    (issue,) = issues(house.hass, "rollout_paused")
    asked = await menu.open(issue.issue_id)
    await house.hass.services.async_call(DOMAIN, "cancel_rollout", {}, blocking=True)
    done = await menu.choose(asked, "resume")
    assert (done["type"], done["reason"]) == ("abort", "already_decided")
    assert status(house) is Status.CANCELLED
    await house.until(lambda: not issues(house.hass, "rollout_paused"))


async def test_a_rollout_that_is_decided_on_before_the_issue_is_opened_is_left_alone(house: House, menu: Menu) -> None:
    (issue,) = issues(house.hass, "rollout_paused")
    rollouts = house.entry.runtime_data.rollouts
    rollouts.get(None).rollout.cancel(0.0)
    done = await menu.open(issue.issue_id)
    assert (done["type"], done["reason"]) == ("abort", "already_decided")


async def test_nothing_is_decided_while_the_integration_does_not_run(house: House, menu: Menu) -> None:
    (issue,) = issues(house.hass, "rollout_paused")
    asked = await menu.open(issue.issue_id)
    assert await house.hass.config_entries.async_unload(house.entry.entry_id)
    done = await menu.choose(asked, "resume")
    assert (done["type"], done["reason"]) == ("abort", "entry_not_loaded")
    again = await menu.open(issue.issue_id)
    assert (again["type"], again["reason"]) == ("abort", "entry_not_loaded")


async def test_what_the_user_paused_is_no_issue(house: House) -> None:
    await house.add_board(faults=Faults(silent=True))
    await house.refresh()
    action = {"entity_id": house.entity_id()}
    await house.hass.services.async_call(DOMAIN, "rollout", action, blocking=True)
    await house.hass.services.async_call(DOMAIN, "pause_rollout", {}, blocking=True)
    assert status(house) is Status.PAUSED
    await house.until(lambda: house.members["relay-1"].session is not None)
    await house.reload()
    assert issues(house.hass, "rollout_paused") == []

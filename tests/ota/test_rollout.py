"""A rollout starts no board too many, none too early, and stops by itself."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
import json
from random import Random
from typing import Any

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.mqtt_ota.ota.board import Availability
from custom_components.mqtt_ota.ota.rollout import GAP, LOOK, Decision, Rollout, Start, Status
from custom_components.mqtt_ota.ota.rollout_gate import Cause
from custom_components.mqtt_ota.ota.rollout_part import LOST, PREPARATION
from custom_components.mqtt_ota.ota.rollout_plan import Policy, Wave, plan
from custom_components.mqtt_ota.ota.rollout_sight import VERDICTS, Install, Result, Sight

EPOCH = 1_800_000_000.0
ONLINE = Sight(availability=Availability.ONLINE, version="1.0.0", target="1.1.0")
ASLEEP = replace(ONLINE, availability=Availability.ASLEEP)
OFFLINE = replace(ONLINE, availability=Availability.OFFLINE)
UPDATED = replace(ONLINE, version="1.1.0", up_to_date=True)


def again(rollout: Rollout) -> Rollout:
    """Return a rollout as it is after a restart."""
    return Rollout.restored(json.loads(json.dumps(rollout.stored())))


class House:
    """Boards that do what a test says, and the rollout over them."""

    def __init__(self, *boards: str, **policy: Any) -> None:
        self.cohorts: dict[str, str] = policy.pop("cohorts", {})
        self.version: str | None = policy.pop("version", None)
        self.sights = dict.fromkeys(boards, ONLINE)
        self.sights.update(policy.pop("sights", {}))
        self.now = EPOCH
        self.installs = 0
        self.may_start = True
        self.rollout = Rollout.create(
            "r1", boards, Policy(**policy), self.sights, self.now, version=self.version, cohorts=self.cohorts
        )
        self.last = Decision()

    def step(self, seconds: float = 0.0, *, begin: bool = True) -> list[str]:
        """Look again after some seconds; return what is started, and begin it."""
        self.now += seconds
        self.last = self.rollout.step(self.sights, self.now, may_start=self.may_start)
        started = [start.board_id for start in self.last.start]
        for board_id in started if begin else ():
            away = self.sights[board_id].availability in {Availability.ASLEEP, Availability.OFFLINE}
            self.install(board_id, "waiting" if away else "offered")
        return started

    def install(self, board_id: str, state: str, reason: str = "") -> None:
        self.installs += 1
        self.see(board_id, install=Install(id=f"i{self.installs}", state=state, reason=reason))

    def see(self, board_id: str, **changes: Any) -> None:
        self.sights[board_id] = replace(self.sights[board_id], **changes)

    def verdict(self, board_id: str, state: str, reason: str = "") -> None:
        """Let a board's install come to a verdict."""
        install = self.sights[board_id].install
        assert install is not None
        self.see(board_id, install=replace(install, state=state, reason=reason))
        if state == "confirmed":
            self.see(board_id, version="1.1.0", up_to_date=True)

    def confirm(self, *boards: str) -> None:
        for board_id in boards:
            self.verdict(board_id, "confirmed")

    def pass_time(self, seconds: float) -> list[str]:
        """Look again as often as a rollout asks for; return what was started meanwhile."""
        started = []
        until = self.now + seconds
        while self.now < until:
            started += self.step(min(LOOK, until - self.now))
        return started

    def status(self) -> tuple[Status, Cause | None]:
        return self.rollout.status, self.rollout.cause

    def withdrawn(self) -> list[str]:
        """Return whose installs are to be cancelled by the last look."""
        return list(self.last.withdraw)

    def wake_in(self) -> float | None:
        """Return in how many seconds the last look wants the next one."""
        return None if self.last.wake_at is None else self.last.wake_at - self.now

    def result(self, board_id: str) -> tuple[str, str | None]:
        board = self.rollout.report()["boards"][board_id]
        return board["result"], board["reason"]


PAUSED = Status.PAUSED
RUNNING = (Status.RUNNING, None)
FINISHED = (Status.FINISHED, None)


# Who is in which stage


@pytest.mark.parametrize(
    ("text", "wave"),
    [
        ("5", Wave(count=5)),
        (5, Wave(count=5)),
        ("10%", Wave(percent=10)),
        (" 12.5 % ", Wave(percent=12.5)),
        ("100 %", Wave(percent=100)),
    ],
)
def test_a_wave_is_read_as_a_user_writes_it(text: str | int, wave: Wave) -> None:
    assert Wave.read(text) == wave


@pytest.mark.parametrize("text", ["", "x", "0", "-1", "0 %", "101 %", "nan %", "5 % of all", "1.5", 0])
def test_a_wave_of_nothing_is_refused(text: str | int) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        Wave.read(text)


def test_a_wave_is_not_both() -> None:
    with pytest.raises(ValueError, match="count or percent"):
        Wave(count=1, percent=1)


@pytest.mark.parametrize(
    "policy",
    [
        {"canary": "a", "canary_by_signal": True},
        {"soak": -1},
        {"soak": float("nan")},
        {"patience": 0},
        {"patience": float("inf")},
        {"stop_after": 0},
        {"at_once": 0},
    ],
)
def test_a_policy_that_could_never_go_on_or_stop_is_refused(policy: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        Policy(**policy)


def sizes(stages: Mapping[str, int]) -> dict[int, int]:
    return {stage: list(stages.values()).count(stage) for stage in sorted(set(stages.values()))}


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (Policy(), {1: 20}),
        (Policy(canary="3"), {0: 1, 1: 19}),
        (Policy(waves=(Wave(percent=10), Wave(percent=50))), {1: 2, 2: 8, 3: 10}),
        (Policy(waves=(Wave(percent=10), Wave(percent=100))), {1: 2, 2: 18}),
        (Policy(canary="3", waves=(Wave(percent=10), Wave(percent=50))), {0: 1, 1: 1, 2: 8, 3: 10}),
        (Policy(canary="3", waves=(Wave(count=1), Wave(count=5))), {0: 1, 1: 4, 2: 15}),
        (Policy(waves=(Wave(count=5), Wave(count=3), Wave(percent=30))), {1: 5, 2: 1, 3: 14}),
        (Policy(waves=(Wave(percent=1),)), {1: 1, 2: 19}),
        (Policy(waves=(Wave(count=50),)), {1: 20}),
    ],
)
def test_waves_grow_and_count_the_boards_before_them(policy: Policy, expected: dict[int, int]) -> None:
    assert sizes(plan(map(str, range(20)), {}, policy, {})) == expected


def test_boards_of_one_cohort_stay_together_even_in_a_wave_that_is_smaller() -> None:
    cohorts = {"b": "porch", "d": "porch"}
    assert plan("abcd", cohorts, Policy(waves=(Wave(count=2),)), {}) == {"a": 1, "b": 1, "d": 1, "c": 2}
    assert plan("abcd", cohorts, Policy(canary="d"), {}) == {"b": 0, "d": 0, "a": 1, "c": 1}


def test_a_canary_that_is_no_target_is_refused() -> None:
    with pytest.raises(ValueError, match="no target"):
        House("a", canary="b")


@pytest.mark.parametrize(
    ("sights", "canary"),
    [
        ({}, []),
        ({"a": ONLINE, "b": ONLINE}, ["a"]),
        ({"a": replace(ONLINE, signal=-70), "b": replace(ONLINE, signal=-50)}, ["b"]),
        ({"a": ONLINE, "b": replace(ONLINE, signal=-90)}, ["b"]),
        ({"a": replace(ASLEEP, signal=-40), "b": replace(ONLINE, signal=-90)}, ["b"]),
        ({"a": replace(ASLEEP, signal=-40)}, ["a"]),
        ({"a": replace(UPDATED, signal=-40), "b": replace(ONLINE, signal=-90)}, ["b"]),
        ({"a": replace(ONLINE, signal=-40, no_update="no_asset"), "b": ONLINE}, ["b"]),
        ({"a": UPDATED}, []),
    ],
)
def test_the_canary_by_signal_is_awake_and_has_something_to_install(
    sights: dict[str, Sight], canary: list[str]
) -> None:
    stages = plan("ab", {}, Policy(canary_by_signal=True), sights)
    assert [board_id for board_id, stage in stages.items() if stage == 0] == canary


# How it goes when it goes well


def test_a_rollout_of_nothing_is_finished_at_once() -> None:
    house = House()
    assert house.step() == []
    assert house.status() == FINISHED
    assert (house.last.status, house.last.wake_at) == (Status.FINISHED, None)


def test_boards_start_in_order_and_no_more_than_allowed_at_once() -> None:
    house = House("a", "b", "c", at_once=2)
    assert house.step() == ["a", "b"]
    assert house.step() == []
    house.confirm("b")
    assert house.step() == ["c"]
    house.confirm("a", "c")
    assert house.step(7) == []
    assert house.status() == FINISHED
    assert house.rollout.report() == {
        "rollout": "r1",
        "status": "finished",
        "cause": None,
        "stage": 1,
        "stages": 1,
        "totals": {"confirmed": 3},
        "boards": {
            "a": board_report(duration=7.0),
            "b": board_report(duration=0.0),
            "c": board_report(duration=7.0),
        },
    }


def board_report(**changes: Any) -> dict[str, Any]:
    report = {
        "result": "confirmed",
        "reason": None,
        "from_version": "1.0.0",
        "version": "1.1.0",
        "duration": 0.0,
        "stage": 1,
        "attempts": 1,
    }
    return {**report, **changes}


def test_a_report_tells_what_goes_on() -> None:
    house = House("a", "b", "c", at_once=1, sights={"b": ASLEEP})
    house.step()
    assert [house.result(board_id)[0] for board_id in "abc"] == ["installing", "waiting", "pending"]
    assert house.rollout.report()["totals"] == {"installing": 1, "waiting": 1, "pending": 1}
    assert house.rollout.report()["boards"]["a"] == board_report(result="installing", duration=None)
    assert json.loads(json.dumps(house.rollout.report())) == house.rollout.report()


def test_the_next_stage_opens_after_the_canary_was_long_enough_on_the_new_version() -> None:
    house = House("a", "b", "c", canary="b", soak=100)
    assert house.step() == ["b"]
    assert house.pass_time(500) == []
    house.confirm("b")
    house.step()
    assert house.pass_time(90) == []
    assert house.wake_in() == 10
    assert house.step(9) == []
    assert house.wake_in() == 1
    assert house.step(1) == ["a", "c"]


def test_a_board_that_soaked_needs_no_closer_look() -> None:
    house = House("a", "b", "c", waves=(Wave(count=2),), soak=60)
    house.step()
    house.confirm("a")
    house.step()
    house.pass_time(60)
    assert house.wake_in() == LOOK


def test_boards_need_no_cohorts() -> None:
    rollout = Rollout.create("r1", ["a"], Policy(), {}, EPOCH)
    assert rollout.step({"a": ONLINE}, EPOCH, may_start=True).start == (Start("a", "1.1.0"),)


def test_each_board_of_a_stage_must_soak() -> None:
    house = House("a", "b", "c", waves=(Wave(count=2),), soak=60)
    house.step()
    house.confirm("a")
    assert house.pass_time(90) == []
    house.confirm("b")
    assert house.pass_time(60) == []
    assert house.step(LOOK) == ["c"]


def test_time_offline_is_no_soak_and_what_was_gathered_before_stays() -> None:
    house = House("a", "b", canary="a", soak=100)
    house.step()
    house.confirm("a")
    house.step()
    house.pass_time(90)
    house.see("a", availability=Availability.OFFLINE)
    assert house.pass_time(1000) == []
    house.see("a", availability=Availability.ONLINE)
    assert house.step(20) == []
    assert house.step(10) == ["b"]


@pytest.mark.parametrize("jump", [GAP + 1, 10 * 86400.0, -5000.0])
def test_time_that_nobody_watched_is_no_soak(jump: float) -> None:
    house = House("a", "b", canary="a", soak=100)
    house.step()
    house.confirm("a")
    house.step()
    house.pass_time(90)
    house.rollout = again(house.rollout)
    assert house.step(jump) == []
    assert house.step(9) == []
    assert house.step(1) == ["b"]


def test_the_longest_gap_between_two_looks_is_still_watched() -> None:
    house = House("a", "b", canary="a", soak=GAP)
    house.step()
    house.confirm("a")
    house.step()
    assert house.step(GAP) == ["b"]


def test_a_duration_is_never_negative() -> None:
    house = House("a")
    house.step()
    house.confirm("a")
    house.step(-1000)
    assert house.rollout.report()["boards"]["a"]["duration"] == 0


def test_a_board_that_tells_no_version_soaks_all_the_same() -> None:
    house = House("a", "b", canary="a", soak=60)
    house.step()
    house.verdict("a", "unverified")
    house.step()
    assert house.pass_time(30) == []
    assert house.pass_time(30) == ["b"]
    assert house.result("a") == ("unverified", None)


def test_a_board_of_unknown_presence_soaks_when_it_is_heard_again() -> None:
    house = House("a", "b", canary="a", soak=60, sights={"a": replace(ONLINE, availability=Availability.UNKNOWN)})
    assert house.step() == ["a"]
    house.confirm("a")
    house.see("a", heard=house.now)
    house.step()
    assert house.pass_time(90) == []
    house.see("a", heard=house.now)
    assert house.step(1) == ["b"]


def test_boards_that_have_the_version_need_no_install_and_no_soak() -> None:
    house = House("a", "b", "c", waves=(Wave(count=2),), soak=1000, sights={"a": UPDATED, "b": UPDATED})
    assert house.step() == ["c"]
    assert house.result("a") == ("already_installed", None)
    assert house.rollout.report()["boards"]["a"]["duration"] is None


def test_a_canary_that_has_the_version_soaks_like_any_other() -> None:
    house = House("a", "b", canary="a", soak=60, sights={"a": UPDATED})
    assert house.step() == []
    assert house.pass_time(30) == []
    assert house.pass_time(30) == ["b"]


def test_nothing_is_waited_for_when_all_have_the_version() -> None:
    house = House("a", "b", canary="a", soak=60, sights={"a": UPDATED, "b": UPDATED})
    house.step()
    assert house.status() == FINISHED


def test_a_board_without_a_release_gets_its_reason_when_it_is_its_turn() -> None:
    house = House("a", "b", "c", canary="a", sights={"b": replace(ONLINE, no_update="no_asset")})
    house.step()
    assert house.result("b") == ("pending", None)
    house.confirm("a")
    assert house.step() == ["c"]
    assert house.result("b") == ("no_update", "no_asset")


def test_a_wave_of_boards_without_a_release_is_no_reason_to_stop() -> None:
    house = House("a", "b", waves=(Wave(count=1),), sights={"a": replace(ONLINE, no_update="no_asset")})
    assert house.step() == ["b"]


def test_a_board_without_a_release_is_kept_while_nothing_may_start() -> None:
    house = House("a", sights={"a": replace(ONLINE, no_update="feed_not_read")})
    house.may_start = False
    house.step()
    assert house.result("a") == ("pending", None)


def test_the_version_is_pinned_so_that_no_board_gets_a_newer_one_than_the_canary() -> None:
    house = House("a", "b", canary="a")
    assert house.rollout.version_of("b") is None
    house.step()
    assert house.last.start == (Start("a", "1.1.0"),)
    house.confirm("a")
    house.see("b", target="1.2.0")
    house.step()
    assert house.last.start == (Start("b", "1.1.0"),)


def test_the_version_that_was_asked_for_is_the_one_that_is_installed() -> None:
    house = House("a", "b", version="1.0.5", sights={"b": replace(ONLINE, target="")})
    house.step()
    assert house.last.start == (Start("a", "1.0.5"), Start("b", "1.0.5"))


def test_the_newest_is_asked_for_where_no_version_is_known() -> None:
    house = House("a", sights={"a": replace(ONLINE, target="")})
    house.step()
    assert house.last.start == (Start("a", None),)


def test_nothing_starts_while_nothing_may_and_what_runs_finishes() -> None:
    house = House("a", "b", at_once=1)
    house.step()
    house.may_start = False
    house.confirm("a")
    assert house.pass_time(300) == []
    assert house.result("a") == ("confirmed", None)
    assert house.wake_in() == LOOK
    house.may_start = True
    assert house.step() == ["b"]


# Boards that share a trigger


def test_a_cohort_starts_together_and_counts_as_one() -> None:
    house = House("a", "b", "c", "d", at_once=2, cohorts={"a": "porch", "c": "porch"})
    assert house.step() == ["a", "c", "b"]
    house.confirm("a")
    assert house.step() == []
    house.confirm("c")
    assert house.step() == ["d"]


def test_a_cohort_waits_for_the_one_in_an_install_of_somebody_else() -> None:
    house = House("a", "b", cohorts={"a": "porch", "b": "porch"})
    house.install("b", "transferring")
    assert house.step() == []
    house.verdict("b", "failed", "no_answer")
    assert house.step() == ["a", "b"]


def test_a_retried_board_of_a_busy_cohort_needs_no_room_of_its_own() -> None:
    house = House("a", "b", at_once=1, stop_after=2, cohorts={"a": "porch", "b": "porch"})
    house.step()
    house.verdict("a", "failed", "stalled")
    house.step()
    assert house.rollout.retry(["a"]) == ("a",)
    assert house.step() == ["a"]


# Boards that are away


def test_boards_that_are_away_are_armed_take_no_room_and_are_left_behind() -> None:
    house = House("a", "b", "c", "d", at_once=1, waves=(Wave(count=3),), sights={"a": ASLEEP, "b": OFFLINE})
    assert house.step() == ["a", "b", "c"]
    house.confirm("c")
    assert house.step() == ["d"]
    house.confirm("d")
    house.step()
    assert house.status() == RUNNING
    house.confirm("a", "b")
    house.step()
    assert house.status() == FINISHED


def test_a_board_that_woke_up_takes_room() -> None:
    house = House("a", "b", "c", at_once=1, sights={"a": ASLEEP})
    assert house.step() == ["a", "b"]
    house.confirm("b")
    house.verdict("a", "transferring")
    assert house.step() == []
    house.confirm("a")
    assert house.step() == ["c"]


def test_a_canary_that_sleeps_is_waited_for() -> None:
    house = House("a", "b", canary="a", sights={"a": ASLEEP})
    assert house.step() == ["a"]
    assert house.pass_time(3600) == []
    house.confirm("a")
    assert house.step() == ["b"]


def test_a_first_wave_in_which_all_sleep_proves_nothing() -> None:
    house = House("a", "b", "c", waves=(Wave(count=2),), sights={"a": ASLEEP, "b": ASLEEP})
    assert house.step() == ["a", "b"]
    assert house.pass_time(3600) == []
    house.confirm("b")
    assert house.step() == ["c"]


def test_a_later_wave_in_which_all_sleep_holds_up_nobody() -> None:
    house = House("a", "b", "c", canary="a", waves=(Wave(count=2),), soak=30, sights={"b": ASLEEP})
    house.step()
    house.confirm("a")
    assert house.step() == []
    assert house.step(LOOK) == ["b"]
    assert house.step() == ["c"]


def test_a_sleeper_has_soaked_when_it_is_heard_again_on_the_new_version() -> None:
    house = House("a", "b", canary="a", soak=60, sights={"a": ASLEEP})
    house.step()
    house.confirm("a")
    house.see("a", heard=house.now)
    assert house.step() == []
    assert house.pass_time(600) == []
    house.see("a", heard=house.now)
    assert house.step(LOOK) == ["b"]


def test_one_sleeper_that_soaked_is_enough_where_all_sleep() -> None:
    house = House("a", "b", "c", waves=(Wave(count=2),), soak=60, sights={"a": ASLEEP, "b": ASLEEP})
    house.step()
    house.confirm("a", "b")
    assert house.pass_time(90) == []
    house.see("b", heard=house.now)
    assert house.step(LOOK) == ["c"]


def test_a_sleeper_does_not_hold_up_a_wave_whose_other_boards_soaked() -> None:
    house = House("a", "b", "c", waves=(Wave(count=2),), soak=60, sights={"a": ASLEEP})
    house.step()
    house.confirm("a", "b")
    house.step()
    assert house.pass_time(60) == ["c"]


def test_nobody_waits_for_ever() -> None:
    house = House("a", "b", patience=3600, sights={"a": ASLEEP})
    house.step()
    house.confirm("b")
    house.step()
    house.pass_time(3600)
    assert house.result("a") == ("waited_too_long", "waited_too_long")
    assert house.status() == FINISHED
    assert house.withdrawn() == ["a"]
    house.verdict("a", "cancelled", "cancelled")
    house.step()
    assert house.result("a") == ("waited_too_long", "waited_too_long")
    assert house.withdrawn() == []


def test_an_install_that_gave_up_waiting_is_no_failure() -> None:
    house = House("a", "b", "c", at_once=1, sights={"a": OFFLINE})
    house.step()
    house.verdict("a", "failed", "waited_too_long")
    house.confirm("b")
    assert house.step() == ["c"]
    assert house.result("a") == ("waited_too_long", "waited_too_long")


def test_a_night_that_nobody_watched_does_not_use_up_the_patience() -> None:
    house = House("a", patience=3600, sights={"a": ASLEEP})
    house.step()
    house.step(86400)
    assert house.result("a") == ("waiting", None)


def test_a_canary_that_never_came_pauses() -> None:
    house = House("a", "b", canary="a", patience=3600, sights={"a": OFFLINE})
    house.step()
    assert house.pass_time(3600) == []
    assert house.status() == (PAUSED, Cause.NEVER_SOAKED)
    assert (house.last.status, house.last.cause) == (PAUSED, Cause.NEVER_SOAKED)
    assert house.rollout.resume()
    assert house.step() == ["b"]


@pytest.mark.parametrize(
    "change",
    [
        {"availability": Availability.OFFLINE},
        {"availability": Availability.ASLEEP},
        {"up_to_date": False, "version": "?"},
    ],
)
def test_a_canary_that_does_not_stay_on_the_new_version_pauses(change: dict[str, Any]) -> None:
    house = House("a", "b", canary="a", soak=600, patience=3600)
    house.step()
    house.confirm("a")
    house.step()
    house.see("a", **change)
    assert house.pass_time(3570) == []
    assert house.status() == RUNNING
    house.pass_time(LOOK)
    assert house.status() == (PAUSED, Cause.NEVER_SOAKED)
    house.see("a", availability=Availability.ONLINE, up_to_date=True, version="1.1.0")
    assert house.pass_time(630) == ["b"]


def test_a_canary_that_was_away_too_long_can_be_excused() -> None:
    house = House("a", "b", canary="a", soak=600, patience=3600)
    house.step()
    house.confirm("a")
    house.step()
    house.see("a", availability=Availability.OFFLINE)
    house.pass_time(3600)
    house.rollout.resume()
    assert house.step() == ["b"]


def test_a_wave_of_sleepers_that_are_never_heard_again_pauses() -> None:
    house = House("a", "b", "c", waves=(Wave(count=2),), soak=600, patience=3600, sights={"a": ASLEEP, "b": ASLEEP})
    house.step()
    house.confirm("a")
    house.step(60)
    house.confirm("b")
    house.pass_time(3600)
    assert house.status() == RUNNING
    house.pass_time(60)
    assert house.status() == (PAUSED, Cause.NEVER_SOAKED)
    house.rollout.resume()
    assert house.step() == ["c"]


def test_a_canary_for_which_no_release_is_pauses() -> None:
    house = House("a", "b", canary="a", sights={"a": replace(ONLINE, no_update="no_asset")})
    assert house.step() == []
    assert house.status() == (PAUSED, Cause.NEVER_SOAKED)


def test_a_board_that_had_the_version_before_proves_nothing_for_its_wave() -> None:
    house = House("a", "b", "c", waves=(Wave(count=2),), sights={"a": UPDATED, "b": ASLEEP})
    assert house.step() == ["b"]
    assert house.step() == []
    house.confirm("b")
    assert house.step() == ["c"]


def test_after_the_last_stage_nobody_needs_a_proof() -> None:
    house = House("a", "b", soak=600, patience=3600, sights={"b": OFFLINE})
    house.install("b", "waiting")
    house.step()
    house.confirm("a")
    house.step()
    house.see("a", availability=Availability.OFFLINE)
    house.pass_time(7200)
    assert house.status() == RUNNING


def test_boards_that_somebody_armed_already_hold_up_no_wave() -> None:
    house = House("a", "b", "c", waves=(Wave(count=2),), sights={"a": OFFLINE})
    house.install("a", "waiting")
    assert house.step() == ["b"]
    house.confirm("b")
    assert house.step() == ["c"]
    assert house.result("a") == ("waiting", None)
    house.rollout.pause()
    house.step()
    assert house.withdrawn() == []
    house.confirm("a")
    house.confirm("c")
    house.step()
    assert house.result("a") == ("already_installed", None)
    assert house.status() == FINISHED


def test_what_somebody_else_installs_takes_room() -> None:
    house = House("a", "b", at_once=1)
    house.install("a", "transferring")
    assert house.step() == []
    house.verdict("a", "cancelled", "cancelled")
    assert house.step() == ["a"]


def test_a_board_without_a_sight_is_left_as_it_is() -> None:
    house = House("a", "b")
    del house.sights["a"]
    assert house.step() == ["b"]
    assert house.result("a") == ("pending", None)


# What stops it


def test_one_failure_stops_by_default() -> None:
    house = House("a", "b", "c", at_once=2)
    house.step()
    house.verdict("a", "failed", "stalled")
    assert house.step() == []
    assert (house.last.status, house.last.cause) == (PAUSED, Cause.FAILURES)
    assert house.result("a") == ("failed", "stalled")
    house.confirm("b")
    assert house.step() == []
    assert house.last.status is None
    assert house.rollout.resume()
    assert house.step() == ["c"]
    assert house.rollout.report()["totals"] == {"failed": 1, "confirmed": 1, "installing": 1}


def test_failures_count_up_to_the_limit_and_anew_after_a_resume() -> None:
    house = House("a", "b", "c", "d", "e", at_once=1, stop_after=2)
    for expected in ("a", "b"):
        assert house.step() == [expected]
        house.verdict(expected, "failed", "stalled")
    assert house.step() == []
    house.rollout.resume()
    assert house.step() == ["c"]
    house.verdict("c", "failed", "stalled")
    assert house.step() == ["d"]
    house.verdict("d", "failed", "stalled")
    assert house.step() == []
    assert house.status() == (PAUSED, Cause.FAILURES)


def test_a_rollback_stops_however_many_failures_are_allowed() -> None:
    house = House("a", "b", at_once=1, stop_after=10)
    house.step()
    house.verdict("a", "rolled_back", "rolled_back")
    assert house.step() == []
    assert house.status() == (PAUSED, Cause.ROLLED_BACK)


def test_a_failed_canary_stops_however_many_failures_are_allowed() -> None:
    house = House("a", "b", canary="a", stop_after=10)
    house.step()
    house.verdict("a", "failed", "stalled")
    assert house.step() == []
    assert house.status() == (PAUSED, Cause.CANARY_FAILED)
    house.rollout.resume()
    assert house.step() == ["b"]


def test_a_wave_in_which_nothing_came_of_it_stops() -> None:
    house = House("a", "b", waves=(Wave(count=1),), stop_after=2)
    house.step()
    house.verdict("a", "failed", "stalled")
    assert house.step() == []
    assert house.status() == (PAUSED, Cause.NEVER_SOAKED)


def test_a_canary_that_was_called_off_stops() -> None:
    house = House("a", "b", canary="a")
    house.step()
    house.verdict("a", "cancelled", "cancelled")
    assert house.step() == []
    assert house.status() == (PAUSED, Cause.NEVER_SOAKED)
    assert house.result("a") == ("cancelled", "cancelled")


def test_a_rollout_whose_last_board_failed_is_finished() -> None:
    house = House("a")
    house.step()
    house.verdict("a", "rolled_back", "rolled_back")
    house.step()
    assert house.status() == FINISHED


def test_a_pause_disarms_who_waits_and_a_resume_arms_it_again() -> None:
    house = House("a", "b", "c", at_once=1, stop_after=1, sights={"a": ASLEEP})
    assert house.step() == ["a", "b"]
    house.verdict("b", "failed", "stalled")
    house.step()
    assert house.withdrawn() == ["a"]
    house.step()
    assert house.withdrawn() == ["a"]
    house.verdict("a", "cancelled", "cancelled")
    house.step()
    assert house.withdrawn() == []
    assert house.result("a") == ("pending", None)
    house.rollout.resume()
    assert house.step() == ["a", "c"]
    assert house.rollout.parts["a"].attempts == 2


def test_who_is_armed_again_is_waited_for_anew() -> None:
    house = House("a", patience=3600, sights={"a": ASLEEP})
    house.step()
    house.pass_time(3000)
    house.rollout.pause()
    house.step()
    house.verdict("a", "cancelled", "cancelled")
    house.step()
    house.rollout.resume()
    assert house.step() == ["a"]
    house.pass_time(3000)
    assert house.result("a") == ("waiting", None)


def test_what_somebody_else_armed_is_not_cancelled_with_the_rollout() -> None:
    house = House("a", sights={"a": ASLEEP})
    house.install("a", "waiting")
    house.may_start = False
    house.step()
    house.rollout.cancel(house.now)
    assert house.result("a") == ("cancelled", "cancelled")
    house.step()
    assert house.withdrawn() == []


def test_what_somebody_else_armed_is_not_cancelled_when_the_board_has_the_version() -> None:
    house = House("a", sights={"a": ASLEEP})
    house.install("a", "waiting")
    house.step()
    house.see("a", up_to_date=True)
    house.step()
    assert house.result("a") == ("already_installed", None)
    assert house.withdrawn() == []


def test_the_verdict_of_an_earlier_install_is_not_taken_for_this_one() -> None:
    house = House("a")
    house.install("a", "failed", "stalled")
    assert house.step(begin=False) == ["a"]
    house.step()
    assert house.result("a") == ("installing", None)


def test_a_board_that_woke_up_before_it_was_disarmed_finishes() -> None:
    house = House("a", "b", sights={"a": ASLEEP})
    house.step()
    house.rollout.pause()
    house.step()
    house.verdict("a", "transferring")
    house.step()
    assert house.withdrawn() == []
    house.confirm("a")
    house.step()
    assert house.result("a") == ("confirmed", None)


# What a user says


def test_a_pause_lets_finish_what_runs() -> None:
    house = House("a", "b", at_once=1)
    house.step()
    assert house.rollout.pause()
    assert not house.rollout.pause()
    house.confirm("a")
    assert house.step() == []
    assert house.status() == (PAUSED, Cause.USER)
    assert house.rollout.resume()
    assert not house.rollout.resume()
    assert house.step() == ["b"]


def test_a_rollback_outweighs_a_users_pause() -> None:
    house = House("a", "b", at_once=1)
    house.step()
    house.rollout.pause()
    house.verdict("a", "rolled_back", "rolled_back")
    house.step()
    assert house.last.cause is Cause.ROLLED_BACK


def test_a_failure_does_not_turn_a_users_pause_into_one_that_passes() -> None:
    house = House("a", "b", at_once=1)
    house.step()
    house.rollout.pause()
    house.verdict("a", "failed", "stalled")
    house.step()
    house.confirm("a")
    assert house.step() == []
    assert house.status() == (PAUSED, Cause.USER)


def test_a_resume_can_try_again_what_failed() -> None:
    house = House("a", "b", at_once=1)
    house.step()
    house.verdict("a", "failed", "stalled")
    house.step()
    assert house.rollout.resume(retry=True)
    assert house.step() == ["a"]
    house.verdict("a", "failed", "stalled")
    assert house.step() == []
    assert house.status() == (PAUSED, Cause.FAILURES)


def test_a_board_that_was_excused_and_is_tried_again_is_excused_no_more() -> None:
    house = House("a", "b", "c", at_once=1)
    house.step()
    house.verdict("a", "failed", "stalled")
    house.step()
    house.rollout.resume()
    assert house.step() == ["b"]
    house.confirm("b")
    house.rollout.retry(["a"])
    assert house.step() == ["a"]
    house.verdict("a", "failed", "stalled")
    assert house.step() == []
    assert house.status() == (PAUSED, Cause.FAILURES)


def test_a_resume_does_not_excuse_a_board_from_its_soak() -> None:
    house = House("a", "b", "c", waves=(Wave(count=2),), soak=60)
    house.step()
    house.confirm("a")
    house.verdict("b", "failed", "stalled")
    house.step()
    house.rollout.resume()
    assert house.step() == []
    assert house.pass_time(60) == ["c"]


def test_a_retry_begins_a_finished_rollout_again() -> None:
    house = House("a", "b")
    house.step()
    house.confirm("b")
    house.verdict("a", "rolled_back", "rolled_back")
    house.step()
    assert house.rollout.retry(["b"]) == ()
    assert house.status() == FINISHED
    assert house.rollout.retry(["a", "nobody"]) == ("a",)
    assert house.result("a") == ("pending", None)
    assert house.step() == ["a"]
    assert house.status() == RUNNING


def test_a_retry_goes_on_where_the_failure_stopped_it_but_not_after_a_rollback() -> None:
    house = House("a", "b", at_once=1)
    house.step()
    house.verdict("a", "failed", "stalled")
    house.step()
    house.rollout.retry(["a"])
    assert house.step() == ["a"]
    house.verdict("a", "rolled_back", "rolled_back")
    house.step()
    house.rollout.retry(["a"])
    assert house.step() == []
    assert house.status() == (PAUSED, Cause.ROLLED_BACK)
    house.rollout.resume()
    assert house.step() == ["a"]


def test_a_cancel_ends_all_but_what_runs() -> None:
    house = House("a", "b", "c", at_once=1, sights={"b": ASLEEP})
    assert house.step() == ["a", "b"]
    house.step()
    assert house.rollout.cancel(house.now)
    assert not house.rollout.cancel(house.now)
    assert not house.rollout.pause()
    assert house.step() == []
    assert house.withdrawn() == ["b"]
    assert house.result("b") == house.result("c") == ("cancelled", "cancelled")
    assert house.result("a") == ("installing", None)
    assert house.wake_in() == LOOK
    house.confirm("a")
    assert house.step() == []
    assert house.result("a") == ("confirmed", None)
    assert (house.status(), house.wake_in()) == ((Status.CANCELLED, None), None)
    assert house.rollout.retry(["b"]) == ()


def test_a_sleeper_that_was_just_being_prepared_is_disarmed_after_a_cancel() -> None:
    house = House("a", "b", at_once=1, sights={"a": ASLEEP})
    house.step(begin=False)
    house.rollout.cancel(house.now)
    house.step()
    assert house.result("a") == ("waiting", None)
    house.install("a", "waiting")
    house.step()
    assert house.withdrawn() == ["a"]
    assert house.result("a") == ("cancelled", "cancelled")


# Verdicts that come late


def test_a_failure_that_was_none_lets_the_rollout_go_on() -> None:
    house = House("a", "b", at_once=1)
    house.step()
    house.verdict("a", "failed", "never_returned")
    house.step()
    assert house.status() == (PAUSED, Cause.FAILURES)
    house.confirm("a")
    assert house.step() == ["b"]
    assert house.result("a") == ("confirmed", None)


@pytest.mark.parametrize("reason", ["never_returned", "waited_too_long"])
def test_a_board_that_is_seen_on_the_new_version_did_not_fail(reason: str) -> None:
    house = House("a", "b", at_once=1)
    house.step()
    house.verdict("a", "failed", reason)
    house.step()
    house.see("a", version="1.1.0", up_to_date=True)
    house.step()
    assert house.result("a") == ("confirmed", None)
    house.step()
    assert house.result("a") == ("confirmed", None)


def test_a_late_rollback_pauses() -> None:
    house = House("a", "b", "c", at_once=1)
    house.step()
    house.confirm("a")
    assert house.step() == ["b"]
    house.verdict("a", "rolled_back", "rolled_back")
    house.see("a", version="1.0.0", up_to_date=False)
    house.confirm("b")
    assert house.step() == []
    assert house.status() == (PAUSED, Cause.ROLLED_BACK)
    assert house.result("a") == ("rolled_back", "rolled_back")


def test_a_rollback_after_the_session_closed_its_books_pauses() -> None:
    house = House("a", "b", canary="a", soak=86400)
    house.step()
    house.confirm("a")
    house.step()
    house.pass_time(7200)
    house.see("a", version="1.0.0", up_to_date=False)
    assert house.step() == []
    assert house.status() == (PAUSED, Cause.ROLLED_BACK)


def test_a_version_that_somebody_put_back_is_no_rollback() -> None:
    house = House("a", "b", canary="a", soak=3600)
    house.step()
    house.confirm("a")
    house.step()
    house.install("a", "confirmed")
    house.see("a", version="1.0.0", up_to_date=False)
    assert house.step() == ["b"]
    assert house.result("a") == ("confirmed", None)


def test_what_somebody_installs_afterwards_is_no_news_of_a_failure() -> None:
    house = House("a", "b", at_once=1)
    house.step()
    house.verdict("a", "failed", "stalled")
    house.step()
    house.install("a", "rolled_back", "rolled_back")
    house.step()
    assert house.result("a") == ("failed", "stalled")


def test_a_rollback_that_was_forgiven_as_a_failure_pauses_again() -> None:
    house = House("a", "b", "c", at_once=1)
    house.step()
    house.verdict("a", "failed", "never_returned")
    house.step()
    house.rollout.resume()
    assert house.step() == ["b"]
    house.verdict("a", "rolled_back", "rolled_back")
    house.step()
    assert house.status() == (PAUSED, Cause.ROLLED_BACK)


def test_a_rollback_that_was_none_still_waits_for_a_resume() -> None:
    house = House("a", "b", at_once=1)
    house.step()
    house.verdict("a", "rolled_back", "rolled_back")
    house.step()
    house.confirm("a")
    assert house.step() == []
    assert house.result("a") == ("confirmed", None)
    assert house.status() == (PAUSED, Cause.ROLLED_BACK)


def test_a_correction_after_the_end_is_told_and_starts_nothing() -> None:
    house = House("a")
    house.step()
    house.confirm("a")
    house.step()
    house.verdict("a", "rolled_back", "rolled_back")
    house.see("a", version="1.0.0", up_to_date=False)
    assert house.step() == []
    assert house.status() == FINISHED
    assert house.result("a") == ("rolled_back", "rolled_back")


# Installs that never became one, or were lost


@pytest.mark.parametrize(
    ("reason", "result"),
    [
        ("no_asset", ("no_update", "no_asset")),
        ("already_installed", ("already_installed", None)),
        ("signature_invalid", ("failed", "signature_invalid")),
        ("feed_unreachable", ("failed", "feed_unreachable")),
    ],
)
def test_an_install_that_was_refused_has_its_result(reason: str, result: tuple[str, str | None]) -> None:
    house = House("a", "b", at_once=1)
    house.step(begin=False)
    house.rollout.refuse("a", reason, house.now)
    assert house.result("a") == result


def test_a_board_that_is_being_installed_by_somebody_else_has_its_turn_again() -> None:
    house = House("a")
    house.step(begin=False)
    house.rollout.refuse("a", "already_installing", house.now)
    house.install("a", "transferring")
    assert house.step() == []
    house.verdict("a", "failed", "stalled")
    assert house.step() == ["a"]


@pytest.mark.parametrize("board_id", ["a", "nobody"])
def test_a_refusal_of_what_was_not_to_begin_changes_nothing(board_id: str) -> None:
    house = House("a")
    house.step()
    house.step()
    before = house.rollout.stored()
    house.rollout.refuse(board_id, "no_asset", house.now)
    assert house.rollout.stored() == before


def test_an_install_that_is_being_prepared_is_not_started_again() -> None:
    house = House("a")
    assert house.step(begin=False) == ["a"]
    assert house.pass_time(PREPARATION - LOOK) == []
    assert house.result("a") == ("installing", None)
    assert house.step(LOOK) == ["a"]


def test_an_install_that_a_restart_lost_is_started_once_more_and_then_failed() -> None:
    house = House("a", "b", at_once=1)
    house.step(begin=False)
    house.rollout = again(house.rollout)
    assert house.step(begin=False) == ["a"]
    house.rollout = again(house.rollout)
    assert house.step() == []
    assert house.result("a") == ("failed", LOST)
    assert house.status() == (PAUSED, Cause.FAILURES)
    house.rollout.resume(retry=True)
    assert house.step(begin=False) == ["a"]
    house.rollout = again(house.rollout)
    assert house.step(begin=False) == ["a"]


def test_a_session_that_was_lost_but_did_its_work_is_confirmed() -> None:
    house = House("a", "b", at_once=1)
    house.step()
    house.step()
    house.see("a", install=None, version="1.1.0", up_to_date=True)
    house.rollout = again(house.rollout)
    assert house.step() == ["b"]
    assert house.result("a") == ("confirmed", None)


def test_a_session_that_went_on_over_a_restart_is_not_started_again() -> None:
    house = House("a", "b", at_once=1)
    house.step()
    house.rollout = again(house.rollout)
    assert house.step(600) == []
    house.confirm("a")
    assert house.step() == ["b"]


# What is stored


def change(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def apply(record: dict[str, Any]) -> None:
        *steps, last = path.split(".")
        for step in steps:
            record = record[step]
        record[last] = value

    return apply


def leave_out(path: str) -> Callable[[dict[str, Any]], None]:
    def apply(record: dict[str, Any]) -> None:
        *steps, last = path.split(".")
        for step in steps:
            record = record[step]
        del record[last]

    return apply


@pytest.mark.parametrize(
    "spoil",
    [
        leave_out("id"),
        leave_out("policy.waves"),
        leave_out("parts.a.soaked"),
        change("id", 5),
        change("created", None),
        change("policy", None),
        change("policy.at_once", 0),
        change("policy.unknown", 0),
        change("policy.waves", [{"count": 0}]),
        change("parts", None),
        change("parts.a", None),
        change("parts.a.stage", -1),
        change("parts.a.stage", True),
        change("parts.a.stage", 1.5),
        change("parts.a.result", "perhaps"),
        change("parts.a.result", 5),
        change("parts.a.lost", "no"),
        change("parts.a.soaked", -1),
        change("parts.a.soaked", float("nan")),
        change("parts.a.soaked", "1"),
        change("parts.a.started", "never"),
        change("stage", 9),
        change("status", "waiting"),
        change("status", "paused"),
        change("cause", "user"),
        change("cause", "weather"),
        change("looked", "now"),
    ],
)
def test_what_is_no_rollout_is_not_restored(spoil: Callable[[dict[str, Any]], None]) -> None:
    house = House("a", "b", canary="a", waves=(Wave(percent=50),))
    house.step()
    record = json.loads(json.dumps(house.rollout.stored()))
    assert Rollout.restored(record).stored() == record
    spoil(record)
    with pytest.raises((KeyError, TypeError, ValueError)):
        Rollout.restored(record)


# A fleet that does what it likes


@dataclass
class Walk:
    """A seeded fleet and the rollout over it, checked at every look."""

    random: Random
    rollout: Rollout
    sights: dict[str, Sight]
    now: float = EPOCH
    calm: bool = False
    installs: int = 0
    may_start: bool = True
    blocked: bool = False
    opened: set[str] = field(default_factory=set)
    preparing: dict[str, bool] = field(default_factory=dict)
    ours: dict[str, str] = field(default_factory=dict)
    on_it: dict[str, float] = field(default_factory=dict)
    decisions: list[Decision] = field(default_factory=list)

    def chance(self, of: float) -> bool:
        return self.random.random() < of

    def see(self, board_id: str, **changes: Any) -> None:
        self.sights[board_id] = replace(self.sights[board_id], **changes)

    def live(self) -> None:
        """Let time pass and every board do something."""
        passed = self.random.choice([1.0, 10.0, 30.0, 60.0])
        online = [key for key, sight in self.sights.items() if sight.availability is Availability.ONLINE]
        if not self.calm and self.chance(0.05):
            passed = self.random.choice([-86400.0, -50.0, 4000.0, 86400.0])
        self.now += passed
        for board_id in self.sights:
            self.wander(board_id)
            self.work(board_id)
        for board_id in online:
            # More than was truly watched, never less.
            self.on_it[board_id] = self.on_it.get(board_id, 0.0) + max(passed, 0.0)

    def wander(self, board_id: str) -> None:
        sight = self.sights[board_id]
        if board_id.startswith("sleeper"):
            awake = self.chance(0.2)
            self.see(board_id, availability=Availability.ONLINE if awake else Availability.ASLEEP)
        elif self.chance(0.05):
            there = sight.availability is Availability.ONLINE
            self.see(board_id, availability=Availability.OFFLINE if there else Availability.ONLINE)
        if self.sights[board_id].availability is Availability.ONLINE:
            self.see(board_id, heard=self.now)

    def work(self, board_id: str) -> None:
        sight = self.sights[board_id]
        if board_id in self.preparing and self.chance(0.7):
            del self.preparing[board_id]
            if self.chance(0.1):
                self.opened.discard(board_id)
                self.rollout.refuse(board_id, self.random.choice(["stalled", "no_asset"]), self.now)
            else:
                self.begin(board_id)
        elif sight.is_installing:
            self.carry_on(board_id)
        elif sight.install and not self.calm and self.chance(0.02):
            self.correct(board_id)

    def begin(self, board_id: str) -> None:
        self.installs += 1
        away = self.sights[board_id].availability is not Availability.ONLINE
        self.ours[board_id] = f"i{self.installs}"
        self.see(board_id, install=Install(id=f"i{self.installs}", state="waiting" if away else "offered"))

    def carry_on(self, board_id: str) -> None:
        sight = self.sights[board_id]
        assert sight.install is not None
        if sight.install.state == "waiting":
            if sight.availability is Availability.ONLINE:
                self.say(board_id, "transferring")
        elif self.chance(0.4):
            bad = 0.0 if self.calm else 0.15
            state = "confirmed" if not self.chance(bad) else self.random.choice(sorted(VERDICTS))
            self.say(board_id, state)

    def correct(self, board_id: str) -> None:
        install = self.sights[board_id].install
        assert install is not None
        if install.state == "failed":
            self.say(board_id, "confirmed")
        elif install.state == "confirmed":
            self.say(board_id, "rolled_back")

    def say(self, board_id: str, state: str) -> None:
        """Let a board's install stand somewhere else."""
        install = self.sights[board_id].install
        assert install is not None
        updated = state == "confirmed"
        if state in VERDICTS:
            self.opened.discard(board_id)
            if updated and not self.sights[board_id].up_to_date:
                self.on_it[board_id] = 0.0
            if updated:
                # What is being prepared for a board that has it already does not begin.
                self.preparing.pop(board_id, None)
            version = "1.1.0" if updated else "1.0.0"
            self.see(board_id, version=version, up_to_date=updated)
            # Of another's install, and of one that was given up for another try, it must know nothing.
            part = self.rollout.parts[board_id]
            mine = install.id == self.ours.get(board_id) and part.started is not None
            self.blocked |= state == "rolled_back" and mine and install.id != part.before
        self.see(board_id, install=replace(install, state=state, reason="" if updated else state))

    def meddle(self) -> None:
        """Let the user and the machine do what they like."""
        if self.chance(0.03):
            self.restart()
        if self.chance(0.05):
            self.may_start = not self.may_start
        if self.chance(0.02):
            self.rollout.pause()
        if self.chance(0.05):
            finished = self.rollout.status is Status.FINISHED
            if self.rollout.retry([key for key in self.sights if self.chance(0.3)]) and finished:
                # Nothing is left to resume: who tries a board of a finished rollout again wants it to go on.
                parts = self.rollout.parts.values()
                self.blocked = any(part.result is Result.ROLLED_BACK and not part.excused for part in parts)
        if self.chance(0.003):
            self.rollout.cancel(self.now)
        board_id = self.random.choice(sorted(self.sights))
        if self.chance(0.02) and board_id not in self.opened and not self.sights[board_id].is_installing:
            self.begin(board_id)
            self.ours.pop(board_id)
        if self.rollout.status is Status.PAUSED and self.chance(0.3):
            self.blocked = False
            self.rollout.resume(retry=self.chance(0.5))

    def restart(self) -> None:
        self.rollout = again(self.rollout)
        for board_id in self.preparing:
            self.opened.discard(board_id)
        self.preparing.clear()
        for board_id, sight in self.sights.items():
            if sight.is_installing and self.chance(0.2):
                self.opened.discard(board_id)
                self.see(board_id, install=None)

    def look(self) -> Decision:
        """Decide, check what was decided, and do it."""
        stage = self.rollout.stage
        busy = self.busy()
        decision = self.rollout.step(self.sights, self.now, may_start=self.may_start)
        self.decisions.append(decision)
        if decision.start:
            assert self.may_start
            assert self.rollout.status is Status.RUNNING
            assert not self.blocked
            self.check_room(busy, decision)
        for opened in range(stage, self.rollout.stage):
            self.check_stage(opened)
        for start in decision.start:
            assert start.board_id not in self.opened
            assert not self.sights[start.board_id].is_installing
            assert self.rollout.parts[start.board_id].stage <= self.rollout.stage
            self.opened.add(start.board_id)
            self.preparing[start.board_id] = self.sights[start.board_id].availability is Availability.ONLINE
            if self.calm:
                del self.preparing[start.board_id]
                self.begin(start.board_id)
        for board_id in decision.withdraw:
            install = self.sights[board_id].install
            if install and install.state == "waiting" and self.chance(0.8):
                self.opened.discard(board_id)
                self.see(board_id, install=replace(install, state="cancelled"))
        assert (decision.wake_at is None) == self.rollout.is_over
        return decision

    def unit(self, board_id: str) -> str:
        return self.rollout.parts[board_id].cohort or board_id

    def busy(self) -> set[str]:
        """Return the units in which an install runs or is prepared."""
        running = {
            self.unit(key)
            for key, sight in self.sights.items()
            if sight.is_installing and sight.install and sight.install.state != "waiting"
        }
        return running | {self.unit(key) for key, awake in self.preparing.items() if awake}

    def check_room(self, busy: set[str], decision: Decision) -> None:
        awake = {
            self.unit(start.board_id)
            for start in decision.start
            if self.sights[start.board_id].availability is Availability.ONLINE
        }
        if awake - busy:
            assert len(awake | busy) <= self.rollout.policy.at_once

    def check_stage(self, stage: int) -> None:
        """Check that a stage that is left is done and soaked."""
        policy = self.rollout.policy
        parts = {key: part for key, part in self.rollout.parts.items() if part.stage == stage}
        assert all(part.result or (stage and part.is_waiting) for part in parts.values())
        on_it = {key: self.on_it.get(key, 0.0) for key, part in parts.items() if part.result is Result.CONFIRMED}
        must = [key for key in on_it if not parts[key].excused and self.sights[key].availability is Availability.ONLINE]
        assert all(on_it[key] >= policy.soak for key in must if not key.startswith("sleeper"))

    def run(self, most: int) -> Iterator[Decision]:
        for _ in range(most):
            self.live()
            # A verdict is looked at before anybody acts on it.
            yield self.look()
            if not self.calm:
                self.meddle()
                yield self.look()
            if self.rollout.is_over:
                return
        pytest.fail("it never ended")


def a_walk(seed: int, *, calm: bool) -> Walk:
    random = Random(seed)
    boards = [f"{random.choice(['board', 'board', 'sleeper'])}-{n}" for n in range(random.randint(1, 12))]
    cohorts = {key: "porch" for key in boards if random.random() < 0.2}
    waves = random.choice([(), (Wave(percent=10), Wave(percent=50)), (Wave(count=1), Wave(count=3))])
    policy = Policy(
        canary=random.choice(["", random.choice(boards)]),
        waves=waves,
        soak=random.choice([0.0, 60.0, 300.0]),
        stop_after=random.choice([1, 1, 3]),
        at_once=random.choice([1, 2, 5]),
        patience=3600.0,
    )
    sights = {key: replace(ASLEEP if key.startswith("sleeper") else ONLINE, heard=EPOCH) for key in boards}
    for key in boards:
        if random.random() < 0.1:
            sights[key] = replace(sights[key], no_update="no_asset")
        elif random.random() < 0.1:
            sights[key] = replace(sights[key], version="1.1.0", up_to_date=True)
    rollout = Rollout.create("r1", boards, policy, sights, EPOCH, cohorts=cohorts)
    return Walk(random=random, rollout=rollout, sights=sights, calm=calm)


SEEDS = st.integers(min_value=0, max_value=2**32)


@settings(deadline=None, max_examples=200)
@given(SEEDS)
def test_whatever_happens_the_rules_hold_and_it_ends(seed: int) -> None:
    walk = a_walk(seed, calm=False)
    for _ in walk.run(5000):
        assert walk.rollout.stored() == again(walk.rollout).stored()
    assert all(walk.rollout.parts[key].result for key in walk.sights)


@settings(deadline=None, max_examples=50)
@given(SEEDS)
def test_a_rollout_in_which_nothing_goes_wrong_pauses_for_nothing_but_a_missing_proof(seed: int) -> None:
    walk = a_walk(seed, calm=True)
    for decision in walk.run(5000):
        if decision.status is Status.PAUSED:
            assert decision.cause is Cause.NEVER_SOAKED
            walk.rollout.resume()
    good = {Result.CONFIRMED, Result.ALREADY_INSTALLED, Result.NO_UPDATE, Result.WAITED_TOO_LONG}
    assert {part.result for part in walk.rollout.parts.values()} <= good


@settings(deadline=None, max_examples=50)
@given(SEEDS)
def test_a_restart_at_any_moment_changes_no_decision(seed: int) -> None:
    steady, restarted = a_walk(seed, calm=True), a_walk(seed, calm=True)
    for _ in steady.run(5000):
        if steady.rollout.status is Status.PAUSED:
            steady.rollout.resume()
    for _ in restarted.run(5000):
        if restarted.rollout.status is Status.PAUSED:
            restarted.rollout.resume()
        restarted.rollout = again(restarted.rollout)
    assert restarted.decisions == steady.decisions
    assert restarted.rollout.stored() == steady.rollout.stored()

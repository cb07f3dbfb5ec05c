"""A session ends only on what the board said, and always ends."""

from dataclasses import replace
import json

from hypothesis import given, strategies as st
import pytest

from custom_components.mqtt_ota.ota.board import Transport
from custom_components.mqtt_ota.ota.errors import Reason
from custom_components.mqtt_ota.ota.session import CORRECTABLE, DOUBT, TIMELINE_LENGTH, Session, Target
from custom_components.mqtt_ota.ota.state import BACK_OFF, ENDED, PASSING, PATIENCE, State

from .native import TARGET, a_session, running


def rebooting() -> Session:
    session = a_session()
    session.offer(1)
    session.alive(State.REBOOTING, 2)
    return session


def test_a_session_begins_in_the_queue_where_time_does_not_count() -> None:
    session = a_session()
    assert (session.state, session.wake_at, session.is_active) == (State.QUEUED, None, True)
    assert session.timeline == [(0.0, "queued")]


def test_the_new_version_after_the_restart_confirms() -> None:
    session = rebooting()
    session.announced(running("1.1.0"), 30, live=True)
    assert (session.state, session.verified, session.held) == (State.CONFIRMED, True, TARGET.size)
    assert session.timeline[-1] == (30.0, "confirmed")


def test_a_version_that_differs_only_in_writing_confirms() -> None:
    session = rebooting()
    session.announced(running("v1.1.0"), 30, live=True)
    assert session.state is State.CONFIRMED


def test_a_pending_image_is_not_yet_confirmed() -> None:
    session = rebooting()
    session.announced(running("1.1.0", pending=True), 30, live=True)
    assert (session.state, session.wake_at) == (State.REBOOTING, 30 + PATIENCE[State.REBOOTING])


def test_a_digest_outweighs_a_version() -> None:
    session = rebooting()
    session.announced(running("1.1.0", sha256="f" * 64), 30, live=True)
    assert session.is_active
    session.announced(running("anything", sha256=TARGET.sha256), 31, live=True)
    assert session.state is State.CONFIRMED


def test_the_old_version_after_the_restart_is_doubted_first_and_rolled_back_then() -> None:
    session = rebooting()
    session.announced(running("1.0.0"), 30, live=True)
    assert session.is_active
    assert session.wake_at == 30 + DOUBT
    session.announced(running("1.0.0"), 40, live=True)
    assert session.wake_at == 30 + DOUBT
    session.never_returned(45)
    assert (session.state, session.reason, session.detail) == (State.ROLLED_BACK, Reason.ROLLED_BACK, "1.0.0")


def test_a_board_that_only_reconnected_before_its_restart_is_still_confirmed() -> None:
    session = rebooting()
    session.announced(running("1.0.0"), 30, live=True)
    session.announced(running("1.1.0"), 35, live=True)
    assert session.state is State.CONFIRMED


def test_what_the_broker_remembers_never_rolls_back() -> None:
    session = rebooting()
    session.announced(running("1.0.0"), 30, live=False)
    assert not session.came_back_old


def test_the_old_version_before_the_restart_says_nothing() -> None:
    session = a_session()
    session.offer(1)
    session.announced(running("1.0.0"), 2, live=True)
    assert (session.state, session.came_back_old) == (State.OFFERED, False)


def test_a_board_that_never_returns_fails() -> None:
    session = rebooting()
    session.never_returned(400)
    assert (session.state, session.reason) == (State.FAILED, Reason.NEVER_RETURNED)


@pytest.mark.parametrize("reason", [Reason.NEVER_RETURNED, Reason.ROLLED_BACK, Reason.STALLED])
def test_a_version_seen_late_corrects_a_failure(reason: Reason) -> None:
    session = rebooting()
    session.fail(reason, 400)
    session.announced(running("1.1.0"), 500, live=True)
    assert (session.state, session.reason, session.verified) == (State.CONFIRMED, None, True)


@pytest.mark.parametrize("late", [500, 400 + 10 * CORRECTABLE])
def test_a_board_that_comes_back_after_it_was_given_up_says_how_it_went(late: float) -> None:
    session = rebooting()
    session.never_returned(400)
    session.announced(running("1.0.0"), late, live=False)
    session.announced(running("0.9.0"), late, live=True)
    session.announced(running("1.0.0", pending=True), late, live=True)
    assert (session.state, session.reason) == (State.FAILED, Reason.NEVER_RETURNED)
    session.announced(running("1.0.0"), late, live=True)
    assert (session.state, session.reason, session.detail) == (State.ROLLED_BACK, Reason.ROLLED_BACK, "1.0.0")
    session.announced(running("1.1.0"), late + 1, live=True)
    assert session.state is State.CONFIRMED


def test_an_old_version_seen_late_corrects_a_success() -> None:
    session = rebooting()
    session.announced(running("1.1.0"), 30, live=True)
    session.announced(running("1.0.0"), 60, live=True)
    assert (session.state, session.reason, session.verified) == (State.ROLLED_BACK, Reason.ROLLED_BACK, False)


def test_a_verdict_stands_after_an_hour_and_against_a_third_version() -> None:
    session = rebooting()
    session.announced(running("1.1.0"), 30, live=True)
    session.announced(running("0.9.0"), 60, live=True)
    session.announced(running("1.0.0"), 31 + CORRECTABLE, live=True)
    session.announced(running("1.1.0", pending=True), 61, live=True)
    assert session.state is State.CONFIRMED


def test_nothing_moves_a_session_that_ended() -> None:
    session = a_session()
    session.cancel(1)
    session.alive(State.TRANSFERRING, 2, held=5)
    session.wait(3)
    session.fail(Reason.STALLED, 4)
    assert (session.state, session.reason, session.held) == (State.CANCELLED, Reason.CANCELLED, 0)


def test_a_sign_of_life_rearms_the_timer_and_clears_the_attempts() -> None:
    session = a_session()
    session.offer(1)
    session.offer(16)
    assert (session.attempts, session.wake_at) == (2, 16 + PATIENCE[State.OFFERED])
    session.alive(State.TRANSFERRING, 20, held=10**9)
    assert (session.attempts, session.held, session.percentage) == (0, TARGET.size, 100.0)
    session.alive(State.TRANSFERRING, 21, held=-4)
    session.alive(State.TRANSFERRING, 22)
    assert (session.held, session.wake_at) == (0, 22 + PATIENCE[State.TRANSFERRING])


def test_an_offer_in_a_restart_asks_and_does_not_start_again() -> None:
    session = rebooting()
    session.offer(302)
    assert (session.state, session.wake_at) == (State.REBOOTING, 302 + PATIENCE[State.OFFERED])


def test_a_percentage_is_shown_only_while_bytes_move() -> None:
    session = a_session()
    assert session.percentage is None
    session.alive(State.TRANSFERRING, 1, held=TARGET.size // 4)
    assert session.percentage == 25.0
    session.alive(State.VERIFYING, 2)
    assert session.percentage is None
    session.target = Target(version="1", sha256="", size=0)
    session.alive(State.TRANSFERRING, 3)
    assert session.percentage is None


def test_a_sleeper_is_waited_for_as_long_as_was_said() -> None:
    session = a_session(waits_for=60)
    session.wait(5)
    assert (session.state, session.wake_at) == (State.WAITING, 60)
    session.wait(6)
    assert session.wake_at == 60
    session.wait(70)
    assert session.wake_at == 70
    assert a_session().waits_for == PATIENCE[State.WAITING]
    assert [text for _, text in session.timeline] == ["queued", "waiting"]


def test_a_board_that_went_away_gets_time() -> None:
    session = a_session()
    session.away(10, 600)
    assert session.wake_at == 610


def test_the_timeline_is_bounded() -> None:
    session = a_session()
    for second in range(1000):
        session.away(second, 1)
    assert len(session.timeline) == TIMELINE_LENGTH


@given(
    st.lists(
        st.sampled_from(["offer", "alive", "wait", "fail", "cancel", "old", "new", "pending", "away", "return"]),
        max_size=20,
    ),
    st.floats(0, 1e6),
)
def test_a_restart_loses_nothing_whatever_happened(steps: list[str], later: float) -> None:
    session = a_session()
    moves = {
        "offer": session.offer,
        "alive": lambda now: session.alive(State.TRANSFERRING, now, held=7),
        "wait": session.wait,
        "fail": lambda now: session.fail(Reason.STALLED, now, "detail"),
        "cancel": session.cancel,
        "old": lambda now: session.announced(running("1.0.0"), now, live=True),
        "new": lambda now: session.announced(running("1.1.0"), now, live=True),
        "pending": lambda now: session.announced(running("1.1.0", pending=True), now, live=True),
        "away": lambda now: session.away(now, 5),
        "return": session.never_returned,
    }
    for now, step in enumerate(steps):
        moves[step](float(now))
    now = float(len(steps))
    record = json.loads(json.dumps(session.stored(now)))
    restored = Session.restored(record, now + later)
    same = (
        "id",
        "state",
        "reason",
        "detail",
        "held",
        "attempts",
        "memo",
        "timeline",
        "target",
        "transport",
        "verified",
    )
    assert [getattr(restored, name) for name in same] == [getattr(session, name) for name in same]
    assert restored.changed == pytest.approx(session.changed + later)
    assert (restored.wake_at is None) == (session.wake_at is None)


@pytest.mark.parametrize("broken", [{}, {"state": "lost"}, {"target": None}, {"timeline": [[1]]}, {"extra": 1}])
def test_a_broken_record_is_said_to_be_one(broken: dict[str, object]) -> None:
    record = a_session().stored(0) | broken if broken else {}
    with pytest.raises((KeyError, TypeError, ValueError)):
        Session.restored(record, 0)


def test_every_state_that_can_last_has_an_end() -> None:
    assert set(PATIENCE) | ENDED | {State.QUEUED} == set(State)


def test_the_transport_survives() -> None:
    session = a_session(transport=Transport.HTTP)
    assert Session.restored(session.stored(0), 0).transport is Transport.HTTP
    session.transport = None
    assert Session.restored(session.stored(0), 0).transport is None


# The queue, and what is tried again


def test_what_may_pass_is_tried_again_later_and_later() -> None:
    session = a_session(retries=2)
    session.offer(1)
    session.fail(Reason.NO_ANSWER, 10)
    assert (session.state, session.wake_at, session.tried) == (State.QUEUED, 10 + BACK_OFF, 1)
    session.offer(100)
    session.fail(Reason.STALLED, 200)
    assert (session.state, session.wake_at, session.tried) == (State.QUEUED, 200 + 2 * BACK_OFF, 2)
    session.offer(400)
    session.fail(Reason.STALLED, 500)
    assert (session.state, session.reason, session.duration) == (State.FAILED, Reason.STALLED, 499)
    assert [text for _, text in session.timeline][-2:] == ["offered", "failed: stalled"]


@pytest.mark.parametrize("reason", sorted(set(Reason) - PASSING))
def test_what_does_not_pass_is_not_tried_again(reason: Reason) -> None:
    session = a_session(retries=2)
    session.offer(1)
    session.fail(reason, 10)
    assert not session.is_active


def test_a_session_goes_back_to_the_queue_without_a_time() -> None:
    session = a_session()
    session.wait(5)
    session.queue(6)
    assert (session.state, session.wake_at, session.attempts, session.duration) == (State.QUEUED, None, 0, None)
    session.cancel(7)
    session.queue(8)
    assert (session.state, session.duration) == (State.CANCELLED, None)


@pytest.mark.parametrize("rested", [True, False])
def test_a_session_that_was_not_brought_to_rest_was_interrupted(rested: bool) -> None:
    session = a_session()
    session.alive(State.TRANSFERRING, 1)
    session.rested = rested
    restored = Session.restored(session.stored(2), 100)
    assert (restored.interrupted, restored.rested) == (not rested, False)
    # Nothing says when the next restart comes.
    assert Session.restored(restored.stored(101), 200).interrupted


def test_a_board_that_only_came_back_is_not_called_confirmed() -> None:
    session = rebooting()
    session.came_back(30)
    assert (session.state, session.verified, session.held) == (State.UNVERIFIED, False, TARGET.size)
    assert (session.reason, session.detail) == (None, "")


def test_a_verdict_says_what_it_rests_on_where_nobody_came_back() -> None:
    session = rebooting()
    session.came_back(30, "sent_only")
    assert (session.state, session.detail) == (State.UNVERIFIED, "sent_only")


def test_coming_back_changes_no_verdict() -> None:
    session = rebooting()
    session.fail(Reason.STALLED, 20)
    session.came_back(30)
    assert (session.state, session.reason) == (State.FAILED, Reason.STALLED)


def test_a_version_that_is_told_later_confirms_what_was_not_known() -> None:
    session = rebooting()
    session.came_back(30)
    session.announced(running("1.1.0"), 40, live=True)
    assert (session.state, session.verified) == (State.CONFIRMED, True)


def test_a_board_that_tells_nothing_decides_nothing() -> None:
    session = rebooting()
    session.announced(running(""), 30, live=True)
    assert (session.state, session.came_back_old) == (State.REBOOTING, False)


def test_a_digest_of_any_kind_is_compared_with_those_of_the_image() -> None:
    target = replace(TARGET, digests=("md5:" + "a" * 32, "elf:" + "b" * 32))
    session = rebooting()
    session.target = target
    session.announced(running("", digest="md5:" + "c" * 32), 30, live=True)
    assert session.came_back_old
    session.announced(running("", digest="elf:" + "b" * 32), 31, live=True)
    assert session.state is State.CONFIRMED
    # One that goes back to another image was rolled back, whatever it calls it.
    session.announced(running("", digest="elf:" + "d" * 32), 60, live=True)
    assert session.state is State.ROLLED_BACK


def test_the_patience_of_a_sign_of_life_or_an_offer_can_be_another() -> None:
    session = a_session()
    session.offer(1, patience=100)
    assert session.wake_at == 101
    session.alive(State.TRANSFERRING, 2, patience=200)
    assert session.wake_at == 202
    session.alive(State.TRANSFERRING, 3)
    assert session.wake_at == 3 + PATIENCE[State.TRANSFERRING]


def test_digests_outlive_a_restart() -> None:
    session = a_session(target=replace(TARGET, digests=("md5:" + "a" * 32,)))
    record = json.loads(json.dumps(session.stored(1)))
    assert Session.restored(record, 10).target.digests == ("md5:" + "a" * 32,)

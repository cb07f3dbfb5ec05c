"""One thing goes wrong around the agent, at the moment at which it hurts most."""

import json
from pathlib import Path
import subprocess
from typing import Any

import pytest

from .interpreter import ON_BOARD, PROGRAM, needs_micropython

pytestmark = needs_micropython


@pytest.fixture
def after(tmp_path: Path) -> Any:
    """Return a function that tells what came of a mishap."""

    def after(name: str) -> Any:
        folder = tmp_path / "board"
        folder.mkdir()
        command = [PROGRAM, str(ON_BOARD / "mishaps.py"), name, str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return after


def test_a_connection_lost_while_it_says_rebooting_does_not_keep_it_from_that(after: Any) -> None:
    assert after("lost_at_rebooting") == "update"


def test_a_connection_lost_at_the_last_block_costs_a_new_connection_and_no_session(after: Any) -> None:
    assert after("lost_at_verifying") == "update"


def test_a_verdict_that_could_not_be_said_is_said_after_the_next_connect(after: Any) -> None:
    assert after("lost_at_verdict")[-1] == "failed timeout"


def test_a_cancel_that_could_not_be_answered_has_its_effect(after: Any) -> None:
    assert after("lost_at_cancel") == ["accepted", "transferring", "cancelled"]


def test_a_session_that_is_open_again_is_not_said_to_have_failed(after: Any) -> None:
    assert after("verdict_of_an_open_session") == []


def test_a_broker_that_was_away_for_long_is_no_silence_of_the_transfer(after: Any) -> None:
    assert after("outage") == ["update", "rebooting"]


def test_a_broker_that_throws_the_board_out_is_tried_less_and_less_often(after: Any) -> None:
    assert 50 <= after("breaks_at_once") <= 80


def test_a_connection_that_lasted_is_tried_again_at_once(after: Any) -> None:
    assert after("breaks_after_a_while") == 2


def test_a_board_that_slept_after_a_week_connects_at_once(after: Any) -> None:
    assert after("leaves_after_a_week") is True


def test_a_port_without_tls_is_unreachable_and_does_not_raise(after: Any) -> None:
    assert after("no_tls") is True


def test_a_socket_is_closed_even_if_nobody_hears_the_goodbye(after: Any) -> None:
    assert after("no_goodbye") == [False, 1]


def test_a_packet_that_comes_byte_by_byte_does_not_hold_the_board_up(after: Any) -> None:
    assert 30 <= after("bytes_drip") < 50


def test_frames_of_another_image_do_not_keep_a_transfer_alive(after: Any) -> None:
    assert after("frames_of_another_image") == "failed timeout"


def test_a_log_that_raises_does_not_keep_a_release_from_coming(after: Any) -> None:
    assert after("log_raises") == ["update", None, "confirmed"]


def test_a_self_test_that_raises_has_failed(after: Any) -> None:
    assert after("self_test_raises") == ["self_test", "rolled_back self_test", True]


def test_a_release_that_never_reaches_the_broker_is_taken_back(after: Any) -> None:
    assert after("broker_out_of_reach") == [None, "self_test", True]


def test_a_flash_that_is_full_at_any_write_fails_the_release_for_good_and_nothing_else(after: Any) -> None:
    wrong, ends = after("full_at_any_write")
    assert wrong == []
    assert {"failed flash", "update"} <= set(ends)


def test_a_release_that_fills_the_flash_does_not_stay_by_that(after: Any) -> None:
    assert after("filled_by_the_release") == [["0.0.0", True, False]] * 3


def test_what_could_not_be_noted_is_not_said_to_be_confirmed(after: Any) -> None:
    was_said, is_on_trial = after("confirmed_in_vain")
    assert was_said is not is_on_trial


def test_a_wrong_size_leaves_nothing_behind_that_spoils_the_right_one(after: Any) -> None:
    assert after("size_corrected") == "update"


def test_too_little_memory_to_unpack_fails_once(after: Any) -> None:
    assert after("no_memory_to_unpack") == "failed flash"

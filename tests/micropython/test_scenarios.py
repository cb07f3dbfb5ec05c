"""The scenarios that every board program must pass, on the MicroPython agent."""

import pytest

from tests.board import test_board as scenarios
from tests.board.house import House
from tests.board.test_board import IMAGE, OTHER_SESSION, StartBoard, broker, confirmed, fault, house, start_board  # noqa: F401

from .interpreter import ON_BOARD, PROGRAM, needs_micropython, needs_mosquitto

pytestmark = [needs_micropython, needs_mosquitto, pytest.mark.usefixtures("socket_enabled")]

# What this board is not, and why.
_NOT_THIS_BOARD = {
    "test_a_board_announces_itself_and_leaves_word_that_it_is_gone": "its order and transports are fixed",
    "test_a_board_may_never_come_back": "MicroPython on a PC hears no SIGTERM",
    "test_where_no_frame_arrives_the_way_has_failed_and_another_may_be_tried": "goes on over HTTP",
    "test_an_image_comes_by_url": "HTTP",
    "test_a_url_goes_on_where_the_blocks_ended": "HTTP",
    "test_a_dead_url_fails_and_blocks_may_do": "HTTP",
    "test_a_url_that_nobody_answers_fails": "HTTP",
    "test_a_board_can_live_inside_a_test": "the Python board alone",
}

globals().update(
    {
        name: scenario
        for name, scenario in vars(scenarios).items()
        if name.startswith("test_") and name not in _NOT_THIS_BOARD
    }
)


@pytest.fixture(autouse=True)
def _micropython(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOARD_PROGRAM", f"{PROGRAM} {ON_BOARD / 'board.py'}")


def test_no_scenario_is_left_out_by_a_wrong_name() -> None:
    assert vars(scenarios).keys() >= _NOT_THIS_BOARD.keys()
    assert sum(name.startswith("test_") for name in globals()) > len(_NOT_THIS_BOARD)


def test_where_no_frame_arrives_the_way_has_failed_and_may_be_tried_again(
    house: House,  # noqa: F811
    start_board: StartBoard,  # noqa: F811
) -> None:
    board = start_board("--ask-timeout", "0.05", *fault("drops_large=100"))
    house.offer("relay-1", IMAGE)
    house.wait_for("status", state="failed", reason="transport")
    assert [want["block_size"] for want in house.said("want")][::2] == [4096, 2048, 1024, 512, 256]
    board.kill()
    start_board()
    house.offer("relay-1", IMAGE)
    confirmed(house)


def test_a_url_is_not_its_way(house: House, start_board: StartBoard) -> None:  # noqa: F811
    start_board()
    house.offer("relay-1", IMAGE, transport="http", url="http://127.0.0.1:1/")
    house.wait_for("status", state="failed", reason="offer_invalid")
    house.offer("relay-1", IMAGE, session=OTHER_SESSION)
    confirmed(house, session=OTHER_SESSION)

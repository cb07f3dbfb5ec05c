"""A board that speaks another way since its last update is the same board, where that is sure."""

from typing import Any

import pytest

from custom_components.mqtt_ota.ota.board import Board
from custom_components.mqtt_ota.ota.errors import Reason
from custom_components.mqtt_ota.ota.moving import moved_from
from custom_components.mqtt_ota.ota.session import CORRECTABLE, Session, State, Target

MAC = "02:00:00:00:00:01"
TARGET = Target(version="2.0.0", sha256="a" * 64, size=4096, digests=("md5:" + "b" * 32,))
NEWCOMER = Board(id="new", dialect="native", version="2.0.0", chip="ESP32-C3")


def old(board_id: str = "old", **says: Any) -> Board:
    return Board(**({"id": board_id, "dialect": "chunked"} | says))


def sent(board: Board, state: State = State.REBOOTING, now: float = 10.0) -> Session:
    session = Session.create("s", board, TARGET, 0.0)
    session.offer(1.0)
    if state is State.FAILED:
        session.fail(Reason.NEVER_RETURNED, now)
    elif state is State.CONFIRMED:
        session.alive(State.REBOOTING, now)
        session.announced(Board(id=board.id, dialect=board.dialect, version="2.0.0"), now, live=True)
    elif state is not State.OFFERED:
        session.alive(state, now)
    return session


def test_a_board_with_the_same_mac_address_is_the_same() -> None:
    board = old(mac=MAC)
    assert moved_from(Board(id="new", dialect="native", mac=MAC), [(old("other"), None), (board, None)], 0) is board


def test_two_boards_with_one_mac_address_are_nobody() -> None:
    known = [(old("one", mac=MAC), None), (old("two", mac=MAC), None)]
    assert moved_from(Board(id="new", dialect="native", mac=MAC), known, 0) is None


def test_a_board_of_the_same_dialect_did_not_move() -> None:
    board = old(mac=MAC)
    assert moved_from(Board(id="new", dialect="chunked", mac=MAC), [(board, sent(board))], 20) is None


@pytest.mark.parametrize("state", [State.TRANSFERRING, State.VERIFYING, State.REBOOTING, State.FAILED])
def test_the_one_that_was_just_sent_what_the_newcomer_runs_is_it(state: State) -> None:
    board = old()
    assert moved_from(NEWCOMER, [(old("other"), None), (board, sent(board, state))], 20) is board


@pytest.mark.parametrize("state", [State.OFFERED, State.CONFIRMED])
def test_one_that_cannot_run_it_or_proved_to_run_it_is_not(state: State) -> None:
    board = old()
    assert moved_from(NEWCOMER, [(board, sent(board, state))], 20) is None


def test_what_was_sent_long_ago_says_nothing() -> None:
    board = old()
    session = sent(board, State.FAILED)
    assert moved_from(NEWCOMER, [(board, session)], 10 + CORRECTABLE) is board
    assert moved_from(NEWCOMER, [(board, session)], 11 + CORRECTABLE) is None


def test_two_that_were_sent_the_same_are_nobody() -> None:
    one, two = old("one"), old("two")
    assert moved_from(NEWCOMER, [(one, sent(one)), (two, sent(two))], 20) is None


def test_a_board_that_runs_something_else_is_another() -> None:
    board = old()
    newcomer = Board(id="new", dialect="native", version="1.0.0")
    assert moved_from(newcomer, [(board, sent(board))], 20) is None


def test_boards_with_other_chips_or_mac_addresses_are_others() -> None:
    chip = old("chip", chip="ESP32")
    mac = old("mac", mac="02:00:00:00:00:02")
    newcomer = Board(id="new", dialect="native", version="2.0.0", chip="esp32-c3", mac=MAC)
    assert moved_from(newcomer, [(chip, sent(chip)), (mac, sent(mac))], 20) is None
    alike = old("alike", chip="ESP32-C3")
    assert moved_from(newcomer, [(chip, sent(chip)), (alike, sent(alike))], 20) is alike

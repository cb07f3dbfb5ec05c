"""The core on a PC against a real broker: all that the Python board is asked, and what only this program can do."""

from hashlib import sha256
from random import Random
import subprocess

import pytest

from tests.board.house import House
from tests.board.test_board import *  # noqa: F403
from tests.board.test_board import BOARD, IMAGE, OTHER_SESSION, StartBoard, confirmed, fault
from tests.firmware import lacking, run
from tests.firmware_images import build_app

# That one is about the Python board alone.
del test_a_board_can_live_inside_a_test  # noqa: F821


@pytest.fixture(scope="module")
def vboard() -> str:
    if missing := lacking("vboard"):
        pytest.skip(f"install {missing}")
    return run("vboard").splitlines()[-1]


@pytest.fixture(autouse=True)
def board_program(vboard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every scenario start this program."""
    monkeypatch.setenv("BOARD_PROGRAM", vboard)


def test_flash_that_refuses_a_write_is_told(house: House, start_board: StartBoard) -> None:
    start_board(*fault("write_error=50000"))
    house.offer(BOARD, IMAGE)
    assert house.wait_for("status", state="failed", reason="flash")["held"] == 12 * 4096


def test_a_block_that_does_not_keep_its_bytes_is_found(house: House, start_board: StartBoard) -> None:
    start_board(*fault("bad_block=50000"))
    house.offer(BOARD, IMAGE)
    house.wait_for("status", state="failed", reason="digest")


@pytest.mark.parametrize("rate", ["70", "200"])
@pytest.mark.parametrize("order", ["any", "sequential"])
def test_slow_flash_behind_a_slow_and_lossy_link_takes_time_only(
    house: House, start_board: StartBoard, rate: str, order: str
) -> None:
    start_board("--rate", rate, "--order", order, "--round-trip", "0.03", "--loss", "5")
    house.offer(BOARD, IMAGE)
    confirmed(house)


def test_it_may_be_killed_at_any_time(house: House, start_board: StartBoard) -> None:
    chance = Random(1)
    image = build_app(version="1.1.0", size=512 * 1024)
    house.offer(BOARD, image)
    held = 0
    for _ in range(8):
        board = start_board("--rate", "1000")
        resumed = house.wait_for("status", state="accepted")["held"]
        assert resumed >= held
        for _ in range(chance.randrange(1, 4)):
            house.wait_for("want")
        board.kill()
        held = resumed
        house.wait_for("availability", text="offline")
    start_board()
    confirmed(house)
    assert house.said("announce")[-1]["sha256"] == sha256(image).hexdigest()


def test_a_killed_trial_goes_back_and_the_next_session_works(house: House, start_board: StartBoard) -> None:
    board = start_board(*fault("never_confirms"))
    house.offer(BOARD, IMAGE)
    house.wait_for("announce", version="1.1.0", pending=True)
    board.kill()
    house.wait_for("availability", text="offline")
    start_board()
    house.wait_for("status", state="rolled_back", reason="boot")
    house.offer(BOARD, IMAGE, session=OTHER_SESSION)
    confirmed(house, session=OTHER_SESSION)


def test_help_is_given(vboard: str) -> None:
    assert "--fault" in subprocess.run([vboard, "--help"], capture_output=True, text=True, check=True).stdout

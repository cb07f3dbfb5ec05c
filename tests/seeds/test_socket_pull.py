"""The MicroPython board against a real broker and a real socket."""

from typing import Any

import pytest

from tests.seeds.conftest import NEEDS_BROKER, StartBoard
from tests.seeds.faults import Faults
from tests.seeds.socket_pull import SocketPullBoard, hostname
from tests.seeds.uploaders import Ear, Offer

pytestmark = NEEDS_BROKER


def pull_board(start: StartBoard, **options: Any) -> SocketPullBoard:
    return start(SocketPullBoard, "24_0a_c4_11_22_33", files={"main.py": b"old"}, **options)


PULL_TOPIC = "24_0a_c4_11_22_33/OTA"
SOURCE = b"print('hello')\n" * 300


@pytest.mark.parametrize("reboot", [None, "1"])
def test_socket_pull_stores_a_file_and_resets(ear: Ear, start: StartBoard, reboot: str | None) -> None:
    board = pull_board(start)
    offer = Offer(SOURCE)
    ear.publish(PULL_TOPIC, offer.payload("main.py", reboot))
    offer.serve()
    board.wait_for("powerless", cause="update")
    board.wait_for("connected")
    assert board.files == board.runs_files == {"main.py": SOURCE}
    assert max(map(len, board.writes)) <= 1024
    assert {one["topic"] for one in ear.events.told if "topic" in one} == {PULL_TOPIC}


def test_socket_pull_resets_only_after_the_last_file(ear: Ear, start: StartBoard) -> None:
    board = pull_board(start)
    for name, reboot in (("lib.py", "0"), ("main.py", "1")):
        offer = Offer(SOURCE)
        ear.publish(PULL_TOPIC, offer.payload(name, reboot))
        offer.serve()
        board.wait_for("stored", filename=name)
        if reboot == "0":
            assert board.files["lib.py"] == SOURCE
            assert board.runs_files == {"main.py": b"old"}
    board.wait_for("connected")
    assert board.runs_files == {"lib.py": SOURCE, "main.py": SOURCE}
    assert board.boots == 2


def test_older_socket_pull_resets_whatever_the_fifth_field_says(ear: Ear, start: StartBoard) -> None:
    board = pull_board(start, knows_reboot=False, piece_size=536)
    offer = Offer(SOURCE)
    ear.publish(PULL_TOPIC, offer.payload("main.py", "0"))
    offer.serve()
    board.wait_for("powerless", cause="update")
    assert max(map(len, board.writes)) <= 536


@pytest.mark.parametrize(("size", "refused"), [(44, True), (45, False)])
def test_socket_pull_refuses_a_short_message(ear: Ear, start: StartBoard, size: int, refused: bool) -> None:
    board = pull_board(start)
    ear.publish(PULL_TOPIC, b"x" * size)
    board.wait_for("refused" if refused else "raised")
    assert board.boots == 1


def test_socket_pull_keeps_the_old_file_when_the_digest_is_wrong_and_does_not_reset(
    ear: Ear, start: StartBoard
) -> None:
    board = pull_board(start)
    offer = Offer(SOURCE, cut_at=2000)
    ear.publish(PULL_TOPIC, offer.payload("main.py"))
    offer.serve()
    board.wait_for("mismatch")
    assert board.files == {"main.py": b"old", "tmp": SOURCE[:2000]}
    assert board.boots == 1


def test_socket_pull_resets_when_nobody_listens(ear: Ear, start: StartBoard) -> None:
    board = pull_board(start)
    ear.publish(PULL_TOPIC, f"127.0.0.1|1|main.py|{'0' * 40}")
    board.wait_for("powerless", cause="exception")
    board.wait_for("connected")
    assert board.files["main.py"] == b"old"


def test_socket_pull_keeps_the_old_file_when_its_power_goes(ear: Ear, start: StartBoard) -> None:
    board = pull_board(start, faults=Faults(power_cut=1500))
    offer = Offer(SOURCE)
    ear.publish(PULL_TOPIC, offer.payload("main.py"))
    offer.serve()
    board.wait_for("powerless", cause="power_cut")
    board.wait_for("connected")
    assert board.runs_files["main.py"] == b"old"


def test_socket_pull_names_itself_by_its_mac() -> None:
    assert hostname("24:0a:c4:11:22:33") == "24_0a_c4_11_22_33"

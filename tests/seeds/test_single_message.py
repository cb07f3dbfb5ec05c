"""The Sming board against a real broker: one message, and what its decoder makes of it."""

from typing import Any

import pytest

from tests.firmware_images import build_app
from tests.seeds.conftest import NEEDS_BROKER, OLD, StartBoard
from tests.seeds.faults import Faults
from tests.seeds.single_message import SingleMessageBoard, decode
from tests.seeds.uploaders import Ear, varint

pytestmark = NEEDS_BROKER


def sming_board(start: StartBoard, **options: Any) -> SingleMessageBoard:
    return start(SingleMessageBoard, "sming-1", **options)


def rom(version: str, seed: int = 3) -> bytes:
    return build_app(version=version, size=6000, seed=seed)


def test_single_message_flashes_as_the_deployer_does(ear: Ear, start: StartBoard) -> None:
    board = sming_board(start)
    ear.publish("a/test/u/1.0", varint(1) + rom("1.0.1"), 2)
    board.wait_for("powerless", cause="update")
    board.wait_for("connected")
    assert (board.runs, board.version, board.topic) == (rom("1.0.1"), "1.0.1", "a/test/u/1.0")
    assert {one["topic"] for one in ear.events.told if "topic" in one} == {"a/test/u/1.0"}


def test_single_message_moves_to_the_topic_of_its_new_version(ear: Ear, start: StartBoard) -> None:
    board = sming_board(start, prefix="/", channel="s")
    ear.publish("/a/test/u/1.0/s", varint(7) + rom("1.1.7"), 1)
    board.wait_for("powerless", cause="update")
    board.wait_for("connected")
    assert board.topic == "/a/test/u/1.1/s"


def test_single_message_skips_an_older_patch_and_flashes_an_equal_one(ear: Ear, start: StartBoard) -> None:
    board = sming_board(start, image=rom("1.0.5"))
    ear.publish("a/test/u/1.0", varint(4) + rom("1.0.4"), 1)
    board.wait_for("skipped", patch=4)
    assert (board.boots, board.writes) == (1, [])
    ear.publish("a/test/u/1.0", varint(5) + rom("1.0.5", seed=4), 1)
    board.wait_for("powerless", cause="update")
    assert board.runs == rom("1.0.5", seed=4)


@pytest.mark.parametrize(("patch", "read"), [(0, 0), (127, 127), (128, 1), (300, 46), (16384, 1)])
def test_single_message_adds_up_the_groups_of_a_patch_and_never_shifts(patch: int, read: int) -> None:
    encoded = varint(patch)
    assert decode(encoded + b"\xe9rom") == (read, len(encoded))


def test_single_message_in_its_oldest_form_takes_one_byte(ear: Ear, start: StartBoard) -> None:
    assert decode(b"\xc8\xe9", varint=False) == (200, 1)
    board = sming_board(start, varint=False)
    ear.publish("a/test/u/1.0", b"\xc8" + rom("1.0.200"), 1)
    board.wait_for("powerless", cause="update")
    assert board.patch == 200


@pytest.mark.parametrize("message", [b"", b"\x80", b"\xff" * 40])
def test_single_message_refuses_a_patch_without_an_end(ear: Ear, start: StartBoard, message: bytes) -> None:
    board = sming_board(start)
    ear.publish("a/test/u/1.0", message, 1)
    board.wait_for("refused")
    assert board.boots == 1


def test_single_message_skips_patch_128_for_good_with_its_decoder(ear: Ear, start: StartBoard) -> None:
    board = sming_board(start, image=rom("1.0.2"))
    ear.publish("a/test/u/1.0", varint(128) + rom("1.0.128"), 1)
    board.wait_for("skipped", patch=1)


def test_single_message_restarts_for_ever_over_a_retained_patch_that_is_not_what_the_rom_says(
    ear: Ear, start: StartBoard
) -> None:
    board = sming_board(start)
    ear.publish("a/test/u/1.0", varint(9) + rom("1.0.3"), 2, retain=True)
    for _ in range(3):
        board.wait_for("powerless", cause="update")
    ear.publish("a/test/u/1.0", b"", 1, retain=True)
    assert board.flashes >= 3


def test_single_message_says_nothing_about_what_does_not_fit(ear: Ear, start: StartBoard) -> None:
    board = sming_board(start, slot_size=5000)
    ear.publish("a/test/u/1.0", varint(1) + rom("1.0.1"), 1)
    board.wait_for("failed")
    assert (board.boots, board.writes) == (1, [])


def test_single_message_on_an_esp32_does_not_start_what_is_no_image(ear: Ear, start: StartBoard) -> None:
    board = sming_board(start)
    ear.publish("a/test/u/1.0", varint(1) + b"junk" * 500, 1)
    board.wait_for("failed")
    assert board.runs == OLD


def test_single_message_on_an_esp8266_is_bricked_by_what_is_no_image(ear: Ear, start: StartBoard) -> None:
    board = sming_board(start, checks_image=False)
    ear.publish("a/test/u/1.0", varint(1) + b"junk" * 500, 1)
    assert board.wait_for("powerless")["seconds"] is None


def test_single_message_on_an_esp8266_runs_the_patch_that_was_meant(ear: Ear, start: StartBoard) -> None:
    board = sming_board(start, image=b"\xea" + bytes(64), checks_image=False)
    ear.publish("a/test/u/1.0", varint(127) + b"\xea\x04" + bytes(64), 1)
    board.wait_for("powerless", cause="update")
    assert board.version == "1.0.127"


def test_single_message_acknowledges_nothing_when_its_power_goes_in_the_middle(ear: Ear, start: StartBoard) -> None:
    board = sming_board(start, faults=Faults(power_cut=3000))
    ear.publish("a/test/u/1.0", varint(1) + rom("1.0.1"), 1)
    board.wait_for("powerless", cause="power_cut")
    board.wait_for("connected")
    assert (board.runs, board.flashes, board.acknowledged) == (OLD, 0, 0)
    ear.publish("a/test/u/1.0", varint(1) + rom("1.0.1"), 1)
    board.wait_for("powerless", cause="update")
    assert board.runs == rom("1.0.1")
    assert board.acknowledged == 1

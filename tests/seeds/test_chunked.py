"""The chunked board against a real broker: flashed as its uploader does it, and each quirk by its name."""

import hashlib
from pathlib import Path
import time

import pytest

from tests.firmware_images import build_app
from tests.mosquitto import Mosquitto
from tests.seeds.chunked import ChunkedBoard, chip_id
from tests.seeds.conftest import NEEDS_BROKER, NEW, OLD, StartBoard
from tests.seeds.faults import Faults
from tests.seeds.link import packet_size
from tests.seeds.settings import Settings
from tests.seeds.uploaders import Ear, chunk_frame, chunk_frames, flash_chunked, open_ear, send_chunks, size_frame

pytestmark = NEEDS_BROKER

CHIP = "esp32-c40a24"
TOPIC = f"ota/{CHIP}"
FEEDBACK = f"ota/feedback/{CHIP}"


def send(ear: Ear, payload: bytes) -> None:
    ear.publish(TOPIC, payload, 1)


def hear(ear: Ear, word: str) -> None:
    ear.hear(FEEDBACK, word)


def open_transfer(ear: Ear, size: int = len(NEW)) -> None:
    hear(ear, "ready")
    send(ear, size_frame(size))
    hear(ear, "ok")


@pytest.mark.parametrize("size", [200, 120, 7])
def test_chunked_flashes_as_the_reference_uploader_does(ear: Ear, start: StartBoard, size: int) -> None:
    board = start(ChunkedBoard, CHIP)
    image = NEW if size > 7 else build_app(size=352)
    flash_chunked(ear, CHIP, image, size)
    hear(ear, "ready")
    assert board.runs == image
    assert b"".join(board.writes) == image
    assert (board.boots, board.flashes) == (2, 1)


def test_chunked_never_acknowledges_the_chunk_after_which_it_restarts(ear: Ear, start: StartBoard) -> None:
    board = start(ChunkedBoard, CHIP)
    flash_chunked(ear, CHIP, NEW)
    hear(ear, "ready")
    # The size frame and each chunk but the last.
    assert board.acknowledged == len(chunk_frames(NEW))


def test_chunked_retains_every_word_of_its_feedback(broker: Mosquitto, ear: Ear, start: StartBoard) -> None:
    start(ChunkedBoard, CHIP)
    open_transfer(ear)
    send(ear, b"1234")
    hear(ear, "len-fail")
    with open_ear(broker.port) as late:
        message = late.hear(FEEDBACK)
    assert (message["payload"], message["retain"]) == (b"len-fail", True)


def test_chunked_ignores_in_silence_what_is_no_size_while_it_is_idle(ear: Ear, start: StartBoard) -> None:
    board = start(ChunkedBoard, CHIP)
    hear(ear, "ready")
    for payload in (b"", b"123", b"12345", b"md5:" + b"0" * 32, chunk_frame(b"x" * 20, 3)):
        send(ear, payload)
    send(ear, size_frame(len(NEW)))
    hear(ear, "ok")
    assert ear.heard(FEEDBACK) == [b"ready", b"ok"]
    assert board.writes == []


@pytest.mark.parametrize("size", [0, 0x140001, 0xFFFFFFFE])
def test_chunked_refuses_a_size_for_which_there_is_no_room_and_stays_idle(
    ear: Ear, start: StartBoard, size: int
) -> None:
    start(ChunkedBoard, CHIP)
    hear(ear, "ready")
    send(ear, size_frame(size))
    hear(ear, "begin-fail")
    send(ear, size_frame(len(NEW)))
    hear(ear, "ok")


def test_chunked_takes_a_size_of_all_ones_as_the_whole_slot(ear: Ear, start: StartBoard) -> None:
    start(ChunkedBoard, CHIP)
    hear(ear, "ready")
    send(ear, size_frame(0xFFFFFFFF))
    hear(ear, "ok")


def test_chunked_says_len_fail_to_a_size_frame_in_the_middle_and_goes_on(ear: Ear, start: StartBoard) -> None:
    board = start(ChunkedBoard, CHIP)
    open_transfer(ear)
    frames = chunk_frames(NEW)
    send_chunks(ear, CHIP, [*frames[:3], size_frame(len(NEW))])
    hear(ear, "len-fail")
    send_chunks(ear, CHIP, frames[3:])
    hear(ear, "success")
    board.wait_for("connected")
    assert board.runs == NEW


BROKEN_DIGEST = chunk_frame(NEW[:200], 5)[:-3] + b"\0" + chunk_frame(NEW[:200], 5)[-2:]


@pytest.mark.parametrize(
    ("frame", "word"),
    [
        (b"x" * 19, "len-fail"),
        (b"", "len-fail"),
        (chunk_frame(NEW[:200], 5)[:-1], "size-mismatch"),
        (chunk_frame(NEW[:200], 5) + b"\0", "size-mismatch"),
        (b"md5:" + b"0" * 32, "size-mismatch"),
        (BROKEN_DIGEST, "md5-fail"),
    ],
    ids=["19 bytes", "nothing", "a byte less", "a byte more", "another message", "a wrong digest"],
)
def test_chunked_writes_nothing_of_a_chunk_that_it_refuses(
    ear: Ear, start: StartBoard, frame: bytes, word: str
) -> None:
    board = start(ChunkedBoard, CHIP)
    open_transfer(ear)
    send(ear, frame)
    hear(ear, word)
    send_chunks(ear, CHIP, chunk_frames(NEW))
    hear(ear, "success")
    board.wait_for("powerless", cause="update")
    assert board.runs == NEW


def test_chunked_takes_an_empty_chunk(ear: Ear, start: StartBoard) -> None:
    start(ChunkedBoard, CHIP)
    open_transfer(ear)
    send(ear, chunk_frame(b"", 5))
    hear(ear, "ok")


def test_chunked_writes_a_chunk_twice_that_is_sent_twice_and_refuses_the_image(ear: Ear, start: StartBoard) -> None:
    board = start(ChunkedBoard, CHIP)
    open_transfer(ear)
    frames = chunk_frames(NEW)
    send_chunks(ear, CHIP, [frames[0], frames[0], *frames[1:]])
    assert ear.hear(FEEDBACK)["payload"] in {b"end-fail", b"write-fail"}
    assert b"".join(board.writes)[:400] == NEW[:200] * 2
    assert board.runs == OLD


def test_chunked_accepts_that_bytes_are_missing_only_where_the_image_is_whole(ear: Ear, start: StartBoard) -> None:
    board = start(ChunkedBoard, CHIP)
    open_transfer(ear, len(NEW) + 5000)
    send_chunks(ear, CHIP, chunk_frames(NEW))
    hear(ear, "success")
    board.wait_for("connected")
    assert board.runs == NEW


def test_chunked_is_broken_after_end_fail_until_it_restarts(ear: Ear, start: StartBoard) -> None:
    board = start(ChunkedBoard, CHIP)
    open_transfer(ear)
    frames = chunk_frames(NEW)
    send_chunks(ear, CHIP, [*frames[:10], chunk_frame(NEW[2000:2200], 0)])
    hear(ear, "end-fail")
    send(ear, size_frame(len(NEW)))
    hear(ear, "len-fail")
    send(ear, frames[0])
    hear(ear, "write-fail")
    board.power_cycle()
    flash_chunked(ear, CHIP, NEW)
    board.wait_for("powerless", cause="update")
    assert board.runs == NEW


def test_chunked_is_broken_after_write_fail_until_it_restarts(ear: Ear, start: StartBoard) -> None:
    board = start(ChunkedBoard, CHIP)
    open_transfer(ear, 100)
    frames = chunk_frames(NEW)
    send(ear, frames[0])
    hear(ear, "write-fail")
    send(ear, size_frame(len(NEW)))
    hear(ear, "len-fail")
    send(ear, frames[0])
    hear(ear, "write-fail")
    board.power_cycle()
    flash_chunked(ear, CHIP, NEW)
    board.wait_for("powerless", cause="update")
    assert board.runs == NEW


def test_chunked_refuses_what_is_no_image_when_the_first_sector_is_full(ear: Ear, start: StartBoard) -> None:
    board = start(ChunkedBoard, CHIP)
    junk = b"\0" * 8192
    open_transfer(ear, len(junk))
    frames = chunk_frames(junk)
    send_chunks(ear, CHIP, frames[:21])
    hear(ear, "write-fail")
    assert board.writes == []


def test_chunked_refuses_an_image_for_another_chip_at_the_end(ear: Ear, start: StartBoard) -> None:
    board = start(ChunkedBoard, CHIP)
    image = build_app("ESP32-C3", size=6000)
    open_transfer(ear, len(image))
    send_chunks(ear, CHIP, chunk_frames(image))
    hear(ear, "end-fail")
    assert board.runs == OLD


def test_chunked_says_ready_at_a_reconnect_in_the_middle_and_goes_on(ear: Ear, start: StartBoard) -> None:
    board = start(ChunkedBoard, CHIP)
    open_transfer(ear)
    frames = chunk_frames(NEW)
    send_chunks(ear, CHIP, [*frames[:5], b""])
    hear(ear, "len-fail")
    board.lose_connection()
    hear(ear, "ready")
    send(ear, size_frame(len(NEW)))
    hear(ear, "len-fail")
    send_chunks(ear, CHIP, frames[5:])
    hear(ear, "success")
    board.wait_for("powerless", cause="update")
    assert board.runs == NEW


def test_chunked_forgets_a_transfer_when_its_power_goes(ear: Ear, start: StartBoard) -> None:
    board = start(ChunkedBoard, CHIP)
    open_transfer(ear)
    send_chunks(ear, CHIP, [*chunk_frames(NEW)[:30], b""])
    board.power_cycle()
    hear(ear, "ready")
    send(ear, size_frame(len(NEW)))
    hear(ear, "ok")
    assert board.runs == OLD


@pytest.mark.parametrize(("buffer_size", "fits"), [(200, 157), (256, 213), (1024, 981)])
def test_chunked_drops_without_a_word_what_is_larger_than_its_buffer(
    ear: Ear, start: StartBoard, buffer_size: int, fits: int
) -> None:
    board = start(ChunkedBoard, CHIP, buffer_size=buffer_size)
    open_transfer(ear)
    send(ear, chunk_frame(NEW[: fits + 1], 5))
    assert board.wait_for("vanished")["size"] == buffer_size + 1
    send(ear, chunk_frame(NEW[:fits], 5))
    hear(ear, "ok")
    assert ear.heard(FEEDBACK) == [b"ready", b"ok", b"ok"]


def test_chunked_acknowledges_nothing_that_vanished_so_that_the_broker_stops_after_twenty(
    ear: Ear, start: StartBoard
) -> None:
    board = start(ChunkedBoard, CHIP)
    open_transfer(ear)
    for _ in range(20):
        send(ear, bytes(400))
        board.wait_for("vanished")
    # Mosquitto keeps at most twenty unacknowledged messages on their way.
    send(ear, chunk_frame(NEW[:200], 5))
    board.lose_connection()
    hear(ear, "ready")
    assert ear.heard(FEEDBACK) == [b"ready", b"ok", b"ready"]


def test_chunked_with_an_md5_ignores_a_size_before_it(ear: Ear, start: StartBoard) -> None:
    board = start(ChunkedBoard, CHIP, wants_md5=True)
    hear(ear, "ready")
    send(ear, size_frame(len(NEW)))
    send(ear, b"md5:" + hashlib.md5(NEW, usedforsecurity=False).hexdigest().encode())
    send(ear, size_frame(len(NEW)))
    hear(ear, "ok")
    send_chunks(ear, CHIP, chunk_frames(NEW, 120))
    hear(ear, "success")
    board.wait_for("powerless", cause="update")
    assert ear.heard(FEEDBACK).count(b"ok") == -(-len(NEW) // 120)
    assert board.runs == NEW


def test_chunked_with_an_md5_refuses_another_image_at_the_end(ear: Ear, start: StartBoard) -> None:
    start(ChunkedBoard, CHIP, wants_md5=True)
    hear(ear, "ready")
    send(ear, b"md5:" + b"0" * 32)
    send(ear, size_frame(len(NEW)))
    hear(ear, "ok")
    send_chunks(ear, CHIP, chunk_frames(NEW))
    hear(ear, "end-fail")


def test_chunked_makes_its_id_of_the_makers_half_of_the_mac_without_padding() -> None:
    assert chip_id("24:0a:c4:11:22:33") == chip_id("24:0a:c4:44:55:66") == CHIP
    assert chip_id("24:0a:04:11:22:33") == "esp32-40a24"


@pytest.mark.parametrize("word", ["len-fail", "size-mismatch", "md5-fail"])
def test_a_chunk_that_a_fault_refuses_may_be_sent_again(ear: Ear, start: StartBoard, word: str) -> None:
    board = start(ChunkedBoard, CHIP, faults=Faults(answer_at=(3, word)))
    open_transfer(ear)
    frames = chunk_frames(NEW)
    send_chunks(ear, CHIP, frames[:3])
    hear(ear, word)
    send_chunks(ear, CHIP, frames[2:])
    hear(ear, "success")
    board.wait_for("powerless", cause="update")
    assert board.runs == NEW


@pytest.mark.parametrize("word", ["write-fail", "end-fail"])
def test_a_board_that_a_fault_breaks_stays_broken(ear: Ear, start: StartBoard, word: str) -> None:
    start(ChunkedBoard, CHIP, faults=Faults(answer_at=(2, word)))
    open_transfer(ear)
    frames = chunk_frames(NEW)
    send_chunks(ear, CHIP, frames[:2])
    hear(ear, word)
    send(ear, frames[1])
    hear(ear, "write-fail")


def test_a_lost_answer_was_written_and_a_lost_chunk_was_not(ear: Ear, start: StartBoard) -> None:
    board = start(ChunkedBoard, CHIP, faults=Faults(lose_answer=2, lose_message=4))
    open_transfer(ear)
    frames = chunk_frames(NEW)
    send(ear, frames[0])
    hear(ear, "ok")
    send(ear, frames[1])
    board.wait_for("lost", answer="ok")
    send(ear, frames[2])
    hear(ear, "ok")
    send(ear, frames[3])
    board.wait_for("lost", step=4)
    send_chunks(ear, CHIP, frames[3:])
    hear(ear, "success")
    board.wait_for("powerless", cause="update")
    assert board.runs == NEW


def test_an_answer_may_be_said_twice(ear: Ear, start: StartBoard) -> None:
    start(ChunkedBoard, CHIP, faults=Faults(repeat_answer=0))
    open_transfer(ear)
    hear(ear, "ok")


def test_a_silent_board_hears_nothing_until_it_restarts(ear: Ear, start: StartBoard) -> None:
    board = start(ChunkedBoard, CHIP, faults=Faults(silent_at=2))
    open_transfer(ear)
    frames = chunk_frames(NEW)
    send(ear, frames[0])
    hear(ear, "ok")
    for step in (2, 3):
        send(ear, frames[1])
        board.wait_for("lost", step=step)
    board.power_cycle()
    flash_chunked(ear, CHIP, NEW)


def test_a_power_cut_keeps_the_old_image_and_may_happen_once(ear: Ear, start: StartBoard) -> None:
    board = start(ChunkedBoard, CHIP, faults=Faults(power_cut=4096))
    open_transfer(ear)
    for frame in chunk_frames(NEW)[:20]:
        send(ear, frame)
        hear(ear, "ok")
    send(ear, chunk_frames(NEW)[20])
    board.wait_for("powerless", cause="power_cut")
    assert board.runs == OLD
    flash_chunked(ear, CHIP, NEW)


def test_a_board_may_come_back_with_its_old_image(ear: Ear, start: StartBoard) -> None:
    board = start(ChunkedBoard, CHIP, faults=Faults(comes_back_old=True))
    flash_chunked(ear, CHIP, NEW)
    hear(ear, "ready")
    assert board.runs == OLD


def test_a_board_may_never_come_back(ear: Ear, start: StartBoard) -> None:
    board = start(ChunkedBoard, CHIP, faults=Faults(never_comes_back=True))
    flash_chunked(ear, CHIP, NEW)
    assert board.wait_for("powerless")["seconds"] is None


def test_a_slow_board_takes_its_time_over_each_message(ear: Ear, start: StartBoard) -> None:
    start(ChunkedBoard, CHIP, faults=Faults(slow=0.05))
    begun = time.monotonic()
    open_transfer(ear)
    send_chunks(ear, CHIP, [*chunk_frames(NEW)[:3], b""])
    hear(ear, "len-fail")
    assert time.monotonic() - begun >= 5 * 0.05


def test_two_boards_with_one_id_throw_each_other_off_their_broker(ear: Ear, start: StartBoard) -> None:
    for _ in range(2):
        start(ChunkedBoard, CHIP)
    for _ in range(6):
        hear(ear, "ready")


def test_a_board_waits_for_a_broker_that_is_away(broker: Mosquitto, ear: Ear, start: StartBoard) -> None:
    board = start(ChunkedBoard, CHIP)
    broker.stop()
    broker.start()
    board.wait_for("connected")
    assert board.boots == 1


def test_a_board_keeps_what_it_runs_in_its_folder(broker: Mosquitto, ear: Ear, tmp_path: Path) -> None:
    settings = Settings(host=broker.host, port=broker.port, client_id=CHIP, image=OLD, state=tmp_path)
    board = ChunkedBoard(settings)
    board.start()
    flash_chunked(ear, CHIP, NEW)
    hear(ear, "ready")
    board.stop()
    assert ChunkedBoard(settings).runs == NEW


@pytest.mark.parametrize(("rest", "header"), [(116, 2), (116 + 8, 3)])
def test_a_packet_is_measured_as_on_the_wire(rest: int, header: int) -> None:
    # 2 bytes of length and 6 of topic come before the payload.
    assert packet_size("abcdef", bytes(rest), 0) == header + 8 + rest
    assert packet_size("abcdef", bytes(rest), 1) == 1 + (1 if rest + 10 < 128 else 2) + 10 + rest


def test_faults_of_a_command_line() -> None:
    faults = Faults.parse(["power_cut=9", "answer_at=3:md5-fail", "slow=0.5", "comes_back_old"])
    assert faults == Faults(power_cut=9, answer_at=(3, "md5-fail"), slow=0.5, comes_back_old=True)
    for wrong in ("no_such", "power_cut", "comes_back_old=1", "power_cut=x"):
        with pytest.raises(ValueError, match=r"No such fault|invalid literal"):
            Faults.parse([wrong])

"""The chunked dialect against the fake board on a bench: what is written is right, or nothing is written."""

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.mqtt_ota.ota.board import Availability, Board, Transport
from custom_components.mqtt_ota.ota.chunk_transfer import PROBES, PROBES_FIRST, REPEATS, RESTARTS, Step
from custom_components.mqtt_ota.ota.chunks import LARGEST, MOST, NO_ROOM, chunk_frame, chunk_sizes, misfit, size_frame
from custom_components.mqtt_ota.ota.crowd import CONNECTIONS, SECONDS, Crowds
from custom_components.mqtt_ota.ota.dialects import Announcement, Clear, Ignored, Message, Publish, StopBlocks, Traits
from custom_components.mqtt_ota.ota.dialects.chunked import KIND, WORDS, ChunkedDialect
from custom_components.mqtt_ota.ota.dialects.settings import SettingError
from custom_components.mqtt_ota.ota.errors import OtaError, Reason
from custom_components.mqtt_ota.ota.session import PATIENCE, Session, State
from tests.firmware_images import build_app
from tests.seeds.faults import Faults
from tests.seeds.uploaders import chunk_frames

from .chunked import CHIP, FEEDBACK, NEW, OLD, TOPIC, Bench

CHUNKED = ChunkedDialect()


def said(word: str, *, board_id: str = CHIP, retain: bool = False, at: float = 0.0) -> Message:
    return Message(f"ota/feedback/{board_id}", word.encode(), retain, at)


def set_up(**changes: Any) -> ChunkedDialect:
    dialect = KIND.build("chunked.1", changes)
    assert isinstance(dialect, ChunkedDialect)
    return dialect


def in_the_middle(chunks: int = 10, **options: Any) -> Bench:
    """Return a bench whose board has so many chunks, while the next one is under way."""
    bench = Bench(**options).begin()
    while len(bench.chunks) <= chunks:
        assert bench.step()
    return bench


def verdict(bench: Bench) -> tuple[State, Reason | None]:
    session = bench.finish()
    return session.state, session.reason


# What a message is


def test_it_needs_no_configuration() -> None:
    assert (CHUNKED.key, CHUNKED.name) == ("chunked", "chunked")
    assert CHUNKED.topics() == (("ota/feedback/+", 0),)
    assert CHUNKED.boards() == ()
    assert CHUNKED.traits == Traits.PROGRESS


@pytest.mark.parametrize("word", sorted(WORDS))
@pytest.mark.parametrize("retain", [True, False])
def test_any_word_tells_of_a_board_and_only_a_live_one_moves_a_session(word: str, retain: bool) -> None:
    reading = CHUNKED.read(said(word, retain=retain), None)
    assert isinstance(reading, Announcement)
    assert (reading.board.id, reading.board.dialect, reading.board.version) == (CHIP, "chunked", "")
    assert reading.is_answer is not retain
    assert not reading.board.tells_what_runs


@pytest.mark.parametrize("chip_id", ["esp32-0", "esp32-a", "esp32-c40a24", "esp32-ffffff"])
def test_a_chip_id_is_that_of_a_board(chip_id: str) -> None:
    assert CHUNKED.board_id(said("ready", board_id=chip_id)) == chip_id


@pytest.mark.parametrize(
    "chip_id",
    ["", "esp32-", "esp32-00", "esp32-0a", "esp32-C40A24", "esp32-1234567", "esp32-g", "esp8266-a", "feedback", "a/b"],
)
def test_another_id_is_that_of_no_board(chip_id: str) -> None:
    message = said("ready", board_id=chip_id)
    assert CHUNKED.board_id(message) is None
    assert isinstance(CHUNKED.read(message, None), Ignored)


@pytest.mark.parametrize("payload", [b"", b"Ready", b"ok ", b"okay", b"\xff\xfe", b"x" * 100_000])
def test_another_word_is_none(payload: bytes) -> None:
    assert isinstance(CHUNKED.read(Message(FEEDBACK, payload), None), Ignored)


def test_topics_of_the_user_take_any_id() -> None:
    dialect = set_up(command_topic="home/{id}/ota", feedback_topic="home/{id}/said", model="lamp", chip="ESP32-C3")
    assert dialect.topics() == (("home/+/said", 0),)
    message = Message("home/Lamp_1/said", b"ready")
    assert dialect.board_id(message) == "Lamp_1"
    reading = dialect.read(message, None)
    assert isinstance(reading, Announcement)
    assert (reading.board.dialect, reading.board.model, reading.board.chip) == ("chunked.1", "lamp", "ESP32-C3")
    (clear,) = dialect.forget(reading.board)
    assert clear == Clear("home/Lamp_1/said")


@pytest.mark.parametrize("key", ["command_topic", "feedback_topic"])
def test_topics_that_are_the_same_for_all_boards_are_refused(key: str) -> None:
    with pytest.raises(SettingError) as caught:
        set_up(**{key: "ota/all"})
    assert (caught.value.key, caught.value.reason) == (key, "id_missing")


def test_what_was_learned_of_a_board_outlives_its_words() -> None:
    known = Board(id=CHIP, dialect="chunked", block_size=120)
    reading = CHUNKED.read(said("ok"), known)
    assert isinstance(reading, Announcement)
    assert reading.board.block_size == 120


def test_there_is_one_way_to_a_board() -> None:
    assert CHUNKED.transport(Board(id=CHIP, dialect="chunked"), Transport.HTTP) is Transport.BLOCKS


# Frames and sizes


@pytest.mark.parametrize("size", [200, 120, 7])
def test_frames_are_those_of_the_reference_uploader(size: int) -> None:
    frames = [chunk_frame(NEW, start, min(size, len(NEW) - start), size) for start in range(0, len(NEW), size)]
    assert frames == chunk_frames(NEW, size)
    assert size_frame(len(NEW)) == len(NEW).to_bytes(4, "big")


def test_the_question_is_a_size_that_no_partition_has() -> None:
    size = int.from_bytes(NO_ROOM, "big")
    # ESP-IDF reads these two as "as large as there is room".
    assert len(NO_ROOM) == 4
    assert 1 << 28 < size < 0xFFFFFFFE


@pytest.mark.parametrize(
    ("largest", "topic", "proven", "sizes"),
    [
        (200, TOPIC, 0, (200, 120, 60)),
        (200, TOPIC, 120, (200, 120, 60)),
        (100, TOPIC, 0, (100, 60)),
        (200, "x" * 100, 0, (129, 120, 60)),
        (200, "x" * 220, 0, (16,)),
        (1024, TOPIC, 0, (1024, 512, 256, 200, 120, 60)),
        (1024, TOPIC, 1024, (1024, 512, 256, 200, 120, 60)),
        (1024, TOPIC, 200, (1024, 200, 120, 60)),
        (1024, TOPIC, 512, (1024, 512, 256, 200, 120, 60)),
        (200, TOPIC, 1024, (200, 120, 60)),
        (20, TOPIC, 0, (20,)),
    ],
)
def test_sizes_are_tried_from_the_largest(largest: int, topic: str, proven: int, sizes: tuple[int, ...]) -> None:
    assert chunk_sizes(largest, topic, proven) == sizes


@given(st.integers(20, LARGEST), st.text(min_size=1, max_size=264), st.integers(0, LARGEST))
def test_there_is_always_a_size_to_try(largest: int, topic: str, proven: int) -> None:
    sizes = chunk_sizes(largest, topic, proven)
    assert sizes
    assert sorted(set(sizes), reverse=True) == list(sizes)
    assert 0 < sizes[-1] <= sizes[0] <= largest
    # What is too large vanishes unacknowledged, and no more than a few may.
    assert len(sizes) <= 12


def test_an_image_with_more_chunks_than_can_be_counted_is_refused() -> None:
    dialect = set_up(chunk_size=20)
    board, image = Board(id=CHIP, dialect=dialect.key), bytes(20 * MOST + 1)
    session = Bench().session
    with pytest.raises(OtaError) as caught:
        dialect.prepare(session, board, image)
    assert (caught.value.reason, caught.value.placeholders["chunk"]) == (Reason.TOO_MANY_CHUNKS, "20")
    dialect.prepare(session, board, image[:-1])
    assert session.memo["sizes"] == [20]


def test_sizes_of_which_there_would_be_too_many_chunks_are_not_tried() -> None:
    session = Bench().session
    CHUNKED.prepare(session, Board(id=CHIP, dialect="chunked"), bytes(60 * MOST + 1))
    assert session.memo["sizes"] == [200, 120]


# A transfer


def test_an_image_is_written_and_the_board_comes_back() -> None:
    bench = Bench().begin()
    assert verdict(bench) == (State.UNVERIFIED, None)
    assert bench.device.runs == NEW
    assert b"".join(bench.device.writes) == NEW
    assert bench.session.held == len(NEW)
    assert bench.chunks == chunk_frames(NEW)
    assert bench.ignored == []


def test_one_chunk_is_under_way_and_the_rest_is_acknowledged() -> None:
    bench = Bench().begin()
    for _ in range(60):
        bench.step()
        assert bench.session.held in {0, *range(0, len(NEW), 200)}
        assert bench.session.held <= len(bench.device.appended)
        assert len(bench.device.appended) - bench.session.held <= 200


@pytest.mark.parametrize(("buffer_size", "size"), [(256, 200), (235, 120), (200, 120), (128, 60)])
def test_chunks_are_as_large_as_the_board_takes(buffer_size: int, size: int) -> None:
    bench = Bench(buffer_size=buffer_size).begin()
    assert verdict(bench) == (State.UNVERIFIED, None)
    assert bench.device.runs == NEW
    assert (bench.session.memo["size"], bench.board.block_size) == (size, size)


@pytest.mark.parametrize(("buffer_size", "size"), [(256, 200), (512, 256), (1024, 512), (4096, 1024)])
def test_chunks_grow_as_far_as_the_user_allows_and_the_board_takes(buffer_size: int, size: int) -> None:
    bench = Bench(buffer_size=buffer_size, dialect=set_up(chunk_size=1024)).begin()
    assert verdict(bench) == (State.UNVERIFIED, None)
    assert bench.device.runs == NEW
    assert bench.board.block_size == size


def test_what_worked_is_tried_right_after_the_largest() -> None:
    bench = Bench(buffer_size=256, dialect=set_up(chunk_size=1024), proven=200).begin()
    bench.finish()
    assert [len(payload) for payload in bench.sent[:3]] == [4, 1044, 220]


def test_no_byte_is_written_to_find_the_size() -> None:
    bench = Bench(buffer_size=200).begin()
    bench.settle()
    bench.wait()
    bench.step()
    assert bench.device.appended == b""
    assert bench.sent == [size_frame(len(NEW)), misfit(200), misfit(120)]


def test_a_board_that_takes_no_size_at_all_is_given_up() -> None:
    bench = Bench(buffer_size=60).begin()
    assert verdict(bench) == (State.FAILED, Reason.STUCK)
    assert bench.session.detail == "it takes no chunk of 60 bytes"


def test_a_sibling_hears_the_digest_before_the_size() -> None:
    bench = Bench(dialect=set_up(wants_md5=True), wants_md5=True).begin()
    assert bench.sent[0] == bench.session.target.digests[0].encode()
    assert verdict(bench) == (State.UNVERIFIED, None)
    assert bench.device.runs == NEW


def test_a_sibling_that_restarts_hears_the_digest_again() -> None:
    bench = in_the_middle(dialect=set_up(wants_md5=True), wants_md5=True)
    bench.lose_all()
    bench.device.power_on()
    assert verdict(bench) == (State.UNVERIFIED, None)
    assert bench.device.runs == NEW


# Words that refuse


def test_no_room_is_said_with_the_size() -> None:
    bench = Bench(slot_size=4096).begin()
    assert verdict(bench) == (State.FAILED, Reason.BOARD_REFUSED)
    assert "9216 bytes" in bench.session.detail
    assert bench.device.appended == b""


@pytest.mark.parametrize("word", ["len-fail", "size-mismatch", "md5-fail"])
@pytest.mark.parametrize("step", [2, 4, 20, 54])
def test_a_chunk_that_was_refused_is_sent_again(word: str, step: int) -> None:
    bench = Bench(faults=Faults(answer_at=(step, word))).begin()
    assert verdict(bench) == (State.UNVERIFIED, None)
    assert bench.device.runs == NEW


@pytest.mark.parametrize("word", ["size-mismatch", "md5-fail"])
def test_a_chunk_that_is_always_refused_is_given_up(word: str) -> None:
    bench = in_the_middle()
    bench.device.said.clear()
    for _ in range(REPEATS + 1):
        bench.outbox.clear()
        bench.hear(word)
        bench.settle(2)
    assert (bench.session.state, bench.session.reason) == (State.FAILED, Reason.BOARD_FAILED)
    assert bench.session.detail.startswith(word)


@pytest.mark.parametrize(("word", "reason"), [("write-fail", Reason.BOARD_FLASH), ("end-fail", Reason.BOARD_IMAGE)])
def test_a_board_that_is_broken_until_it_restarts_says_so(word: str, reason: Reason) -> None:
    bench = Bench(faults=Faults(answer_at=(20, word))).begin()
    assert verdict(bench) == (State.FAILED, reason)
    assert bench.session.detail == f"{word}; switch it off and on before the next try"
    again = Bench(faults=None)
    again.device = bench.device
    assert verdict(again.begin()) == (State.FAILED, Reason.STUCK)
    again.device.power_on()
    third = Bench()
    third.device = bench.device
    assert verdict(third.begin()) == (State.UNVERIFIED, None)
    assert bench.device.runs == NEW


@pytest.mark.parametrize("word", ["write-fail", "end-fail", "success"])
def test_the_end_of_a_transfer_that_is_not_ours_is_left_alone(word: str) -> None:
    bench = Bench().begin()
    bench.hear(word)
    assert bench.session.state is State.OFFERED
    assert bench.ignored == [f"it says {word} when nothing asks for that"]
    assert verdict(bench) == (State.UNVERIFIED, None)


@pytest.mark.parametrize("word", ["size-mismatch", "md5-fail"])
def test_a_word_that_cannot_be_an_answer_to_the_size_is_left_alone(word: str) -> None:
    bench = Bench().begin()
    bench.hear(word)
    assert verdict(bench) == (State.UNVERIFIED, None)


def test_success_in_the_middle_is_not_the_end() -> None:
    bench = in_the_middle()
    bench.hear("success")
    assert bench.session.state is State.TRANSFERRING


def test_begin_fail_in_the_middle_is_left_alone_where_nothing_was_asked() -> None:
    bench = in_the_middle()
    bench.hear("begin-fail")
    assert verdict(bench) == (State.UNVERIFIED, None)


def test_another_open_transfer_is_not_touched() -> None:
    bench = Bench()
    bench.device.take(size_frame(len(NEW)))
    bench.device.said.clear()
    assert verdict(bench.begin()) == (State.FAILED, Reason.STUCK)
    assert bench.device.appended == b""


def test_a_board_that_was_cancelled_in_the_middle_must_be_switched_off_and_on() -> None:
    bench = in_the_middle()
    assert CHUNKED.cancel(bench.session, bench.board, bench.clock) == [StopBlocks()]
    bench.session.cancel(bench.clock)
    bench.settle()
    again = Bench()
    again.device = bench.device
    assert verdict(again.begin()) == (State.FAILED, Reason.STUCK)


# Silence


def test_a_size_that_was_lost_is_sent_again() -> None:
    bench = Bench(faults=Faults(lose_message=0)).begin()
    assert verdict(bench) == (State.UNVERIFIED, None)
    assert bench.device.runs == NEW


def test_a_lost_answer_to_the_size_leaves_a_transfer_that_nobody_knows() -> None:
    bench = Bench(faults=Faults(lose_answer=0)).begin()
    assert verdict(bench) == (State.FAILED, Reason.STUCK)


def test_a_lost_question_is_asked_again() -> None:
    for fault in (Faults(lose_message=3), Faults(lose_answer=3)):
        bench = Bench(faults=fault).begin()
        assert verdict(bench) == (State.UNVERIFIED, None)
        assert bench.device.runs == NEW


@pytest.mark.parametrize("is_written", [True, False])
@pytest.mark.parametrize("step", [2, 4, 20, 53])
def test_a_chunk_whose_answer_never_came_is_neither_sent_again_nor_left_out(is_written: bool, step: int) -> None:
    bench = Bench(faults=Faults(lose_answer=step) if is_written else Faults(lose_message=step)).begin()
    assert verdict(bench) == (State.FAILED, Reason.STUCK)
    assert NEW.startswith(bench.device.appended)
    assert bench.device.runs == OLD


def test_an_answer_that_is_only_late_is_heard() -> None:
    bench = in_the_middle()
    bench.wait()
    assert bench.session.memo["step"] == Step.PROBE
    assert verdict(bench) == (State.UNVERIFIED, None)
    assert bench.device.runs == NEW


def test_a_refusal_that_is_only_late_is_heard() -> None:
    bench = in_the_middle()
    bench.lose_all()
    bench.wait()
    bench.hear("md5-fail")
    assert verdict(bench) == (State.UNVERIFIED, None)
    assert bench.device.runs == NEW


def test_a_late_answer_to_the_size_is_heard() -> None:
    bench = Bench().begin()
    bench.wait()
    assert verdict(bench) == (State.UNVERIFIED, None)
    assert bench.device.runs == NEW


def test_answers_to_many_questions_may_all_come_late() -> None:
    bench = in_the_middle()
    for _ in range(4):
        bench.wait()
    assert verdict(bench) == (State.UNVERIFIED, None)
    assert bench.device.runs == NEW


def test_a_board_that_says_nothing_to_the_size_is_given_up_soon() -> None:
    bench = Bench()
    bench.device.is_on = False
    assert verdict(bench.begin()) == (State.FAILED, Reason.NO_ANSWER)
    assert len(bench.sent) == 1 + PROBES_FIRST
    assert bench.clock < 60


def test_a_board_that_is_gone_in_the_middle_is_given_up_later() -> None:
    bench = in_the_middle()
    bench.lose_all()
    bench.device.is_on = False
    assert verdict(bench) == (State.FAILED, Reason.STUCK)
    assert bench.session.detail == "it fell silent"
    assert bench.sent[-PROBES:] == [NO_ROOM] * PROBES


# Restarts of the board


def test_a_board_that_lost_its_power_begins_again() -> None:
    bench = in_the_middle()
    bench.lose_all()
    bench.device.power_on()
    assert verdict(bench) == (State.UNVERIFIED, None)
    assert bench.device.runs == NEW


def test_a_board_whose_coming_back_was_not_heard_begins_again() -> None:
    bench = in_the_middle()
    bench.lose_all()
    bench.device.power_on()
    bench.lose_all()
    assert verdict(bench) == (State.UNVERIFIED, None)
    assert bench.device.runs == NEW


def test_questions_of_before_the_restart_do_not_confuse_the_new_beginning() -> None:
    bench = in_the_middle()
    bench.lose_all()
    bench.wait()
    bench.wait()
    bench.device.power_on()
    assert verdict(bench) == (State.UNVERIFIED, None)
    assert bench.device.runs == NEW


def test_a_board_that_restarts_again_and_again_is_given_up() -> None:
    bench = in_the_middle()
    for number in range(RESTARTS):
        bench.lose_all()
        bench.clock += SECONDS
        bench.device.power_on()
        while bench.session.memo["restarts"] == number:
            assert bench.step()
    bench.lose_all()
    bench.clock += SECONDS
    bench.device.power_on()
    assert verdict(bench) == (State.FAILED, Reason.BOARD_FAILED)
    assert bench.session.detail == f"it was idle again {RESTARTS + 1} times"


def test_ready_in_the_middle_is_not_the_end_of_a_transfer() -> None:
    bench = in_the_middle()
    # The chunk is written, and its word comes after the one of the new connection.
    bench.device.connect()
    assert verdict(bench) == (State.UNVERIFIED, None)
    assert bench.device.runs == NEW


def test_a_chunk_that_a_new_connection_swallowed_is_not_guessed() -> None:
    bench = in_the_middle()
    bench.lose_all()
    bench.device.connect()
    assert verdict(bench) == (State.FAILED, Reason.STUCK)
    assert NEW.startswith(bench.device.appended)


def test_a_new_connection_while_nothing_is_owed_costs_nothing() -> None:
    bench = Bench().begin()
    while bench.session.memo["step"] != Step.PROBE:
        bench.step()
    bench.lose_all()
    bench.device.connect()
    assert verdict(bench) == (State.UNVERIFIED, None)
    assert bench.device.runs == NEW


def test_a_board_may_connect_while_the_size_is_on_its_way() -> None:
    bench = Bench().begin()
    bench.device.connect()
    assert verdict(bench) == (State.UNVERIFIED, None)
    assert bench.device.runs == NEW


def test_a_board_that_restarts_while_its_room_is_measured_is_noticed() -> None:
    bench = Bench().begin()
    while bench.session.memo["step"] != Step.MEASURE:
        bench.step()
    bench.device.power_on()
    bench.lose_all()
    assert verdict(bench) == (State.UNVERIFIED, None)
    assert bench.device.runs == NEW


# The end


def at_the_end(**options: Any) -> Bench:
    """Return a bench whose last chunk is under way."""
    return in_the_middle(len(chunk_frames(NEW)) - 1, **options)


def test_a_board_that_never_comes_back_is_said_not_to() -> None:
    bench = Bench(faults=Faults(never_comes_back=True)).begin()
    assert verdict(bench) == (State.FAILED, Reason.NEVER_RETURNED)
    assert bench.clock >= PATIENCE[State.REBOOTING]


def test_a_board_whose_ready_was_lost_is_found_all_the_same() -> None:
    bench = at_the_end()
    bench.step()
    while bench.device.said[0] != "success":
        bench.step()
    bench.step()
    assert bench.session.state is State.REBOOTING
    bench.lose_all()
    assert verdict(bench) == (State.UNVERIFIED, None)
    assert bench.session.detail == ""


def test_other_words_do_not_end_a_restart() -> None:
    bench = at_the_end()
    while bench.session.state is not State.REBOOTING:
        bench.step()
    for word in sorted(WORDS - {"ready", "begin-fail"}):
        bench.hear(word)
    assert bench.session.state is State.REBOOTING


def test_a_lost_success_rests_on_the_restart_and_says_so() -> None:
    bench = at_the_end()
    bench.step()
    bench.device.said.remove("success")
    assert verdict(bench) == (State.UNVERIFIED, None)
    assert bench.session.detail == "it restarted after the last chunk; that all is well was not heard"
    assert bench.device.runs == NEW


def test_ready_after_the_last_chunk_is_no_end_where_the_transfer_is_open() -> None:
    bench = at_the_end()
    bench.lose_all()
    bench.device.connect()
    assert verdict(bench) == (State.FAILED, Reason.STUCK)
    assert bench.device.runs == OLD


def test_ok_to_the_last_chunk_is_another_ones() -> None:
    bench = at_the_end()
    bench.hear("ok")
    assert bench.session.state is State.TRANSFERRING
    assert bench.session.held < len(NEW)
    assert verdict(bench) == (State.UNVERIFIED, None)


# Words that come twice


def test_words_that_all_come_twice_never_send_two_chunks_ahead() -> None:
    bench = Bench()
    bench.copies = 2
    bench.begin()
    while bench.session.is_active:
        assert bench.step()
        waiting = [payload for payload in bench.outbox if payload in bench.chunks]
        assert len(waiting) <= 1
    assert bench.session.state is State.UNVERIFIED
    assert bench.device.runs == NEW
    assert len(bench.chunks) == len(chunk_frames(NEW))


@pytest.mark.parametrize("step", range(56))
def test_one_word_that_comes_twice_costs_nothing_but_time(step: int) -> None:
    bench = Bench(faults=Faults(repeat_answer=step)).begin()
    assert verdict(bench) == (State.UNVERIFIED, None)
    assert bench.device.runs == NEW
    assert len(bench.chunks) == len(chunk_frames(NEW))


@pytest.mark.parametrize("step", [4, 8, 20])
def test_a_refusal_in_words_that_come_twice_is_right(step: int) -> None:
    bench = Bench(faults=Faults(answer_at=(step, "md5-fail")))
    bench.copies = 2
    assert verdict(bench.begin()) == (State.UNVERIFIED, None)
    assert bench.device.runs == NEW


def test_a_chunk_that_is_refused_and_taken_ends_the_update() -> None:
    bench = in_the_middle()
    bench.lose_all()
    # One word too many came before: which chunk was refused is not known any more.
    bench.hear("md5-fail")
    bench.hear("ok")
    assert verdict(bench) == (State.FAILED, Reason.STUCK)


# Several boards with one id


def test_a_crowd_is_said_once_without_an_update() -> None:
    dialect = ChunkedDialect()
    readings = [dialect.read(said("ready", at=number * 0.5), None) for number in range(20)]
    ignored = [number for number, reading in enumerate(readings) if isinstance(reading, Ignored)]
    assert ignored == [CONNECTIONS - 1]


@pytest.mark.parametrize("retain", [True, False])
def test_connections_over_a_long_time_are_no_crowd(retain: bool) -> None:
    dialect = ChunkedDialect()
    for number in range(20):
        message = said("ready", retain=retain, at=0.0 if retain else number * SECONDS / 3)
        assert isinstance(dialect.read(message, None), Announcement)


def test_an_update_of_a_crowd_is_ended_with_the_reason() -> None:
    bench = in_the_middle()
    for _ in range(CONNECTIONS + 1):
        bench.lose_all()
        bench.device.connect()
        bench.step()
    assert (bench.session.state, bench.session.reason) == (State.FAILED, Reason.SHARED_ID)
    again = Bench(dialect=bench.dialect)
    again.clock = bench.clock
    again.begin()
    assert (again.session.state, again.session.reason, again.sent) == (State.FAILED, Reason.SHARED_ID, [])
    later = Bench(dialect=bench.dialect)
    later.clock = bench.clock + 2 * SECONDS
    assert verdict(later.begin()) == (State.UNVERIFIED, None)


def test_crowds_keep_few_names() -> None:
    crowds = Crowds()
    for number in range(10_000):
        crowds.connected(f"board-{number}", 0)
    assert len(crowds._seen) == 256
    for _ in range(CONNECTIONS - 1):
        assert not crowds.connected("board-9999", 0) or crowds.is_crowd("board-9999", 0)
    assert crowds.is_crowd("board-9999", 0)
    assert not crowds.is_crowd("board-1", 0)


# What the broker remembers, and restarts of Home Assistant


@pytest.mark.parametrize("word", sorted(WORDS))
@pytest.mark.parametrize("chunks", [0, 10, 46])
def test_a_remembered_word_never_moves_a_transfer(word: str, chunks: int) -> None:
    bench = in_the_middle(chunks)
    sent, state = len(bench.sent), bench.session.stored(0)
    bench.hear(word, retain=True)
    assert len(bench.sent) == sent
    assert bench.session.stored(0) == state


@pytest.mark.parametrize("chunks", [0, 3, 10, 46])
def test_a_restart_that_waits_for_the_last_answer_goes_on_where_it_was(chunks: int) -> None:
    bench = in_the_middle(chunks)
    bench.restart(clean=True)
    assert not bench.session.interrupted
    assert verdict(bench) == (State.UNVERIFIED, None)
    assert bench.device.runs == NEW
    assert len(bench.chunks) == len(chunk_frames(NEW))


@pytest.mark.parametrize("step", [Step.MEASURE, Step.PROBE])
def test_a_restart_while_nothing_is_owed_goes_on_where_it_was(step: Step) -> None:
    bench = Bench().begin()
    while bench.session.memo["step"] != step:
        bench.step()
    bench.restart(clean=True)
    assert verdict(bench) == (State.UNVERIFIED, None)
    assert bench.device.runs == NEW
    assert len(bench.chunks) == len(chunk_frames(NEW))


def test_a_board_that_connects_before_the_first_look_after_a_restart_goes_on() -> None:
    bench = in_the_middle()
    bench.restart(clean=True)
    bench.device.connect()
    assert verdict(bench) == (State.UNVERIFIED, None)
    assert bench.device.runs == NEW


def test_the_room_that_was_measured_during_a_stop_is_kept() -> None:
    bench = Bench().begin()
    while bench.session.memo["step"] != Step.MEASURE:
        bench.step()
    assert CHUNKED.rest(bench.session)
    bench.settle()
    assert bench.chunks == []
    assert verdict(bench) == (State.UNVERIFIED, None)


def test_a_restart_that_comes_unforeseen_never_guesses() -> None:
    bench = in_the_middle()
    bench.restart(clean=False)
    assert bench.session.interrupted
    assert verdict(bench) == (State.FAILED, Reason.STUCK)
    assert NEW.startswith(bench.device.appended)


def test_an_old_memo_is_not_believed() -> None:
    bench = Bench().begin()
    while bench.session.memo["step"] != Step.PROBE:
        bench.step()
    stored = bench.session.stored(bench.clock)
    bench.settle(40)
    bench.lose_all()
    bench.session = Session.restored(stored, bench.clock)
    bench.hear("ok")
    assert verdict(bench) == (State.FAILED, Reason.STUCK)
    assert NEW.startswith(bench.device.appended)


def test_a_board_that_restarted_too_begins_again() -> None:
    bench = in_the_middle()
    bench.restart(clean=False)
    bench.device.power_on()
    assert verdict(bench) == (State.UNVERIFIED, None)
    assert bench.device.runs == NEW


def test_success_after_an_unforeseen_restart_is_heard() -> None:
    bench = at_the_end()
    stored = bench.session.stored(bench.clock)
    bench.session = Session.restored(stored, bench.clock)
    assert verdict(bench) == (State.UNVERIFIED, None)
    assert bench.device.runs == NEW


def test_a_board_that_came_back_while_home_assistant_was_away_is_found() -> None:
    bench = at_the_end()
    while bench.session.state is not State.REBOOTING:
        bench.step()
    bench.restart(clean=True)
    bench.hear("ready", retain=True)
    assert bench.session.is_active
    assert verdict(bench) == (State.UNVERIFIED, None)


# The queue, and what nobody expects


@pytest.mark.parametrize("word", sorted(WORDS))
def test_words_before_the_beginning_move_nothing(word: str) -> None:
    bench = Bench()
    bench.hear(word)
    assert (bench.session.state, bench.sent) == (State.QUEUED, [])
    assert CHUNKED.tick(bench.session, bench.board, 1) == []
    assert CHUNKED.rest(bench.session)


def test_a_session_that_waited_too_long_ends() -> None:
    bench = Bench()
    bench.session.wait(1)
    bench.hear("ok")
    assert bench.sent == []
    CHUNKED.tick(bench.session, bench.board, 2)
    assert bench.session.reason is Reason.WAITED_TOO_LONG


def test_a_second_try_of_the_same_session_begins_anew() -> None:
    bench = Bench()
    bench.session.retries = 1
    bench.device.is_on = False
    bench.begin()
    while bench.session.state is not State.QUEUED:
        bench.settle()
        bench.wait()
    bench.device.is_on = True
    bench.lose_all()
    assert verdict(bench.begin()) == (State.UNVERIFIED, None)
    assert bench.device.runs == NEW


def test_coming_and_going_is_nothing_to_a_transfer() -> None:
    bench = in_the_middle()
    assert CHUNKED.presence(bench.session, bench.board, Availability.ONLINE, 1) == []


@given(st.binary(max_size=64), st.sampled_from([FEEDBACK, TOPIC, "ota/feedback/esp32-00", "x"]), st.booleans())
def test_no_bytes_raise(payload: bytes, topic: str, retain: bool) -> None:
    bench = in_the_middle()
    message = Message(topic, payload, retain, bench.clock)
    CHUNKED.read(message, bench.board)
    CHUNKED.receive(bench.session, bench.board, message, bench.clock)


def one_word_lost(bench: Bench, times: int) -> None:
    if bench.device.said:
        bench.device.said.popleft()


def one_message_lost(bench: Bench, times: int) -> None:
    if bench.outbox:
        bench.outbox.popleft()


def a_new_connection(bench: Bench, times: int) -> None:
    bench.clock += SECONDS
    bench.outbox.clear()
    bench.device.connect()


def no_power_for_a_moment(bench: Bench, times: int) -> None:
    bench.clock += SECONDS
    bench.outbox.clear()
    bench.device.power_on()


EVENTS = (
    Bench.settle,
    Bench.settle,
    Bench.settle,
    one_word_lost,
    one_message_lost,
    a_new_connection,
    no_power_for_a_moment,
    lambda bench, times: bench.wait(),
    lambda bench, times: bench.restart(clean=True),
    lambda bench, times: bench.restart(clean=False),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(1, 12)), max_size=60), st.sampled_from([256, 200, 128]))
def test_whatever_is_lost_the_board_has_the_beginning_of_the_image(
    events: list[tuple[Callable[[Bench, int], object], int]], buffer_size: int
) -> None:
    image = build_app(version="1.1.0", size=2048, seed=3)
    bench = Bench(image=image, buffer_size=buffer_size).begin()
    for event, times in events:
        if bench.session.is_active:
            event(bench, times)
        assert image.startswith(bench.device.appended)
    session = bench.finish()
    assert image.startswith(bench.device.appended)
    assert bench.device.runs in {OLD, image}
    if session.state is State.UNVERIFIED and not session.detail:
        assert bench.device.runs == image


@given(st.integers(0, 60), st.sampled_from(sorted(WORDS)))
def test_a_word_out_of_nowhere_never_makes_the_board_run_something_else(steps: int, word: str) -> None:
    bench = Bench(image=build_app(version="1.1.0", size=2048, seed=3)).begin()
    bench.settle(steps)
    if bench.session.is_active:
        bench.hear(word)
    bench.finish()
    assert bench.device.runs in {OLD, bench.image}


@pytest.mark.parametrize("copies", [1, 2])
def test_a_late_ok_to_a_session_that_was_called_off_begins_no_second_image_behind_the_first(copies: int) -> None:
    bench = Bench()
    bench.copies = copies
    bench.device.take(size_frame(len(NEW)))
    bench.device.take(chunk_frame(NEW, 0, 200, 200))
    assert list(bench.device.said) == ["ok", "ok"]
    # The first was heard before the session was called off; the other arrives in the next one.
    bench.device.said.popleft()
    assert verdict(bench.begin()) == (State.FAILED, Reason.STUCK)
    assert bench.device.appended == NEW[:200]


def test_what_is_sent_is_published_at_most_once_and_never_kept() -> None:
    bench = Bench()
    effects = CHUNKED.begin(bench.session, bench.board, 1)
    assert effects == [Publish(TOPIC, size_frame(len(NEW)), 0)]

"""Servers that answer otherwise than they were asked: what they send must not reach the flash."""

from dataclasses import dataclass
from http import HTTPStatus

from tests.board.house import House
from tests.board.test_board import BOARD, IMAGE, StartBoard, broker, house, pytestmark, start_board
from tests.board.web import Web, serve
from tests.firmware.test_vboard import board_program, vboard

__all__ = ["board_program", "broker", "house", "pytestmark", "start_board", "vboard"]


@dataclass(slots=True)
class AnotherRange(Web):
    """Goes on a little behind where it was asked to."""

    def answer(self, asked: str) -> tuple[HTTPStatus, int, bytes]:
        status, length, body = super(AnotherRange, self).answer(asked)
        return (status, length - 16, body[16:]) if asked else (status, length, body)


@dataclass(slots=True)
class NoImage(Web):
    """Has something to say, but no image."""

    def answer(self, asked: str) -> tuple[HTTPStatus, int, bytes]:
        _, length, body = super(NoImage, self).answer(asked)
        return HTTPStatus.MULTIPLE_CHOICES, length, body


def test_another_range_than_the_one_that_was_asked_for_is_not_taken(house: House, start_board: StartBoard) -> None:
    start_board()
    with serve(AnotherRange(IMAGE, cut_at=[10000])) as web:
        house.offer(BOARD, IMAGE, transport="http", url=web.url)
        assert house.wait_for("status", state="failed", reason="transport")["held"] == 8192
    assert web.asked == ["", "bytes=10000-"]


def test_an_answer_that_is_no_image_is_not_taken(house: House, start_board: StartBoard) -> None:
    start_board()
    with serve(NoImage(IMAGE)) as web:
        house.offer(BOARD, IMAGE, transport="http", url=web.url)
        assert house.wait_for("status", state="failed", reason="transport")["held"] == 0
    assert web.asked == [""]


def test_an_answer_that_is_no_image_is_not_asked_for_again_where_it_breaks_off(
    house: House, start_board: StartBoard
) -> None:
    start_board()
    with serve(NoImage(IMAGE, cut_at=[0])) as web:
        house.offer(BOARD, IMAGE, transport="http", url=web.url)
        assert house.wait_for("status", state="failed", reason="transport")["held"] == 0
    assert web.asked == [""]

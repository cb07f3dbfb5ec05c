"""What simple boards have in common: they are told, waited for, and given up in the end."""

import pytest

from custom_components.mqtt_ota.ota.board import Availability, Board, Encoding, Transport
from custom_components.mqtt_ota.ota.dialects import Block, Effect, Message, Publish, StopBlocks, Traits
from custom_components.mqtt_ota.ota.dialects.base import OFFERS, BaseDialect
from custom_components.mqtt_ota.ota.errors import Reason
from custom_components.mqtt_ota.ota.session import Session, State, Target

BOARD = Board(id="b-1", dialect="simple.1")
TARGET = Target(version="1.1.0", sha256="a" * 64, size=8)
GO: Effect = Publish("command", b"go")


class Simple(BaseDialect):
    """Boards that are told to go."""

    def begin(self, session: Session, board: Board, now: float) -> list[Effect]:
        session.offer(now)
        return [GO]


DIALECT = Simple("simple.1")


def a_session() -> Session:
    return Session.create("s", BOARD, TARGET, 0.0)


def test_a_simple_board_does_and_says_nothing() -> None:
    session = a_session()
    assert DIALECT.key == "simple.1"
    assert DIALECT.traits == Traits(0)
    assert DIALECT.boards() == ()
    assert DIALECT.transport(BOARD, Transport.HTTP) is Transport.BLOCKS
    DIALECT.prepare(session, BOARD, b"image")
    assert DIALECT.receive(session, BOARD, Message("t", b"p"), 1) == []
    assert DIALECT.fetched(session, BOARD, 4, 1) == []
    assert DIALECT.served(session, BOARD, None, 1) == []
    assert DIALECT.forget(BOARD) == []
    assert DIALECT.rest(session)
    assert DIALECT.cancel(session, BOARD, 1) == [StopBlocks()]
    assert DIALECT.frame(session, b"01234567", Block(2, 3, Encoding.RAW)) == b"234"
    assert session.memo == {}
    assert session.state is State.QUEUED


def test_nothing_moves_a_session_that_is_in_the_queue() -> None:
    session = a_session()
    assert DIALECT.tick(session, BOARD, 100) == []
    assert session.state is State.QUEUED


def test_a_board_that_anothers_trigger_starts_is_waited_for_in_silence() -> None:
    session = a_session()
    assert DIALECT.join_in(session, BOARD, 10) == []
    assert (session.state, session.wake_at) == (State.OFFERED, 10 + session.waits_for)


def test_an_offer_is_made_a_few_times_and_then_given_up() -> None:
    session = a_session()
    DIALECT.begin(session, BOARD, 0)
    for number in range(1, OFFERS):
        assert DIALECT.tick(session, BOARD, 100.0 * number) == [GO]
    assert DIALECT.tick(session, BOARD, 1000) == [StopBlocks()]
    assert (session.state, session.reason) == (State.FAILED, Reason.NO_ANSWER)


def test_a_board_that_never_comes_is_given_up() -> None:
    session = a_session()
    session.wait(0)
    assert DIALECT.tick(session, BOARD, 100_000) == [StopBlocks()]
    assert session.reason is Reason.WAITED_TOO_LONG


def test_a_board_that_comes_is_told_what_waits_for_it() -> None:
    session = a_session()
    session.wait(0)
    assert DIALECT.presence(session, BOARD, Availability.OFFLINE, 1) == []
    assert DIALECT.presence(session, BOARD, Availability.ONLINE, 2) == [GO]
    assert session.state is State.OFFERED
    assert DIALECT.presence(session, BOARD, Availability.ONLINE, 3) == []


def test_a_board_that_never_returns_is_given_up() -> None:
    session = a_session()
    DIALECT.begin(session, BOARD, 0)
    session.alive(State.REBOOTING, 1)
    assert DIALECT.tick(session, BOARD, 1000) == [StopBlocks()]
    assert session.reason is Reason.NEVER_RETURNED


@pytest.mark.parametrize("state", [State.TRANSFERRING, State.VERIFYING])
def test_a_board_that_falls_silent_in_the_middle_is_given_up(state: State) -> None:
    session = a_session()
    DIALECT.begin(session, BOARD, 0)
    session.alive(state, 1)
    assert DIALECT.tick(session, BOARD, 1000) == [StopBlocks()]
    assert session.reason is Reason.STALLED


def test_there_is_no_other_way_than_the_one_that_failed() -> None:
    session = a_session()
    DIALECT.begin(session, BOARD, 0)
    assert DIALECT.transport_failed(session, BOARD, Reason.NO_URL, 1, "why") == [StopBlocks()]
    assert (session.reason, session.detail) == (Reason.NO_URL, "why")

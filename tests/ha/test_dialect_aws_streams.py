"""Boards that take Home Assistant for AWS IoT, from the card to the verdict, and their bad days."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from custom_components.mqtt_ota import sessions
from custom_components.mqtt_ota.ota import session as session_module
from custom_components.mqtt_ota.ota.dialects import aws_streams
from custom_components.mqtt_ota.ota.session import Session, State
from custom_components.mqtt_ota.ota.state import PATIENCE
from homeassistant.components import mqtt
from homeassistant.components.mqtt import client
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from tests.firmware_images import build_app
from tests.seeds.aws_streams import AwsBoard
from tests.seeds.faults import Faults
from tests.seeds.settings import Settings

from .house import House, a_house

MEMBER = "aws_streams:hall"
OLD = build_app(version="1.0.0", size=8192, seed=1)
NEW = build_app(version="1.1.0", size=50_000, seed=2)


@pytest.fixture
def settings() -> dict[str, Any]:
    return {"model": "lamp"}


@pytest.fixture
async def house(
    hass: HomeAssistant,
    tmp_path: Path,
    settings: dict[str, Any],
    socket_enabled: None,
    mock_hass_config: None,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[House]:
    monkeypatch.setattr(aws_streams, "SILENT", 1.0)
    monkeypatch.setattr(aws_streams, "YOUNG", 0.5)
    for state in (State.OFFERED, State.TRANSFERRING, State.VERIFYING, State.REBOOTING):
        monkeypatch.setitem(PATIENCE, state, 1.0)
    monkeypatch.setattr(session_module, "DOUBT", 0.5)
    monkeypatch.setattr(client, "RECONNECT_INTERVAL_SECONDS", 1)
    monkeypatch.setattr(sessions, "SETTLE", 0.1)
    monkeypatch.setattr(sessions, "BROKER_GONE", 0.1)
    async with a_house(hass, tmp_path, dialects=({"dialect": "aws_streams"} | settings,), model="lamp") as house:
        await publish(house, "1.1.0", NEW)
        yield house


async def publish(house: House, version: str, image: bytes) -> None:
    house.publish_releases({"version": version, "image": image})
    await house.refresh()
    # What boards say is not retained: whoever does not listen yet misses it.
    await house.until(lambda: house.entry.runtime_data.sessions._broker.is_heard)


async def switch_on(
    house: House, faults: Faults | None = None, *, board_id: str = "hall", image: bytes = OLD, **options: Any
) -> AwsBoard:
    """Give a board power and wait until it was told that there is no job for it."""
    settings = Settings(host=house.broker.host, port=house.broker.port, client_id=board_id, image=image)
    board = AwsBoard(settings, faults, **options)
    house.boards.append(board)  # type: ignore[arg-type]
    board.start()
    await told(house, board, "job", execution=None)
    await house.until(lambda: f"aws_streams:{board_id}" in house.members)
    return board


async def told(house: House, board: AwsBoard, event: str, **fields: Any) -> Any:
    return await house.told(board, event, **fields)  # type: ignore[arg-type]


def session_of(house: House, member: str = MEMBER) -> Session:
    session = house.members[member].session
    assert session is not None
    return session


async def refused(house: House) -> str:
    """Install, and return why it failed."""
    with pytest.raises(HomeAssistantError) as caught:
        await house.install(MEMBER)
    assert caught.value.translation_key is not None
    return caught.value.translation_key


async def begin(house: House) -> None:
    data = {"entity_id": house.entity_id(MEMBER)}
    await house.hass.services.async_call("update", "install", data, blocking=False)
    await house.until(lambda: house.members[MEMBER].active_session is not None)


async def ended(house: House) -> Session:
    await house.until(lambda: not house.members[MEMBER].is_installing)
    return session_of(house)


@pytest.mark.parametrize("form", ["cbor", "json"])
async def test_a_board_asks_for_its_job_and_blocks_and_tells_its_version_at_the_end(house: House, form: str) -> None:
    board = await switch_on(house, form=form)
    assert house.state(MEMBER).attributes["installed_version"] == "unknown"
    await house.install(MEMBER)
    assert (board.runs, board.version) == (NEW, "1.1.0")
    assert (session_of(house).state, session_of(house).verified) == (State.CONFIRMED, True)
    assert house.state(MEMBER).attributes["installed_version"] == "1.1.0"
    # All that it said of its job was answered, and nothing is left to do.
    await told(house, board, "answered", answer="accepted")
    assert not [one for one in board.events.told if one.get("answer") == "rejected"]
    await house.hass.async_add_executor_job(board.ask, "jobs/$next/get", {})
    await told(house, board, "job", execution=None)
    assert board.flashes == 1


async def test_a_board_that_tells_no_version_is_taken_at_its_word_and_no_more(house: House) -> None:
    board = await switch_on(house, tells_version=False)
    await house.install(MEMBER)
    assert board.runs == NEW
    assert (session_of(house).state, session_of(house).verified) == (State.UNVERIFIED, False)


async def test_a_board_without_a_self_test_succeeds_before_its_restart(house: House) -> None:
    board = await switch_on(house, self_tests=False, tells_version=False)
    await house.install(MEMBER)
    assert session_of(house).state is State.UNVERIFIED
    await told(house, board, "powerless", cause="update")


@pytest.mark.parametrize("settings", [{"model": "lamp", "prefix": "things/{id}"}])
async def test_boards_below_another_prefix_are_told_apart(house: House) -> None:
    hall = await switch_on(house, prefix="things")
    attic = await switch_on(house, prefix="things", board_id="attic")
    await house.install("aws_streams:attic")
    assert (hall.runs, attic.runs) == (OLD, NEW)


@pytest.mark.parametrize("settings", [{"model": "lamp", "id": "hall"}])
async def test_a_board_that_the_user_named_is_there_before_it_asks(house: House) -> None:
    assert MEMBER in house.members
    await switch_on(house)
    await house.install(MEMBER)
    assert session_of(house).state is State.CONFIRMED


@pytest.mark.parametrize(
    ("word", "reason"),
    [("FAILED 0x1: 0x2", "board_failed"), ("TIMED_OUT late", "board_failed"), ("REJECTED no", "board_refused")],
)
async def test_each_refusal_ends_the_update_and_says_why(house: House, word: str, reason: str) -> None:
    await switch_on(house, Faults(answer_at=(0, word)))
    assert await refused(house) == f"install_{reason}"
    assert session_of(house).detail == word.partition(" ")[2]


async def test_a_board_that_demands_a_signature_refuses(house: House) -> None:
    board = await switch_on(house, demands_signature=True)
    assert await refused(house) == "install_board_failed"
    assert board.writes == []


async def test_a_wrong_chip_is_found_by_the_board(house: House) -> None:
    board = await switch_on(house, image=build_app("ESP32-C3", version="1.0.0", size=8192))
    assert await refused(house) == "install_board_failed"
    assert board.version == "1.0.0"


@pytest.mark.parametrize("fault", ["lose_message", "repeat_answer"])
@pytest.mark.parametrize("number", [2, 3, 4, 7])
async def test_lost_and_repeated_messages_do_not_matter(house: House, fault: str, number: int) -> None:
    chosen: dict[str, Any] = {fault: number}
    board = await switch_on(house, Faults(**chosen))
    await house.install(MEMBER)
    assert (board.runs, session_of(house).state) == (NEW, State.CONFIRMED)


async def test_a_board_that_falls_silent_is_given_up(house: House) -> None:
    await switch_on(house, Faults(silent_at=5), retries=0)
    assert await refused(house) == "install_stalled"


async def test_a_board_that_is_away_gives_no_answer(house: House) -> None:
    board = await switch_on(house)
    house.boards.remove(board)  # type: ignore[arg-type]
    await house.hass.async_add_executor_job(board.stop)
    assert await refused(house) == "install_no_answer"


async def test_a_board_that_lost_power_in_the_middle_begins_again_by_itself(house: House) -> None:
    board = await switch_on(house, Faults(power_cut=20_000))
    await house.install(MEMBER)
    assert (board.runs, board.boots, session_of(house).state) == (NEW, 3, State.CONFIRMED)


async def test_a_board_that_never_comes_back_is_told_of(house: House) -> None:
    await switch_on(house, Faults(never_comes_back=True))
    assert await refused(house) == "install_never_returned"


async def test_a_board_that_comes_back_old_says_so_at_the_end_of_its_job(house: House) -> None:
    await switch_on(house, Faults(comes_back_old=True))
    assert await refused(house) == "install_other_image"
    assert session_of(house).detail == "1.0.0"


async def test_a_restart_of_home_assistant_half_way_goes_on(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_streams, "SILENT", 10.0)
    monkeypatch.setitem(PATIENCE, State.TRANSFERRING, 10.0)
    board = await switch_on(house, Faults(slow=0.05), timeout=2.0)
    await begin(house)
    await told(house, board, "asked", missing=9)
    await house.reload()
    assert (await ended(house)).state is State.CONFIRMED
    assert board.runs == NEW


async def test_a_restart_of_home_assistant_before_the_self_test_does_not_make_the_board_go_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PATIENCE, State.REBOOTING, 20.0)
    board = await switch_on(house, restart_delay=0.3)
    await begin(house)
    await house.until(lambda: session_of(house).state is State.REBOOTING)
    await house.reload()
    await told(house, board, "connected")
    await house.until(lambda: house.entry.runtime_data.sessions._broker.is_heard)
    # It hears nothing until Home Assistant knows: that it has no job would make it go back.
    assert (await ended(house)).state is State.CONFIRMED
    assert (board.runs, board.flashes) == (NEW, 1)


async def test_a_restart_of_the_broker_half_way_goes_on(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_streams, "SILENT", 10.0)
    board = await switch_on(house, Faults(slow=0.05), timeout=1.0)
    await begin(house)
    await told(house, board, "asked", missing=9)
    await house.hass.async_add_executor_job(house.broker.stop)
    await house.until(lambda: not mqtt.is_connected(house.hass))
    await house.hass.async_add_executor_job(house.broker.start)
    assert (await ended(house)).state is State.CONFIRMED
    assert board.runs == NEW


async def test_a_job_that_another_tool_left_is_found_and_cleared_only_when_asked(house: House) -> None:
    topic = "$aws/things/hall/jobs/notify-next"
    await mqtt.async_publish(house.hass, topic, '{"execution": {"jobId": "old"}}', 1, retain=True)
    await house.reload()
    leftovers = house.entry.runtime_data.fleet.leftovers
    await house.until(lambda: topic in leftovers)
    house.entry.runtime_data.sessions.delivery.async_clear(topic)
    await house.until(lambda: leftovers == {})

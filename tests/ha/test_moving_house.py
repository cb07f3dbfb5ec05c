"""Boards whose next image is this project's own: recognised as the same devices, and not brought back by what is old."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from custom_components.mqtt_ota import sessions
from custom_components.mqtt_ota.ota.state import State
from homeassistant.core import HomeAssistant
from tests.board.board import Board
from tests.board.settings import Settings as NativeSettings
from tests.firmware_images import build_app
from tests.seeds.chunked import ChunkedBoard
from tests.seeds.faults import Faults
from tests.seeds.settings import Settings
from tests.seeds.single_message import SingleMessageBoard
from tests.seeds.uploaders import open_ear

from .house import House, a_house

CHIP = "esp32-c40a24"
CHUNKED = f"chunked:{CHIP}"
SHED = "single_message:shed"
OLD = build_app(version="1.0.0", size=8 * 1024, seed=1)
NATIVE = build_app(version="1.0.1", size=8 * 1024, seed=2)
SMING = {
    "dialect": "single_message",
    "id": "shed",
    "app_id": "test",
    "series": "1.0",
    "chip": "ESP32-S3",
    "settle_seconds": 5,
}


@pytest.fixture
async def house(
    hass: HomeAssistant, tmp_path: Path, socket_enabled: None, mock_hass_config: None, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[House]:
    monkeypatch.setattr(sessions, "SETTLE", 0.1)
    async with a_house(hass, tmp_path, dialects=(SMING,), model="") as house:
        house.publish_releases({"version": "1.0.1", "image": NATIVE})
        await house.refresh()
        yield house


async def flash(house: House, make: Any, client_id: str, member_id: str) -> str:
    """Send an old board its last image in the old way, and return its entity; what it runs then is silent there."""
    settings = Settings(host=house.broker.host, port=house.broker.port, client_id=client_id, image=OLD)
    board = make(settings, Faults(never_comes_back=True))
    house.boards.append(board)
    board.start()
    await house.told(board, "connected")
    await house.until(lambda: member_id in house.members)
    await house.state_is(lambda state: state.state == "on", member_id)
    entity_id = house.entity_id(member_id)
    installing = asyncio.ensure_future(
        house.hass.services.async_call("update", "install", {"entity_id": entity_id}, blocking=True)
    )
    await house.told(board, "powerless", cause="update")
    house.boards.remove(board)
    await house.hass.async_add_executor_job(board.stop)
    await wake_up(house)
    await installing
    return entity_id


async def wake_up(house: House, version: str = "1.0.1", **changes: Any) -> Board:
    """Start what the image is: a board of this project's."""
    settings = NativeSettings(
        host=house.broker.host,
        port=house.broker.port,
        id="relay-9",
        state=house.folder / "relay-9",
        chip="ESP32-S3",
        version=version,
        **changes,
    )
    board = Board(settings, None)
    house.boards.append(board)
    board.start()
    await house.until(lambda: any(member.board.id == "relay-9" for member in house.members.values()))
    return board


@pytest.mark.parametrize(
    ("make", "client_id", "member_id"),
    [(ChunkedBoard, CHIP, CHUNKED), (SingleMessageBoard, "sming-shed", SHED)],
    ids=["chunked", "single_message"],
)
async def test_a_board_that_moved_is_the_same_device(house: House, make: Any, client_id: str, member_id: str) -> None:
    entity_id = await flash(house, make, client_id, member_id)
    member = house.members[member_id]
    assert (member.board.dialect, member.board.id) == ("native", "relay-9")
    assert member.session is not None
    assert member.session.state is State.CONFIRMED
    assert "relay-9" not in house.members
    assert house.entity_id(member_id) == entity_id
    state = await house.state_is(lambda state: state.attributes["version_source"] == "board", member_id)
    assert state.attributes["installed_version"] == "1.0.1"


async def test_what_the_broker_remembers_of_the_old_way_brings_no_board_back(house: House) -> None:
    await flash(house, ChunkedBoard, CHIP, CHUNKED)
    with open_ear(house.broker.port) as ear:
        # It was cleared; somebody's copy of it comes back all the same.
        ear.publish(f"ota/feedback/{CHIP}", "success", retain=True)
        await house.reload()
        await house.until(lambda: house.members[CHUNKED].board.dialect == "native")
    assert set(house.members) == {CHUNKED, SHED}
    assert house.members[CHUNKED].former == {("chunked", CHIP)}


async def test_a_board_that_moves_back_is_taken_back(house: House) -> None:
    await flash(house, ChunkedBoard, CHIP, CHUNKED)
    board = house.boards.pop()
    await house.hass.async_add_executor_job(board.stop)
    settings = Settings(host=house.broker.host, port=house.broker.port, client_id=CHIP, image=OLD)
    old = ChunkedBoard(settings)
    house.boards.append(old)  # type: ignore[arg-type]
    old.start()
    await house.until(lambda: house.members[CHUNKED].board.dialect == "chunked")
    assert set(house.members) == {CHUNKED, SHED}


async def test_a_stranger_that_runs_something_else_is_a_new_device(house: House) -> None:
    settings = Settings(host=house.broker.host, port=house.broker.port, client_id=CHIP, image=OLD)
    old = ChunkedBoard(settings)
    house.boards.append(old)  # type: ignore[arg-type]
    old.start()
    await house.until(lambda: CHUNKED in house.members)
    await house.install(CHUNKED)
    await wake_up(house, version="7.0.0")
    assert set(house.members) == {CHUNKED, SHED, "relay-9"}

"""Installs by an action, on a whole Home Assistant, a real broker and boards that are programs."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.e2e.harness import esphome
from tests.e2e.harness.api import ApiError
from tests.e2e.harness.house import House
from tests.e2e.harness.scene import CHIP, FIRST, INSTALLED, LATEST, SECOND, set_scene
from tests.firmware_images import build_app

PATIENCE = 90
SMALL = 128 * 1024


async def see(house: House, entity_id: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Follow an update entity until its attributes are the wanted ones."""
    async with asyncio.timeout(PATIENCE), house.api.states(entity_id) as states:
        async for state in states:
            if wanted(state["attributes"]):
                return state
    raise AssertionError("Home Assistant went away")


def transports(house: House, board_id: str) -> list[str]:
    return [event["transport"] for event in house.boards[board_id].events("offer")]


async def test_two_boards_at_once(house: House) -> None:
    await set_scene(house, FIRST, SECOND, size=SMALL)
    entities = [await house.update_entity(plan.id) for plan in (FIRST, SECOND)]
    await asyncio.gather(*(house.install(entity_id) for entity_id in entities))
    for entity_id in entities:
        state = await house.api.state(entity_id)
        assert state is not None
        assert (state["state"], state["attributes"]["installed_version"]) == ("off", LATEST)
    devices = await house.api.command("config/device_registry/list")
    versions = {device["name"]: device["sw_version"] for device in devices}
    assert versions[FIRST.name] == versions[SECOND.name] == LATEST


async def test_over_http(house: House) -> None:
    await set_scene(house, replace(FIRST, options={"transports": "http"}), size=SMALL)
    await house.install(await house.update_entity(FIRST.id))
    assert transports(house, FIRST.id) == ["http"]


async def test_back_to_an_older_version(house: House) -> None:
    await set_scene(house, FIRST, size=SMALL)
    entity_id = await house.update_entity(FIRST.id)
    await house.install(entity_id)
    await house.api.call("update", "install", target={"entity_id": entity_id}, version=INSTALLED, timeout=PATIENCE)
    state = await house.api.state(entity_id)
    assert state is not None
    assert (state["state"], state["attributes"]["installed_version"]) == ("on", INSTALLED)


async def test_image_for_another_chip_is_refused_before_a_byte_is_sent(house: House) -> None:
    house.feed.publish("1.2.0", build_app("ESP32-C3", "1.2.0", size=SMALL), chip=CHIP)
    await set_scene(house, FIRST, size=SMALL)
    entity_id = await house.update_entity(FIRST.id)
    with pytest.raises(ApiError, match="ESP32-C3"):
        await house.install(entity_id)
    assert transports(house, FIRST.id) == []


async def test_board_that_comes_back_old_is_said_so(house: House) -> None:
    await set_scene(house, replace(FIRST, faults=["comes_back_old"]), size=SMALL)
    entity_id = await house.update_entity(FIRST.id)
    with pytest.raises(ApiError, match=INSTALLED):
        await house.install(entity_id)
    state = await house.api.state(entity_id)
    assert state is not None
    assert state["attributes"]["installed_version"] == INSTALLED
    assert state["attributes"]["install_state"] == "rolled_back"


async def test_bad_line_costs_time_alone(house: House) -> None:
    await set_scene(house, replace(FIRST, faults=["lose=7", "repeat", "reorder", "corrupt"]), size=SMALL)
    await house.install(await house.update_entity(FIRST.id))


@pytest.mark.parametrize("power_cut", [False, True], ids=["in_order", "power_cut"])
async def test_home_assistant_restarts_in_the_middle(house: House, power_cut: bool) -> None:
    await set_scene(house, FIRST)
    entity_id = await house.update_entity(FIRST.id)
    install = asyncio.create_task(house.install(entity_id))
    await see(house, entity_id, lambda shown: (shown["update_percentage"] or 0) >= 20)
    await house.restart_home_assistant(power_cut=power_cut)
    with pytest.raises(ApiError, match="closed the connection"):
        await install
    done = await see(house, entity_id, lambda shown: shown["installed_version"] == LATEST and not shown["in_progress"])
    assert done["state"] == "off"
    held = [event["held"] for event in house.boards[FIRST.id].events("state") if event["state"] == "transferring"]
    assert held == sorted(held)


async def test_a_board_that_esphome_built_replaces_itself(house: House) -> None:
    builds = await esphome.build()
    if builds is None:
        pytest.skip("ESPHome or a library of its host builds is missing: run scripts/esphome")
    program = await esphome.add_board(house, builds)
    await house.add_feed(await house.accept_discovery())
    entity_id = await house.update_entity(esphome.BOARD_ID)
    await house.install(entity_id)
    state = await house.api.state(entity_id)
    assert state is not None
    assert (state["state"], state["attributes"]["installed_version"]) == ("off", LATEST)
    assert program.read_bytes() == builds.latest.read_bytes()

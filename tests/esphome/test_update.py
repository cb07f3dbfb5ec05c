"""Home Assistant updates a board that ESPHome built: from the card to the new program that announces itself."""

from collections.abc import Awaitable, Callable
import os
from pathlib import Path
import struct

import pytest

from homeassistant.components import mqtt
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from tests.ha.house import House

from .board import HostBoard
from .tools import HOST_YAML, build_host

AARCH64 = 183


@pytest.fixture
def announced(hass: HomeAssistant) -> Callable[[House], Awaitable[list[str]]]:
    """Listen to a board's topics."""

    async def listen(house: House) -> list[str]:
        told: list[str] = []

        @callback
        def hear(message: mqtt.ReceiveMessage) -> None:
            told.append(f"{message.topic.rpartition('/')[2]} {message.payload}")

        for kind in ("announce", "availability", "status"):
            await mqtt.async_subscribe(hass, f"mqtt_ota/board/relay-1/{kind}", hear, qos=1)
        return told

    return listen


async def build(house: House, version: str, **substitutions: str) -> Path:
    return await house.hass.async_add_executor_job(lambda: build_host(version, **substitutions))


async def switch_on(house: House, board: HostBoard, program: Path) -> None:
    board.flash(program)
    board.start()
    await house.until(lambda: "relay-1" in house.members)
    await house.hass.async_block_till_done()


async def offer(house: House, image: bytes) -> None:
    house.publish_releases({"version": "1.1.0", "image": image})
    await house.entry.runtime_data.catalogue.async_refresh(house.members["relay-1"].board)
    await house.state_is(lambda state: state.state == "on", "relay-1")


async def test_a_board_replaces_itself_and_announces_the_new_version(
    house: House, board: HostBoard, announced: Callable[[House], Awaitable[list[str]]]
) -> None:
    old, new = await build(house, "1.0.0"), await build(house, "1.1.0")
    told = await announced(house)
    await switch_on(house, board, old)
    assert house.members["relay-1"].board.chip == "host"
    await offer(house, new.read_bytes())
    assert house.state().attributes["installed_version"] == "1.0.0"

    await house.install()

    state = house.state()
    assert (state.state, state.attributes["installed_version"], state.attributes["in_progress"]) == ("off", "1.1.0", False)
    assert board.program.read_bytes() == new.read_bytes()
    assert board.is_on
    announces = [line for line in told if line.startswith("announce")]
    assert ['"version":"1.1.0"' in line for line in announces] == [False, True, True]
    assert ['"pending":true' in line for line in announces] == [False, True, False]
    await house.until(lambda: "automation end" in board.log())
    log = board.log()
    assert log.index("automation begin") < log.index("automation progress") < log.index("automation end")
    assert "automation error" not in log


async def test_it_says_goodbye(
    house: House, board: HostBoard, announced: Callable[[House], Awaitable[list[str]]]
) -> None:
    told = await announced(house)
    await switch_on(house, board, await build(house, "1.0.0"))
    await house.until(lambda: told[-1:] == ["availability online"])
    await house.hass.async_add_executor_job(board.stop)
    await house.until(lambda: told[-1:] == ["availability offline"])
    assert house.members["relay-1"].availability == "offline"


async def test_a_power_cut_in_the_middle_costs_what_is_missing_and_no_more(
    house: House, board: HostBoard, announced: Callable[[House], Awaitable[list[str]]]
) -> None:
    old, new = await build(house, "1.0.0"), await build(house, "1.1.0")
    told = await announced(house)
    await switch_on(house, board, old)
    await offer(house, new.read_bytes())
    # Blocks that the disk does not take for some time: the cut comes while the image is on its way.
    await house.hass.services.async_call("update", "install", {"entity_id": house.entity_id()}, blocking=False)
    await house.until(lambda: any("transferring" in line for line in told))
    await house.hass.async_add_executor_job(board.cut_power)
    cut_at = len(told)
    assert board.program.read_bytes() == old.read_bytes()
    board.start()
    await house.state_is(lambda state: state.attributes["installed_version"] == "1.1.0")
    accepted = next(line for line in told[cut_at:] if "accepted" in line)
    assert '"held":0,' not in accepted


async def test_a_program_that_cannot_prove_itself_makes_way_for_the_old_one(house: House, board: HostBoard) -> None:
    old = await build(house, "1.0.0")
    unfit = await build(house, "1.1.0", self_test="false", trial="1s")
    await switch_on(house, board, old)
    await offer(house, unfit.read_bytes())
    with pytest.raises(HomeAssistantError) as caught:
        await house.install()
    assert caught.value.translation_key == "install_rolled_back"
    await house.state_is(lambda state: state.attributes["installed_version"] == "1.0.0")
    assert board.program.read_bytes() == old.read_bytes()
    assert board.is_on


async def test_a_program_for_another_machine_is_never_started(house: House, board: HostBoard) -> None:
    old, new = await build(house, "1.0.0"), await build(house, "1.1.0")
    await switch_on(house, board, old)
    image = bytearray(new.read_bytes())
    foreign = AARCH64 if os.uname().machine != "aarch64" else 62
    struct.pack_into("<H", image, 18, foreign)
    await offer(house, bytes(image))
    with pytest.raises(HomeAssistantError) as caught:
        await house.install()
    assert caught.value.translation_key == "install_board_image"
    assert board.program.read_bytes() == old.read_bytes()
    await house.until(lambda: "automation error" in board.log())


async def test_a_board_with_a_key_takes_nothing_that_is_not_signed(
    house: House, board: HostBoard, tmp_path: Path
) -> None:
    key = "BGmjQEueJ8xNgepFNSNZbi9lOgo0VRWg+yrcQZbU2Ur8IwS8Qpe/zlFrOd+FOaDdFogMm0r8qCtRaixCi81rNak="
    keyed = tmp_path / "keyed.yaml"
    keyed.write_text(HOST_YAML.read_text().replace("    model: relay\n", f"    model: relay\n    public_key: {key}\n"))
    await switch_on(house, board, await house.hass.async_add_executor_job(lambda: build_host("1.0.0", yaml=keyed)))
    assert house.members["relay-1"].board.keys == ("fbe71f41b80fa8c1",)
    await offer(house, (await build(house, "1.1.0")).read_bytes())
    with pytest.raises(HomeAssistantError):
        await house.install()
    assert house.state().attributes["installed_version"] == "1.0.0"

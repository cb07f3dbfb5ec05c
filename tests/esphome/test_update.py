"""Home Assistant updates a board that ESPHome built: from the card to the new program that announces itself."""

import base64
from collections.abc import Awaitable, Callable
import hashlib
import json
import os
from pathlib import Path
import struct
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
import pytest

from custom_components.mqtt_ota.ota.signature import Manifest, sign
from homeassistant.components import mqtt
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from tests.ha.house import House

from .board import HostBoard
from .tools import HOST_YAML, ROOT, build_host

AARCH64 = 183


@pytest.fixture
def announced(hass: HomeAssistant) -> Callable[[House], Awaitable[list[str]]]:
    """Listen to a board's topics."""

    async def listen(house: House) -> list[str]:
        told: list[str] = []

        @callback
        def hear(message: mqtt.ReceiveMessage) -> None:
            told.append(f"{message.topic.rpartition('/')[2]} {message.payload!s}")

        for kind in ("announce", "availability", "status"):
            await mqtt.async_subscribe(hass, f"mqtt_ota/board/relay-1/{kind}", hear, qos=1)
        return told

    return listen


async def build(house: House, version: str, *, yaml: Path = HOST_YAML, **substitutions: str) -> Path:
    return await house.hass.async_add_executor_job(lambda: build_host(version, yaml=yaml, **substitutions))


async def switch_on(house: House, board: HostBoard, program: Path) -> None:
    board.flash(program)
    board.start()
    await house.until(lambda: "relay-1" in house.members)
    await house.hass.async_block_till_done()


def signed(version: str, image: bytes, key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    """Return what a feed says of an image that somebody signed."""
    digest = hashlib.sha256(image).hexdigest()
    text = Manifest(model="relay", chip="host", version=version, size=len(image), sha256=digest).text()
    return {"model": "relay", "signature": base64.b64encode(sign(text, key)).decode()}


async def offer(house: House, *releases: dict[str, Any]) -> None:
    house.publish_releases(*releases)
    await house.entry.runtime_data.catalogue.async_refresh(house.members["relay-1"].board)
    await house.state_is(lambda state: state.state == "on", "relay-1")


def release(image: bytes) -> dict[str, Any]:
    return {"version": "1.1.0", "image": image}


async def test_a_board_replaces_itself_and_announces_the_new_version(
    house: House, board: HostBoard, announced: Callable[[House], Awaitable[list[str]]]
) -> None:
    old, new = await build(house, "1.0.0"), await build(house, "1.1.0")
    told = await announced(house)
    await switch_on(house, board, old)
    assert house.members["relay-1"].board.chip == "host"
    await offer(house, release(new.read_bytes()))
    assert house.state().attributes["installed_version"] == "1.0.0"

    await house.install()

    state = house.state()
    assert (state.state, state.attributes["installed_version"], state.attributes["in_progress"]) == (
        "off",
        "1.1.0",
        False,
    )
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
    await house.until(lambda: house.members["relay-1"].availability == "offline")


async def test_a_power_cut_in_the_middle_costs_what_is_missing_and_no_more(
    house: House, board: HostBoard, announced: Callable[[House], Awaitable[list[str]]]
) -> None:
    old, new = await build(house, "1.0.0"), await build(house, "1.1.0")
    told = await announced(house)
    await switch_on(house, board, old)
    await offer(house, release(new.read_bytes()))
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
    await offer(house, release(unfit.read_bytes()))
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
    await offer(house, release(bytes(image)))
    with pytest.raises(HomeAssistantError) as caught:
        await house.install()
    assert caught.value.translation_key == "install_board_image"
    assert board.program.read_bytes() == old.read_bytes()
    await house.until(lambda: "automation error" in board.log())


async def test_a_board_with_a_key_is_updated_to_what_its_owner_signed_alone(
    house: House, board: HostBoard, tmp_path: Path
) -> None:
    key = json.loads((ROOT / "firmware" / "golden.json").read_text())["key"]
    owner = ec.derive_private_key(int(key["private_scalar"], 16), ec.SECP256R1())
    keyed = tmp_path / "keyed.yaml"
    line = f"    public_key: {key['public_base64']}\n"
    keyed.write_text(HOST_YAML.read_text().replace("    model: relay\n", f"    model: relay\n{line}"))
    old, new = await build(house, "1.0.0", yaml=keyed), await build(house, "1.1.0")
    await switch_on(house, board, old)
    assert house.members["relay-1"].board.keys == (key["id"],)

    image, stranger = new.read_bytes(), ec.generate_private_key(ec.SECP256R1())
    await offer(
        house,
        {"version": "1.1.0", "image": image, "asset": signed("1.1.0", image, owner)},
        {"version": "1.0.5", "image": image, "asset": signed("1.0.5", image, stranger)},
    )
    with pytest.raises(HomeAssistantError) as caught:
        await house.install(version="1.0.5")
    assert caught.value.translation_key == "install_signature_invalid"
    assert house.state().attributes["installed_version"] == "1.0.0"
    await house.install()
    assert house.state().attributes["installed_version"] == "1.1.0"

"""A MicroPython board in a whole house: its files are replaced from Home Assistant's update card."""

from collections.abc import AsyncIterator
from pathlib import Path
import random
import runpy

import pytest

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from tests.ha.conftest import _this_integration, expected_lingering_timers, hass_config_dir  # noqa: F401
from tests.ha.house import House, a_house

from .device import APP, Device
from .interpreter import AGENT, needs_micropython, needs_mosquitto

pytestmark = [needs_micropython, needs_mosquitto]

pack = runpy.run_path(str(AGENT.with_name("pack.py")))["pack"]

OLD = {"app.py": APP.encode(), "lib/lamp.py": b"COLOUR = 'red'\n", "lib/old.py": b""}
NEW = {"app.py": b"# newer\n" + APP.encode(), "lib/lamp.py": b"COLOUR = 'blue'\n", "lib/deep/new.py": b"\n"}
NEWER = {"app.py": APP.encode(), "lib/lamp.py": b"COLOUR = 'green'\n", "picture": random.Random(1).randbytes(150_000)}


@pytest.fixture
async def house(
    hass: HomeAssistant, tmp_path: Path, socket_enabled: None, mock_hass_config: None
) -> AsyncIterator[House]:
    async with a_house(hass, tmp_path) as house:
        yield house


@pytest.fixture
async def device(house: House, tmp_path: Path) -> AsyncIterator[Device]:
    device = Device(tmp_path / "device", house.broker.port)
    device.copy(OLD)
    yield device
    await house.hass.async_add_executor_job(device.stop)


async def publish(house: House, **releases: dict[str, bytes]) -> None:
    """Let the feed offer releases of files, by their version with _ for each dot, and wait until the card shows it."""
    versions = []
    for name, files in releases.items():
        version = name.replace("_", ".")
        versions.append({"version": version, "image": pack(version, list(files.items()))})
    newest = versions[0]["version"]
    house.publish_releases(*versions)
    await house.until(lambda: "relay-1" in house.members)
    await house.hass.async_block_till_done()
    await house.entry.runtime_data.catalogue.async_refresh(house.members["relay-1"].board)
    await house.state_is(lambda state: state.attributes["latest_version"] == newest)


async def test_files_are_replaced_from_the_card(house: House, device: Device) -> None:
    device.start()
    await publish(house, v1_1_0=NEW)
    await house.install()
    state = house.state()
    assert (state.state, state.attributes["installed_version"]) == ("off", "v1.1.0")
    # `lib/old.py` came by hand, so it stays.
    assert device.files == NEW | {"lib/old.py": b""}
    assert device.starts == 2
    await house.until(lambda: "lamp blue v1.1.0\n" in device.lines)


async def test_what_a_release_brought_goes_with_the_next_one_that_lacks_it(house: House, device: Device) -> None:
    device.start()
    await publish(house, v1_2_0=NEWER, v1_1_0=NEW)
    await house.install(version="v1.1.0")
    assert device.files == NEW | {"lib/old.py": b""}
    await house.install()
    assert device.files == NEWER | {"lib/old.py": b""}
    await house.until(lambda: "lamp green v1.2.0\n" in device.lines)


@pytest.mark.parametrize(
    "app", [b"def main(:\n", b"import nothing\n", b"async def main(agent):\n    raise OSError('unfit')\n"]
)
async def test_an_application_that_fails_on_trial_is_taken_back(house: House, device: Device, app: bytes) -> None:
    device.start()
    await publish(house, v1_2_0=NEW, v1_1_0=NEW | {"app.py": app})
    with pytest.raises(HomeAssistantError) as caught:
        await house.install(version="v1.1.0")
    assert caught.value.translation_key == "install_rolled_back"
    assert house.state().attributes["installed_version"] == "1.0.0"
    assert device.files == OLD
    # And the next release works.
    await house.install()
    assert house.state().attributes["installed_version"] == "v1.2.0"


async def test_a_module_that_became_a_package_is_imported_again_after_it_was_taken_back(
    house: House, device: Device
) -> None:
    package = {"app.py": b"import nothing\n", "lib/lamp/__init__.py": b"COLOUR = 'blue'\n"}
    device.start()
    # By hand `lib/lamp.py` would stay, so a release brings it first.
    await publish(house, v1_2_0=package, v1_1_0=NEW)
    await house.install(version="v1.1.0")
    await house.until(lambda: "lamp blue v1.1.0\n" in device.lines)
    device.lines.clear()
    with pytest.raises(HomeAssistantError) as caught:
        await house.install()
    assert caught.value.translation_key == "install_rolled_back"
    await house.until(lambda: "lamp blue v1.1.0\n" in device.lines)


async def test_an_application_that_hangs_is_taken_back_after_some_starts(house: House, device: Device) -> None:
    device.start()
    # Ends the program, as a watchdog would, before it is fit.
    await publish(house, v1_1_0=NEW | {"app.py": b"import sys\nsys.exit(0)\n"})
    with pytest.raises(HomeAssistantError) as caught:
        await house.install()
    assert caught.value.translation_key == "install_rolled_back"
    assert device.files == OLD
    assert device.starts == 5


@pytest.mark.parametrize("seed", range(3))
async def test_a_power_that_fails_at_any_moment_leaves_one_version_or_the_other(
    house: House, device: Device, seed: int
) -> None:
    device.start()
    await publish(house, v1_1_0=NEWER)
    await house.hass.async_add_executor_job(device.stop)
    await house.until(lambda: house.members["relay-1"].availability == "offline")
    await house.install()
    device.start(cuts=random.Random(seed), times=6)
    state = await house.state_is(lambda state: not state.attributes["in_progress"])
    version = state.attributes["installed_version"]
    assert device.files == (NEWER | {"lib/old.py": b""} if version == "v1.1.0" else OLD)


async def test_an_image_for_other_boards_is_not_sent(house: House, device: Device) -> None:
    device.start()
    await house.until(lambda: "relay-1" in house.members)
    await house.state_is(lambda state: state.attributes["latest_version"] == "1.1.0")
    with pytest.raises(HomeAssistantError) as caught:
        await house.install()
    assert caught.value.translation_key == "wrong_chip"
    assert device.files == OLD

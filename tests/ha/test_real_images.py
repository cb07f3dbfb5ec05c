"""Real images, where they lie beside the project: what esptool's own test data does on a board."""

from pathlib import Path

import pytest

from custom_components.mqtt_ota.ota.image import inspect
from homeassistant.exceptions import HomeAssistantError

from .house import House

IMAGES = Path(__file__).parents[3] / "shared" / "images"
BLINK = IMAGES / "esp_idf_blink_esp32s2.bin"
BOOTLOADER = IMAGES / "bootloader_esp32c3.bin"

pytestmark = pytest.mark.skipif(not BLINK.exists(), reason="no real images beside the project")


async def offer(house: House, path: Path, chip: str) -> None:
    """Let the feed publish a real image under the version that it names, to a board that says this chip."""
    image = await house.hass.async_add_executor_job(path.read_bytes)
    version = inspect(image).version if path == BLINK else "1.1.0"
    house.publish_releases({"version": version, "image": image})
    await house.add_board(chip=chip, version="0.0.1")
    await house.refresh()


async def test_a_real_image_installs_on_its_chip(house: House) -> None:
    await offer(house, BLINK, "ESP32-S2")
    version = house.state().attributes["latest_version"]
    await house.install(version=version)
    assert house.state().attributes["installed_version"] == version


@pytest.mark.parametrize(("path", "reason"), [(BLINK, "wrong_chip"), (BOOTLOADER, "image_bootloader")])
async def test_a_real_image_is_refused_before_a_byte_is_sent(house: House, path: Path, reason: str) -> None:
    await offer(house, path, "ESP32-C3")
    with pytest.raises(HomeAssistantError) as caught:
        await house.install(version=house.state().attributes["latest_version"])
    assert caught.value.translation_key == reason
    assert not [event for event in house.boards[0].events.told if event["event"] == "offer"]

"""A house for boards that ESPHome built; without ESPHome, or what its host builds need, all of this is skipped."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from homeassistant.core import HomeAssistant
from tests.ha.house import House, a_house

from .board import HostBoard
from .tools import lacks


@pytest.fixture(scope="session")
def _esphome() -> None:
    if missing := lacks():
        pytest.skip(f"ESPHome's tests need {missing}: run scripts/esphome")


@pytest.fixture(autouse=True)
def _needs_esphome(_esphome: None, enable_custom_integrations: None) -> None:
    """Skip without ESPHome, and let Home Assistant find the integration."""


@pytest.fixture
def expected_lingering_timers() -> bool:
    """Let the MQTT integration leave the timer of its own that it leaves."""
    return True


@pytest.fixture
def hass_config_dir(hass_tmp_config_dir: str) -> str:
    """Give every test a configuration folder of its own."""
    return hass_tmp_config_dir


@pytest.fixture
async def house(
    hass: HomeAssistant, tmp_path: Path, socket_enabled: None, mock_hass_config: None
) -> AsyncIterator[House]:
    """Set up a house of real parts."""
    async with a_house(hass, tmp_path) as house:
        yield house


@pytest.fixture
def board(house: House, tmp_path: Path) -> Iterator[HostBoard]:
    """Have a board beside the house, switched off."""
    board = HostBoard(tmp_path / "board", f"{house.broker.host}:{house.broker.port}")
    yield board
    board.stop()

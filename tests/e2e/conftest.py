"""What the end-to-end tests share."""

from collections.abc import AsyncIterator
import os
from pathlib import Path

import pytest

from tests.e2e.harness.house import House, open_house
from tests.e2e.harness.places import find_chromium, find_mosquitto


@pytest.fixture
def mosquitto() -> str:
    """Return the broker's program; tests that need it are skipped without it."""
    if (program := find_mosquitto()) is None:
        pytest.skip("mosquitto was not found: install it with your package manager")
    return program


@pytest.fixture
def chromium() -> str:
    """Return the browser's program; tests that need it are skipped without it."""
    if (program := find_chromium()) is None:
        pytest.skip("Chromium was not found: install the package 'chromium'")
    return program


@pytest.fixture
async def house(mosquitto: str) -> AsyncIterator[House]:
    """Build a house with MQTT set up; its logs are shown when the test fails."""
    async with open_house() as built:
        try:
            yield built
        finally:
            print(built.logs())


@pytest.fixture
def screenshots() -> Path | None:
    """Return where the screenshots for the README go, if anybody asked for them with $SCREENSHOTS."""
    if not (name := os.environ.get("SCREENSHOTS")):
        return None
    folder = Path(name)
    folder.mkdir(parents=True, exist_ok=True)
    return folder

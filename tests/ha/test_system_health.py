"""The health page: what is there, what runs and what is wrong."""

from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import get_system_health_info

from custom_components.mqtt_ota.const import DOMAIN
from custom_components.mqtt_ota.firmware_store import FirmwareStore
from homeassistant.setup import async_setup_component
from tests.board.faults import Faults

from .house import House


async def health(house: House) -> dict[str, Any]:
    found: dict[str, Any] = await get_system_health_info(house.hass, DOMAIN)
    return found


@pytest.fixture(autouse=True)
async def _page(house: House) -> None:
    assert await async_setup_component(house.hass, "system_health", {})
    await house.hass.async_block_till_done()


async def test_a_house_at_rest(house: House) -> None:
    board = await house.add_board("relay-2")
    await house.switch_off(board, "relay-2")
    await house.add_board()
    await house.refresh()
    assert await health(house) == {
        "broker_connected": True,
        "boards": 2,
        "boards_online": 1,
        "boards_asleep": 0,
        "boards_offline": 1,
        "updates_running": 0,
        "updates_queued": 0,
        "rollouts_running": 0,
        "rollouts_paused": 0,
        "feeds_unreadable": 0,
        "images": 0,
        "images_size": "0.0 MB",
    }


async def test_updates_and_what_they_wait_for_are_counted(house: House) -> None:
    await house.change_options({"at_once": 1})
    await house.add_board(faults=Faults(silent=True))
    await house.add_board("relay-2")
    await house.refresh()
    both = [house.entity_id("relay-1"), house.entity_id("relay-2")]
    await house.hass.services.async_call(DOMAIN, "rollout", {"entity_id": both, "at_once": 2}, blocking=True)
    queue = house.entry.runtime_data.sessions.queue
    await house.until(lambda: (queue.running, len(queue)) == (1, 1))
    found = await health(house)
    assert (found["updates_running"], found["updates_queued"]) == (1, 1)
    assert (found["rollouts_running"], found["rollouts_paused"]) == (1, 0)
    assert (found["images"], found["images_size"]) == (1, "0.1 MB")
    await house.hass.services.async_call(DOMAIN, "pause_rollout", {}, blocking=True)
    found = await health(house)
    assert (found["rollouts_running"], found["rollouts_paused"]) == (0, 1)


async def test_a_feed_that_is_down_and_a_broker_that_is_gone_are_said(house: House) -> None:
    await house.feed.down()
    _, feed = house.entry.runtime_data.catalogue.feeds[0]
    await feed.async_refresh()
    await house.hass.async_add_executor_job(house.broker.stop)
    await house.until(lambda: not house.entry.runtime_data.sessions.is_connected)
    found = await health(house)
    assert (found["broker_connected"], found["feeds_unreadable"]) == (False, 1)
    await house.hass.async_add_executor_job(house.broker.start)


async def test_while_it_does_not_run_there_is_nothing_to_show(house: House) -> None:
    assert await house.hass.config_entries.async_unload(house.entry.entry_id)
    assert await health(house) == {}


async def test_images_that_cannot_be_counted_break_nothing(
    house: House, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def _denied(*_: object) -> None:
        raise PermissionError

    store = FirmwareStore(house.hass)
    monkeypatch.setattr("custom_components.mqtt_ota.firmware_store.Path.glob", _denied)
    assert await store.async_usage() == (0, 0)
    assert "cannot be counted" in caplog.text

"""The broker is heard only once it knows what is listened to: at the start, after a reconnect, and never too late."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from custom_components.mqtt_ota import broker as broker_module
from custom_components.mqtt_ota.broker import Broker
from custom_components.mqtt_ota.ota.dialects import Message
from homeassistant.components import mqtt
from homeassistant.core import HomeAssistant, callback

from .house import House, a_house

TOPIC = "boards/one"


@pytest.fixture
async def house(
    hass: HomeAssistant, tmp_path: Path, socket_enabled: None, mock_hass_config: None, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[House]:
    monkeypatch.setattr(mqtt.client, "RECONNECT_INTERVAL_SECONDS", 0.2)
    async with a_house(hass, tmp_path) as house:
        yield house


async def test_what_is_asked_once_it_is_heard_is_answered(house: House) -> None:
    heard: list[bytes] = []
    changes: list[bool] = []

    def take(message: Message) -> None:
        heard.append(message.payload)

    broker = Broker(house.hass)
    broker.async_watch(lambda: changes.append(broker.is_heard))
    await broker.async_subscribe(TOPIC, 0, take)
    assert broker.is_connected
    assert not broker.is_heard
    for word in (b"first", b"after a reconnect"):
        await house.until(lambda: broker.is_heard)
        assert changes[-1]
        await broker.async_publish(TOPIC, word, 0)
        await house.until(lambda word=word: word in heard)  # type: ignore[misc]
        if word == b"first":
            await house.hass.async_add_executor_job(house.broker.stop)
            await house.until(lambda: not broker.is_connected)
            assert not broker.is_heard
            await house.hass.async_add_executor_job(house.broker.start)
            await house.until(lambda: broker.is_connected)
    broker.async_close()
    count = len(changes)
    await house.hass.async_add_executor_job(house.broker.stop)
    await house.until(lambda: not broker.is_connected)
    assert len(changes) == count


async def test_a_topic_that_another_integration_wants_at_a_higher_qos_does_not_hold_everything_up(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    @callback
    def take(message: mqtt.ReceiveMessage) -> None:
        """Be the other integration."""

    monkeypatch.setattr(broker_module, "DEAF", 0.3)
    unsubscribe = await mqtt.async_subscribe(house.hass, TOPIC, take, 2)
    broker = Broker(house.hass)
    await broker.async_subscribe(TOPIC, 0, lambda _: None)
    broker.async_watch(lambda: None)
    assert not broker.is_heard
    await house.until(lambda: broker.is_heard)
    broker.async_close()
    unsubscribe()

"""What the logbook says, by Home Assistant's own logbook: one line a step, and why where something went wrong."""

from datetime import timedelta
from typing import Any

import pytest
from pytest_homeassistant_custom_component.components.recorder.common import async_wait_recording_done
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.mqtt_ota.logbook import failure_in_words
from custom_components.mqtt_ota.ota.rollout_gate import Cause
from custom_components.mqtt_ota.rollout_words import cause_in_words, rollout_in_words
from custom_components.mqtt_ota.texts import async_texts
from homeassistant.components.recorder import Recorder
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from tests.board.faults import Faults

from .house import House


@pytest.fixture(autouse=True)
def _this_integration(recorder_mock: Recorder, enable_custom_integrations: None) -> None:
    """Let Home Assistant record from its start on, and find the integration."""


async def lines(house: House, hass_ws_client: WebSocketGenerator, **wanted: Any) -> list[dict[str, Any]]:
    """Return what the logbook has of the last hour."""
    await async_wait_recording_done(house.hass)
    client = await hass_ws_client(house.hass)
    begin = (dt_util.utcnow() - timedelta(hours=1)).isoformat()
    await client.send_json_auto_id({"type": "logbook/get_events", "start_time": begin, **wanted})
    answer = await client.receive_json()
    found: list[dict[str, Any]] = answer["result"]
    return found


async def begin(house: House, faults: Faults | None = None) -> None:
    # The logbook only gives it a panel.
    house.hass.config.components.add("frontend")
    assert await async_setup_component(house.hass, "logbook", {})
    await house.hass.async_block_till_done()
    await house.add_board(faults=faults)
    await house.refresh()


async def test_an_update_that_goes_well_has_one_line_a_step(house: House, hass_ws_client: WebSocketGenerator) -> None:
    await begin(house)
    await house.install()
    await house.hass.async_block_till_done()
    found = await lines(house, hass_ws_client)
    # Home Assistant's own lines tell of the reload.
    told = [line.get("attributes", {}).get("event_type") for line in found if line.get("entity_id", "")[:6] == "event."]
    assert [step for step in told if step] == ["queued", "started", "installed"]
    assert [line for line in found if line.get("domain") == "mqtt_ota"] == []


async def test_a_failure_is_explained_on_the_board_and_its_device(
    house: House, hass_ws_client: WebSocketGenerator
) -> None:
    await begin(house, Faults(wrong_digest=True))
    with pytest.raises(HomeAssistantError):
        await house.install()
    await house.hass.async_block_till_done()
    entity = er.async_get(house.hass).async_get(house.entity_id())
    assert entity is not None
    for wanted in ({}, {"entity_ids": [house.entity_id()]}, {"device_ids": [entity.device_id]}):
        found = await lines(house, hass_ws_client, **wanted)
        (line,) = (line for line in found if line.get("domain") == "mqtt_ota")
        assert (line["name"], line["entity_id"]) == ("relay-1", house.entity_id())
        assert line["message"].startswith("did not get 1.1.0: relay-1 received 1.1.0 damaged, and did not start it (")
        assert line["message"].endswith(").")


async def test_a_rollout_that_stops_says_why_and_how_far_it_came(
    house: House, hass_ws_client: WebSocketGenerator
) -> None:
    await begin(house, Faults(comes_back_old=True))
    await house.add_board("relay-2")
    both = [house.entity_id("relay-1"), house.entity_id("relay-2")]
    action = {"entity_id": both, "canary": both[0]}
    await house.hass.services.async_call("mqtt_ota", "rollout", action, blocking=True, return_response=True)
    await house.hass.async_block_till_done()
    found = await lines(house, hass_ws_client)
    told = [(line["name"], line["message"]) for line in found if line.get("domain") == "mqtt_ota"]
    assert told[0] == ("Rollout", "is under way: 0 of 2 boards have the new version")
    assert told[1][0] == "relay-1"
    assert told[1][1].startswith("runs its old version again instead of 1.1.0: relay-1 came back with 1.0.0, because")
    why = "A board came back with its old version."
    assert told[2:] == [("Rollout", f"is paused: 0 of 2 boards have the new version. {why}")]


@pytest.mark.parametrize("status", ["running", "paused", "finished", "cancelled"])
async def test_wherever_a_rollout_stands_it_is_said(hass: HomeAssistant, status: str) -> None:
    report = {"status": status, "cause": "failures", "boards": {"a": {}, "b": {}, "c": {}}}
    said = rollout_in_words(await async_texts(hass), report | {"totals": {"confirmed": 1, "already_installed": 1}})
    assert "2 of 3 boards" in said
    assert "{" not in said


async def test_every_cause_has_words_of_its_own(hass: HomeAssistant) -> None:
    texts = await async_texts(hass)
    assert len({cause_in_words(texts, cause) for cause in Cause} - {""}) == len(Cause)


async def test_a_reason_without_a_text_breaks_nothing(hass: HomeAssistant) -> None:
    await async_texts(hass)
    data = {"name": "Lamp", "step": "failed", "reason": "new", "version": "2", "from_version": None, "detail": None}
    assert failure_in_words(hass, data) == "did not get 2: new"

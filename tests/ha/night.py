"""The blueprints in a house: automations made of them, and what they told."""

from collections.abc import Callable
from pathlib import Path
import shutil
from typing import Any

import custom_components
from custom_components.mqtt_ota.const import DOMAIN
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.setup import async_setup_component

BLUEPRINTS = Path(custom_components.__path__[0]) / DOMAIN / "blueprints" / "automation" / DOMAIN
NIGHT = "automation.night"
# What the notification is made of.
TOLD = ("title", "message", "report", "board", "version", "reason", "why", "verdict")


async def automate(hass: HomeAssistant, blueprint: str, **inputs: Any) -> list[dict[str, Any]]:
    """Set an automation up from a blueprint, and return the list that its notifications come into."""
    told: list[dict[str, Any]] = []

    async def _note(call: ServiceCall) -> None:
        told.append(dict(call.data))

    hass.services.async_register("test", "tell", _note)
    shutil.copytree(BLUEPRINTS, hass.config.path("blueprints", "automation", DOMAIN), dirs_exist_ok=True)
    data = {name: f"{{{{ {name} | default(none) }}}}" for name in TOLD}
    inputs = {"notify": [{"action": "test.tell", "data": data}]} | inputs
    config = {"id": "night", "alias": "Night", "use_blueprint": {"path": f"{DOMAIN}/{blueprint}.yaml", "input": inputs}}
    assert await async_setup_component(hass, "automation", {"automation": [config]})
    await hass.async_block_till_done()
    state = hass.states.get(NIGHT)
    assert state is not None
    assert state.state == "on"
    return told


def recorded(hass: HomeAssistant, answer: Callable[[ServiceCall], Any] | None = None) -> list[dict[str, Any]]:
    """Take the place of the action that begins rollouts, and return what it is called with."""
    calls: list[dict[str, Any]] = []

    async def _note(call: ServiceCall) -> None:
        calls.append(dict(call.data))
        if answer is not None:
            answer(call)

    hass.services.async_register(DOMAIN, "rollout", _note)
    return calls

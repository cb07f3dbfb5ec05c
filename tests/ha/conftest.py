"""Home Assistant for the tests: with a mocked MQTT client where no broker is needed, else in a whole house."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
import json
from pathlib import Path
import string
from typing import Any, Protocol

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_mqtt_message
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

import custom_components
from custom_components.mqtt_ota.const import DOMAIN, SUBENTRY_DIALECT, SUBENTRY_FIRMWARE
from homeassistant.config_entries import ConfigEntryState, ConfigSubentryData
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowHandler, FlowResultType

from .feed_server import FeedServer, feed_server
from .house import House, a_house
from .whisper import WHISPER

BOARD = {
    "protocol": 1,
    "id": "lamp-1",
    "name": "Lamp",
    "model": "lamp",
    "chip": "ESP32-C3",
    "version": "1.0.0",
    "mac": "02:00:00:00:00:01",
    "slot_size": 1 << 20,
    "block_size": 4096,
    "window": 8,
    "order": "any",
    "encodings": ["raw", "deflate"],
    "transports": ["blocks", "http"],
}

TEXTS = Path(custom_components.__path__[0]) / DOMAIN / "translations" / "en.json"
# Where the texts of each flow are.
FLOWS = {
    "MqttOtaConfigFlow": ("config",),
    "MqttOtaOptionsFlow": ("options",),
    "FirmwareFlow": ("config_subentries", "firmware"),
    "DialectFlow": ("config_subentries", "dialect"),
    "RetainedCommandFlow": ("issues", "retained_command", "fix_flow"),
    "ProposedFeedFlow": ("issues", "feed_proposed", "fix_flow"),
    "PausedRolloutFlow": ("issues", "rollout_paused", "fix_flow"),
}

type Announce = Callable[..., Awaitable[None]]


class SetUp(Protocol):
    """Set up the integration."""

    async def __call__(
        self, *firmware: Mapping[str, Any], dialects: Sequence[Mapping[str, Any]] = (), **options: Any
    ) -> MockConfigEntry:
        """Return the entry, with these subentries and options."""


def announcement(**changes: Any) -> str:
    """Return what a board announces; None leaves a member out."""
    return json.dumps({key: value for key, value in (BOARD | changes).items() if value is not None})


@pytest.fixture(autouse=True)
def _this_integration(enable_custom_integrations: None) -> None:
    """Let Home Assistant find the integration."""


@pytest.fixture(autouse=True)
def _forms_are_told_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test meet a form or an end of a flow without a text, or with one that wants more than it is given."""
    for method in ("async_show_form", "async_show_menu", "async_show_progress", "async_abort"):
        monkeypatch.setattr(FlowHandler, method, _checked(getattr(FlowHandler, method)))


def _checked(show: Callable[..., Any]) -> Callable[..., Any]:
    def _show(flow: Any, **shown: Any) -> Any:
        result = show(flow, **shown)
        if (path := FLOWS.get(type(flow).__name__)) is not None and shown.get("translation_domain") is None:
            texts = _texts(path, result)
            wanted = {name for text in texts for _, name, _, _ in string.Formatter().parse(text) if name is not None}
            assert wanted <= set(result["description_placeholders"] or {})
        return result

    return _show


def _texts(path: tuple[str, ...], result: Any) -> list[str]:
    """Return every text that a user sees of a result."""
    section: Any = json.loads(TEXTS.read_text())
    for key in path:
        section = section[key]
    if result["type"] is FlowResultType.ABORT:
        return [section["abort"][result["reason"]]]
    if result["type"] is FlowResultType.SHOW_PROGRESS:
        return [section["progress"][result["progress_action"]]]
    errors = [section["error"][error] for error in (result.get("errors") or {}).values()]
    if result["step_id"] == WHISPER:
        return errors
    step = section["step"][result["step_id"]]
    options = [step["menu_options"][option] for option in result.get("menu_options", ()) if option != WHISPER]
    fields = (*step.get("data", {}).values(), *step.get("data_description", {}).values())
    return [step.get("title", ""), step.get("description", ""), *options, *fields, *errors]


@pytest.fixture
def expected_lingering_timers(request: pytest.FixtureRequest) -> bool:
    """Let the MQTT integration leave the timer of its own that it leaves."""
    return not {"house", "mqtt_mock"}.isdisjoint(request.fixturenames)


@pytest.fixture
def hass_config_dir(hass_tmp_config_dir: str) -> str:
    """Give every test a configuration folder of its own."""
    return hass_tmp_config_dir


@pytest.fixture
async def server(socket_enabled: None) -> AsyncIterator[FeedServer]:
    """Publish feeds on the loopback."""
    async with feed_server() as server:
        yield server


@pytest.fixture
async def house(
    hass: HomeAssistant, tmp_path: Path, socket_enabled: None, mock_hass_config: None
) -> AsyncIterator[House]:
    """Set up a house of real parts."""
    async with a_house(hass, tmp_path) as house:
        yield house


@pytest.fixture
async def ota_entry(hass: HomeAssistant, mqtt_mock: MqttMockHAClient) -> AsyncIterator[SetUp]:
    """Set up the integration on a mocked MQTT client."""

    async def _set_up(
        *firmware: Mapping[str, Any], dialects: Sequence[Mapping[str, Any]] = (), **options: Any
    ) -> MockConfigEntry:
        entry = MockConfigEntry(
            domain=DOMAIN,
            title="MQTT OTA",
            unique_id=DOMAIN,
            data={"root": "mqtt_ota"},
            options=options,
            subentries_data=[
                ConfigSubentryData(data=data, subentry_type=kind, title=data["name"], unique_id=None)
                for kind, several in ((SUBENTRY_FIRMWARE, firmware), (SUBENTRY_DIALECT, dialects))
                for data in several
            ],
        )
        entry.add_to_hass(hass)
        assert await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()
        return entry

    yield _set_up
    for entry in hass.config_entries.async_entries(DOMAIN):
        if entry.state is ConfigEntryState.LOADED:
            await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_block_till_done()


@pytest.fixture
def announce(hass: HomeAssistant) -> Announce:
    """Let boards announce themselves, live."""

    async def _announce(**changes: Any) -> None:
        board_id = changes.get("id", BOARD["id"])
        async_fire_mqtt_message(hass, f"mqtt_ota/board/{board_id}/announce", announcement(**changes), 1)
        await hass.async_block_till_done()

    return _announce

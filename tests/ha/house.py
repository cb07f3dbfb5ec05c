"""A house inside a test: the real MQTT client of Home Assistant, a real broker, a feed server and boards."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
import json
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.mqtt_ota.const import DOMAIN, SUBENTRY_DIALECT, SUBENTRY_FIRMWARE
from custom_components.mqtt_ota.member import Member
from custom_components.mqtt_ota.ota.board import Availability
from homeassistant.components import mqtt
from homeassistant.config_entries import ConfigEntryState, ConfigSubentry, ConfigSubentryData
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, State, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.event import async_track_state_change_event
from tests.board.board import Board
from tests.board.faults import Faults
from tests.board.settings import Settings
from tests.firmware_images import build_app
from tests.mosquitto import Mosquitto, run_mosquitto

from .feed_server import FeedServer, Page, feed_server

FEED = "/manifest.json"
PATIENCE = 30.0


@dataclass(slots=True)
class House:
    """Home Assistant with MQTT and this integration set up, its broker, its feed and its boards."""

    hass: HomeAssistant
    broker: Mosquitto
    feed: FeedServer
    mqtt_entry: MockConfigEntry
    entry: MockConfigEntry
    folder: Path
    boards: list[Board] = field(default_factory=list)

    def publish_releases(self, *versions: dict[str, Any]) -> None:
        """Let the feed offer these versions, written as in the project's manifest, each with its `image` as bytes."""
        written = []
        for version in versions:
            image = version.pop("image")
            path = f"/{version['version']}.bin"
            self.feed[path] = Page(image)
            asset = {"name": path[1:], "url": path[1:], "sha256": sha256(image).hexdigest(), "size": len(image)}
            asset |= version.pop("asset", {})
            written.append(version | {"assets": [asset]})
        body = json.dumps({"schema": 1, "name": "Relay", "versions": written}).encode()
        self.feed[FEED] = Page(body, content_type="application/json")

    async def add_board(self, board_id: str = "relay-1", *, faults: Faults | None = None, **settings: Any) -> Board:
        """Switch on a board and wait until the integration knows that it is there."""
        known = {"chip": "ESP32-S3", "model": "relay", "ask_timeout": 0.3, "reboot_time": 0.05} | settings
        board = Board(
            Settings(host=self.broker.host, port=self.broker.port, id=board_id, state=self.folder / board_id, **known),
            faults,
        )
        self.boards.append(board)
        board.start()
        await self.until(lambda: self._is(board_id, Availability.ONLINE))
        await self.hass.async_block_till_done()
        return board

    async def add_dialect(self, settings: dict[str, Any]) -> None:
        """Set a protocol up, which reloads the integration."""
        data = _dialect(settings)
        subentry = ConfigSubentry(
            data=MappingProxyType(dict(data["data"])),
            subentry_type=data["subentry_type"],
            title=data["title"],
            unique_id=None,
        )
        self.hass.config_entries.async_add_subentry(self.entry, subentry)
        await self.hass.async_block_till_done()
        assert self.entry.state is ConfigEntryState.LOADED

    async def switch_off(self, board: Board, board_id: str = "relay-1") -> None:
        """Take a board away and wait until the integration knows that it is gone."""
        self.boards.remove(board)
        await self.hass.async_add_executor_job(board.stop)
        await self.until(lambda: self._is(board_id, Availability.OFFLINE))

    def _is(self, board_id: str, availability: Availability) -> bool:
        member = self.members.get(board_id)
        return member is not None and member.availability is availability

    async def told(self, board: Board, event: str, **fields: Any) -> Any:
        """Wait until a board told an event."""
        wait = partial(board.wait_for, event, timeout=PATIENCE, **fields)
        return await self.hass.async_add_executor_job(wait)

    @property
    def members(self) -> dict[str, Member]:
        """Return the boards that the integration knows."""
        members: dict[str, Member] = self.entry.runtime_data.fleet.members
        return members

    def entity_id(self, board_id: str = "relay-1") -> str:
        """Return the update entity of a board."""
        entity_id = er.async_get(self.hass).async_get_entity_id("update", DOMAIN, f"{board_id}_firmware")
        assert entity_id is not None
        return entity_id

    def state(self, board_id: str = "relay-1") -> State:
        """Return the state of a board's update entity."""
        state = self.hass.states.get(self.entity_id(board_id))
        assert state is not None
        return state

    async def install(self, board_id: str = "relay-1", **data: Any) -> None:
        """Install through Home Assistant's own action, and wait for the verdict."""
        target = {"entity_id": self.entity_id(board_id)} | data
        async with asyncio.timeout(PATIENCE):
            await self.hass.services.async_call("update", "install", target, blocking=True)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds of which no event tells, within a bound."""
        async with asyncio.timeout(PATIENCE):
            while not holds():  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def state_is(self, holds: Callable[[State], bool], board_id: str = "relay-1") -> State:
        """Wait for a state of a board's update entity."""
        found = asyncio.Event()
        entity_id = self.entity_id(board_id)

        @callback
        def look(_event: Event[EventStateChangedData] | None = None) -> None:
            state = self.hass.states.get(entity_id)
            if state is not None and state.state != STATE_UNAVAILABLE and holds(state):
                found.set()

        unsubscribe = async_track_state_change_event(self.hass, entity_id, look)
        look()
        async with asyncio.timeout(PATIENCE):
            await found.wait()
        unsubscribe()
        return self.state(board_id)

    async def change_options(self, options: dict[str, Any]) -> None:
        """Set the integration's options, which reloads it."""
        self.hass.config_entries.async_update_entry(self.entry, options=options)
        await self.hass.async_block_till_done(wait_background_tasks=False)
        assert self.entry.state is ConfigEntryState.LOADED

    async def refresh(self) -> None:
        """Reload the integration and wait until it read its feed."""
        await self.reload()
        catalogue = self.entry.runtime_data.catalogue
        await self.until(lambda: all(feed.data for _, feed in catalogue.feeds))
        await self.hass.async_block_till_done()

    async def reload(self) -> None:
        """Unload and set up the integration, as a restart of Home Assistant does."""
        assert await self.hass.config_entries.async_reload(self.entry.entry_id)
        await self.hass.async_block_till_done()


@asynccontextmanager
async def a_house(
    hass: HomeAssistant,
    folder: Path,
    *,
    options: dict[str, Any] | None = None,
    dialects: Sequence[dict[str, Any]] = (),
    **product: Any,
) -> AsyncIterator[House]:
    """Set a house up; its feed offers 1.1.0 of 64 kB for the ESP32-S3.

    `dialects` are the settings of each protocol that is set up, with its kind as `dialect`.
    """
    async with feed_server() as feed:
        with run_mosquitto(folder / "mosquitto") as broker:
            entry = MockConfigEntry(
                domain=DOMAIN,
                title="MQTT OTA",
                data={"root": "mqtt_ota"},
                options=options or {},
                subentries_data=[_subentry(feed.address(FEED), product), *map(_dialect, dialects)],
            )
            house = House(hass, broker, feed, _mqtt_entry(broker), entry, folder)
            house.publish_releases({"version": "1.1.0", "notes": "Quieter.", "image": build_app(version="1.1.0")})
            house.mqtt_entry.add_to_hass(hass)
            assert await hass.config_entries.async_setup(house.mqtt_entry.entry_id)
            await house.until(lambda: mqtt.is_connected(hass))
            entry.add_to_hass(hass)
            assert await hass.config_entries.async_setup(entry.entry_id)
            await hass.async_block_till_done(wait_background_tasks=False)
            try:
                yield house
            finally:
                for board in house.boards:
                    await hass.async_add_executor_job(board.stop)
                for one in (entry, house.mqtt_entry):
                    await hass.config_entries.async_unload(one.entry_id)
                await hass.async_block_till_done()


def _subentry(location: str, product: dict[str, Any]) -> ConfigSubentryData:
    data = {"kind": "manifest", "location": location, "name": "Relay", "model": "relay"} | product
    return ConfigSubentryData(data=data, subentry_type=SUBENTRY_FIRMWARE, title="Relay", unique_id=None)


def _dialect(settings: dict[str, Any]) -> ConfigSubentryData:
    title = settings.get("name", settings["dialect"])
    return ConfigSubentryData(data=settings, subentry_type=SUBENTRY_DIALECT, title=title, unique_id=None)


def _mqtt_entry(broker: Mosquitto) -> MockConfigEntry:
    return MockConfigEntry(
        domain="mqtt",
        version=2,
        minor_version=1,
        data={"broker": broker.host, "port": broker.port, "protocol": "5"},
        options={"birth_message": {}, "will_message": {}},
    )

"""The house: everything together, set up the way a user does it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .api import Api, open_api
from .boards import BoardPlan, FakeBoard
from .broker import Broker, run_broker
from .feed import ReleaseFeed, run_feed
from .home_assistant import HomeAssistant, Login, run_home_assistant
from .places import throw_away_folder
from .ports import LOOPBACK
from .programs import Program
from .waiting import until

_DOMAIN = "mqtt_ota"
_PLAIN_MQTT = {"set_client_cert": False, "set_ca_cert": "off", "transport": "tcp"}


@dataclass(slots=True)
class House:
    """A broker, a Home Assistant with MQTT, a feed, and the boards that were put in."""

    folder: Path
    broker: Broker
    home_assistant: HomeAssistant
    feed: ReleaseFeed
    login: Login
    api: Api
    boards: dict[str, FakeBoard] = field(default_factory=dict)
    others: list[Program] = field(default_factory=list)
    _connection: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def connect(self) -> None:
        """Connect to Home Assistant's API, again after a restart."""
        await self._connection.aclose()
        opening = open_api(self.home_assistant.url, self.login.access_token)
        self.api = await self._connection.enter_async_context(opening)

    async def add_board(self, plan: BoardPlan) -> FakeBoard:
        """Switch on a board."""
        board = self.boards[plan.id] = FakeBoard(plan, self.broker.port, self.folder)
        await board.program.start()
        return board

    async def set_up_mqtt(self) -> None:
        """Give Home Assistant its MQTT connection."""
        broker = {"broker": LOOPBACK, "port": self.broker.port, "protocol": "5", "other_settings": _PLAIN_MQTT}
        await self.api.walk("config_entries", {"handler": "mqtt"}, broker)

    async def accept_discovery(self) -> str:
        """Say yes to the integration that the first announcement made Home Assistant offer; return its entry's id."""

        async def find() -> str | None:
            flows = await self.api.command("config_entries/flow/progress")
            return next((flow["flow_id"] for flow in flows if flow["handler"] == _DOMAIN), None)

        flow_id = await until(find, "the boards to be discovered", timeout=30)
        created = await self.api.rest("POST", f"config/config_entries/flow/{flow_id}", {})
        entry_id: str = created["result"]["entry_id"]
        return entry_id

    async def set_up_integration(self) -> str:
        """Set the integration up before any board was found; return its entry's id."""
        answer = {"advanced": {"root": _DOMAIN}}
        created = await self.api.walk("config_entries", {"handler": _DOMAIN}, answer)
        entry_id: str = created["result"]["entry_id"]
        return entry_id

    async def settled(self, entry_id: str) -> None:
        """Wait until the integration is loaded with what was added last."""

        async def loaded() -> bool:
            entry = await self.api.command("config_entries/get_single", entry_id=entry_id)
            return bool(entry["config_entry"]["state"] == "loaded")

        await until(loaded, "the integration to be loaded", timeout=60)

    async def add_feed(self, entry_id: str, **rule: str) -> None:
        """Tell the integration about the release feed; `rule` says which boards it is for."""
        source = {"kind": "manifest", "location": self.feed.url}
        boards = {"name": self.feed.name, "channel": "stable", **rule}
        await self.api.walk("config_entries/subentries", {"handler": [entry_id, "firmware"]}, source, boards)

    async def update_entity(self, board_id: str) -> str:
        """Return the id of a board's update entity, waiting for it to show a latest version."""

        async def find() -> str | None:
            for entity in await self.api.command("config/entity_registry/list"):
                if entity["platform"] == _DOMAIN and entity["unique_id"] == f"{board_id}_firmware":
                    state = await self.api.state(entity["entity_id"])
                    # While the integration is loaded again its entities have no attributes.
                    if state is not None and state["attributes"].get("latest_version"):
                        found: str = entity["entity_id"]
                        return found
            return None

        return await until(find, f"the update entity of {board_id}", timeout=30)

    async def install(self, entity_id: str, *, timeout: float = 300) -> None:
        """Install the latest version and wait for the verdict; ApiError says why it failed."""
        await self.api.call("update", "install", timeout=timeout, target={"entity_id": entity_id})

    async def restart_home_assistant(self, *, power_cut: bool = False) -> None:
        """Stop Home Assistant, in order or the way a power cut does, and start it again."""
        await self._connection.aclose()
        if power_cut:
            await self.home_assistant.program.kill()
        else:
            await self.home_assistant.stop()
        await self.home_assistant.start()
        await self.connect()

    async def close(self) -> None:
        """Switch off the boards and leave."""
        await self._connection.aclose()
        for program in (*(board.program for board in self.boards.values()), *self.others):
            await program.stop()

    def logs(self) -> str:
        """Return the end of every program's log."""
        programs = [self.home_assistant.program, *(board.program for board in self.boards.values()), *self.others]
        return "\n".join(f"--- {program.name}\n{program.tail()}" for program in programs)


@asynccontextmanager
async def open_house() -> AsyncIterator[House]:
    """Build a house with MQTT set up, and take it down again."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(throw_away_folder())
        broker = await stack.enter_async_context(run_broker(folder))
        feed = await stack.enter_async_context(run_feed("Relay firmware"))
        home_assistant = await stack.enter_async_context(run_home_assistant(folder))
        login = await home_assistant.create_owner()
        connection = AsyncExitStack()
        api = await connection.enter_async_context(open_api(home_assistant.url, login.access_token))
        house = House(folder, broker, home_assistant, feed, login, api, _connection=connection)
        stack.push_async_callback(house.close)
        try:
            await house.set_up_mqtt()
            yield house
        except Exception as err:
            # The logs end with the house.
            err.add_note(house.logs())
            raise

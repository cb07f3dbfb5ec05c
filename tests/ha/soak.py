"""Random faults over many boards: what happens is drawn from a seed, so that it can happen again."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from hashlib import sha256
from random import Random
from typing import Any

from custom_components.mqtt_ota.const import DOMAIN
from custom_components.mqtt_ota.ota.state import State
from homeassistant.components import mqtt
from homeassistant.exceptions import HomeAssistantError
from tests.board.board import Board
from tests.board.faults import Faults
from tests.board.flash import Flash
from tests.board.settings import Settings
from tests.firmware_images import build_app

from .feed_server import Page
from .house import FEED, House

_SIZE = 24 * 1024
# How long everything may take to come to rest when the faults are over, in seconds.
SETTLING = 90.0
_VERDICTS = {"installed", "unverified", "failed", "rolled_back", "cancelled"}


class Soak:
    """A house, its boards, and everything that may go wrong with them."""

    def __init__(self, house: House, seed: int, boards: int) -> None:
        """Draw from `seed`."""
        self.house = house
        self.done: Counter[str] = Counter()
        self.verdicts: Counter[str] = Counter()
        self.images: dict[str, str] = {}
        self._chance = Random(seed)
        self._names = [f"relay-{number}" for number in range(boards)]
        self._boards: dict[str, Board] = {}
        self._calls: set[asyncio.Task[Any]] = set()
        # What actions raised that no user should ever see.
        self._surprises: list[BaseException] = []
        self._release = 0
        self._page = Page()

    async def begin(self) -> None:
        """Publish a release and switch everything on."""
        self._publish()
        await self.house.refresh()
        self._listen()
        for name in self._names:
            await self._switch_on(name)
        await self.house.until(lambda: len(self.house.members) == len(self._names))

    async def step(self) -> None:
        """Let something happen."""
        deeds: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (30, self._install),
            (8, self._roll_out),
            (6, self._cancel),
            (6, self._retry),
            (6, self._publish_and_look),
            (10, self._kill),
            (14, self._revive),
            (8, self._talk_nonsense),
            (2, self._restart_broker),
            (2, self._reload),
            (1, self._reload_mqtt),
            (3, self._lose_feed),
        ]
        weights = [weight for weight, _ in deeds]
        (deed,) = self._chance.choices([deed for _, deed in deeds], weights)
        self.done[deed.__name__.strip("_")] += 1
        await deed()
        await asyncio.sleep(self._chance.random() * 0.3)

    async def settle(self) -> None:
        """End the faults, switch everything on, and wait until nothing is left to be done."""
        self.house.feed[FEED] = self._page
        await self.house.until(lambda: mqtt.is_connected(self.house.hass))
        for name in self._names:
            if name not in self._boards:
                await self._switch_on(name)
        rollouts = self.house.entry.runtime_data.rollouts
        for running in list(rollouts.all.values()):
            if running.is_live:
                rollouts.async_apply(running, lambda rollout: rollout.cancel(0.0))
        async with asyncio.timeout(SETTLING):
            while any(member.active_session for member in self.house.members.values()):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
            await asyncio.gather(*self._calls, return_exceptions=True)
        await self.house.until(lambda: all(self._is_told(name) for name in self._names))

    async def prove(self) -> None:
        """Bring every board to a new release: whatever happened before, all of it still works."""
        for name in self._names:
            await self._take(name, kill=False)
            await self._switch_on(name, Faults())
        await self.house.until(lambda: all(member.availability == "online" for member in self.house.members.values()))
        self._publish()
        await self.house.refresh()
        data = {"entity_id": self._targets(self._names), "retries": 2}
        async with asyncio.timeout(SETTLING):
            answer: Any = await self.house.hass.services.async_call(
                DOMAIN, "install", data, blocking=True, return_response=True
            )
        assert {one["result"] for one in answer["boards"].values()} == {"confirmed"}
        assert {member.version for member in self.house.members.values()} == {f"1.{self._release}.0"}

    def check(self) -> None:
        """Hold what must hold at the end: whole images, true verdicts, nothing left open."""
        runtime = self.house.entry.runtime_data
        assert self._surprises == []
        assert set(self.house.members) == set(self._names)
        for name, member in self.house.members.items():
            flash = Flash(self.house.folder / name)
            image = flash._slot(flash.running).read_bytes() if flash.digest else b""
            version = flash.version("1.0.0")
            # The first image is only claimed; every other is what was published, to the last byte.
            assert version == "1.0.0" or self.images[version] == sha256(image).hexdigest(), name
            assert member.version == version, name
            session = member.session
            if session is not None and session.state is State.CONFIRMED:
                assert session.target.version == version, name
            elif session is not None:
                assert session.target.version != version or session.from_version == version, name
        assert runtime.sessions.queue.running == len(runtime.sessions.queue) == 0
        assert runtime.sessions._active == {}
        assert (runtime.sessions.delivery._loaded, runtime.sessions.delivery._users) == ({}, {})
        assert runtime.downloads._offers == {}
        assert all(member._timer is None for member in self.house.members.values())
        assert all(not running.is_live for running in runtime.rollouts.all.values())

    async def end(self) -> None:
        """Switch everything off."""
        for name in list(self._boards):
            await self._take(name, kill=False)

    def _listen(self) -> None:
        def note(_member: Any, _session: Any, step: str) -> None:
            if step in _VERDICTS:
                self.verdicts[str(step)] += 1

        self.house.entry.runtime_data.sessions.async_listen(note)

    def _is_told(self, name: str) -> bool:
        flash = Flash(self.house.folder / name)
        member = self.house.members.get(name)
        return member is not None and member.version == flash.version("1.0.0") and not member.board.pending

    def _some(self) -> list[str]:
        return self._chance.sample(self._names, self._chance.randint(1, len(self._names)))

    def _targets(self, names: list[str]) -> list[str]:
        return [self.house.entity_id(name) for name in names]

    def _call(self, action: str, **data: Any) -> None:
        """Ask for something, and let nobody wait for it."""

        async def call() -> None:
            with suppress(HomeAssistantError):
                await self.house.hass.services.async_call(DOMAIN, action, data, blocking=True, return_response=True)

        task = asyncio.ensure_future(call())
        self._calls.add(task)
        task.add_done_callback(self._called)

    def _called(self, task: asyncio.Task[Any]) -> None:
        self._calls.discard(task)
        if not task.cancelled() and (err := task.exception()) is not None:
            self._surprises.append(err)

    async def _install(self) -> None:
        self._call("install", entity_id=self._targets(self._some()), retries=self._chance.randint(0, 1))

    async def _roll_out(self) -> None:
        self._call("rollout", entity_id=self._targets(self._some()), stages=["2"], stop_after=2)

    async def _cancel(self) -> None:
        self._call("cancel", entity_id=self._targets(self._some()[:2]))

    async def _retry(self) -> None:
        self._call("retry", entity_id=self._targets(self._some()))

    async def _publish_and_look(self) -> None:
        self._publish()
        for _, feed in self.house.entry.runtime_data.catalogue.feeds:
            await feed.async_refresh()

    async def _kill(self) -> None:
        if self._boards:
            await self._take(self._chance.choice(sorted(self._boards)), kill=self._chance.random() < 0.7)

    async def _revive(self) -> None:
        if away := [name for name in self._names if name not in self._boards]:
            await self._switch_on(self._chance.choice(away))

    async def _talk_nonsense(self) -> None:
        name, kind = self._chance.choice(self._names), self._chance.choice(["status", "want", "announce"])
        payload = self._chance.choice(
            [
                self._chance.randbytes(40),
                b"{}",
                b'{"session":"0123456789abcdef","state":"confirmed","held":1}',
                b"[1" * 99,
            ]
        )
        with suppress(HomeAssistantError):
            await mqtt.async_publish(self.house.hass, f"mqtt_ota/board/{name}/{kind}", payload, 0, encoding=None)

    async def _restart_broker(self) -> None:
        await self.house.hass.async_add_executor_job(self.house.broker.stop)
        await asyncio.sleep(self._chance.random())
        await self.house.hass.async_add_executor_job(self.house.broker.start)

    async def _reload(self) -> None:
        assert await self.house.hass.config_entries.async_reload(self.house.entry.entry_id)
        self._listen()

    async def _reload_mqtt(self) -> None:
        assert await self.house.hass.config_entries.async_reload(self.house.mqtt_entry.entry_id)

    async def _lose_feed(self) -> None:
        is_gone = self.house.feed[FEED] is not self._page
        self.house.feed[FEED] = self._page if is_gone else Page(status=500)

    def _publish(self) -> None:
        self._release += 1
        version = f"1.{self._release}.0"
        image = build_app(version=version, size=_SIZE, seed=self._release)
        self.images[version] = sha256(image).hexdigest()
        self.house.publish_releases({"version": version, "image": image})
        self._page = self.house.feed[FEED]

    def _faults(self) -> Faults:
        draw = self._chance.random
        return Faults(
            lose=self._chance.choice([0, 0, 5, 9]),
            repeat=draw() < 0.2,
            reorder=draw() < 0.2,
            corrupt=draw() < 0.2,
            power_cut=self._chance.choice([0, 0, self._chance.randrange(1, _SIZE)]),
            comes_back_old=draw() < 0.05,
            wrong_digest=draw() < 0.05,
        )

    async def _switch_on(self, name: str, faults: Faults | None = None) -> None:
        settings = Settings(
            host=self.house.broker.host,
            port=self.house.broker.port,
            id=name,
            state=self.house.folder / name,
            chip="ESP32-S3",
            model="relay",
            ask_timeout=0.3,
            reboot_time=0.05,
        )
        board = self._boards[name] = Board(settings, faults or self._faults())
        board.start()

    async def _take(self, name: str, *, kill: bool) -> None:
        board = self._boards.pop(name)
        await self.house.hass.async_add_executor_job(partial(board.kill if kill else board.stop))

"""Home Assistant's own API, as its frontend uses it: REST for flows, a websocket for the rest."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

type Json = dict[str, Any]

_ANSWER_TIMEOUT = 60


class ApiError(Exception):
    """Home Assistant refused a request; the text is what a user would be shown."""


class Api:
    """One authenticated connection to Home Assistant."""

    def __init__(self, session: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse, url: str) -> None:
        """Take over a websocket that is already authenticated."""
        self._session = session
        self._socket = socket
        self._url = url
        self._last_id = 0
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._events: dict[int, asyncio.Queue[Json | None]] = {}

    async def command(self, type_: str, *, timeout: float = _ANSWER_TIMEOUT, **fields: Any) -> Any:
        """Send a websocket command and return its result; `timeout` is in seconds."""
        self._last_id += 1
        return await self._send(self._last_id, type_, timeout, fields)

    async def call(
        self, domain: str, service: str, *, timeout: float = _ANSWER_TIMEOUT, target: Json | None = None, **fields: Any
    ) -> None:
        """Perform an action and wait until it is over."""
        await self.command(
            "call_service",
            timeout=timeout,
            domain=domain,
            service=service,
            service_data=fields,
            target=target or {},
        )

    @asynccontextmanager
    async def events(self, type_: str, **fields: Any) -> AsyncIterator[AsyncIterator[Json]]:
        """Subscribe to something; the iterator ends when the connection does."""
        self._last_id += 1
        subscription = self._last_id
        queue = self._events[subscription] = asyncio.Queue()
        try:
            await self._send(subscription, type_, _ANSWER_TIMEOUT, fields)
            yield _drain(queue)
        finally:
            del self._events[subscription]
            if not self._socket.closed:
                await self.command("unsubscribe_events", subscription=subscription)

    @asynccontextmanager
    async def states(self, entity_id: str) -> AsyncIterator[AsyncIterator[Json]]:
        """Follow an entity: its state now, if it has one, then each state that it takes."""
        async with self.events("subscribe_events", event_type="state_changed") as events:
            now = await self.state(entity_id)

            async def follow() -> AsyncIterator[Json]:
                if now is not None:
                    yield now
                async for event in events:
                    state: Json | None = event["data"]["new_state"]
                    if event["data"]["entity_id"] == entity_id and state is not None:
                        yield state

            yield follow()

    async def state(self, entity_id: str) -> Json | None:
        """Return an entity's state; None when there is no such entity."""
        states: list[Json] = await self.command("get_states")
        return next((state for state in states if state["entity_id"] == entity_id), None)

    async def rest(self, method: str, path: str, body: Json | None = None) -> Json:
        """Send a REST request to `/api/...`."""
        async with self._session.request(method, f"{self._url}/api/{path}", json=body) as response:
            if not response.ok:
                raise ApiError(f"{method} /api/{path}: {response.status} {await response.text()}")
            answer: Json = await response.json()
            return answer

    async def walk(self, flow: str, start: Json, *answers: Json) -> Json:
        """Walk a flow (`config_entries`, `config_entries/subentries`, ...) to its end, one answer a form."""
        path = f"config/{flow}/flow"
        step = await self.rest("POST", path, start)
        for answer in answers:
            step = await self.rest("POST", f"{path}/{step['flow_id']}", answer)
            if step.get("errors"):
                raise ApiError(f"{start} refused {answer}: {step['errors']}")
        if step["type"] != "create_entry":
            raise ApiError(f"{start} did not finish: {step}")
        return step

    async def _send(self, id_: int, type_: str, timeout: float, fields: Json) -> Any:
        answer = self._answers[id_] = asyncio.get_running_loop().create_future()
        try:
            await self._socket.send_json({"id": id_, "type": type_, **fields})
            async with asyncio.timeout(timeout):
                return await answer
        finally:
            del self._answers[id_]

    async def listen(self) -> None:
        """Hand out what arrives until the connection ends."""
        try:
            async for frame in self._socket:
                self._take(frame.json())
        finally:
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(ApiError("Home Assistant closed the connection"))
            for queue in self._events.values():
                queue.put_nowait(None)

    def _take(self, message: Json) -> None:
        if message["type"] == "event":
            if queue := self._events.get(message["id"]):
                queue.put_nowait(message["event"])
            return
        answer = self._answers.get(message["id"])
        if answer is None or answer.done():
            return
        if message.get("success"):
            answer.set_result(message["result"])
        else:
            answer.set_exception(ApiError(message["error"]["message"]))


async def _drain(queue: asyncio.Queue[Json | None]) -> AsyncIterator[Json]:
    while (event := await queue.get()) is not None:
        yield event


@asynccontextmanager
async def open_api(url: str, access_token: str) -> AsyncIterator[Api]:
    """Connect to Home Assistant with an access token."""
    headers = {"Authorization": f"Bearer {access_token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.ws_connect(f"{url}/api/websocket", max_msg_size=0) as socket,
    ):
        await socket.receive_json()
        await socket.send_json({"type": "auth", "access_token": access_token})
        if (answer := await socket.receive_json())["type"] != "auth_ok":
            raise ApiError(str(answer.get("message", answer)))
        api = Api(session, socket, url)
        listening = asyncio.create_task(api.listen())
        try:
            yield api
        finally:
            await socket.close()
            await listening

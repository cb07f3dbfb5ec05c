"""A web server on the loopback that publishes feeds and images, and fails in every way that servers fail."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
import hashlib
from typing import Self

from aiohttp import web


@dataclass
class Page:
    """What one path answers, and its faults."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/octet-stream"
    etag: bool = False
    stuck: bool = False
    stuck_after: int | None = None
    truncated_at: int | None = None


class FeedServer:
    """Pages by path, and the requests that were made for them."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.requests: list[web.Request] = []
        self.url = ""
        self._runner: web.AppRunner | None = None
        self._port = 0
        self._released = asyncio.Event()
        self._asked = asyncio.Condition()

    def __setitem__(self, path: str, page: Page | bytes) -> None:
        self.pages[path] = page if isinstance(page, Page) else Page(page)

    def __getitem__(self, path: str) -> Page:
        return self.pages[path]

    def address(self, path: str) -> str:
        return f"{self.url}{path}"

    def count(self, path: str) -> int:
        return sum(request.path == path for request in self.requests)

    async def asked(self, path: str) -> None:
        """Wait for the first request for a page."""
        async with self._asked:
            await self._asked.wait_for(lambda: self.count(path))

    async def up(self) -> Self:
        """Listen, on the port of the last time if there was one."""
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self._port}"
        return self

    async def down(self) -> None:
        """Stop listening."""
        self._released.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def release(self) -> None:
        """Let the stuck answers go on."""
        self._released.set()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        async with self._asked:
            self._asked.notify_all()
        page = self.pages.get(request.path)
        if page is None:
            raise web.HTTPNotFound
        if page.stuck:
            await self._released.wait()
        headers = dict(page.headers)
        if page.etag:
            headers["ETag"] = f'"{hashlib.sha256(page.body).hexdigest()[:16]}"'
            if request.headers.get("If-None-Match") == headers["ETag"]:
                return web.Response(status=304, headers=headers)
        if page.truncated_at is not None:
            return await self._cut(request, page)
        if page.stuck_after is not None:
            return await self._stick(request, page)
        return web.Response(body=page.body, status=page.status, headers=headers, content_type=page.content_type)

    async def _cut(self, request: web.Request, page: Page) -> web.StreamResponse:
        """Promise the whole body and hang up in the middle."""
        response = web.StreamResponse(headers={"Content-Length": str(len(page.body))})
        await response.prepare(request)
        await response.write(page.body[: page.truncated_at])
        assert request.transport is not None
        request.transport.close()
        return response

    async def _stick(self, request: web.Request, page: Page) -> web.StreamResponse:
        """Send the beginning of the body, and the rest when released."""
        response = web.StreamResponse(headers={"Content-Length": str(len(page.body))})
        await response.prepare(request)
        await response.write(page.body[: page.stuck_after])
        await self._released.wait()
        await response.write(page.body[page.stuck_after :])
        return response


@asynccontextmanager
async def feed_server() -> AsyncIterator[FeedServer]:
    """Run a server for as long as it is needed."""
    server = await FeedServer().up()
    try:
        yield server
    finally:
        await server.down()

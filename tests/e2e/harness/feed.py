"""A release feed: a manifest and its images on a web server of this process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
import hashlib
from typing import Any

from aiohttp import web

from .ports import LOOPBACK


@dataclass(slots=True)
class ReleaseFeed:
    """What is published; each publication replaces the manifest."""

    name: str
    url: str = ""
    versions: list[dict[str, Any]] = field(default_factory=list)
    images: dict[str, bytes] = field(default_factory=dict)

    def publish(self, version: str, image: bytes, *, chip: str, notes: str = "") -> None:
        """Publish a version for one chip, or without one for any."""
        name = f"{self.name} {version} {chip}".strip().lower().replace(" ", "-") + ".bin"
        self.images[name] = image
        asset = {"url": name, "size": len(image), "sha256": hashlib.sha256(image).hexdigest()}
        asset |= {"chip": chip} if chip else {}
        self.versions.append({"version": version, "notes": notes, "assets": [asset]})

    async def serve_manifest(self, request: web.Request) -> web.Response:
        """Answer with the manifest as it is now."""
        return web.json_response({"schema": 1, "name": self.name, "versions": self.versions})

    async def serve_image(self, request: web.Request) -> web.Response:
        """Answer with an image."""
        image = self.images.get(request.match_info["name"])
        if image is None:
            raise web.HTTPNotFound
        return web.Response(body=image, content_type="application/octet-stream")


@asynccontextmanager
async def run_feed(name: str) -> AsyncIterator[ReleaseFeed]:
    """Serve an empty feed on loopback for as long as the context lasts."""
    feed = ReleaseFeed(name)
    app = web.Application()
    app.router.add_get("/manifest.json", feed.serve_manifest)
    app.router.add_get("/{name}", feed.serve_image)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, LOOPBACK, 0).start()
        feed.url = f"http://{LOOPBACK}:{runner.addresses[0][1]}/manifest.json"
        yield feed
    finally:
        await runner.cleanup()

"""A real browser, logged in to Home Assistant."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
import json
import time

from playwright.async_api import Page, async_playwright

from .home_assistant import HomeAssistant, Login
from .places import find_chromium
from .programs import MissingProgramError

_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@asynccontextmanager
async def open_browser(home_assistant: HomeAssistant, login: Login, *, dark: bool = False) -> AsyncIterator[Page]:
    """Open a page of Home Assistant's frontend as its owner; nothing but loopback is reachable from it."""
    if (chromium := find_chromium()) is None:
        raise MissingProgramError("Chromium was not found: install the package 'chromium'.")
    tokens = {
        "access_token": login.access_token,
        "refresh_token": login.refresh_token,
        "expires_in": login.expires_in,
        "expires": int((time.time() + login.expires_in) * 1000),
        "token_type": "Bearer",
        "hassUrl": home_assistant.url,
        "clientId": login.client_id,
    }
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=_ARGUMENTS)
        context = await browser.new_context(
            viewport={"width": 900, "height": 720},
            color_scheme="dark" if dark else "light",
            locale="en-GB",
            base_url=home_assistant.url,
        )
        await context.add_init_script(f"localStorage.hassTokens = {json.dumps(json.dumps(tokens))}")
        await context.route(
            lambda url: not url.startswith((home_assistant.url, "data:", "blob:")), lambda route: route.abort()
        )
        try:
            yield await context.new_page()
        finally:
            await browser.close()

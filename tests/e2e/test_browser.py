"""A user updates a board from the card in the browser."""

from pathlib import Path
import re

from playwright.async_api import Locator, Page, expect

from tests.e2e.harness.browser import open_browser
from tests.e2e.harness.house import House
from tests.e2e.harness.scene import FIRST, INSTALLED, LATEST, set_scene

PATIENCE = 60_000
PERCENTAGE = re.compile(r"\b([1-9]\d?)\s?%")


async def see_percentage(dialog: Locator, *, other_than: str = "-") -> str:
    """Wait until the card shows a percentage between 0 and 100 that was not there before."""
    shown = dialog.get_by_text(PERCENTAGE).filter(has_not_text=other_than).first
    await expect(shown).to_be_visible(timeout=PATIENCE)
    found = PERCENTAGE.search(await shown.inner_text())
    assert found is not None
    bar = dialog.locator("ha-progress-bar")
    assert 0 < float(await bar.get_attribute("value") or 0) < 100
    return found.group(0)


async def shoot(page: Page, folder: Path | None, name: str) -> None:
    """Keep what the page shows, if anybody wants it."""
    if folder is not None:
        await page.screenshot(path=folder / f"{name}.png")


async def test_update_from_the_card(house: House, chromium: str, screenshots: Path | None) -> None:
    await set_scene(house, FIRST)
    entity_id = await house.update_entity(FIRST.id)
    async with open_browser(house.home_assistant, house.login) as page:
        await page.goto(f"/config/updates?more-info-entity-id={entity_id}")
        dialog = page.locator("ha-more-info-dialog")
        await expect(dialog.get_by_text(INSTALLED, exact=True)).to_be_visible(timeout=PATIENCE)
        await expect(dialog.get_by_text(LATEST, exact=True).first).to_be_visible()
        await expect(dialog.get_by_text("The night light keeps its colour after a power cut.")).to_be_visible()
        await shoot(page, screenshots, "update-available")

        await dialog.get_by_role("button", name="Update", exact=True).click()
        before = await see_percentage(dialog)
        after = await see_percentage(dialog, other_than=before)
        assert after != before
        await shoot(page, screenshots, "update-card")

        await expect(dialog.get_by_text("Up-to-date")).to_be_visible(timeout=PATIENCE)
        await expect(dialog.get_by_text(INSTALLED, exact=True)).to_have_count(0)
        await shoot(page, screenshots, "up-to-date")
    restarts = house.boards[FIRST.id].events("restart")
    assert [event["cause"] for event in restarts] == ["update"]

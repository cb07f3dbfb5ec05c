"""Feeds that boards name: proposed once, fetched after the yes alone, and gone when they are settled."""

from datetime import timedelta
import json
from typing import Any

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.mqtt_ota import feed_proposals, releases
from custom_components.mqtt_ota.const import DOMAIN
from custom_components.mqtt_ota.feed_proposals import FEED_PROPOSED
from custom_components.mqtt_ota.issue_watch import ISSUES_LIMIT
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, issue_registry as ir
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util

from .conftest import BOARD, Announce, SetUp
from .feed_server import FeedServer, Page

FEED = "/lamps/feed.json"
ADDRESS = "https://a.example/lamp.json"
ASSET = {"url": "lamp.bin", "sha256": "ab" * 32, "size": 4096, "chip": "ESP32-C3"}
MANIFEST = {"schema": 1, "versions": [{"version": "1.2.0", "assets": [ASSET]}]}
ESP_WEB_TOOLS = {
    "name": "Lamp",
    "version": "1.2.0",
    "builds": [{"chipFamily": "ESP32-C3", "ota": {"path": "lamp.bin", "md5": "0" * 32}}],
}


def page(document: Any) -> Page:
    return Page(json.dumps(document).encode(), content_type="application/json")


async def settled(hass: HomeAssistant) -> list[ir.IssueEntry]:
    """Let the second pass after which a board is looked at, and that after which all are; return what is proposed."""
    for _ in range(2):
        async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=2))
        await hass.async_block_till_done()
    return [issue for issue in ir.async_get(hass).issues.values() if issue.domain == DOMAIN and issue.active]


async def only(hass: HomeAssistant) -> ir.IssueEntry:
    (issue,) = await settled(hass)
    return issue


def told(issue: ir.IssueEntry) -> dict[str, str]:
    """Return what an issue's text says."""
    assert issue.translation_placeholders is not None
    return issue.translation_placeholders


class Fix:
    """The user's side of a fix flow."""

    def __init__(self, hass: HomeAssistant, hass_client: ClientSessionGenerator) -> None:
        self._hass = hass
        self._hass_client = hass_client
        self._flow_id = ""

    async def begin(self, issue: ir.IssueEntry) -> dict[str, Any]:
        """Open the issue."""
        assert await async_setup_component(self._hass, "repairs", {})
        self._client = await self._hass_client()
        answer = await self._post("/api/repairs/issues/fix", {"handler": DOMAIN, "issue_id": issue.issue_id})
        self._flow_id = answer["flow_id"]
        return answer

    async def say_yes(self) -> dict[str, Any]:
        """Choose Submit."""
        return await self._post(f"/api/repairs/issues/fix/{self._flow_id}", {})

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        response = await self._client.post(path, json=body)
        answer: dict[str, Any] = await response.json()
        await self._hass.async_block_till_done()
        return answer


@pytest.fixture
def fix(hass: HomeAssistant, hass_client: ClientSessionGenerator) -> Fix:
    return Fix(hass, hass_client)


async def test_a_feed_that_a_board_names_is_proposed_and_not_fetched(
    hass: HomeAssistant, ota_entry: SetUp, announce: Announce, server: FeedServer
) -> None:
    await ota_entry()
    await announce(feed=server.address(FEED), name="[Lamp]")
    issue = await only(hass)
    assert (issue.translation_key, issue.is_fixable) == ("feed_proposed", True)
    assert told(issue) == {
        "board": r"\[Lamp\]",
        "count": "1",
        "host": server.url.removeprefix("http://"),
        "url": server.address(FEED),
    }
    assert not server.requests


@pytest.mark.parametrize("feed", [None, "", "owner/lamp", "ftp://a.example/b", "http://", "http://[", "javascript:a"])
async def test_what_is_no_web_address_is_not_proposed(
    hass: HomeAssistant, ota_entry: SetUp, announce: Announce, feed: str | None
) -> None:
    await ota_entry()
    await announce(feed=feed)
    assert await settled(hass) == []


async def test_a_login_in_an_address_is_not_shown(hass: HomeAssistant, ota_entry: SetUp, announce: Announce) -> None:
    await ota_entry()
    await announce(feed="https://me:secret@a.example:8443/b?c=d")
    assert told(await only(hass)) | {"board": "", "count": ""} == {
        "board": "",
        "count": "",
        "host": "a.example:8443",
        "url": "https://a.example:8443/b?c=d",
    }


async def test_an_address_cannot_leave_its_place_in_the_text(
    hass: HomeAssistant, ota_entry: SetUp, announce: Announce
) -> None:
    await ota_entry()
    await announce(feed="https://a.example/`[b](c)`")
    assert "`" not in told(await only(hass))["url"]


async def test_a_hundred_boards_with_one_feed_make_one_proposal(
    hass: HomeAssistant, ota_entry: SetUp, announce: Announce
) -> None:
    await ota_entry()
    for number in range(100):
        await announce(id=f"lamp-{number}", feed=ADDRESS)
    assert told(await only(hass))["count"] == "100"


async def test_hostile_boards_cannot_flood_the_user(hass: HomeAssistant, ota_entry: SetUp, announce: Announce) -> None:
    await ota_entry()
    for number in range(ISSUES_LIMIT + 5):
        await announce(id=f"lamp-{number}", feed=f"{ADDRESS}?{number}")
    issues = await settled(hass)
    assert len(issues) == ISSUES_LIMIT
    # What the user put aside makes room for what was not asked yet.
    ir.async_get(hass).async_ignore(DOMAIN, issues[0].issue_id, True)
    await announce(id="lamp-0", version="1.0.1", feed=f"{ADDRESS}?0")
    issues = await settled(hass)
    assert (len(issues), sum(bool(issue.dismissed_version) for issue in issues)) == (ISSUES_LIMIT + 1, 1)
    ir.async_get(hass).async_ignore(DOMAIN, next(issue.issue_id for issue in issues if issue.dismissed_version), False)
    await announce(id="lamp-0", version="1.0.2", feed=f"{ADDRESS}?0")
    assert len(await settled(hass)) == ISSUES_LIMIT


async def test_a_board_that_has_a_firmware_is_left_alone(
    hass: HomeAssistant, ota_entry: SetUp, announce: Announce
) -> None:
    await ota_entry({"kind": "folder", "location": "firmware", "name": "Lamp", "model": "lamp"})
    await announce(feed=ADDRESS)
    await announce(id="strip-1", model="strip", feed=ADDRESS)
    assert told(await only(hass))["count"] == "1"


async def test_a_board_that_two_firmwares_fit_is_left_alone(
    hass: HomeAssistant, ota_entry: SetUp, announce: Announce
) -> None:
    lamp = {"kind": "folder", "location": "firmware", "name": "Lamp", "model": "lamp"}
    await ota_entry(lamp, lamp | {"name": "Other"})
    await announce(feed=ADDRESS)
    assert await settled(hass) == []


async def test_what_is_ignored_stays_ignored(hass: HomeAssistant, ota_entry: SetUp, announce: Announce) -> None:
    entry = await ota_entry()
    await announce(feed=ADDRESS)
    issue = await only(hass)
    ir.async_get(hass).async_ignore(DOMAIN, issue.issue_id, True)
    await announce(version="1.0.1", feed=ADDRESS)
    assert (await only(hass)).dismissed_version is not None
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert (await only(hass)).dismissed_version is not None


async def test_a_proposal_goes_with_its_reason(hass: HomeAssistant, ota_entry: SetUp, announce: Announce) -> None:
    await ota_entry()
    await announce(feed=ADDRESS)
    assert await settled(hass)
    await announce(feed=None)
    assert await settled(hass) == []


async def test_progress_is_no_reason_to_look_through_the_boards_again(
    hass: HomeAssistant, ota_entry: SetUp, announce: Announce, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = await ota_entry()
    await announce(feed=ADDRESS)
    await settled(hass)
    reviews: list[object] = []
    monkeypatch.setattr(feed_proposals, "proposals", lambda runtime: reviews.append(runtime) or {})
    entry.runtime_data.fleet.members["lamp-1"].async_changed()
    await settled(hass)
    assert reviews == []
    await announce(version="1.0.1", feed=ADDRESS)
    await settled(hass)
    assert reviews == [entry.runtime_data]


async def test_a_proposal_goes_with_its_board_and_comes_back_with_it(
    hass: HomeAssistant, ota_entry: SetUp, announce: Announce
) -> None:
    entry = await ota_entry()
    await announce(feed=ADDRESS)
    assert await settled(hass)
    registry = dr.async_get(hass)
    (device,) = dr.async_entries_for_config_entry(registry, entry.entry_id)
    entry.runtime_data.fleet.async_forget(BOARD["id"])
    registry.async_remove_device(device.id)
    await hass.async_block_till_done()
    assert await settled(hass) == []
    await announce(feed=ADDRESS)
    assert await settled(hass)


async def test_proposals_go_with_the_integration(hass: HomeAssistant, ota_entry: SetUp, announce: Announce) -> None:
    await ota_entry()
    await announce(feed=ADDRESS)
    assert await settled(hass)
    FEED_PROPOSED.async_withdraw(hass)
    assert [issue for issue in ir.async_get(hass).issues.values() if issue.domain == DOMAIN] == []


@pytest.mark.parametrize(
    ("document", "kind", "name"), [(MANIFEST, "manifest", "lamps"), (ESP_WEB_TOOLS, "esp_web_tools", "Lamp")]
)
async def test_a_yes_adds_the_firmware(
    hass: HomeAssistant, ota_entry: SetUp, announce: Announce, server: FeedServer, fix: Fix,
    document: dict[str, Any], kind: str, name: str,
) -> None:  # fmt: skip
    entry = await ota_entry()
    server[FEED] = page(document)
    await announce(feed=server.address(FEED), project="p[1]")
    form = await fix.begin(await only(hass))
    assert (form["step_id"], form["errors"]) == ("confirm", {})
    assert form["description_placeholders"]["url"] == server.address(FEED)
    assert not server.requests
    assert (await fix.say_yes())["type"] == "create_entry"
    (subentry,) = entry.subentries.values()
    assert subentry.title == name
    assert subentry.data == {
        "kind": kind,
        "location": server.address(FEED),
        "name": name,
        "channel": "stable",
        "model": "lamp",
        "chip": "ESP32-C3",
        "project": "p[[]1]",
    }
    assert await settled(hass) == []
    assert entry.runtime_data.catalogue.has_feed(entry.runtime_data.fleet.members["lamp-1"].board)


async def test_a_repository_is_recognised(
    hass: HomeAssistant, ota_entry: SetUp, announce: Announce, server: FeedServer, fix: Fix,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(releases, "GITHUB_API", server.url)
    asset = {"name": "lamp-esp32c3.bin", "browser_download_url": "https://a.example/b.bin"}
    server["/repos/owner/lamp/releases"] = page([{"tag_name": "v1", "prerelease": True, "assets": [asset]}])
    entry = await ota_entry()
    await announce(feed="https://github.com/owner/lamp/releases")
    await fix.begin(await only(hass))
    assert (await fix.say_yes())["type"] == "create_entry"
    (subentry,) = entry.subentries.values()
    assert (subentry.data["kind"], subentry.data["location"]) == ("github", "owner/lamp")
    assert (subentry.data["name"], subentry.data["channel"]) == ("lamp", "beta")


@pytest.mark.parametrize(
    ("boards", "match", "left"),
    [
        # One model on two chips is one firmware, whose feed has a file for each.
        (({"model": "lamp"}, {"model": "lamp", "chip": "ESP32-S3"}), {"model": "lamp"}, 0),
        # Another model is another firmware, of which the user is asked next.
        (({"model": "lamp"}, {"model": "strip"}), {"model": "lamp", "chip": "ESP32-C3"}, 1),
        # A board that says nothing else of itself is told by its chip.
        (({"model": None}, {"model": None, "chip": "ESP32-S3"}), {"chip": "ESP32-C3"}, 1),
        # A board cannot make its feed that of every other.
        (({"model": "*"}, {"model": "strip"}), {"model": "[*]", "chip": "ESP32-C3"}, 1),
    ],
)
async def test_the_firmware_is_for_boards_like_the_one_that_named_it(
    hass: HomeAssistant, ota_entry: SetUp, announce: Announce, server: FeedServer, fix: Fix,
    boards: tuple[dict[str, Any], ...], match: dict[str, str], left: int,
) -> None:  # fmt: skip
    entry = await ota_entry()
    server[FEED] = page(MANIFEST)
    for number, board in enumerate(boards):
        await announce(id=f"board-{number}", feed=server.address(FEED), **board)
    await fix.begin(await only(hass))
    await fix.say_yes()
    (subentry,) = entry.subentries.values()
    assert {key: subentry.data[key] for key in ("model", "chip", "project") if key in subentry.data} == match
    assert len(await settled(hass)) == left


@pytest.mark.parametrize(
    ("answer", "reason", "detail"),
    [
        (Page(status=404), "feed_not_found", None),
        (Page(b"<html>", content_type="text/html"), "feed_is_html", None),
        (page({"schema": 1, "versions": [{"version": 7}]}), "feed_invalid", "$.versions[0].version"),
        (page(ESP_WEB_TOOLS | {"builds": [{"chipFamily": 7}]}), "feed_invalid", "$.builds[0].chipFamily"),
    ],
)
async def test_a_feed_that_cannot_be_read_is_said_to_be_so_and_can_be_tried_again(
    hass: HomeAssistant, ota_entry: SetUp, announce: Announce, server: FeedServer, fix: Fix,
    answer: Page, reason: str, detail: str | None,
) -> None:  # fmt: skip
    entry = await ota_entry()
    server[FEED] = answer
    await announce(feed=server.address(FEED))
    await fix.begin(await only(hass))
    form = await fix.say_yes()
    assert (form["type"], form["errors"]) == ("form", {"base": reason})
    assert form["description_placeholders"].get("detail") == detail
    assert not entry.subentries
    assert await only(hass)
    server[FEED] = page(MANIFEST)
    assert (await fix.say_yes())["type"] == "create_entry"


async def test_a_yes_for_a_board_that_is_gone_does_nothing(
    hass: HomeAssistant, ota_entry: SetUp, announce: Announce, server: FeedServer, fix: Fix
) -> None:
    entry = await ota_entry()
    await announce(feed=server.address(FEED))
    await fix.begin(await only(hass))
    await announce(feed=None)
    done = await fix.say_yes()
    assert (done["type"], done["reason"]) == ("abort", "board_gone")
    assert not entry.subentries
    assert not server.requests


async def test_a_yes_while_the_integration_does_not_run_does_nothing(
    hass: HomeAssistant, ota_entry: SetUp, announce: Announce, fix: Fix
) -> None:
    entry: MockConfigEntry = await ota_entry()
    await announce(feed=ADDRESS)
    await fix.begin(await only(hass))
    assert await hass.config_entries.async_unload(entry.entry_id)
    done = await fix.say_yes()
    assert (done["type"], done["reason"]) == ("abort", "entry_not_loaded")

"""Feeds on the web: read politely, kept when they fail, and their images fetched once."""

import asyncio
from collections.abc import AsyncIterator, Callable
import gzip
import hashlib
import json
import logging
from typing import Any
from unittest.mock import patch

import aiohttp
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.mqtt_ota import releases as releases_module, web_feed
from custom_components.mqtt_ota.const import DOMAIN
from custom_components.mqtt_ota.firmware_store import MAX_IMAGE_SIZE, FirmwareStore
from custom_components.mqtt_ota.ota.errors import OtaError, Reason
from custom_components.mqtt_ota.ota.release import Asset, Candidate, Channel, Product, Release
from custom_components.mqtt_ota.releases import ReleaseFeed, async_feeds, async_try_feed, product_from_subentry
from homeassistant.core import HomeAssistant
from homeassistant.helpers.update_coordinator import UpdateFailed
from tests.firmware_images import build_app

from .feed_server import FeedServer, Page, feed_server

IMAGE = build_app(size=4096)
SHA256 = hashlib.sha256(IMAGE).hexdigest()
MD5 = hashlib.md5(IMAGE, usedforsecurity=False).hexdigest()
FEED = "/feed/manifest.json"
BIN = "/feed/lamp.bin"
REPO = "/repos/owner/lamp/releases"
MINUTE = 60
HOUR = 3600

type Skip = Callable[[float], Any]


@pytest.fixture
def hass_config_dir(hass_tmp_config_dir: str) -> str:
    return hass_tmp_config_dir


@pytest.fixture
async def server(socket_enabled: None) -> AsyncIterator[FeedServer]:
    async with feed_server() as server:
        server[FEED] = Page(manifest("1.1.0"), content_type="application/json")
        server[BIN] = IMAGE
        yield server


@pytest.fixture
async def store(hass: HomeAssistant) -> FirmwareStore:
    store = FirmwareStore(hass)
    await store.async_setup()
    return store


@pytest.fixture
def entry(hass: HomeAssistant) -> MockConfigEntry:
    entry = MockConfigEntry(domain=DOMAIN, title="MQTT OTA")
    entry.add_to_hass(hass)
    return entry


@pytest.fixture
def feed(hass: HomeAssistant, entry: MockConfigEntry, server: FeedServer) -> ReleaseFeed:
    return ReleaseFeed(hass, entry, subentry(server.address(FEED)))


@pytest.fixture
def skip(hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch) -> Skip:
    """Stop the loop's clock, and let it jump, and what is due then happen."""
    # Late in its second: the coordinator cuts its clock to whole ones.
    now = int(hass.loop.time()) + 0.9
    monkeypatch.setattr(hass.loop, "time", lambda: now)
    monkeypatch.setattr("random.uniform", lambda low, high: (low + high) / 2)

    async def _skip(seconds: float) -> None:
        nonlocal now
        now += seconds
        await asyncio.sleep(0)
        await hass.async_block_till_done(wait_background_tasks=True)

    return _skip


def manifest(*versions: str, **asset: Any) -> bytes:
    assets = [{"url": "lamp.bin", "chip": "ESP32-S3", "size": len(IMAGE), "sha256": SHA256} | asset]
    return json.dumps({"schema": 1, "versions": [{"version": text, "assets": assets} for text in versions]}).encode()


def esphome_manifest(md5: str = MD5) -> bytes:
    build = {"chipFamily": "ESP32-S3", "ota": {"path": "lamp.bin", "md5": md5}}
    return json.dumps({"name": "Lamp", "version": "1.1.0", "builds": [build]}).encode()


def github_releases(server: FeedServer) -> bytes:
    asset = {"name": "lamp.bin", "size": len(IMAGE), "browser_download_url": server.address(BIN), "digest": None}
    return json.dumps([{"tag_name": "v1.1.0", "draft": False, "prerelease": False, "assets": [asset]}]).encode()


def subentry(location: str, kind: str = "manifest", **more: Any) -> dict[str, Any]:
    return {"kind": kind, "location": location, "name": "Lamp"} | more


def versions(feed: ReleaseFeed) -> list[str]:
    return [release.version for release in feed.data]


def candidate(**asset: Any) -> Candidate:
    listed = Asset(**{"name": "lamp.bin", "url": "http://127.0.0.1/lamp.bin"} | asset)
    return Candidate(Release(version="1.1.0", assets=(listed,)), listed, Product(name="Lamp"))


def newest(feed: ReleaseFeed) -> Candidate:
    release = feed.data[0]
    return Candidate(release, release.assets[0], Product(name="Lamp"))


async def reason_of(awaitable: Any) -> OtaError:
    with pytest.raises(OtaError) as failed:
        await awaitable
    return failed.value


# Reading


async def test_a_feed_is_read(feed: ReleaseFeed, server: FeedServer) -> None:
    server[FEED].body = manifest("1.0.0", "1.1.0")
    await feed.async_refresh()

    assert versions(feed) == ["1.1.0", "1.0.0"]
    assert feed.data[0].assets[0].url == server.address(BIN)
    assert feed.last_update_success


async def test_before_it_was_read_a_feed_has_no_releases(feed: ReleaseFeed) -> None:
    assert feed.data == ()


async def test_files_lie_beside_the_feed_wherever_it_redirects(feed: ReleaseFeed, server: FeedServer) -> None:
    server["/mirror/7/blob"] = server[FEED]
    server[FEED] = Page(status=302, headers={"Location": "/mirror/7/blob"})
    await feed.async_refresh()

    assert feed.data[0].assets[0].url == server.address(BIN)


async def test_what_is_unchanged_is_not_sent_again(feed: ReleaseFeed, server: FeedServer) -> None:
    heard = []
    server[FEED].etag = True
    await feed.async_refresh()
    feed.async_add_listener(lambda: heard.append(feed.data))
    first = feed.data
    await feed.async_refresh()

    assert [request.headers.get("If-None-Match") is None for request in server.requests] == [True, False]
    assert feed.data is first
    assert feed.last_update_success
    assert heard == []

    server[FEED].body = manifest("1.2.0")
    await feed.async_refresh()
    assert versions(feed) == ["1.2.0"]
    assert heard == [feed.data]
    await feed.async_shutdown()


async def test_the_last_modification_serves_where_there_is_no_etag(feed: ReleaseFeed, server: FeedServer) -> None:
    server[FEED].headers = {"Last-Modified": "Sat, 21 Nov 2026 09:00:00 GMT"}
    await feed.async_refresh()
    server[FEED].status = 304
    await feed.async_refresh()

    assert server.requests[1].headers["If-Modified-Since"] == "Sat, 21 Nov 2026 09:00:00 GMT"
    assert versions(feed) == ["1.1.0"]
    assert feed.last_update_success


async def test_a_feed_that_could_not_be_parsed_is_asked_for_whole_again(feed: ReleaseFeed, server: FeedServer) -> None:
    server[FEED].etag = True
    server[FEED].body = b"{"
    await feed.async_refresh()
    await feed.async_refresh()

    assert [request.headers.get("If-None-Match") for request in server.requests] == [None, None]


JSON = "application/json"
WRONG_ANSWERS = {
    "404": (Page(status=404), Reason.FEED_NOT_FOUND),
    "410": (Page(status=410), Reason.FEED_NOT_FOUND),
    "401": (Page(status=401), Reason.FEED_FORBIDDEN),
    "403": (Page(status=403), Reason.FEED_FORBIDDEN),
    "403, limit left": (Page(status=403, headers={"X-RateLimit-Remaining": "7"}), Reason.FEED_FORBIDDEN),
    "403, limit": (Page(status=403, headers={"X-RateLimit-Remaining": "0"}), Reason.FEED_RATE_LIMITED),
    "403, wait": (Page(status=403, headers={"Retry-After": "60"}), Reason.FEED_RATE_LIMITED),
    "429": (Page(status=429), Reason.FEED_RATE_LIMITED),
    "500": (Page(status=500), Reason.FEED_SERVER_ERROR),
    "503, HTML": (Page(b"<html>", 503, content_type="text/html"), Reason.FEED_SERVER_ERROR),
    "304 unasked": (Page(status=304), Reason.FEED_SERVER_ERROR),
    "204": (Page(status=204), Reason.FEED_SERVER_ERROR),
    "HTML": (Page(b"<!doctype html>", content_type="text/html"), Reason.FEED_IS_HTML),
    "HTML in disguise": (Page(b" <!doctype html>", content_type=JSON), Reason.FEED_IS_HTML),
    "empty": (Page(b""), Reason.FEED_EMPTY),
    "no releases": (Page(b'{"schema": 1, "versions": []}'), Reason.FEED_EMPTY),
    "no JSON": (Page(b"{"), Reason.FEED_NOT_JSON),
    "binary": (Page(IMAGE), Reason.FEED_NOT_JSON),
    "another JSON": (Page(b'{"hello": "world"}'), Reason.FEED_INVALID),
    "huge": (Page(b" " * (web_feed.MAX_FEED_SIZE + 1)), Reason.FEED_TOO_LARGE),
    "bomb": (
        Page(gzip.compress(bytes(50 * 1024 * 1024)), headers={"Content-Encoding": "gzip"}),
        Reason.FEED_TOO_LARGE,
    ),
    "broken gzip": (Page(b"no gzip", headers={"Content-Encoding": "gzip"}), Reason.FEED_UNREACHABLE),
    "truncated": (Page(b" " * 1000, truncated_at=100), Reason.FEED_UNREACHABLE),
    "redirect loop": (Page(status=302, headers={"Location": FEED}), Reason.FEED_UNREACHABLE),
    "redirect to a file": (Page(status=302, headers={"Location": "file:///etc/passwd"}), Reason.FEED_UNREACHABLE),
    "redirect to nonsense": (Page(status=302, headers={"Location": "http://[::1"}), Reason.FEED_UNREACHABLE),
    "redirect to nowhere": (Page(status=302), Reason.FEED_SERVER_ERROR),
}


@pytest.mark.parametrize("answer", WRONG_ANSWERS)
async def test_every_wrong_answer_has_its_reason(hass: HomeAssistant, server: FeedServer, answer: str) -> None:
    server[FEED], reason = WRONG_ANSWERS[answer]
    failed = await reason_of(async_try_feed(hass, subentry(server.address(FEED))))

    assert failed.reason is reason
    assert failed.placeholders["url"] == server.address(FEED)
    assert server.count(FEED) <= web_feed.MAX_REDIRECTS + 1


async def test_a_server_that_is_down(hass: HomeAssistant, server: FeedServer) -> None:
    await server.down()
    failed = await reason_of(async_try_feed(hass, subentry(server.address(FEED))))
    assert failed.reason is Reason.FEED_UNREACHABLE
    assert failed.placeholders["error"] == "ClientConnectorError"


@pytest.mark.parametrize("fault", [{"stuck": True}, {"stuck_after": 10}])
async def test_a_server_that_does_not_come_to_an_end(
    hass: HomeAssistant, server: FeedServer, monkeypatch: pytest.MonkeyPatch, fault: dict[str, Any]
) -> None:
    monkeypatch.setattr(web_feed, "FEED_TIMEOUT", aiohttp.ClientTimeout(total=0.05))
    server[FEED] = Page(manifest("1.1.0"), **fault)
    failed = await reason_of(async_try_feed(hass, subentry(server.address(FEED))))
    assert failed.reason is Reason.FEED_TIMEOUT


@pytest.mark.parametrize(
    "location", ["", "feed.json", "ftp://host/feed", "file:///etc/passwd", "http://", "http://[::1", "http://h:99999/"]
)
async def test_a_place_that_is_no_web_address(hass: HomeAssistant, location: str) -> None:
    failed = await reason_of(async_try_feed(hass, subentry(location)))
    assert failed.reason is Reason.URL_INVALID


async def test_no_secret_of_an_address_is_shown(
    hass: HomeAssistant, entry: MockConfigEntry, server: FeedServer, caplog: pytest.LogCaptureFixture
) -> None:
    server[FEED] = Page(status=404)
    address = server.address(FEED).replace("http://", "http://me:hush@") + "?key=hush"
    failed = await reason_of(async_try_feed(hass, subentry(address)))
    feed = ReleaseFeed(hass, entry, subentry(address))
    await feed.async_refresh()

    assert server.requests[0].query["key"] == "hush"
    assert server.requests[0].headers["Authorization"].startswith("Basic ")
    assert failed.placeholders["url"] == server.address(FEED)
    assert "hush" not in feed.name
    assert "hush" not in "".join(record.getMessage() for record in caplog.records if "mqtt_ota" in record.name)


def test_a_place_that_cannot_be_read_is_shown_without_it(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    assert "hush" not in ReleaseFeed(hass, entry, subentry("http://me:hush@h:99999/")).name


async def test_trying_a_feed_gives_its_releases(hass: HomeAssistant, server: FeedServer) -> None:
    assert [release.version for release in await async_try_feed(hass, subentry(server.address(FEED)))] == ["1.1.0"]


# Failing and coming back


async def test_the_last_good_releases_stay_and_each_change_is_one_line(
    feed: ReleaseFeed, server: FeedServer, caplog: pytest.LogCaptureFixture
) -> None:
    await feed.async_refresh()
    caplog.clear()
    caplog.set_level(logging.INFO)
    await server.down()
    for _ in range(3):
        await feed.async_refresh()

    assert not feed.last_update_success
    assert versions(feed) == ["1.1.0"]
    assert isinstance(feed.last_exception, UpdateFailed)
    assert feed.last_exception.translation_domain == DOMAIN
    assert feed.last_exception.translation_key == "feed_unreachable"
    assert feed.last_exception.translation_placeholders["url"] == server.address(FEED)

    await server.up()
    for _ in range(2):
        await feed.async_refresh()
    assert feed.last_update_success
    lines = [record.getMessage() for record in caplog.records if record.name == releases_module.__name__]
    assert [line.split()[0] for line in lines] == ["Error", "Fetching"]
    assert all(server.address(FEED) in line for line in lines)


async def test_a_feed_is_read_every_six_hours(feed: ReleaseFeed, server: FeedServer, skip: Skip) -> None:
    feed.update_interval = releases_module.INTERVAL
    feed.async_add_listener(lambda: None)
    await feed.async_refresh()
    await skip(5.9 * HOUR)
    assert server.count(FEED) == 1
    await skip(0.2 * HOUR)
    assert server.count(FEED) == 2
    await feed.async_shutdown()


async def test_feeds_are_not_all_read_at_the_same_moment(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    intervals = {ReleaseFeed(hass, entry, subentry(f"http://h/{number}")).update_interval for number in range(20)}
    assert len(intervals) > 10
    assert all(5.4 * HOUR <= interval.total_seconds() <= 6.6 * HOUR for interval in intervals if interval)


async def test_a_failing_feed_is_asked_ever_more_rarely(feed: ReleaseFeed, server: FeedServer, skip: Skip) -> None:
    server[FEED] = Page(status=500)
    feed.async_add_listener(lambda: None)
    await feed.async_refresh()
    asked = 1
    for wait in (5, 10, 20, 40, 80, 160, 320, 360, 360):
        await skip(wait * MINUTE - 2)
        assert server.count(FEED) == asked
        await skip(4)
        asked += 1
        assert server.count(FEED) == asked

    server[FEED] = Page(manifest("1.1.0"))
    await skip(6 * HOUR + 2)
    server[FEED] = Page(status=500)
    await feed.async_refresh()
    asked = server.count(FEED)
    await skip(5 * MINUTE + 2)
    assert server.count(FEED) == asked + 1
    await feed.async_shutdown()


@pytest.mark.parametrize(
    ("page", "seconds"),
    [
        (Page(status=429, headers={"Retry-After": "1200"}), 1200),
        (Page(status=503, headers={"Retry-After": "1200"}), 1200),
        (Page(status=429, headers={"Retry-After": "Sat, 21 Nov 2026 10:20:00 GMT"}), 1200),
        (Page(status=403, headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1795256400"}), 1200),
        (Page(status=429, headers={"Retry-After": "9" * 12}), 24 * HOUR),
    ],
)
async def test_a_server_that_wants_to_be_left_alone_is(
    feed: ReleaseFeed,
    server: FeedServer,
    skip: Skip,
    page: Page,
    seconds: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # 10:00 on that day
    now = web_feed.dt_util.parse_datetime("2026-11-21T10:00:00+00:00")
    monkeypatch.setattr(web_feed.dt_util, "utcnow", lambda: now)
    server[FEED] = page
    feed.async_add_listener(lambda: None)
    await feed.async_refresh()
    first = feed.last_exception

    await feed.async_refresh()
    await skip(seconds - 5)
    await feed.async_refresh()
    assert server.count(FEED) == 1
    assert isinstance(feed.last_exception, UpdateFailed)
    assert isinstance(first, UpdateFailed)
    assert feed.last_exception.translation_key == first.translation_key

    server[FEED] = Page(manifest("1.1.0"))
    await skip(10)
    assert server.count(FEED) == 2
    assert feed.last_update_success
    await feed.async_refresh()
    assert server.count(FEED) == 3
    await feed.async_shutdown()


async def test_the_coordinators_coarse_clock_does_not_wake_it_too_early(
    feed: ReleaseFeed, server: FeedServer, skip: Skip
) -> None:
    server[FEED] = Page(status=429, headers={"Retry-After": "1200"})
    feed.async_add_listener(lambda: None)
    with patch.object(feed, "_async_update_data", wraps=feed._async_update_data) as reading:
        await feed.async_refresh()
        await skip(1199.7)
        assert reading.call_count == 1
        await feed.async_refresh()
        await skip(0.2)
        assert reading.call_count == 2
        await skip(2)
        assert reading.call_count == 3
    assert server.count(FEED) == 2
    await feed.async_shutdown()


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "soon"},
        {"Retry-After": "-1"},
        {"Retry-After": "9" * 5000},
        {"Retry-After": f"Sat, {'9' * 30} Nov 2026 10:20:00 GMT"},
        {"Retry-After": "Sat, 21 Nov 2026 10:20:00 +9999999999"},
        {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "٣"},
        {"X-RateLimit-Remaining": "0"},
        {},
    ],
)
async def test_a_wish_that_makes_no_sense_is_none(
    feed: ReleaseFeed, server: FeedServer, headers: dict[str, str]
) -> None:
    server[FEED] = Page(status=429, headers=headers)
    await feed.async_refresh()
    await feed.async_refresh()
    assert server.count(FEED) == 2


async def test_a_wish_for_the_past_is_a_short_one(feed: ReleaseFeed, server: FeedServer, skip: Skip) -> None:
    server[FEED] = Page(status=429, headers={"Retry-After": "Sat, 21 Nov 2020 10:20:00"})
    await feed.async_refresh()
    await skip(50)
    await feed.async_refresh()
    assert server.count(FEED) == 1
    await skip(15)
    await feed.async_refresh()
    assert server.count(FEED) == 2


async def test_a_fleet_that_looks_for_updates_asks_once(
    hass: HomeAssistant, feed: ReleaseFeed, server: FeedServer
) -> None:
    feed.async_add_listener(lambda: None)
    await asyncio.gather(*(feed.async_request_refresh() for _ in range(100)))
    assert server.count(FEED) == 1
    await feed.async_shutdown()


# GitHub


@pytest.fixture
def github(server: FeedServer, monkeypatch: pytest.MonkeyPatch) -> FeedServer:
    monkeypatch.setattr(releases_module, "GITHUB_API", server.url)
    server[REPO] = Page(github_releases(server), content_type="application/json")
    return server


@pytest.mark.parametrize(
    "location",
    [
        "owner/lamp",
        " owner/lamp ",
        "https://github.com/owner/lamp",
        "https://github.com/owner/lamp/",
        "https://www.github.com/owner/lamp.git",
        "github.com/owner/lamp/releases",
    ],
)
async def test_a_repository_is_named_as_people_name_it(hass: HomeAssistant, github: FeedServer, location: str) -> None:
    releases = await async_try_feed(hass, subentry(location, "github"))

    assert [release.version for release in releases] == ["v1.1.0"]
    assert github.requests[0].query["per_page"] == "30"
    assert github.requests[0].headers["Accept"] == "application/vnd.github+json"
    assert "Authorization" not in github.requests[0].headers


@pytest.mark.parametrize(
    "location",
    ["", "lamp", "owner/", "owner/..", "owner/.", "owner/lamp/../../user", "o/l?x", "o/l\nx", "http://h/o/l"],
)
async def test_what_is_no_repository(
    hass: HomeAssistant, entry: MockConfigEntry, github: FeedServer, location: str
) -> None:
    failed = await reason_of(async_try_feed(hass, subentry(location, "github")))
    assert failed.reason is Reason.URL_INVALID

    feed = ReleaseFeed(hass, entry, subentry(location, "github"))
    await feed.async_refresh()
    assert not feed.last_update_success
    assert github.requests == []


async def test_a_token_goes_to_github_and_nowhere_else(
    hass: HomeAssistant, entry: MockConfigEntry, github: FeedServer, store: FirmwareStore
) -> None:
    async with feed_server() as elsewhere:
        elsewhere["/moved"] = Page(github_releases(github))
        github[REPO] = Page(status=301, headers={"Location": elsewhere.address("/moved")})
        feed = ReleaseFeed(hass, entry, subentry("owner/lamp", "github", github_token="hush"))
        await feed.async_refresh()
        await feed.async_fetch_image(newest(feed), store)

        assert [(request.path, request.headers.get("Authorization")) for request in github.requests] == [
            (REPO, "Bearer hush"),
            (BIN, None),
        ]
        assert "Authorization" not in elsewhere.requests[0].headers


# Subentries


def entry_of(hass: HomeAssistant, *subentries: dict[str, Any], subentry_type: str = "firmware") -> MockConfigEntry:
    entry = MockConfigEntry(
        domain=DOMAIN,
        subentries_data=[
            {"data": data, "subentry_type": subentry_type, "title": data["name"], "unique_id": None}
            for data in subentries
        ],
    )
    entry.add_to_hass(hass)
    return entry


async def test_products_of_one_place_share_its_feed(hass: HomeAssistant, github: FeedServer) -> None:
    entry = entry_of(
        hass,
        subentry("owner/lamp", "github"),
        subentry("https://github.com/Owner/Lamp", "github", github_token="hush"),
        subentry("http://host/feed/"),
        subentry("http://host/feed", "esp_web_tools"),
        subentry(" http://host/feed"),
    )
    feeds = async_feeds(hass, entry)
    first, second, third, fourth, fifth = (feeds[subentry_id] for subentry_id in entry.subentries)

    assert first is second
    assert third is fifth
    assert len({first, third, fourth}) == 3
    await first.async_refresh()
    assert github.requests[0].headers["Authorization"] == "Bearer hush"


def test_other_subentries_have_no_feed(hass: HomeAssistant) -> None:
    assert async_feeds(hass, entry_of(hass, subentry("http://host/feed"), subentry_type="dialect")) == {}


def test_a_subentry_describes_a_product() -> None:
    assert product_from_subentry({"kind": "folder", "location": "x", "name": "Lamp"}) == Product(name="Lamp")
    fields = {"model": "lamp-*", "chip": "ESP32*", "project": "p", "asset_pattern": "*.bin", "public_key": "KEY"}
    product = product_from_subentry({"name": "Lamp", "channel": "beta"} | fields)
    assert product == Product(name="Lamp", channel=Channel.BETA, **fields)


# Images


async def test_an_image_is_fetched_once_for_every_board(
    feed: ReleaseFeed, server: FeedServer, store: FirmwareStore
) -> None:
    await feed.async_refresh()
    fetched = await asyncio.gather(*(feed.async_fetch_image(newest(feed), store) for _ in range(20)))
    later = await feed.async_fetch_image(newest(feed), store)

    assert {stored.sha256 for stored in [*fetched, later]} == {SHA256}
    assert await store.async_read(SHA256) == IMAGE
    assert server.count(BIN) == 1


async def test_an_image_that_is_here_is_not_fetched(
    feed: ReleaseFeed, server: FeedServer, store: FirmwareStore
) -> None:
    await store.async_add_bytes(IMAGE)
    await feed.async_refresh()
    assert (await feed.async_fetch_image(newest(feed), store)).sha256 == SHA256
    assert server.count(BIN) == 0


async def test_an_image_that_was_damaged_is_fetched_again(
    feed: ReleaseFeed, server: FeedServer, store: FirmwareStore
) -> None:
    await feed.async_refresh()
    await feed.async_fetch_image(newest(feed), store)
    store.path(SHA256).write_bytes(IMAGE[:-1])
    await feed.async_fetch_image(newest(feed), store)
    assert await store.async_read(SHA256) == IMAGE
    assert server.count(BIN) == 2


async def test_without_a_digest_an_image_is_the_same_until_the_feed_is_read_again(
    hass: HomeAssistant, entry: MockConfigEntry, server: FeedServer, store: FirmwareStore
) -> None:
    server[FEED].body = esphome_manifest()
    feed = ReleaseFeed(hass, entry, subentry(server.address(FEED), "esp_web_tools"))
    await feed.async_refresh()
    for _ in range(3):
        await feed.async_fetch_image(newest(feed), store)
    assert server.count(BIN) == 1

    other = build_app(version="1.2.0", size=4096)
    server[BIN] = other
    server[FEED].body = esphome_manifest(hashlib.md5(other, usedforsecurity=False).hexdigest())
    await feed.async_refresh()
    assert (await feed.async_fetch_image(newest(feed), store)).image.version == "1.2.0"
    assert server.count(BIN) == 2


async def test_with_no_digest_at_all_an_image_is_fetched_again_after_the_feed_was(
    hass: HomeAssistant, entry: MockConfigEntry, github: FeedServer, store: FirmwareStore
) -> None:
    feed = ReleaseFeed(hass, entry, subentry("owner/lamp", "github"))
    await feed.async_refresh()
    await feed.async_fetch_image(newest(feed), store)
    await feed.async_refresh()
    await feed.async_fetch_image(newest(feed), store)
    assert github.count(BIN) == 2


WRONG_IMAGES = {
    "another image": (Page(build_app(version="6.6.6", size=4096)), {}, Reason.SHA256_MISMATCH),
    "another image, by MD5": (Page(IMAGE), {"sha256": "", "md5": "0" * 32}, Reason.MD5_MISMATCH),
    "longer": (Page(IMAGE + b"more"), {}, Reason.SIZE_MISMATCH),
    "shorter": (Page(IMAGE[:-1]), {}, Reason.SIZE_MISMATCH),
    "huge": (Page(bytes(MAX_IMAGE_SIZE + 1)), {"size": None, "sha256": ""}, Reason.IMAGE_OVERSIZE),
    "no image": (Page(b"hello"), {"size": None, "sha256": ""}, Reason.IMAGE_NOT_ESP),
    "gone": (Page(status=404), {}, Reason.FEED_CHANGED),
    "forbidden": (Page(status=403), {}, Reason.FEED_FORBIDDEN),
    "a login page": (Page(b"<html>", content_type="text/html"), {}, Reason.FEED_IS_HTML),
    "a broken connection": (Page(IMAGE, truncated_at=1000), {}, Reason.FEED_UNREACHABLE),
    "a broken connection at once": (Page(IMAGE, truncated_at=0), {}, Reason.FEED_UNREACHABLE),
    "an unasked 304": (Page(status=304), {}, Reason.FEED_SERVER_ERROR),
}


@pytest.mark.parametrize("wrong", WRONG_IMAGES)
async def test_what_is_not_the_promised_image_is_not_kept(
    feed: ReleaseFeed, server: FeedServer, store: FirmwareStore, wrong: str
) -> None:
    server[BIN], promise, reason = WRONG_IMAGES[wrong]
    promised = candidate(**{"url": server.address(BIN), "size": len(IMAGE), "sha256": SHA256} | promise)
    failed = await reason_of(feed.async_fetch_image(promised, store))

    assert failed.reason is reason
    assert list(store.path(SHA256).parent.iterdir()) == []

    server[BIN] = IMAGE
    good = candidate(url=server.address(BIN), size=len(IMAGE), sha256=SHA256)
    assert (await feed.async_fetch_image(good, store)).sha256 == SHA256


async def test_a_download_that_stands_still_ends(
    feed: ReleaseFeed, server: FeedServer, store: FirmwareStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_feed, "IMAGE_TIMEOUT", aiohttp.ClientTimeout(sock_read=0.05))
    server[BIN].stuck_after = 1000
    failed = await reason_of(feed.async_fetch_image(candidate(url=server.address(BIN)), store))
    assert failed.reason is Reason.FEED_TIMEOUT


async def test_an_asset_that_is_not_on_the_web(feed: ReleaseFeed, store: FirmwareStore) -> None:
    failed = await reason_of(feed.async_fetch_image(candidate(url="file:///etc/passwd"), store))
    assert failed.reason is Reason.URL_INVALID


async def test_a_board_that_gives_up_leaves_the_image_to_the_others(
    feed: ReleaseFeed, server: FeedServer, store: FirmwareStore
) -> None:
    server[BIN].stuck_after = 1000
    await feed.async_refresh()
    one, other = (asyncio.ensure_future(feed.async_fetch_image(newest(feed), store)) for _ in range(2))
    await server.asked(BIN)
    one.cancel()
    with pytest.raises(asyncio.CancelledError):
        await one
    server.release()

    assert (await other).sha256 == SHA256
    assert server.count(BIN) == 1


async def test_a_failure_that_nobody_waits_for_any_more_is_silent(
    hass: HomeAssistant, feed: ReleaseFeed, server: FeedServer, store: FirmwareStore, caplog: pytest.LogCaptureFixture
) -> None:
    server[BIN] = Page(b"no image", stuck=True)
    waiting = asyncio.ensure_future(feed.async_fetch_image(candidate(url=server.address(BIN)), store))
    await server.asked(BIN)
    waiting.cancel()
    server.release()
    await hass.async_block_till_done(wait_background_tasks=True)

    assert "never retrieved" not in caplog.text


async def test_unloading_ends_a_download(
    hass: HomeAssistant, entry: MockConfigEntry, feed: ReleaseFeed, server: FeedServer, store: FirmwareStore
) -> None:
    server[BIN].stuck = True
    waiting = asyncio.ensure_future(feed.async_fetch_image(candidate(url=server.address(BIN)), store))
    await server.asked(BIN)
    await entry._async_process_on_unload(hass)

    assert (await reason_of(waiting)).reason is Reason.CANCELLED


async def test_a_repository_whose_releases_have_too_many_files_is_read_in_a_smaller_page(
    hass: HomeAssistant, github: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    github["/all"] = Page(b" " * 3000 + github_releases(github), content_type="application/json")
    monkeypatch.setattr(web_feed, "MAX_FEED_SIZE", 3000)
    feed = web_feed.WebFeed(hass, "github", github.address("/all"), smaller=github.address(REPO))
    for _ in range(2):
        releases = await feed.async_load()
        assert releases is not None
        assert [release.version for release in releases] == ["v1.1.0"]
    assert (github.count("/all"), github.count(REPO)) == (1, 2)
    github[REPO] = github["/all"]
    assert (await reason_of(feed.async_load())).reason is Reason.FEED_TOO_LARGE

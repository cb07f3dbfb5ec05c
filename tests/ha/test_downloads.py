"""Images over HTTP: whole, by ranges and again, for the one session that the URL was made for."""

import asyncio
from collections.abc import AsyncIterator
import hashlib
import re
from typing import Any

from aiohttp import ClientError, ClientResponse, ClientSession
from aiohttp.test_utils import TestClient, TestServer
import pytest
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
from yarl import URL

from custom_components.mqtt_ota import downloads as downloads_module
from custom_components.mqtt_ota.downloads import MAX_FETCHES, Downloads, async_register_view, check_base_url
from custom_components.mqtt_ota.firmware_store import FirmwareStore
from custom_components.mqtt_ota.ota.errors import OtaError, Reason
from homeassistant.components.http import ApiConfig
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from tests.firmware_images import build_app

IMAGE = build_app(size=8000)
SHA256 = hashlib.sha256(IMAGE).hexdigest()
BASE = "http://192.168.1.2:8123"
HOUR = 3600.0

type Board = TestClient[Any, Any]
type Reports = list[tuple[str, int]]


@pytest.fixture
def hass_config_dir(hass_tmp_config_dir: str) -> str:
    return hass_tmp_config_dir


@pytest.fixture
async def store(hass: HomeAssistant) -> FirmwareStore:
    store = FirmwareStore(hass)
    await store.async_setup()
    await store.async_add_bytes(IMAGE)
    return store


@pytest.fixture
def reports() -> Reports:
    return []


@pytest.fixture
async def downloads(hass: HomeAssistant, store: FirmwareStore, reports: Reports) -> Downloads:
    assert await async_setup_component(hass, "http", {})
    async_register_view(hass)
    downloads = Downloads(hass, store, base_url=BASE)
    downloads.on_progress = lambda *report: reports.append(report)
    downloads.async_open()
    return downloads


@pytest.fixture
async def board(hass: HomeAssistant, downloads: Downloads, hass_client_no_auth: ClientSessionGenerator) -> Board:
    """Be a board: an HTTP client without a login."""
    client: Board = await hass_client_no_auth()
    return client


async def offer(downloads: Downloads, session_id: str = "s1", lifetime: float = HOUR) -> str:
    """Return the path of an offered URL."""
    return URL(await downloads.async_offer(session_id, "lamp-1", SHA256, lifetime)).path


async def get(board: Board, path: str, range_: str = "", method: str = "GET") -> ClientResponse:
    return await board.request(method, path, headers={"Range": f"bytes={range_}"} if range_ else {})


async def last_answer_over(board: Board | ClientSession, path: str) -> None:
    """Wait until the server is done with the last answer: a connection's requests are answered one by one."""
    await (await board.head(path)).read()


async def test_a_board_without_a_login_gets_the_image(board: Board, downloads: Downloads) -> None:
    response = await get(board, await offer(downloads))

    assert response.status == 200
    assert response.content_length == len(IMAGE)
    assert response.content_type == "application/octet-stream"
    assert response.headers["Cache-Control"] == "no-store"
    assert await response.read() == IMAGE


async def test_the_url_is_short_plain_and_cannot_be_guessed(downloads: Downloads) -> None:
    urls = {await downloads.async_offer(f"s{number}", "lamp-1", SHA256, HOUR) for number in range(50)}

    assert len(urls) == 50
    for url in urls:
        assert url.startswith(f"{BASE}/mqtt_ota/")
        assert len(url) < 120
        assert re.fullmatch(r"[\w:/.-]+", url)
        assert len(url.rpartition("/")[2]) * 6 >= 128


async def test_the_longest_base_url_still_gives_a_short_one(downloads: Downloads, store: FirmwareStore) -> None:
    base = check_base_url("http://" + "a" * 80)
    downloads = Downloads(downloads._hass, store, base_url=base)
    assert len(await downloads.async_offer("s1", "lamp-1", SHA256, HOUR)) == downloads_module.MAX_URL


async def test_head_tells_the_length_and_uses_nothing_up(board: Board, downloads: Downloads, reports: Reports) -> None:
    path = await offer(downloads)
    for _ in range(MAX_FETCHES + 2):
        response = await get(board, path, method="HEAD")
        assert (response.status, response.content_length) == (200, len(IMAGE))
    assert reports == []
    assert (await get(board, path)).status == 200


@pytest.mark.parametrize(
    ("range_", "part"),
    [
        ("0-99", slice(0, 100)),
        ("100-", slice(100, None)),
        ("-50", slice(-50, None)),
        (f"{len(IMAGE) - 1}-", slice(-1, None)),
        ("7000-999999", slice(7000, None)),
        ("-999999", slice(None)),
    ],
)
async def test_a_board_goes_on_where_it_was(
    board: Board, downloads: Downloads, reports: Reports, range_: str, part: slice
) -> None:
    path = await offer(downloads)
    response = await get(board, path, range_)

    assert response.status == 206
    assert await response.read() == IMAGE[part]
    start, stop, _ = part.indices(len(IMAGE))
    assert response.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(IMAGE)}"
    await last_answer_over(board, path)
    assert reports == [("s1", start), ("s1", stop)]


@pytest.mark.parametrize("range_", [f"{len(IMAGE)}-", "5-1", "x-y", "1-2,4-5"])
async def test_a_range_that_is_none(board: Board, downloads: Downloads, reports: Reports, range_: str) -> None:
    path = await offer(downloads)
    response = await get(board, path, range_)

    assert response.status == 416
    assert set(reports) == {("s1", 0)}
    assert (await get(board, path)).status == 200


async def test_ranges_in_any_number_are_one_fetch(board: Board, downloads: Downloads) -> None:
    path = await offer(downloads)
    image = b""
    for start in range(0, len(IMAGE), 500):
        image += await (await get(board, path, f"{start}-{start + 499}")).read()
    assert image == IMAGE
    assert (await get(board, path, "0-0")).status == 206


async def test_a_url_is_spent_when_the_image_was_handed_out_often_enough(board: Board, downloads: Downloads) -> None:
    path = await offer(downloads)
    for _ in range(MAX_FETCHES):
        assert await (await get(board, path)).read() == IMAGE
    assert (await get(board, path)).status == 404
    assert (await get(board, path, method="HEAD")).status == 404


async def test_an_etag_saves_the_board_that_has_it(board: Board, downloads: Downloads) -> None:
    path = await offer(downloads)
    etag = (await get(board, path)).headers["ETag"]

    unchanged = await board.get(path, headers={"If-None-Match": etag})
    assert (unchanged.status, await unchanged.read()) == (304, b"")


async def test_a_resume_survives_that_the_store_was_read(
    board: Board, downloads: Downloads, store: FirmwareStore
) -> None:
    path = await offer(downloads)
    modified = (await get(board, path, "0-99")).headers["Last-Modified"]
    await store.async_read(SHA256)

    resumed = await board.get(path, headers={"Range": "bytes=100-", "If-Range": modified})
    assert (resumed.status, await resumed.read()) == (206, IMAGE[100:])


async def test_asking_again_gives_the_same_url_a_new_life(board: Board, downloads: Downloads) -> None:
    path = await offer(downloads, lifetime=0)
    assert (await get(board, path)).status == 404

    assert await offer(downloads) == path
    for _ in range(MAX_FETCHES):
        await (await get(board, path)).read()
    assert await offer(downloads) == path
    assert (await get(board, path)).status == 200


async def test_another_image_for_the_session_ends_the_first_url(
    board: Board, downloads: Downloads, store: FirmwareStore
) -> None:
    first = await offer(downloads)
    other = (await store.async_add_bytes(build_app(version="2.0.0", size=4096))).sha256
    second = URL(await downloads.async_offer("s1", "lamp-1", other, HOUR)).path

    assert (await get(board, first)).status == 404
    assert hashlib.sha256(await (await get(board, second)).read()).hexdigest() == other


async def test_no_answer_tells_an_old_url_from_one_that_never_was(
    board: Board, downloads: Downloads, store: FirmwareStore
) -> None:
    revoked = await offer(downloads, "revoked")
    downloads.revoke("revoked")
    expired = await offer(downloads, "expired", lifetime=0)
    spent = await offer(downloads, "spent")
    for _ in range(MAX_FETCHES):
        await (await get(board, spent)).read()
    paths = [revoked, expired, spent, "/mqtt_ota/" + "x" * 22, "/mqtt_ota/x", "/mqtt_ota/../secrets.yaml", "/nowhere"]

    answers = set()
    for path in paths:
        response = await get(board, path)
        answers.add((response.status, await response.text(), response.content_type))
    assert answers == {(404, "404: Not Found", "text/plain")}


async def test_what_was_closed_answers_nothing(board: Board, downloads: Downloads) -> None:
    path = await offer(downloads)
    downloads.async_close()
    assert (await get(board, path)).status == 404

    downloads.async_open()
    assert (await get(board, path)).status == 404


async def test_an_image_that_is_gone_cannot_be_offered(downloads: Downloads, store: FirmwareStore) -> None:
    store.path(SHA256).unlink()
    with pytest.raises(OtaError) as failed:
        await offer(downloads)
    assert failed.value.reason is Reason.IMAGE_UNREADABLE


async def test_an_image_that_goes_while_it_is_offered_is_not_found(
    board: Board, downloads: Downloads, store: FirmwareStore, reports: Reports
) -> None:
    path = await offer(downloads)
    store.path(SHA256).unlink()
    assert (await get(board, path)).status == 404
    assert ("s1", len(IMAGE)) not in reports


async def test_the_number_of_urls_is_bounded(
    board: Board, downloads: Downloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads_module, "MAX_OFFERS", 3)
    lasting = await offer(downloads, "lasting", lifetime=3 * HOUR)
    soonest = await offer(downloads, "soonest", lifetime=1 * HOUR)
    later = await offer(downloads, "later", lifetime=2 * HOUR)
    newest = await offer(downloads, "newest", lifetime=2 * HOUR)

    assert [(await get(board, path)).status for path in (lasting, soonest, later, newest)] == [200, 404, 200, 200]


async def test_urls_that_are_over_make_room_first(
    board: Board, downloads: Downloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads_module, "MAX_OFFERS", 2)
    lasting = await offer(downloads, "lasting", lifetime=1.0 * HOUR)
    await offer(downloads, "over", lifetime=0)
    newest = await offer(downloads, "newest", lifetime=2 * HOUR)

    assert [(await get(board, path)).status for path in (lasting, newest)] == [200, 200]


@pytest.fixture
async def large(store: FirmwareStore) -> AsyncIterator[str]:
    """Store an image that no buffer on the way can hold."""
    stored = await store.async_add_bytes(build_app(size=12 * 1024 * 1024))
    store.pin(stored.sha256)
    yield stored.sha256
    store.unpin(stored.sha256)


@pytest.fixture
async def slow_board(hass: HomeAssistant, downloads: Downloads, socket_enabled: None) -> AsyncIterator[ClientSession]:
    """Be a board that reads as little at a time as it can."""
    server = TestServer(hass.http.app)
    await server.start_server()
    async with ClientSession(base_url=server.make_url("/"), read_bufsize=1024) as session:
        yield session
    await server.close()


async def test_ending_a_session_cuts_off_a_board_that_still_fetches(
    slow_board: ClientSession, downloads: Downloads, large: str, reports: Reports
) -> None:
    path = URL(await downloads.async_offer("s1", "lamp-1", large, HOUR)).path
    response = await slow_board.get(path)
    assert len(await response.content.readexactly(1000)) == 1000

    downloads.revoke("s1")
    with pytest.raises(ClientError):
        await response.read()
    assert reports == [("s1", 0)]


async def test_a_url_that_many_were_told_outlives_the_session_of_one(
    slow_board: ClientSession, downloads: Downloads, large: str
) -> None:
    path = URL(await downloads.async_offer("s1", "lamp-1", large, HOUR, shared=True)).path
    response = await slow_board.get(path)
    await response.content.readexactly(1000)
    downloads.revoke("s1")
    size = len(await response.content.read()) + 1000
    for _ in range(MAX_FETCHES + 1):
        assert len(await (await slow_board.get(path)).content.read()) == size
    downloads.async_close()
    assert (await slow_board.get(path)).status == 404


async def test_a_lost_connection_is_no_fetch(
    slow_board: ClientSession, downloads: Downloads, large: str, reports: Reports
) -> None:
    path = URL(await downloads.async_offer("s1", "lamp-1", large, HOUR)).path
    for _ in range(MAX_FETCHES + 1):
        response = await slow_board.get(path)
        assert response.status == 200
        await response.content.readexactly(1000)
        response.close()

    resumed = await slow_board.get(path, headers={"Range": "bytes=1000-"})
    assert resumed.status == 206
    assert len(await resumed.read()) == resumed.content_length
    await last_answer_over(slow_board, path)
    assert reports[-1] == ("s1", 1000 + (resumed.content_length or 0))


async def test_several_boards_fetch_at_once(slow_board: ClientSession, downloads: Downloads) -> None:
    paths = [await offer(downloads, f"s{number}") for number in range(8)]

    async def fetch(path: str) -> bytes:
        async with slow_board.get(path) as response:
            return await response.read()

    assert await asyncio.gather(*map(fetch, paths)) == [IMAGE] * 8


async def test_without_a_listener_images_are_handed_out_all_the_same(
    hass: HomeAssistant, board: Board, store: FirmwareStore
) -> None:
    downloads = Downloads(hass, store, base_url=BASE)
    downloads.async_open()
    assert await (await get(board, await offer(downloads))).read() == IMAGE


@pytest.mark.parametrize(
    ("internal_url", "expected"),
    [("http://ha.lan:8123/", "http://ha.lan:8123"), (None, "http://10.0.0.5"), ("http://h", "http://h")],
)
def test_the_address_is_the_internal_one(
    hass: HomeAssistant, store: FirmwareStore, internal_url: str | None, expected: str
) -> None:
    hass.config.internal_url = internal_url
    hass.config.external_url = "https://example.org"
    hass.config.api = ApiConfig("10.0.0.5", "0.0.0.0", port=80, use_ssl=False)
    assert Downloads(hass, store).async_base_url() == expected


async def test_without_an_address_there_is_no_url(hass: HomeAssistant, store: FirmwareStore) -> None:
    hass.config.internal_url = None
    hass.config.external_url = "https://example.org"
    with pytest.raises(OtaError) as failed:
        await Downloads(hass, store).async_offer("s1", "lamp-1", SHA256, HOUR)
    assert failed.value.reason is Reason.NO_URL


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("http://192.168.1.2:8123", "http://192.168.1.2:8123"),
        (" https://ha.example.org/ ", "https://ha.example.org"),
        ("http://[fd00::1]:8123", "http://[fd00::1]:8123"),
        ("http://proxy/ha/", "http://proxy/ha"),
    ],
)
def test_an_address_that_boards_can_take(text: str, base: str) -> None:
    assert check_base_url(text) == base


@pytest.mark.parametrize(
    "text",
    [
        "",
        "192.168.1.2:8123",
        "ftp://host",
        "http://",
        "http://[::1",
        "http://host:99999",
        "http://user:secret@host",
        "http://host/?a=1",
        "http://host/#a",
        "http://host/a;b",
        "http://host/a b",
        "http://host/ü",
        "http://" + "a" * 81,
    ],
)
def test_an_address_that_boards_cannot_take(text: str) -> None:
    with pytest.raises(OtaError) as refused:
        check_base_url(text)
    assert refused.value.reason is Reason.URL_INVALID

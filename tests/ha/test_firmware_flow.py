"""Adding and changing a firmware: the feed is read before anything is saved."""

from hashlib import sha256
import json
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.mqtt_ota import releases
from custom_components.mqtt_ota.const import DOMAIN, SUBENTRY_FIRMWARE
from custom_components.mqtt_ota.first_look import FirstLook
from custom_components.mqtt_ota.ota.errors import Reason
from custom_components.mqtt_ota.ota.release import Asset, Channel, Release
from homeassistant.config_entries import ConfigSubentry, SubentryFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from tests.firmware_images import build_app

from .conftest import Announce, SetUp
from .feed_server import FeedServer, Page

FEED = "/lamps/manifest.json"
PUBLIC_KEY = (
    ec.generate_private_key(ec.SECP256R1())
    .public_key()
    .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    .decode()
)


def version(number: str, *, chips: tuple[str, ...] = ("ESP32-C3",), **changes: Any) -> dict[str, Any]:
    assets = [{"url": f"lamp-{chip}-{number}.bin", "sha256": "ab" * 32, "size": 4096, "chip": chip} for chip in chips]
    return {"version": number, "assets": assets} | changes


def manifest(*versions: dict[str, Any]) -> Page:
    body = json.dumps({"schema": 1, "name": "Lamp", "versions": versions}).encode()
    return Page(body, content_type="application/json")


@pytest.fixture(autouse=True)
def _feed(server: FeedServer) -> None:
    server[FEED] = manifest(version("1.1.0"), version("1.2.0"))


async def begun(hass: HomeAssistant, entry: MockConfigEntry) -> SubentryFlowResult:
    return await hass.config_entries.subentries.async_init(
        (entry.entry_id, SUBENTRY_FIRMWARE), context={"source": "user"}
    )


async def go_on(hass: HomeAssistant, flow: SubentryFlowResult, **answer: Any) -> SubentryFlowResult:
    result = await hass.config_entries.subentries.async_configure(flow["flow_id"], answer)
    await hass.async_block_till_done()
    return result


async def read(
    hass: HomeAssistant, entry: MockConfigEntry, location: str, kind: str = "manifest", **answer: Any
) -> SubentryFlowResult:
    """Begin to add a firmware, and name its feed."""
    return await go_on(hass, await begun(hass, entry), kind=kind, location=location, **answer)


def suggested(form: SubentryFlowResult) -> dict[str, Any]:
    """Return what a form is filled with."""
    assert form["data_schema"] is not None
    markers = form["data_schema"].schema
    return {
        str(marker): marker.description["suggested_value"]
        for marker in markers
        if marker.description and "suggested_value" in marker.description
    }


def offered(form: SubentryFlowResult, field: str) -> list[str]:
    """Return what a field offers to choose from."""
    assert form["data_schema"] is not None
    options: list[str] = form["data_schema"].schema[field].config["options"]
    return options


def told(form: SubentryFlowResult, *words: str) -> tuple[str, ...]:
    """Return what a form's text says."""
    assert form["description_placeholders"] is not None
    return tuple(form["description_placeholders"][word] for word in words)


def put_image(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "lamp-1.2.0.bin").write_bytes(build_app(chip="ESP32-C3", version="1.2.0"))


def only(entry: MockConfigEntry) -> ConfigSubentry:
    subentry: ConfigSubentry
    (subentry,) = entry.subentries.values()
    return subentry


async def test_a_feed_is_read_and_then_fitted_to_the_boards(
    hass: HomeAssistant, ota_entry: SetUp, announce: Announce, server: FeedServer
) -> None:
    entry = await ota_entry()
    await announce(project="night")
    await announce(id="lamp-2", chip="ESP32-S3", model="strip")
    form = await read(hass, entry, f" {server.address(FEED)} ")
    assert (form["step_id"], form["errors"]) == ("boards", {})
    assert told(form, "newest", "fitting", "boards") == (r"1\.2\.0", "1", "2")
    assert suggested(form) == {"name": "lamps", "chip": "ESP32-C3", "channel": "stable"}
    assert offered(form, "model") == ["lamp", "strip"]
    assert offered(form, "chip") == ["ESP32-C3", "ESP32-S3"]
    assert offered(form, "project") == ["night"]
    done = await go_on(hass, form, name="Lamp", model="lamp", chip="", channel="stable", public_key=PUBLIC_KEY)
    assert done["type"] is FlowResultType.CREATE_ENTRY
    saved = only(entry)
    assert (saved.subentry_type, saved.title) == (SUBENTRY_FIRMWARE, "Lamp")
    assert saved.data == {
        "kind": "manifest",
        "location": server.address(FEED),
        "name": "Lamp",
        "model": "lamp",
        "channel": "stable",
        "public_key": PUBLIC_KEY.strip(),
    }


async def test_what_was_added_is_used_at_once(
    hass: HomeAssistant, ota_entry: SetUp, announce: Announce, server: FeedServer
) -> None:
    entry = await ota_entry()
    await announce()
    form = await read(hass, entry, server.address(FEED))
    await go_on(hass, form, name="Lamp", channel="stable")
    for _, feed in entry.runtime_data.catalogue.feeds:
        await feed.async_refresh()
    (state,) = hass.states.async_all("update")
    assert (state.state, state.attributes["latest_version"]) == ("on", "1.2.0")
    assert hass.config_entries.async_remove_subentry(entry, only(entry).subentry_id)
    await hass.async_block_till_done()
    assert entry.runtime_data.catalogue.feeds == ()


async def test_a_name_of_spaces_becomes_the_feeds_own(
    hass: HomeAssistant, ota_entry: SetUp, server: FeedServer
) -> None:
    entry = await ota_entry()
    form = await read(hass, entry, server.address(FEED))
    done = await go_on(hass, form, name="  ", channel="stable")
    assert (done["title"], only(entry).data["name"]) == ("lamps", "lamps")


async def test_a_feed_of_pre_releases_alone_suggests_their_channel(
    hass: HomeAssistant, ota_entry: SetUp, server: FeedServer
) -> None:
    server[FEED] = manifest(version("2.0.0-beta1", prerelease=True))
    form = await read(hass, await ota_entry(), server.address(FEED))
    assert suggested(form)["channel"] == "beta"
    assert told(form, "newest", "boards") == (r"2\.0\.0\-beta1", "0")


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (Page(status=404), Reason.FEED_NOT_FOUND),
        (Page(status=403), Reason.FEED_FORBIDDEN),
        (Page(status=429), Reason.FEED_RATE_LIMITED),
        (Page(status=503), Reason.FEED_SERVER_ERROR),
        (Page(b"<html>", content_type="text/html"), Reason.FEED_IS_HTML),
        (Page(b"1.2"), Reason.FEED_INVALID),
        (Page(b"{"), Reason.FEED_NOT_JSON),
        (Page(b'{"schema": 1, "versions": {}}'), Reason.FEED_INVALID),
        (Page(b""), Reason.FEED_EMPTY),
        (manifest(), Reason.FEED_EMPTY),
    ],
)
async def test_a_feed_that_cannot_be_read_is_named_and_can_be_corrected(
    hass: HomeAssistant, ota_entry: SetUp, server: FeedServer, page: Page, reason: Reason
) -> None:
    entry = await ota_entry()
    server["/wrong.json"] = page
    form = await read(hass, entry, server.address("/wrong.json"))
    assert (form["step_id"], form["errors"]) == ("user", {"location": reason})
    assert told(form, "url") == (server.address("/wrong.json"),)
    assert suggested(form)["location"] == server.address("/wrong.json")
    form = await go_on(hass, form, kind="manifest", location=server.address(FEED))
    assert form["step_id"] == "boards"
    assert not entry.subentries


@pytest.mark.parametrize(
    ("kind", "location", "reason"),
    [
        ("manifest", "lamp", Reason.URL_INVALID),
        ("manifest", "ftp://a.example/b", Reason.URL_INVALID),
        ("github", "lamp", Reason.URL_INVALID),
        ("github", "https://gitlab.example/owner/lamp", Reason.URL_INVALID),
        ("folder", "nowhere", Reason.FOLDER_NOT_FOUND),
        ("folder", "..", Reason.FOLDER_OUTSIDE),
        ("folder", ".", Reason.FEED_EMPTY),
    ],
)
async def test_a_place_that_is_none_is_refused(
    hass: HomeAssistant, ota_entry: SetUp, kind: str, location: str, reason: Reason
) -> None:
    form = await read(hass, await ota_entry(), location, kind)
    assert form["errors"] == {"location": reason}


async def test_a_folder_is_a_feed(hass: HomeAssistant, ota_entry: SetUp) -> None:
    put_image(Path(hass.config.path("firmware", "lamp")))
    form = await read(hass, await ota_entry(), "firmware/lamp", "folder", github_token="secret")
    assert suggested(form)["chip"] == "ESP32-C3"
    done = await go_on(hass, form, name="Lamp", channel="stable")
    assert done["data"] == {"kind": "folder", "location": "firmware/lamp", "name": "Lamp", "channel": "stable"}


@pytest.mark.parametrize(
    "location",
    [
        "Owner/lamp",
        "https://github.com/Owner/lamp",
        "www.github.com/Owner/lamp.git",
        "https://github.com/Owner/lamp/releases/",
    ],
)
async def test_a_repository_is_kept_in_one_form_and_a_token_is_sent_to_github_alone(
    hass: HomeAssistant, ota_entry: SetUp, server: FeedServer, monkeypatch: pytest.MonkeyPatch, location: str
) -> None:
    monkeypatch.setattr(releases, "GITHUB_API", server.url)
    asset = {
        "name": "lamp-esp32c3.bin",
        "browser_download_url": server.address("/a.bin"),
        "digest": f"sha256:{sha256().hexdigest()}",
    }
    page = Page(json.dumps([{"tag_name": "v1.2.0", "assets": [asset]}]).encode(), content_type="application/json")
    server["/repos/Owner/lamp/releases"] = page
    form = await read(hass, await ota_entry(), location, "github", github_token="secret")
    assert server.requests[-1].headers["Authorization"] == "Bearer secret"
    assert suggested(form)["name"] == "lamp"
    done = await go_on(hass, form, name="Lamp", channel="stable")
    assert (done["data"]["location"], done["data"]["github_token"]) == ("Owner/lamp", "secret")


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("public_key", "-----BEGIN PUBLIC KEY-----", "key_invalid"),
        ("asset_pattern", "lamp-{cip}.bin", "pattern_invalid"),
    ],
)
async def test_what_cannot_be_used_is_refused_by_field(
    hass: HomeAssistant, ota_entry: SetUp, server: FeedServer, field: str, value: str, error: str
) -> None:
    form = await read(hass, await ota_entry(), server.address(FEED))
    form = await go_on(hass, form, name="Lamp", channel="stable", **{field: value})
    assert form["errors"] == {field: error}
    assert suggested(form)[field] == value
    if field == "asset_pattern":
        assert told(form, "word") == ("{cip}",)
    done = await go_on(hass, form, name="Lamp", channel="stable", asset_pattern="lamp-{chip}-*.bin")
    assert done["data"]["asset_pattern"] == "lamp-{chip}-*.bin"


async def test_the_same_feed_for_the_same_boards_is_refused(
    hass: HomeAssistant, ota_entry: SetUp, server: FeedServer
) -> None:
    there = {"kind": "manifest", "location": server.address(FEED), "name": "Lamp", "model": "lamp"}
    entry = await ota_entry(there)
    form = await read(hass, entry, server.address(FEED))
    done = await go_on(hass, form, name="Other", model="LAMP", channel="stable")
    assert (done["type"], done["reason"]) == (FlowResultType.ABORT, "already_configured")
    form = await read(hass, entry, server.address(FEED))
    done = await go_on(hass, form, name="Other", model="strip", channel="stable")
    assert done["type"] is FlowResultType.CREATE_ENTRY


async def test_a_firmware_is_changed_as_a_whole(hass: HomeAssistant, ota_entry: SetUp, server: FeedServer) -> None:
    there = {"kind": "manifest", "location": server.address(FEED), "name": "Lamp", "model": "lamp", "chip": "ESP32-C3"}
    entry = await ota_entry(there)
    server["/new.json"] = manifest(version("1.3.0", chips=("ESP32-C3", "ESP32-S3")))
    form = await entry.start_subentry_reconfigure_flow(hass, only(entry).subentry_id)
    assert (form["step_id"], suggested(form)["location"]) == ("reconfigure", server.address(FEED))
    form = await go_on(hass, form, kind="manifest", location=server.address("/new.json"))
    assert suggested(form) == {"name": "Lamp", "model": "lamp", "chip": "ESP32-C3"}
    done = await go_on(hass, form, name="Night lamp", model="lamp", channel="beta")
    assert (done["type"], done["reason"]) == (FlowResultType.ABORT, "reconfigure_successful")
    saved = only(entry)
    assert saved.title == "Night lamp"
    assert saved.data == {
        "kind": "manifest",
        "location": server.address("/new.json"),
        "name": "Night lamp",
        "model": "lamp",
        "channel": "beta",
    }


async def test_a_firmware_that_stays_as_it_is_is_no_duplicate_of_itself_but_may_be_of_another(
    hass: HomeAssistant, ota_entry: SetUp, server: FeedServer
) -> None:
    there = {"kind": "manifest", "location": server.address(FEED), "name": "Lamp", "model": "lamp"}
    entry = await ota_entry(there, there | {"name": "Strip", "model": "strip"})
    first = next(iter(entry.subentries))
    for model, reason in (("lamp", "reconfigure_successful"), ("strip", "already_configured")):
        form = await entry.start_subentry_reconfigure_flow(hass, first)
        form = await go_on(hass, form, kind="manifest", location=server.address(FEED))
        done = await go_on(hass, form, name="Lamp", model=model, channel="stable")
        assert done["reason"] == reason


async def test_boards_are_not_counted_while_the_integration_does_not_run(
    hass: HomeAssistant, server: FeedServer
) -> None:
    entry = MockConfigEntry(domain=DOMAIN)
    entry.add_to_hass(hass)
    form = await read(hass, entry, server.address(FEED))
    assert told(form, "fitting", "boards") == ("0", "0")


@pytest.mark.parametrize(
    ("kind", "location", "releases", "name"),
    [
        ("github", "owner/lamp", (Release(version="1", title="First"),), "lamp"),
        ("folder", "firmware/lamp/", (Release(version="1"),), "lamp"),
        ("folder", "lamp", (Release(version="1"),), "lamp"),
        ("manifest", "https://a.example/b/lamp/manifest.json", (Release(version="1"),), "lamp"),
        ("manifest", "https://a.example/my%20lamp/", (Release(version="1"),), "my lamp"),
        ("manifest", "https://a.example/manifest.json", (Release(version="1"),), "a.example"),
        ("esp_web_tools", "https://a.example/b/c", (Release(version="1", title="Lamp"),), "Lamp"),
        ("esp_web_tools", "https://a.example/b/c", (Release(version="1", title="L" * 200),), "L" * 64),
        ("esp_web_tools", "https://a.example/b/c", (Release(version="1"),), "b"),
    ],
)
def test_a_feeds_firmware_has_a_name_to_begin_with(
    kind: str, location: str, releases: tuple[Release, ...], name: str
) -> None:
    assert FirstLook(MappingProxyType({"kind": kind, "location": location}), releases).name == name


@pytest.mark.parametrize(
    ("models", "projects", "name"),
    [(("lamp", "lamp"), ("p", "q"), "lamp"), (("lamp", "strip"), ("p", "p"), "p"), (("", ""), ("", "p"), "b")],
)
def test_a_feeds_files_name_it_where_they_agree(models: tuple[str, ...], projects: tuple[str, ...], name: str) -> None:
    assets = tuple(
        Asset(name="a", url="a", model=model, project=project) for model, project in zip(models, projects, strict=True)
    )
    source = {"kind": "manifest", "location": "https://a.example/b/c"}
    assert FirstLook(source, (Release(version="1", assets=assets),)).name == name


def test_a_channel_without_a_release_has_no_newest() -> None:
    look = FirstLook({}, (Release(version="2", prerelease=True),))
    assert (look.newest(Channel.STABLE), look.newest(Channel.BETA)) == ("", "2")

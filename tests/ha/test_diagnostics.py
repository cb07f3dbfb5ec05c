"""What a report holds, and what it must not."""

import json
from typing import Any

import pytest
from pytest_homeassistant_custom_component.components.diagnostics import (
    get_diagnostics_for_config_entry,
    get_diagnostics_for_device,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
from syrupy.assertion import SnapshotAssertion
from syrupy.filters import props

from custom_components.mqtt_ota import releases
from custom_components.mqtt_ota.ota.board import Transport
from custom_components.mqtt_ota.ota.session import Session, Target
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component

from .conftest import BOARD, Announce, SetUp
from .feed_server import FeedServer, Page

FEED = "/manifest.json"
SECRETS = ("secret", "02:00:00:00:00:01", "ha.example")
ASSET = {"url": "lamp.bin", "sha256": "ab" * 32, "size": 4096, "chip": "ESP32-C3"}

_VARYING = props("started", "changed", "wake_at", "timeline")


@pytest.fixture
async def entry(
    hass: HomeAssistant, ota_entry: SetUp, announce: Announce, server: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """Set up with secrets everywhere, a feed that is not there, and an update that was called off."""
    monkeypatch.setattr(releases, "GITHUB_API", server.url)
    assert await async_setup_component(hass, "diagnostics", {})
    body = json.dumps({"schema": 1, "versions": [{"version": "1.2.0", "assets": [ASSET]}]}).encode()
    server[FEED] = Page(body, content_type="application/json")
    lamp = {
        "kind": "manifest",
        "location": f"{server.address(FEED).replace('//', '//me:secret@')}?token=secret",
        "name": "Lamp",
        "model": "lamp",
        "channel": "stable",
    }
    other = {"kind": "github", "location": "owner/other", "github_token": "secret", "name": "Other", "model": "other"}
    entry = await ota_entry(lamp, other, base_url="http://ha.example:8123", transport="http")
    await announce(feed="https://me:secret@a.example/feed.json?token=secret")
    for _, feed in entry.runtime_data.catalogue.feeds:
        await feed.async_refresh()
    member = entry.runtime_data.fleet.members[BOARD["id"]]
    target = Target(version="1.2.0", sha256="ab" * 32, size=4096, manifest="mqtt_ota 1\n")
    member.session = Session.create("00" * 8, member.board, target, 0.0, Transport.BLOCKS)
    member.session.cancel(1.0)
    return entry


def without_ports(report: Any, server: FeedServer) -> Any:
    """Return a report in which the loopback's port is always the same."""
    return json.loads(json.dumps(report).replace(server.url, "http://feed.example"))


async def test_a_report_of_everything_without_secrets(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, entry: Any, server: FeedServer,
    snapshot: SnapshotAssertion,
) -> None:  # fmt: skip
    report = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    assert not [secret for secret in SECRETS if secret in json.dumps(report)]
    assert without_ports(report, server) == snapshot(exclude=_VARYING)


async def test_a_report_of_one_board(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, entry: Any, announce: Announce, server: FeedServer,
    snapshot: SnapshotAssertion,
) -> None:  # fmt: skip
    await announce(id="lamp-2", mac=None)
    device = next(
        device
        for device in dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
        if device.identifiers == {("mqtt_ota", BOARD["id"])}
    )
    report = await get_diagnostics_for_device(hass, hass_client, entry, device)
    assert not [secret for secret in SECRETS if secret in json.dumps(report)]
    assert without_ports(report, server) == snapshot(exclude=_VARYING)

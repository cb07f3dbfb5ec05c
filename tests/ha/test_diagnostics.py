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
from custom_components.mqtt_ota.diagnostics import async_get_config_entry_diagnostics
from custom_components.mqtt_ota.member import HISTORY_LENGTH
from custom_components.mqtt_ota.ota.board import Transport
from custom_components.mqtt_ota.ota.rollout import Rollout
from custom_components.mqtt_ota.ota.rollout_plan import Policy
from custom_components.mqtt_ota.ota.session import Session, Target
from custom_components.mqtt_ota.running_rollout import Terms
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
from tests.board.faults import Faults

from .conftest import BOARD, Announce, SetUp
from .feed_server import FeedServer, Page
from .house import House

FEED = "/manifest.json"
SECRETS = ("secret", "02:00:00:00:00:01", "ha.example")
ASSET = {"url": "lamp.bin", "sha256": "ab" * 32, "size": 4096, "chip": "ESP32-C3"}

_VARYING = props("started", "changed", "wake_at", "timeline", "heard", "created", "looked", "replaced", "ended", "id")


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
    url = "https://me:secret@a.example/lamp.bin?token=secret"
    target = Target(version="1.2.0", sha256="ab" * 32, size=4096, manifest="mqtt_ota 1\n", url=url)
    for number in range(HISTORY_LENGTH + 3):
        member.async_open(Session.create(f"{number:016x}", member.board, target, 0.0, Transport.BLOCKS), "2026-01-01")
        member.session.memo["told"] = "http://ha.example:8123/api/mqtt_ota/secret"
        member.session.memo["asked"] = True
        member.session.cancel(1.0)
    rollout = entry.runtime_data.rollouts.async_begin([member], Policy(), terms=Terms())
    entry.runtime_data.rollouts.async_apply(rollout, Rollout.pause)
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


async def test_the_last_updates_are_told_with_what_happened_and_no_more_of_them_than_are_kept(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, entry: Any
) -> None:
    report: Any = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    (board,) = report["boards"]
    assert len(board["history"]) == HISTORY_LENGTH
    for session in (board["session"], *board["history"]):
        assert [text for _, text in session["timeline"]] == ["queued", "cancelled: cancelled"]
        assert session["memo"] == {"told": "**REDACTED**", "asked": True}
        assert session["target"]["url"] == "https://a.example/lamp.bin"
    (rollout,) = report["rollouts"]
    assert (rollout["rollout"]["status"], rollout["rollout"]["cause"]) == ("paused", "user")
    assert list(rollout["rollout"]["parts"]) == ["lamp-1"]


async def test_what_waits_is_told_in_its_order(house: House) -> None:
    await house.change_options({"at_once": 1})
    for name in ("relay-1", "relay-2", "relay-3"):
        await house.add_board(name, faults=Faults(silent=True))
    away = await house.add_board("relay-0")
    await house.switch_off(away, "relay-0")
    await house.refresh()
    await house.install("relay-0")
    for name in ("relay-1", "relay-3", "relay-2"):
        target = {"entity_id": house.entity_id(name)}
        await house.hass.services.async_call("update", "install", target, blocking=False)
        await house.until(lambda name=name: house.members[name].session is not None)  # type: ignore[misc]
    report = await async_get_config_entry_diagnostics(house.hass, house.entry)
    assert report["queue"]["running"] == 1
    assert list(report["queue"]["waiting"].items()) == [("relay-3", "turn"), ("relay-2", "turn"), ("relay-0", "board")]
    for member in house.members.values():
        house.entry.runtime_data.sessions.async_cancel(member)


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

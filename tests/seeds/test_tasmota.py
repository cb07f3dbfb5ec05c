"""The Tasmota board against a real broker and a real server: what it announces, and how it changes its build."""

import json
from typing import Any

import pytest

from tests.firmware_images import build_app
from tests.mosquitto import Mosquitto
from tests.seeds.conftest import NEEDS_BROKER, NEW, OLD, StartBoard
from tests.seeds.faults import Faults
from tests.seeds.site import Page, Site
from tests.seeds.tasmota import ATTEMPTS, TasmotaBoard
from tests.seeds.uploaders import Ear, open_ear

pytestmark = NEEDS_BROKER


def plug(start: StartBoard, **options: Any) -> TasmotaBoard:
    board = start(TasmotaBoard, "plug", **options)
    board.wait_for("announced")
    return board


def upgrade(ear: Ear, url: str) -> None:
    ear.publish("cmnd/plug/OtaUrl", url.encode())
    ear.hear("stat/plug/RESULT", json.dumps({"OtaUrl": url}))
    ear.publish("cmnd/plug/Upgrade", b"1")


def test_tasmota_announces_itself_retained_and_answers_what_it_runs(
    broker: Mosquitto, ear: Ear, start: StartBoard
) -> None:
    board = plug(start)
    with open_ear(broker.port) as late:
        late.hear("tele/plug/LWT", "Online")
        config = json.loads(late.events.wait_for("message", topic=f"tasmota/discovery/{board.mac}/config")["payload"])
    assert (config["sw"], config["t"], config["mac"]) == ("1.0.0", "plug", board.mac)
    ear.publish("cmnd/plug/Status", b"2")
    said = json.loads(ear.events.wait_for("message", topic="stat/plug/STATUS2")["payload"])
    assert (said["StatusFWR"]["Version"], said["StatusFWR"]["Hardware"]) == (
        "1.0.0(release-tasmota32)",
        "ESP32-S3 v0.2",
    )


@pytest.mark.parametrize("one_partition", [True, False])
def test_tasmota_fetches_and_keeps_its_address(ear: Ear, start: StartBoard, site: Site, one_partition: bool) -> None:
    board = plug(start, one_partition=one_partition)
    url = site.put("/new.bin", Page(NEW))
    upgrade(ear, url)
    ear.hear("stat/plug/UPGRADE", json.dumps({"Upgrade": "Successful. Restarting"}))
    board.wait_for("announced", version="1.0.1")
    assert (board.runs, board.ota_url, board.in_safeboot) == (NEW, url, False)
    assert board.boots == (3 if one_partition else 2)


@pytest.mark.parametrize("one_partition", [True, False])
def test_tasmota_tries_again_and_then_says_why_not(
    ear: Ear, start: StartBoard, site: Site, one_partition: bool
) -> None:
    board = plug(start, one_partition=one_partition)
    upgrade(ear, site.address + "/none.bin")
    ear.hear("stat/plug/UPGRADE", json.dumps({"Upgrade": "Failed File Not Found (404)"}))
    assert (len(site.asked), board.runs, board.in_safeboot) == (ATTEMPTS, OLD, one_partition)


@pytest.mark.parametrize(
    ("page", "why"),
    [
        (Page(b"", 403), "Forbidden (403)"),
        (Page(b"", 500), "Wrong HTTP Code"),
        (Page(NEW, headers={}), "Server Did Not Report Size"),
        (Page(bytes(8192)), "Update error: Wrong Magic Byte"),
        (Page(NEW, cut_at=4000), "HTTP error: connection lost"),
        (Page(build_app(size=64 * 1024)), "Not Enough space"),
    ],
)
def test_tasmota_names_each_failure(ear: Ear, start: StartBoard, site: Site, page: Page, why: str) -> None:
    board = plug(start, one_partition=False, slot_size=32 * 1024)
    upgrade(ear, site.put("/new.bin", page))
    ear.hear("stat/plug/UPGRADE", json.dumps({"Upgrade": f"Failed {why}"}))
    assert board.runs == OLD


def test_tasmota_knows_the_address_that_it_came_with(ear: Ear, start: StartBoard) -> None:
    board = plug(start, separate_answers=True)
    ear.publish("cmnd/plug/otaurl", b"http://192.0.2.1/x")
    ear.hear("stat/plug/OTAURL", json.dumps({"OtaUrl": "http://192.0.2.1/x"}))
    board.power_cycle()
    board.wait_for("announced")
    ear.publish("cmnd/plug/OtaUrl", b"")
    ear.publish("cmnd/plug/OtaUrl", b"1")
    ear.hear("stat/plug/OTAURL", json.dumps({"OtaUrl": board.default_url}))
    assert ear.heard("stat/plug/OTAURL").count(json.dumps({"OtaUrl": "http://192.0.2.1/x"}).encode()) == 2


def test_tasmota_updates_only_when_it_is_told_to(ear: Ear, start: StartBoard) -> None:
    board = plug(start)
    ear.publish("cmnd/plug/Upgrade", b"0")
    ear.hear("stat/plug/RESULT", json.dumps({"Upgrade": "1 or >1.0.0 to upgrade"}))
    assert board.upgrades == 0


def test_tasmota_stays_in_safeboot_where_its_power_goes(ear: Ear, start: StartBoard, site: Site) -> None:
    board = plug(start, faults=Faults(power_cut=5000))
    upgrade(ear, site.put("/new.bin", Page(NEW)))
    board.wait_for("powerless", cause="power_cut")
    board.wait_for("connected")
    ear.publish("cmnd/plug/Status", b"2")
    said = json.loads(ear.events.wait_for("message", topic="stat/plug/STATUS2")["payload"])
    assert said["StatusFWR"]["Version"] == "1.0.0(safeboot)"
    ear.publish("cmnd/plug/Upgrade", b"1")
    board.wait_for("announced", version="1.0.1")

"""A fleet of fifty at night, with nobody watching: programs of the C++ core, Home Assistant's automations, one queue."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from hashlib import sha256
import json
from pathlib import Path
import subprocess
from typing import Any

import pytest

from custom_components.mqtt_ota import rollouts as rollouts_module
from custom_components.mqtt_ota.const import SUBENTRY_FIRMWARE
from custom_components.mqtt_ota.ota.session import State
from homeassistant.config_entries import ConfigSubentry
from tests.firmware import lacking, run
from tests.firmware_images import build_app

from .feed_server import Page
from .house import House
from .test_blueprints import night
from .test_rollouts import act, results

BOARDS = 50
SLEEPERS = {"lamp-03", "lamp-11", "lamp-19", "relay-07", "relay-15"}
# Each in the last wave, but where a test says otherwise.
FAULTS = {"relay-22": "wrong_digest", "relay-23": "write_error=8000", "relay-24": "comes_back_old"}
NIGHT_IS_LONG = 150.0


@pytest.fixture(scope="module")
def vboard() -> str:
    if missing := lacking("vboard"):
        pytest.skip(f"install {missing}")
    return run("vboard").splitlines()[-1]


@pytest.fixture
def faults() -> dict[str, str]:
    return FAULTS


@pytest.fixture(autouse=True)
def _time_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scale the waits, so that a night passes in a minute."""
    monkeypatch.setattr(rollouts_module, "LOOK_INTERVAL", 0.05)
    monkeypatch.setattr("custom_components.mqtt_ota.ota.rollout.LOOK", 0.5)
    monkeypatch.setattr("custom_components.mqtt_ota.ota.session.BACK_OFF", 0.2)
    monkeypatch.setattr("custom_components.mqtt_ota.ota.session.DOUBT", 0.5)
    monkeypatch.setattr("custom_components.mqtt_ota.sessions.SETTLE", 0.1)


@pytest.fixture
def expected_lingering_timers() -> bool:
    """Let an automation keep the timer of its next night."""
    return True


@pytest.fixture
async def fleet(house: House, vboard: str, faults: dict[str, str], tmp_path: Path) -> AsyncIterator[dict[str, Any]]:
    """Switch fifty boards of two products on, and publish 1.1.0 for both."""
    house.publish_releases({"version": "1.1.0", "image": build_app(version="1.1.0", size=16 * 1024)})
    lamp = build_app(version="1.1.0", size=16 * 1024, seed=7)
    asset = {"name": "lamp.bin", "url": "lamp.bin", "sha256": sha256(lamp).hexdigest(), "size": len(lamp)}
    body = {"schema": 1, "name": "Lamp", "versions": [{"version": "1.1.0", "assets": [asset]}]}
    house.feed["/lamp.bin"] = Page(lamp)
    house.feed["/lamp.json"] = Page(json.dumps(body).encode(), content_type="application/json")
    data = {"kind": "manifest", "location": house.feed.address("/lamp.json"), "name": "Lamp", "model": "lamp"}
    subentry = ConfigSubentry(data=data, subentry_type=SUBENTRY_FIRMWARE, title="Lamp", unique_id=None)  # type: ignore[arg-type]
    house.hass.config_entries.async_add_subentry(house.entry, subentry)
    await house.change_options({"at_once": 6})
    boards = {}
    for number in range(BOARDS):
        model = "lamp" if number < BOARDS // 2 else "relay"
        name = f"{model}-{number % (BOARDS // 2):02}"
        command = [vboard, "--broker", f"{house.broker.host}:{house.broker.port}", "--id", name, "--name", name]
        command += ["--state", str(tmp_path / name), "--model", model, "--chip", "ESP32-S3", "--version", "1.0.0"]
        command += ["--reboot-time", "0.1"]
        command += ["--wake-interval", "2", "--awake-time", "0.7"] if name in SLEEPERS else []
        command += ["--fault", faults[name]] if name in faults else []
        (tmp_path / name).mkdir()
        start = partial(subprocess.Popen, command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        boards[name] = await house.hass.async_add_executor_job(start)
    try:
        await patiently(house, lambda: len(house.members) == BOARDS)
        await house.refresh()
        await patiently(house, lambda: all(house.state(name).state == "on" for name in boards))
        yield boards
    finally:
        for board in boards.values():
            board.terminate()
        for board in boards.values():
            board.wait(10)


async def patiently(house: House, holds: Any) -> None:
    """Wait for something that takes as long as fifty boards do."""
    async with asyncio.timeout(NIGHT_IS_LONG):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def at_rest(house: House) -> bool:
    return all(member.active_session is None for member in house.members.values())


async def test_fifty_boards_are_updated_at_night_and_what_goes_wrong_stops_the_rest(
    house: House, fleet: dict[str, Any]
) -> None:
    told = await night(house, product="*", stages=["4", "90 %"], by_signal=True, stop_after=5, at_once=6)
    await patiently(house, lambda: len(told) >= 1)
    paused = told[0]["report"]
    assert (paused["status"], paused["cause"]) == ("paused", "rolled_back")
    running = house.entry.runtime_data.rollouts.get(paused["rollout"])
    await patiently(house, lambda: at_rest(house) or running.rollout.status != "paused")
    pending = {name for name, result in results(running.report()).items() if result == "pending"}
    assert all(house.members[name].session is None for name in pending)
    # Somebody looked at the one that went back, and lets the others go on.
    await act(house, "resume_rollout", response=False)
    await patiently(house, lambda: len(told) >= 2)
    report = told[1]["report"]
    assert (report["status"], report["cause"]) == ("finished", None)
    wrong = {"relay-22": "failed", "relay-23": "failed", "relay-24": "rolled_back"}
    assert results(report) == dict.fromkeys(fleet, "confirmed") | wrong
    assert Counter(report["totals"]) == {"confirmed": 47, "failed": 2, "rolled_back": 1}
    assert {name: report["boards"][name]["reason"] for name in wrong} == {
        "relay-22": "board_digest",
        "relay-23": "board_flash",
        "relay-24": "rolled_back",
    }
    for name, board in report["boards"].items():
        verdict = house.members[name].session
        assert verdict is not None
        assert (board["result"], board["entity_id"]) == (verdict.state, house.entity_id(name))
        assert house.members[name].version == ("1.0.0" if name in wrong else "1.1.0")
    assert at_rest(house)
    assert len(told[1]["message"].splitlines()) == BOARDS


@pytest.mark.parametrize("faults", [FAULTS | {"lamp-00": "comes_back_old"}])
async def test_a_canary_that_fails_stops_the_other_forty_nine(house: House, fleet: dict[str, Any]) -> None:
    told = await night(house, product="*", canary=house.entity_id("lamp-00"), at_once=6)
    await patiently(house, lambda: len(told) >= 1)
    report = told[0]["report"]
    assert (report["status"], report["cause"]) == ("paused", "rolled_back")
    assert results(report) == dict.fromkeys(fleet, "pending") | {"lamp-00": "rolled_back"}
    state = house.members["lamp-00"].session
    assert state is not None
    assert state.state is State.ROLLED_BACK
    assert [name for name, member in house.members.items() if member.session is not None] == ["lamp-00"]

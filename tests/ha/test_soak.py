"""A minute of random faults over many boards; SOAK_SECONDS, SOAK_SEED and SOAK_BOARDS make it another one."""

import gc
import os
import tracemalloc

import pytest

from custom_components.mqtt_ota import rollouts as rollouts_module, sessions
from custom_components.mqtt_ota.ota.dialects import native
from custom_components.mqtt_ota.ota.state import PATIENCE, State
from homeassistant.components import mqtt

from .house import House
from .soak import Soak

SECONDS = float(os.environ.get("SOAK_SECONDS", "60"))
SEED = int(os.environ.get("SOAK_SEED", "1"))
BOARDS = int(os.environ.get("SOAK_BOARDS", "8"))
# What the integration's own code may hold more at the end than after the first tenth of the time, in bytes.
GROWTH = 1 << 20
_OWN = tracemalloc.Filter(inclusive=True, filename_pattern="*/custom_components/mqtt_ota/*")


@pytest.fixture(autouse=True)
def _time_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scale the waits, so that a minute holds an hour of a house."""
    monkeypatch.setattr(rollouts_module, "LOOK_INTERVAL", 0.05)
    monkeypatch.setattr("custom_components.mqtt_ota.ota.rollout.LOOK", 0.5)
    monkeypatch.setattr("custom_components.mqtt_ota.ota.session.BACK_OFF", 0.2)
    monkeypatch.setattr("custom_components.mqtt_ota.ota.session.DOUBT", 0.5)
    monkeypatch.setattr(sessions, "SETTLE", 0.2)
    monkeypatch.setattr(sessions, "BROKER_GONE", 0.5)
    monkeypatch.setattr(native, "AWAY", 5.0)
    monkeypatch.setattr(mqtt.client, "RECONNECT_INTERVAL_SECONDS", 0.2)
    for state, seconds in (
        (State.OFFERED, 1.0),
        (State.TRANSFERRING, 2.0),
        (State.VERIFYING, 4.0),
        (State.REBOOTING, 5.0),
    ):
        monkeypatch.setitem(PATIENCE, state, seconds)


def held() -> int:
    """Return how much memory the integration's own code holds, in bytes."""
    gc.collect()
    return sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces([_OWN]).traces)


@pytest.mark.timeout(max(300, SECONDS * 2 + 240))
async def test_whatever_happens_every_board_runs_a_whole_image_and_every_verdict_is_true(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    soak = Soak(house, SEED, BOARDS)
    loop = house.hass.loop
    try:
        await soak.begin()
        tracemalloc.start()
        began, early = loop.time(), 0
        while (passed := loop.time() - began) < SECONDS:
            await soak.step()
            if not early and passed > SECONDS / 10:
                early = held()
        await soak.settle()
        growth = held() - early
        soak.check()
        await soak.prove()
        soak.check()
        assert growth < GROWTH, f"{growth} bytes more than in the beginning"
    except BaseException as err:
        err.add_note(f"again: SOAK_SEED={SEED} SOAK_SECONDS={SECONDS:.0f} scripts/test tests/ha/test_soak.py")
        raise
    finally:
        tracemalloc.stop()
        await soak.end()
        with capsys.disabled():
            verdicts, deeds = dict(sorted(soak.verdicts.items())), dict(sorted(soak.done.items()))
            print(f"\nsoak of {SECONDS:.0f} s, seed {SEED}: verdicts {verdicts}, deeds {deeds}")

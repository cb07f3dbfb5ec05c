"""The demo, as its user starts it: it ends by itself, by a signal or by force, and leaves nothing behind."""

from collections.abc import Callable, Iterator
import os
from pathlib import Path
import signal
import subprocess
import sys

import pytest

from tests.e2e.harness.places import ROOT
from tests.e2e.harness.waiting import until

PATIENCE = 120
type Start = Callable[..., subprocess.Popen[str]]


def programs_of(folder: Path) -> list[str]:
    """Return the command lines of the programs that run from a folder."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_text().replace("\0", " ")
        except OSError:
            continue
        if str(folder) in line:
            lines.append(line)
    return lines


@pytest.fixture
def start(mosquitto: str, tmp_path: Path) -> Iterator[Start]:
    """Start demos whose folders are the test's own; what a failed test leaves is ended."""
    demos = []

    def start_demo(*options: str, **environment: str) -> subprocess.Popen[str]:
        demo = subprocess.Popen(
            [sys.executable, "-u", "-m", "tests.e2e.demo", "--once", *options],
            cwd=ROOT,
            env={**os.environ, "MQTT_OTA_CACHE": str(tmp_path), "MOSQUITTO": mosquitto, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        demos.append(demo)
        return demo

    yield start_demo
    for demo in demos:
        demo.kill()
        demo.communicate()


def read_until(demo: subprocess.Popen[str], text: str) -> None:
    """Read what the demo says until it says this."""
    assert demo.stdout is not None
    for line in demo.stdout:
        if text in line:
            return
    raise AssertionError(f"The demo ended before it said '{text}'")


def test_installs_and_ends(start: Start, tmp_path: Path) -> None:
    demo = start()
    said, complaints = demo.communicate(timeout=PATIENCE)
    assert demo.returncode == 0, complaints
    assert "The board came back and confirmed 1.1.0: up to date." in said
    assert len([line for line in said.splitlines() if "transferring" in line]) >= 3
    assert programs_of(tmp_path) == []
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [".lock"]


def test_updates_a_board_of_each_protocol_in_the_field(start: Start, tmp_path: Path) -> None:
    demo = start("--seeds")
    said, complaints = demo.communicate(timeout=2 * PATIENCE)
    assert demo.returncode == 0, complaints
    lines = [line for line in said.splitlines() if "the version is known from" in line]
    assert sorted(line[:2] for line in lines) == ["S1", "S2", "S3", "S4", "S5"]
    assert "All of them are updated" in said
    assert programs_of(tmp_path) == []


def test_says_why_it_failed(start: Start) -> None:
    demo = start(MOSQUITTO="/bin/false")
    _, complaints = demo.communicate(timeout=PATIENCE)
    assert demo.returncode == 1
    assert "Failed: mosquitto ended (exit 1)" in complaints


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ends_by_a_signal(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    demo = start()
    read_until(demo, "Installing")
    demo.send_signal(number)
    demo.communicate(timeout=PATIENCE)
    assert demo.returncode == 130
    assert programs_of(tmp_path) == []
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [".lock"]


async def test_leaves_nothing_when_killed(start: Start, tmp_path: Path) -> None:
    demo = start()
    read_until(demo, "Installing")
    assert len(programs_of(tmp_path)) >= 4
    demo.kill()
    demo.communicate(timeout=PATIENCE)

    async def gone() -> bool:
        return programs_of(tmp_path) == []

    await until(gone, "the demo's programs to end", timeout=10)

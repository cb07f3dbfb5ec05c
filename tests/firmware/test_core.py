"""The C++ core and the adapters: their own tests in every way they can be run, and their style.

FUZZ_SECONDS fuzzes for longer than a minute.
"""

import os
from pathlib import Path
import re
import shutil
import subprocess

import pytest

from tests.firmware import ROOT, lacking, run

CACHE = Path(os.environ.get("MQTT_OTA_CACHE", ROOT / ".cache")) / "firmware"
PARSERS = {"board", "frame", "image_header", "inflate", "manifest", "offer"}
# What the slowest of them does many times over on one core, and what stands still does not.
INPUTS_A_SECOND = 50


def need(check: str) -> None:
    """Skip a test where this machine lacks what its check needs."""
    if missing := lacking(check):
        pytest.skip(f"install {missing}")


def told(said: str) -> tuple[int, int]:
    """Return how many cases and how many assertions a run of the core's tests counted."""
    counted = re.search(r"test cases: +(\d+) .*?assertions: +(\d+) ", said, re.DOTALL)
    assert counted, said
    return int(counted[1]), int(counted[2])


# ESPHome's adapter is a check of its own, as it needs ESPHome.
@pytest.mark.parametrize("check", ["lint", "lint-esphome"])
def test_nothing_is_found_by(check: str) -> None:
    need(check)
    run(check)


@pytest.mark.parametrize(
    ("group", "source", "header"),
    [
        ("core", "core/frame.cpp", "core/frame.h"),
        ("idf", "esp-idf/mqtt_ota/src/identity.cpp", "esp-idf/mqtt_ota/src/identity.h"),
        ("arduino", "arduino/src/mqtt_ota/pubsub_broker.cpp", "arduino/src/mqtt_ota/pubsub_broker.h"),
        ("esp32", "esphome/components/mqtt_ota/ota/store_esp32.cpp", "esphome/components/mqtt_ota/ota/store_esp32.h"),
        ("host", "esphome/components/mqtt_ota/ota/store_host.cpp", "esphome/components/mqtt_ota/ota/store_host.h"),
    ],
)
def test_a_lapse_in_a_header_would_be_found(tmp_path: Path, group: str, source: str, header: str) -> None:
    need("lint-esphome" if "esphome" in source else "lint")
    for part in ("firmware", "scripts", "tests/adapters/stubs", "tests/esphome"):
        shutil.copytree(ROOT / part, tmp_path / part, symlinks=True)
    shutil.copy(ROOT / ".clang-tidy", tmp_path)
    with (tmp_path / "firmware" / header).open("a") as lapsed:
        lapsed.write("inline int TooLoud(int *it) { return it == 0 ? 1 : 2; }\n")
    build = tmp_path / "build"
    tools = [f"{name}={CACHE / place}" for name, place in (("PREFIX", "debian"), ("WHEELS", "wheels"))]
    done = subprocess.run(
        ["make", "-s", "-C", tmp_path / "firmware", f"BUILD={build}", *tools, f"{build}/tidy/{group}/{source}.ok"],
        env=os.environ | {"PYTHONPATH": str(CACHE / "wheels"), "MQTT_OTA_CACHE": str(CACHE.parent)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0
    assert "readability-identifier-naming" in done.stdout
    assert "modernize-use-nullptr" in done.stdout


def test_valgrind_sees_every_case_that_the_sanitizers_see() -> None:
    need("test")
    sanitized = told(run("test"))
    assert min(sanitized) > 50
    need("valgrind")
    assert told(run("valgrind")) == sanitized


def test_the_core_passes_on_32_bits() -> None:
    need("riscv")
    assert min(told(run("riscv"))) > 50


def test_the_core_stays_small(capsys: pytest.CaptureFixture[str]) -> None:
    need("size")
    said = run("size")
    assert re.search(r"text \d+ of \d+ bytes, RAM \d+ of \d+ bytes", said)
    with capsys.disabled():
        print(f"\n{said.strip()}")


@pytest.mark.timeout(3600)
def test_no_parser_stumbles_over_anything(capsys: pytest.CaptureFixture[str]) -> None:
    need("fuzz")
    seconds = int(os.environ.get("FUZZ_SECONDS", "60"))
    said = run("fuzz", str(seconds))
    fuzzed = {name: int(inputs) for name, inputs in re.findall(rf"fuzzed (\w+) for {seconds} s, (\d+) inputs", said)}
    assert fuzzed.keys() == PARSERS
    assert min(fuzzed.values()) > INPUTS_A_SECOND * seconds, said
    with capsys.disabled():
        print(f"\n{said.strip()}")

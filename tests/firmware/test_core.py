"""The C++ core: its own tests in every way they can be run, and its size. FUZZ_SECONDS fuzzes for longer than a minute."""

import os
import re

import pytest

from tests.firmware import lacking, run


@pytest.mark.parametrize("check", ["lint", "test", "valgrind", "riscv"])
def test_the_core_passes_its(check: str) -> None:
    if missing := lacking(check):
        pytest.skip(f"install {missing}")
    run(check)


def test_the_core_stays_small(capsys: pytest.CaptureFixture[str]) -> None:
    if missing := lacking("size"):
        pytest.skip(f"install {missing}")
    said = run("size")
    assert re.search(r"text \d+ of \d+ bytes, RAM \d+ of \d+ bytes", said)
    with capsys.disabled():
        print(f"\n{said.strip()}")


@pytest.mark.timeout(3600)
def test_no_parser_stumbles_over_anything() -> None:
    if missing := lacking("fuzz"):
        pytest.skip(f"install {missing}")
    said = run("fuzz", os.environ.get("FUZZ_SECONDS", "60"))
    assert {line.split()[1] for line in said.splitlines() if line.startswith("fuzzed ")} == {
        "board",
        "frame",
        "image_header",
        "inflate",
        "manifest",
        "offer",
    }

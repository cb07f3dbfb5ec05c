"""The boards as programs."""

import json
from pathlib import Path
import subprocess
import sys

import pytest

from tests.e2e.harness.places import ROOT as ROOT_FOLDER
from tests.mosquitto import Mosquitto
from tests.seeds.__main__ import KINDS, make
from tests.seeds.conftest import NEEDS_BROKER, OLD

pytestmark = NEEDS_BROKER


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_a_program_that_ends_when_it_is_told_to(broker: Mosquitto, tmp_path: Path, kind: str) -> None:
    first = tmp_path / "first.bin"
    first.write_bytes(OLD)
    program = subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.seeds", kind, "--broker", f"127.0.0.1:{broker.port}"),
            *("--state", str(tmp_path / kind), "--version-image", str(first), "--fault", "comes_back_old"),
        ],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT_FOLDER,
    )
    assert program.stdout is not None
    with program.stdout as lines:
        for line in lines:
            if json.loads(line)["event"] == "connected":
                program.terminate()
                break
        rest = [json.loads(line)["event"] for line in lines]
    assert rest[-1] == "stopped"
    assert program.wait(10) == 0


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["url", "--broker", "x", "--state", "y"]])
def test_a_command_line_that_makes_no_sense_ends_the_program(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        make(arguments, lambda event: None)

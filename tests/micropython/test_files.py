"""Files are replaced all or none: the power is cut at every single change of an install, and again while it recovers."""

import json
import os
from pathlib import Path
import subprocess

import pytest

from .interpreter import ON_BOARD, PROGRAM, needs_micropython

pytestmark = needs_micropython

# Of the second cuts: 1 tries every one, which takes minutes.
STRIDE = os.environ.get("MQTT_OTA_CUTS", "29")


@pytest.mark.parametrize("ending", ["confirm", "roll_back"])
@pytest.mark.parametrize("style", ["posix", "fat"])
def test_no_power_cut_leaves_anything_but_all_or_nothing(tmp_path: Path, style: str, ending: str) -> None:
    done = subprocess.run(
        [PROGRAM, str(ON_BOARD / "cuts.py"), str(tmp_path), style, ending, STRIDE],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["wrong"] == []
    assert found["changes"] > 40
    assert found["twice"] > 40

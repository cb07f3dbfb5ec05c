"""What runs on a board, tested on a PC."""

from pathlib import Path
import subprocess

ROOT = Path(__file__).parents[2]
_PROGRAM = ROOT / "scripts" / "firmware"


def lacking(check: str) -> str:
    """Return which packages a check of scripts/firmware needs and this machine has not; empty when it has all."""
    answer = subprocess.run([_PROGRAM, "lacks", check], capture_output=True, text=True, check=True)
    return " ".join(answer.stdout.split())


def run(check: str, *arguments: str) -> str:
    """Return what a check of scripts/firmware printed; raises AssertionError with all of it where it failed."""
    answer = subprocess.run(
        [_PROGRAM, check, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout
    return answer.stdout

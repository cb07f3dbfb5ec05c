"""ESPHome, where it is there, and the programs that it builds."""

from pathlib import Path
import subprocess
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
SCRIPT: Final = ROOT / "scripts" / "esphome"
HOST_YAML: Final = Path(__file__).with_name("host.yaml")
_PATIENCE = 300.0


def lacks() -> str:
    """Return what is missing for these tests, by name."""
    return ", ".join(run("lacks").stdout.splitlines())


def run(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run scripts/esphome."""
    return subprocess.run([SCRIPT, *arguments], cwd=cwd, check=False, capture_output=True, text=True, timeout=_PATIENCE)


def build_host(version: str, *, yaml: Path = HOST_YAML, **substitutions: str) -> Path:
    """Return a program for the platform host; one that was built before is only looked up."""
    built = run("host", yaml, version, *(f"{name}={value}" for name, value in substitutions.items()))
    assert built.returncode == 0, built.stderr
    return Path(built.stdout.strip())

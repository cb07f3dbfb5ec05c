"""Make the packages that users get, and the tests' programs from them."""

from dataclasses import dataclass
import filecmp
import os
from pathlib import Path
import re
import shutil
import subprocess

ROOT = Path(__file__).parents[2]
FIRMWARE = ROOT / "firmware"
HERE = Path(__file__).parent
KINDS = ("esp-idf", "arduino")
PROGRAMS = ("run-idf", "run-arduino", "run-idf-client")

_ENTRY = re.compile(r"^ +config (\w+)\n +(string|int|bool) .*?^ +default (.+?)$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Programs:
    """What was built, and from what."""

    home: Path

    def package(self, kind: str) -> Path:
        """Return a package's folder."""
        return self.home / kind

    def scenarios(self, program: str) -> list[str]:
        """Return the names of what a program can show."""
        return self._run(program).stdout.splitlines()

    def run(self, program: str, scenario: str) -> str:
        """Run one scenario; return what was wrong, nothing when nothing was."""
        done = self._run(program, scenario)
        return "" if done.returncode == 0 else f"{scenario}: {done.returncode}\n{done.stderr[-4000:]}"

    def ask(self, program: str, lines: list[str]) -> list[str]:
        """Return what a program answers to some lines."""
        return self._run(program, given="".join(f"{line}\n" for line in lines)).stdout.splitlines()

    def _run(self, program: str, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        command = [self.home / program, *arguments]
        return subprocess.run(command, input=given, capture_output=True, text=True, timeout=60, check=False)


def pack(kind: str, destination: Path) -> None:
    """Make one package."""
    subprocess.run([FIRMWARE / "package", kind, destination], check=True, timeout=60)


def defaults(kconfig: str) -> dict[str, str]:
    """Return what a Kconfig file gives as defaults, as the lines of sdkconfig.h have it."""
    found = {}
    for name, kind, value in _ENTRY.findall(kconfig):
        if kind != "bool":
            found[f"CONFIG_{name}"] = value
        elif value == "y":
            found[f"CONFIG_{name}"] = "1"
    return found


def build(home: Path) -> Programs:
    """Build everything under a folder, of which what is still good is kept."""
    home.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        fresh = home / f"{kind}.new"
        shutil.rmtree(fresh, ignore_errors=True)
        pack(kind, fresh)
        _refresh(fresh, home / kind)
        shutil.rmtree(fresh)
    lines = [
        f"#define {name} {value}\n"
        for path in ("Kconfig", "examples/basic/main/Kconfig.projbuild")
        for name, value in defaults((home / "esp-idf" / path).read_text()).items()
    ]
    _write(home / "kconfig" / "kconfig_defaults.h", "".join(lines))
    make(home, "all")
    return Programs(home)


def make(home: Path, target: str, **variables: Path) -> None:
    """Make what is not made yet."""
    given = [f"{name}={value}" for name, value in {"BUILD": home, **variables}.items()]
    subprocess.run(
        ["make", "-s", "-C", HERE, f"-j{min(2, os.cpu_count() or 1)}", *given, target], check=True, timeout=600
    )


def _refresh(fresh: Path, kept: Path) -> None:
    """Make one folder like another, and leave files alone that are the same already."""
    wanted = {path.relative_to(fresh) for path in fresh.rglob("*") if path.is_file()}
    for path in [path for path in kept.rglob("*") if path.is_file() and path.relative_to(kept) not in wanted]:
        path.unlink()
    for path in wanted:
        target = kept / path
        if not target.is_file() or not filecmp.cmp(fresh / path, target, shallow=False):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(fresh / path, target)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_text() != text:
        path.write_text(text)

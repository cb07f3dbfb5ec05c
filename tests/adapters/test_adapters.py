"""The ESP-IDF component and the Arduino library, packaged, built against stubs and run on this machine."""

import fcntl
import json
import os
from pathlib import Path
import re
import shutil
import subprocess
import zipfile

import pytest
import yaml

from .package import FIRMWARE, KINDS, PROGRAMS, ROOT, Programs, build, defaults, make, pack

CACHE = Path(os.environ.get("MQTT_OTA_CACHE", ROOT / ".cache"))

pytestmark = pytest.mark.skipif(
    shutil.which("g++") is None or shutil.which("make") is None, reason="needs g++ and make"
)


@pytest.fixture(scope="module")
def programs() -> Programs:
    """Return the programs, built under the cache, by one run at a time."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "adapters.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return build(CACHE / "adapters")


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_platform_keeps_its_promises(programs: Programs, program: str) -> None:
    scenarios = programs.scenarios(program)
    assert scenarios
    failures = [failure for scenario in scenarios if (failure := programs.run(program, scenario))]
    assert not failures, "\n".join(failures)


def test_both_platforms_show_the_same(programs: Programs) -> None:
    shared = set(programs.scenarios("run-idf")) & set(programs.scenarios("run-arduino"))
    assert len(shared) >= 19
    assert sum("cut at every write" in scenario for scenario in shared) == 3


def real_psa() -> Path | None:
    """Return where a real PSA lies: the system's, or what scripts/firmware has unpacked."""
    places = [Path("/"), CACHE / "firmware" / "debian"]
    return next((place for place in places if (place / "usr/include/psa/crypto.h").is_file()), None)


def test_signatures_are_judged_by_a_real_psa(programs: Programs) -> None:
    prefix = real_psa()
    if prefix is None:
        pytest.skip("needs libmbedtls-dev: scripts/firmware setup")
    make(programs.home, str(programs.home / "run-psa"), PREFIX=prefix)
    golden = json.loads((FIRMWARE / "golden.json").read_text())
    key = golden["key"]["public_base64"]
    lines, wanted = [], []
    for verdict, expected in (("valid", "good"), ("invalid", "bad")):
        for case in golden["signatures"][verdict]:
            lines.append(f"{key} {case['signature'] or '-'} {case['text'].encode().hex()}")
            wanted.append(expected)
    # Off the curve, another form of a point, and cut short.
    for wrong in (key.replace("Nak=", "Nag="), key.replace("BGmj", "A2mj"), key[:-4]):
        lines.append(f"{wrong} {golden['signatures']['valid'][0]['signature']} 00")
        wanted.append("no key")
    assert len(lines) > 8
    assert programs.ask("run-psa", lines) == wanted


def core_files() -> list[Path]:
    return [path for path in sorted((FIRMWARE / "core").iterdir()) if path.suffix in {".h", ".cpp"}]


@pytest.mark.parametrize(("kind", "core"), [("esp-idf", "core"), ("arduino", "src/mqtt_ota")])
def test_a_package_has_the_whole_core(tmp_path: Path, kind: str, core: str) -> None:
    pack(kind, tmp_path / "package")
    for path in core_files():
        assert (tmp_path / "package" / core / path.name).read_bytes() == path.read_bytes()


def test_core_and_adapters_can_share_a_folder() -> None:
    names = [path.name for path in core_files()]
    for folder in ("esp-idf/mqtt_ota/src", "arduino/src/mqtt_ota"):
        names += [path.name for path in (FIRMWARE / folder).iterdir()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("kind", KINDS)
def test_a_package_stands_alone(tmp_path: Path, kind: str) -> None:
    package = tmp_path / "package"
    pack(kind, package)
    assert not [path for path in package.rglob("*") if path.is_symlink()]
    assert (package / "LICENSE").read_text().startswith("MIT")
    for path in package.rglob("*.[hc]*"):
        if path.suffix not in {".h", ".cpp", ".c"}:
            continue
        for included in re.findall(r'#include "([^"]+)"', path.read_text()):
            assert ".." not in included, f"{path.name} leaves its package"


@pytest.mark.parametrize("kind", KINDS)
def test_a_package_can_be_a_zip(tmp_path: Path, kind: str) -> None:
    pack(kind, tmp_path / "package.zip")
    with zipfile.ZipFile(tmp_path / "package.zip") as package:
        assert {name.split("/")[0] for name in package.namelist()} == {"mqtt_ota"}


def test_a_package_overwrites_nothing(tmp_path: Path) -> None:
    done = subprocess.run([FIRMWARE / "package", "arduino", tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "is there already" in done.stderr


def properties() -> dict[str, str]:
    lines = (FIRMWARE / "arduino" / "library.properties").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_all_descriptions_say_the_same() -> None:
    component = yaml.safe_load((FIRMWARE / "esp-idf/mqtt_ota/idf_component.yml").read_text())
    library = json.loads((FIRMWARE / "arduino/library.json").read_text())
    versions = {component["version"], library["version"], properties()["version"]}
    assert len(versions) == 1
    assert library["name"] == properties()["name"]
    assert {component["license"], library["license"]} == {"MIT"}


def test_arduino_finds_what_it_wants() -> None:
    """Library Manager refuses a library that lacks one of these."""
    wanted = ["name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url", "architectures"]
    assert all(properties()[name] for name in wanted)
    assert properties()["category"] == "Communication"
    assert (FIRMWARE / "arduino/src" / properties()["includes"]).is_file()
    for sketch in (FIRMWARE / "arduino/examples").iterdir():
        assert (sketch / f"{sketch.name}.ino").is_file()


def test_every_option_has_a_default_without_kconfig() -> None:
    """An Arduino sketch has no menuconfig, and must get the same."""
    options = (FIRMWARE / "esp-idf/mqtt_ota/src/options.h").read_text()
    fallbacks = dict(re.findall(r"#define (CONFIG_MQTT_OTA_\w+) (.+)", options))
    assert fallbacks == defaults((FIRMWARE / "esp-idf/mqtt_ota/Kconfig").read_text())


def test_the_example_is_ten_lines() -> None:
    sketch = (FIRMWARE / "arduino/examples/Relay/Relay.ino").read_text()
    code = [line for line in sketch.splitlines() if line.strip(" }") and not re.match(r"\s*(//|#include)", line)]
    assert len(code) <= 10

"""The ESP32's half: compiled against ESPHome's own headers, and its flash and its crypto run here.

What belongs to ESP-IDF is declared in `stubs`; the GitHub workflow compiles all of it for real.
"""

import base64
import json
import os
from pathlib import Path
import subprocess
from typing import Final

import pytest

from .test_config import generate, platform
from .tools import ROOT, lacks

HERE: Final = Path(__file__).parent
FIRMWARE: Final = ROOT / "firmware"
OWN: Final = FIRMWARE / "esphome" / "components" / "mqtt_ota" / "ota"
ADAPTERS: Final = ("crypto", "flash_esp32", "link_esp32", "mqtt_ota", "store_esp32")
WARNINGS: Final = ("-Wall", "-Wextra", "-Werror")
_PATIENCE = 200.0


@pytest.fixture(autouse=True)
def _needs_esphome(_esphome: None) -> None:
    """Skip without ESPHome; Home Assistant is of no concern here."""


def compiled(*arguments: str | Path) -> str:
    """Run the compiler with the libraries that scripts/esphome knows of, and return what it complains about."""
    cache = Path(os.environ.get("MQTT_OTA_CACHE", ROOT / ".cache")) / "firmware" / "debian" / "usr"
    triplet = subprocess.run(["gcc", "-print-multiarch"], check=True, capture_output=True, text=True).stdout.strip()
    libraries = cache / "lib" / triplet
    places = [part for path in (cache / "include", cache / "include" / triplet) for part in ("-isystem", path)]
    command = ["g++", "-std=gnu++20", "-DESP_PLATFORM", "-DUSE_ESP32", *arguments, *places]
    command += [f"-L{libraries}", f"-Wl,-rpath,{libraries}"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=_PATIENCE)
    return done.stderr if done.returncode else ""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Have the sources that ESPHome makes for an ESP32-C3."""
    if missing := lacks():
        pytest.skip(f"ESPHome's tests need {missing}: run scripts/esphome")
    return generate(tmp_path_factory.mktemp("esp32"), platform("esp32")) / "src"


def compile_adapter(project: Path, source: Path, *flags: str) -> str:
    given = ["-fsyntax-only", "-fno-exceptions", "-fno-rtti", "-DUSE_ESP_IDF", "-DUSE_ESP32_VARIANT_ESP32C3"]
    given += ["-DESPHOME_LOG_LEVEL=ESPHOME_LOG_LEVEL_DEBUG", *flags]
    # Found beside the original, and with ESPHome's headers, about whose warnings nothing can be done here.
    return compiled(*given, "-I", HERE / "stubs", "-isystem", project, "-iquote", OWN, source)


@pytest.mark.parametrize("name", ADAPTERS)
def test_it_compiles_against_esphome(project: Path, name: str) -> None:
    assert compile_adapter(project, OWN / f"{name}.cpp", *WARNINGS) == ""


def test_it_compiles_with_idf_6(project: Path) -> None:
    flags = ("-DESP_IDF_VERSION=ESP_IDF_VERSION_VAL(6,0,0)", "-DMBEDTLS_ALLOW_PRIVATE_ACCESS")
    assert compile_adapter(project, OWN / "crypto.cpp", *WARNINGS, *flags) == ""


def test_a_typo_would_be_seen(project: Path, tmp_path: Path) -> None:
    source = tmp_path / "link_esp32.cpp"
    text = (OWN / source.name).read_text()
    source.write_text(text.replace("->set_clean_session(", "->set_clean_sessions("))
    assert "set_clean_sessions" in compile_adapter(project, source)


@pytest.mark.parametrize("flavour", [(), ("-DMQTT_OTA_PSA",)], ids=["legacy", "psa"])
def test_signatures_are_judged_as_the_golden_vectors_say(tmp_path: Path, flavour: tuple[str, ...]) -> None:
    program = tmp_path / "crypto_check"
    sources = (HERE / "crypto_check.cpp", OWN / "crypto.cpp")
    assert (
        compiled(*flavour, *WARNINGS, "-I", HERE / "stubs", "-I", FIRMWARE, *sources, "-lmbedcrypto", "-o", program)
        == ""
    )
    golden = json.loads((FIRMWARE / "golden.json").read_text())
    lines, expected = [], []
    for verdict in ("valid", "invalid"):
        for vector in golden["signatures"][verdict]:
            try:
                signature = base64.b64decode(vector["signature"], validate=True)
            except ValueError:
                continue
            if len(signature) != 64:
                continue
            lines.append(f"{golden['key']['public_point']} {vector['text'].encode().hex()} {signature.hex()}")
            expected.append("good" if verdict == "valid" else "bad")
    assert {"good", "bad"} == set(expected)
    lines.append(f"04{'00' * 64} 00 {'11' * 64}")
    said = subprocess.run([program], input="\n".join(lines), check=True, capture_output=True, text=True, timeout=60)
    assert said.stdout.split() == [*expected, "bad"]


def test_the_way_over_esphomes_client_changes_its_list_only_when_nobody_reads_it(tmp_path: Path) -> None:
    program = tmp_path / "link_check"
    includes = [part for path in (HERE / "fakes", HERE / "stubs", FIRMWARE) for part in ("-I", path)]
    flags = (*WARNINGS, "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    assert compiled(*flags, *includes, HERE / "link_check.cpp", OWN / "link_esp32.cpp", "-o", program) == ""
    done = subprocess.run([program], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_power_cut_at_any_write_never_costs_the_running_image(tmp_path: Path) -> None:
    program = tmp_path / "flash_check"
    sources = [HERE / "flash_check.cpp", OWN / "flash_esp32.cpp", OWN / "store_esp32.cpp", OWN / "crypto.cpp"]
    sources += sorted((FIRMWARE / "core").glob("*.cpp"))
    includes = [part for path in (HERE / "fakes", HERE / "stubs", FIRMWARE) for part in ("-I", path)]
    flags = ("-DUSE_OTA_ROLLBACK", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    assert compiled(*flags, *includes, *sources, "-lmbedcrypto", "-o", program) == ""
    done = subprocess.run([program], check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > kept_and_written(150 * 1024, 4096)


def kept_and_written(size: int, block: int) -> int:
    """Return the least number of writes of an update: each block, and the note that it is there."""
    return 2 * (size // block)

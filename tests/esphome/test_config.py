"""What a user may write under `ota:`, what is refused and why, and the code that comes of it."""

from pathlib import Path
import shutil
import subprocess
from typing import Final

import pytest

from .tools import ROOT, run

HERE: Final = Path(__file__).parent
COMPONENTS: Final = ROOT / "firmware" / "esphome" / "components"
CORE: Final = ROOT / "firmware" / "core"
EXAMPLE: Final = ROOT / "firmware" / "esphome" / "example.yaml"
CHIPS: Final = {"esp32": "ESP32", "esp32c3": "ESP32-C3", "esp32s3": "ESP32-S3"}
PEM: Final = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaaNAS54nzE2B6kU1I1luL2U6CjRVFaD7KtxBltTZSvwjBLxCl7/OUWs534U5oN0WiAybSvyoK1Fq
LEKLzWs1qQ==
-----END PUBLIC KEY-----"""


@pytest.fixture(autouse=True)
def _needs_esphome(_esphome: None) -> None:
    """Skip without ESPHome; Home Assistant is of no concern here."""


def generate(folder: Path, yaml: str, *substitutions: str) -> Path:
    """Return the folder of sources that ESPHome makes of a configuration."""
    (folder / "board.yaml").write_text(yaml)
    given = [part for one in (*substitutions, f"components={COMPONENTS}") for part in ("-s", *one.split("=", 1))]
    made = run("run", *given, "compile", "--only-generate", folder / "board.yaml", cwd=folder)
    assert made.returncode == 0, made.stdout + made.stderr
    return folder / ".esphome" / "build" / "relay-1"


def refusal(folder: Path, yaml: str) -> str:
    """Return what ESPHome says about a configuration that it refuses."""
    (folder / "board.yaml").write_text(yaml)
    checked = run("run", "-s", "components", str(COMPONENTS), "config", folder / "board.yaml", cwd=folder)
    assert checked.returncode != 0
    return checked.stdout + checked.stderr


def platform(name: str) -> str:
    return (HERE / f"{name}.yaml").read_text()


@pytest.mark.parametrize("framework", ["esp-idf", "arduino"])
@pytest.mark.parametrize("variant", CHIPS)
def test_code_is_generated_for_each_chip_and_framework(tmp_path: Path, variant: str, framework: str) -> None:
    project = generate(tmp_path, platform("esp32"), f"variant={variant}", f"framework={framework}")
    code = (project / "src" / "main.cpp").read_text()
    for call in (
        f'set_chip("{CHIPS[variant]}")',
        'set_version("1.0.0")',
        "set_blocks(2048, 4)",
        "add_key({4, 105, 163,",
    ):
        assert call in code
    options = (project / "sdkconfig.relay-1").read_text().splitlines()
    assert "CONFIG_MQTT_USE_CUSTOM_CONFIG=y" in options
    # A frame of a block, with its topic, arrives in one piece.
    assert "CONFIG_MQTT_BUFFER_SIZE=2228" in options
    assert "CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE=y" in options
    own = project / "src" / "esphome" / "components" / "mqtt_ota" / "ota"
    assert {file.name for file in own.glob("*.cpp")} == {
        "crypto.cpp",
        "flash_esp32.cpp",
        "link_esp32.cpp",
        "mqtt_ota.cpp",
        "store_esp32.cpp",
    }


def test_the_core_is_whole(tmp_path: Path) -> None:
    links = {link.name for link in (COMPONENTS / "mqtt_ota_core").iterdir() if link.is_symlink()}
    files = {file.name for file in CORE.iterdir() if file.suffix in {".cpp", ".h"}}
    assert links == files, "run: cd firmware/esphome/components/mqtt_ota_core && ln -s ../../../core/FILE ."
    project = generate(tmp_path, platform("esp32"))
    for file in files:
        copied = project / "src" / "esphome" / "components" / "mqtt_ota_core" / file
        assert copied.read_bytes() == (CORE / file).read_bytes()
        assert not copied.is_symlink()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Make a repository of what lies under firmware now, as a fresh clone has it."""
    repository = tmp_path / "repository"
    for part in ("core", "esphome"):
        shutil.copytree(
            ROOT / "firmware" / part,
            repository / "firmware" / part,
            symlinks=True,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.invalid")
    for command in (("init", "-q"), ("add", "-A"), (*identity, "commit", "-q", "-m", "all")):
        subprocess.run(["git", *command], cwd=repository, check=True, timeout=30)
    return repository


def test_it_works_from_a_git_source(tmp_path: Path, repository: Path) -> None:
    source = f"type: git\n      url: file://{repository}\n      path: firmware/esphome/components"
    yaml = platform("esp32").replace("type: local\n      path: ${components}", source)
    assert source in yaml
    project = generate(tmp_path, yaml)
    copied = project / "src" / "esphome" / "components" / "mqtt_ota_core" / "board.cpp"
    assert copied.read_bytes() == (CORE / "board.cpp").read_bytes()


def test_links_that_an_archive_made_files_of_are_mended(tmp_path: Path, repository: Path) -> None:
    components = repository / "firmware" / "esphome" / "components"
    for link in (components / "mqtt_ota_core").iterdir():
        if link.is_symlink():
            target = str(link.readlink())
            link.unlink()
            link.write_text(target)
    project = generate(tmp_path, platform("esp32").replace("path: ${components}", f"path: {components}"))
    copied = project / "src" / "esphome" / "components" / "mqtt_ota_core" / "board.cpp"
    assert copied.read_bytes() == (CORE / "board.cpp").read_bytes()


def test_a_copy_without_the_core_is_told_what_to_do(tmp_path: Path) -> None:
    shutil.copytree(COMPONENTS, tmp_path / "components", symlinks=True)
    yaml = platform("esp32").replace("path: ${components}", f"path: {tmp_path / 'components'}")
    assert "Use the whole repository as the source" in " ".join(refusal(tmp_path, yaml).split())


def test_the_example_is_valid(tmp_path: Path) -> None:
    yaml = EXAMPLE.read_text()
    start, end = yaml.index("      type: git"), yaml.index("    components:")
    (tmp_path / "secrets.yaml").write_text(
        "wifi_ssid: home\nwifi_password: home-password\nmqtt_broker: 192.0.2.1\nmqtt_username: kitchen-relay\n"
        "mqtt_password: mqtt-password\nota_password: ota-password\nmqtt_ca: certificate\n"
        f"mqtt_ota_public_key: |\n  {PEM.replace(chr(10), chr(10) + '  ')}\n"
    )
    (tmp_path / "board.yaml").write_text(f"{yaml[:start]}      type: local\n      path: {COMPONENTS}\n{yaml[end:]}")
    checked = run("run", "config", tmp_path / "board.yaml", cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_key_may_be_a_pem_or_several(tmp_path: Path) -> None:
    indented = PEM.replace("\n", "\n          ")
    point = "BGmjQEueJ8xNgepFNSNZbi9lOgo0VRWg+yrcQZbU2Ur8IwS8Qpe/zlFrOd+FOaDdFogMm0r8qCtRaixCi81rNak="
    yaml = platform("esp32").replace(
        "public_key: ${key}", f"public_key:\n      - |\n          {indented}\n      - {point}"
    )
    code = (generate(tmp_path, yaml) / "src" / "main.cpp").read_text()
    first, second = [line.strip() for line in code.splitlines() if "add_key(" in line]
    assert first == second


def test_what_is_configured_reaches_the_board(tmp_path: Path) -> None:
    more = """model: relay
    topic_root: house/updates
    board_id: Kitchen_1
    version: 2.0.0-rc.1
    feed: https://example.invalid/manifest.json
    counter: 7
    block_size: 1024
    window: 2
    trial: 90s
    wake_interval: 1h"""
    project = generate(tmp_path, platform("esp32").replace("model: relay", more))
    code = (project / "src" / "main.cpp").read_text()
    for call in (
        'set_root("house/updates")',
        'set_board_id("Kitchen_1")',
        'set_version("2.0.0-rc.1")',
        'set_feed("https://example.invalid/manifest.json")',
        "set_counter(7)",
        "set_blocks(1024, 2)",
        "set_trial(90000)",
        "set_wake_interval(3600)",
        "set_self_test(",
    ):
        assert call in code
    assert "CONFIG_MQTT_BUFFER_SIZE=1204" in (project / "sdkconfig.relay-1").read_text()


WRONG: Final = {
    "no-version": ('  project:\n    name: golden.relay\n    version: "1.0.0"\n', "", "which version is this"),
    "no-mqtt": ("mqtt:\n  broker: 192.0.2.1\n", "", "needs the component mqtt:"),
    "own-will": (
        "  broker: 192.0.2.1\n",
        "  broker: 192.0.2.1\n  will_message:\n    topic: mine\n    payload: gone\n",
        "remove 'will_message' from mqtt:",
    ),
    "twice": ("ota:\n", "ota:\n  - platform: mqtt_ota\n", "can be used once"),
    "host-option": ("model: relay", "broker: 192.0.2.1", "is only for host"),
    "key": ("public_key: ${key}", "public_key: bm8ga2V5", "must be a P-256 public key"),
    "no-key": ("public_key: ${key}", "public_key: []", "length of value must be at least 1"),
    "id": ("model: relay", "board_id: a/b", "must be 1 to 64 of"),
    "root": ("model: relay", "topic_root: mqtt_ota/", "neither begins nor ends with /"),
    "wildcard": ("model: relay", "topic_root: mqtt_ota/#", "Wildcard"),
    "model": ("model: relay", f"model: {'x' * 65}", "at most 64 bytes"),
    "block": ("model: relay", "block_size: 128", "value must be at least 256"),
    "window": ("model: relay", "window: 16", "value must be at most 15"),
    "signed": (
        "    type: ${framework}\n",
        "    type: ${framework}\n    advanced:\n      signed_ota_verification:\n        signing_key: key.pem\n",
        "use 'public_key' here",
    ),
}


@pytest.mark.parametrize(("old", "new", "says"), WRONG.values(), ids=WRONG)
def test_what_cannot_work_is_refused_with_what_to_do(tmp_path: Path, old: str, new: str, says: str) -> None:
    yaml = platform("esp32")
    assert old in yaml
    (tmp_path / "key.pem").write_text(PEM)
    assert says in " ".join(refusal(tmp_path, yaml.replace(old, new)).split())


def test_a_host_board_must_be_told_its_broker(tmp_path: Path) -> None:
    yaml = platform("host").replace("    broker: 127.0.0.1\n", "")
    assert "'broker' says where the broker is" in " ".join(refusal(tmp_path, yaml).split())


def test_other_platforms_are_refused(tmp_path: Path) -> None:
    yaml = platform("esp32")
    start, end = yaml.index("esp32:\n"), yaml.index("logger:")
    yaml = f"{yaml[:start]}esp8266:\n  board: d1_mini\n\n{yaml[end:]}"
    assert "esp32" in refusal(tmp_path, yaml)

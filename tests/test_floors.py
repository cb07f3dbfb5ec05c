"""The integration's floors: imports only go down, and no room holds two ideas."""

import ast
from collections.abc import Iterator
from pathlib import Path
import sys

import pytest

ROOT = Path(__file__).parent.parent / "custom_components" / "mqtt_ota"
PACKAGE = "custom_components.mqtt_ota"

# What Home Assistant shows. The set-up ties all floors together; every other module is a hand of the floor below.
FLOOR_2 = {
    "actions",
    "card_notes",
    "cohort_issues",
    "config_flow",
    "diagnostics",
    "dialect_flow",
    "dialect_form",
    "entity",
    "event",
    "feed_proposals",
    "firmware_flow",
    "forms",
    "issue_watch",
    "leftover_issues",
    "logbook",
    "reason_words",
    "repairs",
    "rollout_actions",
    "rollout_issues",
    "rollout_words",
    "sensor",
    "step_events",
    "system_health",
    "texts",
    "update",
    "verdict_issues",
}
# What the formats and protocols share among themselves.
SHARED = {
    "ota.feeds.document",
    "ota.dialects",
    "ota.dialects.base",
    "ota.dialects.patterns",
    "ota.dialects.settings",
    "ota.dialects.topics",
    "ota.feeds",
}
# What knows one of each kind.
REGISTRIES = {"ota.dialects.registry"}
KINDS = ("ota.dialects.", "ota.feeds.")

PURE_PACKAGES = {"awesomeversion", "cryptography"}
IMPURE_MODULES = {
    "asyncio",
    "concurrent",
    "ctypes",
    "fcntl",
    "ftplib",
    "http",
    "io",
    "logging",
    "mmap",
    "multiprocessing",
    "os",
    "pathlib",
    "random",
    "sched",
    "secrets",
    "select",
    "selectors",
    "shelve",
    "shutil",
    "signal",
    "smtplib",
    "socket",
    "socketserver",
    "sqlite3",
    "ssl",
    "subprocess",
    "sys",
    "tempfile",
    "threading",
    "time",
    "urllib.request",
    "uuid",
}
IMPURE_CALLS = {"open", "print", "input", "exec", "eval", "now", "utcnow", "today"}

MODULE_LENGTH = 300
FUNCTION_LENGTH = 40

type Function = ast.FunctionDef | ast.AsyncFunctionDef


def _name(path: Path) -> str:
    """Return a module's name below the package; empty for the package itself."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix("__init__").removesuffix(".")


MODULES = {_name(path): path for path in sorted(ROOT.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text()) for name, path in MODULES.items()}
FLOOR_0 = [name for name in MODULES if name == "ota" or name.startswith("ota.")]
FLOOR_1 = [name for name in MODULES if name and name not in FLOOR_0 and name not in FLOOR_2]


def imports(name: str) -> Iterator[str]:
    """Yield what a module imports: `.x` for the integration's own, each name after its module."""
    package = name if MODULES[name].name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                parts = package.split(".") if package else []
                base = parts[: len(parts) - node.level + 1]
                module = "." + ".".join([*base, *([module] if module else [])])
            yield module
            yield from (f"{module.removesuffix('.')}.{alias.name}" for alias in node.names)


def own(name: str) -> set[str]:
    """Return the modules of the integration that a module imports."""
    return {found[1:] for found in imports(name) if found.startswith(".") and found[1:] in MODULES}


def foreign(name: str) -> set[str]:
    """Return what a module imports from elsewhere."""
    return {found for found in imports(name) if not found.startswith(".")}


def is_pure(module: str) -> bool:
    """Tell whether a module of Python or of a package does neither I/O nor time."""
    top = module.partition(".")[0]
    if top in PURE_PACKAGES:
        return True
    prefixes = {module.rsplit(".", cut)[0] for cut in range(module.count(".") + 1)} | {top}
    return top in sys.stdlib_module_names and not prefixes & IMPURE_MODULES


def functions(name: str) -> Iterator[Function]:
    """Yield a module's functions and methods."""
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_the_walk_sees_what_there_is() -> None:
    assert {"ota.dialects.native", "ota.feeds.github", "broker", "update", ""} <= MODULES.keys()
    assert MODULES.keys() >= FLOOR_2
    assert "ota.board" in own("ota.dialects.native")
    assert "ota.dialects" in own("ota.dialects.native")
    assert "broker" in own("")
    assert "homeassistant.components.mqtt" in foreign("broker")
    assert not is_pure("asyncio")
    assert not is_pure("urllib.request")
    assert not is_pure("homeassistant.core")
    assert is_pure("urllib.parse")


@pytest.mark.parametrize("name", FLOOR_0)
def test_floor_0_knows_nothing_but_itself_and_pure_python(name: str) -> None:
    assert {module for module in foreign(name) if not is_pure(module)} == set()
    assert own(name) <= set(FLOOR_0)


@pytest.mark.parametrize("name", FLOOR_0)
def test_floor_0_neither_reads_nor_writes_nor_looks_at_a_clock(name: str) -> None:
    calls = (node.func for node in ast.walk(TREES[name]) if isinstance(node, ast.Call))
    called = {call.id if isinstance(call, ast.Name) else getattr(call, "attr", "") for call in calls}
    assert called & IMPURE_CALLS == set()


@pytest.mark.parametrize("name", FLOOR_1)
def test_floor_1_knows_nothing_of_what_is_shown(name: str) -> None:
    assert own(name) & FLOOR_2 == set()


@pytest.mark.parametrize("name", [name for name in MODULES if name not in {"", "broker"}])
def test_one_module_alone_speaks_to_mqtt(name: str) -> None:
    assert {module for module in foreign(name) if module.startswith("homeassistant.components.mqtt")} == set()


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith(KINDS) and name not in REGISTRIES])
def test_one_of_a_kind_knows_no_other(name: str) -> None:
    # A dialect that fills several rooms calls them all by its name.
    rooms = (name.split("_", maxsplit=1)[0], f"{name.split('_', maxsplit=1)[0]}_")
    others = {other for other in own(name) - SHARED if other.startswith(KINDS)}
    assert {other for other in others if other != rooms[0] and not other.startswith(rooms[1])} == set()


@pytest.mark.parametrize("name", MODULES)
def test_the_integration_imports_itself_relatively(name: str) -> None:
    assert {module for module in foreign(name) if module.startswith(PACKAGE)} == set()


@pytest.mark.parametrize("name", MODULES)
def test_no_room_holds_two_ideas(name: str) -> None:
    assert len(MODULES[name].read_text().splitlines()) <= MODULE_LENGTH
    lengths = {node.name: (node.end_lineno or node.lineno) - node.lineno + 1 for node in functions(name)}
    assert {called: length for called, length in lengths.items() if length > FUNCTION_LENGTH} == {}

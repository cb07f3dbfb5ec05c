"""What Home Assistant and HACS check of an integration, as far as that can be done without them."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
import json
from pathlib import Path
import re
import string
import struct
import tomllib
from typing import Any

from awesomeversion import AwesomeVersion
import pytest
import yaml
from yarl import URL

from custom_components.mqtt_ota import config_flow, dialect_flow, dialect_form, firmware_flow
from custom_components.mqtt_ota.feed_proposals import Proposal
from custom_components.mqtt_ota.first_look import KINDS, FirstLook
from custom_components.mqtt_ota.ota.board import Availability, Board, Transport
from custom_components.mqtt_ota.ota.dialects.registry import KINDS as DIALECTS
from custom_components.mqtt_ota.ota.dialects.settings import Kind
from custom_components.mqtt_ota.ota.errors import Reason
from custom_components.mqtt_ota.ota.release import Channel
from custom_components.mqtt_ota.ota.session import State
from custom_components.mqtt_ota.sensor import SENSORS
from custom_components.mqtt_ota.steps import VERDICTS as TOLD_VERDICTS, Step
from homeassistant.components.sensor import SensorDeviceClass

REPOSITORY = Path(__file__).parent.parent
ROOT = REPOSITORY / "custom_components" / "mqtt_ota"
OLDEST = "2026.8.0"

MANIFEST = json.loads((ROOT / "manifest.json").read_text())
TEXTS = json.loads((ROOT / "translations" / "en.json").read_text())
TREES = {path: ast.parse(path.read_text()) for path in sorted(ROOT.rglob("*.py"))}

KEYS = {
    "after_dependencies",
    "codeowners",
    "config_flow",
    "dependencies",
    "documentation",
    "domain",
    "integration_type",
    "iot_class",
    "issue_tracker",
    "loggers",
    "mqtt",
    "name",
    "quality_scale",
    "requirements",
    "single_config_entry",
    "version",
}
NEEDED_KEYS = {"codeowners", "documentation", "domain", "iot_class", "issue_tracker", "name", "version"}
ERRORS = {"OtaError", "FeedRefused"}
# A session also ends with what the way to an image raises.
RAISED_ON_THE_WAY = {
    Reason.IMAGE_UNREADABLE,
    Reason.NO_ADDRESS,
    Reason.NO_PORT,
    Reason.NO_URL,
    Reason.URL_SCHEME,
    Reason.URL_TOO_LONG,
}
VERDICTS = (
    "ota/chunk_transfer.py",
    "ota/session.py",
    "sessions.py",
    "socket_offers.py",
    *(path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "ota" / "dialects").glob("*.py"))),
)

# What each issue's texts are given, but for that of a proposed feed.
ISSUES_TELL = {
    "retained_command": {"topic", "boards"},
    "shared_trigger": {"topic", "count", "boards"},
    "rolled_back": {"name", "board", "version", "from_version", "detail"},
    "never_returned": {"name", "board", "version", "from_version", "said", "heard"},
    "rollout_paused": {"rollout", "done", "count", "boards", "why"},
}

TIERS = {
    "bronze": """action-setup appropriate-polling brands common-modules config-flow-test-coverage config-flow
        dependency-transparency docs-actions docs-conditions docs-high-level-description
        docs-installation-instructions docs-removal-instructions docs-triggers entity-event-setup entity-unique-id
        has-entity-name runtime-data test-before-configure test-before-setup unique-config-entry""",
    "silver": """action-exceptions config-entry-unloading docs-configuration-parameters docs-installation-parameters
        entity-unavailable integration-owner log-when-unavailable parallel-updates reauthentication-flow
        test-coverage""",
    "gold": """devices diagnostics discovery-update-info discovery docs-data-update docs-examples
        docs-known-limitations docs-supported-devices docs-supported-functions docs-troubleshooting docs-use-cases
        dynamic-devices entity-category entity-device-class entity-disabled-by-default entity-translations
        exception-translations icon-translations reconfiguration-flow repair-issues stale-devices""",
    "platinum": "async-dependency inject-websession strict-typing",
}


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text with its path."""
    if isinstance(tree, str):
        yield path, tree
    else:
        for key, value in tree.items():
            yield from leaves(value, f"{path}.{key}".removeprefix("."))


def placeholders(*texts: str) -> set[str]:
    return {name for text in texts for _, name, _, _ in string.Formatter().parse(text) if name is not None}


# The manifest


def test_the_manifest_is_complete_and_in_order() -> None:
    keys = list(MANIFEST)
    assert keys == ["domain", "name", *sorted(keys[2:])]
    assert NEEDED_KEYS <= set(keys) <= KEYS
    assert MANIFEST["domain"] == ROOT.name
    assert (MANIFEST["config_flow"], MANIFEST["single_config_entry"]) == (True, True)
    assert MANIFEST["iot_class"] == "local_push"
    assert MANIFEST["integration_type"] == "hub"
    assert all(URL(MANIFEST[key]).scheme == "https" for key in ("documentation", "issue_tracker"))
    assert all(owner.startswith("@") for owner in MANIFEST["codeowners"])


def test_the_version_is_one_everywhere() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert MANIFEST["version"] == project["version"]
    assert AwesomeVersion(MANIFEST["version"]).valid


def test_what_is_used_of_home_assistant_is_depended_on() -> None:
    used = set()
    for tree in TREES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("homeassistant.components"):
                parts = (node.module or "").split(".")
                used |= {parts[2]} if len(parts) > 2 else {alias.name for alias in node.names}
    platforms = {path.stem for path in ROOT.glob("*.py")}
    assert used - platforms <= set(MANIFEST["dependencies"])
    assert "mqtt" in used


def test_discovery_listens_where_boards_announce_themselves() -> None:
    assert MANIFEST["mqtt"] == [f"{config_flow.DEFAULT_ROOT}/board/+/announce"]


def test_hacs_knows_the_integration() -> None:
    hacs = json.loads((REPOSITORY / "hacs.json").read_text())
    assert hacs == {
        "name": MANIFEST["name"],
        "homeassistant": OLDEST,
        "zip_release": True,
        "filename": f"{MANIFEST['domain']}.zip",
    }
    assert hacs["filename"] in (REPOSITORY / ".github" / "workflows" / "release.yml").read_text()


# Pictures


@pytest.mark.parametrize("theme", ["", "dark_"])
@pytest.mark.parametrize(("density", "side"), [("", 256), ("@2x", 512)])
def test_the_brand_has_pictures_of_the_right_size(theme: str, density: str, side: int) -> None:
    picture = (ROOT / "brand" / f"{theme}icon{density}.png").read_bytes()
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    width, height, depth, color = struct.unpack_from(">IIBB", picture, 16)
    # Color type 6: with transparency.
    assert (width, height, depth, color) == (side, side, 8, 6)


def test_every_icon_is_of_something_that_is_shown() -> None:
    icons = json.loads((ROOT / "icons.json").read_text())
    assert set(icons) == {"entity", "services"}
    assert set(icons["services"]) == set(TEXTS["services"])
    shown = {(platform, key) for platform, keys in TEXTS["entity"].items() for key in keys}
    by_class = {("sensor", one.key) for one in SENSORS if one.device_class not in {None, SensorDeviceClass.ENUM}}
    assert {(platform, key) for platform, keys in icons["entity"].items() for key in keys} == shown - by_class
    assert all(icon.startswith("mdi:") for _, icon in leaves(icons))


# The quality scale


RULES = yaml.safe_load((ROOT / "quality_scale.yaml").read_text())["rules"]


def test_every_rule_of_the_quality_scale_is_answered() -> None:
    assert list(RULES) == " ".join(TIERS.values()).split()
    for rule, answer in RULES.items():
        status = answer if isinstance(answer, str) else answer["status"]
        assert status in {"done", "exempt"}, rule
        assert status == "done" or answer["comment"].strip(), rule


def test_what_is_exempt_is_not_there() -> None:
    exempt = {rule for rule, answer in RULES.items() if not isinstance(answer, str) and answer["status"] == "exempt"}
    signs = {
        "action-setup": (ROOT / "services.yaml").exists(),
        "docs-actions": (ROOT / "services.yaml").exists(),
        "docs-conditions": (ROOT / "condition.py").exists(),
        "docs-triggers": (ROOT / "trigger.py").exists(),
        "entity-disabled-by-default": any(not one.entity_registry_enabled_default for one in SENSORS),
        "async-dependency": bool(MANIFEST["requirements"]),
    }
    assert {rule for rule, is_there in signs.items() if is_there} & exempt == set()
    assert {rule for rule, is_there in signs.items() if not is_there} <= exempt


PLATFORMS = {path.stem for path in ROOT.glob("*.py")} & {"button", "event", "sensor", "update"}


@pytest.mark.parametrize("platform", sorted(PLATFORMS))
def test_every_platform_says_how_many_of_its_calls_run_at_once_and_names_its_entities(platform: str) -> None:
    tree = TREES[ROOT / f"{platform}.py"]
    assigned = {ast.unparse(node.targets[0]): node.value for node in tree.body if isinstance(node, ast.Assign)}
    assert ast.literal_eval(assigned["PARALLEL_UPDATES"]) == 0
    keys = {
        ast.literal_eval(node.value)
        for node in ast.walk(tree)
        if (isinstance(node, ast.keyword) and node.arg == "translation_key" and isinstance(node.value, ast.Constant))
        or (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_attr_translation_key")
    }
    assert keys == set(TEXTS["entity"][platform])


def test_every_action_is_described_in_texts_and_in_the_readme_and_registered_once_a_run() -> None:
    services = yaml.safe_load((ROOT / "services.yaml").read_text())
    assert set(services) == set(TEXTS["services"])
    for name, service in services.items():
        texts = TEXTS["services"][name]
        assert set((service or {}).get("fields", {})) == set(texts.get("fields", {})), name
        assert texts["name"], name
        assert texts["description"], name
    readme = (REPOSITORY / "README.md").read_text()
    assert [name for name in services if not re.search(rf"\b{name}\b", readme)] == []
    set_up = next(
        node
        for node in TREES[ROOT / "__init__.py"].body
        if isinstance(node, ast.AsyncFunctionDef) and node.name == "async_setup"
    )
    called = {
        call.func.id for call in ast.walk(set_up) if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
    }
    assert {"async_register_actions", "async_register_rollout_actions"} <= called


# Texts


def test_texts_are_ones_that_home_assistant_takes() -> None:
    for path, text in leaves(TEXTS):
        assert text == text.strip() != "", path
        assert not re.search(r"<[a-z].*?>|\[%key|'\{\w+\}'|://|www\.", text, re.IGNORECASE), path
        assert all(name.isidentifier() for name in placeholders(text)), path
    for path, _ in leaves(TEXTS):
        assert all(re.fullmatch(r"(?!.*[_-]{2})[a-z0-9][a-z0-9_-]*(?<![_-])", key) for key in path.split(".")), path


@pytest.mark.parametrize(
    "path",
    [
        "exceptions",
        "config.error",
        "config_subentries.firmware.error",
        "config_subentries.dialect.error",
        "issues.feed_proposed.fix_flow.error",
        "issues.retained_command.fix_flow.error",
    ],
)
def test_every_refusal_says_what_is_wrong_and_what_to_do(path: str) -> None:
    tree = TEXTS
    for key in path.split("."):
        tree = tree[key]
    for where, text in leaves(tree):
        assert text.endswith("."), where
        assert len(re.split(r"[.:;] |, so ", text)) > 1, where


@dataclass(frozen=True)
class Raised:
    """A place that raises an error: for which reasons, and with which placeholders (None: any)."""

    path: Path
    reasons: frozenset[Reason]
    names: frozenset[str] | None


def _reasons(node: ast.AST) -> frozenset[Reason]:
    """Return the reasons that an expression names."""
    return frozenset(
        Reason[found.attr]
        for found in ast.walk(node)
        if isinstance(found, ast.Attribute) and isinstance(found.value, ast.Name) and found.value.id == "Reason"
    )


def _raised() -> Iterator[Raised]:
    for path, tree in TREES.items():
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
        errors = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id in ERRORS]
        literal = frozenset().union(*(_reasons(call.args[0]) for call in errors))
        for call in errors:
            # Where a variable names the reason, it is one that the module names elsewhere.
            reasons = _reasons(call.args[0]) or _reasons(tree) - literal
            names = [keyword.arg for keyword in call.keywords]
            yield Raised(path, reasons, None if None in names else frozenset(filter(None, names)))


RAISED = list(_raised())


def test_every_reason_has_a_text() -> None:
    assert len([raised for raised in RAISED if raised.names]) > 30
    assert {reason.value for reason in Reason} <= set(TEXTS["exceptions"])


@pytest.mark.parametrize("raised", RAISED, ids=lambda raised: f"{raised.path.stem}-{'-'.join(sorted(raised.reasons))}")
def test_a_text_names_only_what_the_error_carries(raised: Raised) -> None:
    if raised.names is None:
        return
    # A feed's reader adds the address to what a format refuses.
    names = raised.names | ({"url"} if raised.path.parent.name == "feeds" else set())
    for reason in raised.reasons:
        used = placeholders(TEXTS["exceptions"][reason]["message"])
        assert used <= names, reason


def test_a_text_of_what_is_never_raised_names_nothing() -> None:
    raised = frozenset().union(*(raised.reasons for raised in RAISED))
    for reason in set(Reason) - raised:
        assert placeholders(TEXTS["exceptions"][reason]["message"]) == set(), reason


def _verdicts() -> set[Reason]:
    """Return the reasons with which a session can end."""
    found = set(RAISED_ON_THE_WAY)
    for name in VERDICTS:
        path = ROOT / name
        raised = frozenset().union(*(raised.reasons for raised in RAISED if raised.path == path))
        found |= _reasons(TREES[path]) - raised
    return found


def test_every_verdict_of_a_session_has_a_text() -> None:
    verdicts = _verdicts()
    assert {Reason.ROLLED_BACK, Reason.BOARD_FLASH, Reason.CANCELLED} <= verdicts
    texts = {key.removeprefix("install_"): text for key, text in TEXTS["exceptions"].items() if "install_" in key}
    assert verdicts == {Reason(key) for key in texts}
    for key, text in texts.items():
        assert placeholders(text["message"]) <= {"board", "version", "installed", "detail"}, key


def test_every_error_that_is_named_in_the_code_has_a_text() -> None:
    keys = set()
    for tree in TREES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and any(keyword.arg == "translation_domain" for keyword in node.keywords):
                named = next(keyword.value for keyword in node.keywords if keyword.arg == "translation_key")
                keys |= {named.value} if isinstance(named, ast.Constant) else set()
    assert "mqtt_not_set_up" in keys
    assert keys <= set(TEXTS["exceptions"])
    assert set(TEXTS["exceptions"]) == keys | {reason.value for reason in Reason} | {
        f"install_{v}" for v in _verdicts()
    }


def _fields(step: dict[str, Any]) -> set[str]:
    assert set(step["data"]) == set(step.get("data_description", step["data"]))
    return set(step["data"])


def test_every_field_is_named_and_explained() -> None:
    config, firmware = TEXTS["config"]["step"], TEXTS["config_subentries"]["firmware"]["step"]
    root = {str(key) for key in config_flow._ROOT_SCHEMA.schema}
    assert _fields(config["reconfigure"]) == _fields(config["user"]["sections"]["advanced"]) == root
    assert _fields(TEXTS["options"]["step"]["init"]) == {str(key) for key in config_flow._OPTIONS_SCHEMA.schema}
    feed = {str(key) for key in firmware_flow._FEED_SCHEMA.schema}
    assert _fields(firmware["user"]) == _fields(firmware["reconfigure"]) == feed
    flow = firmware_flow.FirmwareFlow()
    flow._look = FirstLook({}, ())
    assert _fields(firmware["boards"]) == {str(key) for key in flow._schema([]).schema}


def test_every_choice_has_a_name() -> None:
    options = {key: set(selector["options"]) for key, selector in TEXTS["selector"].items()}
    ways = {Transport.BLOCKS.value, Transport.HTTP.value}
    presets = {preset for kind in DIALECTS.values() for preset in kind.presets}
    expected = {"feed_kind": set(KINDS), "channel": {*map(str, Channel)}, "transport": ways}
    expected["dialect_preset"] = {*presets, dialect_flow.OWN}
    for setting in (setting for kind in DIALECTS.values() for setting in kind.settings if setting.choices):
        expected.setdefault(f"dialect_{setting.key}", set()).update(setting.choices)
    assert options == expected


@pytest.mark.parametrize("kind", DIALECTS.values(), ids=lambda kind: kind.name)
def test_every_protocol_can_be_set_up_by_a_form_with_texts(kind: Kind) -> None:
    steps = TEXTS["config_subentries"]["dialect"]["step"]
    assert _fields(steps[kind.name]) == {str(key) for key in dialect_form.schema(kind).schema}
    assert steps[kind.name]["title"]
    assert steps[kind.name]["description"]
    assert kind.name in steps["user"]["menu_options"]
    assert kind.name in steps["user"]["menu_option_descriptions"]


def test_every_refusal_of_a_setting_has_a_text_that_names_what_it_carries() -> None:
    errors = TEXTS["config_subentries"]["dialect"]["error"]
    carried: dict[str, set[str]] = {}
    for name, tree in TREES.items():
        if "dialect" not in str(name):
            continue
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            if isinstance(call.func, ast.Name) and call.func.id in {"SettingError", "TopicError"}:
                reason = call.args[-1]
                if isinstance(reason, ast.Constant):
                    names = {str(keyword.arg) for keyword in call.keywords}
                    # What a topic is refused for is told on with the words that it may hold.
                    names |= {"words"} if call.func.id == "TopicError" else set()
                    carried[reason.value] = carried.get(reason.value, names) & names
    assert set(errors) == set(carried)
    for reason, names in carried.items():
        assert placeholders(errors[reason]) <= names, reason


def test_every_menu_offers_what_there_is() -> None:
    steps = TEXTS["config_subentries"]["dialect"]["step"]
    menus = {name for name, step in steps.items() if "menu_options" in step} - {"user"}
    assert menus == {"check", "check_silent", "tried", "heard", "heard_no_board", "heard_nothing", "heard_offline"}
    assert all(set(steps[name]["menu_options"]) <= set(dialect_flow._NEXT) for name in menus)
    assert set(steps["check"]["menu_options"]) == set(dialect_flow._NEXT)


def test_every_text_that_is_put_together_here_is_there() -> None:
    used = set()
    for tree in TREES.values():
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            is_text = isinstance(call.func, ast.Attribute) and ast.unparse(call.func) == "texts.get"
            if is_text and isinstance(call.args[0], ast.Constant):
                used.add(call.args[0].value)
                names = {str(keyword.arg) for keyword in call.keywords}
                assert placeholders(TEXTS["common"][call.args[0].value]) <= names, call.args[0].value
    assert "card_unverified" in used
    assert used | {"card_version_installed_from_here", "card_version_nobody"} <= set(TEXTS["common"])


@pytest.mark.parametrize("key", list(ISSUES_TELL))
def test_an_issue_names_what_its_texts_want(key: str) -> None:
    issue = TEXTS["issues"][key]
    told = ISSUES_TELL[key]
    fix_flow = issue.get("fix_flow", {"step": {}, "error": {}, "abort": {}})
    assert {name for _, text in leaves(issue) for name in placeholders(text)} <= told
    assert set(fix_flow["step"]) <= {"confirm", "init"}


def test_a_feed_is_refused_with_one_text_everywhere() -> None:
    errors = TEXTS["config_subentries"]["firmware"]["error"]
    feed = {key: text for key, text in errors.items() if key.startswith(("feed_", "folder_", "url_"))}
    tried = {reason.value for reason in Reason if reason.startswith(("feed_", "folder_", "url_invalid"))}
    # These befall a feed that was read before.
    assert set(feed) == tried - {Reason.FEED_CHANGED, Reason.FEED_NOT_READ}
    assert set(errors) - set(feed) == {"key_invalid", "pattern_invalid"}
    assert TEXTS["issues"]["feed_proposed"]["fix_flow"]["error"] == feed
    assert all(TEXTS["exceptions"][key]["message"] == text for key, text in feed.items())


def test_a_proposal_names_what_its_texts_want() -> None:
    issue = TEXTS["issues"]["feed_proposed"]
    told = Proposal(URL("https://a.example/b"), (Board(id="lamp", dialect="native"),)).placeholders
    step = issue["fix_flow"]["step"]["confirm"]
    assert placeholders(issue["title"], step["title"], step["description"]) <= set(told)


def test_every_step_and_result_has_a_name() -> None:
    event = TEXTS["entity"]["event"]["update"]["state_attributes"]
    assert set(event["event_type"]["state"]) == {*map(str, Step)}
    assert set(event) == {"event_type", *_told_by_events()}
    results = TEXTS["entity"]["sensor"]["last_result"]["state"]
    assert set(results) == {*map(str, TOLD_VERDICTS.values())}
    assert all(event["event_type"]["state"][key] == text for key, text in results.items())
    assert {one.translation_key for one in SENSORS} == set(TEXTS["entity"]["sensor"])


def _told_by_events() -> set[str]:
    """Return what the events' data names of an update."""
    functions = (node for node in ast.walk(TREES[ROOT / "step_events.py"]) if isinstance(node, ast.FunctionDef))
    (told,) = (node for node in functions if node.name == "told")
    keys = (key for node in ast.walk(told) if isinstance(node, ast.Dict) for key in node.keys)
    return {key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}


def test_the_health_page_names_what_it_shows() -> None:
    tree = TREES[ROOT / "system_health.py"]
    dicts = [node for node in ast.walk(tree) if isinstance(node, ast.Dict)]
    shown = {key.value for node in dicts for key in node.keys if isinstance(key, ast.Constant)}
    assert shown == set(TEXTS["system_health"]["info"])


def test_everything_that_the_card_shows_has_a_name() -> None:
    texts = TEXTS["entity"]["update"]
    update = TREES[ROOT / "update.py"]
    keys = [
        node.value
        for node in ast.walk(update)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_attr_translation_key"
    ]
    assert [ast.literal_eval(key) for key in keys] == list(texts)
    attributes = texts["firmware"]["state_attributes"]
    assert set(attributes) == {
        "availability",
        "version_source",
        "install_state",
        "install_reason",
        "latest_reason",
        "queue_place",
        "waits_for",
        "bytes_held",
    }
    assert set(attributes["availability"]["state"]) == {*map(str, Availability)}
    assert set(attributes["install_state"]["state"]) == {*map(str, State), "preparing"}

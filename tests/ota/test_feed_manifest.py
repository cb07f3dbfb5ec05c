"""The project's own manifest, and that its schema says what the reader does."""

import base64
from copy import deepcopy
import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings, strategies as st
from jsonschema import Draft202012Validator
import pytest

from custom_components.mqtt_ota.ota.errors import OtaError, Reason
from custom_components.mqtt_ota.ota.feeds import document, manifest, parse
from custom_components.mqtt_ota.ota.release import Asset, Release

BASE = "https://feed.test/relay/manifest.json"
SHA256 = "ab" * 32
SCHEMA = json.loads(Path(manifest.__file__).with_name("manifest.schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)
ABSENT = object()

ASSET: dict[str, Any] = {"url": "relay.bin", "sha256": SHA256}
VERSION: dict[str, Any] = {"version": "1.0", "assets": [ASSET]}
MANIFEST: dict[str, Any] = {"schema": 1, "versions": [VERSION]}

# What may stand in a place, right and wrong; a test of its own takes every pair of place and value.
TEXTS = ["", " ", "1.0", " 1.0", "1.0\n", "é", "a\0b", "x" * 64, "x" * 65, "\ud800", "relay-*", "..", "a/b", "a\\b"]
TEXTS += ["beta", "stable", "Beta", "ESP32", "ESP32-C3", "esp32c3", "ESP32-C3\n", SHA256, SHA256.upper(), "ab" * 16]
TEXTS += [
    SHA256 + "\n",
    "A" * 85 + "A==",
    "A" * 85 + "B==",
    "A" * 88,
    "2026-11-21",
    "2026-11-21T08:15:00Z",
    "21.11.2026",
]
TEXTS += ["relay.bin", "my relay.bin", "../relay.bin", "http://x.test/r.bin", "ftp://x.test/r.bin", "//x.test/r.bin"]
TEXTS += [
    "javascript:0",
    "http://",
    "https://u:p@x.test:8443/a?b#c",
    "x:y",
    "a:b/c",
    "?",
    "<",
    "x" * 2100,
    "\u2028",
    "x\u0301",
]
VALUES = [*TEXTS, None, ABSENT, True, False, 0, 1, 2, 1.0, 1.5, -1, 1e400, 2**32 - 1, 2**32, 10**30, [], {}, [1], ["x"]]
PLACES = [
    *(("$", member) for member in ("schema", "name", "versions")),
    *(("version", member) for member in SCHEMA["$defs"]["version"]["properties"]),
    *(("asset", member) for member in SCHEMA["$defs"]["asset"]["properties"]),
    ("asset", "unknown"),
]


def text(told: Any) -> str:
    # JSON has no infinity, but numbers that are read as one.
    return json.dumps(told).replace("Infinity", "1e400")


def read(told: Any) -> tuple[Release, ...]:
    return parse("manifest", text(told).encode(), BASE)


def changed(*changes: tuple[str, str, Any]) -> dict[str, Any]:
    told = deepcopy(MANIFEST)
    levels = {"$": told, "version": told["versions"][0], "asset": told["versions"][0]["assets"][0]}
    for level, member, value in changes:
        levels[level].pop(member, None)
        if value is not ABSENT:
            levels[level][member] = value
    return told


def is_taken_whole(told: dict[str, Any]) -> bool:
    try:
        return len(read(told)) == len(told["versions"])
    except OtaError:
        return False


def agrees(told: dict[str, Any]) -> bool:
    return VALIDATOR.is_valid(json.loads(text(told))) == is_taken_whole(told)


def detail(told: Any) -> str:
    with pytest.raises(OtaError) as refusal:
        read(told)
    assert refusal.value.reason is Reason.FEED_INVALID
    return refusal.value.placeholders["detail"]


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("example", SCHEMA["examples"])
def test_every_example_is_valid_and_read_whole(example: dict[str, Any]) -> None:
    VALIDATOR.validate(example)
    assert len(read(example)) == len(example["versions"])


@pytest.mark.parametrize("level", ["version", "asset"])
def test_every_field_is_described_with_examples_that_are_valid(level: str) -> None:
    for member, field in SCHEMA["$defs"][level]["properties"].items():
        assert field["description"].endswith("."), member
        if member != "assets":
            assert field["examples"], member
        for example in field.get("examples", []):
            told = changed((level, member, example))
            assert VALIDATOR.is_valid(told), member
            assert is_taken_whole(told), member


def test_the_patterns_are_the_readers_own() -> None:
    patterns = {
        pattern
        for level in (SCHEMA, *SCHEMA["$defs"].values())
        for field in level["properties"].values()
        if (pattern := field.get("pattern"))
    }
    names = ("CHIP", "FILE_NAME", "LABEL", "LINK", "MD5", "MOMENT", "SHA256", "SIGNATURE", "VERSION")
    assert patterns == {rf"^(?:{getattr(document, name).pattern})$(?!\n)" for name in names}


@pytest.mark.parametrize(("level", "member"), PLACES)
def test_the_schema_takes_what_the_reader_takes(level: str, member: str) -> None:
    for value in VALUES:
        assert agrees(changed((level, member, value))), value


@settings(max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(VALUES)), max_size=3))
def test_the_schema_takes_what_the_reader_takes_in_company(changes: list[tuple[tuple[str, str], Any]]) -> None:
    # Two ways of saying the channel exclude each other; the rest is each on its own.
    levels = sorted(((level, member, value) for (level, member), value in changes), key=lambda change: change[0] == "$")
    assert agrees(changed(*levels))


@given(
    st.text(max_size=70), st.sampled_from([place for place in PLACES if place[1] not in {"url", "versions", "assets"}])
)
def test_the_schema_takes_the_texts_that_the_reader_takes(text: str, place: tuple[str, str]) -> None:
    assert agrees(changed((*place, text)))


@given(st.text(st.sampled_from("ab./:@-[]?#% htps\\1"), max_size=20))
def test_the_schema_takes_all_links_that_the_reader_takes(link: str) -> None:
    told = changed(("asset", "url", link))
    assert VALIDATOR.is_valid(told) or not is_taken_whole(told)


def test_everything_is_read() -> None:
    signature = base64.b64encode(bytes(range(64))).decode()
    told: dict[str, Any] = {
        "schema": 1,
        "name": "Relay",
        "versions": [
            {
                "version": "1.1.0",
                "title": "Quiet",
                "notes": "- less noise",
                "url": "1.1.0.html",
                "published": "2026-11-21",
                "channel": "beta",
                "assets": [
                    ASSET
                    | {"name": "r.bin", "size": 5, "sha256": SHA256.upper(), "md5": "AB" * 16, "chip": "ESP32-C3"}
                    | {"model": "r*", "project": "relay", "signature": signature, "counter": 2}
                    | {"min_version": "1.0", "max_version": "1.1"}
                ],
            }
        ],
    }
    assert read(told) == (
        Release(
            version="1.1.0",
            title="Quiet",
            notes="- less noise",
            url="https://feed.test/relay/1.1.0.html",
            published="2026-11-21",
            prerelease=True,
            assets=(
                Asset(
                    name="r.bin",
                    url="https://feed.test/relay/relay.bin",
                    size=5,
                    sha256=SHA256,
                    md5="ab" * 16,
                    chip="ESP32-C3",
                    model="r*",
                    project="relay",
                    signature=signature,
                    counter=2,
                    min_version="1.0",
                    max_version="1.1",
                ),
            ),
        ),
    )


def test_what_is_left_out_is_not_said() -> None:
    assert read(MANIFEST) == (
        Release(
            version="1.0", assets=(Asset(name="relay.bin", url="https://feed.test/relay/relay.bin", sha256=SHA256),)
        ),
    )


@pytest.mark.parametrize(
    ("says", "prerelease"),
    [
        ({}, False),
        ({"prerelease": True}, True),
        ({"prerelease": False}, False),
        ({"channel": "beta"}, True),
        ({"channel": "stable"}, False),
        ({"channel": "beta", "prerelease": None}, True),
        ({"channel": None, "prerelease": True}, True),
    ],
)
def test_a_prerelease_is_said_in_either_way(says: dict[str, Any], prerelease: bool) -> None:
    assert read({"schema": 1, "versions": [VERSION | says]})[0].prerelease is prerelease


def test_a_version_that_is_wrong_does_not_hide_the_others() -> None:
    told = {"schema": 1, "versions": [VERSION, {"version": "1.1", "assets": "none"}, 7, VERSION | {"version": "1.2"}]}
    assert [release.version for release in read(told)] == ["1.2", "1.0"]


def test_a_file_that_is_wrong_takes_its_version_along() -> None:
    torn = {"version": "1.1", "assets": [ASSET, ASSET | {"chip": "Z80"}]}
    assert [release.version for release in read({"schema": 1, "versions": [torn, VERSION]})] == ["1.0"]
    assert detail({"schema": 1, "versions": [torn, 7]}) == "$.versions[0].assets[1].chip"


@pytest.mark.parametrize(
    ("told", "path"),
    [
        ([], "$"),
        ({}, "$.schema"),
        ({"schema": 2, "versions": []}, "$.schema"),
        ({"schema": True, "versions": []}, "$.schema"),
        ({"schema": 1, "name": 7, "versions": []}, "$.name"),
        ({"schema": 1}, "$.versions"),
        ({"schema": 1, "versions": {}}, "$.versions"),
        ({"schema": 1, "versions": [{"assets": []}]}, "$.versions[0].version"),
        ({"schema": 1, "versions": [{"version": "1"}]}, "$.versions[0].assets"),
        ({"schema": 1, "versions": [{"version": "1", "assets": [{}]}]}, "$.versions[0].assets[0].url"),
        ({"schema": 1, "versions": [{"version": "1", "assets": [ASSET] * 101}]}, "$.versions[0].assets[100]"),
    ],
)
def test_a_document_that_is_wrong_is_refused_where_it_is_wrong(told: Any, path: str) -> None:
    assert detail(told) == path


def test_a_manifest_without_versions_is_empty() -> None:
    with pytest.raises(OtaError) as refusal:
        read({"schema": 1, "versions": []})
    assert refusal.value.reason is Reason.FEED_EMPTY


@pytest.mark.parametrize("chip", ["ESP32", "ESP32-C61", "ESP8266", "MicroPython", "host"])
def test_a_chip_of_every_kind_of_board_can_be_named(chip: str) -> None:
    ((asset,),) = [release.assets for release in read(changed(("asset", "chip", chip)))]
    assert asset.chip == chip

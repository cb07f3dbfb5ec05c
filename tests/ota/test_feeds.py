"""Feeds as such: whatever a server sends is releases or a reason."""

from collections.abc import Callable
import json
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.mqtt_ota.ota.errors import OtaError, Reason
from custom_components.mqtt_ota.ota.feeds import FORMATS, kind_of, parse
from custom_components.mqtt_ota.ota.feeds.document import (
    MAX_BYTES,
    MAX_ENTRIES,
    MAX_NOTES,
    MAX_RELEASES,
    MAX_TITLE,
    Place,
    file_name,
)
from custom_components.mqtt_ota.ota.release import Release

BASE = "https://feed.test/relay/manifest.json"
SHA256 = "ab" * 32
FILE = {"url": "relay.bin", "sha256": SHA256}

SOUND: dict[str, Any] = {
    "manifest": {"schema": 1, "versions": [{"version": "1.0", "assets": [FILE]}]},
    "esp_web_tools": {"version": "1.0", "builds": [{"chipFamily": "ESP32", "ota": {"path": "relay.bin"}}]},
    "github": [{"tag_name": "v1.0", "assets": []}],
}

MEMBERS = [
    *("schema", "versions", "version", "assets", "url", "sha256", "channel", "builds", "chipFamily", "ota", "path"),
    *("parts", "offset", "tag_name", "name", "browser_download_url", "draft", "state", "digest"),
]

junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.sampled_from(["1.0", "ESP32"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=6),
    max_leaves=20,
)


def body(document: Any) -> bytes:
    return json.dumps(document).encode()


def refused(reason: Reason, reader: Callable[[], Any]) -> str:
    with pytest.raises(OtaError) as refusal:
        reader()
    assert refusal.value.reason is reason
    return refusal.value.placeholders.get("detail", "")


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_reads_its_own_and_is_recognised(kind: str) -> None:
    assert len(parse(kind, body(SOUND[kind]), BASE)) == 1
    assert kind_of(body(SOUND[kind]), BASE) == kind


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("other", FORMATS)
def test_no_format_reads_another(kind: str, other: str) -> None:
    if kind != other:
        assert refused(Reason.FEED_INVALID, lambda: parse(kind, body(SOUND[other]), BASE)).startswith("$")


@pytest.mark.parametrize("document", [{}, "text", 1, None, {"message": "API rate limit exceeded"}])
def test_what_is_no_feed_is_not_recognised(document: Any) -> None:
    assert refused(Reason.FEED_INVALID, lambda: kind_of(body(document), BASE)) == "$"


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"", Reason.FEED_EMPTY),
        (b"\xef\xbb\xbf \r\n", Reason.FEED_EMPTY),
        (b"<!doctype html><p>Sign in", Reason.FEED_IS_HTML),
        (b"\xef\xbb\xbf\n <html>", Reason.FEED_IS_HTML),
        (b"{", Reason.FEED_NOT_JSON),
        (b"\xff\xfe{\0}\0", Reason.FEED_NOT_JSON),
        (b'{"a": NaN}', Reason.FEED_NOT_JSON),
        (b"[-Infinity]", Reason.FEED_NOT_JSON),
        (b"[" * 200_000, Reason.FEED_NOT_JSON),
        (b'{"a":' * 200_000, Reason.FEED_NOT_JSON),
        (b"9" * 5000, Reason.FEED_NOT_JSON),
        (b"\xe9\x07binary", Reason.FEED_NOT_JSON),
        (b" " * (MAX_BYTES + 1), Reason.FEED_TOO_LARGE),
        (b"null", Reason.FEED_INVALID),
        (b"7", Reason.FEED_INVALID),
        (b'"text"', Reason.FEED_INVALID),
        (b"{}", Reason.FEED_INVALID),
        (b"[7]", Reason.FEED_INVALID),
    ],
)
def test_what_is_no_document_has_its_reason(kind: str, sent: bytes, reason: Reason) -> None:
    refused(reason, lambda: parse(kind, sent, BASE))


def test_a_byte_order_mark_is_no_harm() -> None:
    assert parse("github", b"\xef\xbb\xbf" + body(SOUND["github"]), BASE)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:secret@feed.test:8443/m.json?token=secret#x", "https://feed.test:8443/m.json"),
        (BASE, BASE),
        ("http://[", ""),
    ],
)
def test_a_refusal_names_the_feed_but_no_secret(url: str, shown: str) -> None:
    for reader in (lambda: parse("manifest", b"", url), lambda: kind_of(b"", url)):
        with pytest.raises(OtaError) as refusal:
            reader()
        assert refusal.value.placeholders == {"url": shown}


@given(st.sampled_from(sorted(FORMATS)), junk | junk.map(lambda item: [item]))
def test_no_document_raises_anything_else(kind: str, document: Any) -> None:
    try:
        releases = parse(kind, body(document), BASE)
    except OtaError as err:
        releases, reason = (), err.reason
    else:
        reason = None
    assert bool(releases) is (reason is None)
    assert reason in {None, Reason.FEED_INVALID, Reason.FEED_EMPTY, Reason.FEED_NOT_JSON}
    assert all(asset.url.startswith("https://feed.test/") for told in releases for asset in told.assets)


@given(st.binary())
def test_no_bytes_raise_anything_else(sent: bytes) -> None:
    with pytest.raises(OtaError):
        parse("manifest", sent, BASE)


def versions(count: int) -> list[dict[str, Any]]:
    return [{"version": f"1.{number}", "assets": []} for number in range(count)]


def test_the_newest_of_many_releases_are_kept() -> None:
    releases = parse("manifest", body({"schema": 1, "versions": versions(MAX_ENTRIES)}), BASE)
    assert len(releases) == MAX_RELEASES
    assert releases[0].version == f"1.{MAX_ENTRIES - 1}"
    assert releases[-1].version == f"1.{MAX_ENTRIES - MAX_RELEASES}"


def test_more_releases_than_anybody_has_are_refused() -> None:
    document = {"schema": 1, "versions": [{}] * 100_000}
    assert refused(Reason.FEED_INVALID, lambda: parse("manifest", body(document), BASE)) == f"$.versions[{MAX_ENTRIES}]"


def test_versions_without_an_order_come_by_date() -> None:
    dates = {"aaaaaa1": "2026-01-01", "bbbbbb1": "2026-11-21", "cccccc1": "2026-06-01"}
    told = [{"version": version, "published": date, "assets": []} for version, date in dates.items()]
    releases = parse("manifest", body({"schema": 1, "versions": told}), BASE)
    assert [release.version for release in releases] == ["bbbbbb1", "cccccc1", "aaaaaa1"]


def read_one(**says: Any) -> Release:
    told = {"version": "1.0", "assets": [FILE]} | says
    return parse("manifest", body({"schema": 1, "versions": [told]}), BASE)[0]


def test_texts_for_people_are_cut_and_cleaned() -> None:
    release = read_one(
        title="a\n b\0\ud800" + "c" * MAX_TITLE, notes=" one\r\ntwo\rthree\x07 \U0001f600 " + "d" * MAX_NOTES
    )
    assert release.title.startswith("a b")
    assert len(release.title) <= MAX_TITLE
    assert release.notes.startswith("one\ntwo\nthree \U0001f600 ddd")
    assert release.notes.endswith("d…")
    assert len(release.notes) == MAX_NOTES
    assert (release.title + release.notes).encode()


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ("relay.bin", "https://feed.test/relay/relay.bin"),
        ("./relay.bin", "https://feed.test/relay/relay.bin"),
        ("../relay.bin", "https://feed.test/relay.bin"),
        ("../../../relay.bin", "https://feed.test/relay.bin"),
        ("/relay.bin?x=1", "https://feed.test/relay.bin?x=1"),
        ("my relay é.bin", "https://feed.test/relay/my%20relay%20%C3%A9.bin"),
        ("my%20relay.bin", "https://feed.test/relay/my%20relay.bin"),
        ("HTTP://other.test:8080/r.bin", "http://other.test:8080/r.bin"),
        ("https://user:pass@other.test/r.bin", "https://user:pass@other.test/r.bin"),
        ("http://[fd00::1]:81/r.bin", "http://[fd00::1]:81/r.bin"),
        ("https://other.test", "https://other.test"),
    ],
)
def test_links_are_relative_to_the_feed(link: str, url: str) -> None:
    assert read_one(url=link).url == url


@pytest.mark.parametrize(
    "link",
    [
        "",
        " relay.bin",
        "ftp://other.test/r.bin",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "data:,x",
        "C:\\relay.bin",
        "..\\relay.bin",
        "//other.test/r.bin",
        "http:relay.bin",
        "http://",
        "http:///r.bin",
        "https://other.test:99999/r.bin",
        "https://other.test:0/r.bin",
        "https://other.test:x/r.bin",
        "http://[:::/r.bin",
        "http://[12345::]/r.bin",
        "http://ot her.test/",
        "relay\n.bin",
        "relay.bin\n",
        "<relay>.bin",
        "\ud800.bin",
        "r" * 3000,
        7,
        ["relay.bin"],
    ],
)
def test_other_links_are_refused(link: Any) -> None:
    assert refused(Reason.FEED_INVALID, lambda: read_one(url=link)) == "$.versions[0].url"


def test_a_relative_link_needs_a_feed_on_the_web() -> None:
    with pytest.raises(OtaError):
        Place("relay.bin").link("")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://feed.test/a/relay.bin?x=/y", "relay.bin"),
        ("https://feed.test/my%20relay.bin", "my relay.bin"),
        ("https://feed.test/a/", ""),
        ("https://feed.test/%2e%2e", ""),
        ("https://feed.test/..%2fetc", ""),
        ("https://feed.test/a%00", ""),
    ],
)
def test_a_url_ends_with_a_file_name_or_with_none(url: str, name: str) -> None:
    assert file_name(url) == name


@pytest.mark.parametrize(
    ("moment", "published"),
    [
        ("2026-11-21", "2026-11-21"),
        ("2026-11-21T08:15:00Z", "2026-11-21T08:15:00Z"),
        ("2026-11-21T08:15:00.5+01:00", "2026-11-21T08:15:00.5+01:00"),
        ("2026-02-30", ""),
        ("2026-11-21T25:00", ""),
        (None, ""),
    ],
)
def test_a_date_that_no_calendar_has_is_none(moment: str | None, published: str) -> None:
    assert read_one(published=moment).published == published

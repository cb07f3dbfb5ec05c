"""The releases of a GitHub repository."""

import json
from typing import Any

import pytest

from custom_components.mqtt_ota.ota.errors import OtaError, Reason
from custom_components.mqtt_ota.ota.feeds import parse
from custom_components.mqtt_ota.ota.feeds.github import MAX_FILES
from custom_components.mqtt_ota.ota.release import Asset, Release

BASE = "https://api.feed.test/repos/some/relay/releases"
DOWNLOAD = "https://feed.test/some/relay/releases/download/v1.1.0"
FILE: dict[str, Any] = {
    "name": "relay-esp32c3.bin",
    "size": 912384,
    "state": "uploaded",
    "browser_download_url": f"{DOWNLOAD}/relay-esp32c3.bin",
    "digest": "sha256:" + "AB" * 32,
}
RELEASE: dict[str, Any] = {
    "tag_name": "v1.1.0",
    "name": "Quiet",
    "body": "- less noise\r\n- more light",
    "html_url": "https://feed.test/some/relay/releases/tag/v1.1.0",
    "published_at": "2026-11-21T08:15:00Z",
    "draft": False,
    "prerelease": False,
    "assets": [FILE],
}


def read(told: Any) -> tuple[Release, ...]:
    return parse("github", json.dumps(told).encode(), BASE)


def refusal(told: Any) -> OtaError:
    with pytest.raises(OtaError) as refused:
        read(told)
    return refused.value


def test_a_release_is_read() -> None:
    assert read([RELEASE]) == (
        Release(
            version="v1.1.0",
            title="Quiet",
            notes="- less noise\n- more light",
            url="https://feed.test/some/relay/releases/tag/v1.1.0",
            published="2026-11-21T08:15:00Z",
            assets=(
                Asset(name="relay-esp32c3.bin", url=f"{DOWNLOAD}/relay-esp32c3.bin", size=912384, sha256="ab" * 32),
            ),
        ),
    )


def test_a_single_release_is_a_feed_too() -> None:
    assert read(RELEASE) == read([RELEASE])


def test_what_github_leaves_null_is_not_said() -> None:
    (release,) = read([RELEASE | {"name": None, "body": None, "assets": [FILE | {"digest": None}]}])
    assert (release.title, release.notes, release.assets[0].sha256) == ("", "", "")


def test_a_digest_of_another_kind_is_not_said() -> None:
    for digest in ("sha512:" + "ab" * 64, "sha256:abcd"):
        assert read([RELEASE | {"assets": [FILE | {"digest": digest}]}])[0].assets[0].sha256 == ""


def test_drafts_are_never_read() -> None:
    draft = RELEASE | {"tag_name": "v2", "draft": True}
    assert [release.version for release in read([draft, RELEASE])] == ["v1.1.0"]
    assert refusal([draft]).reason is Reason.FEED_EMPTY
    assert refusal([RELEASE | {"draft": "no"}]).placeholders["detail"] == "$[0].draft"


def test_a_prerelease_is_one() -> None:
    assert read([RELEASE | {"prerelease": True}])[0].prerelease


def test_a_file_whose_upload_has_not_ended_is_not_there() -> None:
    half = FILE | {"name": "half.bin", "state": "starter"}
    assert [asset.name for asset in read([RELEASE | {"assets": [half, FILE]}])[0].assets] == ["relay-esp32c3.bin"]
    assert read([RELEASE | {"assets": [FILE | {"state": ["odd"]}]}])[0].assets == ()


def test_of_many_files_the_images_are_kept() -> None:
    others = [FILE | {"name": f"notes-{number}.txt"} for number in range(MAX_FILES + 20)]
    factory = FILE | {"name": "relay-esp32c3.factory.bin"}
    assets = read([RELEASE | {"assets": [*others, factory, FILE]}])[0].assets
    assert len(assets) == MAX_FILES
    assert [asset.name for asset in assets[:2]] == ["relay-esp32c3.bin", "notes-0.txt"]


def test_a_repository_without_releases_is_empty() -> None:
    assert refusal([]).reason is Reason.FEED_EMPTY


def test_a_release_that_is_wrong_does_not_hide_the_others() -> None:
    torn = RELEASE | {"tag_name": "v2", "assets": [FILE, FILE | {"browser_download_url": "ftp://feed.test/x"}]}
    assert [release.version for release in read([torn, 7, RELEASE])] == ["v1.1.0"]


@pytest.mark.parametrize(
    ("told", "path"),
    [
        ({"message": "API rate limit exceeded"}, "$.assets"),
        ([RELEASE | {"tag_name": None}], "$[0].tag_name"),
        ([RELEASE | {"tag_name": "é"}], "$[0].tag_name"),
        ([RELEASE | {"assets": None}], "$[0].assets"),
        ([RELEASE | {"assets": [7]}], "$[0].assets[0]"),
        ([RELEASE | {"assets": [FILE | {"name": "../x.bin"}]}], "$[0].assets[0].name"),
        ([RELEASE | {"assets": [FILE | {"size": -1}]}], "$[0].assets[0].size"),
        ([RELEASE | {"assets": [FILE | {"size": 1e400}]}], "$[0].assets[0].size"),
        ([RELEASE | {"assets": [FILE | {"digest": 7}]}], "$[0].assets[0].digest"),
        ([RELEASE | {"assets": [FILE | {"browser_download_url": None}]}], "$[0].assets[0].browser_download_url"),
        ([RELEASE | {"html_url": "javascript:0"}], "$[0].html_url"),
        ([RELEASE | {"published_at": 7}], "$[0].published_at"),
    ],
)
def test_what_is_wrong_is_refused_where_it_is_wrong(told: Any, path: str) -> None:
    with pytest.raises(OtaError) as refused:
        parse("github", json.dumps(told).replace("Infinity", "1e400").encode(), BASE)
    assert refused.value.reason is Reason.FEED_INVALID
    assert refused.value.placeholders["detail"] == path

"""The manifest of this project, as `manifest.schema.json` beside this file describes it."""

from ..release import Asset, Release
from ..signature import U32_MAX
from .document import (
    CHIP,
    FILE_NAME,
    LABEL,
    MAX_ASSETS,
    MAX_ENTRIES,
    MD5,
    SHA256,
    SIGNATURE,
    VERSION,
    Place,
    file_name,
    read_prerelease,
    read_releases,
)

SCHEMA = 1


def recognise(document: Place) -> bool:
    """Tell whether a document means to be such a manifest."""
    return isinstance(document.value, dict) and "versions" in document.value


def releases(document: Place, base_url: str) -> tuple[Release, ...]:
    """Read the releases of a manifest."""
    document["schema"].required().integer(SCHEMA, SCHEMA)
    document["name"].title()
    versions = document["versions"].required().items(MAX_ENTRIES)
    return read_releases(versions, lambda place: _read_release(place, base_url))


def _read_release(place: Place, base_url: str) -> Release:
    return Release(
        version=place["version"].required().matched(VERSION),
        title=place["title"].title(),
        notes=place["notes"].text(),
        url=place["url"].link(base_url),
        published=place["published"].moment(),
        prerelease=read_prerelease(place),
        assets=tuple(_read_asset(item, base_url) for item in place["assets"].required().items(MAX_ASSETS)),
    )


def _read_asset(place: Place, base_url: str) -> Asset:
    url = place["url"].required().link(base_url)
    return Asset(
        name=place["name"].matched(FILE_NAME) or file_name(url),
        url=url,
        size=place["size"].integer(1, U32_MAX),
        sha256=place["sha256"].required().matched(SHA256).lower(),
        md5=place["md5"].matched(MD5).lower(),
        chip=place["chip"].matched(CHIP),
        model=place["model"].matched(LABEL),
        project=place["project"].matched(LABEL),
        signature=place["signature"].matched(SIGNATURE),
        counter=place["counter"].integer(0, U32_MAX) or 0,
        min_version=place["min_version"].matched(VERSION),
        max_version=place["max_version"].matched(VERSION),
    )

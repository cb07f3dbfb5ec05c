"""The releases of a GitHub repository, as its API lists them, or one of them alone.

Drafts are never read. A file whose upload has not ended is not there yet.
"""

import re

from ..asset_name import is_application
from ..release import Asset, Release
from ..signature import U32_MAX
from .document import FILE_NAME, MAX_ENTRIES, SHA256, VERSION, Place, read_releases

# Tasmota attaches more than two hundred: each build for itself, as a factory image and compressed.
MAX_FILES = 500

_DIGEST = re.compile(r"[a-z0-9]{1,16}:[0-9A-Fa-f]{1,256}")


def recognise(document: Place) -> bool:
    """Tell whether a document means to be such a list."""
    return isinstance(document.value, list) or (isinstance(document.value, dict) and "tag_name" in document.value)


def releases(document: Place, base_url: str) -> tuple[Release, ...]:
    """Read a list of releases, or a single one."""
    places = document.items(MAX_ENTRIES) if isinstance(document.value, list) else [document]
    return read_releases(places, lambda place: _read_release(place, base_url))


def _read_release(place: Place, base_url: str) -> Release | None:
    if place["draft"].flag():
        return None
    uploaded = [item for item in place["assets"].required().items(MAX_ENTRIES) if _is_uploaded(item)]
    assets = [_read_asset(item, base_url) for item in uploaded]
    # Images first, so that the bound cuts what is least likely to be one.
    assets.sort(key=lambda asset: not (asset.name.endswith(".bin") and is_application(asset.name)))
    return Release(
        version=place["tag_name"].required().matched(VERSION),
        title=place["name"].title(),
        notes=place["body"].text(),
        url=place["html_url"].link(base_url),
        published=place["published_at"].moment(),
        prerelease=place["prerelease"].flag(),
        assets=tuple(assets[:MAX_FILES]),
    )


def _is_uploaded(place: Place) -> bool:
    return place["state"].value in (None, "uploaded")


def _read_asset(place: Place, base_url: str) -> Asset:
    algorithm, _, digest = place["digest"].matched(_DIGEST).partition(":")
    return Asset(
        name=place["name"].required().matched(FILE_NAME),
        url=place["browser_download_url"].required().link(base_url),
        size=place["size"].integer(0, U32_MAX),
        sha256=digest.lower() if algorithm == "sha256" and SHA256.fullmatch(digest) else "",
    )

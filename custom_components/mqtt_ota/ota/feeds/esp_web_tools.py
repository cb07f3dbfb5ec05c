"""The manifest of ESP Web Tools, with ESPHome's `ota` beside the parts.

A part at offset 0 is a factory image: boot loader, partition table and application in one, never for a running board.
Several parts are a set that only a cable writes as a whole; which of them could go alone, the manifest does not say.
So without `ota`, a build has a file for the air only if a single part is all there is and it lies where the
application lies.
"""

from collections.abc import Iterator

from ..release import Asset, Release
from ..signature import U32_MAX
from .document import CHIP, MAX_ASSETS, MD5, VERSION, Place, file_name, read_releases

APPLICATION_OFFSET = 0x10000


def recognise(document: Place) -> bool:
    """Tell whether a document means to be such a manifest."""
    return isinstance(document.value, dict) and "builds" in document.value


def releases(document: Place, base_url: str) -> tuple[Release, ...]:
    """Read the one release of a manifest."""
    return read_releases([document], lambda place: _read_release(place, base_url))


def _read_release(document: Place, base_url: str) -> Release:
    version = document["version"].required().matched(VERSION)
    builds = document["builds"].required().items(MAX_ASSETS)
    assets = tuple(asset for build in builds for asset in _read_assets(build, base_url))
    if not assets:
        (builds[0]["ota"] if builds else document["builds"]).refuse()
    # Every build tells its own summary and page, which are mostly the same.
    updates = [build["ota"] for build in builds if not build["ota"].is_absent]
    summaries = dict.fromkeys(update["summary"].text() for update in updates)
    pages = [update["release_url"].link(base_url) for update in updates]
    return Release(
        version=version,
        title=document["name"].title(),
        notes="\n\n".join(filter(None, summaries)),
        url=next(filter(None, pages), ""),
        assets=assets,
    )


def _read_assets(build: Place, base_url: str) -> Iterator[Asset]:
    chip = build["chipFamily"].required().matched(CHIP)
    ota = build["ota"]
    if not ota.is_absent:
        url = ota["path"].required().link(base_url)
        yield Asset(name=file_name(url), url=url, md5=ota["md5"].matched(MD5).lower(), chip=chip)
        return
    parts = build["parts"].required().items(MAX_ASSETS)
    if len(parts) == 1 and parts[0]["offset"].required().integer(0, U32_MAX) == APPLICATION_OFFSET:
        url = parts[0]["path"].required().link(base_url)
        yield Asset(name=file_name(url), url=url, chip=chip)

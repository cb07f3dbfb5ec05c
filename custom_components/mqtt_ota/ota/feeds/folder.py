"""A folder of images: what each file is, from a sidecar beside it, its name or the image itself.

A sidecar is a JSON object in `<file name>.json`, with the members of a version and of an asset of this project's
manifest, all optional. What it says wins over the name, the name over the image. But no one may contradict the image:
a file whose sidecar or name says another chip, size or digest than the image is left out.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from ..asset_name import canonical_chip, chip_key, chips_hinted, chips_written, version_in
from ..errors import OtaError, Reason
from ..image import Image
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
    load,
    newest,
    read_prerelease,
)

MAX_PATH = 255
# Builds of the Arduino core carry the core's own version where an application's should be.
_FRAMEWORKS = frozenset({"arduino-lib-builder"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderEntry:
    """A file of the folder: its path below it with `/`, its size in bytes, what its image says, its sidecar's bytes.

    `image` is None where the file is no image that can be installed.
    """

    name: str
    size: int
    image: Image | None = None
    sidecar: bytes | None = None


def sidecar_of(name: str) -> str:
    """Return the name of a file's sidecar."""
    return f"{name}.json"


def releases(entries: Iterable[FolderEntry], folder: str = "") -> tuple[Release, ...]:
    """Read a listing, newest first; files of one version are one release. `folder` stands in the errors.

    Each file stands for itself: one that cannot be read is left out. When none is left, OtaError(FEED_INVALID) names
    the first that is wrong and where; OtaError(FEED_EMPTY) says that there is nothing at all.
    """
    files = sorted((entry for entry in entries if _is_firmware(entry)), key=lambda entry: entry.name)
    if len(files) > MAX_ENTRIES:
        raise OtaError(Reason.FEED_INVALID, url=folder, detail=files[MAX_ENTRIES].name)
    found: dict[str, Release] = {}
    refusals = []
    for entry in files:
        try:
            release = _read_release(entry)
            found[release.version] = _joined(found.get(release.version), release)
        except OtaError as err:
            refusals.append(err)
    if found:
        return newest(found.values())
    if refusals:
        raise OtaError(Reason.FEED_INVALID, url=folder, **refusals[0].placeholders) from refusals[0]
    raise OtaError(Reason.FEED_EMPTY, url=folder)


def _is_firmware(entry: FolderEntry) -> bool:
    """Tell whether a file means to be firmware, and its path stays below the folder and can be shown."""
    steps = entry.name.split("/")
    is_path = len(entry.name) <= MAX_PATH and all(FILE_NAME.fullmatch(step) for step in steps)
    return is_path and (entry.sidecar is not None or entry.name.lower().endswith(".bin"))


def _joined(release: Release | None, other: Release) -> Release:
    """Return one release of two that have the same version."""
    if release is None:
        return other
    if len(release.assets) == MAX_ASSETS:
        raise OtaError(Reason.FEED_INVALID, detail=other.assets[0].name)
    return Release(
        version=release.version,
        title=release.title or other.title,
        notes=release.notes or other.notes,
        url=release.url or other.url,
        published=release.published or other.published,
        prerelease=release.prerelease or other.prerelease,
        assets=release.assets + other.assets,
    )


def _read_release(entry: FolderEntry) -> Release:
    sidecar = _load_sidecar(entry)
    version = sidecar["version"].matched(VERSION) or version_in(entry.name) or _image_version(entry)
    if not VERSION.fullmatch(version):
        sidecar["version"].refuse()
    return Release(
        version=version,
        title=sidecar["title"].title(),
        notes=sidecar["notes"].text(),
        url=sidecar["url"].link(""),
        published=sidecar["published"].moment(),
        prerelease=read_prerelease(sidecar),
        assets=(_read_asset(entry, sidecar),),
    )


def _load_sidecar(entry: FolderEntry) -> Place:
    name = sidecar_of(entry.name)
    if entry.sidecar is None:
        return Place({}, name)
    try:
        return Place(load(entry.sidecar).value, name)
    except OtaError as err:
        raise OtaError(Reason.FEED_INVALID, detail=name) from err


def _image_version(entry: FolderEntry) -> str:
    image = entry.image
    return image.version if image and image.project not in _FRAMEWORKS else ""


def _read_asset(entry: FolderEntry, sidecar: Place) -> Asset:
    size, sha256, md5 = (entry.image.size, entry.image.sha256, entry.image.md5) if entry.image else (None, "", "")
    # A listing and an image that differ in size are a file that is being written.
    if entry.size != (size or entry.size) or entry.size != (sidecar["size"].integer(1, U32_MAX) or entry.size):
        sidecar["size"].refuse()
    return Asset(
        name=entry.name.rpartition("/")[2],
        url=entry.name,
        size=entry.size,
        sha256=_agreed(sidecar["sha256"], sidecar["sha256"].matched(SHA256).lower(), sha256),
        md5=_agreed(sidecar["md5"], sidecar["md5"].matched(MD5).lower(), md5),
        chip=_chip(entry, sidecar["chip"]),
        model=sidecar["model"].matched(LABEL),
        project=sidecar["project"].matched(LABEL),
        signature=sidecar["signature"].matched(SIGNATURE),
        counter=sidecar["counter"].integer(0, U32_MAX) or 0,
        min_version=sidecar["min_version"].matched(VERSION),
        max_version=sidecar["max_version"].matched(VERSION),
    )


def _agreed(place: Place, told: str, found: str) -> str:
    """Return a digest that the sidecar tells or the image has; refused where they differ."""
    if told and found and told != found:
        place.refuse()
    return told or found


def _chip(entry: FolderEntry, place: Place) -> str:
    """Return the chip that a file is for; empty when nothing says it."""
    told = place.matched(CHIP)
    image = entry.image.chip if entry.image else ""
    named = chips_written(entry.name) if image else chips_hinted(entry.name)
    if not image:
        return told or (canonical_chip(min(named)) if len(named) == 1 else "")
    # A mere `esp32` in a name often stands for the whole family.
    expected = {chip_key(told)} if told else named - {"ESP32"}
    if expected and chip_key(image) not in expected:
        place.refuse()
    return image

"""A feed that is a folder below Home Assistant's configuration: copy an image there, and it is a release."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from homeassistant.core import HomeAssistant

from .firmware_store import MAX_IMAGE_SIZE, Expected, FirmwareStore, StoredImage
from .ota.errors import OtaError, Reason
from .ota.feeds.folder import FolderEntry, releases, sidecar_of
from .ota.image import Image, inspect
from .ota.release import Asset, Release

MAX_FILES: Final = 5000
MAX_DEPTH: Final = 3
MAX_SIDECAR: Final = 64 * 1024
_SUFFIX: Final = ".bin"


class FolderFeed:
    """One folder, and what its images were when they were last looked at."""

    def __init__(self, hass: HomeAssistant, location: str) -> None:
        """Look at nothing yet; `location` is relative to the configuration folder."""
        self._hass = hass
        self._location = location
        self._inspected: dict[tuple[str, int, int], Image | None] = {}

    async def async_load(self) -> tuple[Release, ...]:
        """Return the releases that lie in the folder."""
        return await self._hass.async_add_executor_job(self._scan)

    async def async_fetch(self, asset: Asset, store: FirmwareStore) -> StoredImage:
        """Bring an asset into the store, if it is still what the folder held."""
        expected = Expected(size=asset.size, sha256=asset.sha256, md5=asset.md5)
        image = await self._hass.async_add_executor_job(self._read, asset)
        return await store.async_add_bytes(image, expected=expected)

    # What follows runs in the executor.

    @property
    def _root(self) -> Path:
        return Path(self._hass.config.config_dir).resolve()

    def _folder(self) -> Path:
        """Return the folder, after every link, if it lies below the configuration folder."""
        try:
            folder = (self._root / self._location).resolve()
            if not folder.is_relative_to(self._root):
                raise OtaError(Reason.FOLDER_OUTSIDE, folder=self._location)
            if folder.is_dir():
                return folder
        # A NUL in the name, a loop of links, or no permission.
        except (OSError, ValueError) as err:
            raise OtaError(Reason.FOLDER_NOT_FOUND, folder=self._location) from err
        raise OtaError(Reason.FOLDER_NOT_FOUND, folder=self._location)

    def _scan(self) -> tuple[Release, ...]:
        """List the images; only those that are new or changed are read."""
        folder = self._folder()
        before, self._inspected = self._inspected, {}
        entries: list[FolderEntry] = []
        for path in self._images(folder):
            name = path.relative_to(folder).as_posix()
            try:
                stat = path.stat()
                key = (name, stat.st_size, stat.st_mtime_ns)
                image = before[key] if key in before else _inspect(path, stat.st_size)
                sidecar = self._sidecar(path)
            except OSError:
                # It is being replaced, or is not for Home Assistant to read.
                continue
            self._inspected[key] = image
            entries.append(FolderEntry(name=name, size=stat.st_size, image=image, sidecar=sidecar))
        return releases(entries, self._location)

    def _images(self, folder: Path) -> Iterator[Path]:
        """Find the files that may be images; links to elsewhere are none, and hidden places are left alone."""
        seen = 0
        for parent, folders, names in folder.walk():
            deep = len(parent.relative_to(folder).parts) >= MAX_DEPTH
            folders[:] = [] if deep else sorted(name for name in folders if not name.startswith("."))
            seen += len(names)
            if seen > MAX_FILES:
                raise OtaError(Reason.FEED_TOO_LARGE, url=self._location, limit=MAX_FILES)
            for name in names:
                path = parent / name
                if name.lower().endswith(_SUFFIX) and not name.startswith(".") and self._is_inside(path):
                    yield path

    def _is_inside(self, path: Path) -> bool:
        """Tell whether a path is a file below the configuration folder, after every link."""
        return path.is_file() and path.resolve().is_relative_to(self._root)

    def _sidecar(self, path: Path) -> bytes | None:
        """Return what lies beside an image, one byte too much of it where it is too large."""
        sidecar = path.with_name(sidecar_of(path.name))
        return _head(sidecar, MAX_SIDECAR) if self._is_inside(sidecar) else None

    def _read(self, asset: Asset) -> bytes:
        """Return the bytes of an asset that is still there."""
        folder = self._folder()
        try:
            path = (folder / asset.url).resolve()
            if not path.is_relative_to(self._root):
                raise OtaError(Reason.FOLDER_OUTSIDE, folder=self._location)
            if not path.is_file():
                raise FileNotFoundError(path)
            return _head(path, MAX_IMAGE_SIZE)
        except (OSError, ValueError) as err:
            raise OtaError(Reason.FEED_CHANGED, url=self._location, asset=asset.name) from err


def _inspect(path: Path, size: int) -> Image | None:
    """Return what an image says of itself, None for one that cannot be installed."""
    if size > MAX_IMAGE_SIZE:
        return None
    try:
        return inspect(_head(path, MAX_IMAGE_SIZE))
    except OtaError:
        return None


def _head(path: Path, limit: int) -> bytes:
    """Return a file's bytes, one more than the limit where it is larger."""
    with path.open("rb") as file:
        return file.read(limit + 1)

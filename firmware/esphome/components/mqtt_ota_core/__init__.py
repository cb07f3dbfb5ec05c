"""The portable core. Its files are links into the project: ESPHome copies only what is directly in this folder."""

from pathlib import Path
import shutil

import esphome.config_validation as cv

CODEOWNERS = ["@mqtt-ota"]

_HERE = Path(__file__).parent
_CORE = _HERE.parents[2] / "core"


def _mend_links() -> None:
    """Put the files in the place of their links where git or an archive made small files of these, as on Windows."""
    for place in (place for place in _HERE.iterdir() if place.suffix in {".cpp", ".h"}):
        original = _CORE / place.name
        if not place.is_symlink() and original.is_file() and place.read_bytes().startswith(b"../"):
            shutil.copyfile(original, place)


def _is_whole(config: dict) -> dict:
    if not (_HERE / "board.h").is_file():
        raise cv.Invalid(
            f"the core of mqtt_ota is missing: {_HERE} links to {_CORE}. Use the whole repository as the source"
            " (type: git, or type: local with the path of a clone), not a copy of this folder alone"
        )
    return config


_mend_links()
CONFIG_SCHEMA = cv.All(cv.Schema({}), _is_whole)

"""What a file's name says: for which chip it is, which version, and whether it can be an application at all."""

from functools import lru_cache
import re

# Longest first, so that ESP32-S31 is not taken for an S3.
_VARIANTS = "s31|s2|s3|c61|c2|c3|c5|c6|h21|h2|h4|p4"
_WRITTEN = re.compile(
    r"esp[-_. ]?(?P<old>8266|8285)(?!\d)"
    rf"|(?:esp[-_. ]?)?32[-_. ]?(?P<variant>{_VARIANTS})(?!\d)"
    r"|esp[-_. ]?32(?P<future>[schp]\d{1,2})(?!\d)"
    r"|esp[-_. ]?(?P<plain>32)(?!\d)"
)
_BARE = re.compile(rf"(?<![a-z0-9])({_VARIANTS})(?![a-z0-9])")
_SPELLING = re.compile(r"[-_. ]")
_CANONICAL = re.compile(r"(ESP\d+)([A-Z]\d+)")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NO_APPLICATION = re.compile(
    r"(?<![a-z])(?:factory|merged|boot[-_ ]?loader|partitions?|little[-_ ]?fs|spiffs|fatfs|file[-_ ]?system|nvs"
    r"|ota[-_ ]?data|boot[-_ ]?app[-_ ]?\d?)(?![a-z])"
    # What a build or a release leaves beside its images.
    r"|\.(?:elf|map|md5|sha\d{1,3}|txt|json|ya?ml|md|html?|csv|log|sig|asc|pem|zip|t?gz|xz|bz2|7z|hex|uf2)$"
)
_IMAGE = re.compile(r"\.bin$", re.IGNORECASE)
_VERSION = re.compile(
    r"(?<![a-z0-9])(?<!\d\.)v?(?P<version>\d{1,9}(?:\.\d{1,9}){1,3}"
    r"(?:[-.]?(?:alpha|beta|rc|dev|pre)[-.]?\d{0,9})?(?:-\d{1,9}-g[0-9a-f]{4,40})?(?:\+[0-9a-z.]{1,40})?)(?![0-9a-z]|\.\d)",
    re.IGNORECASE,
)


def chip_key(chip: str) -> str:
    """Return a chip's name in one spelling: `esp32-c3`, `ESP32_C3` and `ESP32C3` are the same chip."""
    return _SPELLING.sub("", chip).upper()


def canonical_chip(chip: str) -> str:
    """Return a chip's name as ESP Web Tools spells it: `ESP32-C3`."""
    return _CANONICAL.sub(r"\1-\2", chip_key(chip))


def chip_spellings(chip: str) -> tuple[str, ...]:
    """Return the ways in which file names write a chip."""
    canonical = canonical_chip(chip)
    return (canonical, canonical.replace("-", "_"), canonical.replace("-", ""))


@lru_cache(maxsize=4096)
def chips_written(name: str) -> frozenset[str]:
    """Return the chips that a file name writes out, as keys.

    `esp32` beside another chip is taken for the name of the project: `esp32-weather-esp32s3.bin` is for the S3.
    """
    chips = {_key_of(found) for found in _WRITTEN.finditer(name.lower())}
    return frozenset(chips - {"ESP32"} or chips)


def _key_of(found: re.Match[str]) -> str:
    if found["old"]:
        return "ESP8266"
    return f"ESP32{found['variant'] or found['future'] or ''}".upper()


@lru_cache(maxsize=4096)
def chips_hinted(name: str) -> frozenset[str]:
    """Return the chips that a file name writes out, or else hints at: `relay-s3.bin`."""
    bare = {f"ESP32{variant}".upper() for variant in _BARE.findall(name.lower())}
    written = chips_written(name)
    return frozenset(bare) if written <= {"ESP32"} and bare else written


def chip_evidence(chip: str, told: str, name: str, *, is_told: bool, is_anonymous: bool) -> int | None:
    """Return how surely a file is for a chip: 2 the feed says so, 1 its name, 0 nothing denies it, None it is not.

    `told` is the chip that the feed says, if any. `is_told` says that something else picked the file, such as the
    user's pattern: then a name must only not deny it. `is_anonymous` says that no file of the release says more.
    """
    if told and chip:
        return 2 if chip_key(chip) == chip_key(told) else None
    if told:
        return 0 if is_told else None
    named = chips_written(name) if is_told else chips_hinted(name)
    if not named:
        return 0 if is_told or is_anonymous else None
    if not chip:
        return 0 if is_told else None
    return 1 if chip_key(chip) in named and (is_told or len(named) == 1) else None


@lru_cache(maxsize=4096)
def is_application(name: str) -> bool:
    """Tell whether a file of this name can be an application: no factory image, file system, checksum or archive."""
    return _NO_APPLICATION.search(_CAMEL.sub("-", name).lower()) is None


def version_in(name: str) -> str:
    """Return the version in a file name, without its `v`; empty when there is none, or more than one."""
    versions = {found["version"] for found in _VERSION.finditer(_IMAGE.sub("", name))}
    return versions.pop() if len(versions) == 1 else ""

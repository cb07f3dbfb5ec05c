"""The order of the versions that people really give their firmware.

AwesomeVersion compares most of these not at all or the wrong way round (`git describe`, `release-1.2.3`, dates,
Tasmota's parenthesis), so the order is this module's own. From old to new:

    1.2.2 < 1.2.3-dev < 1.2.3-alpha < 1.2.3b1 < 1.2.3-rc.9 < 1.2.3-rc10 < 1.2.3-rc10-2-gabc1234
          < 1.2.3 < 1.2.3-dirty < 1.2.3-4-gabc1234 < 1.2.3.1 < 1.2.4-rc1

- Words before the number, a `v`, leading zeros and zeros at the end count for nothing: `release-1.2.0` is `v1.2`.
- `20261121`, `2026-11-21` and `2026.11.21` are one date; a time may follow.
- Commits after a tag come after it, and so do `hotfix1`, `post1` and a bare number (`1.2.3-4`), as packagers mean it.
  Any other word is a pre-release, as in semantic versioning.
- Build metadata (`+build`, `(tasmota)`, a commit's hash) has no order, but tells two builds apart.

A text without a number to go by, such as a bare commit hash, has no order. A version whose order is not known is never
newer: a downgrade offered as an update is worse than an update that has to be chosen by hand. What a feed knows
beside the version, such as dates of publication, is for the feed's reader to use.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
import re
from typing import Final

type Token = tuple[bool, int, str]
type SortKey = tuple[bool, tuple[int, ...], bool, tuple[Token, ...], tuple[int, ...], bool]

_MAX_LENGTH: Final = 128
_DESCRIPTOR_LENGTH: Final = 31  # ESP-IDF cuts a version that is longer
_UNORDERED: Final[SortKey] = (False, (), False, (), (), False)

_HASH: Final = re.compile(r"g?(?=\d*[a-f])[0-9a-f]{7,64}", re.ASCII)
_DIRTY: Final = re.compile(r"[-.+]dirty$")
_VARIANT: Final = re.compile(r" *\(([^()]*)\)$")
# The last word may have been cut short by the descriptor.
_DESCRIBE: Final = re.compile(r"[-+](\d+)[-.]g([0-9a-f]*)(-d(?:i(?:rt?)?)?)?$", re.ASCII)
_COMMIT: Final = re.compile(r"[-.](?:g(?=[0-9a-f])|(?=\d*[a-f]))([0-9a-f]{7,64})$", re.ASCII)
_ISO_DATE: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[t ](\d\d):?(\d\d)(?::?(\d\d))?z?)?(?!\d)", re.ASCII)
_COMPACT_DATE: Final = re.compile(
    r"((?:19|20)\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?:([01]\d|2[0-3])([0-5]\d)([0-5]\d)?)?", re.ASCII
)
_NUMBERED: Final = re.compile(
    r"(?:[a-z][a-z0-9]*[-/. ]+)*?(?:version|ver|v|release|rel|r|firmware|fw|build)?"
    r"(?P<numbers>\d+(?:\.\d+)*)(?P<rest>[a-z0-9.~ -]*)",
    re.ASCII,
)
_TOKEN: Final = re.compile(r"[a-z]+|\d+", re.ASCII)

_FINAL: Final = frozenset({"release", "final", "stable", "ga"})
_AFTER: Final = frozenset({"post", "patch", "hotfix", "fix", "rev", "r", "p", "sp"})
_STAGES: Final = {
    "a": "alpha",
    "b": "beta",
    "c": "rc",
    "pre": "rc",
    "preview": "rc",
    # What is built every day comes before what is shown to testers.
    "dev": "",
    "nightly": "",
    "snapshot": "",
}


@dataclass(frozen=True, slots=True)
class _Version:
    """Where a version stands in the order, and what tells it from others that stand there."""

    key: SortKey
    build: str


def is_newer(latest: str, installed: str) -> bool:
    """Tell whether a version comes after the installed one; False where that cannot be known. Never raises."""
    one, other = _parse(latest), _parse(installed)
    return one is not None and other is not None and one.key > other.key and not _is_cut(latest, installed)


def is_same(one: str, other: str) -> bool:
    """Tell whether two texts name one version; an empty text names none. Never raises.

    `v1.2` is `1.2.0`; `15.5.0` may be `15.5.0(tasmota)`, which is not `15.5.0(lite)`; a short hash is its long one.
    """
    one, other = one.strip(), other.strip()
    if not one or not other:
        return False
    if one == other or _is_cut(one, other):
        return True
    left, right = _parse(one), _parse(other)
    if left is None or right is None:
        return _is_one_hash(one.lower(), other.lower())
    return left.key == right.key and (
        not left.build or not right.build or left.build == right.build or _is_one_hash(left.build, right.build)
    )


def is_of_series(version: str, series: str) -> bool:
    """Tell whether a version's numbers begin with those of a series: 1.4.2 is of 1.4, and 1.40 is not. Never raises."""
    one, wanted = _parse(version), _parse(series)
    if one is None or wanted is None:
        return False
    # Zeros at the end are left out of a key, and count in a series.
    asked = [int(part) for part in series.strip().split(".") if part.isdecimal()]
    numbers = [*one.key[1], *[0] * len(asked)]
    return bool(asked) and numbers[: len(asked)] == asked


def sort_key(version: str) -> SortKey:
    """Return a key that sorts versions from old to new, those without an order first and equal. Never raises."""
    parsed = _parse(version)
    return parsed.key if parsed else _UNORDERED


def newest_first[T](items: Iterable[T], key: Callable[[T], str]) -> tuple[T, ...]:
    """Sort by version; what has no order comes last, in the order in which it was given."""
    return tuple(sorted(items, key=lambda item: sort_key(key(item)), reverse=True))


def _parse(text: str) -> _Version | None:
    if len(text) > _MAX_LENGTH:
        return None
    # Where an underscore is not a point (v1_2_3), it is a hyphen (1.2.3_beta).
    text = text.strip().lower().replace("_", "-" if "." in text else ".")
    text, build = _split_build(text)
    text, dirty = _cut(_DIRTY, text)
    text, commits = _cut(_DESCRIBE, text)
    if _HASH.fullmatch(text):
        return None
    text, commit = _cut(_COMMIT, text)
    match = _NUMBERED.fullmatch(_ISO_DATE.sub(_dotted, text))
    if match is None:
        return None
    before, after = _read_stage(match["rest"])
    if commits:
        after = (*after, int(commits[1]))
        build = (commits[2], *build)
    if commit:
        build = (commit[1], *build)
    is_dirty = dirty is not None or (commits is not None and commits[3] is not None)
    key = (True, _read_numbers(match["numbers"]), not before, before, _without_zeros(after), is_dirty)
    return _Version(key, " ".join(filter(None, build)))


def _cut(pattern: re.Pattern[str], text: str) -> tuple[str, re.Match[str] | None]:
    """Split off the end of a text where it matches."""
    match = pattern.search(text)
    return (text[: match.start()], match) if match else (text, None)


def _split_build(text: str) -> tuple[str, tuple[str, ...]]:
    """Split off build metadata, but not commits that are counted in it."""
    text, variant = _cut(_VARIANT, text)
    build = (variant[1],) if variant else ()
    bare, _ = _cut(_DIRTY, text)
    if "+" in bare and not _DESCRIBE.search(bare):
        text, _, metadata = text.partition("+")
        build = (metadata, *build)
    return text, build


def _dotted(date: re.Match[str]) -> str:
    return ".".join(filter(None, date.groups()))


def _read_numbers(text: str) -> tuple[int, ...]:
    first, dot, rest = text.partition(".")
    if date := _COMPACT_DATE.fullmatch(first):
        first = _dotted(date)
    return _without_zeros(tuple(map(int, f"{first}{dot}{rest}".split("."))))


def _read_stage(text: str) -> tuple[tuple[Token, ...], tuple[int, ...]]:
    """Read what follows the numbers: the steps of a pre-release, or the numbers of what came after the release."""
    tokens: list[str] = _TOKEN.findall(text)
    if tokens and tokens[0] in _FINAL:
        del tokens[0]
    if not tokens:
        return (), ()
    after = tokens[1:] if tokens[0] in _AFTER else tokens
    if len(after) <= 1 and all(map(str.isdigit, after)):
        return (), tuple(map(int, after or ("1",)))
    return tuple(map(_read_token, tokens)), ()


def _read_token(token: str) -> Token:
    return (False, int(token), "") if token.isdigit() else (True, 0, _STAGES.get(token, token))


def _without_zeros(numbers: tuple[int, ...]) -> tuple[int, ...]:
    while numbers and numbers[-1] == 0:
        numbers = numbers[:-1]
    return numbers


def _is_one_hash(one: str, other: str) -> bool:
    """Tell whether one is a shorter writing of the other."""
    one, other = one.removeprefix("g"), other.removeprefix("g")
    return all(map(_HASH.fullmatch, (one, other))) and (one.startswith(other) or other.startswith(one))


def _is_cut(one: str, other: str) -> bool:
    """Tell whether one is what an image's descriptor can hold of the other."""
    short, long = sorted((one.strip(), other.strip()), key=len)
    return len(short) == _DESCRIPTOR_LENGTH and long.startswith(short)

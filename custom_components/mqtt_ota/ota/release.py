"""Releases, and which of them a board can take."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from .asset_name import chip_evidence, chip_spellings, chips_hinted, is_application
from .board import Board
from .errors import OtaError, Reason
from .globs import chip_specificity, is_literal, matches_name, specificity
from .signature import Manifest, decode, load_public_key, verify
from .version import is_newer, is_of_series, is_same, newest_first


class Channel(StrEnum):
    """Which releases a user wants; beta sees the stable ones too."""

    STABLE = "stable"
    BETA = "beta"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One file of a release; empty text and None mean that the feed does not say.

    `size` is bytes, the digests are lower-case hex, `signature` is base64 of r and s, `model` may be a glob. A board
    must run at least `min_version` and at most `max_version` to take the file. `url` is absolute, or for a folder the
    path below it.
    """

    name: str
    url: str
    size: int | None = None
    sha256: str = ""
    md5: str = ""
    chip: str = ""
    model: str = ""
    project: str = ""
    signature: str = ""
    counter: int = 0
    min_version: str = ""
    max_version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A version that was published; `notes` is Markdown, `published` ISO 8601, `url` the page about it."""

    version: str
    title: str = ""
    notes: str = ""
    url: str = ""
    published: str = ""
    prerelease: bool = False
    assets: tuple[Asset, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A kind of firmware, and which boards it fits: globs on what a board says, empty for any.

    `asset_pattern` is a glob on file names and may hold {model} {chip} {project} {id} {version}.
    """

    name: str
    board_id: str = ""
    model: str = ""
    chip: str = ""
    project: str = ""
    asset_pattern: str = ""
    channel: Channel = Channel.STABLE
    public_key: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A release that a board can take, with the file that is for it."""

    release: Release
    asset: Asset
    product: Product


def fits(product: Product, board: Board) -> int | None:
    """Return how specifically a product fits a board, more being more, or None when it does not.

    The id says most about a board, then the model, then the project, then the chip.
    """
    board_id = specificity(product.board_id, board.id)
    model = specificity(product.model, board.model)
    project = specificity(product.project, board.project)
    chip = chip_specificity(product.chip, board.chip)
    if board_id is None or model is None or project is None or chip is None:
        return None
    return 8 * board_id + 4 * model + 2 * project + chip


def product_for(board: Board, products: Iterable[Product]) -> Product | None:
    """Return the product that fits a board most specifically; OtaError(AMBIGUOUS_RELEASE) when that are two."""
    scored = [(score, product) for product in products if (score := fits(product, board)) is not None]
    if not scored:
        return None
    highest = max(score for score, _ in scored)
    first, *others = (product for score, product in scored if score == highest)
    if others:
        raise OtaError(Reason.AMBIGUOUS_RELEASE, first=first.name, second=others[0].name)
    return first


def candidates(board: Board, product: Product, releases: Iterable[Release]) -> tuple[Candidate, ...]:
    """Return what this board can take, newest first; a version without a file for it is none.

    Signatures must be there where they are needed, but are verified in `choose` and `check_signature` alone.
    """
    verdicts = (_judge(board, product, group) for group in _versions(_visible(product, releases)))
    return tuple(verdict for verdict in verdicts if isinstance(verdict, Candidate))


def choose(board: Board, product: Product, releases: Iterable[Release], version: str | None) -> Candidate:
    """Return the newest release that this board can take, or the one of a version; raises why there is none.

    OtaError: NO_RELEASE, VERSION_UNKNOWN, NO_ASSET, AMBIGUOUS_RELEASE, OTHER_SERIES, VERSION_TOO_OLD,
    VERSION_TOO_NEW, COUNTER_TOO_LOW, SIGNATURE_MISSING, SIGNATURE_INVALID, KEY_INVALID or MANIFEST_INVALID.
    """
    visible = _visible(product, releases)
    if not visible:
        raise OtaError(Reason.NO_RELEASE, product=product.name)
    if version is not None:
        visible = [release for release in visible if is_same(release.version, version)]
        if not visible:
            raise OtaError(Reason.VERSION_UNKNOWN, product=product.name, version=version)
    verdicts = [_judge(board, product, group) for group in _versions(visible)]
    chosen = next((verdict for verdict in verdicts if isinstance(verdict, Candidate)), verdicts[0])
    if isinstance(chosen, OtaError):
        raise chosen
    if chosen.asset.sha256 and chosen.asset.size:
        check_signature(chosen, board, size=chosen.asset.size, sha256=chosen.asset.sha256)
    return chosen


def _visible(product: Product, releases: Iterable[Release]) -> list[Release]:
    """Return the releases of a product's channel, newest first."""
    in_channel = [release for release in releases if product.channel is Channel.BETA or not release.prerelease]
    return list(newest_first(in_channel, lambda release: release.version))


def _versions(releases: Sequence[Release]) -> list[list[Release]]:
    """Group releases, newest first, that say the same version."""
    groups: list[list[Release]] = []
    # Versions without an order can say the same and not be neighbours.
    by_text: dict[str, list[Release]] = {}
    for release in releases:
        is_next = bool(groups) and is_same(groups[-1][0].version, release.version)
        group = by_text.get(release.version) or (groups[-1] if is_next else [])
        if not group:
            groups.append(group)
        group.append(release)
        by_text[release.version] = group
    return groups


def _judge(board: Board, product: Product, releases: Sequence[Release]) -> Candidate | OtaError:
    """Return what a board can take of the releases of one version, or why it can take none."""
    found: list[Candidate] = []
    refusals: list[OtaError] = []
    for release in releases:
        try:
            found.append(Candidate(release, _pick(board, product, release), product))
        except OtaError as err:
            refusals.append(err)
    ambiguous = [err for err in refusals if err.reason is Reason.AMBIGUOUS_RELEASE]
    if ambiguous or not found:
        # That one release of a version has no file for this board says less than what is wrong with another.
        return min(ambiguous or refusals, key=lambda err: err.reason is Reason.NO_ASSET)
    try:
        _sole([candidate.asset for candidate in found])
    except OtaError as err:
        return err
    return found[0]


def _pick(board: Board, product: Product, release: Release) -> Asset:
    """Return the one file of a release that is for a board; raises OtaError when it is not exactly one."""
    ranked = _ranked(board, product, release)
    if not ranked:
        raise OtaError(Reason.NO_ASSET, board=board.name or board.id, version=release.version, chip=board.chip)
    # A file that says less is no substitute for the one that is meant: its publisher had a reason to make both.
    highest = max(rank for rank, _ in ranked)
    meant = [(asset, _refusal(board, product, release, asset)) for rank, asset in ranked if rank == highest]
    takeable = [asset for asset, refusal in meant if refusal is None]
    if not takeable:
        raise next(refusal for _, refusal in meant if refusal)
    return _sole(takeable)


def _sole(assets: Sequence[Asset]) -> Asset:
    """Return the one file that all of these are; OtaError(AMBIGUOUS_RELEASE) when they differ."""
    first, *others = assets
    for other in others:
        digests = (first.sha256, other.sha256)
        if digests[0] != digests[1] if all(digests) else first.url != other.url:
            raise OtaError(Reason.AMBIGUOUS_RELEASE, first=first.name or first.url, second=other.name or other.url)
    return first


def _ranked(board: Board, product: Product, release: Release) -> list[tuple[tuple[int, int, int], Asset]]:
    """Return the files that may be for a board, each with how much it says so: by model, project and chip."""
    files = [asset for asset in release.assets if is_application(asset.name)]
    # A file that says nothing is for any board only where no other file says more.
    is_anonymous = not any(asset.chip or asset.model or chips_hinted(asset.name) for asset in files)
    ranked = []
    for asset in files:
        if board.build and _build_of(asset) != board.build.casefold():
            continue
        if product.asset_pattern and not _is_asked_for(board, product, release, asset):
            continue
        model = specificity(asset.model, board.model)
        project = specificity(asset.project, board.project)
        is_told = bool(product.asset_pattern or asset.model or board.build)
        chip = chip_evidence(board.chip, asset.chip, asset.name, is_told=is_told, is_anonymous=is_anonymous)
        if model is not None and project is not None and chip is not None:
            ranked.append(((model, project, chip), asset))
    return ranked


def _build_of(asset: Asset) -> str:
    """Return the name of the build that a file is: the file's own, without folders and its ending."""
    return (asset.name or asset.url).rpartition("/")[2].casefold().removesuffix(".bin")


def _is_asked_for(board: Board, product: Product, release: Release, asset: Asset) -> bool:
    """Tell whether a file's name matches the user's pattern."""
    values = {
        "model": (board.model,),
        "chip": chip_spellings(board.chip),
        "project": (board.project,),
        "id": (board.id,),
        "version": (release.version, release.version.lstrip("vV")),
    }
    return matches_name(product.asset_pattern, asset.name, values)


def _refusal(board: Board, product: Product, release: Release, asset: Asset) -> OtaError | None:
    """Return why a board cannot take the file that is for it; a bound on a version that it does not say is not met."""
    version, installed = release.version, board.version or "?"
    if board.series and not is_of_series(version, board.series):
        return OtaError(Reason.OTHER_SERIES, version=version, series=board.series)
    if asset.min_version and (not board.version or is_newer(asset.min_version, board.version)):
        return OtaError(Reason.VERSION_TOO_OLD, version=version, installed=installed, minimum=asset.min_version)
    if asset.max_version and (not board.version or is_newer(board.version, asset.max_version)):
        return OtaError(Reason.VERSION_TOO_NEW, version=version, installed=installed, maximum=asset.max_version)
    if asset.counter < board.counter:
        return OtaError(Reason.COUNTER_TOO_LOW, version=version, counter=asset.counter, minimum=board.counter)
    if (board.keys or product.public_key) and not asset.signature:
        return OtaError(Reason.SIGNATURE_MISSING, version=version, asset=asset.name or asset.url)
    return None


def manifest(candidate: Candidate, board: Board, *, size: int, sha256: str) -> Manifest:
    """Return what a board is told about a candidate's image, of this size in bytes and digest in hex.

    Signed, it is what the publisher signed: the feed's words, a glob of models as any model. Unsigned, it is in the
    board's own words, which it compares. Raises OtaError(MANIFEST_INVALID).
    """
    asset = candidate.asset
    signed_model = asset.model if is_literal(asset.model) else ""
    return Manifest(
        model=signed_model if asset.signature else board.model,
        chip=(asset.chip or board.chip) if asset.signature else (board.chip or asset.chip),
        version=candidate.release.version,
        size=size,
        sha256=sha256,
        counter=asset.counter,
    )


def check_signature(candidate: Candidate, board: Board, *, size: int, sha256: str) -> None:
    """Verify a candidate's signature with its product's key, if there is one, once its image is known.

    Raises OtaError(SIGNATURE_INVALID, KEY_INVALID or MANIFEST_INVALID).
    """
    if key := candidate.product.public_key:
        text = manifest(candidate, board, size=size, sha256=sha256).text()
        verify(text, decode(candidate.asset.signature), load_public_key(key))

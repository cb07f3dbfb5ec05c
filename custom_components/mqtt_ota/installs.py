"""From a user's wish to a session: everything that must hold before a byte is sent."""

import logging

from .firmware_store import StoredImage
from .member import Member
from .ota.board import Board
from .ota.dialects import Traits
from .ota.errors import OtaError, Reason
from .ota.image import check_fits
from .ota.release import Candidate, check_signature, manifest
from .ota.session import Session, Target
from .ota.version import is_same
from .runtime import Runtime

_LOGGER = logging.getLogger(__name__)


async def async_install(runtime: Runtime, member: Member, version: str | None, retries: int = 0) -> Session:
    """Fetch and check the image of a version (None: the newest) and queue its install.

    What may pass is tried again `retries` times. Raises OtaError with the reason for which nothing was begun.
    """
    if member.is_installing:
        raise OtaError(Reason.ALREADY_INSTALLING, board=member.name)
    member.preparing = True
    member.async_changed()
    try:
        await runtime.catalogue.async_read(member.board)
        candidate = runtime.catalogue.choose(member.board, version)
        transport = runtime.sessions.transport(member, runtime.preferred)
        stored = await runtime.catalogue.async_fetch(candidate)
        is_described = Traits.SIGNED in runtime.fleet.dialect_of(member).traits
        target = _target(member.board, candidate, stored, is_described=is_described)
        return await runtime.sessions.async_begin(member, target, transport, runtime.patience, retries)
    finally:
        member.preparing = False
        member.async_changed()


def _target(board: Board, candidate: Candidate, stored: StoredImage, *, is_described: bool) -> Target:
    """Return what a session brings to a board, to which it `is_described` in a manifest.

    Raises OtaError when the board could not run it.
    """
    check_fits(stored.image, board)
    version, asset = candidate.release.version, candidate.asset
    if board.sha256 == stored.sha256 or (not board.sha256 and is_same(version, board.version)):
        raise OtaError(Reason.ALREADY_INSTALLED, board=board.name or board.id, version=version)
    if board.project and stored.image.project and board.project != stored.image.project:
        # Frameworks put their own name there, so this is no proof of a wrong image.
        _LOGGER.warning(
            "The image of %s names the project %s, the board %s says %s",
            asset.name,
            stored.image.project,
            board.id,
            board.project,
        )
    check_signature(candidate, board, size=stored.size, sha256=stored.sha256)
    described = manifest(candidate, board, size=stored.size, sha256=stored.sha256) if is_described else None
    return Target(
        version=version,
        sha256=stored.sha256,
        size=stored.size,
        manifest="" if described is None else described.text(),
        signature=asset.signature,
        digests=stored.image.digests,
        url=asset.url if "://" in asset.url else "",
    )

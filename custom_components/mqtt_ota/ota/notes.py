"""Release notes: what changed since the version that a board runs."""

from collections.abc import Sequence

from .release import Candidate, Release
from .version import is_newer, is_same, newest_first


def notes_since(candidates: Sequence[Candidate], installed: str, latest: str, limit: int = 10) -> str:
    """Return the notes of what is newer than `installed` up to `latest`, newest first, as Markdown.

    At most `limit` releases; the rest is a link to the newest of them. Of versions without an order, only the latest.
    """
    releases = newest_first((candidate.release for candidate in candidates), lambda release: release.version)
    fresh = [release for release in releases if _is_between(release.version, installed, latest)]
    sections = [_section(release) for release in fresh[:limit]]
    if rest := fresh[limit:]:
        versions = " - ".join(dict.fromkeys((rest[0].version, rest[-1].version)))
        sections.append(f"[… {versions}](<{rest[0].url}>)" if rest[0].url else f"… {versions}")
    return "\n\n".join(sections)


def _is_between(version: str, installed: str, latest: str) -> bool:
    """Tell whether a version comes after the installed one, and not after the latest."""
    if is_same(version, latest):
        return not is_same(version, installed) and not is_newer(installed, version)
    return is_newer(version, installed) and is_newer(latest, version)


def _section(release: Release) -> str:
    heading = release.version if release.title in {"", release.version} else f"{release.version}: {release.title}"
    return f"## {heading}\n\n{release.notes}".rstrip()

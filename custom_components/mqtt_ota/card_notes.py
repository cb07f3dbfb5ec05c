"""What a card must say before anything else, so that it claims no more than is known."""

from typing import Final

from homeassistant.core import HomeAssistant

from .cohort_issues import cohort_of
from .markdown import code, escape
from .member import Member
from .ota.session import Session, State
from .runtime import Runtime
from .texts import Texts, async_cached_texts

# What Home Assistant keeps of a summary.
SUMMARY_LENGTH: Final = 255
SHORTEST_EXCERPT: Final = 20
TOPIC_LENGTH: Final = 48


def version_source(member: Member) -> str:
    """Return how the installed version of a board is known."""
    if member.board.version:
        return "board"
    return "installed_from_here" if member.version else "nobody"


def card_notes(hass: HomeAssistant, runtime: Runtime, member: Member) -> str:
    """Return what must be said of a board, in the user's language; empty where what is shown is sure and its own."""
    texts = async_cached_texts(hass)
    said = []
    if (source := version_source(member)) != "board":
        said.append(texts.get(f"card_version_{source}"))
    if member.session is not None and member.session.state is State.UNVERIFIED:
        said.append(_unverified(texts, member.session))
    if mates := cohort_of(runtime, member):
        said.append(texts.get("card_shared_trigger", count=len(mates), topic=_short(member.board.cohort)))
    return " ".join(filter(None, said))


def _short(topic: str) -> str:
    """Return a topic that leaves room for the rest."""
    return code(topic if len(topic) <= TOPIC_LENGTH else f"{topic[: TOPIC_LENGTH - 1]}…")


def _unverified(texts: Texts, session: Session) -> str:
    """Return what is known of an update that no board confirmed."""
    version = escape(session.target.version)
    match session.detail:
        case "fetched_all":
            return texts.get("card_fetched_all", version=version)
        case "sent_only":
            return texts.get("card_sent_only", version=version)
    return texts.get("card_unverified", version=version)


def summary(notes: str, release_notes: str) -> str | None:
    """Return what must be said and the first paragraph of release notes that is no heading, as long as there is room."""
    text = "\n".join("" if line.startswith("#") else line for line in release_notes.splitlines())
    paragraph = next((part.strip() for part in text.split("\n\n") if part.strip()), "")
    room = SUMMARY_LENGTH - len(notes) - 2 * bool(notes)
    if len(paragraph) > room:
        paragraph = paragraph[: room - 1].rstrip() + "…" if room >= SHORTEST_EXCERPT else ""
    return "\n\n".join(filter(None, (notes, paragraph))) or None

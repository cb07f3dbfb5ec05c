"""Why an update did not happen, as one sentence for people."""

from homeassistant.core import HomeAssistant, callback

from .texts import async_cached_texts

_EXCEPTIONS = "exceptions"


@callback
def reason_in_words(hass: HomeAssistant, reason: str | None, **known: object) -> str | None:
    """Return what a reason's code means, filled with what is `known`; the code in words where that does not suffice."""
    if not reason:
        return None
    texts = async_cached_texts(hass, _EXCEPTIONS)
    for key in (f"install_{reason}", reason):
        sentence, stop, _ = texts.get(f"{key}.message").partition(". ")
        needed = sentence + stop.strip()
        for name, value in known.items():
            needed = needed.replace(f"{{{name}}}", str(value))
        if needed and "{" not in needed:
            return needed
    return reason.replace("_", " ")

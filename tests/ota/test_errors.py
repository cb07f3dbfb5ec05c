"""A reason speaks for itself in the log."""

from custom_components.mqtt_ota.ota.errors import OtaError, Reason


def test_an_error_names_its_reason_and_its_placeholders() -> None:
    assert str(OtaError(Reason.STALLED)) == "stalled"
    error = OtaError(Reason.TOO_LARGE, size=5, slot=4)
    assert (str(error), error.placeholders) == ("too_large: size=5, slot=4", {"size": "5", "slot": "4"})

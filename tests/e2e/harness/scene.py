"""The scene that the demo and most tests open with: two boards run 1.0.0, and there is a 1.1.0."""

from tests.firmware_images import build_app

from .boards import BoardPlan
from .house import House

CHIP = "ESP32-S3"
INSTALLED = "1.0.0"
LATEST = "1.1.0"
NOTES = """\
### Quieter relays

- Relays switch at zero crossing, so that they no longer click on the radio.
- The night light keeps its colour after a power cut.
- Fixed: the third input was read twice.
"""
# As fast as a board writes its flash; the bar moves for some seconds.
_RATE = "200"
_SIZE = 1 << 20

FIRST = BoardPlan(id="relay-1", name="Relay kitchen", chip=CHIP, version=INSTALLED, options={"rate": _RATE})
SECOND = BoardPlan(id="relay-2", name="Relay garden", chip=CHIP, version=INSTALLED, options={"rate": _RATE})


async def set_scene(house: House, *boards: BoardPlan, size: int = _SIZE) -> None:
    """Switch the boards on, publish both versions, and set the integration up."""
    for version, notes in ((INSTALLED, "First release."), (LATEST, NOTES)):
        house.feed.publish(version, build_app(CHIP, version, "relay", size), chip=CHIP, notes=notes)
    for plan in boards:
        await house.add_board(plan)
    await house.add_feed(await house.accept_discovery())

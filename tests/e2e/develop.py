"""A house to develop in: the demo's, without the install; Home Assistant restarts when the integration changes.

`scripts/develop`
"""

import argparse
import asyncio
from contextlib import suppress
from pathlib import Path

from .harness.house import House, open_house
from .harness.places import ROOT
from .harness.scene import FIRST, SECOND, set_scene
from .runner import run
from .terminal import say

_WATCHED = ROOT / "custom_components/mqtt_ota"
_PAUSE = 0.5


async def develop() -> None:
    """Build the house and keep it in step with the work tree."""
    say("Starting a private MQTT broker, Home Assistant, a release feed and two boards ...")
    async with open_house() as house:
        await set_scene(house, FIRST, SECOND)
        say(f"Home Assistant: {house.home_assistant.url}/config/integrations/integration/mqtt_ota")
        say(f"                user {house.login.username}, password {house.login.password}")
        say(f"MQTT broker:    127.0.0.1:{house.broker.port}")
        say(f"Release feed:   {house.feed.url}")
        say(f"Logs:           {house.folder}/*.log")
        say("Home Assistant restarts when the integration changes. Ctrl-C ends everything.")
        reading = asyncio.create_task(_read_log(house.home_assistant.program.log))
        try:
            with suppress(asyncio.CancelledError):
                await _restart_on_changes(house)
        finally:
            reading.cancel()


async def _restart_on_changes(house: House) -> None:
    """Restart Home Assistant after each change."""
    seen = _stamps()
    while True:
        await asyncio.sleep(_PAUSE)
        if (now := _stamps()) == seen:
            continue
        changed = ", ".join(sorted({Path(path).name for path, _ in now ^ seen}))
        seen = now
        say(f"{changed} changed: restarting Home Assistant ...")
        await house.restart_home_assistant()
        say("Home Assistant is back.")


def _stamps() -> frozenset[tuple[str, int]]:
    """Return the watched files and when each was written."""
    stamps = set()
    for path in _WATCHED.rglob("*"):
        # Editors replace files: one may be gone by now.
        with suppress(FileNotFoundError):
            if path.is_file() and "__pycache__" not in path.parts:
                stamps.add((str(path), path.stat().st_mtime_ns))
    return frozenset(stamps)


async def _read_log(log: Path) -> None:
    """Show what Home Assistant says from now on."""
    with log.open(errors="replace") as lines:
        while True:
            for line in lines:
                say(f"  {line.rstrip()}")
            await asyncio.sleep(_PAUSE)


def main() -> None:
    """Read the command line and run."""
    argparse.ArgumentParser(
        prog="scripts/develop", description="A Home Assistant that follows the work tree."
    ).parse_args()
    run(develop())


if __name__ == "__main__":
    main()

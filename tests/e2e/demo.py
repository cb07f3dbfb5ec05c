"""The demonstration: one update is installed before your eyes, a second one waits for your click.

`scripts/demo [--once]`; with --once, or without a terminal to wait at, it ends after the first. With --seeds it is boards
that are already in the field, one of each protocol, and all of them are updated.
"""

import argparse
import asyncio
from contextlib import AsyncExitStack, suppress
import sys

from .harness import esphome
from .harness.api import Json
from .harness.house import House, open_house
from .harness.scene import FIRST, INSTALLED, LATEST, SECOND, set_scene
from .harness.seeds import LATEST as SEED_LATEST, Seed, add_seed, seeds
from .runner import FailedError, run
from .terminal import ProgressLine, say


async def demonstrate(*, once: bool) -> None:
    """Build the house, install the update on the first board, and leave the second to the user."""
    say("Starting a private MQTT broker, Home Assistant, a release feed and two boards ...")
    third = None if once else await esphome.build()
    async with open_house() as house:
        if third is not None:
            await esphome.add_board(house, third)
        await set_scene(house, FIRST, SECOND)
        first, second = [await house.update_entity(plan.id) for plan in (FIRST, SECOND)]
        say(f"{FIRST.name} and {SECOND.name} announced {INSTALLED}; the feed has {LATEST}.")
        await install(house, first)
        if once:
            return
        say("")
        say(f"Your turn: {house.home_assistant.url}/config/updates?more-info-entity-id={second}")
        say(f"           user {house.login.username}, password {house.login.password}")
        if third is not None:
            say(f"{esphome.NAME} waits too: a program that ESPHome built, and that its update will replace.")
        say(f"{SECOND.name} waits for its update. Ctrl-C ends everything.")
        with suppress(asyncio.CancelledError):
            await follow(house, second, SECOND.name)


async def demonstrate_seeds(*, once: bool) -> None:
    """Set up the protocols of boards in the field, and update one of each."""
    say("Starting a private MQTT broker, Home Assistant, and a board of each protocol ...")
    async with open_house() as house, AsyncExitStack() as stack:
        entry_id = await house.set_up_integration()
        for seed in seeds():
            await add_seed(house, stack, entry_id, seed)
        await house.settled(entry_id)
        # All at once: the queue of the house lets two go at a time.
        await asyncio.gather(*(install_seed(house, seed) for seed in seeds()))
        say("All of them are updated, and each says no more than is known of it.")
        if not once:
            say(f"Look around: {house.home_assistant.url}/config/updates")
            say(f"             user {house.login.username}, password {house.login.password}. Ctrl-C ends everything.")
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()


async def install_seed(house: House, seed: Seed) -> None:
    """Update one board, and say what can be known of it."""
    entity_id = await house.update_entity(seed.member_id)
    await house.install(entity_id)
    attributes = (await house.api.state(entity_id) or {}).get("attributes", {})
    verdict, installed = attributes.get("install_state"), attributes.get("installed_version")
    known = attributes.get("version_source")
    if (verdict, installed) != (seed.verdict, SEED_LATEST):
        raise FailedError(f"{seed.label}: Home Assistant shows {installed}, {verdict}.")
    say(f"{seed.label}: {installed}, {verdict}; the version is known from: {known}.")


async def install(house: House, entity_id: str) -> None:
    """Press the button as a script would, and show how it goes."""
    say(f"Installing with the action update.install on {entity_id}:")
    following = asyncio.create_task(follow(house, entity_id, FIRST.name))
    try:
        await house.install(entity_id)
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
    state = await house.api.state(entity_id) or {}
    installed = state.get("attributes", {}).get("installed_version")
    if state.get("state") != "off" or installed != LATEST:
        raise FailedError(f"Home Assistant shows {installed} and '{state.get('state')}' after the install.")
    say(f"The board came back and confirmed {installed}: up to date.")


async def follow(house: House, entity_id: str, label: str) -> None:
    """Show the progress of a board's updates, for as long as Home Assistant runs."""
    line = ProgressLine(label)
    try:
        async with house.api.states(entity_id) as states:
            async for state in states:
                show(line, state["attributes"], label)
    finally:
        line.end()
    house.home_assistant.program.check()


def show(line: ProgressLine, attributes: Json, label: str) -> None:
    """Show one state of an update entity."""
    if attributes["in_progress"]:
        line.show(attributes["update_percentage"], attributes["install_state"] or "")
    elif line.is_shown:
        line.end()
        say(f"{label} runs {attributes['installed_version']}.")


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="scripts/demo", description="An update over MQTT, on real parts.")
    parser.add_argument("--once", action="store_true", help="end after the first install")
    parser.add_argument("--seeds", action="store_true", help="update a board of each protocol that is in the field")
    chosen = parser.parse_args()
    once = chosen.once or not sys.stdin.isatty()
    run((demonstrate_seeds if chosen.seeds else demonstrate)(once=once))


if __name__ == "__main__":
    main()

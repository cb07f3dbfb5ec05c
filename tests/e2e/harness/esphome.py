"""A board that ESPHome built for the PC, where ESPHome is there: a program that replaces itself."""

import asyncio
from dataclasses import dataclass
from functools import partial
from pathlib import Path
import shutil
from typing import Final

from tests.esphome.tools import build_host, lacks

from .house import House
from .ports import LOOPBACK
from .programs import Program
from .scene import INSTALLED, LATEST, NOTES

BOARD_ID: Final = "esphome-1"
NAME: Final = "ESPHome relay"
CHIP: Final = "host"


@dataclass(frozen=True, slots=True)
class Builds:
    """The two programs that one YAML made, as the installed version and as the latest."""

    installed: Path
    latest: Path


async def build() -> Builds | None:
    """Build both programs, or look them up; None where ESPHome or a library is missing."""
    if await asyncio.to_thread(lacks):
        return None
    build_ours = partial(build_host, board=BOARD_ID, title=NAME)
    installed, latest = [await asyncio.to_thread(build_ours, version) for version in (INSTALLED, LATEST)]
    return Builds(installed, latest)


async def add_board(house: House, builds: Builds) -> Path:
    """Publish the latest build, switch on a board with the installed one, and return the file that it runs."""
    house.feed.publish(LATEST, builds.latest.read_bytes(), chip=CHIP, notes=NOTES)
    home = house.folder / "boards" / BOARD_ID
    home.mkdir(parents=True)
    program = home / "board"
    shutil.copyfile(builds.installed, program)
    program.chmod(0o755)
    told = {"ESPHOME_PREFDIR": str(home), "MQTT_OTA_BROKER": f"{LOOPBACK}:{house.broker.port}"}
    command = ["env", *(f"{name}={value}" for name, value in told.items()), str(program)]
    running = Program(f"board-{BOARD_ID}", command, folder=home, log=house.folder / f"board-{BOARD_ID}.log")
    house.others.append(running)
    await running.start()
    return program

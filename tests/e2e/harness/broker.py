"""A private MQTT broker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
import os
from pathlib import Path

from .places import find_mosquitto
from .ports import LOOPBACK, reserved_port
from .programs import MissingProgramError, Program
from .waiting import until


@dataclass(frozen=True, slots=True)
class Broker:
    """A mosquitto that answers on loopback."""

    port: int
    program: Program

    async def start(self) -> None:
        """Start the broker and wait until it answers."""
        await self.program.start()
        await until(self._answers, "the broker", timeout=20, but=(OSError,))

    async def _answers(self) -> bool:
        self.program.check()
        _, writer = await asyncio.open_connection(LOOPBACK, self.port)
        writer.close()
        return True


@asynccontextmanager
async def run_broker(folder: Path) -> AsyncIterator[Broker]:
    """Run a mosquitto of its own, without memory, for as long as the context lasts."""
    if (mosquitto := find_mosquitto()) is None:
        raise MissingProgramError(
            "Mosquitto was not found: install it with your package manager, or run scripts/setup."
        )
    home = folder / "broker"
    home.mkdir()
    with reserved_port() as port:
        settings = [f"listener {port} {LOOPBACK}", "allow_anonymous true", "persistence false", "log_dest stderr"]
        settings.append("set_tcp_nodelay true")
        if os.geteuid() == 0:
            settings.append("user root")
        (home / "mosquitto.conf").write_text("\n".join([*settings, ""]))
        command = [mosquitto, "-c", str(home / "mosquitto.conf")]
        broker = Broker(port, Program("mosquitto", command, folder=home, log=folder / "mosquitto.log"))
        try:
            await broker.start()
            yield broker
        finally:
            await broker.program.stop()

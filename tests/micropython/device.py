"""A board as a user makes one: the agent, the example as `main.py`, an application; and its power."""

import json
from pathlib import Path
import random
import shutil
import subprocess
import threading
from typing import Any

from .interpreter import AGENT, PROGRAM

STATE = ".mqtt_ota"
APP = """
import asyncio
from lib import lamp

async def main(agent):
    print("lamp", lamp.COLOUR, agent.version)
    while True:
        await asyncio.sleep(1)
"""


class Device:
    """MicroPython in a folder, which starts again when it ends, as a board does after `machine.reset`."""

    def __init__(self, folder: Path, port: int, **settings: Any) -> None:
        """Copy to the board what a user copies by hand."""
        self.folder = folder
        self.lines: list[str] = []
        self.starts = 0
        self._off = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None
        folder.mkdir()
        shutil.copy(AGENT, folder)
        shutil.copy(AGENT.with_name("example_main.py"), folder / "main.py")
        known = {"id": "relay-1", "broker": "127.0.0.1", "port": port, "model": "relay", "version": "1.0.0"}
        (folder / "settings.json").write_text(json.dumps(known | {"folder": ".", "trial": 0.1} | settings))
        self.own = {"mqtt_ota.py", "main.py", "settings.json"}

    def copy(self, files: dict[str, bytes]) -> None:
        """Copy an application to the board."""
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    @property
    def files(self) -> dict[str, bytes]:
        """Return the application's files."""
        paths = (path for path in self.folder.rglob("*") if path.is_file() and STATE not in path.parts)
        found = {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in paths}
        return {name: content for name, content in found.items() if name not in self.own}

    def start(self, *, cuts: random.Random | None = None, times: int = 0) -> None:
        """Give it power, which fails so many times, at moments that chance decides."""
        self._off.clear()
        self._thread = threading.Thread(target=self._run, args=(cuts, times), name="device", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take its power."""
        self._off.set()
        if self._process is not None:
            self._process.kill()
        if self._thread is not None:
            self._thread.join()

    def _run(self, cuts: random.Random | None, times: int) -> None:
        while not self._off.is_set():
            self.starts += 1
            with subprocess.Popen(
                [PROGRAM, "main.py"],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            ) as self._process:
                reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
                reader.start()
                if cuts is not None and times:
                    times -= 1
                    try:
                        self._process.wait(cuts.uniform(0.02, 0.4))
                    except subprocess.TimeoutExpired:
                        self._process.kill()
                reader.join()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.lines += process.stdout

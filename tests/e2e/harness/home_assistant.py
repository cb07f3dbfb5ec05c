"""A whole Home Assistant with a throw-away configuration."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
import json
from pathlib import Path
import secrets
import signal
import sys

import aiohttp

from .places import ROOT
from .ports import LOOPBACK, reserved_port
from .programs import Program
from .waiting import until

_CONFIGURATION = """\
homeassistant:
  name: MQTT OTA
  time_zone: UTC
  unit_system: metric
  internal_url: {url}
frontend:
config:
logger:
  default: warning
  logs:
    custom_components.mqtt_ota: debug
    # No camera here: what these miss on the machine does not matter.
    haffmpeg: fatal
    homeassistant.components.camera: fatal
"""
# Voice control is a default part of Home Assistant, and two of its libraries come as sources only. Nothing here speaks,
# but without these names no action can be described to the frontend, which then stays at "Loading".
_NO_VOICE = {"pymicro_vad.py": "class MicroVad: ...\n", "pyspeex_noise.py": "class AudioProcessor: ...\n"}
# Everything of the first-run dialogue but the user: the other steps would fetch integrations from the internet.
_ONBOARDED = ["core_config", "analytics", "integration"]
# Set up by itself otherwise, and then it asks the internet for a catalogue.
_NO_MARKETPLACE = {
    "created_at": "2026-01-01T00:00:00+00:00",
    "modified_at": "2026-01-01T00:00:00+00:00",
    "data": {},
    "disabled_by": "user",
    "discovery_keys": {},
    "domain": "marketplace",
    "entry_id": "marketplace",
    "minor_version": 1,
    "options": {},
    "pref_disable_new_entities": False,
    "pref_disable_polling": False,
    "source": "system",
    "subentries": [],
    "title": "",
    "unique_id": None,
    "version": 1,
}


@dataclass(frozen=True, slots=True)
class Login:
    """The owner of the house: for a person, and as tokens for programs."""

    username: str
    password: str
    client_id: str
    access_token: str
    refresh_token: str
    expires_in: int


class HomeAssistant:
    """A Home Assistant program and where it answers."""

    def __init__(self, config: Path, port: int) -> None:
        """Describe it; nothing is written or started yet."""
        self.config = config
        self.url = f"http://{LOOPBACK}:{port}"
        self._port = port
        self.program = Program(
            "home-assistant",
            [sys.executable, "-m", "homeassistant", "--config", str(config), "--skip-pip"],
            folder=config,
            log=config.parent / "home-assistant.log",
        )

    def seed(self) -> None:
        """Write the configuration; the integration is the one of this work tree."""
        storage = self.config / ".storage"
        storage.mkdir(parents=True)
        (self.config / "configuration.yaml").write_text(_CONFIGURATION.format(url=self.url))
        for name, source in _NO_VOICE.items():
            (self.config / name).write_text(source)
        custom = self.config / "custom_components"
        custom.mkdir()
        (custom / "mqtt_ota").symlink_to(ROOT / "custom_components/mqtt_ota")
        self._store("http", {"server_port": self._port, "server_host": [LOOPBACK]})
        self._store("onboarding", {"done": _ONBOARDED}, version=4)
        self._store("core.config_entries", {"entries": [_NO_MARKETPLACE]}, minor_version=5)

    def _store(self, key: str, content: object, *, version: int = 1, minor_version: int = 1) -> None:
        document = {"version": version, "minor_version": minor_version, "key": key, "data": content}
        (self.config / ".storage" / key).write_text(json.dumps(document))

    async def start(self) -> None:
        """Start the program and wait until it answers."""
        await self.program.start()
        async with aiohttp.ClientSession() as session:

            async def answers() -> bool:
                self.program.check()
                async with session.get(f"{self.url}/manifest.json") as response:
                    return response.ok

            await until(answers, "Home Assistant to start", timeout=120, but=(aiohttp.ClientError,))

    async def stop(self) -> None:
        """Stop the program in order: what it holds is written to its storage."""
        await self.program.stop(signal.SIGINT)

    async def create_owner(self) -> Login:
        """Finish the first-run dialogue: create the owner and log in."""
        client_id, username, password = f"{self.url}/", "demo", secrets.token_hex(4)
        owner = {
            "name": "Demo",
            "username": username,
            "password": password,
            "client_id": client_id,
            "language": "en",
        }
        async with aiohttp.ClientSession(raise_for_status=True) as session:
            async with session.post(f"{self.url}/api/onboarding/users", json=owner) as response:
                code = (await response.json())["auth_code"]
            grant = {"client_id": client_id, "grant_type": "authorization_code", "code": code}
            async with session.post(f"{self.url}/auth/token", data=grant) as response:
                tokens = await response.json()
        return Login(
            username, password, client_id, tokens["access_token"], tokens["refresh_token"], tokens["expires_in"]
        )


@asynccontextmanager
async def run_home_assistant(folder: Path) -> AsyncIterator[HomeAssistant]:
    """Run a fresh Home Assistant for as long as the context lasts; its port stays its own through restarts."""
    with reserved_port() as port:
        home_assistant = HomeAssistant(folder / "config", port)
        home_assistant.seed()
        try:
            await home_assistant.start()
            yield home_assistant
        finally:
            await home_assistant.stop()

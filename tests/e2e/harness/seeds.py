"""Boards that are already in the field, each with what a user sets up for it and what there is to install."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
import sys
from typing import Any

from custom_components.mqtt_ota.ota.bundle import Bundle, File, write_bundle
from tests.firmware_images import build_app

from .feed import run_feed
from .house import House
from .places import ROOT
from .ports import LOOPBACK
from .programs import Program

INSTALLED = "1.0.0"
LATEST = "1.0.1"
_CHIP = "ESP32-S3"
_SIZE = 48 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """A kind of board: its program, the answers to the protocol's forms, and the verdict that can be known of it.

    `board_id` is how the board calls itself; `member_id` how Home Assistant does. Without answers nothing is set up.
    """

    label: str
    kind: str
    board_id: str
    member_id: str
    verdict: str
    answers: Sequence[dict[str, Any]] = ()
    images: Mapping[str, bytes] = field(default_factory=dict)


def _images(**changes: Any) -> dict[str, bytes]:
    return {version: build_app(_CHIP, version, "seed", _SIZE, **changes) for version in (INSTALLED, LATEST)}


def _files(version: str) -> bytes:
    house = File(name="house.py", content=f"VERSION = '{version}'\n".encode() * 40)
    main = File(name="main.py", content=b"import house\n" * 60)
    return write_bundle(Bundle(version=version, project="house", files=(house, main)))


def seeds() -> tuple[Seed, ...]:
    """Return a board of each protocol that boards came with before this project."""
    return (
        Seed(
            label="S1, chunk by chunk over MQTT",
            kind="chunked",
            board_id="esp32-c40a24",
            member_id="chunked:esp32-c40a24",
            verdict="unverified",
            images=_images(),
        ),
        Seed(
            label="S2, a bare URL",
            kind="url",
            board_id="ESP32_DEMO",
            member_id="url:ESP32_DEMO",
            verdict="unverified",
            answers=(
                {"next_step_id": "url"},
                {"preset": "esp32_s3_ota"},
                {
                    "name": "URL board",
                    "command_topic": "ESP32/ota/update",
                    "payload": "{url}",
                    "id": "ESP32_DEMO",
                    "scheme": "http",
                    "status_topic": "ESP32_DEMO/progress",
                    "pattern_progress": "OTA Progress: {percent}%",
                    "pattern_success": "Update Complete. Restarting...",
                    "pattern_failure": "ERROR: {reason}",
                },
            ),
            images=_images(),
        ),
        Seed(
            label="S3, a mesh of three with one trigger",
            kind="mesh",
            board_id="domator",
            member_id="url:1074207536",
            verdict="confirmed",
            answers=(
                {"next_step_id": "url"},
                {"preset": "buttons_mesh"},
                {
                    "name": "Button mesh",
                    "command_topic": "/switch/cmd/root",
                    "payload": '{"type":"ota_trigger","url":"{url}"}',
                    "longest": 251,
                    "status_topic": "/switch/state/root",
                    "pattern_id": '"deviceId": {id}',
                    "pattern_digest": '"firmware": "{digest}"',
                    "digest": "elf",
                },
            ),
            images=_images(),
        ),
        Seed(
            label="S4, files over a socket",
            kind="socket_pull",
            board_id="24_0a_c4_11_22_33",
            member_id="socket_pull:24_0a_c4_11_22_33",
            verdict="unverified",
            answers=(
                {"next_step_id": "socket_pull"},
                {
                    "name": "MicroPython board",
                    "id": "24_0a_c4_11_22_33",
                    "command_topic": "{id}/OTA",
                    "address": LOOPBACK,
                    "host": LOOPBACK,
                    "restart_seconds": 3,
                },
            ),
            images={version: _files(version) for version in (INSTALLED, LATEST)},
        ),
        Seed(
            label="S5, the whole image in one message",
            kind="single_message",
            board_id="sming-demo",
            member_id="single_message:sming-demo",
            verdict="unverified",
            answers=(
                {"next_step_id": "single_message"},
                {
                    "name": "Sming board",
                    "id": "sming-demo",
                    "app_id": "test",
                    "series": "1.0",
                    "settle_seconds": 5,
                    "chip": _CHIP,
                },
            ),
            images=_images(),
        ),
    )


async def add_seed(house: House, stack: AsyncExitStack, entry_id: str, seed: Seed) -> Program:
    """Switch a board on, set its protocol up as a user does, and publish what there is for it."""
    feed = await stack.enter_async_context(run_feed(f"{seed.kind} firmware"))
    for version, image in seed.images.items():
        feed.publish(version, image, chip="", notes="Better.")
    home = house.folder / "seeds" / seed.kind
    home.mkdir(parents=True)
    first = home / "first.bin"
    first.write_bytes(seed.images[INSTALLED])
    command = [sys.executable, "-m", "tests.seeds", seed.kind, "--broker", f"{LOOPBACK}:{house.broker.port}"]
    command += ["--id", seed.board_id, "--state", str(home / "state")]
    if seed.kind != "socket_pull":
        command += ["--version-image", str(first)]
    program = Program(f"seed-{seed.kind}", command, folder=ROOT, log=house.folder / f"seed-{seed.kind}.log")
    house.others.append(program)
    await program.start()
    subentries = "config_entries/subentries"
    if seed.answers:
        start = {"handler": [entry_id, "dialect"]}
        await house.api.walk(subentries, start, *seed.answers, {"next_step_id": "save"})
    source = {"kind": "manifest", "location": feed.url}
    boards = {"name": seed.label, "channel": "stable", "board_id": seed.member_id.partition(":")[2]}
    await house.api.walk(subentries, {"handler": [entry_id, "firmware"]}, source, boards)
    return program

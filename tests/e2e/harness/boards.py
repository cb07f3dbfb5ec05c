"""Boards: each a program that speaks the native protocol, with flash in a folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
import json
from pathlib import Path
from typing import Any

from tests.board.program import command as board_program

from .places import ROOT
from .ports import LOOPBACK
from .programs import Program


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardPlan:
    """What a board is; `options` are further ones of its program, `faults` what goes wrong with it."""

    id: str
    name: str
    model: str = "Relay 4"
    chip: str = "ESP32-S3"
    version: str = "1.0.0"
    options: Mapping[str, str] = field(default_factory=dict)
    faults: Sequence[str] = ()


class FakeBoard:
    """One running board."""

    def __init__(self, plan: BoardPlan, broker_port: int, folder: Path) -> None:
        """Describe its program; its flash is empty."""
        home = folder / "boards" / plan.id
        home.mkdir(parents=True)
        told = {
            "broker": f"{LOOPBACK}:{broker_port}",
            "state": str(home),
            "id": plan.id,
            "name": plan.name,
            "model": plan.model,
            "chip": plan.chip,
            "version": plan.version,
            **plan.options,
        }
        command = board_program()
        for option, value in told.items():
            command += [f"--{option}", value]
        for fault in plan.faults:
            command += ["--fault", fault]
        self.plan = plan
        self.program = Program(f"board-{plan.id}", command, folder=ROOT, log=folder / f"board-{plan.id}.log")

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Return what the board said so far about one kind of event."""
        lines = self.program.log.read_text().splitlines() if self.program.log.exists() else []
        events = [json.loads(line) for line in lines if line.startswith("{")]
        return [event for event in events if event["event"] == kind]

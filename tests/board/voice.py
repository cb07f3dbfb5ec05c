"""What a board says, to the broker and to whoever watches it."""

import json
from typing import Any

from .effects import Effect, Publish, Told
from .flash import Flash, Verdict
from .settings import Settings


class Voice:
    """Gathers effects until they are taken."""

    def __init__(self, settings: Settings, flash: Flash, keys: tuple[str, ...]) -> None:
        """Speak as this board."""
        self._settings = settings
        self._flash = flash
        self._keys = keys
        self._effects: list[Effect] = []

    def take(self) -> list[Effect]:
        """Return what has gathered, once."""
        effects, self._effects = self._effects, []
        return effects

    def do(self, *effects: Effect) -> None:
        """Ask for something else than speech."""
        self._effects += effects

    def publish(self, kind: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        """Publish on one of the board's topics."""
        self.do(Publish(self._settings.topic(kind), payload, qos, retain))

    def tell(self, event: str, **fields: object) -> None:
        """Tell whoever watches."""
        self.do(Told(event, fields))

    def started(self) -> None:
        """Tell what the power on has started."""
        self.tell("started", **self._running())

    def announce(self) -> None:
        """Announce what the board is and runs."""
        counter = max(self._settings.counter, self._flash.journal.counter)
        running = self._running()
        announce = self._settings.announce(sha256=self._flash.digest, counter=counter, keys=self._keys, **running)
        self.publish("announce", announce, retain=True)
        self.tell("announced", **running)

    def say(
        self, session: str, state: str, *, held: int = 0, reason: str = "", detail: str = "", block_size: int = 0
    ) -> None:
        """Say a status."""
        status: dict[str, Any] = {"session": session, "state": state, "held": held}
        status |= {key: value for key, value in (("reason", reason), ("detail", detail)) if value}
        self.publish("status", json.dumps(status).encode())
        self.tell("state", **status, **({"block_size": block_size} if block_size else {}))

    def repeat(self, verdict: Verdict) -> None:
        """Say how a session ended, which it did before."""
        self.say(verdict.session, verdict.state, held=verdict.held, reason=verdict.reason)

    def _running(self) -> dict[str, Any]:
        version = self._flash.version(self._settings.version)
        return {"version": version, "pending": self._flash.journal.trial is not None}

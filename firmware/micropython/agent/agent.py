"""The agent: what a board is, its connection, and the trial of a new release."""

import json
import sys
import time

from .frames import FRAME_HEAD, deflate
from .link import Link
from .offers import OFFER_LIMIT, PROTOCOL
from .signature import load_key
from .slot import Slot
from .texts import is_board_id
from .updater import Updater

CHIP = "MicroPython"
_BURST = 16
_STEADY = 10_000  # ms after which a connection is a good one


class Agent(Updater):
    """Keeps a board in touch with Home Assistant: call `poll` often, or let `run` do it under asyncio.

    Make it before the application is imported: this is when a release's files are put in place, or taken back.
    """

    def __init__(
        self,
        id,
        broker,
        port=None,
        user=None,
        password=None,
        ca=None,  # the broker's certificate authority in DER or PEM, as bytes: TLS
        root="mqtt_ota",
        name="",
        model="",
        chip=CHIP,
        project="",
        version="0.0.0",  # what runs before the first release came this way
        mac="",
        feed="",
        keys=(),  # public keys; with any, only signed releases are taken
        counter=0,
        slot_size=256 * 1024,
        block_size=4096,
        window=8,
        wake_interval=0,
        folder="/",
        starts=3,  # how often a new release may start before it must have reached Home Assistant
        trial=300_000,  # ms, and for how long it may run until then
        self_test=None,  # asked while on trial and connected: True, False, or None for not yet
        restart=None,
        on_event=None,  # called with a name and a dict, for logs
        keep_alive=60,
        ask_timeout=1000,  # ms
        give_up=300_000,  # ms
    ):
        if not is_board_id(id):
            raise ValueError("no id for a board: " + id)
        about = {
            "name": name or id,
            "model": model,
            "chip": chip,
            "project": project,
            "slot_size": slot_size,
            "block_size": block_size,
            "window": window,
            "order": "sequential",
            "encodings": ["raw", "deflate"] if deflate else ["raw"],
            "transports": ["blocks"],
            "wake_interval": wake_interval,
        }
        about.update({key: text for key, text in (("mac", mac), ("feed", feed)) if text})
        limit = max(OFFER_LIMIT, FRAME_HEAD + block_size)
        port = port or (1883 if ca is None else 8883)
        link = Link(broker, port, id + "-ota", user, password, ca, keep_alive, limit)
        keys = [load_key(key) for key in keys]
        slot = self.make_slot(folder, starts)
        super().__init__(id, root, about, keys, counter, slot, link, ask_timeout, give_up, on_event)
        self._factory, self._trial = version, trial
        self._self_test, self._restart = self_test, restart or _restart
        self._started_at = self._connected_at = self._retry_at = time.ticks_ms()
        self._backoff = 1000
        self._is_over = False
        self.slot.boot()
        self._tell("started", version=self.version, pending=self.is_on_trial)

    def make_slot(self, folder, starts):
        """Return where files are kept."""
        return Slot(folder, starts)

    @property
    def version(self):
        """The version that runs."""
        return self.slot.running.get("version", self._factory)

    @property
    def is_on_trial(self):
        """Whether what runs has still to prove itself."""
        return self.slot.is_on_trial

    @property
    def is_busy(self):
        """Whether a release is on its way or on trial: no time to sleep."""
        return self._pull is not None or self.is_on_trial

    def poll(self, wait_ms=0):
        """Do what is due; waits for a message so long at most (but for a connection some seconds).

        Raises nothing but what `restart` does.
        """
        if self.is_on_trial and time.ticks_diff(time.ticks_ms(), self._started_at) >= self._trial:
            self.roll_back()
        if self._is_over:
            return
        try:
            if not self.link.is_up and not self._connect(wait_ms):
                return
            for _ in range(_BURST):
                if not self.link.receive(wait_ms, self.receive):
                    break
                wait_ms = 0
            if self.link.is_up:
                self._tick(time.ticks_ms())
        except (OSError, MemoryError) as err:
            self._lost(err)

    async def run(self):
        """Poll for ever."""
        import asyncio

        while True:
            self.poll()
            await asyncio.sleep_ms(5 if self._pull else 100)

    def leave(self, word="offline"):
        """Say goodbye: `offline`, or `asleep` before a deep sleep. The next `poll` connects again."""
        try:
            if self.link.is_up:
                self.link.publish(self.topic("availability"), word.encode(), 1, True)
                self.link.drain(2000)
        except (OSError, MemoryError):
            pass
        self.link.close(clean=True)
        self.slot.close()
        self._offer = self._pull = None
        self._retry_at = time.ticks_ms()

    def roll_back(self):
        """Give up the release on trial, because it is unfit: restarts with the files from before."""
        if not self.is_on_trial:
            return
        try:
            self.slot.roll_back("self_test")
        except OSError as err:
            self._tell("flash", cause=str(err))
        if not self.is_on_trial:  # else the flash does not even take a note
            self._power_off("self_test")

    # -- The connection

    def _connect(self, wait_ms):
        now = time.ticks_ms()
        left = time.ticks_diff(self._retry_at, now)
        if left > 0:
            time.sleep_ms(min(wait_ms, left))
            return False
        self._backoff = min(60_000, 2 * self._backoff)
        self.link.connect(self.topic("availability"), b"offline")
        self._connected_at = time.ticks_ms()
        self._tell("connected")
        for kind in ("offer", "cancel"):
            self.link.subscribe(self.topic(kind), 1)
        self.resume()
        self._announce()
        self.link.publish(self.topic("availability"), b"online", 1, True)
        self.tell_verdict()
        return True

    def _lost(self, err):
        was_up = self.link.is_up
        self.link.close()
        self._retry_at = time.ticks_add(time.ticks_ms(), self._backoff)
        self._tell("disconnected" if was_up else "unreachable", cause=str(err))

    def _announce(self):
        announce = {"protocol": PROTOCOL, "id": self.id, "version": self.version, "rollback": True}
        announce.update(self.about)
        announce["keys"] = [key_id for _, key_id in self.keys]
        announce["counter"] = self.counter
        if self.slot.running.get("sha256"):
            announce["sha256"] = self.slot.running["sha256"]
        if self.is_on_trial:
            announce["pending"] = True
        self.link.publish(self.topic("announce"), json.dumps(announce).encode(), 1, True)
        self._tell("announced", version=self.version, pending=self.is_on_trial)

    def _tick(self, now):
        if self._backoff > 1000 and time.ticks_diff(now, self._connected_at) >= _STEADY:
            self._backoff = 1000
        if self.is_on_trial:
            self._prove()
        if self.link.is_up:
            self.work(now)

    # -- The trial

    def _prove(self):
        """Being here proves the least: MQTT is up. The application may know more."""
        fit = self._is_fit()
        if fit:
            try:
                self.slot.confirm()
            except OSError as err:
                self._tell("flash", cause=str(err))
                fit = False
        if fit:
            self._announce()
            self.tell_verdict()
        elif fit is not None:
            self.roll_back()

    def _is_fit(self):
        try:
            return True if self._self_test is None else self._self_test()
        except Exception as err:  # a test that breaks is a test that failed
            sys.print_exception(err)
            return False

    def _power_off(self, cause):
        self.leave()
        self._is_over = True
        self._tell("restart", cause=cause)
        self._restart(cause)


def _restart(cause):
    """Start the board again."""
    try:
        from machine import reset
    except ImportError:  # a PC: whoever started the program starts it again
        sys.exit(0)
    reset()

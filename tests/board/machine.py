"""The protocol's board side, from power on to power off: messages and times in, effects out."""

from dataclasses import replace

from custom_components.mqtt_ota.ota.blocks import parse_frame
from custom_components.mqtt_ota.ota.signature import key_id, load_public_key

from .effects import Busy, Effect, Fetch, PowerOff, StopFetch, Subscribe, Unsubscribe
from .faults import Faults
from .flash import Flash, Verdict
from .offer import Offer, Refused, check, parse_offer, parse_session
from .settings import Settings
from .transfer import Transfer
from .voice import Voice

_STATUS_EVERY = 1.0
# A session that failed so has lost its way, not its sense: it may be offered again, by another one.
_REOPENED = {"transport"}
_RESUMED = {"transport", "timeout"}


class Machine:
    """One life of a board, between two losses of its RAM."""

    def __init__(self, settings: Settings, flash: Flash, faults: Faults) -> None:
        """Let the boot loader choose an image and start it; raises OtaError where a key is none."""
        self._settings = settings
        self._flash = flash
        self._faults = faults
        self._keys = {key_id(key): key for key in map(load_public_key, settings.public_keys)}
        self._voice = Voice(settings, flash, tuple(self._keys))
        self._transfer: Transfer | None = None
        self._state = ""
        self._said_at = 0.0
        self._sleeps_at = float("inf")
        self._is_on = True
        flash.boot(broken=faults.comes_back_old or faults.comes_back_old_silent)
        if faults.comes_back_old_silent and flash.journal.verdict and not flash.journal.verdict.told:
            flash.save(verdict=None)
        self._voice.started()

    @property
    def wake_at(self) -> float:
        """Return when `tick` is due."""
        return self._transfer.wake_at if self._transfer else self._sleeps_at

    def connected(self, now: float) -> list[Effect]:
        """Present the board to a broker that took it."""
        self._voice.tell("connected")
        self._voice.do(*(Subscribe(self._settings.topic(kind), 1) for kind in ("offer", "cancel")))
        if self._transfer is not None and self._transfer.by_blocks:
            self._voice.do(Subscribe(self._transfer.offer.topic, 0))
            self._transfer.pull.again(now)
        self._voice.announce()
        self._voice.publish("availability", b"online", retain=True)
        if self._flash.journal.trial is not None:
            self._prove()
        elif self._settings.wake_interval:
            self._sleeps_at = now + self._settings.awake_time
        self._tell_verdict()
        return self.tick(now)

    def received(self, topic: str, payload: bytes, now: float) -> list[Effect]:
        """Take in a message."""
        try:
            if topic == self._settings.topic("offer"):
                self._receive_offer(payload, now)
            elif topic == self._settings.topic("cancel"):
                self._receive_cancel(payload)
            else:
                self._receive_frames(payload, now)
        except Refused as err:
            self._voice.say(err.session, "failed", reason=err.reason, detail=err.detail)
        except ValueError as err:
            self._voice.tell("dropped", cause=str(err))
        return self._voice.take()

    def fetched(self, number: int, block: bytes, now: float) -> list[Effect]:
        """Take in a block that came by HTTP."""
        if self._transfer is not None and not self._transfer.by_blocks:
            self._transfer.heard_at = now
            if number not in self._transfer.pull.bitmap:
                self._store(self._transfer, number, block, now)
        return self._voice.take()

    def fetch_failed(self, detail: str) -> list[Effect]:
        """Take note that the URL is of no use."""
        if self._transfer is not None and not self._transfer.by_blocks:
            self._fail(self._transfer, "transport", detail)
        return self._voice.take()

    def tick(self, now: float) -> list[Effect]:
        """Do what time demands."""
        transfer = self._transfer
        if transfer is None:
            if self._is_on and now >= self._sleeps_at:
                self._power_off("sleep", self._settings.wake_interval, b"asleep")
        elif now >= transfer.heard_at + self._settings.give_up:
            self._fail(transfer, "timeout")
        elif transfer.by_blocks:
            self._ask(transfer, now)
        return self._voice.take()

    def _receive_offer(self, payload: bytes, now: float) -> None:
        if self._faults.silent:
            return
        offer = parse_offer(payload, self._settings)
        self._voice.tell("offer", session=offer.session, transport=offer.transport)
        verdict, trial = self._flash.journal.verdict, self._flash.journal.trial
        if trial is not None:
            self._answer_on_trial(offer, trial.session)
        elif self._transfer is not None and self._transfer.is_of(offer):
            self._go_on(self._transfer, offer, now)
        elif verdict is not None and verdict.session == offer.session and verdict.reason not in _REOPENED:
            self._voice.repeat(verdict)
        else:
            check(offer, self._settings, self._keys, self._flash)
            self._accept(offer, now)

    def _answer_on_trial(self, offer: Offer, session: str) -> None:
        """Answer before the running image has proved itself: the other slot must stay as it is."""
        if offer.session != session:
            raise Refused(offer.session, "busy")
        self._voice.say(session, "rebooting", held=offer.manifest.size)

    def _accept(self, offer: Offer, now: float) -> None:
        transfer = self._transfer
        if transfer is None:
            self._transfer = Transfer(offer, self._settings, self._flash, now)
            self._state = "accepted"
            self._progress(now)
            self._begin_way(self._transfer, now)
        elif transfer.offer.manifest.sha256 == offer.manifest.sha256:
            self._go_on(transfer, offer, now)
        else:
            raise Refused(offer.session, "busy")

    def _go_on(self, transfer: Transfer, offer: Offer, now: float) -> None:
        """Take the way of a repeated offer and leave everything else as it is."""
        if offer.way == transfer.offer.way:
            transfer.take(offer)
            self._progress(now)
        else:
            self._end_way(transfer)
            transfer.redirect(offer, now)
            self._progress(now)
            self._begin_way(transfer, now)

    def _begin_way(self, transfer: Transfer, now: float) -> None:
        offer, pull = transfer.offer, transfer.pull
        if transfer.is_whole:
            self._finish(transfer)
        elif transfer.by_blocks:
            self._voice.do(Subscribe(offer.topic, 0))
            self._ask(transfer, now)
        elif self._faults.dies_on_url:
            self._fail(transfer, "transport", "no route")
        else:
            first = next(pull.bitmap.missing())
            self._voice.do(Fetch(offer.url, first * pull.block_size, offer.manifest.size, pull.block_size))

    def _end_way(self, transfer: Transfer) -> None:
        self._voice.do(Unsubscribe(transfer.offer.topic) if transfer.by_blocks else StopFetch())

    def _receive_cancel(self, payload: bytes) -> None:
        session, _ = parse_session(payload)
        transfer, journal = self._transfer, self._flash.journal
        if transfer is not None and transfer.offer.session == session:
            self._end(transfer, "cancelled")
        elif journal.verdict is not None and journal.verdict.session == session:
            self._voice.repeat(journal.verdict)
        elif journal.record is not None and journal.record.session == session:
            self._flash.save(verdict=Verdict(session, "cancelled"))
            self._voice.say(session, "cancelled")

    def _receive_frames(self, payload: bytes, now: float) -> None:
        for arrived in self._faults.arriving(payload):
            # The power may go, or the image be whole, between two of them.
            if self._transfer is not None and self._transfer.by_blocks:
                self._receive_frame(self._transfer, arrived, now)

    def _receive_frame(self, transfer: Transfer, payload: bytes, now: float) -> None:
        number = transfer.pull.heard(frame := parse_frame(payload), now)
        transfer.heard_at = now
        if number is not None:
            self._store(transfer, number, frame.block, now)
        if self._transfer is not None:
            self._ask(transfer, now)

    def _store(self, transfer: Transfer, number: int, block: bytes, now: float) -> None:
        try:
            transfer.prepare()
            if self._faults.cuts_power(transfer.held, transfer.held + len(block)):
                transfer.tear(number, block)
                self._power_off("power_cut", self._settings.reboot_time)
                return
            transfer.store(number, block)
        except OSError as err:
            self._fail(transfer, "flash", str(err))
            return
        if self._settings.rate:
            self._voice.do(Busy(len(block) / self._settings.rate / 1000))
        if transfer.is_whole:
            self._finish(transfer)
        elif self._faults.sends_to_sleep(transfer.held):
            self._power_off("sleep", self._settings.sleep_time, b"asleep")
        elif self._state != "transferring" or now >= self._said_at + _STATUS_EVERY:
            self._state = "transferring"
            self._progress(now)

    def _ask(self, transfer: Transfer, now: float) -> None:
        for want in transfer.pull.wants(now):
            self._voice.publish("want", want, qos=0)
        if transfer.pull.hopeless:
            self._fail(transfer, "transport", "no frame arrives")

    def _finish(self, transfer: Transfer) -> None:
        """Judge the slot as it reads back, and let the boot loader try it."""
        session, manifest = transfer.offer.session, transfer.offer.manifest
        self._voice.say(session, "verifying", held=manifest.size)
        if self._flash.read_back(wrong=self._faults.wrong_digest) != manifest.sha256:
            self._fail(transfer, "digest")
        elif not self._flash.holds_app():
            self._fail(transfer, "image")
        else:
            self._flash.set_boot()
            self._voice.say(session, "rebooting", held=manifest.size)
            seconds = None if self._faults.never_comes_back else self._settings.reboot_time
            self._power_off("update", seconds, b"offline")

    def _prove(self) -> None:
        """Let the new image test itself: a broker took it, and the faults have nothing against it."""
        if self._faults.fails_self_test:
            self._flash.roll_back("self_test")
            self._power_off("self_test", self._settings.reboot_time, b"offline")
        elif not self._faults.never_confirms:
            self._flash.confirm()
            self._voice.announce()

    def _tell_verdict(self) -> None:
        verdict = self._flash.journal.verdict
        if self._is_on and verdict is not None and not verdict.told:
            self._flash.save(verdict=replace(verdict, told=True))
            self._voice.repeat(verdict)

    def _fail(self, transfer: Transfer, reason: str, detail: str = "") -> None:
        if reason not in _RESUMED:
            self._flash.save(record=None)
        self._end(transfer, "failed", reason, detail)

    def _end(self, transfer: Transfer, state: str, reason: str = "", detail: str = "") -> None:
        """Leave a transfer; its session has its verdict."""
        self._transfer = None
        self._end_way(transfer)
        self._flash.save(verdict=Verdict(transfer.offer.session, state, reason, transfer.held))
        self._voice.say(transfer.offer.session, state, held=transfer.held, reason=reason, detail=detail)

    def _power_off(self, cause: str, seconds: float | None, farewell: bytes = b"") -> None:
        """Lose the RAM; with a farewell it is planned, without one the last will speaks."""
        if farewell:
            self._voice.publish("availability", farewell, retain=True)
        self._voice.tell("restart", cause=cause, seconds=seconds)
        self._voice.do(StopFetch(), PowerOff(seconds, clean=bool(farewell)))
        self._transfer = None
        self._is_on = False

    def _progress(self, now: float) -> None:
        """Say where the transfer stands."""
        assert self._transfer is not None
        session, pull = self._transfer.offer.session, self._transfer.pull
        self._said_at = now
        self._voice.say(session, self._state, held=self._transfer.held, block_size=pull.block_size)

"""An update: the offer that is taken, the blocks that come, the verdict that is said."""

import binascii
import json
import sys
import time

from .frames import parse_frame
from .offers import Refused, check_offer, parse_offer, parse_session
from .pull import Pull

_STATUS_EVERY = 1000
# Reasons after which a session may be offered again; and after which what is held is kept.
_REOPENED = ("transport",)
_RESUMED = ("transport", "timeout")


class Updater:
    """Brings one offer after another to its end."""

    def __init__(self, id, root, about, keys, counter, slot, link, ask_timeout, give_up, on_event):
        self.id, self.root = id, root
        self.about, self.keys = about, keys
        self.slot, self.link = slot, link
        self._counter = counter
        self._ask_timeout, self._give_up = ask_timeout, give_up
        self._on_event = on_event
        self._offer = self._pull = None
        self._state = ""
        self._said_at = self._heard_at = self._verdict_pid = 0

    @property
    def counter(self):
        """The security counter below which nothing is taken."""
        return max(self._counter, self.slot.counter)

    def topic(self, kind):
        """Return one of the board's topics."""
        return self.root + "/board/" + self.id + "/" + kind

    def receive(self, topic, payload):
        """Take a message."""
        session = ""
        try:
            if topic == self.topic("offer"):
                session, fields = parse_session(payload)
                self.receive_offer(session, fields)
            elif topic == self.topic("cancel"):
                self._receive_cancel(parse_session(payload)[0])
            elif self._pull is not None and topic == self._offer["topic"]:
                self.receive_frame(payload)
        except Refused as err:
            self._say(session, "failed", 0, *err.args)
        except ValueError as err:
            self._tell("dropped", cause=str(err))

    def receive_offer(self, session, fields):
        """Take an offer, or answer why not."""
        try:
            offer = parse_offer(session, fields, self.topic("block"), self.root, self.about)
        except ValueError as err:
            raise Refused("offer_invalid", str(err)[:128])
        self._tell("offer", session=session, transport="blocks")
        verdict, trial, arriving = self.slot.verdict, self.slot.trial, self._offer
        if trial is not None:
            if session != trial["session"]:
                raise Refused("busy")
            self._say(session, "rebooting", trial["size"])
        elif arriving is not None and all(offer[key] == arriving[key] for key in ("session", "manifest")):
            self._go_on(offer)
        elif verdict is not None and verdict["session"] == session and verdict["reason"] not in _REOPENED:
            self._repeat(verdict)
        else:
            sha256 = arriving and arriving["facts"]["sha256"]
            check_offer(offer, self.about, self.counter, self.keys, self.slot.running.get("sha256"), sha256)
            self._accept(offer) if arriving is None else self._go_on(offer)

    def _accept(self, offer):
        now, facts = time.ticks_ms(), offer["facts"]
        held, block_size = 0, offer["block_size"]
        verdict, self._verdict_pid = self.slot.verdict, 0
        changes = {}
        if verdict is not None and verdict["session"] == offer["session"]:
            # It is open again: what was said of it before must not be said again.
            changes["verdict"] = None
        if self._is_begun(facts):
            record = self.slot.record
            held, block_size = self.slot.held(record), min(block_size, record["block_size"])
            changes["record"] = dict(record, session=offer["session"], counter=facts["counter"])
        if changes:
            self._note(**changes)
        self._offer = offer
        tag = binascii.unhexlify(facts["sha256"][:16])
        self._pull = Pull(tag, facts["size"], block_size, held, offer["window"], self._ask_timeout, now)
        self._heard_at = now
        self._progress("accepted", now)
        if not self._pull.is_whole:
            self.link.subscribe(offer["topic"], 0)
            self._ask(now)

    def _go_on(self, offer):
        """Take the way of an offer of what is on its way already, and leave everything else as it is."""
        now, before = time.ticks_ms(), self._offer
        self._offer = offer
        if before["session"] != offer["session"] and self._is_begun(offer["facts"]):
            self._note(record=dict(self.slot.record, session=offer["session"], counter=offer["facts"]["counter"]))
        self._progress(self._state, now)
        if offer["topic"] != before["topic"]:
            self.link.unsubscribe(before["topic"])
            self.link.subscribe(offer["topic"], 0)
            self._heard_at = now
            self._pull.again(now)

    def _receive_cancel(self, session):
        verdict, record = self.slot.verdict, self.slot.record
        if self._offer is not None and self._offer["session"] == session:
            self._end("cancelled")
        elif verdict is not None and verdict["session"] == session:
            self._repeat(verdict)
        elif record is not None and record["session"] == session:
            self._conclude(session, "cancelled", 0)

    def receive_frame(self, payload):
        """Take a frame of the image that is on its way."""
        now = time.ticks_ms()
        tag, offset, block = parse_frame(payload)
        if tag != self._pull.tag:
            raise ValueError("another image")
        is_due = self._pull.heard(offset, len(block), now)
        self._heard_at = now
        if is_due:
            self._store(offset, block, now)
        if self._pull is not None:
            self._ask(now)

    # -- What time brings

    def resume(self):
        """Go on after a new connection."""
        if self._pull is not None:
            # What is lost meanwhile is the connection's fault, not the transfer's.
            self._heard_at = time.ticks_ms()
            self.link.subscribe(self._offer["topic"], 0)
            self._pull.again(self._heard_at)

    def work(self, now):
        """Do what is due."""
        if self._verdict_pid and self._verdict_pid not in self.link.unacknowledged:
            self._verdict_pid = 0
            self._note(verdict=dict(self.slot.verdict, told=True))
        if self._pull is None:
            return
        if self._pull.is_whole:
            self._finish()
        elif time.ticks_diff(now, self._heard_at) >= self._give_up:
            self._fail("timeout")
        else:
            self._ask(now)

    def _ask(self, now):
        want = self._pull.wants(now)
        if want:
            self.link.publish(self.topic("want"), want, 0)
        if self._pull.hopeless:
            self._fail("transport", "no frame arrives")

    # -- Files

    def _is_begun(self, facts):
        record = self.slot.record
        return record is not None and (record["sha256"], record["size"]) == (facts["sha256"], facts["size"])

    def _store(self, offset, block, now):
        facts, block_size = self._offer["facts"], self._pull.block_size
        try:
            is_begun = self._is_begun(facts)
            if not is_begun or self.slot.record["block_size"] != block_size:
                record = {key: facts[key] for key in ("sha256", "size", "counter")}
                record.update(session=self._offer["session"], block_size=block_size)
                self.slot.save(record=record) if is_begun else self.slot.begin(record)
            self.slot.write(offset, block)
        except OSError as err:
            self._fail("flash", str(err))
            return
        if self._state != "transferring" or time.ticks_diff(now, self._said_at) >= _STATUS_EVERY:
            self._progress("transferring", now)

    def _finish(self):
        """Read the image back, put its files aside, and restart into them."""
        session, facts = self._offer["session"], self._offer["facts"]
        self._say(session, "verifying", facts["size"])
        reason, detail = self._unpack(facts["sha256"])
        if reason:
            self._fail(reason, detail)
            return
        try:
            self._say(session, "rebooting", facts["size"])
        except OSError:  # it is decided, whoever heard it
            pass
        self._power_off("update")

    def _unpack(self, sha256):
        """Put the files aside; returns the reason why not, and more for people."""
        try:
            if self.slot.digest() != sha256:
                return "digest", ""
            self.slot.unpack()
        except ValueError as err:
            return "image", str(err)
        except (OSError, MemoryError) as err:
            return "flash", str(err)
        return "", ""

    # -- Endings

    def _fail(self, reason, detail=""):
        if reason not in _RESUMED:
            try:
                self.slot.drop()
            except OSError as err:
                self._tell("flash", cause=str(err))
        self._end("failed", reason, detail[:128])

    def _end(self, state, reason="", detail=""):
        """Leave a transfer; its session has its verdict."""
        offer, held = self._offer, self._pull.held
        self._offer = self._pull = None
        self.slot.close()
        self._conclude(offer["session"], state, held, reason, detail)
        self.link.unsubscribe(offer["topic"])

    def _conclude(self, session, state, held, reason="", detail=""):
        verdict = {"session": session, "state": state, "reason": reason, "held": held, "told": False}
        is_noted = self._note(verdict=verdict)
        pid = self._repeat(verdict, detail)
        self._verdict_pid = pid if is_noted else 0

    def tell_verdict(self):
        """Say how the last session ended, until the broker has it."""
        verdict = self.slot.verdict
        if verdict is not None and not verdict["told"]:
            self._verdict_pid = self._repeat(verdict)

    def _repeat(self, verdict, detail=""):
        return self._say(verdict["session"], verdict["state"], verdict["held"], verdict["reason"], detail)

    def _progress(self, state, now):
        self._state, self._said_at = state, now
        self._say(self._offer["session"], state, self._pull.held, block_size=self._pull.block_size)

    def _note(self, **changes):
        """Change the journal, and tell whether it could be; a full flash must not end the connection."""
        try:
            self.slot.save(**changes)
        except OSError as err:
            self._tell("flash", cause=str(err))
            return False
        return True

    def _say(self, session, state, held, reason="", detail="", **seen):
        status = {"session": session, "state": state, "held": held}
        status.update({key: text for key, text in (("reason", reason), ("detail", detail)) if text})
        pid = self.link.publish(self.topic("status"), json.dumps(status).encode())
        status.update(seen)
        self._tell("state", **status)
        return pid

    def _tell(self, event, **fields):
        if self._on_event is not None:
            try:
                self._on_event(event, fields)
            except Exception as err:  # a log that fails must not cost the board its updates
                sys.print_exception(err)

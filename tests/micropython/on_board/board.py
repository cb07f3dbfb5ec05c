"""The agent as a board program, as `tests/board/__init__.py` describes one: the same options, faults and lines.

MicroPython runs it. An ESP image passes for a release of one file here, so that the scenarios of every board are this
one's too; it always writes in order, and knows no HTTP.
"""

import json
import os
import struct
import sys
import time

HOME = __file__.rsplit("/", 1)[0]
sys.path.insert(0, HOME + "/../../../firmware/micropython")

import mqtt_ota

TEXTS = (
    "broker",
    "id",
    "state",
    "name",
    "model",
    "chip",
    "project",
    "mac",
    "version",
    "feed",
    "root",
    "user",
    "password",
)
FILES = ("ca",)
IDLE = ("order", "encodings", "transports")
NUMBERS = ("slot-size", "block-size", "window", "counter", "wake-interval", "starts")
TIMES = ("rate", "reboot-time", "sleep-time", "awake-time", "ask-timeout", "give-up")
COUNTED = ("lose", "drops_large", "power_cut", "falls_asleep")
PLAIN = ("repeat", "reorder", "corrupt", "wrong_digest", "comes_back_old", "comes_back_old_silent")
PLAIN += ("fails_self_test", "never_confirms", "never_comes_back", "silent")


class PowerOff(Exception):
    """Seconds until the power is back, None for never."""


def parse(arguments):
    options, keys, faults = {}, [], {}
    arguments = list(arguments)
    while arguments:
        name = arguments.pop(0)[2:]
        text = arguments.pop(0)
        if name in TEXTS + IDLE + FILES:
            options[name] = text
        elif name in NUMBERS:
            options[name] = int(text)
        elif name in TIMES:
            options[name] = float(text)
        elif name == "public-key":
            keys.append(text)
        elif name == "fault":
            fault, equals, number = text.partition("=")
            if fault not in (COUNTED if equals else PLAIN):
                raise ValueError(text)
            faults[fault] = int(number) if equals else True
        else:
            raise ValueError(name)
    return options, keys, faults


def key_of(text):
    try:
        with open(text) as file:
            return file.read()
    except OSError:
        return text


def certificate(path):
    if path is None:
        return None
    with open(path, "rb") as file:
        return file.read()


def tell(event, fields):
    print(json.dumps(dict(fields, event=event)))


class Slot(mqtt_ota.Slot):
    """A slot with faults, that takes an ESP image for a release of one file."""

    def __init__(self, folder, starts, faults, rate):
        self.faults, self.rate = faults, rate
        super().__init__(folder, starts)

    def boot(self):
        if self.trial is not None and (self.faults.get("comes_back_old") or self.faults.get("comes_back_old_silent")):
            # The new files are there, and do not start.
            super().boot()
            if self.trial is not None:
                self.roll_back("boot")
        else:
            super().boot()
        if self.faults.get("comes_back_old_silent") and self.verdict and not self.verdict["told"]:
            self.save(verdict=None)

    def write(self, offset, block):
        end = offset + len(block)
        if offset < self.faults.get("power_cut", 0) <= end:
            self.faults["power_cut"] = 0
            super().write(offset, block[: len(block) // 2])
            self.close()
            tell("restart", {"cause": "power_cut", "seconds": 0.02})
            raise PowerOff(0.02, False)
        super().write(offset, block)
        if self.rate:
            time.sleep_ms(int(len(block) / self.rate))

    def digest(self):
        digest = super().digest()
        return "0" * 64 if self.faults.get("wrong_digest") else digest

    def read_release(self):
        with open(self._home + "image", "rb") as file:
            head = file.read(0x50)
        if head[:1] != b"\xe9" or head[0x20:0x24] != b"\x32\x54\xcd\xab":
            return super().read_release()
        version = str(head[0x30:0x50].split(b"\0", 1)[0], "utf-8")
        return version, [("app.bin", self.record["size"], self.record["sha256"], 0)]


class Agent(mqtt_ota.Agent):
    """An agent whose connection has faults."""

    def __init__(self, options, keys, faults):
        self.options, self.faults = options, faults
        self.kept_back = None
        self.random = 1
        host, _, port = options["broker"].partition(":")
        about = {"version": "1.0.0", "slot_size": 4 << 20}
        about.update({key: options[key] for key in TEXTS[3:] if key in options})
        about.update({key.replace("-", "_"): options[key] for key in NUMBERS[:5] if key in options})
        super().__init__(
            options["id"],
            host,
            int(port),
            folder=options["state"],
            keys=[key_of(key) for key in keys],
            ca=certificate(options.get("ca")),
            starts=options.get("starts", 1),
            ask_timeout=int(1000 * options.get("ask-timeout", 1)),
            give_up=int(1000 * options.get("give-up", 300)),
            self_test=self.is_fit,
            restart=self.power_off,
            on_event=tell_all_but_restarts,
            **about,
        )

    def make_slot(self, folder, starts):
        return Slot(folder, starts, self.faults, self.options.get("rate", 0))

    def is_fit(self):
        if self.faults.get("never_confirms"):
            return None
        return not self.faults.get("fails_self_test")

    def power_off(self, cause):
        seconds = self.options.get("reboot-time", 0.3)
        if self.faults.get("never_comes_back"):
            seconds = None
        tell("restart", {"cause": cause, "seconds": seconds})
        raise PowerOff(seconds, True)

    def sleep(self, seconds):
        self.leave("asleep")
        tell("restart", {"cause": "sleep", "seconds": seconds})
        raise PowerOff(seconds, True)

    def receive_offer(self, session, fields):
        if not self.faults.get("silent"):
            super().receive_offer(session, fields)

    def receive_frame(self, payload):
        for frame in self.arriving(payload):
            if self._pull is not None:
                super().receive_frame(frame)
        if self._pull is not None and 0 < self.faults.get("falls_asleep", 0) <= self._pull.held:
            self.faults["falls_asleep"] = 0
            self.sleep(self.options.get("sleep-time", 1))

    def arriving(self, frame):
        faults = self.faults
        # Not each Nth: a loss in step with the wants would hit the same block for ever.
        self.random = (1103515245 * self.random + 12345) & 0x7FFFFFFF
        if faults.get("lose") and (self.random >> 8) % faults["lose"] == 0:
            return []
        if 0 < faults.get("drops_large", 0) < len(frame):
            return []
        if faults.get("corrupt") and faults.get("received"):
            faults["corrupt"] = False
            frame = frame[:-1] + bytes((frame[-1] ^ 0xFF,))
        faults["received"] = True
        if faults.get("reorder") and self.kept_back is None:
            self.kept_back = frame
            return []
        frames = [frame] if self.kept_back is None else [frame, self.kept_back]
        self.kept_back = None
        return frames * 2 if faults.get("repeat") else frames


def tell_all_but_restarts(event, fields):
    if event != "restart":
        tell(event, fields)


def live(options, keys, faults):
    """Live until the power goes."""
    agent = Agent(options, keys, faults)
    wakes_at = None
    try:
        while True:
            agent.poll(20)
            if options.get("wake-interval") and agent.link.is_up and not agent.is_busy:
                now = time.ticks_ms()
                if wakes_at is None:
                    wakes_at = time.ticks_add(now, int(1000 * options.get("awake-time", 2)))
                elif time.ticks_diff(now, wakes_at) >= 0:
                    agent.sleep(options["wake-interval"])
    except PowerOff as off:
        if not off.args[1]:
            agent.link.close()
        return off.args[0]


def main():
    try:
        options, keys, faults = parse(sys.argv[1:])
        port = int(options["broker"].partition(":")[2])
        struct.pack("H", port)
        ("any", "sequential").index(options.get("order", "any"))
    except (ValueError, KeyError, IndexError) as err:
        print(repr(err), file=sys.stderr)
        sys.exit(2)
    try:
        os.mkdir(options["state"])
    except OSError:
        pass
    while True:
        seconds = live(options, keys, faults)
        while seconds is None:
            time.sleep(1)
        time.sleep(seconds)


main()

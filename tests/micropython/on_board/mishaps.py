"""Lets one thing after another go wrong around the agent: `mishaps.py NAME FOLDER` prints as JSON what came of it.

The broker, the clock and the flash are those below: what they do is said by each mishap.
"""

import binascii
import builtins
import hashlib
import json
import os
import struct
import sys

HOME = __file__.rsplit("/", 1)[0]
sys.path.insert(0, HOME + "/../../../firmware/micropython")

import mqtt_ota

FOLDER = sys.argv[2]
SESSION, OTHER = "0" * 16, "1" * 16
PERIOD = 1 << 30  # as on an ESP32, whose ticks come round after twelve days


class Restart(Exception):
    """The board would start again."""


class Clock:
    """A clock that stands still until it is told."""

    now = PERIOD - 500

    def ticks_ms(self):
        return self.now % PERIOD

    def ticks_add(self, ticks, delta):
        return (ticks + delta) % PERIOD

    def ticks_diff(self, ticks, other):
        return (ticks - other + PERIOD // 2) % PERIOD - PERIOD // 2

    def sleep_ms(self, ms):
        self.now += ms


class Broker(mqtt_ota.Link):
    """A connection that acknowledges everything, and breaks where `breaks` says so of topic and payload."""

    is_there = True

    def connect(self, will_topic, will):
        connects.append(clock.now)
        if not self.is_there:
            raise OSError("nobody there")
        self.unacknowledged.clear()
        self._socket = self
        self.coming = []

    def close(self, clean=False):
        self._socket = None

    def breaks(self, topic, payload):
        return False

    def publish(self, topic, payload, qos=1, retain=False):
        if self.breaks(topic, payload):
            raise OSError("broken")
        said.append((topic.rsplit("/", 1)[1], payload))
        return 0

    def subscribe(self, topic, qos):
        pass

    unsubscribe = subscribe_no_more = lambda self, topic: None

    def receive(self, wait_ms, take):
        if not self.coming:
            return False
        take(*self.coming.pop(0))
        return True


class Flash:
    """A file system with so much room, in bytes; None for enough."""

    room = None

    def used(self, path=None):
        path = path or FOLDER
        below = [path + "/" + entry[0] for entry in os.ilistdir(path)]
        return sum([self.used(one) if os.stat(one)[0] & 0x4000 else os.stat(one)[6] for one in below])


class File:
    """A file on that file system."""

    def __init__(self, path, mode):
        self._file = builtins.open(path, mode)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def __getattr__(self, name):
        return getattr(self._file, name)

    def write(self, data):
        self._file.write(data)
        self._file.flush()
        if flash.room is not None and flash.used() > flash.room:
            raise OSError(28)


clock, flash, said, connects, events = Clock(), Flash(), [], [], []
Link = mqtt_ota.Link
mqtt_ota.time, mqtt_ota.open, mqtt_ota.Link = clock, File, Broker


def image_of(files, version="1.1.0"):
    lines = ["mqtt_ota files 1", "project=", "version=" + version]
    for name in sorted(files):
        lines.append("file=%d %s %s" % (len(files[name]), sha256_of(files[name]), name))
    return "\n".join(lines).encode() + b"\n\n" + b"".join(files[name] for name in sorted(files))


def sha256_of(data):
    return str(binascii.hexlify(hashlib.sha256(data).digest()), "utf-8")


OLD, NEW = {"app.py": b"old"}, {"app.py": b"new" * 100, "more.py": b"more" * 60}
IMAGE = image_of(NEW)


def write_old():
    for name, content in OLD.items():
        with builtins.open(FOLDER + "/" + name, "wb") as file:
            file.write(content)


def read_files():
    found = {}
    for entry in os.ilistdir(FOLDER):
        if not entry[1] & 0x4000:
            with builtins.open(FOLDER + "/" + entry[0], "rb") as file:
                found[entry[0]] = file.read()
    return found


def restart(cause):
    raise Restart(cause)


def start(**options):
    options = dict({"restart": restart, "block_size": 256, "folder": FOLDER, "chip": "MicroPython"}, **options)
    return mqtt_ota.Agent("relay-1", "broker", **options)


def offer(agent, session=SESSION, image=IMAGE, size=None):
    sha256 = sha256_of(image)
    lines = "mqtt_ota 1\nmodel=\nchip=MicroPython\nversion=1.1.0\nsize=%d\nsha256=%s\ncounter=0\n"
    fields = {
        "protocol": 1,
        "session": session,
        "manifest": lines % (size or len(image), sha256),
        "transport": "blocks",
    }
    fields.update(topic=agent.topic("block"), block_size=256, window=8, encoding="raw")
    agent.link.coming.append((agent.topic("offer"), json.dumps(fields).encode()))


def send(agent, *numbers, image=IMAGE):
    """Send blocks, all of them where none is named."""
    tag = binascii.unhexlify(sha256_of(image)[:16])
    for number in numbers or range((len(image) + 255) // 256):
        block = image[256 * number : 256 * number + 256]
        head = struct.pack("<BB8sIHI", 1, 0, tag, 256 * number, len(block), binascii.crc32(block))
        agent.link.coming.append((agent.topic("block"), head + block))


def poll(agent, times=6):
    """Poll, and return why it restarted."""
    try:
        for _ in range(times):
            agent.poll()
    except Restart as err:
        return err.args[0]
    return None


def install(agent):
    poll(agent, 1)
    offer(agent)
    send(agent)
    return poll(agent)


def states():
    statuses = [json.loads(payload) for kind, payload in said if kind == "status"]
    return [" ".join([status["state"], status.get("reason", "")]).strip() for status in statuses]


def lost_while_saying(state, agent):
    """Let the connection break once, when this state is said."""
    left = [1]

    def breaks(topic, payload):
        if topic.endswith("/status") and json.loads(payload)["state"] == state and left:
            left.pop()
            return True
        return False

    agent.link.breaks = breaks


# ---- The connection breaks


def lost_at_rebooting():
    agent = start()
    lost_while_saying("rebooting", agent)
    return install(agent)


def lost_at_verifying():
    agent = start()
    lost_while_saying("verifying", agent)
    install(agent)
    clock.now += 2000
    return poll(agent)


def lost_at_verdict(give_up=1000):
    agent = start(give_up=give_up)
    lost_while_saying("failed", agent)
    poll(agent, 1)
    offer(agent)
    send(agent, 0)
    poll(agent)
    clock.now += give_up
    poll(agent)
    clock.now += 2000
    poll(agent)
    return states()


def lost_at_cancel():
    agent = start()
    lost_while_saying("cancelled", agent)
    poll(agent, 1)
    offer(agent)
    send(agent, 0)
    poll(agent)
    agent.link.coming.append((agent.topic("cancel"), json.dumps({"session": SESSION}).encode()))
    poll(agent)
    clock.now += 2000
    poll(agent)
    return states()


def verdict_of_an_open_session():
    # A way fails, nobody hears it, and the same session is offered again.
    agent = start()
    lost_while_saying("failed", agent)
    poll(agent, 1)
    offer(agent)
    for _ in range(9):
        poll(agent, 1)
        clock.now += 1001
    agent.link.close()
    agent.slot.save(verdict=dict(agent.slot.verdict, told=False))
    agent.link.breaks = lambda topic, payload: topic.endswith("/status")
    clock.now += 5000
    poll(agent)
    agent.link.breaks = lambda topic, payload: False
    agent.slot.save(verdict=dict(agent.slot.verdict, told=False))
    agent.link._socket, agent.link.coming = agent.link, []
    offer(agent)
    send(agent, 0)
    poll(agent, 1)
    before = len(states())
    agent.link.close()
    clock.now += 90_000
    poll(agent)
    return [state for state in states()[before:] if "failed" in state]


def outage(give_up=300_000):
    # The broker is away for longer than a transfer may be silent.
    agent = start(give_up=give_up)
    poll(agent, 1)
    offer(agent)
    send(agent, 0)
    poll(agent)
    agent.link.is_there = False
    agent.link.close()
    for _ in range(20):
        poll(agent, 1)
        clock.now += 61_000
    agent.link.is_there = True
    poll(agent)
    send(agent)
    return [poll(agent), states()[-1]]


def breaks_at_once():
    # The broker throws the board out as soon as it is there, for an hour.
    agent = start()
    for _ in range(3600):
        poll(agent, 1)
        agent.link.is_up and agent._lost(OSError("thrown out"))
        clock.now += 1000
    return len(connects)


def breaks_after_a_while():
    agent = start()
    poll(agent, 1)
    clock.now += 60_000
    poll(agent, 1)
    agent._lost(OSError("lost"))
    clock.now += 1000
    poll(agent, 1)
    return len(connects)


def leaves_after_a_week():
    agent = start()
    for _ in range(7 * 24 * 60):
        poll(agent, 1)
        clock.now += 60_000
    agent.leave("asleep")
    poll(agent, 1)
    return agent.link.is_up


def no_tls():
    # The `ssl` of a port may lack what is needed.
    mqtt_ota.socket, mqtt_ota._secure = Sockets(), no_context
    link = Link("broker", 8883, "", None, None, b"x", 60, 1024)
    try:
        link.connect("t", b"")
    except OSError:
        return not link.is_up


def no_context(*_):
    raise AttributeError("SSLContext")


class Sockets:
    """A network that takes everything, and whose bytes come slowly."""

    AF_INET = SOCK_STREAM = 0

    def socket(self):
        return self

    def getaddrinfo(self, *_):
        return [[self]]

    def readinto(self, buffer):
        clock.now += 9000
        buffer[0] = 0x30
        return 1

    def settimeout(self, _):
        pass

    setsockopt = connect = lambda *_: None

    def close(self):
        pass

    def poll(self, _):
        return True


def no_goodbye():
    # The connection is gone already when the board wants to close it in order.
    closed = []
    sockets = Sockets()
    sockets.write = lambda _: no_network()
    sockets.close = lambda: closed.append(True)
    link = Link("broker", 1883, "", None, None, None, 60, 1024)
    link._socket = sockets
    link.close(clean=True)
    return [link.is_up, len(closed)]


def no_network():
    raise OSError("no network")


def bytes_drip():
    # A packet is said to be long, and a byte of it comes every nine seconds.
    link = Link("broker", 1883, "", None, None, None, 60, 1024)
    link._socket = link._poll = Sockets()
    link._heard_at = link._pinged_at = clock.ticks_ms()
    began = clock.now
    try:
        link.receive(0, None)
    except OSError:
        return (clock.now - began) // 1000


def frames_of_another_image():
    agent = start(give_up=3000)
    poll(agent, 1)
    offer(agent)
    send(agent, 0)
    for _ in range(5):
        send(agent, 0, image=image_of({"other.py": b"x"}))
        poll(agent, 2)
        clock.now += 900
    poll(agent, 2)
    return states()[-1]


# ---- What the application gave to the agent raises


def raising(*_):
    raise RuntimeError("the application's own")


def log_raises():
    causes = [install(start(on_event=raising)), poll(start(on_event=raising))]
    return causes + [states()[-1]]


def self_test_raises():
    install(start())
    cause = poll(start(self_test=raising))
    poll(start())
    return [cause, states()[-1], read_files() == OLD]


# ---- A release that fails without a word


def broker_out_of_reach():
    install(start())
    agent = start(trial=60_000)
    agent.link.is_there = False
    poll(agent)
    clock.now += 59_000
    early = poll(agent)
    clock.now += 1000
    late = poll(agent)
    start()
    return [early, late, read_files() == OLD]


# ---- The flash is full


def full_at_any_write():
    # What was said to have failed must not be found in place later; and what is in place must be whole.
    write_old()
    wrong, ends = [], set()
    for room in range(flash.used(), 4600, 61):
        clear()
        write_old()
        flash.room = room
        del said[:]
        agent = None
        try:
            agent = start()
            cause = install(agent)
        except OSError:
            cause = "no room for the agent itself"
        lost = agent is not None and not agent.link.is_up and not agent._is_over
        verdict = states()[-1:]
        flash.room = None
        files = OLD if cause != "update" else NEW
        again = start()
        if read_files() != files or lost or (cause == "update" and again.version != "1.1.0"):
            wrong.append([room, cause, verdict, lost, sorted(read_files())])
        ends.add(cause or (verdict or [""])[0])
    return [wrong[:3], sorted(ends)]


def filled_by_the_release():
    # On trial the application fills the flash; then it is unfit, or starts too often.
    found = []
    for ending in ("unfit", "starts", "confirm"):
        clear()
        write_old()
        install(start())
        agent = start()
        with builtins.open(FOLDER + "/log", "wb") as file:
            file.write(b"x" * 100)
        flash.room = flash.used()
        if ending == "unfit":
            agent._self_test = lambda: False
            poll(agent)
        elif ending == "confirm":
            poll(agent)
        for _ in range(4):
            agent = start()
            # It logs on.
            with builtins.open(FOLDER + "/log", "ab") as file:
                file.write(b"x" * max(0, flash.room - flash.used()))
        os.remove(FOLDER + "/log")
        flash.room = None
        found.append([agent.version, read_files() == OLD, agent.is_on_trial])
    return found


def confirmed_in_vain():
    # The flash takes not even a note that the release is confirmed.
    write_old()
    install(start())
    agent = start()
    flash.room = 0
    for _ in range(9):
        poll(agent)
        clock.now += 1000
    was_said = "confirmed" in states()
    flash.room = None
    return [was_said, start().is_on_trial]


# ---- Offers


def size_corrected():
    # An offer of too large a size, then the true one.
    agent = start()
    poll(agent, 1)
    longer = IMAGE + b"x" * 256
    offer(agent, size=len(longer))
    poll(agent)
    tag = binascii.unhexlify(sha256_of(IMAGE)[:16])
    for offset in range(0, len(longer), 256):
        block = longer[offset : offset + 256]
        head = struct.pack("<BB8sIHI", 1, 0, tag, offset, len(block), binascii.crc32(block))
        if offset + 256 < len(longer):
            agent.link.coming.append((agent.topic("block"), head + block))
    poll(agent)
    agent.link.coming.append((agent.topic("cancel"), json.dumps({"session": SESSION}).encode()))
    poll(agent)
    offer(agent, session=OTHER)
    send(agent)
    return poll(agent)


def no_memory_to_unpack():
    agent = start()
    agent.slot.unpack = no_memory
    install(agent)
    return states()[-1]


def no_memory():
    raise MemoryError


def clear(path=None):
    path = path or FOLDER
    for entry in list(os.ilistdir(path)):
        below = path + "/" + entry[0]
        if entry[1] & 0x4000:
            clear(below)
            os.rmdir(below)
        else:
            os.remove(below)


write_old()
print(json.dumps(globals()[sys.argv[1]]()))

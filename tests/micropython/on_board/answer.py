"""Answers calls of the agent's functions from the outside: JSON on stdin, JSON on stdout."""

import binascii
import io
import json
import sys
import time

HOME = __file__.rsplit("/", 1)[0]
sys.path.insert(0, HOME + "/../../../firmware/micropython")

import mqtt_ota


def is_signed(text, signature, key):
    return mqtt_ota.is_signed(text, signature, mqtt_ota.load_key(key)[0])


def key_id(key):
    return mqtt_ota.load_key(key)[1]


def read_release(data):
    return mqtt_ota.read_release(io.BytesIO(data), len(data))


class Stream(io.BytesIO):
    """A connection on which this comes, and whatever is said is heard."""

    said = b""

    def write(self, data):
        self.said += data
        return len(data)


class Ready:
    def poll(self, _):
        return True


def connected(data, limit):
    link = mqtt_ota.Link("", 0, "", None, None, None, 60, limit)
    link._socket = link._stream = Stream(data)
    link._poll = Ready()
    link._pinged_at = link._heard_at = time.ticks_ms()
    return link


def hear(data, limit):
    link, heard = connected(data, limit), []
    try:
        while True:
            link.receive(0, lambda topic, payload: heard.append([topic, payload]))
    except OSError as err:
        heard.append(str(err))
    return heard


def hear_in_pieces(data, limit, size):
    """Hear what comes in pieces of so many bytes."""

    class Pieces(Stream):
        def readinto(self, buffer):
            return super().readinto(memoryview(buffer)[:size])

    whole = globals()["Stream"]
    globals()["Stream"] = Pieces
    try:
        return hear(data, limit)
    finally:
        globals()["Stream"] = whole


def say_back(data, limit):
    """Return what the agent's client says while it hears this."""
    link = connected(data, limit)
    try:
        while True:
            link.receive(0, lambda topic, payload: None)
    except OSError:
        return link._stream.said


class Deaf(mqtt_ota.Agent):
    """An agent that hears what it is given, and whose answers are kept."""

    def hear(self, payload):
        self.said = []
        self.receive(self.topic("offer"), payload)
        return self.said

    def _say(self, session, state, held, reason="", detail="", **seen):
        self.said.append([session, state, reason])

    def _tell(self, event, **fields):
        if event == "dropped":
            self.said.append(["", "dropped", ""])


def answer_offer(settings, running, payload):
    agent = Deaf(settings.pop("id"), "127.0.0.1", folder="board", **settings)
    agent.slot.save(active={"version": "1.0.0", "sha256": running, "files": []})
    agent.link.subscribe = agent.link.publish = agent.link.unsubscribe = lambda *_: 0
    return agent.hear(payload)


def given(value):
    if isinstance(value, dict) and list(value) == ["hex"]:
        return binascii.unhexlify(value["hex"])
    return value


def told(value):
    if isinstance(value, (bytes, bytearray)):
        return {"hex": str(binascii.hexlify(value), "utf-8")}
    if isinstance(value, (tuple, list)):
        return [told(one) for one in value]
    return value


def answer(name, *arguments):
    function = globals().get(name) or getattr(mqtt_ota, name)
    try:
        return told(function(*map(given, arguments)))
    except ValueError:
        return "ValueError"


print(json.dumps([answer(*call) for call in json.loads(sys.stdin.read())]))

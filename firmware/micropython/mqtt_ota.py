# Put together by assemble.py from the modules in agent/: change those, never this file.
"""MQTT OTA for MicroPython: lets Home Assistant replace the files of an application, all of them or none.

Copy this one file to the board. `example_main.py` shows its use, `README.md` says what it does and what it cannot do,
`../PROTOCOL.md` is the contract with Home Assistant.
"""

import binascii
import hashlib
import io
import json
import os
import select
import socket
import struct
import sys
import time

# ---- Texts and numbers, as manifests, releases and messages write them

CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"


def is_board_id(text):
    """Tell whether a text may be the id of a board."""
    return 1 <= len(text) <= 64 and all(c in CHARACTERS for c in text) and text not in (".", "..")


def is_hex(text, length):
    """Tell whether a text is so many hex digits."""
    return len(text) == length and all(c in "0123456789abcdef" for c in text)


def is_line(text):
    """Tell whether a text is 1 to 64 bytes without control characters."""
    return 0 < len(text.encode()) <= 64 and all(ord(c) >= 32 and ord(c) != 127 for c in text)


def to_hex(raw):
    """Write bytes as hex digits."""
    return str(binascii.hexlify(raw), "utf-8")


def to_number(text):
    """Read a decimal of 32 bits; ValueError for any other text."""
    if not 1 <= len(text) <= 10 or not all(c in "0123456789" for c in text) or (text[0] == "0" and text != "0"):
        raise ValueError("number")
    number = int(text)
    if number > 0xFFFFFFFF:
        raise ValueError("number")
    return number


def text_in(fields, name):
    """Return a text of a message; ValueError where it is none."""
    text = fields.get(name)
    if not isinstance(text, str):
        raise ValueError(name)
    return text


def number_in(fields, name, low, high):
    """Return a number of a message; ValueError where it is none, or out of bounds."""
    number = fields.get(name)
    if type(number) is not int or not low <= number <= high:
        raise ValueError(name)
    return number


# ---- Blocks on the wire: the frames that bring them, the wants that ask for them

try:
    import deflate
except ImportError:  # a small port: blocks come raw
    deflate = None

MIN_BLOCK = 256
MAX_BLOCK = 16384
FRAME_HEAD = 20


def parse_frame(payload):
    """Return tag, offset and block of a frame; ValueError where it is none."""
    if not FRAME_HEAD < len(payload) <= FRAME_HEAD + MAX_BLOCK:
        raise ValueError("wrong length")
    version, code, tag, offset, length, crc = struct.unpack_from("<BB8sIHI", payload)
    if version != 1 or not 1 <= length <= MAX_BLOCK:
        raise ValueError("wrong head")
    block = payload[FRAME_HEAD:]
    if code == 1:
        block = _inflate(block, length)
    elif code:
        raise ValueError("unknown encoding")
    if len(block) != length or binascii.crc32(block) != crc:
        raise ValueError("wrong block")
    return tag, offset, block


def _inflate(payload, length):
    if deflate is None:
        raise ValueError("unknown encoding")
    source = io.BytesIO(payload)
    try:
        block = deflate.DeflateIO(source, deflate.RAW, 12).read(length + 1)
    except (OSError, EOFError):
        raise ValueError("broken stream")
    if source.read(1):
        raise ValueError("bytes after the stream")
    return block


def write_want(tag, block_size, first, count, probe):
    """Return a want of `count` blocks from `first` on, at most 256."""
    head = struct.pack("<BB8sHI", 1, 1 if probe else 0, tag, block_size, first)
    return head + ((1 << count) - 1).to_bytes((count + 7) // 8, "little")


# ---- Signatures: ECDSA on P-256. Nothing here is secret, so nothing need be constant in time

_P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    1,
)
_SPKI = binascii.unhexlify("3059301306072a8648ce3d020106082a8648ce3d030107034200")


def load_key(text):
    """Return point and id of a public key: PEM, or the base64 of its uncompressed point; ValueError where it is none."""
    lines = [line for line in text.strip().split("\n") if not line.startswith("-----")]
    raw = binascii.a2b_base64("".join(lines))
    if raw[: len(_SPKI)] == _SPKI:
        raw = raw[len(_SPKI) :]
    if len(raw) != 65 or raw[0] != 4:
        raise ValueError("key")
    x, y = int.from_bytes(raw[1:33], "big"), int.from_bytes(raw[33:], "big")
    if x >= _P or y >= _P or (y * y - (x * x - 3) * x - _B) % _P:
        raise ValueError("key")
    return (x, y, 1), to_hex(hashlib.sha256(raw).digest())[:16]


def is_signed(text, signature, point):
    """Tell whether a base64 signature (r and s) of a text is by the key of this point."""
    try:
        raw = binascii.a2b_base64(signature)
    except ValueError:
        return False
    # Written in another way than base64 asks for, it is refused like a wrong one.
    if len(raw) != 64 or binascii.b2a_base64(raw).strip() != signature.encode():
        return False
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    if not (0 < r < _N and 0 < s < _N):
        return False
    digest = int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")
    inverse = _inverse(s, _N)
    x, _, z = _sum_of_products(digest * inverse % _N, _G, r * inverse % _N, point)
    return bool(z) and (x * _inverse(z * z % _P, _P)) % _P % _N == r


def _inverse(number, modulus):
    a, b, u, v = number % modulus, modulus, 1, 0
    while a:
        q = b // a
        a, b, u, v = b - q * a, a, v - q * u, u
    return v % modulus


def _sum_of_products(j, p, k, q):
    """Return j * p + k * q, in Jacobian coordinates; z is 0 for the point at infinity."""
    both = _add(p, q)
    total = (1, 1, 0)
    for place in range(255, -1, -1):
        total = _double(total)
        a, b = j >> place & 1, k >> place & 1
        if a or b:
            total = _add(total, both if a and b else p if a else q)
    return total


def _double(p):
    x, y, z = p
    square = y * y % _P
    s = 4 * x * square % _P
    zz = z * z % _P
    m = 3 * (x - zz) * (x + zz) % _P
    x3 = (m * m - 2 * s) % _P
    return x3, (m * (s - x3) - 8 * square * square) % _P, 2 * y * z % _P


def _add(p, q):
    if not p[2]:
        return q
    if not q[2]:
        return p
    zz1, zz2 = p[2] * p[2] % _P, q[2] * q[2] % _P
    u1, u2 = p[0] * zz2 % _P, q[0] * zz1 % _P
    s1, s2 = p[1] * zz2 * q[2] % _P, q[1] * zz1 * p[2] % _P
    h, r = (u2 - u1) % _P, (s2 - s1) % _P
    if not h:
        return (1, 1, 0) if r else _double(p)
    hh = h * h % _P
    hhh, v = h * hh % _P, u1 * hh % _P
    x3 = (r * r - hhh - 2 * v) % _P
    return x3, (r * (v - x3) - s1 * hhh) % _P, h * p[2] * q[2] % _P


# ---- Offers: what one must say, and why one is refused

PROTOCOL = 1
OFFER_LIMIT = 1024


class Refused(Exception):
    """An offer that must not be taken; the first argument is the reason to answer, the second more for people."""


def parse_session(payload):
    """Return the session that a message names, and all its fields; ValueError where there is none."""
    if len(payload) > OFFER_LIMIT:
        raise ValueError("too long")
    try:
        fields = json.loads(str(payload, "utf-8"))
    except (ValueError, RuntimeError):  # RuntimeError: nested beyond reason
        raise ValueError("not JSON")
    session = fields.get("session") if isinstance(fields, dict) else None
    if not isinstance(session, str) or not is_hex(session, 16):
        raise ValueError("no session")
    return session, fields


def parse_manifest(text):
    """Read a canonical manifest into a dict; ValueError for any other text."""
    lines = text.split("\n")
    if len(lines) != 8 or lines[0] != "mqtt_ota 1" or lines[7]:
        raise ValueError("manifest")
    manifest = {}
    for key, line in zip(("model", "chip", "version", "size", "sha256", "counter"), lines[1:7]):
        if not line.startswith(key + "="):
            raise ValueError(key)
        manifest[key] = line[len(key) + 1 :]
    manifest["size"] = to_number(manifest["size"])
    manifest["counter"] = to_number(manifest["counter"])
    valid = (
        manifest["size"] > 0
        and (not manifest["model"] or is_line(manifest["model"]))
        and is_line(manifest["version"])
        and is_hex(manifest["sha256"], 64)
        and 1 <= len(manifest["chip"]) <= 32
        and all(c in CHARACTERS and c not in "_." for c in manifest["chip"])
    )
    if not valid:
        raise ValueError("manifest")
    return manifest


def parse_offer(session, fields, own_topic, root, about):
    """Read an offer to the board that announces this; ValueError says which of its fields is wrong."""
    if type(fields.get("protocol")) is not int or fields["protocol"] != PROTOCOL:
        raise ValueError("protocol")
    text = text_in(fields, "manifest")
    facts = parse_manifest(text)
    if text_in(fields, "transport") != "blocks":
        raise ValueError("transport")
    topic = text_in(fields, "topic")
    if topic not in (own_topic, root + "/image/" + facts["sha256"][:16]):
        raise ValueError("topic")
    block_size = number_in(fields, "block_size", MIN_BLOCK, MAX_BLOCK)
    window = number_in(fields, "window", 1, 256)
    if text_in(fields, "encoding") not in ("raw", "deflate"):
        raise ValueError("encoding")
    return {
        "session": session,
        "manifest": text,
        "facts": facts,
        "topic": topic,
        "block_size": min(block_size, about["block_size"]),
        "window": min(window, about["window"]),
        "signature": "" if fields.get("signature") is None else text_in(fields, "signature"),
    }


def check_offer(offer, about, counter, keys, running, arriving):
    """Raise Refused with the first reason that applies; the last two are SHA-256 or None."""
    facts = offer["facts"]
    if facts["model"] not in ("", about["model"]):
        raise Refused("model")
    if facts["chip"] != about["chip"]:
        raise Refused("chip")
    if facts["size"] > about["slot_size"]:
        raise Refused("size")
    if facts["counter"] < counter:
        raise Refused("counter")
    if keys and not any(is_signed(offer["manifest"], offer["signature"], point) for point, _ in keys):
        raise Refused("signature")
    if facts["sha256"] == running:
        raise Refused("already_running")
    if arriving not in (None, facts["sha256"]):
        raise Refused("busy")


# ---- A release: its files in one image, after a head that names them

MAGIC = "mqtt_ota files 1"
MAX_HEAD = 8192
MAX_FILES = 64
MAX_NAME = 96
# What starts the board and what repairs it stay as they are.
RESERVED = ("boot.py", "main.py", "mqtt_ota.py", "mqtt_ota.mpy")
# So does what tells one board from the next.
SETTINGS = "settings.json"
# What the agent and `main.py` import. MicroPython prefers a file of that name: neither might start, and nobody would undo it.
MODULES = "asyncio binascii deflate hashlib io json machine mqtt_ota network os select socket ssl struct sys time tls"


def is_safe_name(name):
    """Tell whether a file of this name may be written: below the folder, not hidden, not what starts the board."""
    steps = name.split("/")
    return (
        len(name) <= MAX_NAME
        and all(step and step[0] != "." and all(c in CHARACTERS for c in step) for step in steps)
        and name.lower() not in RESERVED
    )


def is_in_the_way(name):
    """Tell whether a file of this name would stand before what the board itself needs."""
    steps = name.lower().split("/")
    if len(steps) > 1 and steps[0] == "lib":
        steps = steps[1:]
    # A folder is a module as well as a file is.
    first, kind = (steps[0], "") if len(steps) > 1 else (steps[0].replace(".mpy", ".py"), ".py")
    return name.lower() == SETTINGS or first in [module + kind for module in MODULES.split()]


def read_release(file, size):
    """Return version and files (name, size, sha256, offset) of the image in a file; ValueError where it is none."""
    head = file.read(min(size, MAX_HEAD))
    end = head.find(b"\n\n")
    if end < 0:
        raise ValueError("no head")
    lines = str(head[:end], "utf-8").split("\n")
    if len(lines) < 4 or lines[0] != MAGIC or lines[1][:8] != "project=" or lines[2][:8] != "version=":
        raise ValueError("head")
    if (len(lines[1]) > 8 and not is_line(lines[1][8:])) or not is_line(lines[2][8:]):
        raise ValueError("head")
    files = []
    offset = end + 2
    for line in lines[3:]:
        files.append(_read_file_line(line, offset))
        offset += files[-1][1]
    if offset != size or len(files) > MAX_FILES or _collide([name for name, _, _, _ in files]):
        raise ValueError("files")
    return lines[2][8:], files


def _read_file_line(line, offset):
    words = line.split(" ")
    if len(words) != 3 or words[0][:5] != "file=" or not is_hex(words[1], 64):
        raise ValueError("file")
    if not is_safe_name(words[2]) or is_in_the_way(words[2]):
        raise ValueError("no name for a file: " + words[2])
    return words[2], to_number(words[0][5:]), words[1], offset


def _collide(names):
    """Tell whether two names are one on a file system that ignores case, or one is a folder of another."""
    taken = set()
    folders = set()
    for name in names:
        steps = name.lower().split("/")
        if "/".join(steps) in taken:
            return True
        taken.add("/".join(steps))
        folders.update("/".join(steps[:length]) for length in range(1, len(steps)))
    return bool([name for name in taken if name in folders])


# ---- Files and folders: what every file system of a board can do with them

PIECE = 1024


def size_of(path):
    """Return the size of a file in bytes, None where there is none; OSError for a folder."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    if stat[0] & 0x4000:
        raise OSError(path + " is a folder")
    return stat[6]


def hash_of(path):
    """Return the SHA-256 of a file as it reads back."""
    sha256 = hashlib.sha256()
    buffer = bytearray(PIECE)
    view = memoryview(buffer)
    with open(path, "rb") as file:
        while True:
            count = file.readinto(buffer)
            if not count:
                return to_hex(sha256.digest())
            sha256.update(view[:count])


def remove(path):
    """Remove a file, if it is there."""
    if size_of(path) is not None:
        os.remove(path)


def replace(path, target):
    """Rename a file over another one, if need be in two steps."""
    try:
        os.rename(path, target)
    except OSError:
        os.remove(target)
        os.rename(path, target)


def make_folder(path):
    """Make a folder, if it is not there."""
    try:
        os.mkdir(path)
    except OSError:
        if not os.stat(path)[0] & 0x4000:
            raise


def folders_of(name):
    """Return the folders in which a file lies, the outermost first."""
    steps = name.split("/")
    return ["/".join(steps[:length]) for length in range(1, len(steps))]


def make_folders(root, name):
    """Make the folders of a file."""
    for folder in folders_of(name):
        make_folder(root + folder)


def remove_folders(root, name):
    """Remove the folders of a file that are empty: MicroPython would import a folder `lamp` before a file `lamp.py`."""
    for folder in reversed(folders_of(name)):
        try:
            os.rmdir(root + folder)
        except OSError:  # something else lies in it, or it is gone
            pass


# ---- The journal: one small file with what must survive a power cut


class Journal:
    """`active`, `record`, `trial` and `verdict`, each a dict or None, and `counter`. `active` is the release that was confirmed last."""

    def __init__(self, home):
        self._home = home
        make_folder(home[:-1])
        self._journal = self._read("journal.json")
        if self._journal is None:
            # The power went while the new one took the old one's place, on a file system that cannot do that at once.
            self._journal = self._read("journal.new")
            if self._journal is not None:
                replace(home + "journal.new", home + "journal.json")
        if self._journal is None:
            self._journal = {}

    def __getattr__(self, name):
        if name in ("active", "record", "trial", "verdict"):
            return self._journal.get(name)
        raise AttributeError(name)

    @property
    def counter(self):
        """The highest security counter that was ever confirmed."""
        return self._journal.get("counter", 0)

    def save(self, **changes):
        """Change it, wholly or not at all: OSError for not at all."""
        journal = dict(self._journal)
        journal.update(changes)
        text = json.dumps(journal).encode()
        with open(self._home + "journal.new", "wb") as file:
            file.write(b"%08x " % binascii.crc32(text))
            file.write(text)
        _sync()
        replace(self._home + "journal.new", self._home + "journal.json")
        _sync()
        self._journal = journal

    def _read(self, name):
        try:
            with open(self._home + name, "rb") as file:
                crc, text = file.read(9), file.read()
            return json.loads(text) if crc == b"%08x " % binascii.crc32(text) else None
        except (OSError, ValueError):
            return None


def _sync():
    if hasattr(os, "sync"):
        os.sync()


# ---- The slot: the image as it comes, the files before and after. Every step can be done again

_SWAP, _TRIAL, _UNDO = "swap", "trial", "undo"


class Slot(Journal):
    """The files of the application, and what replaces them.

    A release is decided on by one write of the journal; `boot` does what is left of it, however often the power goes meanwhile.
    """

    def __init__(self, folder, starts):
        self._root = folder if folder.endswith("/") else folder + "/"
        super().__init__(self._root + ".mqtt_ota/")
        self._image = self._home + "image"
        self._starts = starts
        self._file = None

    @property
    def is_on_trial(self):
        """Whether what runs has still to prove itself."""
        return self.trial is not None and self.trial["phase"] == _TRIAL

    @property
    def running(self):
        """The release whose files are in place: a dict with version and sha256, empty before the first."""
        return (self.trial if self.is_on_trial else self.active) or {}

    def boot(self):
        """Finish or undo what was interrupted, and count the starts of a release on trial."""
        trial = self.trial
        try:
            if trial is None:
                self._sweep()
            elif trial["phase"] == _SWAP:
                self._swap(trial)
            elif trial["phase"] == _UNDO:
                self._undo(trial)
            elif trial["starts"] >= self._starts:
                self.roll_back("boot")
            else:
                self._count_start(trial)
        except OSError:
            # The files of the application are as good as they get; the next start tries again.
            pass

    def _count_start(self, trial):
        try:
            self.save(trial=dict(trial, starts=trial["starts"] + 1))
        except OSError:
            # A start that cannot be counted could be repeated for ever.
            self.roll_back("boot")

    # -- The image

    def held(self, record):
        """Return how many bytes the image has of which a record tells."""
        return min(size_of(self._image) or 0, record["size"])

    def begin(self, record):
        """Make room for an image; OSError where there is none."""
        self.drop()
        if hasattr(os, "statvfs"):
            space = os.statvfs(self._home[:-1])
            # The image, its files, and the journal.
            if space[0] * space[3] < 2 * record["size"] + 16384:
                raise OSError("no room")
        self.save(record=record)

    def write(self, offset, block):
        """Write a block where the image ends, or over what a power cut left of it."""
        if self._file is None:
            self._file = open(self._image, "wb" if size_of(self._image) is None else "r+b")
        self._file.seek(offset)
        self._file.write(block)
        self._file.flush()

    def close(self):
        """Let go of the image."""
        file, self._file = self._file, None
        try:
            if file is not None:
                file.close()
        except OSError:  # it is read back before it counts
            pass

    def drop(self):
        """Forget the image; first of all it makes room, so that this can be noted on a full flash."""
        self.close()
        remove(self._image)
        self._sweep()
        self.save(record=None)

    def digest(self):
        """Return the SHA-256 of the image as it reads back."""
        self.close()
        return hash_of(self._image)

    def read_release(self):
        """Return version and files of the image; ValueError where it is none."""
        with open(self._image, "rb") as file:
            return read_release(file, size_of(self._image))

    # -- The files

    def unpack(self):
        """Write the files of the image aside and decide to use them; ValueError where it is no release."""
        version, files = self.read_release()
        self._sweep()
        names = [name for name, _, _, _ in files]
        gone = self._gone(names)
        # A name of the plan, whether it brings a file, whether it takes one away. What goes makes way for what comes.
        plan = [[name, False, True] for name in gone]
        for name, size, sha256, offset in files:
            path, aside = self._root + name, self._home + "new%d" % len(plan)
            old = size_of(path)
            if old == size and hash_of(path) == sha256:
                continue
            for folder in folders_of(name):
                if folder not in gone and _is_file(self._root + folder):
                    raise OSError(folder + " is a file")
            self._extract(offset, size, aside)
            if hash_of(aside) != sha256:
                raise ValueError("digest of " + name)
            plan.append([name, True, old is not None])
        trial = {key: self.record[key] for key in ("session", "sha256", "size", "counter")}
        trial.update(version=version, files=names, plan=plan, phase=_SWAP, starts=0)
        self.save(record=None, trial=trial)

    def _gone(self, names):
        """Return the files that the release before brought, and that this one lacks."""
        try:
            os.stat(self._root + ".MQTT_OTA")
            spell = str.lower
        except OSError:
            spell = str
        kept = [spell(name) for name in names]
        before = self.running.get("files", ())
        return [name for name in before if spell(name) not in kept and _is_file(self._root + name)]

    def _extract(self, offset, size, path):
        with open(self._image, "rb") as source, open(path, "wb") as target:
            source.seek(offset)
            while size:
                piece = source.read(min(size, PIECE))
                if not piece:
                    raise OSError("image is short")
                target.write(piece)
                size -= len(piece)

    def confirm(self):
        """Keep the release on trial; OSError where that cannot be noted."""
        trial = self.trial
        active = {key: trial[key] for key in ("sha256", "version", "files")}
        verdict = {
            "session": trial["session"],
            "state": "confirmed",
            "reason": "",
            "held": trial["size"],
            "told": False,
        }
        self.save(active=active, counter=max(self.counter, trial["counter"]), trial=None, verdict=verdict)
        self._sweep()

    def roll_back(self, reason):
        """Go back to the files that were there before."""
        # The image was kept as a reserve: a release that fills the flash must not keep itself in place by that.
        remove(self._image)
        self.save(trial=dict(self.trial, phase=_UNDO, reason=reason))
        self._undo(self.trial)

    def _swap(self, trial):
        try:
            for place, (name, new, old) in enumerate(trial["plan"]):
                aside, kept = self._home + "new%d" % place, self._home + "old%d" % place
                if old and size_of(kept) is None:
                    os.rename(self._root + name, kept)
                if not new:
                    remove_folders(self._root, name)
                elif size_of(aside) is not None:
                    make_folders(self._root, name)
                    os.rename(aside, self._root + name)
            self.save(trial=dict(trial, phase=_TRIAL, starts=1))
        except OSError:
            self.roll_back("boot")

    def _undo(self, trial):
        for place, (name, _, old) in reversed(list(enumerate(trial["plan"]))):
            kept = self._home + "old%d" % place
            if not old:
                # A file that was swapped in; one that never was is not there.
                remove(self._root + name)
                remove_folders(self._root, name)
            elif size_of(kept) is not None:
                make_folders(self._root, name)
                replace(kept, self._root + name)
        verdict = {
            "session": trial["session"],
            "state": "rolled_back",
            "reason": trial["reason"],
            "held": 0,
            "told": False,
        }
        self.save(trial=None, verdict=verdict)
        self._sweep()

    def _sweep(self):
        """Remove what no release on trial needs; what cannot be removed now can be at the next start."""
        keep = ("journal.json", "journal.new") + (("image",) if self.record else ())
        for name in os.listdir(self._home[:-1]):
            if name not in keep:
                try:
                    remove(self._home + name)
                except OSError:
                    pass


def _is_file(path):
    try:
        return not os.stat(path)[0] & 0x4000
    except OSError:
        return False


# ---- MQTT 3.1.1, as much as a board needs

_CONNACK, _PUBLISH, _PUBACK = 0x20, 0x30, 0x40
_TIMEOUT = 10  # seconds without a byte in the middle of a packet, or without room to send one
_SLOWEST = 30_000  # ms until a packet must be there
_SCRATCH = 256
_LONGEST_TOPIC = 512
_MOST_UNACKNOWLEDGED = 64
# No network; a broker that is no broker; a name without an address; a port without TLS.
_UNREACHABLE = (OSError, ValueError, IndexError, ImportError, AttributeError)


class Link:
    """A connection to a broker. Every method raises OSError when it is lost."""

    def __init__(self, host, port, client_id, user, password, ca, keep_alive, limit):
        """`limit` is the length of the longest message that is wanted; longer ones are dropped unread."""
        self._host, self._port, self._ca = host, port, ca
        self._login = client_id, user, password
        self._keep_alive = keep_alive
        self._limit = limit
        self._socket = None
        self._poll = None
        self._pinged_at = self._heard_at = self._began_at = 0
        self._pid = 0
        self.unacknowledged = set()

    @property
    def is_up(self):
        """Tell whether there is a connection."""
        return self._socket is not None

    def connect(self, will_topic, will):
        """Connect with a clean session and a retained last will."""
        raw = socket.socket()
        try:
            self._socket = raw
            raw.settimeout(_TIMEOUT)
            address = socket.getaddrinfo(self._host, self._port, socket.AF_INET, socket.SOCK_STREAM)[0][-1]
            raw.connect(address)
            _without_delay(raw)
            if self._ca is not None:
                self._socket = _secure(raw, self._ca, self._host)
            self._poll = select.poll()
            self._poll.register(self._socket, select.POLLIN)
            self._greet(will_topic, will)
        except _UNREACHABLE as err:
            self.close()
            raise OSError(str(err))

    def _greet(self, will_topic, will):
        client_id, user, password = self._login
        flags = 0x02 | 0x04 | 0x08 | 0x20
        body = _field(client_id) + _field(will_topic) + _field(will)
        if user is not None:
            flags |= 0x80
            body += _field(user)
            if password is not None:
                flags |= 0x40
                body += _field(password)
        self.unacknowledged.clear()
        self._send(0x10, b"\x00\x04MQTT\x04" + struct.pack(">BH", flags, self._keep_alive) + body)
        kind, length = self._read_head()
        if kind != _CONNACK or length != 2:
            raise OSError("no MQTT broker")
        code = self._read(2)[1]
        if code:
            raise OSError("the broker refuses, code %d" % code)
        self._pinged_at = self._heard_at = time.ticks_ms()

    def publish(self, topic, payload, qos=1, retain=False):
        """Send a message; returns its packet id, 0 with QoS 0."""
        body = _field(topic)
        pid = 0
        if qos:
            if len(self.unacknowledged) == _MOST_UNACKNOWLEDGED:
                raise OSError("the broker acknowledges nothing")
            pid = self._next_pid()
            self.unacknowledged.add(pid)
            body += struct.pack(">H", pid)
        self._send(_PUBLISH | qos << 1 | (1 if retain else 0), body + payload)
        return pid

    def subscribe(self, topic, qos):
        """Hear a topic."""
        self._send(0x82, struct.pack(">H", self._next_pid()) + _field(topic) + bytes((qos,)))

    def unsubscribe(self, topic):
        """Hear a topic no more."""
        self._send(0xA2, struct.pack(">H", self._next_pid()) + _field(topic))

    def receive(self, wait_ms, take):
        """Wait for a packet; a message goes to `take(topic, payload)` and is acknowledged then. False: nothing came."""
        self._keep_awake()
        if not self._poll.poll(wait_ms):
            return False
        kind, length = self._read_head()
        self._heard_at = time.ticks_ms()
        if kind & 0xF0 == _PUBLISH:
            self._receive_message(kind, length, take)
        elif length > _SCRATCH:
            raise OSError("no MQTT")
        else:
            body = self._read(length)
            if kind == _PUBACK and length == 2:
                self.unacknowledged.discard(struct.unpack(">H", body)[0])
        return True

    def drain(self, wait_ms):
        """Wait until everything that was said is acknowledged, but not for ever; what comes meanwhile is lost."""
        until = time.ticks_add(time.ticks_ms(), wait_ms)
        while self.unacknowledged and time.ticks_diff(until, time.ticks_ms()) > 0:
            self.receive(50, _ignore)

    def close(self, clean=False):
        """End the connection; a clean end discards the last will."""
        if self._socket is None:
            return
        try:
            if clean:
                self._send(0xE0, b"")
        except OSError:
            pass
        try:
            self._socket.close()
        except OSError:
            pass
        self._socket = self._poll = None

    def _receive_message(self, kind, length, take):
        size = struct.unpack(">H", self._read(2))[0] if length >= 2 else 0
        has_pid = kind & 0x06
        length -= 2 + size + (2 if has_pid else 0)
        # Nothing was subscribed to with QoS 2, nor with so long a topic.
        if length < 0 or size > _LONGEST_TOPIC or kind & 0x04:
            raise OSError("no MQTT")
        try:
            topic = str(self._read(size), "utf-8")
        except ValueError:
            raise OSError("no MQTT")
        pid = self._read(2) if has_pid else None
        if length > self._limit:
            while length:
                length -= len(self._read(min(length, _SCRATCH)))
        else:
            take(topic, self._read(length))
        if pid is not None and self._socket is not None:
            self._send(_PUBACK, bytes(pid))

    def _keep_awake(self):
        """Make the broker speak now and then, so that a dead connection is found out."""
        now = time.ticks_ms()
        if not self._keep_alive:
            return
        if time.ticks_diff(now, self._heard_at) > 1500 * self._keep_alive:
            raise OSError("the broker is silent")
        if time.ticks_diff(now, self._pinged_at) > 500 * self._keep_alive:
            self._pinged_at = now
            self._send(0xC0, b"")

    def _next_pid(self):
        self._pid = self._pid % 65535 + 1
        return self._pid

    def _send(self, kind, body):
        head = bytearray((kind,))
        length = len(body)
        while length > 127:
            head.append(length & 127 | 128)
            length >>= 7
        head.append(length)
        packet = bytes(head) + body
        if self._socket is None or self._socket.write(packet) != len(packet):
            raise OSError("cannot send")

    def _read_head(self):
        self._began_at = time.ticks_ms()
        kind = self._read(1)[0]
        length = 0
        for place in range(4):
            byte = self._read(1)[0]
            length |= (byte & 127) << 7 * place
            if byte < 128:
                return kind, length
        raise OSError("no MQTT")

    def _read(self, count):
        buffer = bytearray(count)
        view, got = memoryview(buffer), 0
        while got < count:
            read = self._socket.readinto(view[got:])
            if not read:
                raise OSError("the connection is lost")
            got += read
            if time.ticks_diff(time.ticks_ms(), self._began_at) > _SLOWEST:
                raise OSError("the broker is too slow")
        return buffer


def _ignore(topic, payload):
    pass


def _field(text):
    raw = text if isinstance(text, bytes) else text.encode()
    return struct.pack(">H", len(raw)) + raw


def _without_delay(raw):
    """Send small packets at once, where the port can."""
    try:
        raw.setsockopt(6, 1, 1)  # IPPROTO_TCP, TCP_NODELAY: not every port names them
    except (OSError, ValueError, AttributeError):
        pass


def _secure(raw, ca, host):
    """Wrap a socket in TLS that trusts one certificate authority and checks the broker's name."""
    try:
        import ssl as tls
    except ImportError:
        import tls
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = tls.CERT_REQUIRED
    context.load_verify_locations(cadata=ca) if tls.__name__ == "ssl" else context.load_verify_locations(ca)
    return context.wrap_socket(raw, server_hostname=host)


# ---- Pulling: an image from its start to its end, a file being written best in order


class Pull:
    """What to ask for, and when again. Times are ticks in ms, `timeout` is ms."""

    def __init__(self, tag, size, block_size, held, window, timeout, now):
        self.block_size = block_size
        self.next = self._asked_to = 0
        self.hopeless = False
        self.wake_at = now
        self.tag = tag
        self._size, self._window = size, window
        self._timeout = self._patience = timeout
        self._went_back_to = -1
        self._count_from(held)
        self.again(now)

    @property
    def held(self):
        """Bytes of the image that are there."""
        return min(self.next * self.block_size, self._size)

    @property
    def is_whole(self):
        """Whether nothing is missing."""
        return self.next == self._blocks

    def again(self, now):
        """Begin with a probe: what was asked for before went another way."""
        self.probing = True
        self._tries = 0
        self._asked_to = self.next
        self.wake_at = now

    def wants(self, now):
        """Return the want to send now, or None."""
        is_due = time.ticks_diff(now, self.wake_at) >= 0
        if self.probing:
            return self._probe(now) if is_due else None
        if is_due:
            self._asked_to = self.next
            self._patience = min(2 * self._patience, 8 * self._timeout)
            self.wake_at = time.ticks_add(now, self._patience)
        first, end = self._asked_to, min(self.next + self._window, self._blocks)
        if first - self.next > self._window // 2 or first >= end:
            return None
        self._asked_to = end
        return write_want(self.tag, self.block_size, first, end - first, False)

    def heard(self, offset, length, now):
        """Return whether a frame of the image brings the block that is due."""
        number = offset // self.block_size
        expected = min(self.block_size, self._size - offset)
        if offset != number * self.block_size or length != expected:
            return False
        self.probing = False
        if number != self.next:
            # One that came too early tells that the one before is lost; once, for the rest is on its way.
            if number > self.next and self._went_back_to != self.next:
                self._went_back_to = self._asked_to = self.next
            return False
        self.next += 1
        self._asked_to = max(self._asked_to, self.next)
        self._patience = self._timeout
        self.wake_at = time.ticks_add(now, self._patience)
        return True

    def _probe(self, now):
        if self._tries == 2:
            if self.block_size == MIN_BLOCK:
                self.hopeless = True
                return None
            held = self.held
            self.block_size = max(MIN_BLOCK, self.block_size // 2)
            self._count_from(held)
            self._tries = 0
        self._tries += 1
        self.wake_at = time.ticks_add(now, self._timeout)
        return write_want(self.tag, self.block_size, self.next, 1, True)

    def _count_from(self, held):
        self._blocks = (self._size + self.block_size - 1) // self.block_size
        self.next = self._asked_to = self._blocks if held == self._size else held // self.block_size


# ---- An update: the offer that is taken, the blocks that come, the verdict that is said

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


# ---- The agent: what a board is, its connection, and the trial of a new release

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

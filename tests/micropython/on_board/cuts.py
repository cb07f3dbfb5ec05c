"""Cuts the power at every single change of the files of an install, once or twice, and says what was wrong then.

`cuts.py FOLDER STYLE ENDING STRIDE`: STYLE is the file system (`posix`, or `fat`: it renames by removing first, and ignores
case), ENDING is what becomes of the release (`confirm` or `roll_back`); of the second cuts only every STRIDEth is tried. Prints
JSON: how many changes there are, and what went wrong.
"""

import builtins
import hashlib
import json
import os
import sys

HOME = __file__.rsplit("/", 1)[0]
sys.path.insert(0, HOME + "/../../../firmware/micropython")

import mqtt_ota

OLD = {"app.py": b"old app", "lib/lamp.py": b"old lamp", "gone.py": b"gone", "same.py": b"same", "own.txt": b"mine"}
NEW = {"app.py": b"new app, longer", "lib/lamp.py": b"new lamp", "lib/deep/fresh.py": b"fresh", "same.py": b"same"}
# A module that becomes a package, and the other way round: MicroPython imports a folder before a file, even an empty one.
OLD.update({"pack.py": b"module", "flat/__init__.py": b"package", "flat/deep/er.py": b"in it"})
NEW.update({"pack/__init__.py": b"package", "flat.py": b"module"})
# Names that differ in nothing but case.
OLD["Case.py"], NEW["case.py"] = b"upper", b"lower"
NEW_FILES = dict(NEW, **{"own.txt": b"mine"})


class Cut(BaseException):
    """The power is gone."""


class Power:
    """Lasts for so many changes."""

    left = -1
    style = "posix"

    def change(self):
        if self.left == 0:
            raise Cut
        self.left -= 1


power = Power()


def spelt(path):
    """Return the path as the file system knows it."""
    return FOLDER + path[len(FOLDER) :].lower() if power.style == "fat" else path


def files_and_folders(files):
    """Return what `read` finds where these files are and nothing else."""
    found = {}
    for name, content in files.items():
        known = spelt(FOLDER + "/" + name)[len(FOLDER) + 1 :]
        found[known] = content
        found.update(dict.fromkeys(mqtt_ota.folders_of(known)))
    return found


class File:
    """A file in which a write may be torn."""

    def __init__(self, path, mode):
        if mode != "rb":
            power.change()
        self._file = builtins.open(spelt(path), mode)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def __getattr__(self, name):
        return getattr(self._file, name)

    def write(self, data):
        try:
            power.change()
        except Cut:
            self._file.write(data[: len(data) // 2])
            self._file.close()
            raise
        self._file.write(data)


class Os:
    """The file system's verbs, with an end before each of them."""

    def listdir(self, path):
        return os.listdir(spelt(path))

    def stat(self, path):
        return os.stat(spelt(path))

    def rename(self, path, target):
        power.change()
        if power.style == "fat" and mqtt_ota.size_of(target) is not None:
            os.remove(spelt(target))
            power.change()
        os.rename(spelt(path), spelt(target))

    def remove(self, path):
        power.change()
        os.remove(spelt(path))

    def mkdir(self, path):
        power.change()
        os.mkdir(spelt(path))

    def rmdir(self, path):
        power.change()
        os.rmdir(spelt(path))


mqtt_ota.os, mqtt_ota.open = Os(), File
FOLDER = sys.argv[1]


def image():
    lines = ["mqtt_ota files 1", "project=", "version=1.1.0"]
    for name in sorted(NEW):
        lines.append("file=%d %s %s" % (len(NEW[name]), mqtt_ota.to_hex(hashlib.sha256(NEW[name]).digest()), name))
    return "\n".join(lines).encode() + b"\n\n" + b"".join(NEW[name] for name in sorted(NEW))


STARTS = 9  # more than there are starts here: this is about the files
IMAGE = image()
RECORD = {"session": "0" * 16, "sha256": mqtt_ota.to_hex(hashlib.sha256(IMAGE).digest()), "size": len(IMAGE)}
RECORD.update(block_size=256, counter=3)
BEFORE = {"version": "1.0.0", "sha256": "f" * 64, "files": [name for name in OLD if name != "own.txt"]}


def clear(path):
    for entry in os.ilistdir(path):
        below = path + "/" + entry[0]
        if entry[1] & 0x4000:
            clear(below)
            os.rmdir(below)
        else:
            os.remove(below)


def read(path, prefix=""):
    found = {}
    for entry in os.ilistdir(path):
        name = entry[0]
        if entry[1] & 0x4000 and name != ".mqtt_ota":
            found[prefix + name] = None
            found.update(read(path + "/" + name, prefix + name + "/"))
        elif name != ".mqtt_ota":
            with builtins.open(path + "/" + name, "rb") as file:
                found[prefix + name] = file.read()
    return found


def prepare(folder):
    power.left = -1
    clear(folder)
    for name, content in OLD.items():
        mqtt_ota.make_folders(folder + "/", name)
        with builtins.open(spelt(folder + "/" + name), "wb") as file:
            file.write(content)
    mqtt_ota.Slot(folder, STARTS).save(active=dict(BEFORE))


def install(folder, ending):
    """Do everything that is left of an install, from whatever state the files are in."""
    slot = mqtt_ota.Slot(folder, STARTS)
    slot.boot()
    if slot.trial is None and slot.running["version"] == "1.0.0" and slot.verdict is None:
        if slot.record is None:
            slot.begin(dict(RECORD))
        offset = slot.held(slot.record) // 256 * 256
        while offset < len(IMAGE):
            slot.write(offset, IMAGE[offset : offset + 256])
            offset += 256
        assert slot.digest() == RECORD["sha256"], "digest"
        slot.unpack()
        slot = mqtt_ota.Slot(folder, STARTS)
        slot.boot()
    if slot.trial is not None:
        slot.confirm() if ending == "confirm" else slot.roll_back("self_test")


def wrong(folder, ending):
    """Say what is wrong right after a start, empty for nothing."""
    power.left = -1
    slot = mqtt_ota.Slot(folder, STARTS)
    slot.boot()
    files, running = read(folder), slot.running["version"]
    if files != files_and_folders(NEW_FILES if running == "1.1.0" else OLD):
        return "files of " + running + ": " + repr(files)
    install(folder, ending)
    slot = mqtt_ota.Slot(folder, STARTS)
    slot.boot()
    states = {"confirm": ("confirmed", "1.1.0", NEW_FILES, 3), "roll_back": ("rolled_back", "1.0.0", OLD, 0)}
    state, version, files, counter = states[ending]
    end = slot.verdict["state"], slot.running["version"], read(folder), slot.counter
    if end != (state, version, files_and_folders(files), counter):
        return "end: " + repr((slot.verdict, slot.running, read(folder)))
    left = os.listdir(folder + "/.mqtt_ota")
    return "" if set(left) <= {"journal.json", "journal.new"} else "left: " + repr(left)


def cut(folder, ending, changes):
    """Tell whether the power went after so many changes."""
    power.left = changes
    try:
        install(folder, ending)
    except Cut:
        return True
    return False


def main(folder, style, ending, stride):
    power.style = style
    found, first, twice = [], 0, 0
    while True:
        prepare(folder)
        if not cut(folder, ending, first):
            break
        second = first % int(stride)
        while True:
            if cut(folder, ending, second):
                twice += 1
                problem = wrong(folder, ending)
                if problem:
                    found.append([first, second, problem])
                prepare(folder)
                cut(folder, ending, first)
                second += int(stride)
            else:
                break
        prepare(folder)
        cut(folder, ending, first)
        problem = wrong(folder, ending)
        if problem:
            found.append([first, -1, problem])
        first += 1
    print(json.dumps({"changes": first, "twice": twice, "wrong": found[:5]}))


main(*sys.argv[1:])

"""A release: its files in one image, after a head that names them."""

from .texts import CHARACTERS, is_hex, is_line, to_number

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

"""Files and folders: what every file system of a board can do with them."""

import hashlib
import os

from .texts import to_hex

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

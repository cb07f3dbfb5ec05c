"""The journal: one small file with what must survive a power cut."""

import binascii
import json
import os

from .files import make_folder, replace


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

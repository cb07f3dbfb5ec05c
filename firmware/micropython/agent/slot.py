"""The slot: the image as it comes, the files before and after. Every step can be done again."""

import os

from .files import PIECE, folders_of, hash_of, make_folders, remove, remove_folders, replace, size_of
from .journal import Journal
from .release import read_release

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

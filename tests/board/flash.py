"""The board's flash: two slots, a bitmap of what the free one holds, and a journal that survives everything."""

from dataclasses import asdict, dataclass, field, replace
import hashlib
import json
from pathlib import Path
from typing import Any, Self

from custom_components.mqtt_ota.ota.blocks import Bitmap, block_count

_DESCRIPTOR = 0x20
_DESCRIPTOR_MAGIC = bytes.fromhex("3254cdab")
_VERSION = slice(0x30, 0x50)


@dataclass(frozen=True, slots=True)
class Record:
    """What the free slot is being filled with, for which session."""

    session: str
    sha256: str
    size: int
    block_size: int
    counter: int


@dataclass(frozen=True, slots=True)
class Trial:
    """An image that is to prove itself; `booted` once the boot loader has started it."""

    session: str
    sha256: str
    counter: int
    booted: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a session ended, and whether that was said."""

    session: str
    state: str
    reason: str = ""
    held: int = 0
    told: bool = True


@dataclass(slots=True)
class Journal:
    """What the board must not forget; `digests` are the SHA-256 of the whole images in the slots."""

    active: int = 0
    counter: int = 0
    digests: list[str] = field(default_factory=lambda: ["", ""])
    record: Record | None = None
    trial: Trial | None = None
    verdict: Verdict | None = None

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the journal of its text."""
        fields: dict[str, Any] = json.loads(text)
        for name, kind in (("record", Record), ("trial", Trial), ("verdict", Verdict)):
            fields[name] = fields[name] and kind(**fields[name])
        return cls(**fields)


class Flash:
    """Files that outlive the board's power. What is written is there at once, or not at all."""

    def __init__(self, folder: Path) -> None:
        """Open the flash of a folder; an empty one is a board fresh from the factory."""
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "journal.json"
        self.journal = Journal.read(path.read_text()) if path.exists() else Journal()

    @property
    def running(self) -> int:
        """Return the number of the slot that runs."""
        trial = self.journal.trial
        return self._free if trial and trial.booted else self.journal.active

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the image that runs, empty for the factory's."""
        return self.journal.digests[self.running]

    def version(self, factory: str) -> str:
        """Return the version that the running image's app descriptor tells; `factory` while the slot is empty."""
        if not self.digest:
            return factory
        with self._slot(self.running).open("rb") as file:
            head = file.read(_VERSION.stop)
        return head[_VERSION].split(b"\0", 1)[0].decode("utf-8", "replace")

    def save(self, **changes: Any) -> None:
        """Change the journal."""
        self.journal = replace(self.journal, **changes)
        draft = self._folder / "journal.draft"
        draft.write_text(json.dumps(asdict(self.journal)))
        draft.replace(self._folder / "journal.json")

    def boot(self, *, broken: bool = False) -> None:
        """Do what the boot loader does: start an image on trial once, and go back if it has not proved itself."""
        trial = self.journal.trial
        if trial is None:
            return
        if broken or trial.booted:
            self.roll_back("boot")
        else:
            self.save(trial=replace(trial, booted=True))

    def roll_back(self, reason: str) -> None:
        """Go back to the image that ran before the trial."""
        assert self.journal.trial is not None
        self.save(trial=None, verdict=Verdict(self.journal.trial.session, "rolled_back", reason, told=False))

    def confirm(self) -> None:
        """Keep the image on trial."""
        trial = self.journal.trial
        assert trial is not None
        self.save(
            active=self._free,
            counter=max(self.journal.counter, trial.counter),
            trial=None,
            verdict=Verdict(trial.session, "confirmed", held=self._slot(self._free).stat().st_size, told=False),
        )

    def begin(self, record: Record) -> None:
        """Erase the free slot for an image."""
        digests = list(self.journal.digests)
        digests[self._free] = ""
        self.save(record=None, digests=digests)
        self._slot(self._free).write_bytes(b"")
        self.keep(record, Bitmap(block_count(record.size, record.block_size)))

    def keep(self, record: Record, bitmap: Bitmap) -> None:
        """Note anew what the free slot holds."""
        self.save(record=None)
        self._bitmap.write_bytes(bytes(bitmap))
        self.save(record=record)

    def bitmap(self) -> Bitmap:
        """Return which blocks the free slot holds, counted as the record counts them."""
        record = self.journal.record
        assert record is not None
        return Bitmap(block_count(record.size, record.block_size), self._bitmap.read_bytes())

    def write(self, offset: int, block: bytes) -> None:
        """Write to the free slot."""
        _overwrite(self._slot(self._free), offset, block)

    def mark(self, number: int, bitmap: Bitmap) -> None:
        """Note that a block is written."""
        bitmap.add(number)
        _overwrite(self._bitmap, number // 8, bytes(bitmap)[number // 8 :][:1])

    def read_back(self, *, wrong: bool = False) -> str:
        """Return the SHA-256 of what the free slot holds; `wrong` spoils the first byte, as bad flash does."""
        image = bytearray(self._slot(self._free).read_bytes())
        if wrong:
            image[0] ^= 0xFF
        return hashlib.sha256(image).hexdigest()

    def holds_app(self) -> bool:
        """Tell whether the free slot holds what the boot loader would start."""
        with self._slot(self._free).open("rb") as file:
            head = file.read(_VERSION.stop)
        return head[:1] == b"\xe9" and head[_DESCRIPTOR:][:4] == _DESCRIPTOR_MAGIC

    def set_boot(self) -> None:
        """Let the boot loader try the free slot."""
        record = self.journal.record
        assert record is not None
        digests = list(self.journal.digests)
        digests[self._free] = record.sha256
        self.save(record=None, digests=digests, trial=Trial(record.session, record.sha256, record.counter))

    @property
    def _free(self) -> int:
        return 1 - self.journal.active

    @property
    def _bitmap(self) -> Path:
        return self._folder / "held.bin"

    def _slot(self, number: int) -> Path:
        return self._folder / f"slot{number}.bin"


def _overwrite(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b", buffering=0) as file:
        file.seek(offset)
        file.write(data)

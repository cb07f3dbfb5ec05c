"""An image on its way into the free slot."""

from dataclasses import replace

from custom_components.mqtt_ota.ota.blocks import Bitmap, block_count, span, tag_of
from custom_components.mqtt_ota.ota.board import Transport

from .flash import Flash, Record
from .offer import Offer
from .pull import Pull
from .settings import Settings


class Transfer:
    """What the free slot lacks of an offered image. The slot is touched by the first block, not before."""

    def __init__(self, offer: Offer, settings: Settings, flash: Flash, now: float) -> None:
        """Go on from the flash's record where it is of this image, else from nothing."""
        manifest, record = offer.manifest, flash.journal.record
        self._settings = settings
        self._flash = flash
        self._begun = record is not None and (record.sha256, record.size) == (manifest.sha256, manifest.size)
        if record is None or not self._begun:
            record = Record("", manifest.sha256, manifest.size, offer.block_size, 0)
            bitmap = Bitmap(block_count(record.size, record.block_size))
        else:
            bitmap = flash.bitmap()
        self._record = record
        self.pull = self._new_pull(offer, record.block_size, bitmap, now)
        self.heard_at = now
        self.take(offer)

    def is_of(self, offer: Offer) -> bool:
        """Tell whether an offer is this transfer's own, said again: only then it needs no check."""
        return (offer.session, offer.text) == (self.offer.session, self.offer.text)

    def take(self, offer: Offer) -> None:
        """Go on as the session of this offer."""
        self.offer = offer
        self._record = replace(self._record, session=offer.session, counter=offer.manifest.counter)
        if self._begun:
            self._flash.save(record=replace(self._record, block_size=self._kept_block_size))

    def redirect(self, offer: Offer, now: float) -> None:
        """Go on by the way of this offer, which is another than before."""
        self.take(offer)
        self.pull = self._new_pull(offer, self.pull.block_size, self.pull.bitmap, now)
        self.heard_at = now

    @property
    def by_blocks(self) -> bool:
        """Tell whether the image comes as blocks."""
        return self.offer.transport is Transport.BLOCKS

    @property
    def held(self) -> int:
        """Return how many bytes the slot holds."""
        bitmap, size = self.pull.bitmap, self._record.size
        last = bitmap.count - 1
        lacking = self.pull.block_size - span(last, size, self.pull.block_size)[1] if last in bitmap else 0
        return bitmap.held * self.pull.block_size - lacking

    @property
    def is_whole(self) -> bool:
        """Tell whether nothing is missing."""
        return self.pull.bitmap.held == self.pull.bitmap.count

    @property
    def wake_at(self) -> float:
        """Return when silence matters next."""
        gives_up_at = self.heard_at + self._settings.give_up
        return min(self.pull.wake_at, gives_up_at) if self.by_blocks else gives_up_at

    def prepare(self) -> None:
        """Make the slot ready for a block: erase it for another image, or count anew in smaller blocks."""
        if not self._begun:
            self._begun = True
            self._record = replace(self._record, block_size=self.pull.block_size)
            self._flash.begin(self._record)
        elif self._kept_block_size != self.pull.block_size:
            self._record = replace(self._record, block_size=self.pull.block_size)
            self._flash.keep(self._record, self.pull.bitmap)

    def tear(self, number: int, block: bytes) -> None:
        """Write half of a block and note nothing, as when the power goes."""
        self._flash.write(number * self.pull.block_size, block[: len(block) // 2])

    def store(self, number: int, block: bytes) -> None:
        """Write a block, then note that it is there."""
        self._flash.write(number * self.pull.block_size, block)
        self._flash.mark(number, self.pull.bitmap)

    @property
    def _kept_block_size(self) -> int:
        """Return the block size that the flash's bitmap counts in."""
        kept = self._flash.journal.record
        return self.pull.block_size if kept is None else kept.block_size

    def _new_pull(self, offer: Offer, block_size: int, bitmap: Bitmap, now: float) -> Pull:
        manifest = offer.manifest
        return Pull(
            tag_of(manifest.sha256),
            manifest.size,
            block_size,
            bitmap,
            window=offer.window,
            order=self._settings.order,
            timeout=self._settings.ask_timeout,
            now=now,
        )

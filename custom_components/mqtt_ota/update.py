"""The update entity of a board: what it runs, what there is, and the install."""

from dataclasses import dataclass
from typing import Any, Final, override

from homeassistant.components.update import UpdateDeviceClass, UpdateEntity, UpdateEntityFeature
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.restore_state import ExtraStoredData

from .card_notes import card_notes, summary, version_source
from .const import DOMAIN
from .entity import BoardEntity
from .installs import async_install
from .member import Member
from .ota.dialects import Traits
from .ota.errors import OtaError
from .ota.notes import notes_since
from .ota.release import Candidate
from .ota.session import Session
from .ota.state import GOOD
from .ota.version import is_newer, is_same
from .runtime import MqttOtaConfigEntry, Runtime
from .texts import async_texts

# Home Assistant would hold boards back out of sight, their cards at rest.
PARALLEL_UPDATES = 0

# What the card shows as installed of a board that tells no version: without a text there Home Assistant shows no button.
UNKNOWN_VERSION: Final = "unknown"


async def async_setup_entry(
    hass: HomeAssistant, entry: MqttOtaConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Give every board that is known or comes an update entity."""
    runtime = entry.runtime_data

    @callback
    def _joined(member: Member) -> None:
        async_add_entities([FirmwareUpdate(runtime, member)])

    entry.async_on_unload(runtime.fleet.async_on_join(_joined))


@dataclass(frozen=True, slots=True)
class LatestVersion(ExtraStoredData):
    """The version that was offered last: without it a restart would forget that the user skipped it."""

    version: str | None
    url: str | None

    @override
    def as_dict(self) -> dict[str, Any]:
        return {"latest_version": self.version, "release_url": self.url}


class FirmwareUpdate(BoardEntity, UpdateEntity):
    """The firmware of one board; everything it shows is derived from the board, its session and the feeds."""

    _attr_device_class = UpdateDeviceClass.FIRMWARE
    _attr_translation_key = "firmware"
    _attr_display_precision = 0
    _attr_supported_features = (
        UpdateEntityFeature.INSTALL
        | UpdateEntityFeature.SPECIFIC_VERSION
        | UpdateEntityFeature.PROGRESS
        | UpdateEntityFeature.RELEASE_NOTES
    )
    _unrecorded_attributes = frozenset({"install_state", "bytes_held", "latest_reason", "queue_place", "waits_for"})

    def __init__(self, runtime: Runtime, member: Member) -> None:
        """Show the firmware of a board."""
        super().__init__(member, "firmware")
        self._runtime = runtime
        self._candidates: tuple[Candidate, ...] = ()
        self._notes_of_newest = ""

    @override
    async def async_added_to_hass(self) -> None:
        """Show what was known before the restart until the feed answers."""
        await async_texts(self.hass)
        if (extra := await self.async_get_last_extra_data()) is not None:
            stored = extra.as_dict()
            self._attr_latest_version = stored.get("latest_version")
            self._attr_release_url = stored.get("release_url")
        await super().async_added_to_hass()
        self._refresh()
        self.async_on_remove(self._runtime.catalogue.async_listen(self._async_write))

    @property
    @override
    def extra_restore_state_data(self) -> LatestVersion:
        """Return what the next start must know."""
        return LatestVersion(self._attr_latest_version, self._attr_release_url)

    @override
    def _async_write(self) -> None:
        self._refresh()
        super()._async_write()

    def _refresh(self) -> None:
        """Take over what the feeds offer this board; while they are silent the last word stands."""
        candidates = self._runtime.catalogue.candidates(self._member.board)
        if candidates is None:
            return
        self._candidates = candidates
        newest = candidates[0] if candidates else None
        installed = self._member.version
        # Without a feed nobody can say that the board is up to date.
        self._attr_latest_version = (
            (installed or None) if self._runtime.catalogue.has_feed(self._member.board) else None
        )
        self._attr_release_url = None
        self._notes_of_newest = ""
        self._attr_title = None
        if newest is None:
            return
        release = newest.release
        self._attr_title = newest.product.name or None
        self._attr_release_url = release.url or None
        if not is_same(release.version, installed):
            self._attr_latest_version = release.version
            self._notes_of_newest = release.notes

    @property
    @override
    def installed_version(self) -> str | None:
        """Return what the board runs, as far as is known: `version_source` tells how."""
        tells = Traits.REPORTS_VERSION in self._runtime.fleet.dialect_of(self._member).traits
        return self._member.version or (None if tells else UNKNOWN_VERSION)

    @property
    @override
    def release_summary(self) -> str | None:
        """Return what must be said of the board, and the beginning of the newest release's notes."""
        return summary(self._said(), self._notes_of_newest)

    def _said(self) -> str:
        return card_notes(self.hass, self._runtime, self._member)

    @property
    @override
    def in_progress(self) -> bool:
        """Tell whether an update runs now: derived from the live session, never stored."""
        return self._member.is_installing

    @property
    @override
    def update_percentage(self) -> float | None:
        """Return how much of the image the board holds."""
        session = self._member.active_session
        return None if session is None else session.percentage

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """Return where the running or last update stands, in words that an automation can match."""
        session = self._member.session
        state = "preparing" if self._member.preparing else None if session is None else session.state
        return {
            "availability": self._member.availability,
            "version_source": version_source(self._member),
            "install_state": state,
            "install_reason": None if session is None else session.reason,
            "latest_reason": self._runtime.catalogue.reason(self._member.board),
            "queue_place": self._runtime.sessions.queue.place(self._member),
            "waits_for": self._runtime.sessions.queue.waits_for(self._member),
            "bytes_held": None if session is None or not session.is_active else session.held,
        }

    @override
    def version_is_newer(self, latest_version: str, installed_version: str) -> bool:
        """Order the versions that people really use; what cannot be ordered is not newer."""
        return installed_version == UNKNOWN_VERSION or is_newer(latest_version, installed_version)

    async def async_update(self) -> None:
        """Ask the feed again: this is the user's "check for updates"."""
        await self._runtime.catalogue.async_refresh(self._member.board)

    @override
    async def async_release_notes(self) -> str | None:
        """Return what must be said of the board, and the notes of every release since the installed one."""
        notes = ""
        if self._candidates and self.latest_version is not None:
            notes = notes_since(self._candidates, self._member.version, self.latest_version)
        return "\n\n".join(filter(None, (self._said(), notes))) or None

    @override
    async def async_install(self, version: str | None, backup: bool, **kwargs: Any) -> None:
        """Install a version and stay until the board's verdict; a board that cannot be reached now is armed."""
        try:
            session = await async_install(self._runtime, self._member, version)
        except OtaError as err:
            raise _translated(err) from err
        await self._member.settled.wait()
        if self._member.session is session and not session.is_active and session.state not in GOOD:
            raise _failed(self._member, session)


def _translated(err: OtaError) -> HomeAssistantError:
    return HomeAssistantError(
        translation_domain=DOMAIN, translation_key=err.reason, translation_placeholders=err.placeholders
    )


def _failed(member: Member, session: Session) -> HomeAssistantError:
    assert session.reason is not None
    return HomeAssistantError(
        translation_domain=DOMAIN,
        translation_key=f"install_{session.reason}",
        translation_placeholders={
            "board": member.name,
            "version": session.target.version,
            "installed": session.from_version or "-",
            "detail": session.detail or "-",
        },
    )

"""Why something about an update cannot be done: one code a reason, each with a translation."""

from enum import StrEnum


class Reason(StrEnum):
    """Say why an image, a feed, an offer or an install was refused or failed.

    Each value is the key of a text in `translations/en.json`, under `exceptions`.
    """

    # The image's own bytes (image.py)
    IMAGE_EMPTY = "image_empty"
    IMAGE_NOT_ESP = "image_not_esp"
    IMAGE_COMPRESSED = "image_compressed"
    IMAGE_BOOTLOADER = "image_bootloader"
    IMAGE_MERGED = "image_merged"
    IMAGE_TRUNCATED = "image_truncated"
    IMAGE_TRAILING = "image_trailing"
    IMAGE_CHECKSUM = "image_checksum"
    IMAGE_DIGEST = "image_digest"
    IMAGE_BUNDLE = "image_bundle"
    # The image against the board and the release (image.py, release.py)
    WRONG_CHIP = "wrong_chip"
    TOO_LARGE = "too_large"
    SIZE_MISMATCH = "size_mismatch"
    SHA256_MISMATCH = "sha256_mismatch"
    MD5_MISMATCH = "md5_mismatch"
    # The release (release.py, signature.py)
    NO_PRODUCT = "no_product"
    NO_RELEASE = "no_release"
    VERSION_UNKNOWN = "version_unknown"
    NO_ASSET = "no_asset"
    AMBIGUOUS_RELEASE = "ambiguous_release"
    OTHER_SERIES = "other_series"
    VERSION_TOO_OLD = "version_too_old"
    VERSION_TOO_NEW = "version_too_new"
    COUNTER_TOO_LOW = "counter_too_low"
    SIGNATURE_MISSING = "signature_missing"
    SIGNATURE_INVALID = "signature_invalid"
    KEY_INVALID = "key_invalid"
    MANIFEST_INVALID = "manifest_invalid"
    # The feed (feeds/, releases.py)
    FEED_UNREACHABLE = "feed_unreachable"
    FEED_TIMEOUT = "feed_timeout"
    FEED_NOT_FOUND = "feed_not_found"
    FEED_FORBIDDEN = "feed_forbidden"
    FEED_RATE_LIMITED = "feed_rate_limited"
    FEED_SERVER_ERROR = "feed_server_error"
    FEED_TOO_LARGE = "feed_too_large"
    FEED_IS_HTML = "feed_is_html"
    FEED_NOT_JSON = "feed_not_json"
    FEED_INVALID = "feed_invalid"
    FEED_EMPTY = "feed_empty"
    FEED_CHANGED = "feed_changed"
    FEED_NOT_READ = "feed_not_read"
    FOLDER_NOT_FOUND = "folder_not_found"
    FOLDER_OUTSIDE = "folder_outside"
    # The store (firmware_store.py)
    DISK_FULL = "disk_full"
    IMAGE_OVERSIZE = "image_oversize"
    IMAGE_UNREADABLE = "image_unreadable"
    STORE_UNWRITABLE = "store_unwritable"
    # The way to the board (downloads.py, dialects)
    NO_TRANSPORT = "no_transport"
    NO_URL = "no_url"
    URL_SCHEME = "url_scheme"
    URL_INVALID = "url_invalid"
    URL_TOO_LONG = "url_too_long"
    NO_PORT = "no_port"
    NO_ADDRESS = "no_address"
    MESSAGE_TOO_LARGE = "message_too_large"
    TOO_MANY_CHUNKS = "too_many_chunks"
    NOT_ONE_NUMBER = "not_one_number"
    PATCH_TOO_HIGH = "patch_too_high"
    PATCH_TOO_LOW = "patch_too_low"
    NOT_FILES = "not_files"
    COHORT_BUSY = "cohort_busy"
    TOPIC_SHARED = "topic_shared"
    BROKER_GONE = "broker_gone"
    ALREADY_INSTALLING = "already_installing"
    ALREADY_INSTALLED = "already_installed"
    BOARD_UNKNOWN = "board_unknown"
    IN_ROLLOUT = "in_rollout"
    NO_ROLLOUT = "no_rollout"
    TOO_FRESH = "too_fresh"
    WINDOW_CLOSED = "window_closed"
    # What became of an install (session.py)
    NO_ANSWER = "no_answer"
    STALLED = "stalled"
    NEVER_RETURNED = "never_returned"
    STUCK = "stuck"
    SHARED_ID = "shared_id"
    NEVER_FETCHED = "never_fetched"
    FELL_SILENT = "fell_silent"
    OTHER_IMAGE = "other_image"
    HALF_DELIVERED = "half_delivered"
    NOT_PASSED_ON = "not_passed_on"
    ROLLED_BACK = "rolled_back"
    CANCELLED = "cancelled"
    WAITED_TOO_LONG = "waited_too_long"
    # What a board said (its `status`)
    BOARD_REFUSED = "board_refused"
    BOARD_BUSY = "board_busy"
    BOARD_FLASH = "board_flash"
    BOARD_DIGEST = "board_digest"
    BOARD_TRANSPORT = "board_transport"
    BOARD_IMAGE = "board_image"
    BOARD_FAILED = "board_failed"


class OtaError(Exception):
    """Something about an update cannot be done, for a reason that has a translation.

    `placeholders` fill that translation; every value is text.
    """

    def __init__(self, reason: Reason, **placeholders: object) -> None:
        """Keep the reason and the texts of its placeholders."""
        self.reason = reason
        self.placeholders = {key: str(value) for key, value in placeholders.items()}
        super().__init__(reason, self.placeholders)

    def __str__(self) -> str:
        """Name the reason and its placeholders, for the log."""
        details = ", ".join(f"{key}={value}" for key, value in self.placeholders.items())
        return f"{self.reason}: {details}" if details else str(self.reason)

"""What Tasmota boards say: where they are spoken to, which firmware they run, and why an update failed."""

from dataclasses import dataclass
import re
from typing import Final

from ..errors import Reason
from ..fields import FieldError, Fields

CONFIG_LIMIT: Final = 4096
# No file has this name: whoever runs a build that is not known is offered none.
NO_BUILD: Final = "/"
ESP8266: Final = "ESP8266"

_PREFIX: Final = "%prefix%"
_TOPIC: Final = "%topic%"
_UNFIT: Final = re.compile(r"[+#\x00-\x1f\x7f]")
_NOT_FILLED: Final = re.compile(r"[+%\x00-\x1f\x7f]")
_FIRMWARE: Final = re.compile(
    r"(?P<version>\d{1,5}(?:\.\d{1,5}){2,3})\((?:release-|[0-9a-f]{7,40}-)?(?P<image>[\w.-]{1,40})\)", re.ASCII
)
_INTERMEDIATE: Final = re.compile(r"(?:.*-)?(?:safeboot|minimal)")
_VARIANT: Final = re.compile(r"ESP32-([CHPS][1-9]\d?)")
_PLAIN: Final = re.compile(r"ESP32(?:-(?:[DSU]\d[A-Z]{2}|PICO-).*)?")
# Chips that Tasmota calls by their own names.
_RENAMED: Final = {"ESP8684": "ESP32-C2", "ESP8685": "ESP32-C3", "ESP8686": "ESP32-C3"}
# Images whose file is called otherwise than the image calls itself.
_FILES: Final = {"lvgl-haspmota": "lvgl"}
_NAMED_CHIP: Final = re.compile(r"tasmota32([chps]\d{1,2})")
_FAMILY: Final = "tasmota32"
_TAIL: Final = re.compile(r"(?:cdc|ser)?(?:-[\w.-]+)?", re.ASCII)

# What the texts of a failure mean, in the order in which they are looked for.
_FAILURES: Final = (
    (("md5",), Reason.BOARD_DIGEST),
    (("space", "fit"), Reason.BOARD_REFUSED),
    (("magic", "header", "verify", "activate"), Reason.BOARD_IMAGE),
    (("http", "404", "403", "server", "timeout", "connection", "stream"), Reason.BOARD_TRANSPORT),
    (("flash", "write", "erase"), Reason.BOARD_FLASH),
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a board is spoken to: below which topics it takes commands, answers and tells; its words for its presence."""

    commands: str
    answers: str
    tells: str
    online: str
    offline: str

    @property
    def topics(self) -> tuple[str, str, str]:
        """Return the topics, without their last level."""
        return self.commands, self.answers, self.tells


@dataclass(frozen=True, slots=True)
class Config:
    """What a board announces; the version says nothing of the build."""

    place: Place
    name: str
    model: str
    version: str
    address: str


@dataclass(frozen=True, slots=True)
class Firmware:
    """What a board runs; `build` is the name of its file without the ending, `NO_BUILD` where that is not sure."""

    version: str
    image: str
    chip: str
    build: str

    @property
    def is_intermediate(self) -> bool:
        """Tell whether this only brings another build."""
        return _INTERMEDIATE.fullmatch(self.image) is not None


def filter_of(full_topic: str) -> str:
    """Return what to subscribe to hear boards with this FullTopic, without the last level; raises ValueError."""
    if _PREFIX not in full_topic or _TOPIC not in full_topic or len(full_topic) > 100 or _UNFIT.search(full_topic):
        raise ValueError(full_topic)
    return "/".join("+" if "%" in level else level for level in full_topic.removesuffix("/").split("/"))


def is_heard(topic: str, filters: tuple[str, ...]) -> bool:
    """Tell whether one of these filters, all without the last level, hears a board."""
    levels = topic.split("/")
    for one in filters:
        wanted = one.split("/")
        if len(wanted) == len(levels) and all(want in {"+", level} for want, level in zip(wanted, levels, strict=True)):
            return True
    return False


def read_config(payload: bytes, mac: str) -> Config:
    """Return what the discovery message of the board with this MAC says; raises FieldError."""
    fields = Fields(payload, CONFIG_LIMIT)
    if fields.text("mac").upper() != mac.upper():
        raise FieldError("announces itself under the address of another board")
    name = fields.text("dn", 128, default="") or fields.text("hn", default="")
    return Config(
        place=_place(fields, mac),
        name=name,
        model=fields.text("md", 128, default=""),
        version=fields.text("sw", default=""),
        address=fields.text("ip", default=""),
    )


def read_firmware(payload: bytes, ota_url: str) -> Firmware:
    """Return what the answer to `Status 2` says, helped by the address that the board updates from; raises FieldError."""
    fields = Fields(payload, CONFIG_LIMIT).inside("StatusFWR")
    found = _FIRMWARE.fullmatch(fields.text("Version"))
    if found is None:
        raise FieldError("its version does not name a build")
    hardware = fields.text("Hardware", default="")
    chip, image = chip_of(hardware), found["image"]
    name = ota_url.rpartition("/")[2].removesuffix(".bin")
    named = _NAMED_CHIP.match(name)
    # An older Tasmota calls every chip that it does not know an ESP32.
    is_sure = hardware != "ESP32" or named is None
    return Firmware(
        version=found["version"],
        image=image,
        chip=chip,
        build=build_of(image, chip, name) if is_sure else NO_BUILD,
    )


def chip_of(hardware: str) -> str:
    """Return the chip that Tasmota's name of the hardware means; empty where it is not known."""
    name = hardware.partition(" ")[0]
    if found := _VARIANT.match(name):
        return f"ESP32-{found[1]}"
    if _PLAIN.fullmatch(name):
        return "ESP32"
    if name.startswith((ESP8266, "ESP8285")):
        return ESP8266
    return _RENAMED.get(name, "")


def build_of(image: str, chip: str, named: str) -> str:
    """Return the name of the file that brings what a board runs, `NO_BUILD` where that is not sure.

    The image names a variant, which has a file for each chip and some for each language. Which of them it is, only the
    name in the board's own address for updates tells.
    """
    if chip == ESP8266:
        # Its files are compressed, and none of them is for this integration: it is told, and finds nothing.
        return "tasmota.bin.gz" if image == "tasmota" else f"tasmota-{image}.bin.gz"
    if not chip:
        return NO_BUILD
    family = _FAMILY + chip.removeprefix("ESP32").replace("-", "").lower()
    if image == _FAMILY:
        tail = ""
    elif image == "solo1" and family == _FAMILY:
        tail = image
    elif not image.startswith("tasmota"):
        tail = f"-{_FILES.get(image, image)}"
    elif image.startswith(family) and _TAIL.fullmatch(image, len(family)):
        tail = image.removeprefix(family)
    else:
        return NO_BUILD
    is_sister = re.fullmatch(rf"{family}(?:cdc|ser)?{re.escape(tail)}(?:-[A-Z]{{2}})?", named)
    return named if is_sister else family + tail


def reason_of(text: str) -> Reason:
    """Return what the text of a failure means."""
    text = text.lower()
    return next((reason for words, reason in _FAILURES if any(word in text for word in words)), Reason.BOARD_FAILED)


def _place(fields: Fields, mac: str) -> Place:
    full_topic, prefixes = fields.text("ft", 128), fields.texts("tp")
    if len(prefixes) != 3 or _PREFIX not in full_topic or _TOPIC not in full_topic:
        raise FieldError("its full topic lacks the prefix or the topic")
    words = {_TOPIC: fields.text("t"), "%hostname%": fields.text("hn", default=""), "%id%": mac}
    for word, meaning in words.items():
        full_topic = full_topic.replace(word, meaning)
    full_topic = full_topic.replace("#", "").replace("//", "/").removesuffix("/")
    commands, answers, tells = (full_topic.replace(_PREFIX, prefix) for prefix in prefixes)
    topics = {commands, answers, tells}
    if any(_NOT_FILLED.search(topic) for topic in topics) or len(topics) != 3:
        raise FieldError("its full topic cannot be used")
    online, offline = fields.text("onln", default="Online"), fields.text("ofln", default="Offline")
    return Place(commands, answers, tells, online, offline)

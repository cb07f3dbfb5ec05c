"""What can be set of boards that are told a URL, and the settings of the sketches and projects that are known."""

from collections.abc import Mapping
from typing import Any, Final

from .settings import CHIP, MODEL, Setting, SettingType
from .url_sketch import DIGESTS, FROM_FEED

HOME_ASSISTANT: Final = "home_assistant"
SCHEMES: Final[Mapping[str, frozenset[str]]] = {
    "any": frozenset({"http", "https"}),
    "http": frozenset({"http"}),
    "https": frozenset({"https"}),
}

SETTINGS: Final = (
    Setting(key="command_topic", type=SettingType.TOPIC, required=True),
    Setting(key="payload", default="{url}", required=True),
    Setting(key="id", type=SettingType.BOARD_ID),
    Setting(key="source", type=SettingType.CHOICE, default=HOME_ASSISTANT, choices=(HOME_ASSISTANT, FROM_FEED)),
    Setting(key="scheme", type=SettingType.CHOICE, default="any", choices=tuple(SCHEMES)),
    Setting(key="file_name"),
    Setting(key="longest", type=SettingType.NUMBER, default=256, low=64, high=65535, unit="B"),
    Setting(key="qos", type=SettingType.NUMBER, default=0, low=0, high=2),
    Setting(key="status_topic", type=SettingType.TOPIC),
    Setting(key="pattern_id"),
    Setting(key="pattern_progress"),
    Setting(key="pattern_success"),
    Setting(key="pattern_failure"),
    Setting(key="version_topic", type=SettingType.TOPIC),
    Setting(key="pattern_version"),
    Setting(key="pattern_digest"),
    Setting(key="digest", type=SettingType.CHOICE, default="elf", choices=tuple(DIGESTS)),
    Setting(key="presence_topic", type=SettingType.TOPIC),
    Setting(key="online"),
    Setting(key="offline"),
    Setting(key="timeout", type=SettingType.NUMBER, default=10, low=1, high=1440, unit="min"),
    MODEL,
    CHIP,
    Setting(key="slot_size", type=SettingType.NUMBER, default=0, low=0, high=1 << 28, unit="B"),
)

_MESH: Final[Mapping[str, Any]] = {
    "status_topic": "/switch/state/root",
    "pattern_digest": '"firmware": "{digest}"',
    "slot_size": 1408 * 1024,
    # Every node fetches, some of them after others.
    "timeout": 30,
}

PRESETS: Final[Mapping[str, Mapping[str, Any]]] = {
    # OTA_FirmwareUpdates_ESP32-S3: PubSubClient with its 256 bytes, plain HTTP; the topic of the status is the user's.
    "esp32_s3_ota": {
        "command_topic": "ESP32/ota/update",
        "payload": "{url}",
        "scheme": "http",
        "longest": 256,
        "status_topic": "ESP32/progress",
        "pattern_progress": "OTA Progress: {percent}%",
        "pattern_success": "Update Complete. Restarting...",
        "pattern_failure": "ERROR: {reason}",
    },
    # The root cuts the URL at 199 characters; with topic, braces and header these are 251 bytes.
    "buttons_mesh": {
        **_MESH,
        "command_topic": "/switch/cmd/root",
        "payload": '{"type":"ota_trigger","url":"{url}"}',
        "longest": 251,
        "pattern_id": '"deviceId": {id}',
        "digest": "elf",
    },
    # Its URL is compiled in, its name for itself is written in two ways, and it tells when its firmware was built.
    "buttons_mesh_later": {
        **_MESH,
        "command_topic": "/switch/cmd/{id}",
        "payload": "U",
        "pattern_id": '"device*": {id}',
        "digest": "built",
        "online": '"status": "connected"',
        "offline": '"status": "disconnected"',
    },
    # A root of its own for each board: which one, the user says as `id`.
    "espurna": {
        "command_topic": "{id}/ota/set",
        "payload": "{url}",
        "version_topic": "{id}/version",
        "pattern_version": "{version}",
        "presence_topic": "{id}/status",
        "online": "1",
        "offline": "0",
    },
    # It takes only names that end with .bin, and wants its password, here the one that it comes with.
    "openmqttgateway": {
        "command_topic": "home/{id}/commands/MQTTtoSYS/firmware_update",
        "payload": '{"version":"{version}","url":"{url}","password":"OTAPASSWORD"}',
        "file_name": "firmware.bin",
        "longest": 512,
        "status_topic": "home/{id}/RLStoMQTT",
        "version_topic": "home/{id}/SYStoMQTT",
        "pattern_version": '"version": "{version}"',
        "presence_topic": "home/{id}/LWT",
        "online": "online",
        "offline": "offline",
    },
    "rainmaker": {
        "command_topic": "node/{id}/otaurl",
        "payload": '{"ota_job_id":"mqtt_ota","url":"{url}","fw_version":"{version}","file_size":{size},'
        '"file_md5":"{md5}"}',
        "qos": 1,
        "longest": 1024,
        "status_topic": "node/{id}/otastatus",
        "pattern_success": '"status": "success"',
        "pattern_failure": '"status": "failed" * "additional_info": "{reason}"',
        "version_topic": "node/{id}/config",
        "pattern_version": '"fw_version": "{version}"',
    },
    "openbeken": {
        "command_topic": "cmnd/{id}/ota_http",
        "payload": "{url}",
        "scheme": "http",
        "version_topic": "{id}/build",
        "pattern_version": "Open* {version} *",
        "presence_topic": "{id}/connected",
        "online": "online",
        "offline": "offline",
    },
}

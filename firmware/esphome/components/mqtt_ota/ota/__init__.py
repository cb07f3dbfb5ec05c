"""Updates over MQTT, from Home Assistant's update card: `ota: - platform: mqtt_ota`."""

import base64
import binascii
import re

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
import esphome.codegen as cg
from esphome.components import esp32
from esphome.components.ota import BASE_OTA_SCHEMA, OTAComponent, ota_to_code
from esphome.config_helpers import filter_source_files_from_platform
import esphome.config_validation as cv
from esphome.const import (
    CONF_BIRTH_MESSAGE,
    CONF_BROKER,
    CONF_ESPHOME,
    CONF_FRAMEWORK,
    CONF_ID,
    CONF_MODEL,
    CONF_NAME,
    CONF_PASSWORD,
    CONF_PORT,
    CONF_PROJECT,
    CONF_SHUTDOWN_MESSAGE,
    CONF_TOPIC,
    CONF_TOPIC_PREFIX,
    CONF_USERNAME,
    CONF_VERSION,
    CONF_WILL_MESSAGE,
    PLATFORM_ESP32,
    PLATFORM_HOST,
    PlatformFramework,
)
from esphome.core import CORE, coroutine_with_priority
from esphome.coroutine import CoroPriority
import esphome.final_validate as fv
from esphome.types import ConfigType

CODEOWNERS = ["@mqtt-ota"]
AUTO_LOAD = ["mqtt_ota_core"]
DEPENDENCIES = ["network"]

CONF_ADVANCED = "advanced"
CONF_BLOCK_SIZE = "block_size"
CONF_BOARD_ID = "board_id"
CONF_COUNTER = "counter"
CONF_FEED = "feed"
CONF_MQTT = "mqtt"
CONF_PUBLIC_KEY = "public_key"
CONF_SELF_TEST = "self_test"
CONF_SIGNED_OTA_VERIFICATION = "signed_ota_verification"
CONF_TOPIC_ROOT = "topic_root"
CONF_TRIAL = "trial"
CONF_WAKE_INTERVAL = "wake_interval"
CONF_WINDOW = "window"

# A frame's header, and what MQTT and the longest topic add to it.
_FRAME_OVERHEAD = 20 + 160
_POINT_SIZE = 65

mqtt_board_ns = cg.esphome_ns.namespace("mqtt_board")
MqttOta = mqtt_board_ns.class_("MqttOta", OTAComponent)


def _line(value: object) -> str:
    """Check a text as boards announce it."""
    text = cv.string_strict(value).strip()
    if len(text.encode()) > 64 or not all(map(str.isprintable, text)):
        raise cv.Invalid("must be at most 64 bytes of printable text")
    return text


def _board_id(value: object) -> str:
    text = cv.string_strict(value)
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", text) or text in {".", ".."}:
        raise cv.Invalid("must be 1 to 64 of A-Z a-z 0-9 _ . -")
    return text


def _topic_root(value: object) -> str:
    text = cv.publish_topic(value)
    if not text or len(text.encode()) > 64 or text.startswith("/") or text.endswith("/"):
        raise cv.Invalid("must be a topic of 1 to 64 bytes that neither begins nor ends with /")
    return text


def _public_key(value: object) -> list[int]:
    """Return the uncompressed point of a P-256 key that is given as PEM or as that point in base64."""
    text = cv.string_strict(value).strip()
    try:
        if text.startswith("-----"):
            key = load_pem_public_key(text.encode())
        else:
            key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), base64.b64decode(text, validate=True))
    except (ValueError, binascii.Error) as err:
        raise cv.Invalid("must be a P-256 public key: PEM, or its 65-byte point in base64") from err
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise cv.Invalid("must be a key of the curve P-256 (prime256v1, secp256r1)")
    point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    assert len(point) == _POINT_SIZE
    return list(point)


def _with_broker_on_host(config: ConfigType) -> ConfigType:
    own = [key for key in (CONF_BROKER, CONF_PORT, CONF_USERNAME, CONF_PASSWORD) if key in config]
    if CORE.is_host and CONF_BROKER not in config:
        raise cv.RequiredFieldInvalid(
            "on host, where there is no mqtt:, 'broker' says where the broker is", [CONF_BROKER]
        )
    if not CORE.is_host and own:
        raise cv.Invalid("is only for host; elsewhere the connection of mqtt: is used", [own[0]])
    return config


CONFIG_SCHEMA = cv.All(
    cv.Schema(
        {
            cv.GenerateID(): cv.declare_id(MqttOta),
            cv.Optional(CONF_TOPIC_ROOT, default="mqtt_ota"): _topic_root,
            cv.Optional(CONF_BOARD_ID): _board_id,
            cv.Optional(CONF_MODEL, default=""): _line,
            cv.Optional(CONF_VERSION): cv.All(_line, cv.Length(min=1)),
            cv.Optional(CONF_FEED): cv.All(cv.url, cv.Length(max=256)),
            cv.Optional(CONF_PUBLIC_KEY): cv.All(cv.ensure_list(_public_key), cv.Length(min=1, max=16)),
            cv.Optional(CONF_COUNTER, default=0): cv.uint32_t,
            cv.SplitDefault(CONF_BLOCK_SIZE, esp32=2048, host=4096): cv.int_range(256, 16384),
            cv.SplitDefault(CONF_WINDOW, esp32=4, host=8): cv.int_range(1, 15),
            cv.Optional(CONF_TRIAL, default="5min"): cv.positive_not_null_time_period,
            cv.Optional(CONF_SELF_TEST): cv.returning_lambda,
            cv.Optional(CONF_WAKE_INTERVAL, default="0s"): cv.positive_time_period_seconds,
            cv.Optional(CONF_BROKER): cv.string_strict,
            cv.Optional(CONF_PORT): cv.port,
            cv.Optional(CONF_USERNAME): cv.string,
            cv.Optional(CONF_PASSWORD): cv.sensitive(cv.string),
        }
    )
    .extend(BASE_OTA_SCHEMA)
    .extend(cv.COMPONENT_SCHEMA),
    cv.only_on([PLATFORM_ESP32, PLATFORM_HOST]),
    _with_broker_on_host,
)


def _final_validate(config: ConfigType) -> None:
    whole = fv.full_config.get()
    if CONF_VERSION not in config and CONF_PROJECT not in whole[CONF_ESPHOME]:
        raise cv.Invalid("which version is this? Give 'version' here, or a project with a version under esphome:")
    if sum(ota.get("platform") == "mqtt_ota" for ota in whole["ota"]) > 1:
        raise cv.Invalid("a board is updated over one connection: platform mqtt_ota can be used once")
    if CORE.is_esp32:
        _check_mqtt(whole.get(CONF_MQTT))
        _check_signing(whole[PLATFORM_ESP32])


def _check_mqtt(mqtt: ConfigType | None) -> None:
    if mqtt is None:
        raise cv.Invalid("needs the component mqtt:, which connects to the broker")
    usual = f"{mqtt[CONF_TOPIC_PREFIX]}/status"
    for name in (CONF_BIRTH_MESSAGE, CONF_WILL_MESSAGE, CONF_SHUTDOWN_MESSAGE):
        if (mqtt.get(name) or {}).get(CONF_TOPIC, usual) != usual:
            raise cv.Invalid(f"MQTT has one last will, and mqtt_ota needs it: remove '{name}' from mqtt:")


def _check_signing(platform: ConfigType) -> None:
    """Refuse what only ESPHome's own way into the flash enforces: a board must not be less strict than it seems."""
    advanced = platform[CONF_FRAMEWORK].get(CONF_ADVANCED, {})
    for name, instead in (
        (CONF_SIGNED_OTA_VERIFICATION, CONF_PUBLIC_KEY),
        ("enable_ota_downgrade_protection", CONF_COUNTER),
    ):
        if advanced.get(name):
            raise cv.Invalid(f"'{name}' of esp32: does not hold for updates over MQTT: use '{instead}' here")


FINAL_VALIDATE_SCHEMA = _final_validate


def _chip() -> str:
    return "host" if CORE.is_host else esp32.const.VARIANT_FRIENDLY[esp32.get_esp32_variant()]


@coroutine_with_priority(CoroPriority.OTA_UPDATES)
async def to_code(config: ConfigType) -> None:
    """Write the component into the firmware."""
    var = cg.new_Pvariable(config[CONF_ID])
    project = CORE.config[CONF_ESPHOME].get(CONF_PROJECT, {})
    cg.add(var.set_root(config[CONF_TOPIC_ROOT]))
    if CONF_BOARD_ID in config:
        cg.add(var.set_board_id(config[CONF_BOARD_ID]))
    cg.add(var.set_model(config[CONF_MODEL]))
    cg.add(var.set_chip(_chip()))
    cg.add(var.set_project(project.get(CONF_NAME, "")))
    cg.add(var.set_version(config.get(CONF_VERSION) or project[CONF_VERSION]))
    if CONF_FEED in config:
        cg.add(var.set_feed(config[CONF_FEED]))
    for point in config.get(CONF_PUBLIC_KEY, ()):
        cg.add(var.add_key(cg.ArrayInitializer(*point)))
    cg.add(var.set_counter(config[CONF_COUNTER]))
    cg.add(var.set_blocks(config[CONF_BLOCK_SIZE], config[CONF_WINDOW]))
    cg.add(var.set_trial(config[CONF_TRIAL].total_milliseconds))
    if CONF_SELF_TEST in config:
        cg.add(var.set_self_test(await cg.process_lambda(config[CONF_SELF_TEST], [], return_type=cg.bool_)))
    cg.add(var.set_wake_interval(config[CONF_WAKE_INTERVAL].total_seconds))
    if CORE.is_host:
        _add_host(var, config)
    else:
        _add_esp32(config)
    await ota_to_code(var, config)
    await cg.register_component(var, config)


def _add_host(var: cg.MockObj, config: ConfigType) -> None:
    cg.add(var.set_broker(config[CONF_BROKER], config.get(CONF_PORT, 1883)))
    if CONF_USERNAME in config:
        cg.add(var.set_credentials(config[CONF_USERNAME], config.get(CONF_PASSWORD, "")))
    cg.add_build_flag("-lmosquitto")
    cg.add_build_flag("-lmbedcrypto")


def _add_esp32(config: ConfigType) -> None:
    # A frame in one piece: of pieces ESPHome's client keeps 31, and glues what is left of them together.
    esp32.add_idf_sdkconfig_option("CONFIG_MQTT_USE_CUSTOM_CONFIG", True)
    esp32.add_idf_sdkconfig_option("CONFIG_MQTT_BUFFER_SIZE", max(1024, config[CONF_BLOCK_SIZE] + _FRAME_OVERHEAD))
    esp32.require_mbedtls_ecp()


_ESP32 = {PlatformFramework.ESP32_ARDUINO, PlatformFramework.ESP32_IDF}
_HOST = {PlatformFramework.HOST_NATIVE}

FILTER_SOURCE_FILES = filter_source_files_from_platform(
    {
        "flash_esp32.cpp": _ESP32,
        "link_esp32.cpp": _ESP32,
        "store_esp32.cpp": _ESP32,
        "flash_host.cpp": _HOST,
        "link_host.cpp": _HOST,
        "store_host.cpp": _HOST,
    }
)

#pragma once
#define CONFIG_IDF_TARGET "esp32c3"
// BARE is a project that has switched off whatever can be.
#ifdef BARE
#define CONFIG_MQTT_OTA_BLOCK_SIZE 1024
#define CONFIG_MQTT_OTA_WINDOW 1
#else
#define CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE 1
#define CONFIG_MBEDTLS_CERTIFICATE_BUNDLE 1
// The defaults of the project's own Kconfig files, where a component is built.
#if __has_include("kconfig_defaults.h")
#include "kconfig_defaults.h"
#endif
#endif

#pragma once

#include <sdkconfig.h>

// What Kconfig would say, where there is none: in an Arduino sketch.
#ifndef CONFIG_MQTT_OTA_BLOCK_SIZE
#define CONFIG_MQTT_OTA_HTTP 1
#endif
#ifndef CONFIG_MQTT_OTA_ROOT
#define CONFIG_MQTT_OTA_ROOT "mqtt_ota"
#endif
#ifndef CONFIG_MQTT_OTA_PUBLIC_KEY
#define CONFIG_MQTT_OTA_PUBLIC_KEY ""
#endif
#ifndef CONFIG_MQTT_OTA_BLOCK_SIZE
#define CONFIG_MQTT_OTA_BLOCK_SIZE 4096
#endif
#ifndef CONFIG_MQTT_OTA_WINDOW
#define CONFIG_MQTT_OTA_WINDOW 4
#endif
#ifndef CONFIG_MQTT_OTA_TASK_STACK
#define CONFIG_MQTT_OTA_TASK_STACK 8192
#endif
#ifndef CONFIG_MQTT_OTA_TASK_PRIORITY
#define CONFIG_MQTT_OTA_TASK_PRIORITY 4
#endif

namespace mqtt_ota {

// From IDF 6.2 on an image can be set to confirm itself as it starts, before it has reached a broker: that is no chance
// to come back from, and must not be announced as one.
#if defined(CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE) && !defined(CONFIG_BOOTLOADER_APP_ROLLBACK_CONFIRM_ON_STARTUP)
constexpr bool kRollback = true;
#else
constexpr bool kRollback = false;
#endif

#ifdef CONFIG_MBEDTLS_CERTIFICATE_BUNDLE
constexpr bool kCertificateBundle = true;
#else
constexpr bool kCertificateBundle = false;
#endif

}  // namespace mqtt_ota

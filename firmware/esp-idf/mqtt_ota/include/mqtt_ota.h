// Firmware updates from Home Assistant over MQTT, for a board with ESP-IDF.
//
//   mqtt_ota_config_t ota = MQTT_OTA_DEFAULTS;
//   ota.model = "relay";
//   esp_mqtt_client_config_t mqtt = {.broker.address.uri = "mqtt://192.168.1.2"};
//   ESP_ERROR_CHECK(mqtt_ota_prepare(&ota, &mqtt));       // gives the client its last will
//   esp_mqtt_client_handle_t client = esp_mqtt_client_init(&mqtt);
//   ESP_ERROR_CHECK(mqtt_ota_start(client));              // from here on it is heard
//   ESP_ERROR_CHECK(esp_mqtt_client_start(client));
//
// The client stays yours: subscribe and publish with it as you like.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "esp_err.h"
#include "mqtt_client.h"

#ifdef __cplusplus
extern "C" {
#endif

// NOLINTBEGIN(readability-identifier-naming): an enum of C has no scope, so its names stand for themselves.
typedef enum {
  MQTT_OTA_TEST_RUNNING,  ///< ask again soon
  MQTT_OTA_TEST_PASSED,   ///< keep the new image
  MQTT_OTA_TEST_FAILED,   ///< go back to the image before
} mqtt_ota_test_t;
// NOLINTEND(readability-identifier-naming)

/// What the board says about an update. The texts are those of PROTOCOL.md, and last for the call only.
typedef struct {
  const char *state;   ///< accepted, transferring, verifying, rebooting, confirmed, rolled_back, failed, cancelled
  const char *reason;  ///< why it failed or was rolled back; empty otherwise
  uint32_t held;       ///< bytes of the image that are in the slot
} mqtt_ota_status_t;

/// What the board is. Texts and lists must stay where they are; what is NULL or 0 has a default.
typedef struct {
  const char *id;           ///< 1 to 64 of A-Z a-z 0-9 _ . -; default: chip and MAC address, esp32c3-aabbccddeeff
  const char *name;         ///< for people; default: the id
  const char *model;        ///< the kind of device: releases are matched to it
  const char *version;      ///< of this image; default: the app descriptor's (PROJECT_VER)
  const char *feed;         ///< where releases are published; Home Assistant proposes it to the user
  const char *root;         ///< of all topics; default: CONFIG_MQTT_OTA_ROOT
  const char *const *keys;  ///< trusted keys, each as base64 of its 65-byte point; default: CONFIG_MQTT_OTA_PUBLIC_KEY
  size_t key_count;         ///< 4 at most
  uint32_t counter;         ///< security counter; at least the image's secure version
  uint32_t wake_interval;   ///< seconds between two wakings of a board that sleeps
  const char *certificate;  ///< PEM of the authority behind https URLs; default: the certificate bundle
  mqtt_ota_test_t (*self_test)(void *context);  ///< judges a new image, once the broker is reached; default: passed
  void (*on_status)(const mqtt_ota_status_t *status, void *context);
  void *context;  ///< for the two calls above, which come from the component's task
} mqtt_ota_config_t;

#ifdef __cplusplus
#define MQTT_OTA_DEFAULTS \
  {                       \
  }
#else
#define MQTT_OTA_DEFAULTS {0}
#endif

/// Take the configuration, open slot, store and crypto, and put the last will into the client's configuration.
///
/// ESP_ERR_INVALID_ARG: a text breaks a rule, or a key is none. ESP_ERR_NOT_FOUND: the partition table lacks a second
/// OTA slot or NVS. ESP_ERR_NO_MEM. ESP_ERR_INVALID_STATE: called before, or the client has another last will.
esp_err_t mqtt_ota_prepare(const mqtt_ota_config_t *config, esp_mqtt_client_config_t *mqtt);

/// Listen to the client and start the task, once. Before `esp_mqtt_client_start`.
esp_err_t mqtt_ota_start(esp_mqtt_client_handle_t client);

/// Whether an image comes in, or a new one has not confirmed itself: not a moment to sleep or restart.
bool mqtt_ota_is_busy(void);

/// Say that the board goes to sleep, and wait for the acknowledgement, so many milliseconds at most.
esp_err_t mqtt_ota_say_asleep(uint32_t milliseconds);

#ifdef __cplusplus
}
#endif

#pragma once
#include <cstdint>

#include "esp_err.h"
using esp_event_base_t = const char *;
enum esp_mqtt_event_id_t { MQTT_EVENT_ANY = -1 };
struct esp_mqtt_error_codes_t {};
struct esp_mqtt_event_t {
  esp_mqtt_event_id_t event_id;
  char *data;
  int data_len, total_data_len, current_data_offset;
  char *topic;
  int topic_len, msg_id;
  bool retain;
  int qos;
  bool dup, session_present;
  esp_mqtt_error_codes_t *error_handle;
};
struct esp_mqtt_client;
struct esp_mqtt_client_config_t {};
esp_err_t esp_mqtt_client_destroy(esp_mqtt_client *client);
esp_err_t esp_mqtt_client_start(esp_mqtt_client *client);
esp_err_t esp_mqtt_client_disconnect(esp_mqtt_client *client);
int esp_mqtt_client_subscribe(esp_mqtt_client *client, const char *topic, int qos);
int esp_mqtt_client_unsubscribe(esp_mqtt_client *client, const char *topic);
int esp_mqtt_client_publish(esp_mqtt_client *client, const char *topic, const char *data, int length, int qos,
                            int retain);

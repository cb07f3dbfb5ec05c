#include "mqtt_ota.h"

#include <new>

#include "agent.h"

// What an application in C sees. There is one board on a board.

namespace {

mqtt_ota::Agent *agent = nullptr;

}  // namespace

esp_err_t mqtt_ota_prepare(const mqtt_ota_config_t *config, esp_mqtt_client_config_t *mqtt) {
  auto &will = mqtt->session.last_will;
  // Without its last will the board would be online for ever.
  if (agent != nullptr || will.topic != nullptr) return ESP_ERR_INVALID_STATE;
  auto *made = new (std::nothrow) mqtt_ota::Agent;
  if (made == nullptr) return ESP_ERR_NO_MEM;
  const esp_err_t error = made->prepare(*config);
  if (error != ESP_OK) {
    delete made;
    return error;
  }
  agent = made;
  will.topic = agent->availability_topic();
  will.msg = "offline";
  will.qos = 1;
  will.retain = 1;
  return ESP_OK;
}

esp_err_t mqtt_ota_start(esp_mqtt_client_handle_t client) {
  return agent == nullptr || client == nullptr ? ESP_ERR_INVALID_STATE : agent->start(client);
}

bool mqtt_ota_is_busy(void) {
  return agent != nullptr && agent->is_busy();
}

esp_err_t mqtt_ota_say_asleep(uint32_t milliseconds) {
  if (agent == nullptr) return ESP_ERR_INVALID_STATE;
  return agent->say_asleep(milliseconds) ? ESP_OK : ESP_ERR_TIMEOUT;
}

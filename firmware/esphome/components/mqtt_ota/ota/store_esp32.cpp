#ifdef USE_ESP32
#include "store_esp32.h"

namespace esphome::mqtt_board {

bool Store::setup() {
  return nvs_open("mqtt_ota", NVS_READWRITE, &this->nvs_) == ESP_OK;
}

size_t Store::get(const char *name, uint8_t *into, size_t size) {
  size_t length = size;
  return nvs_get_blob(this->nvs_, name, into, &length) == ESP_OK ? length : 0;
}

bool Store::put(const char *name, core::Bytes value) {
  return nvs_set_blob(this->nvs_, name, value.data, value.size) == ESP_OK && nvs_commit(this->nvs_) == ESP_OK;
}

bool Store::erase(const char *name) {
  const esp_err_t result = nvs_erase_key(this->nvs_, name);
  if (result == ESP_ERR_NVS_NOT_FOUND) return true;
  return result == ESP_OK && nvs_commit(this->nvs_) == ESP_OK;
}

}  // namespace esphome::mqtt_board
#endif

#include "nvs_store.h"

#include <nvs_flash.h>

namespace mqtt_ota {

bool NvsStore::open() {
  // Done already in most applications, and harmless then. Erasing a store that cannot be read is not ours to decide.
  return nvs_flash_init() == ESP_OK && nvs_open("mqtt_ota", NVS_READWRITE, &handle_) == ESP_OK;
}

size_t NvsStore::get(const char *name, uint8_t *into, size_t size) {
  size_t length = size;
  return nvs_get_blob(handle_, name, into, &length) == ESP_OK ? length : 0;
}

bool NvsStore::put(const char *name, Bytes value) {
  return nvs_set_blob(handle_, name, value.data, value.size) == ESP_OK && nvs_commit(handle_) == ESP_OK;
}

bool NvsStore::erase(const char *name) {
  const esp_err_t error = nvs_erase_key(handle_, name);
  return error == ESP_ERR_NVS_NOT_FOUND || (error == ESP_OK && nvs_commit(handle_) == ESP_OK);
}

}  // namespace mqtt_ota

#pragma once
#include <cstddef>

#include "esp_err.h"
enum esp_partition_type_t { ESP_PARTITION_TYPE_APP };
enum esp_partition_subtype_t {
  ESP_PARTITION_SUBTYPE_APP_FACTORY = 0x00,
  ESP_PARTITION_SUBTYPE_APP_OTA_0 = 0x10,
  ESP_PARTITION_SUBTYPE_APP_OTA_1 = 0x11,
};
struct esp_partition_t {
  esp_partition_type_t type;
  esp_partition_subtype_t subtype;
  uint32_t address;
  uint32_t size;
};
esp_err_t esp_partition_read(const esp_partition_t *partition, size_t offset, void *into, size_t size);
esp_err_t esp_partition_write(const esp_partition_t *partition, size_t offset, const void *from, size_t size);
esp_err_t esp_partition_erase_range(const esp_partition_t *partition, size_t offset, size_t size);

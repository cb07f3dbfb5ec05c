#pragma once

#ifdef USE_ESP32
#include <nvs.h>

#include "core.h"

namespace esphome::mqtt_board {

/// Values in a namespace of their own in NVS, written at once: ESPHome's preferences wait for their next sync.
class Store final : public core::Store {
 public:
  bool setup();

  size_t get(const char *name, uint8_t *into, size_t size) override;
  bool put(const char *name, core::Bytes value) override;
  bool erase(const char *name) override;

 protected:
  nvs_handle_t nvs_ = 0;
};

}  // namespace esphome::mqtt_board
#endif

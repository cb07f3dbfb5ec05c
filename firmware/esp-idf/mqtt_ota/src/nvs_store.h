#pragma once

#include <nvs.h>

#include "ports.h"

namespace mqtt_ota {

/// The NVS partition, in a name space of its own. NVS puts a value whole or not at all.
class NvsStore final : public Store {
 public:
  bool open();

  size_t get(const char *name, uint8_t *into, size_t size) override;
  bool put(const char *name, Bytes value) override;
  bool erase(const char *name) override;

 private:
  nvs_handle_t handle_ = 0;
};

}  // namespace mqtt_ota

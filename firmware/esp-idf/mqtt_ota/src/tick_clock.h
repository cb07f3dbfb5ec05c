#pragma once

#include <esp_timer.h>

#include "ports.h"

namespace mqtt_ota {

/// Time since the start.
class TickClock final : public Clock {
 public:
  uint32_t now() override { return static_cast<uint32_t>(esp_timer_get_time() / 1000); }
};

}  // namespace mqtt_ota

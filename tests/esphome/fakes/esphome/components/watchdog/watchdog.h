#pragma once
#include <cstdint>
namespace esphome::watchdog {
class WatchdogManager {
 public:
  explicit WatchdogManager(uint32_t milliseconds);
  ~WatchdogManager();
};
}  // namespace esphome::watchdog

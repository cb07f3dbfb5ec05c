#pragma once
// In the place of ESPHome's own, where nothing else of it is needed.
namespace esphome {
class Application {
 public:
  void feed_wdt();
  void safe_reboot();
};
extern Application App;
}  // namespace esphome

#pragma once
// In the place of ESPHome's own, which is made of ArduinoJson.
#include <ArduinoJson.h>

#include <functional>
namespace esphome::json {
using json_build_t = std::function<void(JsonObject)>;
using json_parse_t = std::function<bool(JsonObject)>;
}  // namespace esphome::json

#pragma once

#include "core.h"

namespace esphome::mqtt_board {

/// Whoever takes what arrives from the broker.
class Hearer {
 public:
  virtual void hear(core::Text topic, core::Bytes payload) = 0;

 protected:
  ~Hearer() = default;
};

}  // namespace esphome::mqtt_board

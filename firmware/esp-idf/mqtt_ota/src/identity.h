#pragma once

#include "protocol.h"

namespace mqtt_ota {

/// What a board knows about itself without being told.
struct Identity {
  /// Such as esp32c3-aabbccddeeff.
  char id[32];
  char mac[18];
  /// As ESP Web Tools names families: ESP32-C3.
  char chip[24];

  void read();
};

}  // namespace mqtt_ota

#pragma once

#include "protocol.h"

namespace mqtt_ota {

/// What a publisher signs about an image; an empty model means any.
struct Manifest {
  Text model;
  Text chip;
  Text version;
  uint32_t size = 0;
  Sha256 sha256 = {};
  uint32_t counter = 0;
};

/// Read a canonical manifest; false for any other text. The texts point into what was read.
bool read_manifest(Text text, Manifest *manifest);

}  // namespace mqtt_ota

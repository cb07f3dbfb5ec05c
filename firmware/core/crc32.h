#pragma once

#include "bytes.h"

namespace mqtt_ota {

/// The CRC32 of zlib, over bytes that come in pieces.
class Crc32 {
 public:
  void add(Bytes piece);
  uint32_t value() const { return ~rest_; }

 private:
  uint32_t rest_ = UINT32_MAX;
};

}  // namespace mqtt_ota

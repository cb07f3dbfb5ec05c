#pragma once

#include <cstdint>
#include <vector>

#include "protocol.h"

/// SHA-256 where no library is: slow and plain.
class PlainSha256 {
 public:
  void add(mqtt_ota::Bytes piece) { bytes_.insert(bytes_.end(), piece.data, piece.data + piece.size); }
  mqtt_ota::Sha256 finish() const;

 private:
  std::vector<uint8_t> bytes_;
};

mqtt_ota::Sha256 sha256_of(const std::vector<uint8_t> &bytes);

#pragma once

#include "manifest.h"

namespace mqtt_ota {

/// An image for this board and the way to it. Its texts point into the payload that it was read from.
struct Offer {
  Session session = {};
  Text manifest_text;
  Manifest manifest;
  bool is_signed = false;
  Signature signature = {};
  Transport transport = Transport::blocks;
  // The terms of `blocks`.
  Text topic;
  uint16_t block_size = 0;
  uint16_t window = 0;
  // Of `http` and `https`.
  Text url;
};

/// `nobody` where not even the session is known, so that nobody can be answered.
enum class Reading : uint8_t { good, invalid, nobody };

/// Read an offer of at most `kMaxOffer` bytes; spoils the payload. `invalid` names what was wrong in `detail`.
Reading read_offer(char *payload, size_t size, Offer *offer, const char **detail);

/// Read which session is to end; spoils the payload.
bool read_cancel(char *payload, size_t size, Session *session);

}  // namespace mqtt_ota

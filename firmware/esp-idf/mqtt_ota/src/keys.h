#pragma once

#include "psa_crypto.h"

namespace mqtt_ota {

/// The keys that a board trusts, read from what people can paste: the point of each in base64.
class Keys {
 public:
  static constexpr size_t kMost = 4;

  /// Trust one more; false where it is no key, or there are too many: then the board must not run, as it would take
  /// what nobody signed.
  bool add(const char *base64, PsaCrypto *crypto);
  const PublicKey *data() const { return keys_; }
  size_t size() const { return count_; }

 private:
  PublicKey keys_[kMost] = {};
  size_t count_ = 0;
};

}  // namespace mqtt_ota

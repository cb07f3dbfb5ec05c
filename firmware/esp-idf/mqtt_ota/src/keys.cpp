#include "keys.h"

#include "text.h"

namespace mqtt_ota {

bool Keys::add(const char *base64, PsaCrypto *crypto) {
  if (count_ == kMost) return false;
  PublicKey &key = keys_[count_];
  if (!read_base64(base64, key.data(), key.size()) || !crypto->takes(key)) return false;
  count_++;
  return true;
}

}  // namespace mqtt_ota

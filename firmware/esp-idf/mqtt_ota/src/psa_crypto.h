#pragma once

#include <psa/crypto.h>

#include "ports.h"

namespace mqtt_ota {

/// SHA-256 and ECDSA by PSA, which every ESP-IDF from 5.3 on has.
class PsaCrypto final : public Crypto {
 public:
  bool open();
  /// Whether a key is a point of the curve.
  bool takes(const PublicKey &key);

  void sha256_begin() override;
  void sha256_update(Bytes piece) override;
  bool sha256_finish(Sha256 *sha256) override;
  bool verify(const PublicKey &key, const Sha256 &sha256, const Signature &signature) override;

 private:
  psa_hash_operation_t sha256_ = PSA_HASH_OPERATION_INIT;
  bool good_ = false;
};

}  // namespace mqtt_ota

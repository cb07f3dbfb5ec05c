#pragma once

#include <mbedtls/sha256.h>

#include "ports.h"

/// SHA-256 and ECDSA by mbedtls.
class MbedtlsCrypto final : public mqtt_ota::Crypto {
 public:
  MbedtlsCrypto() { mbedtls_sha256_init(&sha256_); }
  ~MbedtlsCrypto() { mbedtls_sha256_free(&sha256_); }
  MbedtlsCrypto(const MbedtlsCrypto &) = delete;
  MbedtlsCrypto &operator=(const MbedtlsCrypto &) = delete;

  void sha256_begin() override;
  void sha256_update(mqtt_ota::Bytes piece) override;
  bool sha256_finish(mqtt_ota::Sha256 *sha256) override;
  bool verify(const mqtt_ota::PublicKey &key, const mqtt_ota::Sha256 &sha256,
              const mqtt_ota::Signature &signature) override;

  /// Whether a key is a point of the curve.
  static bool is_point(const mqtt_ota::PublicKey &key);

 private:
  mbedtls_sha256_context sha256_;
  bool good_ = false;
};

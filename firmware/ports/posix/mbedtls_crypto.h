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

  void sha256_begin() override { mbedtls_sha256_starts_ret(&sha256_, 0); }
  void sha256_update(mqtt_ota::Bytes piece) override { mbedtls_sha256_update_ret(&sha256_, piece.data, piece.size); }
  mqtt_ota::Sha256 sha256_finish() override;
  bool verify(const mqtt_ota::PublicKey &key, const mqtt_ota::Sha256 &sha256,
              const mqtt_ota::Signature &signature) override;

 private:
  mbedtls_sha256_context sha256_;
};

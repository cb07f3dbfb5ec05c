#pragma once

#ifdef ESP_PLATFORM
#include <esp_idf_version.h>
#if ESP_IDF_VERSION >= ESP_IDF_VERSION_VAL(6, 0, 0)
#define MQTT_OTA_PSA
#endif
#endif

#ifdef MQTT_OTA_PSA
#include <psa/crypto.h>
#else
#include <mbedtls/sha256.h>
#endif

#include "core.h"

namespace esphome::mqtt_board {

/// SHA-256 and ECDSA by mbedtls: through PSA where it is the only way, else without its 23 kB.
class Crypto final : public core::Crypto {
 public:
  Crypto();
  ~Crypto();  // NOLINT(bugprone-derived-method-shadowing-base-method): a destructor hides none
  Crypto(const Crypto &) = delete;
  Crypto &operator=(const Crypto &) = delete;

  void sha256_begin() override;
  void sha256_update(core::Bytes piece) override;
  bool sha256_finish(core::Sha256 *sha256) override;
  bool verify(const core::PublicKey &key, const core::Sha256 &sha256, const core::Signature &signature) override;

 protected:
#ifdef MQTT_OTA_PSA
  psa_hash_operation_t sha256_ = PSA_HASH_OPERATION_INIT;
#else
  mbedtls_sha256_context sha256_;
#endif
  bool good_ = false;
};

}  // namespace esphome::mqtt_board

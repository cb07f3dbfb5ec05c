#include "mbedtls_crypto.h"

#include <mbedtls/ecdsa.h>
#include <mbedtls/version.h>

#if MBEDTLS_VERSION_MAJOR < 3
#define mbedtls_sha256_starts mbedtls_sha256_starts_ret
#define mbedtls_sha256_update mbedtls_sha256_update_ret
#define mbedtls_sha256_finish mbedtls_sha256_finish_ret
#endif

using mqtt_ota::PublicKey;
using mqtt_ota::Sha256;
using mqtt_ota::Signature;

namespace {

constexpr size_t kNumber = 32;

/// A curve, a point on it and a signature's two numbers, freed together.
struct Verification {
  Verification() {
    mbedtls_ecp_group_init(&group);
    mbedtls_ecp_point_init(&point);
    mbedtls_mpi_init(&r);
    mbedtls_mpi_init(&s);
  }
  ~Verification() {
    mbedtls_mpi_free(&s);
    mbedtls_mpi_free(&r);
    mbedtls_ecp_point_free(&point);
    mbedtls_ecp_group_free(&group);
  }
  Verification(const Verification &) = delete;
  Verification &operator=(const Verification &) = delete;

  bool load(const PublicKey &key) {
    return mbedtls_ecp_group_load(&group, MBEDTLS_ECP_DP_SECP256R1) == 0 &&
           mbedtls_ecp_point_read_binary(&group, &point, key.data(), key.size()) == 0 &&
           mbedtls_ecp_check_pubkey(&group, &point) == 0;
  }

  mbedtls_ecp_group group;
  mbedtls_ecp_point point;
  mbedtls_mpi r;
  mbedtls_mpi s;
};

}  // namespace

void MbedtlsCrypto::sha256_begin() {
  good_ = mbedtls_sha256_starts(&sha256_, 0) == 0;
}

void MbedtlsCrypto::sha256_update(mqtt_ota::Bytes piece) {
  good_ = good_ && mbedtls_sha256_update(&sha256_, piece.data, piece.size) == 0;
}

bool MbedtlsCrypto::sha256_finish(Sha256 *sha256) {
  const bool good = good_ && mbedtls_sha256_finish(&sha256_, sha256->data()) == 0;
  good_ = false;
  return good;
}

bool MbedtlsCrypto::verify(const PublicKey &key, const Sha256 &sha256, const Signature &signature) {
  Verification is;
  return is.load(key) && mbedtls_mpi_read_binary(&is.r, signature.data(), kNumber) == 0 &&
         mbedtls_mpi_read_binary(&is.s, signature.data() + kNumber, kNumber) == 0 &&
         mbedtls_ecdsa_verify(&is.group, sha256.data(), sha256.size(), &is.point, &is.r, &is.s) == 0;
}

bool MbedtlsCrypto::is_point(const PublicKey &key) {
  return Verification().load(key);
}

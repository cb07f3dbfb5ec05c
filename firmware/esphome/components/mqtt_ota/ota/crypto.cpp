#include "crypto.h"

#ifndef MQTT_OTA_PSA
#include <mbedtls/ecdsa.h>
#include <mbedtls/version.h>
#endif

namespace esphome::mqtt_board {

#ifdef MQTT_OTA_PSA

Crypto::Crypto() {
  psa_crypto_init();
}

Crypto::~Crypto() {
  psa_hash_abort(&this->sha256_);
}

void Crypto::sha256_begin() {
  psa_hash_abort(&this->sha256_);
  this->good_ = psa_hash_setup(&this->sha256_, PSA_ALG_SHA_256) == PSA_SUCCESS;
}

void Crypto::sha256_update(core::Bytes piece) {
  this->good_ = this->good_ && psa_hash_update(&this->sha256_, piece.data, piece.size) == PSA_SUCCESS;
}

bool Crypto::sha256_finish(core::Sha256 *sha256) {
  size_t length = 0;
  return this->good_ && psa_hash_finish(&this->sha256_, sha256->data(), sha256->size(), &length) == PSA_SUCCESS &&
         length == sha256->size();
}

bool Crypto::verify(const core::PublicKey &key, const core::Sha256 &sha256, const core::Signature &signature) {
  psa_key_attributes_t attributes = PSA_KEY_ATTRIBUTES_INIT;
  psa_set_key_type(&attributes, PSA_KEY_TYPE_ECC_PUBLIC_KEY(PSA_ECC_FAMILY_SECP_R1));
  psa_set_key_usage_flags(&attributes, PSA_KEY_USAGE_VERIFY_HASH);
  psa_set_key_algorithm(&attributes, PSA_ALG_ECDSA(PSA_ALG_SHA_256));
  psa_key_id_t imported = 0;
  if (psa_import_key(&attributes, key.data(), key.size(), &imported) != PSA_SUCCESS) return false;
  const bool good = psa_verify_hash(imported, PSA_ALG_ECDSA(PSA_ALG_SHA_256), sha256.data(), sha256.size(),
                                    signature.data(), signature.size()) == PSA_SUCCESS;
  psa_destroy_key(imported);
  return good;
}

#else

#if MBEDTLS_VERSION_MAJOR < 3
#define mbedtls_sha256_starts mbedtls_sha256_starts_ret
#define mbedtls_sha256_update mbedtls_sha256_update_ret
#define mbedtls_sha256_finish mbedtls_sha256_finish_ret
#endif

namespace {

/// A curve, a point on it and a signature's two numbers, freed together.
struct Verification {
  Verification() {
    mbedtls_ecp_group_init(&this->group);
    mbedtls_ecp_point_init(&this->point);
    mbedtls_mpi_init(&this->r);
    mbedtls_mpi_init(&this->s);
  }
  ~Verification() {
    mbedtls_mpi_free(&this->s);
    mbedtls_mpi_free(&this->r);
    mbedtls_ecp_point_free(&this->point);
    mbedtls_ecp_group_free(&this->group);
  }
  Verification(const Verification &) = delete;
  Verification &operator=(const Verification &) = delete;

  mbedtls_ecp_group group;
  mbedtls_ecp_point point;
  mbedtls_mpi r;
  mbedtls_mpi s;
};

}  // namespace

Crypto::Crypto() {
  mbedtls_sha256_init(&this->sha256_);
}

Crypto::~Crypto() {
  mbedtls_sha256_free(&this->sha256_);
}

void Crypto::sha256_begin() {
  // What was begun and not finished may still own the hardware.
  mbedtls_sha256_free(&this->sha256_);
  mbedtls_sha256_init(&this->sha256_);
  this->good_ = mbedtls_sha256_starts(&this->sha256_, 0) == 0;
}

void Crypto::sha256_update(core::Bytes piece) {
  this->good_ = this->good_ && mbedtls_sha256_update(&this->sha256_, piece.data, piece.size) == 0;
}

bool Crypto::sha256_finish(core::Sha256 *sha256) {
  const bool good = this->good_ && mbedtls_sha256_finish(&this->sha256_, sha256->data()) == 0;
  this->good_ = false;
  return good;
}

bool Crypto::verify(const core::PublicKey &key, const core::Sha256 &sha256, const core::Signature &signature) {
  const size_t half = signature.size() / 2;
  Verification is;
  return mbedtls_ecp_group_load(&is.group, MBEDTLS_ECP_DP_SECP256R1) == 0 &&
         mbedtls_ecp_point_read_binary(&is.group, &is.point, key.data(), key.size()) == 0 &&
         mbedtls_ecp_check_pubkey(&is.group, &is.point) == 0 &&
         mbedtls_mpi_read_binary(&is.r, signature.data(), half) == 0 &&
         mbedtls_mpi_read_binary(&is.s, signature.data() + half, half) == 0 &&
         mbedtls_ecdsa_verify(&is.group, sha256.data(), sha256.size(), &is.point, &is.r, &is.s) == 0;
}

#endif

}  // namespace esphome::mqtt_board

#include "psa_crypto.h"

namespace mqtt_ota {

namespace {

constexpr size_t kCurveBits = 256;

/// A public key while it is needed.
class Imported {
 public:
  explicit Imported(const PublicKey &key) {
    psa_key_attributes_t attributes = PSA_KEY_ATTRIBUTES_INIT;
    psa_set_key_usage_flags(&attributes, PSA_KEY_USAGE_VERIFY_HASH);
    psa_set_key_algorithm(&attributes, PSA_ALG_ECDSA(PSA_ALG_SHA_256));
    psa_set_key_type(&attributes, PSA_KEY_TYPE_ECC_PUBLIC_KEY(PSA_ECC_FAMILY_SECP_R1));
    psa_set_key_bits(&attributes, kCurveBits);
    good_ = psa_import_key(&attributes, key.data(), key.size(), &id_) == PSA_SUCCESS;
  }
  ~Imported() {
    if (good_) psa_destroy_key(id_);
  }
  Imported(const Imported &) = delete;
  Imported &operator=(const Imported &) = delete;

  bool is_good() const { return good_; }
  bool verifies(const Sha256 &sha256, const Signature &signature) const {
    return psa_verify_hash(id_, PSA_ALG_ECDSA(PSA_ALG_SHA_256), sha256.data(), sha256.size(), signature.data(),
                           signature.size()) == PSA_SUCCESS;
  }

 private:
  psa_key_id_t id_ = PSA_KEY_ID_NULL;
  bool good_ = false;
};

}  // namespace

bool PsaCrypto::open() {
  return psa_crypto_init() == PSA_SUCCESS;
}

bool PsaCrypto::takes(const PublicKey &key) {
  return Imported(key).is_good();
}

void PsaCrypto::sha256_begin() {
  psa_hash_abort(&sha256_);
  good_ = psa_hash_setup(&sha256_, PSA_ALG_SHA_256) == PSA_SUCCESS;
}

void PsaCrypto::sha256_update(Bytes piece) {
  good_ = good_ && psa_hash_update(&sha256_, piece.data, piece.size) == PSA_SUCCESS;
}

bool PsaCrypto::sha256_finish(Sha256 *sha256) {
  size_t length = 0;
  return good_ && psa_hash_finish(&sha256_, sha256->data(), sha256->size(), &length) == PSA_SUCCESS &&
         length == sha256->size();
}

bool PsaCrypto::verify(const PublicKey &key, const Sha256 &sha256, const Signature &signature) {
  const Imported imported(key);
  return imported.is_good() && imported.verifies(sha256, signature);
}

}  // namespace mqtt_ota

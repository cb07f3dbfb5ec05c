#pragma once
#include <stddef.h>
#include <stdint.h>
// Only as much as is used. Its signatures are the key's first 32 bytes after the 4, and the digest.
typedef int32_t psa_status_t;
typedef uint32_t psa_algorithm_t;
typedef uint16_t psa_key_type_t;
typedef uint32_t psa_key_usage_t;
typedef uint32_t psa_key_id_t;
typedef struct {
  int begun;
} psa_hash_operation_t;
typedef struct {
  psa_key_type_t type;
  size_t bits;
  psa_algorithm_t algorithm;
  psa_key_usage_t usage;
} psa_key_attributes_t;
#define PSA_SUCCESS 0
#define PSA_KEY_ID_NULL 0
#define PSA_HASH_OPERATION_INIT {0}
#define PSA_KEY_ATTRIBUTES_INIT {0, 0, 0, 0}
#define PSA_ALG_SHA_256 0x02000009u
#define PSA_ALG_ECDSA(hash) (0x06000600u | ((hash) & 0xff))
#define PSA_ECC_FAMILY_SECP_R1 0x12
#define PSA_KEY_TYPE_ECC_PUBLIC_KEY(family) ((psa_key_type_t)(0x4100 | (family)))
#define PSA_KEY_USAGE_VERIFY_HASH 0x2000u
psa_status_t psa_crypto_init(void);
psa_status_t psa_hash_setup(psa_hash_operation_t *operation, psa_algorithm_t algorithm);
psa_status_t psa_hash_update(psa_hash_operation_t *operation, const uint8_t *from, size_t size);
psa_status_t psa_hash_finish(psa_hash_operation_t *operation, uint8_t *into, size_t size, size_t *length);
psa_status_t psa_hash_abort(psa_hash_operation_t *operation);
inline void psa_set_key_usage_flags(psa_key_attributes_t *key, psa_key_usage_t usage) {
  key->usage = usage;
}
inline void psa_set_key_algorithm(psa_key_attributes_t *key, psa_algorithm_t algorithm) {
  key->algorithm = algorithm;
}
inline void psa_set_key_type(psa_key_attributes_t *key, psa_key_type_t type) {
  key->type = type;
}
inline void psa_set_key_bits(psa_key_attributes_t *key, size_t bits) {
  key->bits = bits;
}
psa_status_t psa_import_key(const psa_key_attributes_t *attributes, const uint8_t *from, size_t size,
                            psa_key_id_t *key);
psa_status_t psa_destroy_key(psa_key_id_t key);
psa_status_t psa_verify_hash(psa_key_id_t key, psa_algorithm_t algorithm, const uint8_t *hash, size_t hash_size,
                             const uint8_t *signature, size_t signature_size);

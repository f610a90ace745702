/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file crypto/sha.h
 * What the files of this folder share, and no other folder includes: running hashes and ready HMAC keys in memory of
 * ours, so that whoever lays them there also wipes them. They are copied by assignment.
 */
#ifndef SHERD_CRYPTO_SHA_H
#define SHERD_CRYPTO_SHA_H

#include "crypto/hash.h"
#include <openssl/sha.h>
#include <stdbool.h>

#define SHERD_HASHES 3

/** A running hash. */
struct sherd_sha {
    enum sherd_hash_alg alg;
    union {
        SHA256_CTX sha256;
        SHA512_CTX sha512;
    } state;
};

/** Start. The three give whether OpenSSL did it. */
SHERD_MUST_USE bool sherd_sha_begin(struct sherd_sha *sha, enum sherd_hash_alg alg);
/** Hash the concatenation of count spans on. */
SHERD_MUST_USE bool sherd_sha_update(struct sherd_sha *sha, const struct sherd_span *parts, size_t count);
/** Write the value, 32 or 64 bytes. Only begin and wiping may follow. */
SHERD_MUST_USE bool sherd_sha_final(struct sherd_sha *sha, uint8_t *out);

/**
 * What hash.h keeps opaque: HMAC's two hashes with the key's blocks in them, which are as good as the key. In secret
 * memory where it is held, on the stack for one call.
 */
struct sherd_hmac_key {
    size_t key_bytes;       /**< of the key as it was given */
    struct sherd_sha inner; /**< the key xor ipad, hashed */
    struct sherd_sha outer; /**< the key xor opad, hashed */
};

/** Make a key ready in place, without the gate of init.c; end with sherd_hmac_key_wipe(), also after a failure. */
SHERD_MUST_USE enum sherd_err sherd_hmac_key_load(enum sherd_hash_alg alg, struct sherd_span key,
                                                  struct sherd_hmac_key *out_key);
void sherd_hmac_key_wipe(struct sherd_hmac_key *key);

#endif

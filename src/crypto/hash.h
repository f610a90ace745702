/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file crypto/hash.h
 * SHA-256, SHA-512 and SHA-512/256 (FIPS 180-4), HMAC (FIPS 198-1), HKDF (RFC 5869).
 */
#ifndef SHERD_CRYPTO_HASH_H
#define SHERD_CRYPTO_HASH_H

#include "base/macros.h"
#include <sherd/span.h>

#define SHERD_SHA256_SIZE 32
#define SHERD_SHA512_SIZE 64

enum sherd_hash_alg {
    SHERD_SHA256,
    SHERD_SHA512,
    SHERD_SHA512_256, /**< SHA-512/256: other initial values, cut to 32 bytes */
};

/** A SHA-256 value that names or pins something. */
struct sherd_digest {
    uint8_t bytes[SHERD_SHA256_SIZE];
};

/** Hash the concatenation of count spans. @param[out] out  32 or 64 bytes. @return SHERD_OK; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_hash(enum sherd_hash_alg alg, const struct sherd_span *parts, size_t count,
                                         uint8_t *out);

/** A running hash. Opaque; sherd_hasher_new() / sherd_hasher_free(). */
struct sherd_hasher;
SHERD_MUST_USE enum sherd_err sherd_hasher_new(enum sherd_hash_alg alg, struct sherd_hasher **out_hasher);
SHERD_MUST_USE enum sherd_err sherd_hasher_update(struct sherd_hasher *hasher, struct sherd_span bytes);
/** Write the value (32 or 64 bytes) and start anew. */
SHERD_MUST_USE enum sherd_err sherd_hasher_final(struct sherd_hasher *hasher, uint8_t *out);
void sherd_hasher_free(struct sherd_hasher *hasher);
SHERD_DEFINE_OWNED(sherd_hasher);

/** HMAC over the concatenation of count spans. @param[out] out  32 or 64 bytes */
SHERD_MUST_USE enum sherd_err sherd_hmac(enum sherd_hash_alg alg, struct sherd_span key, const struct sherd_span *parts,
                                         size_t count, uint8_t *out);

/**
 * A key that is held for long, in secret memory: the names in stores, the store keys. Its blocks are hashed already,
 * which spares each use two blocks. Immutable after _new; any number of threads may use one.
 */
struct sherd_hmac_key;
SHERD_MUST_USE enum sherd_err sherd_hmac_key_new(enum sherd_hash_alg alg, struct sherd_span key,
                                                 struct sherd_hmac_key **out_key);
SHERD_MUST_USE enum sherd_err sherd_hmac_with(const struct sherd_hmac_key *key, const struct sherd_span *parts,
                                              size_t count, uint8_t *out);
void sherd_hmac_key_free(struct sherd_hmac_key *key);
SHERD_DEFINE_OWNED(sherd_hmac_key);

/** HKDF, extract then expand. @param[out] out  out_bytes bytes, at most 255 hash lengths */
SHERD_MUST_USE enum sherd_err sherd_hkdf(enum sherd_hash_alg alg, struct sherd_span ikm, struct sherd_span salt,
                                         struct sherd_span info, uint8_t *out, size_t out_bytes);

/** Most parts that the info of an HKDF-Expand may come in. */
#define SHERD_HKDF_PARTS_MAX 8

/** HKDF-Expand alone: prk is uniformly random. info is the concatenation of count spans. */
SHERD_MUST_USE enum sherd_err sherd_hkdf_expand(enum sherd_hash_alg alg, struct sherd_span prk,
                                                const struct sherd_span *info, size_t count, uint8_t *out,
                                                size_t out_bytes);

/** The same with a key that is held. */
SHERD_MUST_USE enum sherd_err sherd_hkdf_expand_with(const struct sherd_hmac_key *prk, const struct sherd_span *info,
                                                     size_t count, uint8_t *out, size_t out_bytes);

#endif

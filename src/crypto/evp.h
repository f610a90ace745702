/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file crypto/evp.h
 * What the files of this folder share, and no other folder includes: OpenSSL's algorithms, fetched once, and the
 * contexts that each thread keeps for them.
 */
#ifndef SHERD_CRYPTO_EVP_H
#define SHERD_CRYPTO_EVP_H

#include "crypto/hash.h"
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <stdbool.h>

#define SHERD_EVP_HASHES 2

/** Algorithms of the process. Set before any lane exists, then constant. */
struct sherd_evp {
    EVP_MD *md[SHERD_EVP_HASHES];        /**< by enum sherd_hash_alg */
    EVP_MD_CTX *fresh[SHERD_EVP_HASHES]; /**< begun, nothing hashed: to be copied from, by any thread, never written */
    EVP_CIPHER *gcm;                     /**< AES-256-GCM */
    EVP_KDF *scrypt;
    EVP_KDF *argon2id; /**< NULL where OpenSSL has none (before 3.2) */
};

/** The algorithms; only after sherd_evp_lane() or sherd_crypto_init() succeeded. */
const struct sherd_evp *sherd_evp(void);

/** Fetch the algorithms unless they are there. The caller holds the lock of init.c. */
SHERD_MUST_USE enum sherd_err sherd_evp_fetch(void);

/** Contexts for one hash function. Fresh between calls: they then hold nothing of what went through them. */
struct sherd_evp_hash {
    EVP_MD_CTX *work;
    EVP_MD_CTX *inner; /**< of HMAC: the key xor ipad, hashed */
    EVP_MD_CTX *outer; /**< of HMAC: the key xor opad, hashed */
};

/** Contexts of one thread. */
struct sherd_evp_lane {
    struct sherd_evp_hash hash[SHERD_EVP_HASHES];
    EVP_CIPHER_CTX *cipher; /**< reset between calls: it then holds no key */
    uint8_t *random;        /**< secret memory: bytes of the generator, the first random_left not yet used */
    size_t random_left;
    unsigned fork_count; /**< sherd_fork_count() when they were drawn: a child draws its own */
};

/**
 * This thread's contexts, made at its first call and freed when it ends. That first call also is the gate of the
 * folder: it needs sherd_crypto_init() to have passed, and runs it if nobody did.
 * @return SHERD_OK; SHERD_ERR_UNSUPPORTED (the self-test failed); SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_evp_lane(struct sherd_evp_lane **out_lane);

/** Free this thread's contexts now, wiping them; the next call makes new ones. */
void sherd_evp_lane_drop(void);

/** Whether sherd_crypto_init() passed, or this thread is in the self-test; runs it if nobody did. */
SHERD_MUST_USE enum sherd_err sherd_crypto_gate(void);

/**
 * Make a hash context fresh: what it held is overwritten.
 * @return whether that succeeded; if not, the caller drops the lane
 */
SHERD_MUST_USE bool sherd_evp_refresh(EVP_MD_CTX *ctx, enum sherd_hash_alg alg);

/** A call of OpenSSL failed that only fails without memory or with a broken provider: empty its error queue, say so. */
SHERD_MUST_USE enum sherd_err sherd_evp_fail(const char *what);

/** The hash function of a held key, and its bytes, borrowed. */
enum sherd_hash_alg sherd_hmac_key_alg(const struct sherd_hmac_key *key);
struct sherd_span sherd_hmac_key_span(const struct sherd_hmac_key *key);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file crypto/evp.h
 * What the files of this folder share, and no other folder includes: OpenSSL's algorithms, fetched once, and what
 * each thread keeps for them.
 */
#ifndef SHERD_CRYPTO_EVP_H
#define SHERD_CRYPTO_EVP_H

#include "crypto/sha.h"
#include <openssl/evp.h>
#include <openssl/kdf.h>

/** Algorithms of the process. Set before any lane exists, then constant. */
struct sherd_evp {
    struct sherd_hmac_key unsalted[SHERD_HASHES]; /**< of HKDF without a salt, which is public */
    EVP_CIPHER *gcm;                              /**< AES-256-GCM */
    EVP_KDF *scrypt;
    EVP_KDF *pbkdf2;
    EVP_KDF *argon2id; /**< NULL where OpenSSL has none (before 3.2) */
};

/** The algorithms; only after sherd_evp_lane() or sherd_crypto_init() succeeded. */
const struct sherd_evp *sherd_evp(void);

/** Fetch the algorithms unless they are there. The caller holds the lock of init.c. */
SHERD_MUST_USE enum sherd_err sherd_evp_fetch(void);

/** What one thread keeps. */
struct sherd_evp_lane {
    EVP_CIPHER_CTX *cipher; /**< reset between calls: it then holds no key */
    uint8_t *random;        /**< secret memory: bytes of the generator, the first random_left not yet used */
    size_t random_left;
    unsigned fork_count; /**< sherd_fork_count() when they were drawn: a child draws its own */
};

/**
 * What this thread keeps, made at its first call and freed when it ends. That first call also passes the gate.
 * @return SHERD_OK; SHERD_ERR_UNSUPPORTED (the self-test failed); SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_evp_lane(struct sherd_evp_lane **out_lane);

/** Free what this thread keeps now, wiping it; the next call makes it anew. */
void sherd_evp_lane_drop(void);

/**
 * The gate of the folder: whether sherd_crypto_init() passed, or this thread is in the self-test; runs it if nobody
 * did.
 */
SHERD_MUST_USE enum sherd_err sherd_crypto_gate(void);

/** A call of OpenSSL failed that only fails without memory or with a broken provider: empty its error queue, say so. */
SHERD_MUST_USE enum sherd_err sherd_evp_fail(const char *what);

#endif

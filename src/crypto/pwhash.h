/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file crypto/pwhash.h
 * Keys from passphrases: scrypt (RFC 7914); Argon2id (RFC 9106) where OpenSSL has it (3.2 and later); and, where only
 * approved algorithms may be used, PBKDF2 with HMAC-SHA-256 (SP 800-132, RFC 8018), which costs an attacker the least.
 */
#ifndef SHERD_CRYPTO_PWHASH_H
#define SHERD_CRYPTO_PWHASH_H

#include "base/macros.h"
#include <sherd/span.h>
#include <stdbool.h>

/**
 * Most memory that a hash may take: costs are read before anything is authenticated, and must not be a weapon. 1 GiB.
 */
#define SHERD_PWHASH_BYTES_MAX ((uint64_t)1 << 30)

enum sherd_pwhash_alg {
    SHERD_PWHASH_SCRYPT = 1,
    SHERD_PWHASH_ARGON2ID = 2,
    SHERD_PWHASH_PBKDF2 = 3,
};

/** Algorithm and cost, as they are stored beside what they protect (and authenticated by it). */
struct sherd_pwhash_params {
    enum sherd_pwhash_alg alg;
    uint32_t cost;     /**< scrypt: log2 of N, 14..20; Argon2id: memory in KiB, 65536..1048576; PBKDF2: 1e5..1e7 */
    uint32_t block;    /**< scrypt: r, 8..32; Argon2id: passes, 1..64; PBKDF2: 1 */
    uint32_t parallel; /**< p, 1..16; Argon2id: lanes, 1..16; PBKDF2: 1 */
};

/**
 * The default of this machine: Argon2id (256 MiB, 3 passes, 4 lanes) where OpenSSL has it, else scrypt (N = 2^17,
 * r = 8, p = 1).
 */
struct sherd_pwhash_params sherd_pwhash_default(void);

/** Fewest iterations of PBKDF2 that are taken where only approved algorithms may be used. */
#define SHERD_PWHASH_APPROVED_COST_MIN 600000U

/**
 * The approved one: PBKDF2 with 600,000 iterations, which is what OWASP's guidance asks for; SP 800-132 itself wants
 * 1,000 at least and as many as can be borne.
 */
struct sherd_pwhash_params sherd_pwhash_approved(void);

/** Whether parameters lie within the bounds above and the OpenSSL that is running can compute them. */
bool sherd_pwhash_supported(const struct sherd_pwhash_params *params);

/**
 * Derive a key.
 * @param[in]  salt  16 bytes or more, random
 * @param[out] out   out_bytes bytes, 16..64
 * @return SHERD_OK; SHERD_ERR_INVALID (bounds); SHERD_ERR_UNSUPPORTED (OpenSSL has no Argon2id); SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_pwhash(const struct sherd_pwhash_params *params, struct sherd_span passphrase,
                                           struct sherd_span salt, uint8_t *out, size_t out_bytes);

#endif

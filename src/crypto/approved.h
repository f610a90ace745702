/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file crypto/approved.h
 * Which algorithms NIST approves, in one table: what a vault in FIPS mode may use, and what is said where it may not.
 * Whoever uses an algorithm that is not approved, or that a file or a caller names, asks here first.
 *
 * That an algorithm is approved does not make the module that computes it a validated one: docs/fips.md.
 */
#ifndef SHERD_CRYPTO_APPROVED_H
#define SHERD_CRYPTO_APPROVED_H

#include "crypto/hpke.h"
#include "crypto/pubkey.h"
#include "crypto/pwhash.h"

/** All algorithms that Sherd uses, for whatever purpose. */
enum sherd_algorithm {
    SHERD_ALGORITHM_UNKNOWN, /**< an id that names none */
    SHERD_ALGORITHM_AES_256_GCM,
    SHERD_ALGORITHM_SHA2,
    SHERD_ALGORITHM_HMAC_SHA2,
    SHERD_ALGORITHM_HKDF_SHA2,
    SHERD_ALGORITHM_DRBG,
    SHERD_ALGORITHM_ED25519,
    SHERD_ALGORITHM_MLDSA_44,
    SHERD_ALGORITHM_DHKEM_P256,
    SHERD_ALGORITHM_RSA_OAEP,
    SHERD_ALGORITHM_PBKDF2,
    SHERD_ALGORITHM_KEY_SPLIT, /**< Shamir's sharing of a random key, and its parts by XOR */
    SHERD_ALGORITHM_SCRYPT,
    SHERD_ALGORITHM_ARGON2ID,
    SHERD_ALGORITHM_DHKEM_X25519,
    SHERD_ALGORITHM_XWING,
    SHERD_ALGORITHM_AGE,        /**< files of age: ChaCha20-Poly1305, under X25519 or scrypt */
    SHERD_ALGORITHM_PKCS12_MAC, /**< key stores: the key derivation of their MAC */
    SHERD_ALGORITHM_COUNT
};

enum sherd_standing {
    SHERD_NOT_APPROVED,
    SHERD_APPROVED,
    SHERD_NO_SECURITY_CLAIMED, /**< no standard knows it; allowed, since nothing that is approved rests on it */
};

/** What is known of one. All texts are constant. */
struct sherd_approval {
    const char *name;
    enum sherd_standing standing;
    const char *source;  /**< what approves it; NULL */
    const char *instead; /**< what to use in its place, or how to; NULL */
};

/** The row of an algorithm. */
const struct sherd_approval *sherd_approval_of(enum sherd_algorithm algorithm);

/**
 * Whether an algorithm may be used.
 * @param[in] fips  in FIPS mode; else all may that are known
 * @return SHERD_OK; SHERD_ERR_UNSUPPORTED: the detail says what to use instead
 */
SHERD_MUST_USE enum sherd_err sherd_approved_check(bool fips, enum sherd_algorithm algorithm);

/** What an id of a format names; SHERD_ALGORITHM_UNKNOWN. */
enum sherd_algorithm sherd_algorithm_of_kem(enum sherd_kem kem);
enum sherd_algorithm sherd_algorithm_of_pubkey(enum sherd_pubkey_kind kind); /* to seal to it */
enum sherd_algorithm sherd_algorithm_of_pwhash(enum sherd_pwhash_alg alg);

/** As sherd_approved_check(), for a passphrase hash with its cost: one that is cheaper than it is made is refused. */
SHERD_MUST_USE enum sherd_err sherd_approved_pwhash(bool fips, const struct sherd_pwhash_params *params);

/** The passphrase hash that is used for what is made now. */
struct sherd_pwhash_params sherd_pwhash_for(bool fips);

#endif

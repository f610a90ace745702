/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tests/unit/p11_puppet.h
 * A module of PKCS#11 that does and says what a test tells it, lies included. The test loads it as well, and finds what
 * steers it by the name "p11_puppet".
 */
#ifndef SHERD_TEST_P11_PUPPET_H
#define SHERD_TEST_P11_PUPPET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define P11_PUPPET_SLOTS 2

/** A token with one key pair of P-256 or RSA; its numbers are codes and types of PKCS#11. */
struct p11_puppet_slot {
    bool absent;
    const char *label;
    unsigned long flags;
    unsigned long flags_after; /**< a wrong PIN; 0: as before */
    const char *pin;           /**< NULL: none is to be given */
    unsigned long login_rv;    /**< beside those of the PIN */
    unsigned login_count;      /**< how often a PIN was given */
    bool rsa;
    bool hidden;          /**< the public key is not shown before the login */
    bool private_missing; /**< there is none */
    const uint8_t *point; /**< CKA_EC_POINT as it is given, point_bytes of it */
    size_t point_bytes;
    const uint8_t *params; /**< CKA_EC_PARAMS; NULL: those of P-256 */
    size_t params_bytes;
    const uint8_t *modulus; /**< of 256 bytes */
    uint8_t id;             /**< CKA_ID of one byte; 0: none */
    bool twice;             /**< two private keys */
};

struct p11_puppet {
    unsigned char version;         /**< major; 0: 2 */
    unsigned long initialize_rv;   /**< of the first call that gives arguments */
    unsigned initialized;          /**< started less ended */
    unsigned long slot_count;      /**< that it claims; 0: as many as are not absent */
    unsigned long object_count;    /**< that it claims to have found; 0: the truth */
    unsigned long attribute_bytes; /**< that it claims an attribute to have; 0: the truth */
    unsigned long derive_rv;       /**< of a point of 65 bytes */
    unsigned derive_count;
    size_t derive_public_bytes; /**< of the point that it took last */
    uint8_t derived[64];        /**< the secret */
    size_t derived_bytes;
    unsigned long destroy_count;
    unsigned long oaep_rv;     /**< of C_DecryptInit with OAEP */
    unsigned long oaep_run_rv; /**< of C_Decrypt then */
    unsigned long raw_rv;      /**< likewise of RSA alone */
    uint8_t plain[512];        /**< what C_Decrypt gives */
    size_t plain_bytes;
    struct p11_puppet_slot slots[P11_PUPPET_SLOTS];
    unsigned sessions; /**< that are open */
};

/** What steers it. */
typedef struct p11_puppet *p11_puppet_fn(void);

#endif

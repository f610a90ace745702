/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file crypto/p256.h
 * ECDH on P-256: a secret that two key pairs share. For hpke.h; what smartcards and HSMs can compute.
 *
 * A public key is a point as 65 bytes: 4, x, y. A private one is a number from 1 to the order of the group less 1,
 * big-endian.
 *
 * @par Source  NIST SP 800-56A; SEC 1, section 2.3.3; RFC 5903, section 8.1 (known answer)
 */
#ifndef SHERD_CRYPTO_P256_H
#define SHERD_CRYPTO_P256_H

#include "base/macros.h"
#include <stdbool.h>
#include <stdint.h>

#define SHERD_P256_PRIVATE_SIZE 32
#define SHERD_P256_PUBLIC_SIZE 65
#define SHERD_P256_SHARED_SIZE 32

/** Whether the OpenSSL that is running computes it. @return SHERD_OK; SHERD_ERR_UNSUPPORTED; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_p256_gate(void);

/**
 * Check that bytes are a point of the curve, before a private key meets it.
 * @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_UNSUPPORTED; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_p256_check(const uint8_t point[static SHERD_P256_PUBLIC_SIZE]);

/**
 * The public key of a private one.
 * @return SHERD_OK; SHERD_ERR_TAMPERED: the number is none of a private key; SHERD_ERR_UNSUPPORTED; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_p256_public(const uint8_t own[static SHERD_P256_PRIVATE_SIZE],
                                                uint8_t out_point[SHERD_P256_PUBLIC_SIZE]);

/**
 * The secret that two key pairs share, raw: x of the point, to be hashed into a key by the caller.
 * @param[in]  own         private key
 * @param[in]  other       public key of the other pair
 * @param[out] out_shared  SHERD_P256_SHARED_SIZE bytes, in secret memory; wiped on failure
 * @return SHERD_OK; SHERD_ERR_TAMPERED: not a private key, or no point of the curve; SHERD_ERR_UNSUPPORTED;
 *         SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_p256(const uint8_t own[static SHERD_P256_PRIVATE_SIZE],
                                         const uint8_t other[static SHERD_P256_PUBLIC_SIZE],
                                         uint8_t out_shared[SHERD_P256_SHARED_SIZE]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file crypto/p256.h
 * For this folder: the elliptic curve Diffie-Hellman of P-256, a secret that two key pairs share. The private key is
 * here, or in a token that computes the secret by itself (PKCS#11); of what goes there, sherd_p256_check() looks.
 *
 * @par Source  SP 800-186, section 3.2.1.3; SP 800-56A revision 3, section 5.7.1.2; RFC 5903, section 8.1
 */
#ifndef SHERD_CRYPTO_P256_H
#define SHERD_CRYPTO_P256_H

#include "base/macros.h"
#include <stdint.h>

/** A private key: a number of 1 to n - 1, big-endian. */
#define SHERD_P256_PRIVATE_SIZE 32
/** A public key: 4, then both coordinates (SEC 1, section 2.3.3, uncompressed). */
#define SHERD_P256_PUBLIC_SIZE 65
#define SHERD_P256_SHARED_SIZE 32

/** Whether the OpenSSL that is running has P-256. @return SHERD_OK; SHERD_ERR_UNSUPPORTED; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_p256_gate(void);

/** Draw a private key (FIPS 186-5, A.2.2). @return SHERD_OK; SHERD_ERR_IO (no randomness); SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_p256_draw(uint8_t out_private[static SHERD_P256_PRIVATE_SIZE]);

/**
 * Check that bytes are somebody's public key, before a private key elsewhere meets them. Needs no gate before.
 * @return SHERD_OK; SHERD_ERR_TAMPERED: no point of the curve; SHERD_ERR_UNSUPPORTED; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_p256_check(const uint8_t other[static SHERD_P256_PUBLIC_SIZE]);

/**
 * The public key of a private one.
 * @return SHERD_OK; SHERD_ERR_INVALID: that is no private key; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_p256_public(const uint8_t own[static SHERD_P256_PRIVATE_SIZE],
                                                uint8_t out_public[static SHERD_P256_PUBLIC_SIZE]);

/**
 * The secret that two key pairs share, raw.
 * @param[in]  other       checked to be a point of the curve, which has no other subgroups
 * @param[out] out_shared  in secret memory; wiped on failure
 * @return SHERD_OK; SHERD_ERR_TAMPERED: that is nobody's public key; SHERD_ERR_INVALID: own is no private key;
 *         SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_p256(const uint8_t own[static SHERD_P256_PRIVATE_SIZE],
                                         const uint8_t other[static SHERD_P256_PUBLIC_SIZE],
                                         uint8_t out_shared[static SHERD_P256_SHARED_SIZE]);

#endif

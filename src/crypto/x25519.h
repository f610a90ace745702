/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file crypto/x25519.h
 * X25519: a secret that two key pairs share.
 *
 * @par Source  RFC 7748, sections 5 and 6.1
 */
#ifndef SHERD_CRYPTO_X25519_H
#define SHERD_CRYPTO_X25519_H

#include "base/macros.h"
#include <stdint.h>

#define SHERD_X25519_SIZE 32

/** A private key: any 32 bytes, uniformly random. Belongs in secret memory. */
struct sherd_x25519_private {
    uint8_t bytes[SHERD_X25519_SIZE];
};

/** A public key. All 2^256 values are taken; bit 255 is ignored, as RFC 7748 says. */
struct sherd_x25519_public {
    uint8_t bytes[SHERD_X25519_SIZE];
};

/** Whether the OpenSSL that is running has X25519. @return SHERD_OK; SHERD_ERR_UNSUPPORTED; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_x25519_gate(void);

/**
 * Draw a key pair.
 * @param[out] out_private  in secret memory
 * @return SHERD_OK; SHERD_ERR_IO (no randomness); SHERD_ERR_UNSUPPORTED (OpenSSL has no X25519); SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_x25519_keygen(struct sherd_x25519_private *out_private,
                                                  struct sherd_x25519_public *out_public);

/** The public key of a private one. @return SHERD_OK; SHERD_ERR_UNSUPPORTED; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_x25519_public(const struct sherd_x25519_private *own,
                                                  struct sherd_x25519_public *out_public);

/**
 * The secret that two key pairs share: raw, to be hashed into a key by the caller.
 * @param[in]  own         private key
 * @param[in]  other       public key of the other pair
 * @param[out] out_shared  SHERD_X25519_SIZE bytes, in secret memory; wiped on failure
 * @return SHERD_OK; SHERD_ERR_TAMPERED: all zero, since the public key is of low order, whatever the private one;
 *         SHERD_ERR_UNSUPPORTED; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_x25519(const struct sherd_x25519_private *own,
                                           const struct sherd_x25519_public *other,
                                           uint8_t out_shared[SHERD_X25519_SIZE]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file crypto/sign.h
 * Ed25519 signatures (RFC 8032).
 */
#ifndef SHERD_CRYPTO_SIGN_H
#define SHERD_CRYPTO_SIGN_H

#include "base/macros.h"
#include <sherd/span.h>

#define SHERD_SIGN_SEED_SIZE 32
#define SHERD_SIGN_PUBLIC_SIZE 32
#define SHERD_SIGNATURE_SIZE 64

/** The public key that belongs to a seed (the private key of RFC 8032: 32 random bytes). */
SHERD_MUST_USE enum sherd_err sherd_sign_public(const uint8_t seed[static SHERD_SIGN_SEED_SIZE],
                                                uint8_t out_public[SHERD_SIGN_PUBLIC_SIZE]);

SHERD_MUST_USE enum sherd_err sherd_sign(const uint8_t seed[static SHERD_SIGN_SEED_SIZE], struct sherd_span message,
                                         uint8_t out_signature[SHERD_SIGNATURE_SIZE]);

/** @return SHERD_OK; SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err sherd_sign_verify(const uint8_t public_key[static SHERD_SIGN_PUBLIC_SIZE],
                                                struct sherd_span message,
                                                const uint8_t signature[static SHERD_SIGNATURE_SIZE]);

#endif

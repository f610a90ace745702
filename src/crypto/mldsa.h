/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file crypto/mldsa.h
 * ML-DSA-44 signatures, where OpenSSL has them: from 3.5 on. Which one runs is seen when it runs, not when it is built.
 *
 * @par Source  FIPS 204: pure, without a context string
 */
#ifndef SHERD_CRYPTO_MLDSA_H
#define SHERD_CRYPTO_MLDSA_H

#include "base/macros.h"
#include <sherd/span.h>
#include <stdbool.h>

#define SHERD_MLDSA_SEED_SIZE 32
#define SHERD_MLDSA_PUBLIC_SIZE 1312
#define SHERD_MLDSA_SIGNATURE_SIZE 2420

/**
 * Whether there is ML-DSA-44, and it gives its known answer. Each of the functions below asks as well.
 * @return SHERD_OK; SHERD_ERR_UNSUPPORTED; SHERD_ERR_TAMPERED: it failed its known answer; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_mldsa_gate(void);

/** The public key that belongs to a seed: 32 random bytes, the xi of FIPS 204 section 5.1. */
SHERD_MUST_USE enum sherd_err sherd_mldsa_public(const uint8_t seed[static SHERD_MLDSA_SEED_SIZE],
                                                 uint8_t out_public[SHERD_MLDSA_PUBLIC_SIZE]);

/** @param[in] hedged  with fresh randomness, as is usual; else one message has one signature, as known answers need */
SHERD_MUST_USE enum sherd_err sherd_mldsa_sign(const uint8_t seed[static SHERD_MLDSA_SEED_SIZE],
                                               struct sherd_span message, bool hedged,
                                               uint8_t out_signature[SHERD_MLDSA_SIGNATURE_SIZE]);

/** @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_UNSUPPORTED; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_mldsa_verify(const uint8_t public_key[static SHERD_MLDSA_PUBLIC_SIZE],
                                                 struct sherd_span message,
                                                 const uint8_t signature[static SHERD_MLDSA_SIGNATURE_SIZE]);

#endif

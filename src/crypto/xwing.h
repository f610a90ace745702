/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file crypto/xwing.h
 * For kem.c: X-Wing, which joins ML-KEM-768 and X25519.
 *
 * @par Source  draft-connolly-cfrg-xwing-kem, section 5; FIPS 203; FIPS 202
 */
#ifndef SHERD_CRYPTO_XWING_H
#define SHERD_CRYPTO_XWING_H

#include "base/macros.h"
#include <stdint.h>

#define SHERD_XWING_PRIVATE_SIZE 32
#define SHERD_XWING_PUBLIC_SIZE 1216
#define SHERD_XWING_ENC_SIZE 1120
#define SHERD_XWING_COINS_SIZE 64
#define SHERD_XWING_SHARED_SIZE 32

/** Pass the gate: SHERD_ERR_UNSUPPORTED where OpenSSL has no ML-KEM-768 (before 3.5); else as sherd_once_pass(). */
SHERD_MUST_USE enum sherd_err sherd_xwing_gate(void);

/** The three below only after the gate. @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_xwing_public(const uint8_t own[static SHERD_XWING_PRIVATE_SIZE],
                                                 uint8_t out_public[static SHERD_XWING_PUBLIC_SIZE]);
SHERD_MUST_USE enum sherd_err sherd_xwing_encap(const uint8_t to[static SHERD_XWING_PUBLIC_SIZE],
                                                const uint8_t coins[static SHERD_XWING_COINS_SIZE],
                                                uint8_t out_enc[static SHERD_XWING_ENC_SIZE],
                                                uint8_t out_shared[static SHERD_XWING_SHARED_SIZE]);
SHERD_MUST_USE enum sherd_err sherd_xwing_decap(const uint8_t own[static SHERD_XWING_PRIVATE_SIZE],
                                                const uint8_t enc[static SHERD_XWING_ENC_SIZE],
                                                uint8_t out_shared[static SHERD_XWING_SHARED_SIZE]);

#endif

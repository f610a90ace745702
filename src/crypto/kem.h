/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file crypto/kem.h
 * For hpke.c and for known-answer tests: encapsulation with its random bytes given. Nobody else includes it, since
 * random bytes that are used twice give the same secret away twice.
 */
#ifndef SHERD_CRYPTO_KEM_H
#define SHERD_CRYPTO_KEM_H

#include "crypto/hpke.h"

/** Most random bytes that an encapsulation takes: 32 for a curve (a private key), 64 for X-Wing (its eseed). */
#define SHERD_KEM_COINS_MAX 64

/** How many it takes. */
size_t sherd_kem_coins_bytes(enum sherd_kem kem);

/** Draw them. @return SHERD_OK; SHERD_ERR_IO (no randomness); SHERD_ERR_UNSUPPORTED; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_kem_coins(enum sherd_kem kem, uint8_t *out_coins);

/**
 * Make a secret for a public key.
 * @param[in]  coins       sherd_kem_coins_bytes() secret bytes
 * @param[out] out_enc     sherd_kem_enc_bytes() bytes
 * @param[out] out_shared  SHERD_KEM_SHARED_SIZE bytes
 * @return SHERD_OK; SHERD_ERR_TAMPERED: that is nobody's public key; SHERD_ERR_UNSUPPORTED; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_kem_encap(const struct sherd_kem_public *to, const uint8_t *coins, uint8_t *out_enc,
                                              uint8_t out_shared[SHERD_KEM_SHARED_SIZE]);

/** Find the secret again. @param[in] enc  sherd_kem_enc_bytes() bytes. @return as sherd_kem_encap() */
SHERD_MUST_USE enum sherd_err sherd_kem_decap(const struct sherd_kem_private *own, const uint8_t *enc,
                                              uint8_t out_shared[SHERD_KEM_SHARED_SIZE]);

/** The secret of DHKEM(P-256) from what ECDH gave, elsewhere. @return SHERD_OK; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_kem_p256_finish(const struct sherd_kem_public *own, const uint8_t *enc,
                                                    const uint8_t raw[SHERD_KEM_SHARED_SIZE],
                                                    uint8_t out_shared[SHERD_KEM_SHARED_SIZE]);

/** sherd_hpke_send() with the random bytes given. */
SHERD_MUST_USE enum sherd_err sherd_hpke_send_known(const struct sherd_kem_public *to, struct sherd_span info,
                                                    const uint8_t *coins, uint8_t *out_enc,
                                                    struct sherd_hpke **out_hpke);

/*
 * HPKE's hash functions (RFC 9180, section 4). A suite is the bytes that name it: "KEM" and its id, or "HPKE" and all
 * three.
 */

/** LabeledExtract: 32 bytes of secret from ikm. */
SHERD_MUST_USE enum sherd_err sherd_hpke_extract(struct sherd_span suite, struct sherd_span salt, const char *label,
                                                 struct sherd_span ikm, uint8_t out[static 32]);

/** LabeledExpand: out_bytes bytes from a secret of 32; info comes in two parts. */
SHERD_MUST_USE enum sherd_err sherd_hpke_expand(struct sherd_span suite, const uint8_t prk[static 32],
                                                const char *label, const struct sherd_span info[static 2], uint8_t *out,
                                                size_t out_bytes);

#endif

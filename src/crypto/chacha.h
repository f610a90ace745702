/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file crypto/chacha.h
 * ChaCha20-Poly1305, for the formats of others that ask for it. Our own contents are sealed by crypto/aead.h, which
 * commits to its key and minds its nonces; this does neither: a caller that uses a nonce twice under one key, or lets a
 * stranger choose among keys, breaks it.
 *
 * @par Source  RFC 8439, section 2.8
 */
#ifndef SHERD_CRYPTO_CHACHA_H
#define SHERD_CRYPTO_CHACHA_H

#include "base/macros.h"
#include <sherd/span.h>

#define SHERD_CHACHA_KEY_SIZE 32
#define SHERD_CHACHA_NONCE_SIZE 12
#define SHERD_CHACHA_TAG_SIZE 16
/** Most bytes of one message. */
#define SHERD_CHACHA_BYTES_MAX ((size_t)1 << 30)

/**
 * Seal one message.
 * @param[in]  data   additional data; the opener must give the same
 * @param[in]  plain  0..SHERD_CHACHA_BYTES_MAX bytes
 * @param[out] out    plain.len + SHERD_CHACHA_TAG_SIZE bytes; may not overlap plain
 * @return SHERD_OK; SHERD_ERR_LIMIT; SHERD_ERR_UNSUPPORTED (OpenSSL has no ChaCha20-Poly1305); SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_chacha_seal(const uint8_t key[static SHERD_CHACHA_KEY_SIZE],
                                                const uint8_t nonce[static SHERD_CHACHA_NONCE_SIZE],
                                                struct sherd_span data, struct sherd_span plain, uint8_t *out);

/**
 * Open one message.
 * @param[in]  sealed  SHERD_CHACHA_TAG_SIZE bytes or more; fewer are SHERD_ERR_TAMPERED
 * @param[out] out     sealed.len - SHERD_CHACHA_TAG_SIZE bytes, wiped on failure; may not overlap sealed
 * @return SHERD_OK; SHERD_ERR_TAMPERED; as sherd_chacha_seal()
 */
SHERD_MUST_USE enum sherd_err sherd_chacha_open(const uint8_t key[static SHERD_CHACHA_KEY_SIZE],
                                                const uint8_t nonce[static SHERD_CHACHA_NONCE_SIZE],
                                                struct sherd_span data, struct sherd_span sealed, uint8_t *out);

#endif

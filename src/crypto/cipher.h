/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file crypto/cipher.h
 * For this folder: one message under any AEAD of OpenSSL with nonces of 12 and tags of 16 bytes.
 */
#ifndef SHERD_CRYPTO_CIPHER_H
#define SHERD_CRYPTO_CIPHER_H

#include "crypto/evp.h"

#define SHERD_CIPHER_NONCE_SIZE 12
#define SHERD_CIPHER_TAG_SIZE 16
#define SHERD_CIPHER_BYTES_MAX ((size_t)1 << 30)

/** A key under which messages go, borrowed. */
struct sherd_cipher_use {
    const EVP_CIPHER *cipher;
    const uint8_t *key;
    const uint8_t *nonce;
    struct sherd_span data; /**< additional data */
};

/** Seal. @param[out] out  plain.len + 16 bytes. @return SHERD_OK; SHERD_ERR_LIMIT; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_cipher_seal(const struct sherd_cipher_use *use, struct sherd_span plain,
                                                uint8_t *out);

/**
 * Open. @param[out] out  sealed.len - 16 bytes; wiped on failure.
 * @return SHERD_OK; SHERD_ERR_TAMPERED (also fewer than 16 bytes); SHERD_ERR_LIMIT; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_cipher_open(const struct sherd_cipher_use *use, struct sherd_span sealed,
                                                uint8_t *out);

#endif

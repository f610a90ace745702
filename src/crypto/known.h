/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file crypto/known.h
 * What known-answer tests need: the same code with its random or bounded inputs given. For the self-test and for
 * tests/; nobody else includes it, since a salt that is used twice under one key breaks the encryption.
 */
#ifndef SHERD_CRYPTO_KNOWN_H
#define SHERD_CRYPTO_KNOWN_H

#include "crypto/aead.h"
#include "crypto/pwhash.h"

/** sherd_aead_seal() with a given salt. */
SHERD_MUST_USE enum sherd_err sherd_aead_seal_salted(const uint8_t key[static SHERD_AEAD_KEY_SIZE],
                                                     struct sherd_span context,
                                                     const uint8_t salt[static SHERD_AEAD_SALT_SIZE],
                                                     struct sherd_span plain, struct sherd_buf *out_sealed);

#define SHERD_AEAD_NONCE_SIZE 12

/** A message whose AES key and base nonce are given instead of derived. */
SHERD_MUST_USE enum sherd_err sherd_aead_message_raw(const uint8_t key[static SHERD_AEAD_KEY_SIZE],
                                                     const uint8_t nonce[static SHERD_AEAD_NONCE_SIZE], bool sealing,
                                                     struct sherd_aead_message **out_message);

/** scrypt without our bounds: cost is log2 of N. */
SHERD_MUST_USE enum sherd_err sherd_scrypt(const struct sherd_pwhash_params *params, struct sherd_span passphrase,
                                           struct sherd_span salt, uint8_t *out, size_t out_bytes);

/** PBKDF2 without our bounds: cost is the number of iterations. */
SHERD_MUST_USE enum sherd_err sherd_pbkdf2(const struct sherd_pwhash_params *params, struct sherd_span passphrase,
                                           struct sherd_span salt, uint8_t *out, size_t out_bytes);

/** Argon2id without our bounds, with the optional secret and associated data of RFC 9106. */
SHERD_MUST_USE enum sherd_err sherd_argon2id(const struct sherd_pwhash_params *params, struct sherd_span passphrase,
                                             struct sherd_span salt, struct sherd_span secret, struct sherd_span data,
                                             uint8_t *out, size_t out_bytes);

#endif

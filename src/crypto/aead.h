/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file crypto/aead.h
 * The one construction that encrypts everything: Cobblestone-256 of C2SP chunked-encryption (SHA-512, AES-256-GCM).
 *
 * A sealed message is  salt (24) || commitment (32) || chunks;  each chunk is 16 KiB of plaintext and a tag of 16
 * bytes, but the last, which is always shorter (and may be empty). The commitment is checked, in constant time, before
 * anything is decrypted; no byte of a chunk is given out before its tag is checked.
 *
 * @par Source  https://c2sp.org/chunked-encryption; NIST SP 800-38D
 */
#ifndef SHERD_CRYPTO_AEAD_H
#define SHERD_CRYPTO_AEAD_H

#include "base/macros.h"
#include <sherd/span.h>
#include <stdbool.h>

#define SHERD_AEAD_KEY_SIZE 32
#define SHERD_AEAD_SALT_SIZE 24
#define SHERD_AEAD_COMMITMENT_SIZE 32
#define SHERD_AEAD_HEADER_SIZE (SHERD_AEAD_SALT_SIZE + SHERD_AEAD_COMMITMENT_SIZE)
#define SHERD_AEAD_TAG_SIZE 16
#define SHERD_AEAD_CHUNK_SIZE ((size_t)16384)
#define SHERD_AEAD_SEALED_CHUNK_SIZE (SHERD_AEAD_CHUNK_SIZE + SHERD_AEAD_TAG_SIZE)
/** Most chunks of a message: 2^38. */
#define SHERD_AEAD_CHUNKS_MAX ((uint64_t)1 << 38)

/** Bytes that a sealed message of plain_bytes takes. */
static inline uint64_t sherd_aead_sealed_bytes(uint64_t plain_bytes)
{
    return SHERD_AEAD_HEADER_SIZE + plain_bytes + (plain_bytes / SHERD_AEAD_CHUNK_SIZE + 1) * SHERD_AEAD_TAG_SIZE;
}

/** Bytes of plaintext in a sealed message. @return SHERD_OK; SHERD_ERR_TAMPERED if no message has that length */
SHERD_MUST_USE enum sherd_err sherd_aead_plain_bytes(uint64_t sealed_bytes, uint64_t *out_plain_bytes);

/**
 * Seal a whole message and append it to a buffer.
 * @param[in]     key         SHERD_AEAD_KEY_SIZE bytes, uniformly random
 * @param[in]     context     any bytes; the opener must give the same
 * @param[in]     plain       0 or more bytes; must not lie in out_sealed
 * @param[in,out] out_sealed  sherd_aead_sealed_bytes(plain.len) bytes are appended; unchanged on failure
 * @return SHERD_OK; SHERD_ERR_IO (no randomness); SHERD_ERR_LIMIT; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_aead_seal(const uint8_t key[static SHERD_AEAD_KEY_SIZE], struct sherd_span context,
                                              struct sherd_span plain, struct sherd_buf *out_sealed);

/**
 * Open a whole message and append its plaintext to a buffer.
 * @param[in]     key        as it was sealed with; the same goes for context
 * @param[in]     sealed     any bytes; must not lie in out_plain
 * @param[in,out] out_plain  the plaintext is appended; on failure none of it is left, and len is as before
 * @return SHERD_OK; SHERD_ERR_TAMPERED (causes not told apart); SHERD_ERR_LIMIT; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_aead_open(const uint8_t key[static SHERD_AEAD_KEY_SIZE], struct sherd_span context,
                                              struct sherd_span sealed, struct sherd_buf *out_plain);

/** The same with a key that is held: one of SHERD_SHA512, of SHERD_AEAD_KEY_SIZE bytes, else SHERD_ERR_INVALID. */
struct sherd_hmac_key;
SHERD_MUST_USE enum sherd_err sherd_aead_seal_with(const struct sherd_hmac_key *key, struct sherd_span context,
                                                   struct sherd_span plain, struct sherd_buf *out_sealed);
SHERD_MUST_USE enum sherd_err sherd_aead_open_with(const struct sherd_hmac_key *key, struct sherd_span context,
                                                   struct sherd_span sealed, struct sherd_buf *out_plain);

/**
 * One message, chunk by chunk: a stream, a range, or pieces on several threads. Holds the derived key of one message,
 * and belongs to one thread at a time; sherd_aead_message_clone() gives another thread its own.
 */
struct sherd_aead_message;

/** Begin to seal. @param[out] out_header  SHERD_AEAD_HEADER_SIZE bytes that stand before the first chunk */
SHERD_MUST_USE enum sherd_err sherd_aead_message_seal_begin(const uint8_t key[static SHERD_AEAD_KEY_SIZE],
                                                            struct sherd_span context, uint8_t *out_header,
                                                            struct sherd_aead_message **out_message);

/** Begin to open. @param[in] header  SHERD_AEAD_HEADER_SIZE bytes. @return SHERD_OK; SHERD_ERR_TAMPERED; ... */
SHERD_MUST_USE enum sherd_err sherd_aead_message_open_begin(const uint8_t key[static SHERD_AEAD_KEY_SIZE],
                                                            struct sherd_span context, struct sherd_span header,
                                                            struct sherd_aead_message **out_message);

/** Another handle on the same message, for another thread. Between them, they must seal each index once at most. */
SHERD_MUST_USE enum sherd_err sherd_aead_message_clone(const struct sherd_aead_message *message,
                                                       struct sherd_aead_message **out_message);

/**
 * Seal one chunk. The caller numbers chunks from 0, each once; all but the last are full, the last is shorter. Since
 * two plaintexts under one number would break the encryption, one handle takes numbers in rising order only, and none
 * after a short chunk or at a number whose sealing failed.
 * @param[in]  index  chunk number, below SHERD_AEAD_CHUNKS_MAX
 * @param[in]  plain  0..SHERD_AEAD_CHUNK_SIZE bytes
 * @param[out] out    plain.len + SHERD_AEAD_TAG_SIZE bytes; may not overlap plain
 * @return SHERD_OK; SHERD_ERR_INVALID (order, size, or a message that is being opened); SHERD_ERR_LIMIT (index)
 */
SHERD_MUST_USE enum sherd_err sherd_aead_chunk_seal(struct sherd_aead_message *message, uint64_t index,
                                                    struct sherd_span plain, uint8_t *out);

/**
 * Open one chunk. The caller must know from the message's length which chunk is the last and how long it is: see
 * sherd_aead_plain_bytes(), which accepts only lengths whose last chunk is short.
 * @param[in]  index   chunk number; any order
 * @param[in]  sealed  SHERD_AEAD_TAG_SIZE..SHERD_AEAD_SEALED_CHUNK_SIZE bytes
 * @param[out] out     sealed.len - SHERD_AEAD_TAG_SIZE bytes, wiped on failure; may not overlap sealed
 * @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_INVALID (a message that is being sealed)
 */
SHERD_MUST_USE enum sherd_err sherd_aead_chunk_open(struct sherd_aead_message *message, uint64_t index,
                                                    struct sherd_span sealed, uint8_t *out);

/** Wipe and free. NULL is accepted. */
void sherd_aead_message_free(struct sherd_aead_message *message);
SHERD_DEFINE_OWNED(sherd_aead_message);

/**
 * Small messages of one length under one key, each by its number: slots of a file that is written in place. The key is
 * drawn from one that is held, by a salt that is used for one series alone; the number is the nonce. What is sealed is
 * as long as the plaintext and a tag: SHERD_AEAD_TAG_SIZE more. One thread at a time.
 * @param[in] key   one of SHERD_SHA512, of SHERD_AEAD_KEY_SIZE bytes
 * @param[in] salt  random, and never that of another series that is sealed
 * @return SHERD_OK; SHERD_ERR_INVALID: of another kind of key; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_aead_series_begin(const struct sherd_hmac_key *key, struct sherd_span context,
                                                      const uint8_t salt[static SHERD_AEAD_SALT_SIZE], bool sealing,
                                                      struct sherd_aead_message **out_series);
/**
 * Seal the message of a number. @param[out] out  plain.len + SHERD_AEAD_TAG_SIZE bytes; may not overlap plain
 * @return SHERD_OK; SHERD_ERR_INVALID: numbers rise, each once; longer than a chunk; a series that is being opened
 */
SHERD_MUST_USE enum sherd_err sherd_aead_slot_seal(struct sherd_aead_message *series, uint64_t number,
                                                   struct sherd_span plain, uint8_t *out);
/** Open it: as sherd_aead_chunk_open(). */
static inline enum sherd_err sherd_aead_slot_open(struct sherd_aead_message *series, uint64_t number,
                                                  struct sherd_span sealed, uint8_t *out)
{
    return sherd_aead_chunk_open(series, number, sealed, out);
}

#endif

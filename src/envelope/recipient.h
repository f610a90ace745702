/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file envelope/recipient.h
 * Keys of crypto/hpke.h as text and as bytes. As text they are written as age writes keys of the same kinds, so that a
 * person needs one pair; age has none of P-256 alone:
 *
 *     SHERD_KEM_X25519  age1...     AGE-SECRET-KEY-1...
 *     SHERD_KEM_XWING   age1pq1...  AGE-SECRET-KEY-PQ-1...
 *     SHERD_KEM_P256    sherdp1...  SHERDP-SECRET-KEY-1...
 *
 * @par Source  https://c2sp.org/age, "Native recipient types"
 */
#ifndef SHERD_ENVELOPE_RECIPIENT_H
#define SHERD_ENVELOPE_RECIPIENT_H

#include "crypto/hpke.h"

/** Longest texts, without a final zero byte: those of X-Wing. */
#define SHERD_RECIPIENT_CHARS_MAX 1959U
#define SHERD_IDENTITY_CHARS_MAX 77U

/**
 * Read a public key, in lower case, with nothing around it.
 * @return SHERD_OK; SHERD_ERR_INVALID; SHERD_ERR_NO_MEMORY. That OpenSSL cannot use it shows when it is used.
 */
SHERD_MUST_USE enum sherd_err sherd_recipient_parse(struct sherd_span text, struct sherd_kem_public *out_recipient);

/** Write a public key. @param[in,out] out_text  appended. @return SHERD_OK; SHERD_ERR_UNSUPPORTED (the KEM); ... */
SHERD_MUST_USE enum sherd_err sherd_recipient_text(const struct sherd_kem_public *recipient,
                                                   struct sherd_buf *out_text);

/** Read a private key, in upper case. @param[out] out_own  in secret memory. @return as sherd_recipient_parse() */
SHERD_MUST_USE enum sherd_err sherd_recipient_own_parse(struct sherd_span text, struct sherd_kem_private *out_own);

/** Write a private key. @param[in,out] out_text  over secret memory; appended. @return as sherd_recipient_text() */
SHERD_MUST_USE enum sherd_err sherd_recipient_own_text(const struct sherd_kem_private *own, struct sherd_buf *out_text);

/**
 * Read a file of private keys: one a line; empty lines and those that begin with # are comments.
 * @param[out] out_own    room for count_max, in secret memory; wiped on failure
 * @param[out] out_count  1 or more
 * @return SHERD_OK; SHERD_ERR_INVALID (the detail names the line, not what it says; or there is none);
 *         SHERD_ERR_LIMIT (more than count_max); SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_recipient_own_file_parse(struct sherd_span text, size_t count_max,
                                                             struct sherd_kem_private *out_own, size_t *out_count);

/* --- as a map entry keeps it, and the stream that is sealed to it: docs/format/recipient.md ----------------------- */

/** Longest encoding of a public key: KEM id (2 bytes) and the key. */
#define SHERD_RECIPIENT_BYTES_MAX (2U + SHERD_KEM_PUBLIC_BYTES_MAX)

/** Encode. @return how many bytes were written */
size_t sherd_recipient_encode(const struct sherd_kem_public *recipient, uint8_t out[SHERD_RECIPIENT_BYTES_MAX]);

/** Decode, strictly. @return SHERD_OK; SHERD_ERR_TAMPERED: a KEM that is none of ours, or another length than its */
SHERD_MUST_USE enum sherd_err sherd_recipient_decode(struct sherd_span bytes, struct sherd_kem_public *out_recipient);

/** Bytes before the first chunk of a stream: enc, salt, commitment. */
static inline size_t sherd_recipient_head_bytes(enum sherd_kem kem)
{
    return sherd_kem_enc_bytes(kem) + SHERD_AEAD_HEADER_SIZE;
}

/** Bytes of the stream that contents of plain_bytes are sealed in. */
static inline uint64_t sherd_recipient_sealed_bytes(enum sherd_kem kem, uint64_t plain_bytes)
{
    return sherd_kem_enc_bytes(kem) + sherd_aead_sealed_bytes(plain_bytes);
}

/** Bytes of the contents in a stream. @return SHERD_OK; SHERD_ERR_TAMPERED if no stream has that length */
SHERD_MUST_USE enum sherd_err sherd_recipient_plain_bytes(enum sherd_kem kem, uint64_t sealed_bytes,
                                                          uint64_t *out_plain_bytes);

#endif

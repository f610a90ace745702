/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file envelope/recipient.h
 * Keys of crypto/hpke.h as text. They are written as age writes keys of the same kinds, so that a person needs one
 * pair:
 *
 *     SHERD_KEM_X25519  age1...     AGE-SECRET-KEY-1...
 *     SHERD_KEM_XWING   age1pq1...  AGE-SECRET-KEY-PQ-1...
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

#endif

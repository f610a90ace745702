/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file envelope/age.h
 * Files of the format age, version 1, for small contents: a share, a key. Sealed to the public keys of people
 * ("age1...", X25519) or to a passphrase (scrypt), opened by anything that speaks age.
 *
 * A file is a text header, which carries a file key once for each recipient and a MAC, and a payload in chunks of 64
 * KiB. It may be wrapped in an armor of ASCII. Every function here takes files with and without armor; all of a file
 * lies in memory, and the ceiling of the output buffer bounds it.
 *
 * Unknown kinds of recipients are passed over. Anything that the specification does not allow is refused.
 *
 * @par Source  https://c2sp.org/age; RFC 7468 for the armor; BIP-173 for the keys
 */
#ifndef SHERD_ENVELOPE_AGE_H
#define SHERD_ENVELOPE_AGE_H

#include "crypto/x25519.h"
#include <sherd/span.h>
#include <stdbool.h>

/** Most recipients that a file is sealed to, and most that one may have that is opened. */
#define SHERD_AGE_RECIPIENTS_MAX 256U
/** What scrypt costs, as log2 of N: when sealing unless the caller says otherwise, and most when opening (4 GiB). */
#define SHERD_AGE_WORK_DEFAULT 18U
#define SHERD_AGE_WORK_MAX 22U

/** Characters of the texts, without a final zero byte. */
#define SHERD_AGE_RECIPIENT_CHARS 62U
#define SHERD_AGE_IDENTITY_CHARS 74U

/** A public key: who can open a file. */
struct sherd_age_recipient {
    struct sherd_x25519_public key;
};

/** A private key. Belongs in secret memory. */
struct sherd_age_identity {
    struct sherd_x25519_private key;
};

/**
 * Draw a key pair.
 * @param[out] out_identity  in secret memory
 * @return SHERD_OK; SHERD_ERR_IO (no randomness); SHERD_ERR_UNSUPPORTED (OpenSSL has no X25519); SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_age_keygen(struct sherd_age_identity *out_identity,
                                               struct sherd_age_recipient *out_recipient);

/** The recipient that an identity opens for. @return SHERD_OK; SHERD_ERR_UNSUPPORTED; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_age_recipient_of(const struct sherd_age_identity *identity,
                                                     struct sherd_age_recipient *out_recipient);

/** "age1..." @param[out] out_text  ended by a zero byte. @return SHERD_OK; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_age_recipient_text(const struct sherd_age_recipient *recipient,
                                                       char out_text[SHERD_AGE_RECIPIENT_CHARS + 1]);

/** "AGE-SECRET-KEY-1..." @param[out] out_text  in secret memory, ended by a zero byte. @return as above */
SHERD_MUST_USE enum sherd_err sherd_age_identity_text(const struct sherd_age_identity *identity,
                                                      char out_text[SHERD_AGE_IDENTITY_CHARS + 1]);

/** Read "age1...", in lower case, with nothing around it. @return SHERD_OK; SHERD_ERR_INVALID; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_age_recipient_parse(struct sherd_span text,
                                                        struct sherd_age_recipient *out_recipient);

/** Read "AGE-SECRET-KEY-1...", in upper case. @param[out] out_identity  in secret memory. @return as above */
SHERD_MUST_USE enum sherd_err sherd_age_identity_parse(struct sherd_span text, struct sherd_age_identity *out_identity);

/**
 * Read a file of identities as age-keygen writes it: one a line; empty lines and those that begin with # are comments.
 * @param[out] out_identities  room for count_max, in secret memory; wiped on failure
 * @param[out] out_count       1 or more
 * @return SHERD_OK; SHERD_ERR_INVALID (the detail names the line, not what it says; or there is none);
 *         SHERD_ERR_LIMIT (more than count_max); SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_age_identities_parse(struct sherd_span text, size_t count_max,
                                                         struct sherd_age_identity *out_identities, size_t *out_count);

/**
 * Seal to recipients: each of them alone can open it.
 * @param[in]     count     1..SHERD_AGE_RECIPIENTS_MAX
 * @param[in,out] out_file  the file is appended, without armor; unchanged on failure
 * @return SHERD_OK; SHERD_ERR_INVALID (count); SHERD_ERR_TAMPERED (a recipient that is no public key); SHERD_ERR_LIMIT
 *         (the buffer); SHERD_ERR_IO (no randomness); SHERD_ERR_UNSUPPORTED; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_age_seal(const struct sherd_age_recipient *recipients, size_t count,
                                             struct sherd_span plain, struct sherd_buf *out_file);

/**
 * Seal to a passphrase.
 * @param[in] passphrase  1 byte or more
 * @param[in] work        log2 of scrypt's N, 1..SHERD_AGE_WORK_MAX; 0 for SHERD_AGE_WORK_DEFAULT
 * @return as sherd_age_seal(); SHERD_ERR_INVALID (the passphrase); SHERD_ERR_LIMIT (the work)
 */
SHERD_MUST_USE enum sherd_err sherd_age_seal_passphrase(struct sherd_span passphrase, unsigned work,
                                                        struct sherd_span plain, struct sherd_buf *out_file);

/**
 * Open with identities.
 * @param[in]     file       with or without armor
 * @param[in,out] out_plain  the contents are appended; on failure none of them is left, and len is as before
 * @return SHERD_OK; SHERD_ERR_DENIED: sealed to none of these identities; SHERD_ERR_TAMPERED: no file of age, or
 *         changed; SHERD_ERR_UNSUPPORTED: a later version of age; SHERD_ERR_LIMIT (recipients, or the buffer);
 *         SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_age_open(const struct sherd_age_identity *identities, size_t count,
                                             struct sherd_span file, struct sherd_buf *out_plain);

/**
 * Open with a passphrase. @return as sherd_age_open(); SHERD_ERR_LIMIT also where scrypt would cost more than allowed
 */
SHERD_MUST_USE enum sherd_err sherd_age_open_passphrase(struct sherd_span passphrase, struct sherd_span file,
                                                        struct sherd_buf *out_plain);

/** Whether bytes look like a file of age, with or without armor: the first line says so. */
bool sherd_age_is_file(struct sherd_span file);

/** Whether a file wants a passphrase. @return SHERD_OK; as sherd_age_open() for a file with a bad header */
SHERD_MUST_USE enum sherd_err sherd_age_wants_passphrase(struct sherd_span file, bool *out_wants);

/**
 * Put a file into its armor. @param[in,out] out_text  appended. @return SHERD_OK; SHERD_ERR_LIMIT; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_age_armor(struct sherd_span file, struct sherd_buf *out_text);

/**
 * Take a file out of its armor. White space may stand before and after it, and lines may end with CR LF; all else must
 * be as sherd_age_armor() writes it.
 * @param[in,out] out_file  appended; unchanged on failure
 * @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_LIMIT; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_age_unarmor(struct sherd_span text, struct sherd_buf *out_file);

#endif

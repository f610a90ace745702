/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file envelope/token_box.h
 * A share, or another short secret, sealed to a key pair whose private half lies in a token: a smartcard, an HSM. As
 * bytes, and as lines of text with checksums, that can be typed. Bytes: docs/format/share.md, section 5.
 *
 * Sealing takes the public key alone, no token. Opening takes one operation of the private key: ECDH on P-256, or
 * RSA-OAEP; who has the token brings it as a function. Which key it is sealed to, and where that is looked for (a URI
 * of PKCS#11), stand in the box for everybody to read, and are authenticated when it is opened; before that they are
 * hints.
 *
 * Any thread may call.
 *
 * @par Source  RFC 9180 (HPKE), RFC 8017 (RSAES-OAEP), RFC 7512 (URIs), BIP-350 (Bech32m)
 */
#ifndef SHERD_ENVELOPE_TOKEN_BOX_H
#define SHERD_ENVELOPE_TOKEN_BOX_H

#include "crypto/hpke.h"
#include "crypto/pubkey.h"
#include <stdbool.h>

/** Longest URI, in bytes. */
#define SHERD_TOKEN_URI_BYTES_MAX 768U
/** Longest secret. */
#define SHERD_TOKEN_PLAIN_BYTES_MAX 256U
/** Longest box, in bytes, and longest text that is looked at. */
#define SHERD_TOKEN_BOX_BYTES_MAX                                                            \
    (39U + SHERD_TOKEN_URI_BYTES_MAX + SHERD_PUBKEY_RSA_BYTES_MAX + SHERD_AEAD_HEADER_SIZE + \
     SHERD_TOKEN_PLAIN_BYTES_MAX + SHERD_AEAD_TAG_SIZE)
#define SHERD_TOKEN_TEXT_BYTES_MAX ((size_t)16 << 10)

/** A box that was read: shape only, nothing of it is verified. */
struct sherd_token_box {
    enum sherd_pubkey_kind kind;             /**< of the key */
    struct sherd_digest key;                 /**< its fingerprint */
    char uri[SHERD_TOKEN_URI_BYTES_MAX + 1]; /**< where to look for it; "" for everywhere */
    struct sherd_span head;                  /**< borrowed, as the two below: what is authenticated with the secret */
    struct sherd_span enc;                   /**< for the private key */
    struct sherd_span sealed;
};

/**
 * Seal.
 * @param[in]     uri      printable ASCII without spaces, beginning with "pkcs11:", or ""; no secret
 * @param[in]     plain    1..SHERD_TOKEN_PLAIN_BYTES_MAX bytes
 * @param[in,out] out_box  the bytes are appended; unchanged on failure
 * @return SHERD_OK; SHERD_ERR_INVALID (uri, plain); SHERD_ERR_IO (no randomness); SHERD_ERR_LIMIT; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_token_box_seal(const struct sherd_pubkey *to, const char *uri,
                                                   struct sherd_span plain, struct sherd_buf *out_box);

/**
 * Read the shape of a box.
 * @param[in]  bytes    borrowed as long as out_box is used
 * @param[out] out_box  written only on SHERD_OK
 * @return SHERD_OK; SHERD_ERR_INVALID; SHERD_ERR_UNSUPPORTED (another format, kind of holder or of key)
 */
SHERD_MUST_USE enum sherd_err sherd_token_box_read(struct sherd_span bytes, struct sherd_token_box *out_box);

/** The private key, as its token offers it. Codes are passed up unchanged. */
struct sherd_token_opener {
    sherd_hpke_agree_fn *agree; /**< ECDH; for P-256 */
    /** RSAES-OAEP with SHA-256: SHERD_PUBKEY_SECRET_SIZE bytes of secret memory; for RSA */
    enum sherd_err (*decrypt)(void *arg, struct sherd_span enc, uint8_t *out_secret);
    void *arg;
};

/**
 * Open.
 * @param[in]     own        the public key
 * @param[in,out] out_plain  appended, in memory that the caller chose; unchanged on failure
 * @return SHERD_OK; SHERD_ERR_DENIED: it is sealed to another key; SHERD_ERR_TAMPERED: it does not verify;
 *         SHERD_ERR_LIMIT; SHERD_ERR_NO_MEMORY; the opener's code
 */
SHERD_MUST_USE enum sherd_err sherd_token_box_open(const struct sherd_token_box *box, const struct sherd_pubkey *own,
                                                   const struct sherd_token_opener *opener,
                                                   struct sherd_buf *out_plain);

/* ---- As text ----------------------------------------------------------------------------------------------------- */

/** Append a box as lines of text. @return SHERD_OK; SHERD_ERR_LIMIT; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_token_box_text(struct sherd_span box, struct sherd_buf *out_text);

/** Whether a text is one of a box, by the first line in it that is no comment. */
bool sherd_token_box_is_text(struct sherd_span text);

/**
 * Read lines that a person may have typed: case, spaces, tabs, dashes, empty lines and those that begin with # do not
 * matter.
 * @param[in]     text      one box and nothing else, at most SHERD_TOKEN_TEXT_BYTES_MAX
 * @param[in,out] out_box   the bytes are appended; unchanged on failure
 * @param[out]    out_line  on failure, the line of the box (from 1 on) that is wrong, or 0; may be NULL
 * @return SHERD_OK; SHERD_ERR_INVALID (the detail text names the line too); SHERD_ERR_LIMIT; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_token_box_parse(struct sherd_span text, struct sherd_buf *out_box,
                                                    unsigned *out_line);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file identity.h
 * Records that only their recipient opens: contents are sealed to a public key before they enter the vault, and opened
 * with the private one after they left it. All compartments and the trust anchor together cannot read them.
 *
 * @code
 * struct sherd_buf own = {0}, recipient = {0};   // texts: "AGE-SECRET-KEY-1..." in a file, and "age1..."
 * struct sherd_identity *identity = NULL;
 *
 * sherd_identity_new(SHERD_IDENTITY_X25519, &own, &recipient);      // once, where the recipient is
 *
 * meta.recipient = "age1...";                                       // whoever has the public key seals
 * sherd_record_put(vault, &meta, content, &id);
 *
 * sherd_identity_parse(sherd_buf_span(&own), &identity);            // whoever has the private one opens
 * options.identity = identity;
 * sherd_record_get_with(vault, id, &options, &back);
 * sherd_identity_free(identity);
 * @endcode
 *
 * Keys are written as age (https://c2sp.org/age) writes those of the same kinds; of P-256 it has none. What the vault
 * still sees: how long the contents are, to whom they are sealed, and everything beside them (attributes, type,
 * entity). Nobody authenticates the sender. A record has one recipient; whose private key is lost has lost the record.
 *
 * @par Source  docs/format/recipient.md; RFC 9180 (HPKE, base mode)
 */
#ifndef SHERD_IDENTITY_H
#define SHERD_IDENTITY_H

#include <sherd/err.h>
#include <sherd/span.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Most private keys of one identity: lines of its file. */
#define SHERD_IDENTITY_KEYS_MAX 64U
/** Longest text of a recipient, without a final zero byte. */
#define SHERD_RECIPIENT_TEXT_BYTES_MAX 1959U
/** Room for the text that sherd_identity_new() makes. */
#define SHERD_IDENTITY_TEXT_BYTES_MAX 2304U
/** The recipient that says: sealed to nobody any more. For sherd_record_update(). */
#define SHERD_RECIPIENT_NONE "none"

/** Kinds of key pairs. */
enum sherd_identity_kind {
    SHERD_IDENTITY_X25519, /**< "age1..." */
    SHERD_IDENTITY_XWING,  /**< "age1pq1...": ML-KEM-768 and X25519 together; needs OpenSSL 3.5 or later */
    SHERD_IDENTITY_P256,   /**< "sherdp1...": the only kind that a vault in FIPS mode takes */
};

/** One or more private keys, in secret memory. Any number of threads may share one. */
struct sherd_identity;

/**
 * Draw a key pair. The private text goes to a file that its owner alone can read, outside the vault, and nowhere else;
 * a comment in it holds the public one.
 * @param[in,out] out_own        appended, at most SHERD_IDENTITY_TEXT_BYTES_MAX bytes; over memory that you wipe
 * @param[in,out] out_recipient  appended, one line without its end
 * @return SHERD_OK; SHERD_ERR_UNSUPPORTED (the kind); SHERD_ERR_INVALID; SHERD_ERR_LIMIT (a buffer); SHERD_ERR_IO (no
 *         randomness); SHERD_ERR_NO_MEMORY
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_identity_new(enum sherd_identity_kind kind, struct sherd_buf *out_own,
                                                           struct sherd_buf *out_recipient);

/**
 * Read private keys: one a line; empty lines and those that begin with # are comments.
 * @param[in]  text          borrowed until return; keep it in memory that you wipe
 * @param[out] out_identity  end with sherd_identity_free()
 * @return SHERD_OK; SHERD_ERR_INVALID (the detail names the line, not what it says; or there is none);
 *         SHERD_ERR_LIMIT (more than SHERD_IDENTITY_KEYS_MAX); SHERD_ERR_NO_MEMORY
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_identity_parse(struct sherd_span text,
                                                             struct sherd_identity **out_identity);

/** Wipe and free. NULL is accepted. */
SHERD_API void sherd_identity_free(struct sherd_identity *identity);

#ifdef __cplusplus
}
#endif

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file envelope/row.h
 * Rows: what `secrets` keeps of a record of a readable collection, in clear, for anyone to read. docs/format/row.md
 *
 *     header 8 || description (TLV) || contents || signature 64
 *
 * Two things vouch for a row. Its pin has the digest of all of it, so the vault sees a row that was changed, moved,
 * rolled back or removed; and the deployment's key has signed it, so who reads the store directly, with the engine's
 * own tools and a public key, sees one that was changed or made up.
 */
#ifndef SHERD_ENVELOPE_ROW_H
#define SHERD_ENVELOPE_ROW_H

#include "crypto/hash.h"
#include "crypto/sign.h"
#include "envelope/links.h"
#include <sherd/provider/store.h>
#include <sherd/record.h>

/** The second byte of a row, where other entries of `secrets` have their kind. */
#define SHERD_KIND_ROW 129U
#define SHERD_ROW_HEADER_SIZE 8U
/** Longest contents of a row: it is always an entry. */
#define SHERD_ROW_CONTENT_BYTES_MAX ((size_t)64 << 10)
/** What is said of longer ones. */
#define SHERD_ROW_TOO_LONG \
    "contents in a readable collection have at most 64 KiB: put longer ones elsewhere, and link to them"
/** Most bytes of the description. */
#define SHERD_ROW_TLV_BYTES_MAX 8192U
#define SHERD_ROW_BYTES_MAX \
    (SHERD_ROW_HEADER_SIZE + SHERD_ROW_TLV_BYTES_MAX + SHERD_ROW_CONTENT_BYTES_MAX + SHERD_SIGNATURE_SIZE)

/** A row. Decoded, its texts are copies and its spans borrowed from what was decoded. */
struct sherd_row {
    struct sherd_uuid deployment;
    struct sherd_uuid collection;
    struct sherd_uuid record;
    uint64_t version;
    uint64_t created_s;
    char collection_name[SHERD_COLLECTION_NAME_BYTES_MAX + 1];
    char content_type[SHERD_CONTENT_TYPE_BYTES_MAX + 1];
    struct sherd_span attributes; /**< encoded: envelope/attributes.h */
    struct sherd_span links;      /**< encoded: envelope/links.h */
    bool has_first;
    struct sherd_digest first; /**< digest of the first row of the record; without it this is the first */
    struct sherd_span content;
    struct sherd_span body;   /**< decoded only: what is signed, header, description and contents */
    const uint8_t *signature; /**< decoded only: SHERD_SIGNATURE_SIZE bytes */
};

/** What the deployment's key signs of a row. */
struct sherd_row_claim {
    struct sherd_uuid deployment;
    struct sherd_uuid collection;
    struct sherd_uuid record;
    uint64_t version;
    uint64_t created_s;
    struct sherd_digest body; /**< sherd_row_digest() of the body */
};

/** Room for an encoded claim. */
#define SHERD_ROW_CLAIM_BYTES_MAX 160U

/** Whether a stored value says that it is a row. Nothing is verified. */
bool sherd_row_is(struct sherd_span stored);

/**
 * Encode all but the signature.
 * @param[in,out] out_body  appended
 * @return SHERD_OK; SHERD_ERR_LIMIT (too long); SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_row_encode(const struct sherd_row *row, struct sherd_buf *out_body);

/** Decode a stored row, strictly. The signature is not looked at. @return SHERD_OK; SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err sherd_row_decode(struct sherd_span stored, struct sherd_row *out_row);

/** The digest of a row, or of its body: an RFC 6962 tree of one leaf. */
SHERD_MUST_USE enum sherd_err sherd_row_digest(struct sherd_span bytes, struct sherd_digest *out_digest);

/** What is signed of a decoded row. */
SHERD_MUST_USE enum sherd_err sherd_row_claim_of(const struct sherd_row *row, struct sherd_row_claim *out_claim);

/** The bytes that are signed. @param[out] block  SHERD_ROW_CLAIM_BYTES_MAX bytes. @return how many it has */
size_t sherd_row_claim_encode(const struct sherd_row_claim *claim, uint8_t block[static SHERD_ROW_CLAIM_BYTES_MAX]);

/** Check a decoded row's signature. @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_row_verify(const struct sherd_row *row,
                                               const uint8_t public_key[static SHERD_SIGN_PUBLIC_SIZE]);

#endif

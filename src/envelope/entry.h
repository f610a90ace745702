/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file envelope/entry.h
 * Entries: everything that is stored but contents. Sealed, bound to deployment, compartment, kind, key version and
 * name, and of one length for each kind. See docs/format/envelope.md section 2.
 */
#ifndef SHERD_ENVELOPE_ENTRY_H
#define SHERD_ENVELOPE_ENTRY_H

#include "crypto/hash.h"
#include "envelope/context.h"
#include "envelope/store_keys.h"

enum sherd_kind {
    SHERD_KIND_UNKNOWN = 0, /**< an entry that does not say which */
    SHERD_KIND_COMPARTMENT = 1,
    SHERD_KIND_MAP = 2,
    SHERD_KIND_LONG_MAP = 3,
    SHERD_KIND_COLLECTION = 4,
    SHERD_KIND_PIN = 5,
    SHERD_KIND_OLD_PIN = 6,
    SHERD_KIND_ENTITY_KEY = 7,
    SHERD_KIND_COLLECTION_PIN = 8,
    SHERD_KIND_IDEMPOTENCY = 9,
    SHERD_KIND_PRINCIPAL = 10,
    SHERD_KIND_KEYRING_PIN = 11,
    SHERD_KIND_ENTITY_LOOKUP = 12,
    SHERD_KIND_OLD_ENTITY_KEY = 13,
    SHERD_KIND_NAMED_KEY = 14,
    SHERD_KIND_KEY_PART = 15,
    SHERD_KIND_PRINCIPAL_PIN = 16,
    SHERD_KIND_GRANT = 17,
    SHERD_KIND_PENDING = 18,
    SHERD_KIND_LONG_PENDING = 19,
    SHERD_KIND_KEY_USES = 20,
    SHERD_KIND_BOOK_PIN = 24,
    SHERD_KIND_ROW_SUM = 25,
};

#define SHERD_ENTRY_HEADER_SIZE 8U
/** Longest payload and longest stored entry of any kind. */
#define SHERD_PAYLOAD_BYTES_MAX 5120U
#define SHERD_ENTRY_BYTES_MAX (SHERD_ENTRY_HEADER_SIZE + SHERD_PAYLOAD_BYTES_MAX + 72U)

/**
 * The keys of one compartment, as its entries need them. Borrowed from the anchor, which owns and wipes them; any
 * number of threads may use one.
 */
struct sherd_entry_keys {
    struct sherd_uuid deployment;
    enum sherd_purpose compartment;
    uint32_t version;                  /**< of the store key: 1 or more; it and seal count where versions is NULL */
    const struct sherd_hmac_key *name; /**< SHA-256: pseudonyms */
    const struct sherd_hmac_key *seal; /**< SHA-512: the store key */
    struct sherd_store_keys *versions; /**< all versions of the store key, as it rotates; NULL: there is one alone */
};

/** Bytes of the payload of a kind; 0 for a kind that does not exist or has no place in that compartment. */
size_t sherd_kind_payload_bytes(enum sherd_kind kind, enum sherd_purpose compartment);

/** Bytes of a stored entry with such a payload. */
size_t sherd_entry_bytes(size_t payload_bytes);

/**
 * The pseudonym of what a label and up to two parts name: HMAC-SHA-256 under the compartment's name key, cut to 16
 * bytes.
 * @param[in] label  such as "record"; separates the things named
 */
SHERD_MUST_USE enum sherd_err sherd_entry_name(const struct sherd_entry_keys *keys, const char *label,
                                               struct sherd_span first, struct sherd_span second,
                                               struct sherd_ref *out_name);

/**
 * The id of a collection, which follows from its name: a pseudonym under the name key of `assets`, in the form of RFC
 * 9562 section 5.8 (version 8: as its maker sees fit).
 */
SHERD_MUST_USE enum sherd_err sherd_entry_collection_id(const struct sherd_entry_keys *assets_keys, const char *name,
                                                        struct sherd_uuid *out_id);

/**
 * Seal a payload.
 * @param[in]     tlv         canonical TLV of the kind's fields; at most the payload's bytes less two
 * @param[in,out] out_stored  sherd_entry_bytes() bytes are appended
 * @return SHERD_OK; SHERD_ERR_LIMIT (the TLV is too long for the kind); SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_entry_seal(const struct sherd_entry_keys *keys, enum sherd_kind kind,
                                               const struct sherd_ref *name, struct sherd_span tlv,
                                               struct sherd_buf *out_stored);

/**
 * The kind that a stored entry says it is, not yet verified. @return SHERD_OK; SHERD_ERR_TAMPERED: header or length is
 * wrong
 */
SHERD_MUST_USE enum sherd_err sherd_entry_kind(const struct sherd_entry_keys *keys, struct sherd_span stored,
                                               enum sherd_kind *out_kind);

/**
 * Whether a stored value says that it is a key part (kind 15) of that compartment: for who walks a compartment without
 * its keys, and must leave alone what the anchor keeps there. Nothing is verified.
 */
bool sherd_entry_is_key_part(enum sherd_purpose compartment, struct sherd_span stored);

/**
 * Open a stored entry.
 * @param[in]     kind      the kind that it must be
 * @param[in,out] payload   must be empty; gets the payload
 * @param[out]    out_tlv   the TLV, borrowed from payload
 * @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_DENIED: it lies under a version of the store key that was destroyed;
 *         read meanwhile, an entry that was sealed anew looks so, and is to be read once more; SHERD_ERR_LIMIT;
 *         SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_entry_open(const struct sherd_entry_keys *keys, enum sherd_kind kind,
                                               const struct sherd_ref *name, struct sherd_span stored,
                                               struct sherd_buf *payload, struct sherd_span *out_tlv);

/** The version of the store key that a stored entry says it lies under; 0 where it is too short for one. */
uint32_t sherd_entry_version(struct sherd_span stored);

/** The version that sherd_entry_seal() takes now. @return SHERD_OK; what whoever gave out the keys says */
SHERD_MUST_USE enum sherd_err sherd_entry_newest(const struct sherd_entry_keys *keys, uint32_t *out_version);

/**
 * Seal an entry anew under the newest version of the store key: of the same kind, name and payload.
 * @param[in,out] out_stored  must be empty; gets the bytes, none where it lies under that version already
 * @return as sherd_entry_open() and sherd_entry_seal()
 */
SHERD_MUST_USE enum sherd_err sherd_entry_reseal(const struct sherd_entry_keys *keys, const struct sherd_ref *name,
                                                 struct sherd_span stored, struct sherd_buf *out_stored);

/** Whether a stored value says that it is an entry that every compartment has: its own, or a key part. */
bool sherd_entry_is_everywhere(enum sherd_purpose compartment, struct sherd_span stored);

/** Whether padding is nothing but zeros, without saying by its time where it is not. */
bool sherd_padding_valid(struct sherd_span padding);

#endif

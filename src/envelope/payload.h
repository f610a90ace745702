/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file envelope/payload.h
 * What the entries say: map entries, pins, keys, collections. Encoded as TLV, decoded strictly; no key, no I/O.
 *
 * Decoded structs own all their bytes, but for spans, which are borrowed from what was decoded.
 */
#ifndef SHERD_ENVELOPE_PAYLOAD_H
#define SHERD_ENVELOPE_PAYLOAD_H

#include "base/mem.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "envelope/entry.h"
#include <sherd/keys.h>
#include <sherd/record.h>

#define SHERD_KEY_SIZE 32
#define SHERD_WRAPPED_KEY_SIZE (SHERD_KEY_SIZE + SHERD_AEAD_HEADER_SIZE + SHERD_AEAD_TAG_SIZE)

/** A share of a content key: one lies in `assets`, one in `secrets`. */
struct sherd_content_share {
    uint8_t bytes[SHERD_KEY_SIZE];
};

/** A record key or entity key, sealed. */
struct sherd_wrapped_key {
    uint8_t bytes[SHERD_WRAPPED_KEY_SIZE];
};

/** Map entry: what a record version is and where its fragment lies. */
struct sherd_map {
    struct sherd_uuid collection;
    struct sherd_ref entity;
    struct sherd_uuid record;
    uint64_t version;
    struct sherd_ref data;
    struct sherd_content_share share;
    uint64_t content_bytes;
    uint64_t fragment_bytes;
    uint64_t created_s;
    bool blob;     /**< the fragment is a blob, not an entry */
    bool readable; /**< the fragment is a row, in clear: envelope/row.h */
    char entity_id[SHERD_ENTITY_BYTES_MAX + 1];
    char content_type[SHERD_CONTENT_TYPE_BYTES_MAX + 1];
    struct sherd_span attributes; /**< encoded; borrowed */
    struct sherd_span recipient;  /**< whom the contents are sealed to, encoded; borrowed; empty for nobody */
    struct sherd_span links;      /**< encoded: envelope/links.h; borrowed */
    bool has_first;               /**< false: the fragment is the first one that the record ever had */
    struct sherd_digest first;    /**< digest of that first one, as it was pinned */
};

/** For SHERD_CLEANUP: what a map entry says is not to be left on a stack. */
static inline void sherd_map_wipe(struct sherd_map *map)
{
    sherd_wipe(map, sizeof(*map));
}

/** Pin: the anchor's word on one version of a record, and its wrapped record key. */
struct sherd_pin {
    struct sherd_uuid collection;
    struct sherd_ref entity;
    struct sherd_uuid record;
    uint64_t version;
    uint64_t version_oldest;
    uint64_t fragment_bytes;
    uint64_t created_s;
    struct sherd_digest digest;
    struct sherd_ref map; /**< name of the map entry in `assets` */
    struct sherd_wrapped_key key;
    uint64_t entity_key_version;
    uint64_t secrets_key_version;
    uint64_t epoch; /**< erase epoch under which the key is wrapped */
    uint16_t round; /**< deep rekeyings that had begun when the key was made */
    bool has_idempotency;
    struct sherd_ref idempotency; /**< name of the idempotency entry */
    bool has_named_key;
    struct sherd_ref named_key; /**< id of the named key that the record lies under */
    uint64_t named_key_version;
};

enum sherd_entity_state {
    SHERD_ENTITY_LIVE = 0,
    SHERD_ENTITY_ERASED = 1, /**< its keys are destroyed; what was about it is gone */
};

/** One version of an entity's key as it is kept, and what the entity is. */
struct sherd_entity_key_entry {
    struct sherd_uuid collection;
    struct sherd_ref entity;
    uint64_t version;
    uint64_t version_oldest;      /**< of the versions that are there; in older ones, their own */
    struct sherd_wrapped_key key; /**< where the entity is live and its key is not derived */
    struct sherd_ref master;      /**< kid of the master key that wraps or derives it */
    uint64_t epoch;               /**< erase epoch under which it is wrapped */
    enum sherd_entity_state state;
    bool derived;                               /**< the key is derived from the master key */
    char entity_id[SHERD_ENTITY_BYTES_MAX + 1]; /**< "" where it was erased */
};

/** Which entity an id stands for; the entry's name is a keyed hash of the id. */
struct sherd_entity_lookup {
    struct sherd_uuid collection;
    struct sherd_ref entity;
    struct sherd_ref hash; /**< kid of the hash key */
};

/** For SHERD_CLEANUP: as sherd_map_wipe(). */
static inline void sherd_entity_key_entry_wipe(struct sherd_entity_key_entry *entry)
{
    sherd_wipe(entry, sizeof(*entry));
}

/** A collection's rules and id. */
struct sherd_collection_entry {
    struct sherd_uuid id;
    struct sherd_collection rules;
};

/** Which record an idempotency key made, and of which contents. */
struct sherd_idempotency_entry {
    struct sherd_uuid collection;
    struct sherd_uuid record;
    struct sherd_digest content_mac;
};

/** How many uses of a version of a master key were handed out, used or not. */
struct sherd_key_uses {
    struct sherd_ref master; /**< kid */
    uint64_t wraps;          /**< keys that it wraps or derives */
    uint64_t entities;       /**< entities that are made under it: at most as many as wraps */
};

/**
 * All rows of a readable collection at once: how many, and the exclusive or of their marks (anchor/pins/row_sums.h).
 */
struct sherd_row_sum_entry {
    struct sherd_uuid collection;
    uint64_t count;
    struct sherd_digest sum;
};

/** What a compartment says of itself. */
struct sherd_compartment_entry {
    struct sherd_uuid tenant;
    struct sherd_uuid compartment;
};

/** Room for the TLV of any kind. */
#define SHERD_TLV_BYTES_MAX (SHERD_PAYLOAD_BYTES_MAX - 2U)

/**
 * Encode: TLV into block (SHERD_TLV_BYTES_MAX bytes).
 * @param[out] out_kind  SHERD_KIND_MAP, or SHERD_KIND_LONG_MAP where it does not fit that
 * @return SHERD_OK; SHERD_ERR_LIMIT
 */
SHERD_MUST_USE enum sherd_err sherd_map_encode(const struct sherd_map *map, uint8_t *block, size_t *out_bytes,
                                               enum sherd_kind *out_kind);
/** The one kind of map entry that a TLV of that length has: the long one only where it does not fit the other. */
enum sherd_kind sherd_map_kind(size_t tlv_bytes);
/** Decode, strictly. @return SHERD_OK; SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err sherd_map_decode(struct sherd_span tlv, struct sherd_map *out_map);

SHERD_MUST_USE enum sherd_err sherd_pin_encode(const struct sherd_pin *pin, uint8_t *block, size_t *out_bytes);
SHERD_MUST_USE enum sherd_err sherd_pin_decode(struct sherd_span tlv, struct sherd_pin *out_pin);

SHERD_MUST_USE enum sherd_err sherd_entity_key_encode(const struct sherd_entity_key_entry *entry, uint8_t *block,
                                                      size_t *out_bytes);
SHERD_MUST_USE enum sherd_err sherd_entity_key_decode(struct sherd_span tlv, struct sherd_entity_key_entry *out_entry);

SHERD_MUST_USE enum sherd_err sherd_entity_lookup_encode(const struct sherd_entity_lookup *lookup, uint8_t *block,
                                                         size_t *out_bytes);
SHERD_MUST_USE enum sherd_err sherd_entity_lookup_decode(struct sherd_span tlv, struct sherd_entity_lookup *out_lookup);

/** The digest of the keyring's file. */
SHERD_MUST_USE enum sherd_err sherd_keyring_pin_encode(const struct sherd_digest *digest, uint8_t *block,
                                                       size_t *out_bytes);
SHERD_MUST_USE enum sherd_err sherd_keyring_pin_decode(struct sherd_span tlv, struct sherd_digest *out_digest);

SHERD_MUST_USE enum sherd_err sherd_collection_encode(const struct sherd_collection_entry *entry, uint8_t *block,
                                                      size_t *out_bytes);
SHERD_MUST_USE enum sherd_err sherd_collection_decode(struct sherd_span tlv, struct sherd_collection_entry *out_entry);

SHERD_MUST_USE enum sherd_err sherd_collection_pin_encode(const struct sherd_uuid *collection,
                                                          const struct sherd_digest *digest, uint8_t *block,
                                                          size_t *out_bytes);
SHERD_MUST_USE enum sherd_err sherd_collection_pin_decode(struct sherd_span tlv, struct sherd_uuid *out_collection,
                                                          struct sherd_digest *out_digest);

SHERD_MUST_USE enum sherd_err sherd_idempotency_encode(const struct sherd_idempotency_entry *entry, uint8_t *block,
                                                       size_t *out_bytes);
SHERD_MUST_USE enum sherd_err sherd_idempotency_decode(struct sherd_span tlv,
                                                       struct sherd_idempotency_entry *out_entry);

SHERD_MUST_USE enum sherd_err sherd_key_uses_encode(const struct sherd_key_uses *uses, uint8_t *block,
                                                    size_t *out_bytes);
SHERD_MUST_USE enum sherd_err sherd_key_uses_decode(struct sherd_span tlv, struct sherd_key_uses *out_uses);

SHERD_MUST_USE enum sherd_err sherd_row_sum_encode(const struct sherd_row_sum_entry *entry, uint8_t *block,
                                                   size_t *out_bytes);
SHERD_MUST_USE enum sherd_err sherd_row_sum_decode(struct sherd_span tlv, struct sherd_row_sum_entry *out_entry);

SHERD_MUST_USE enum sherd_err sherd_compartment_encode(const struct sherd_compartment_entry *entry, uint8_t *block,
                                                       size_t *out_bytes);
SHERD_MUST_USE enum sherd_err sherd_compartment_decode(struct sherd_span tlv,
                                                       struct sherd_compartment_entry *out_entry);

/** Whether a text may be a collection's name. */
bool sherd_collection_name_valid(const char *name);

#endif

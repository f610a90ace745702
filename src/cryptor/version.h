/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cryptor/version.h
 * One version of a record on its way into the vault: its keys, its fragment, its map entry and its pin, and the order
 * in which they become durable (docs/decisions/0004-commit-order.md).
 */
#ifndef SHERD_CRYPTOR_VERSION_H
#define SHERD_CRYPTOR_VERSION_H

#include "cryptor/vault.h"
#include "envelope/fragment.h"

/** The content key of one version: opens its contents and nothing else. */
struct sherd_content_key {
    uint8_t bytes[SHERD_AEAD_KEY_SIZE];
};

/** The keys of one version while it is written or read. Lies in secret memory. */
struct sherd_version_keys {
    struct sherd_record_key record;
    struct sherd_content_share in_assets;
    struct sherd_content_share in_secrets;
    struct sherd_content_key content;
};

/** A version that is being written. Start all zero; end with sherd_version_done(). */
struct sherd_version {
    struct sherd_collection_entry collection;
    struct sherd_pin_change change; /* the pin, and what must be current */
    struct sherd_map map;
    struct sherd_buf attributes; /* what map.attributes borrows, in ordinary memory; wiped */
    struct sherd_buf recipient;  /* what map.recipient borrows */
    struct sherd_buf links;      /* what map.links borrows */
    struct sherd_buf idempotency_key;
    struct sherd_version_keys *keys;
    struct sherd_buf map_entry;     /* the map entry, sealed */
    struct sherd_buf fragment;      /* the fragment, where it is an entry */
    struct sherd_blob_writer *blob; /* the fragment, where it is a blob: finished, not yet committed */
};

/** A version that was found: cryptor/load.h */
struct sherd_loaded;

/** The context of a version's contents. */
void sherd_content_context(const struct sherd_vault *vault, const struct sherd_pin *pin,
                           struct sherd_context *out_context);

/** content key = HKDF( record key || share in assets || share in secrets ; context ) */
SHERD_MUST_USE enum sherd_err sherd_content_key_derive(struct sherd_version_keys *keys,
                                                       const struct sherd_context *context);

/** Begin a new record: check what is given, draw names and shares, have the anchor make a key. */
SHERD_MUST_USE enum sherd_err sherd_version_begin(struct sherd_vault *vault, const struct sherd_record_meta *meta,
                                                  struct sherd_version *version);

/** As sherd_version_begin(), under an id that the caller knows. */
SHERD_MUST_USE enum sherd_err sherd_version_begin_as(struct sherd_vault *vault, struct sherd_uuid id,
                                                     const struct sherd_record_meta *meta,
                                                     struct sherd_version *version);

/** Begin a new version of a record. @return as sherd_record_update() */
SHERD_MUST_USE enum sherd_err sherd_version_begin_update(struct sherd_vault *vault, struct sherd_uuid id,
                                                         uint64_t version_expected,
                                                         const struct sherd_record_meta *meta,
                                                         struct sherd_version *version);

/**
 * Begin to seal a version anew, as it was loaded: with a fresh key, shares and names; number, time, entity, content
 * type, attributes and recipient stay. What goes to a recipient is given as it is kept, sealed to it already. @return
 * SHERD_OK; SHERD_ERR_NOT_FOUND: its entity was erased; others
 */
SHERD_MUST_USE enum sherd_err sherd_version_begin_anew(struct sherd_vault *vault, const struct sherd_loaded *loaded,
                                                       struct sherd_version *version);

/** Note lengths and digest of the sealed fragment, and seal the map entry. The version is then ready for commit. */
SHERD_MUST_USE enum sherd_err sherd_version_sealed(struct sherd_vault *vault, struct sherd_version *version,
                                                   uint64_t content_bytes, uint64_t fragment_bytes,
                                                   const struct sherd_digest *digest);

/**
 * Seal contents of at most SHERD_INLINE_BYTES_MAX bytes into version->fragment, and the map entry. What goes to a
 * recipient is sealed to it already.
 */
SHERD_MUST_USE enum sherd_err sherd_version_seal_inline(struct sherd_vault *vault, struct sherd_version *version,
                                                        struct sherd_span content);

/** As sherd_version_seal_inline(), but seals to the recipient first, if there is one. @return SHERD_ERR_LIMIT also */
SHERD_MUST_USE enum sherd_err sherd_version_seal_small(struct sherd_vault *vault, struct sherd_version *version,
                                                       struct sherd_span content);

/**
 * Make sealed versions durable, all or none: fragments and map entries first, then the pins, with which the records
 * exist.
 * @return SHERD_OK; SHERD_ERR_CONFLICT: nothing was stored; others: whether it was stored is not known
 */
SHERD_MUST_USE enum sherd_err sherd_version_commit(struct sherd_vault *vault, struct sherd_version *versions,
                                                   size_t count);

/**
 * Remove map entries, and the fragments they lead to, of versions without keys. What is missing already is passed over.
 * A failure may be ignored where the change itself is done: what stays is for the sweeper.
 */
enum sherd_err sherd_version_drop(struct sherd_vault *vault, const struct sherd_refs *dropped);

/** Wipe and free all that a version holds. */
void sherd_version_done(struct sherd_version *version);

#endif

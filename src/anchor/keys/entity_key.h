/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/keys/entity_key.h
 * The keys of one entity, without any cache: how they are wrapped, what wraps record keys, and their entries in `keys`.
 * Constructions: docs/format/envelope.md section 4.
 */
#ifndef SHERD_ANCHOR_KEYS_ENTITY_KEY_H
#define SHERD_ANCHOR_KEYS_ENTITY_KEY_H

#include "anchor/keys/epoch.h"

/** Where entity keys lie, and what they are bound to. All pointers are borrowed. */
struct sherd_entity_keys {
    struct sherd_uuid deployment;
    struct sherd_uuid tenant;
    const struct sherd_keyring_store
        *secrets;                          /**< its newest key takes part in what wraps record keys: in secret memory,
                                                    and needed for sherd_entity_key_wrapping() alone */
    struct sherd_entry_keys keys;          /**< of `keys` */
    struct sherd_compartment *compartment; /**< `keys` */
};

/** An entity's key. Lies in secret memory. */
struct sherd_entity_key {
    uint8_t bytes[SHERD_KEY_SIZE];
};

/**
 * Wrap an entity's key: fills in the entry's key, from its other fields.
 * @param[in] master  the one that entry->master names
 * @param[in] epoch   the key of entry->epoch
 */
SHERD_MUST_USE enum sherd_err sherd_entity_key_wrap(const struct sherd_entity_keys *at,
                                                    const struct sherd_master_key *master,
                                                    const struct sherd_epoch_key *epoch,
                                                    const struct sherd_entity_key *key,
                                                    struct sherd_entity_key_entry *entry);

/** Unwrap it, or derive it where entry->derived says so. @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_entity_key_unwrap(const struct sherd_entity_keys *at,
                                                      const struct sherd_master_key *master,
                                                      const struct sherd_epoch_key *epoch,
                                                      const struct sherd_entity_key_entry *entry,
                                                      struct sherd_entity_key *out_key);

/** A version of a named key. Lies in secret memory. */
struct sherd_entity_named {
    struct sherd_ref id;
    uint64_t version;
    struct sherd_entity_key key;
};

/**
 * The key that wraps the record keys of an entity.
 * @param[in] entry  says which version of which entity
 * @param[in] epoch_number  the epoch under which they are wrapped
 * @param[in] epoch         its key
 * @param[in] named  the named key that they lie under; NULL for none
 * @param[out] out_wrapping  of SHERD_SHA512, for sherd_aead_seal_with()
 */
SHERD_MUST_USE enum sherd_err sherd_entity_key_wrapping(const struct sherd_entity_keys *at,
                                                        const struct sherd_entity_key_entry *entry,
                                                        const struct sherd_entity_key *key, uint64_t epoch_number,
                                                        const struct sherd_epoch_key *epoch,
                                                        const struct sherd_entity_named *named,
                                                        struct sherd_hmac_key **out_wrapping);

/** The context of a pin's record key. */
void sherd_entity_key_pin_context(const struct sherd_entity_keys *at, const struct sherd_pin *pin,
                                  struct sherd_context *out_context);

/** The name of an older version's entry. The newest one lies under the entity's ref itself. */
SHERD_MUST_USE enum sherd_err sherd_entity_key_old_name(const struct sherd_entity_keys *at,
                                                        const struct sherd_ref *entity, uint64_t version,
                                                        struct sherd_ref *out_name);

/** Seal an entry. @param[in,out] out_stored  its bytes are appended */
SHERD_MUST_USE enum sherd_err sherd_entity_key_store(const struct sherd_entity_keys *at, enum sherd_kind kind,
                                                     const struct sherd_ref *name,
                                                     const struct sherd_entity_key_entry *entry,
                                                     struct sherd_buf *out_stored);

/** Open a stored entry of that kind and name. @return SHERD_OK; SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err sherd_entity_key_open(const struct sherd_entity_keys *at, enum sherd_kind kind,
                                                    const struct sherd_ref *name, struct sherd_span stored,
                                                    struct sherd_entity_key_entry *out_entry);

/** Bytes of an entity's entry, of either kind. */
#define SHERD_ENTITY_STORED_BYTES 464U

/** An entity's entry as it is stored now. */
struct sherd_entity_stored {
    uint8_t block[SHERD_ENTITY_STORED_BYTES];
    struct sherd_buf stored; /**< over block: for compare-and-swap */
    struct sherd_entity_key_entry entry;
};

/** For SHERD_CLEANUP. */
static inline void sherd_entity_stored_wipe(struct sherd_entity_stored *stored)
{
    sherd_entity_key_entry_wipe(&stored->entry);
}

/**
 * Read a version of an entity's entry; 0 for the newest.
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND; SHERD_ERR_TAMPERED; SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err sherd_entity_key_read(const struct sherd_entity_keys *at, const struct sherd_ref *entity,
                                                    uint64_t version, struct sherd_entity_stored *out_stored);

#endif

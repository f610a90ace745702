/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/keys/entities_inside.h
 * What entities.c and entities_change.c share, and nobody else uses.
 */
#ifndef SHERD_ANCHOR_KEYS_ENTITIES_INSIDE_H
#define SHERD_ANCHOR_KEYS_ENTITIES_INSIDE_H

#include "anchor/keys/entities.h"
#include "base/bytes.h"

/** Since when something is held, and what the ring's number was. */
struct sherd_entities_stamp {
    uint64_t number;
    uint64_t time_ms; /**< 0: nothing is held */
};

/** One entry of a write set: room for what it writes. */
struct sherd_entities_room {
    uint8_t block[SHERD_ENTITY_STORED_BYTES];
    struct sherd_buf stored;
};

/** Keys that are at hand for a moment; in secret memory. */
struct sherd_entities_hand {
    struct sherd_master_key master;
    struct sherd_epoch_set epochs;
    struct sherd_entity_key key;
    struct sherd_keyring_store secrets; /**< one version of the store key of `secrets` */
};

static inline bool sherd_same_ref(const struct sherd_ref *a, const struct sherd_ref *b)
{
    return sherd_same(a->bytes, b->bytes, sizeof(a->bytes));
}

/** What the entities stand on. */
const struct sherd_entities_parts *sherd_entities_parts(const struct sherd_entities *entities);

/** How often something is looked up anew that changes while it is looked up. */
#define SHERD_ENTITIES_TRIES_MAX 100U

struct sherd_entities_stamp sherd_entities_now(const struct sherd_entities *entities);

/** The epochs as they are now. @param[out] out_set  in secret memory */
SHERD_MUST_USE enum sherd_err sherd_entities_epochs(struct sherd_entities *entities,
                                                    const struct sherd_entities_stamp *now,
                                                    struct sherd_epoch_set *out_set);
/** The key of an epoch, borrowed from the set; NULL: the epoch has ended. */
const struct sherd_epoch_key *sherd_entities_epoch_key(const struct sherd_epoch_set *set, uint64_t number);

/**
 * Look an id up under all of the hash keys, in the store, whatever is held. @return SHERD_OK; SHERD_ERR_NOT_FOUND; ...
 */
SHERD_MUST_USE enum sherd_err sherd_entities_find_any(struct sherd_entities *entities,
                                                      const struct sherd_uuid *collection, const char *entity_id,
                                                      struct sherd_entity_lookup *out_lookup);

/** The name of an id's lookup entry under a version of the hash key. */
SHERD_MUST_USE enum sherd_err sherd_entities_id_name(struct sherd_entities *entities, const struct sherd_ref *kid,
                                                     const struct sherd_uuid *collection, const char *entity_id,
                                                     struct sherd_ref *out_name);
SHERD_MUST_USE enum sherd_err sherd_entities_lookup_read(const struct sherd_entities *entities,
                                                         const struct sherd_ref *name,
                                                         struct sherd_entity_lookup *out_lookup);

/** A lookup entry in a write set. */
SHERD_MUST_USE enum sherd_err sherd_entities_lookup_op(const struct sherd_entities *entities,
                                                       const struct sherd_ref *name,
                                                       const struct sherd_entity_lookup *lookup,
                                                       struct sherd_entities_room *room, struct sherd_store_op *out_op);

/** An entity's entry in a write set, in place of what expected says; it is empty for one that must be new. */
SHERD_MUST_USE enum sherd_err sherd_entities_op(const struct sherd_entities *entities, enum sherd_kind kind,
                                                const struct sherd_ref *name,
                                                const struct sherd_entity_key_entry *entry, struct sherd_span expected,
                                                struct sherd_entities_room *room, struct sherd_store_op *out_op);

/** Unwrap the key of an entry, with hand->epochs, to hand->key. */
SHERD_MUST_USE enum sherd_err sherd_entities_unwrap_entry(struct sherd_entities *entities,
                                                          const struct sherd_entity_key_entry *entry,
                                                          struct sherd_entities_hand *hand);

/** The kid of what wraps or derives a version of an entity's key. @return as sherd_entities_unwrap() */
SHERD_MUST_USE enum sherd_err sherd_entities_master_of(struct sherd_entities *entities,
                                                       const struct sherd_entities_stamp *now,
                                                       const struct sherd_ref *entity, uint64_t version,
                                                       struct sherd_ref *out_master);

/** What a write set over an entity took for granted. */
struct sherd_entities_serving {
    struct sherd_ref master; /**< the version that wraps */
    struct sherd_ref hash;   /**< the version that hashes ids */
    uint64_t epoch;
};

/**
 * The guard of a write set that wraps something or names something by its id (sherd_ring_guard()): it is refused unless
 * the keyring says, at that moment, that those are the keys that serve, and that what is put is sealed under the store
 * key that does.
 * @return SHERD_OK; SHERD_ERR_CONFLICT: it says so no more
 */
SHERD_MUST_USE enum sherd_err sherd_entities_guard(struct sherd_entities *entities,
                                                   const struct sherd_entities_serving *serving,
                                                   const struct sherd_store_op *ops, size_t count,
                                                   struct sherd_ring_guard_room *room, struct sherd_store_op *out_op);

/** SHERD_ERR_NOT_FOUND, for an entity that was erased. */
SHERD_MUST_USE enum sherd_err sherd_entities_erased(void);

/** What was done to an entity, for the ledger. */
struct sherd_event sherd_entities_event(enum sherd_event_kind kind, const struct sherd_entity_key_entry *entry);

#endif

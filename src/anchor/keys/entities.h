/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/keys/entities.h
 * Entities: whose data it is. Each has a key of its own, random and wrapped by a master key, or derived from one where
 * the collection says so; it wraps the record keys of what is about it, together with the store key of `secrets` and
 * the key of the erase epoch. An entity's id is looked up by a keyed hash and lies nowhere in clear.
 *
 * Unwrapped keys are cached: bounded, in secret memory, for SHERD_ENTITIES_LIFETIME_MS at most, and no longer than
 * until anybody who has the vault open tells of a change (anchor/ring/ring.h).
 */
#ifndef SHERD_ANCHOR_KEYS_ENTITIES_H
#define SHERD_ANCHOR_KEYS_ENTITIES_H

#include "anchor/anchor.h"
#include "anchor/keys/entity_key.h"
#include "anchor/keys/masters.h"

/** Most keys that are held unwrapped, and for how long. */
#define SHERD_ENTITIES_CACHED_MAX 1024U
#define SHERD_ENTITIES_LIFETIME_MS ((uint64_t)300000)

struct sherd_entities;

/**
 * The collection whose entities are named keys (anchor/rights/rights.h). No collection that anybody makes has this id.
 */
extern const struct sherd_uuid sherd_named_keys;

/** What entities stand on. All is borrowed and must outlive them. */
struct sherd_entities_parts {
    const struct sherd_home *home;
    struct sherd_ring *ring;
    struct sherd_masters *masters;
    struct sherd_entity_keys at; /**< copied */
};

SHERD_MUST_USE enum sherd_err sherd_entities_new(const struct sherd_entities_parts *parts,
                                                 struct sherd_entities **out_entities);
/** Wipe and free. NULL is accepted. */
void sherd_entities_free(struct sherd_entities *entities);
SHERD_DEFINE_OWNED(sherd_entities);

/**
 * The ref of an entity; it and its key are made, durably, where the id is new.
 * @return SHERD_OK; SHERD_ERR_INVALID: the id is too long; SHERD_ERR_TAMPERED; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_entities_ensure(struct sherd_entities *entities,
                                                    const struct sherd_collection_entry *collection,
                                                    const char *entity_id, struct sherd_ref *out_entity);

/** The ref of an entity. @return as sherd_entities_ensure(); SHERD_ERR_NOT_FOUND: there is none of that id */
SHERD_MUST_USE enum sherd_err sherd_entities_find(struct sherd_entities *entities, const struct sherd_uuid *collection,
                                                  const char *entity_id, struct sherd_ref *out_entity);

/**
 * Wrap a record key under the newest version of its entity's key, the newest epoch, and the newest version of the named
 * key that the pin says, if any: fills in the pin's wrapped key, key versions and epoch. @return SHERD_OK;
 * SHERD_ERR_NOT_FOUND: the entity was erased; SHERD_ERR_TAMPERED; ...
 */
SHERD_MUST_USE enum sherd_err sherd_entities_wrap(struct sherd_entities *entities, const struct sherd_record_key *key,
                                                  struct sherd_pin *pin);

/**
 * Unwrap the record key of a pin.
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND: the entity was erased; SHERD_ERR_TAMPERED; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_entities_unwrap(struct sherd_entities *entities, const struct sherd_pin *pin,
                                                    struct sherd_record_key *out_key);

/** The newest version of an entity's key. @return as sherd_entities_live() */
SHERD_MUST_USE enum sherd_err sherd_entities_newest(struct sherd_entities *entities, const struct sherd_ref *entity,
                                                    uint64_t *out_version);

/** Whether an entity is there: SHERD_OK; SHERD_ERR_NOT_FOUND: it was erased; as sherd_entities_unwrap() */
SHERD_MUST_USE enum sherd_err sherd_entities_live(struct sherd_entities *entities, const struct sherd_ref *entity);

/**
 * Destroy an entity's keys and its id: what is about it is gone from then on. Durable on return, and told to all who
 * have the vault open. @return SHERD_OK; SHERD_ERR_NOT_FOUND; SHERD_ERR_TAMPERED; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_entities_erase(struct sherd_entities *entities, const struct sherd_uuid *collection,
                                                   const char *entity_id);

/** What a walk over `keys` does with an entity: see sherd_entities_renew(). */
struct sherd_entities_renewal {
    bool fresh_key; /**< give it a new version of its key; else its key is wrapped anew if that is not up to date */
};

/**
 * Bring an entity up to date: all versions of its key under the master key and epoch that serve now, its id under the
 * hash key that serves now. Others go on with a version that they hold until they are told (sherd_ring_tell()).
 * @param[out] out_changed  something was written
 * @return SHERD_OK, also if it was erased; SHERD_ERR_CONFLICT: it is changed by another at this moment;
 *         SHERD_ERR_LIMIT: too many versions are still needed; SHERD_ERR_TAMPERED; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_entities_renew(struct sherd_entities *entities, const struct sherd_ref *entity,
                                                   const struct sherd_entities_renewal *renewal, bool *out_changed);

/**
 * Destroy the older versions of an entity's key, which no pin may need any more. @return as sherd_entities_renew()
 */
SHERD_MUST_USE enum sherd_err sherd_entities_trim(struct sherd_entities *entities, const struct sherd_ref *entity);

/** Whether a pin's key is wrapped as it would be wrapped now. @return as sherd_entities_live() */
SHERD_MUST_USE enum sherd_err sherd_entities_up_to_date(struct sherd_entities *entities, const struct sherd_pin *pin,
                                                        bool *out_up_to_date);

/**
 * Wrap the key of a pin anew, unless it is up to date: the three calls above with one look at the notice, which is what
 * a rekeying of many pins would else spend much of its time on.
 * @param[in]  room         for the key, in secret memory; what it holds afterwards is for the caller to wipe
 * @param[out] out_changed  it was not up to date, and is now
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND: the entity was erased; as sherd_entities_unwrap()
 */
SHERD_MUST_USE enum sherd_err sherd_entities_rewrap(struct sherd_entities *entities, struct sherd_record_key *room,
                                                    struct sherd_pin *pin, bool *out_changed);

/** Open a stored entry of an entity, of that kind and name. @return SHERD_OK; SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err sherd_entities_open(const struct sherd_entities *entities, enum sherd_kind kind,
                                                  const struct sherd_ref *name, struct sherd_span stored,
                                                  struct sherd_entity_key_entry *out_entry);
SHERD_MUST_USE enum sherd_err sherd_entities_open_lookup(const struct sherd_entities *entities,
                                                         const struct sherd_ref *name, struct sherd_span stored,
                                                         struct sherd_entity_lookup *out_lookup);

/**
 * Whether the master keys are accepted that a pin's key hangs on in the end (sherd_masters_accepts()), as far as that
 * can be told without unwrapping anything: what does not verify is for others to find.
 * @return SHERD_OK; SHERD_ERR_DENIED; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_entities_accept(struct sherd_entities *entities, const struct sherd_pin *pin);

/**
 * Check a stored entry of the kinds that this file writes.
 * @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_DENIED: a store key or a master key is refused; ...
 */
SHERD_MUST_USE enum sherd_err sherd_entities_check(struct sherd_entities *entities, enum sherd_kind kind,
                                                   const struct sherd_ref *name, struct sherd_span stored);

#endif

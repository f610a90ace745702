/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/entities.h
 * Entities: each has a random key, wrapped by the master key and kept in `keys`; it wraps the record keys of what is
 * about it, together with the store key of `secrets`. Unwrapped keys are cached, bounded, in secret memory.
 */
#ifndef SHERD_ANCHOR_ENTITIES_H
#define SHERD_ANCHOR_ENTITIES_H

#include "anchor/anchor.h"
#include "anchor/keyring.h"

/** Most entities whose keys are held unwrapped. */
#define SHERD_ENTITIES_CACHED_MAX 1024U

struct sherd_entities;

/**
 * @param[in] ring  in secret memory; borrowed, must outlive the result
 * @param[in] keys  keys of the `keys` compartment; copied
 * @param[in] compartment  `keys`; borrowed
 */
SHERD_MUST_USE enum sherd_err sherd_entities_new(const struct sherd_keyring *ring, const struct sherd_entry_keys *keys,
                                                 struct sherd_compartment *compartment,
                                                 struct sherd_entities **out_entities);
/** Wipe and free. NULL is accepted. */
void sherd_entities_free(struct sherd_entities *entities);
SHERD_DEFINE_OWNED(sherd_entities);

/**
 * The ref of an entity; its key is made, durably, where the entity is new.
 * @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_entities_ensure(struct sherd_entities *entities,
                                                    const struct sherd_uuid *collection, const char *entity_id,
                                                    struct sherd_ref *out_entity);

/** Wrap a record key: fills in the pin's wrapped key and key versions from its scope fields. */
SHERD_MUST_USE enum sherd_err sherd_entities_wrap(struct sherd_entities *entities, const struct sherd_record_key *key,
                                                  struct sherd_pin *pin);

/** Unwrap the record key of a pin. @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_entities_unwrap(struct sherd_entities *entities, const struct sherd_pin *pin,
                                                    struct sherd_record_key *out_key);

/** Check a stored entity entry: that it opens, and its key unwraps. @return SHERD_OK; SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err sherd_entities_check(struct sherd_entities *entities, const struct sherd_ref *name,
                                                   struct sherd_span stored);

#endif

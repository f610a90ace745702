/* SPDX-License-Identifier: Apache-2.0 */
/* What a walk over `keys` checks of entities: see entities.h. */
#include "anchor/keys/entities_inside.h"
#include "base/secret.h"
#include <stdio.h>

/* An entity that is there must be found by its id, under one of the hash keys: in the store, whatever is held. */
static enum sherd_err check_found(struct sherd_entities *entities, const struct sherd_entity_key_entry *entry)
{
    struct sherd_entity_lookup lookup;

    const enum sherd_err err = sherd_entities_find_any(entities, &entry->collection, entry->entity_id, &lookup);
    if (err == SHERD_ERR_NOT_FOUND || (err == SHERD_OK && !sherd_same_ref(&lookup.entity, &entry->entity)))
        return sherd_fail(SHERD_ERR_TAMPERED, "an entity is not found by its id: an entry was removed or changed");
    return err;
}

static enum sherd_err check_key(struct sherd_entities *entities, const struct sherd_entity_key_entry *entry)
{
    const struct sherd_entities_stamp now = sherd_entities_now(entities);
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_entities_hand *hand = sherd_secret_alloc(sizeof(*hand));

    if (hand == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_entities_epochs(entities, &now, &hand->epochs));
    return sherd_entities_unwrap_entry(entities, entry, hand);
}

/* A lookup entry must lead to an entity that is there, and lie where that entity's id says. */
static enum sherd_err check_lookup(struct sherd_entities *entities, const struct sherd_ref *name,
                                   struct sherd_span stored)
{
    SHERD_CLEANUP(sherd_entity_stored_wipe) struct sherd_entity_stored head = {.entry = {.version = 0}};
    struct sherd_entity_lookup lookup;
    struct sherd_ref expected;

    SHERD_TRY(sherd_entities_open_lookup(entities, name, stored, &lookup));
    enum sherd_err err = sherd_entity_key_read(&sherd_entities_parts(entities)->at, &lookup.entity, 0, &head);
    if (err == SHERD_OK && head.entry.state == SHERD_ENTITY_LIVE) {
        SHERD_TRY(sherd_entities_id_name(entities, &lookup.hash, &head.entry.collection, head.entry.entity_id,
                                         &expected));
        if (sherd_same_ref(&expected, name))
            return SHERD_OK;
    }
    SHERD_TRY(err == SHERD_ERR_NOT_FOUND ? SHERD_OK : err);
    return sherd_fail(SHERD_ERR_TAMPERED, "the entry of an entity's id leads to no such entity");
}

static enum sherd_err check(struct sherd_entities *entities, enum sherd_kind kind, const struct sherd_ref *name,
                            struct sherd_span stored)
{
    SHERD_CLEANUP(sherd_entity_key_entry_wipe) struct sherd_entity_key_entry entry = {0};

    if (kind == SHERD_KIND_ENTITY_LOOKUP)
        return check_lookup(entities, name, stored);
    SHERD_TRY(sherd_entity_key_open(&sherd_entities_parts(entities)->at, kind, name, stored, &entry));
    if (entry.state == SHERD_ENTITY_ERASED)
        return SHERD_OK;
    SHERD_TRY(check_key(entities, &entry));
    return kind == SHERD_KIND_ENTITY_KEY ? check_found(entities, &entry) : SHERD_OK;
}

/* What a walk met may have been renewed or erased since: then it says nothing any more. */
enum sherd_err sherd_entities_check(struct sherd_entities *entities, enum sherd_kind kind, const struct sherd_ref *name,
                                    struct sherd_span stored)
{
    bool there = true;
    char detail[SHERD_FAIL_TEXT_SIZE];

    const enum sherd_err err = check(entities, kind, name, stored);
    if (err != SHERD_ERR_TAMPERED && err != SHERD_ERR_DENIED)
        return err;
    (void)snprintf(detail, sizeof(detail), "%s", sherd_err_detail());
    SHERD_TRY(sherd_compartment_still(sherd_entities_parts(entities)->at.compartment, *name, stored, &there));
    if (!there)
        return SHERD_OK;
    sherd_fail_restore(detail);
    return err;
}

/* --- what is refused ---------------------------------------------------------------------------------------------- */

/* A refusal by an entry on the way says nothing of the master key: the entry is found where it lies. */
static enum sherd_err accept(struct sherd_entities *entities, const struct sherd_entities_stamp *now,
                             const struct sherd_ref *entity, uint64_t version)
{
    struct sherd_ref master;

    const enum sherd_err err = sherd_entities_master_of(entities, now, entity, version, &master);
    if (err == SHERD_ERR_TAMPERED || err == SHERD_ERR_DENIED || err == SHERD_ERR_NOT_FOUND)
        return SHERD_OK;
    SHERD_TRY(err);
    return sherd_masters_accepts(sherd_entities_parts(entities)->masters, &master);
}

enum sherd_err sherd_entities_accept(struct sherd_entities *entities, const struct sherd_pin *pin)
{
    const struct sherd_entities_stamp now = sherd_entities_now(entities);

    enum sherd_err err = accept(entities, &now, &pin->entity, pin->entity_key_version);
    if (err == SHERD_OK && pin->has_named_key)
        err = accept(entities, &now, &pin->named_key, pin->named_key_version);
    return err == SHERD_ERR_TAMPERED ? SHERD_OK : err;
}

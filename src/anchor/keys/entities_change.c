/* SPDX-License-Identifier: Apache-2.0 */
/* Erasing entities, renewing and trimming their keys: see entities.h. */
#include "anchor/keys/entities_inside.h"
#include "base/bytes.h"
#include "base/failpoint.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"

/* Versions of one entity's key that may be there at once: one write set takes them all. */
#define VERSIONS_MAX 1000U

/* --- write sets over one entity ----------------------------------------------------------------------------------- */

/* A write set that grows: at most VERSIONS_MAX entries and what belongs to them. */
struct change {
    struct sherd_entities *entities;
    size_t count;
    size_t room;
    struct sherd_store_op *ops;
    struct sherd_entities_room *rooms; /* as many as ops: what they write */
    struct sherd_ring_guard_room guard;
};

static enum sherd_err change_begin(struct sherd_entities *entities, size_t room, struct change *out_change)
{
    *out_change = (struct change){.entities = entities, .room = room};
    out_change->ops = sherd_alloc_array(room, sizeof(*out_change->ops));
    out_change->rooms = sherd_alloc_array(room, sizeof(*out_change->rooms));
    return out_change->ops != NULL && out_change->rooms != NULL ? SHERD_OK : SHERD_ERR_NO_MEMORY;
}

static void change_done(struct change *change)
{
    sherd_free(change->ops);
    sherd_free(change->rooms);
}

static void change_delete(struct change *change, const struct sherd_ref *name)
{
    change->ops[change->count++] = (struct sherd_store_op){.kind = SHERD_STORE_DELETE, .name = *name};
}

static enum sherd_err change_entity(struct change *change, enum sherd_kind kind, const struct sherd_ref *name,
                                    const struct sherd_entity_key_entry *entry, struct sherd_span expected)
{
    SHERD_TRY(sherd_entities_op(change->entities, kind, name, entry, expected, &change->rooms[change->count],
                                &change->ops[change->count]));
    change->count++;
    return SHERD_OK;
}

/* Write it; the guard is the last of it. @param[in] entry  the entity, as it was */
static enum sherd_err change_write_guarded(const struct change *change, enum sherd_event_kind kind,
                                           const struct sherd_entity_key_entry *entry)
{
    struct sherd_event event = sherd_entities_event(kind, entry);
    bool lost;

    return sherd_ring_write_guarded(sherd_entities_parts(change->entities)->ring, change->ops, change->count,
                                    &change->ops[change->count - 1], &event, 1, &lost);
}

/* Write it, with a guard that holds no more than that it is sealed under the store key that serves. */
static enum sherd_err change_write(struct change *change, enum sherd_event_kind kind,
                                   const struct sherd_entity_key_entry *entry)
{
    SHERD_TRY(sherd_ring_guard_set(sherd_entities_parts(change->entities)->ring, change->ops, change->count,
                                   &change->guard, &change->ops[change->count]));
    change->count++;
    return change_write_guarded(change, kind, entry);
}

/* The lookup entries that an id has under any hash key are deleted, but for the newest if keep says so. */
static enum sherd_err change_lookups(struct change *change, const struct sherd_refs *kids,
                                     const struct sherd_entity_key_entry *entry, bool keep)
{
    for (size_t i = 0; i < kids->count; i++) {
        struct sherd_entity_lookup lookup = {
            .collection = entry->collection, .entity = entry->entity, .hash = kids->refs[i]};
        struct sherd_entity_lookup there;
        struct sherd_ref name;

        SHERD_TRY(sherd_entities_id_name(change->entities, &kids->refs[i], &entry->collection, entry->entity_id,
                                         &name));
        const enum sherd_err err = sherd_entities_lookup_read(change->entities, &name, &there);
        if (err != SHERD_OK && err != SHERD_ERR_NOT_FOUND)
            return err;
        if (i == 0 && keep && err == SHERD_ERR_NOT_FOUND) {
            SHERD_TRY(sherd_entities_lookup_op(change->entities, &name, &lookup, &change->rooms[change->count],
                                               &change->ops[change->count]));
            change->count++;
        } else if (err == SHERD_OK && !(i == 0 && keep)) {
            change_delete(change, &name);
        }
    }
    return SHERD_OK;
}

static enum sherd_err delete_versions(struct change *change, const struct sherd_entity_key_entry *entry)
{
    for (uint64_t version = entry->version_oldest; version < entry->version; version++) {
        struct sherd_ref name;

        SHERD_TRY(sherd_entity_key_old_name(&sherd_entities_parts(change->entities)->at, &entry->entity, version,
                                            &name));
        change_delete(change, &name);
    }
    return SHERD_OK;
}

/* Nothing but that an entity's entry must be what it was: else it may have been erased meanwhile. */
static void change_keep(struct change *change, const struct sherd_entity_stored *stored)
{
    change->ops[change->count++] = (struct sherd_store_op){.kind = SHERD_STORE_CHECK,
                                                           .expect = SHERD_EXPECT_EQUALS,
                                                           .name = stored->entry.entity,
                                                           .expected = sherd_buf_span(&stored->stored)};
}

/* Versions, their successor, and one lookup entry for each hash key. */
static size_t room_for(const struct sherd_entity_key_entry *entry, size_t kids)
{
    return (size_t)(entry->version - entry->version_oldest) + kids + 5;
}

/* --- erasing ------------------------------------------------------------------------------------------------------ */

static enum sherd_err erase_with(struct sherd_entities *entities, const struct sherd_entity_stored *stored,
                                 const struct sherd_refs *kids, struct change *change)
{
    const struct sherd_entity_key_entry *old = &stored->entry;
    const struct sherd_entity_key_entry tombstone = {.collection = old->collection,
                                                     .entity = old->entity,
                                                     .version = old->version,
                                                     .version_oldest = old->version,
                                                     .master = old->master,
                                                     .epoch = old->epoch,
                                                     .state = SHERD_ENTITY_ERASED,
                                                     .derived = old->derived};

    SHERD_TRY(change_begin(entities, room_for(old, kids->count), change));
    SHERD_TRY(change_entity(change, SHERD_KIND_ENTITY_KEY, &old->entity, &tombstone, sherd_buf_span(&stored->stored)));
    SHERD_TRY(change_lookups(change, kids, old, false));
    SHERD_TRY(delete_versions(change, old));
    SHERD_FAILPOINT("erase.before_write");
    return change_write(change, SHERD_EVENT_ERASE, old);
}

static enum sherd_err erase_once(struct sherd_entities *entities, const struct sherd_ref *entity)
{
    SHERD_CLEANUP(sherd_entity_stored_wipe) struct sherd_entity_stored stored = {.entry = {.version = 0}};
    struct change change = {0};
    struct sherd_refs kids = {0};

    enum sherd_err err = sherd_entity_key_read(&sherd_entities_parts(entities)->at, entity, 0, &stored);
    if (err == SHERD_OK && stored.entry.state == SHERD_ENTITY_ERASED)
        return sherd_entities_erased();
    if (err == SHERD_OK)
        err = sherd_masters_kids(sherd_entities_parts(entities)->masters, SHERD_MASTER_HASH, &kids);
    if (err == SHERD_OK)
        err = erase_with(entities, &stored, &kids, &change);
    change_done(&change);
    sherd_refs_done(&kids);
    return err;
}

enum sherd_err sherd_entities_erase(struct sherd_entities *entities, const struct sherd_uuid *collection,
                                    const char *entity_id)
{
    enum sherd_err err = SHERD_ERR_CONFLICT;

    for (unsigned tries = 0; tries < SHERD_ENTITIES_TRIES_MAX && err == SHERD_ERR_CONFLICT; tries++) {
        struct sherd_ref entity;

        SHERD_TRY(sherd_entities_find(entities, collection, entity_id, &entity));
        err = erase_once(entities, &entity);
    }
    SHERD_TRY(err);
    sherd_ring_doubt(sherd_entities_parts(entities)->ring); /* for this handle it is gone whatever comes */
    SHERD_FAILPOINT("erase.before_tell");
    return sherd_ring_tell(sherd_entities_parts(entities)->ring);
}

/* --- renewing ----------------------------------------------------------------------------------------------------- */

/* What a renewal wraps under. */
struct target {
    struct sherd_ref master;
    uint64_t epoch;  /* sherd_entities_guard() holds that both serve when it is written */
    uint64_t limit;  /* most keys that the master key wraps: all versions must lie under one */
    uint64_t *count; /* wrapped so far */
    const struct sherd_entities_renewal *renewal;
};

/* Take one use of the target's master key. */
static enum sherd_err use_master(struct sherd_entities *entities, const struct target *target)
{
    SHERD_ENSURE(++*target->count <= target->limit, SHERD_ERR_LIMIT,
                 "an entity has more versions of its key than its master key may wrap: raise that limit");
    return sherd_masters_use(sherd_entities_parts(entities)->masters, &target->master, 0);
}

/* Wrap the key of an entry that is at hand->key under the target's keys. */
static enum sherd_err wrap_anew(struct sherd_entities *entities, const struct target *target,
                                struct sherd_entities_hand *hand, struct sherd_entity_key_entry *entry)
{
    entry->master = target->master;
    entry->epoch = target->epoch;
    SHERD_TRY(use_master(entities, target));
    SHERD_TRY(sherd_masters_key(sherd_entities_parts(entities)->masters, &target->master, &hand->master));
    return sherd_entity_key_wrap(&sherd_entities_parts(entities)->at, &hand->master,
                                 sherd_entities_epoch_key(&hand->epochs, target->epoch), &hand->key, entry);
}

static bool is_current(const struct target *target, const struct sherd_entity_key_entry *entry)
{
    return sherd_same_ref(&entry->master, &target->master) && entry->epoch == target->epoch;
}

/* Bring one stored version up to date under its own name. A derived key hangs on its master key for good. */
static enum sherd_err renew_version(struct sherd_entities *entities, const struct target *target,
                                    struct sherd_entities_hand *hand, enum sherd_kind kind,
                                    const struct sherd_ref *name, const struct sherd_entity_stored *stored,
                                    struct change *change)
{
    struct sherd_entity_key_entry entry = stored->entry;

    if (is_current(target, &entry) || entry.derived)
        return SHERD_OK;
    enum sherd_err err = sherd_entities_unwrap_entry(entities, &stored->entry, hand);
    if (err == SHERD_OK)
        err = wrap_anew(entities, target, hand, &entry);
    if (err == SHERD_OK)
        err = change_entity(change, kind, name, &entry, sherd_buf_span(&stored->stored));
    sherd_entity_key_entry_wipe(&entry);
    return err;
}

static enum sherd_err renew_older(struct sherd_entities *entities, const struct target *target,
                                  struct sherd_entities_hand *hand, const struct sherd_entity_key_entry *head,
                                  struct sherd_entity_stored *rooms, struct change *change)
{
    for (uint64_t version = head->version_oldest; version < head->version; version++) {
        struct sherd_entity_stored *stored = &rooms[version - head->version_oldest];
        struct sherd_ref name;

        SHERD_TRY(sherd_entity_key_old_name(&sherd_entities_parts(entities)->at, &head->entity, version, &name));
        SHERD_TRY(sherd_entity_key_read(&sherd_entities_parts(entities)->at, &head->entity, version, stored));
        SHERD_TRY(renew_version(entities, target, hand, SHERD_KIND_OLD_ENTITY_KEY, &name, stored, change));
    }
    return SHERD_OK;
}

/* The newest version becomes an older one, and a fresh key takes its place. */
static enum sherd_err add_version(struct sherd_entities *entities, const struct target *target,
                                  struct sherd_entities_hand *hand, const struct sherd_entity_stored *stored,
                                  struct change *change)
{
    SHERD_CLEANUP(sherd_entity_key_entry_wipe) struct sherd_entity_key_entry old = stored->entry;
    SHERD_CLEANUP(sherd_entity_key_entry_wipe) struct sherd_entity_key_entry fresh = stored->entry;
    struct sherd_ref name;

    SHERD_ENSURE(old.version - old.version_oldest < VERSIONS_MAX && old.version < UINT32_MAX, SHERD_ERR_LIMIT,
                 "an entity has too many versions of its key: let `sherd rekey` end first");
    if (!old.derived) {
        SHERD_TRY(sherd_entities_unwrap_entry(entities, &stored->entry, hand));
        SHERD_TRY(wrap_anew(entities, target, hand, &old));
    }
    old.version_oldest = old.version;
    SHERD_TRY(sherd_entity_key_old_name(&sherd_entities_parts(entities)->at, &old.entity, old.version, &name));
    SHERD_TRY(change_entity(change, SHERD_KIND_OLD_ENTITY_KEY, &name, &old, sherd_span_of(NULL, 0)));
    fresh.version++;
    fresh.master = target->master;
    fresh.epoch = target->epoch;
    if (fresh.derived) {
        SHERD_TRY(use_master(entities, target));
    } else {
        SHERD_TRY(sherd_random(hand->key.bytes, sizeof(hand->key.bytes)));
        SHERD_TRY(wrap_anew(entities, target, hand, &fresh));
    }
    return change_entity(change, SHERD_KIND_ENTITY_KEY, &fresh.entity, &fresh, sherd_buf_span(&stored->stored));
}

static enum sherd_err renew_head(struct sherd_entities *entities, const struct target *target,
                                 struct sherd_entities_hand *hand, const struct sherd_entity_stored *stored,
                                 struct change *change)
{
    const struct sherd_entity_key_entry *head = &stored->entry;

    if (target->renewal->fresh_key || (head->derived && !is_current(target, head)))
        return add_version(entities, target, hand, stored, change);
    return renew_version(entities, target, hand, SHERD_KIND_ENTITY_KEY, &head->entity, stored, change);
}

/* All that a renewal writes but its guard; nothing where all is up to date. */
static enum sherd_err renew_with(struct sherd_entities *entities, const struct target *target,
                                 struct sherd_entities_hand *hand, const struct sherd_entity_stored *stored,
                                 struct sherd_entity_stored *rooms, const struct sherd_refs *kids,
                                 struct change *change)
{
    SHERD_TRY(change_lookups(change, kids, &stored->entry, true));
    SHERD_TRY(renew_older(entities, target, hand, &stored->entry, rooms, change));
    const size_t before = change->count;
    SHERD_TRY(renew_head(entities, target, hand, stored, change));
    if (change->count == before && before > 0)
        change_keep(change, stored);
    return SHERD_OK;
}

/* Which keys serve now. @return SHERD_ERR_TAMPERED: the entity hangs on a key that is not there any more */
static enum sherd_err aim(struct sherd_entities *entities, const struct sherd_ref *master,
                          struct sherd_entities_hand *hand, struct target *target)
{
    const struct sherd_entities_stamp now = sherd_entities_now(entities);

    SHERD_TRY(sherd_entities_epochs(entities, &now, &hand->epochs));
    target->epoch = hand->epochs.numbers[hand->epochs.count - 1];
    SHERD_TRY(sherd_masters_successor(sherd_entities_parts(entities)->masters, master, &target->master, &hand->master));
    return sherd_masters_limit(sherd_entities_parts(entities)->masters, &target->master, &target->limit);
}

static enum sherd_err renew_stored(struct sherd_entities *entities, const struct sherd_entity_stored *stored,
                                   const struct sherd_entities_renewal *renewal, const struct sherd_refs *kids,
                                   struct change *change)
{
    const struct sherd_entity_key_entry *head = &stored->entry;
    uint64_t count = 0;
    struct target target = {.renewal = renewal, .count = &count};
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_entities_hand *hand = sherd_secret_alloc(sizeof(*hand));
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_entity_stored *rooms =
        sherd_secret_alloc((size_t)(head->version - head->version_oldest + 1) * sizeof(*rooms));

    if (hand == NULL || rooms == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_ENSURE(kids->count > 0, SHERD_ERR_TAMPERED, "there is no key that hashes the ids of entities");
    SHERD_TRY(aim(entities, &head->master, hand, &target));
    SHERD_TRY(change_begin(entities, room_for(head, kids->count), change));
    SHERD_TRY(renew_with(entities, &target, hand, stored, rooms, kids, change));
    if (change->count == 0)
        return SHERD_OK;
    const struct sherd_entities_serving serving = {
        .master = target.master, .hash = kids->refs[0], .epoch = target.epoch};
    SHERD_TRY(sherd_entities_guard(entities, &serving, change->ops, change->count, &change->guard,
                                   &change->ops[change->count]));
    change->count++;
    SHERD_FAILPOINT("renew.before_write");
    return change_write_guarded(change, SHERD_EVENT_ENTITY, head);
}

enum sherd_err sherd_entities_renew(struct sherd_entities *entities, const struct sherd_ref *entity,
                                    const struct sherd_entities_renewal *renewal, bool *out_changed)
{
    SHERD_CLEANUP(sherd_entity_stored_wipe) struct sherd_entity_stored stored = {.entry = {.version = 0}};
    struct change change = {0};
    struct sherd_refs kids = {0};

    SHERD_TRY(sherd_entity_key_read(&sherd_entities_parts(entities)->at, entity, 0, &stored));
    if (stored.entry.state == SHERD_ENTITY_ERASED) {
        *out_changed = false;
        return SHERD_OK;
    }
    enum sherd_err err = sherd_masters_kids(sherd_entities_parts(entities)->masters, SHERD_MASTER_HASH, &kids);
    if (err == SHERD_OK)
        err = renew_stored(entities, &stored, renewal, &kids, &change);
    if (err == SHERD_OK)
        *out_changed = change.count > 0;
    if (err == SHERD_ERR_CONFLICT)
        sherd_ring_doubt(sherd_entities_parts(entities)->ring);
    change_done(&change);
    sherd_refs_done(&kids);
    return err;
}

static enum sherd_err trim_with(struct sherd_entities *entities, const struct sherd_entity_stored *stored,
                                struct change *change)
{
    SHERD_CLEANUP(sherd_entity_key_entry_wipe) struct sherd_entity_key_entry entry = stored->entry;

    SHERD_TRY(change_begin(entities, room_for(&entry, 0), change));
    SHERD_TRY(delete_versions(change, &entry));
    entry.version_oldest = entry.version;
    SHERD_TRY(change_entity(change, SHERD_KIND_ENTITY_KEY, &entry.entity, &entry, sherd_buf_span(&stored->stored)));
    return change_write(change, SHERD_EVENT_ENTITY, &entry);
}

enum sherd_err sherd_entities_trim(struct sherd_entities *entities, const struct sherd_ref *entity)
{
    SHERD_CLEANUP(sherd_entity_stored_wipe) struct sherd_entity_stored stored = {.entry = {.version = 0}};
    struct change change = {0};

    SHERD_TRY(sherd_entity_key_read(&sherd_entities_parts(entities)->at, entity, 0, &stored));
    if (stored.entry.state == SHERD_ENTITY_ERASED || stored.entry.version_oldest == stored.entry.version)
        return SHERD_OK;
    const enum sherd_err err = trim_with(entities, &stored, &change);
    change_done(&change);
    return err;
}

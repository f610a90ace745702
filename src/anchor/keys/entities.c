/* SPDX-License-Identifier: Apache-2.0 */
/* Entities: see entities.h. Three direct-mapped caches: ids, newest versions, keys that wrap. */
#include "anchor/keys/entities_inside.h"
#include "anchor/keys/store_keys.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include <pthread.h>
#include <stdio.h>

/* "sherd named keys", in the form of RFC 9562 section 5.8. */
const struct sherd_uuid sherd_named_keys = {
    {'s', 'h', 'e', 'r', 'd', ' ', 0x8e, 'a', 0x8d, 'e', 'd', ' ', 'k', 'e', 'y', 's'}};

#define LABEL_ENTITY "entity"
#define CACHED SHERD_ENTITIES_CACHED_MAX

/* An id, by the name of its lookup entry. */
struct id_slot {
    struct sherd_entities_stamp stamp;
    struct sherd_ref name;
    struct sherd_ref entity;
};

/* The newest version of an entity's key. */
struct head_slot {
    struct sherd_entities_stamp stamp;
    struct sherd_ref entity;
    struct sherd_ref master; /* kid of what wraps or derives it */
    uint64_t version;
    bool erased;
};

/*
 * The key that wraps record keys: of one version of an entity's key in one epoch with one of the store key of
 * `secrets`, and with one of a named key if any.
 */
struct key_slot {
    struct sherd_entities_stamp stamp;
    struct sherd_ref entity;
    uint64_t version;
    uint64_t epoch;
    struct sherd_ref named; /* all zero for none */
    uint64_t named_version; /* 0 for none */
    uint64_t secrets;       /* version of the store key of `secrets` that takes part */
    struct sherd_hmac_key *wrapping;
};

struct sherd_entities {
    struct sherd_entities_parts parts;
    pthread_rwlock_t lock; /* guards all below; held for reading while a key is used */
    struct sherd_entities_stamp hash_stamp;
    struct sherd_ref hash_kid;
    struct sherd_hmac_key *hash; /* hashes ids */
    struct sherd_entities_stamp epochs_stamp;
    struct sherd_epoch_set *epochs; /* secret memory */
    struct id_slot ids[CACHED];
    struct head_slot heads[CACHED];
    struct key_slot keys[CACHED];
};

enum sherd_err sherd_entities_new(const struct sherd_entities_parts *parts, struct sherd_entities **out_entities)
{
    struct sherd_entities *entities = sherd_alloc(sizeof(*entities));

    if (entities == NULL)
        return SHERD_ERR_NO_MEMORY;
    entities->parts = *parts;
    entities->epochs = sherd_secret_alloc(sizeof(*entities->epochs));
    if (entities->epochs == NULL) {
        sherd_free(entities);
        return SHERD_ERR_NO_MEMORY;
    }
    if (pthread_rwlock_init(&entities->lock, NULL) != 0) {
        sherd_secret_free(entities->epochs);
        sherd_free(entities);
        return sherd_fail(SHERD_ERR_NO_MEMORY, "a lock could not be made");
    }
    *out_entities = entities;
    return SHERD_OK;
}

const struct sherd_entities_parts *sherd_entities_parts(const struct sherd_entities *entities)
{
    return &entities->parts;
}

void sherd_entities_free(struct sherd_entities *entities)
{
    if (entities == NULL)
        return;
    for (size_t i = 0; i < CACHED; i++)
        sherd_hmac_key_free(entities->keys[i].wrapping);
    sherd_hmac_key_free(entities->hash);
    sherd_secret_free(entities->epochs);
    (void)pthread_rwlock_destroy(&entities->lock);
    sherd_free(entities);
}

/* --- what is held, and how long ----------------------------------------------------------------------------------- */

struct sherd_entities_stamp sherd_entities_now(const struct sherd_entities *entities)
{
    const struct sherd_entities_stamp now = {.number = sherd_ring_number(entities->parts.ring),
                                             .time_ms = sherd_clock()->monotonic_ns() / 1000000U + 1};

    return now;
}

static bool holds(const struct sherd_entities_stamp *stamp, const struct sherd_entities_stamp *now)
{
    return stamp->time_ms != 0 && stamp->number == now->number &&
           now->time_ms - stamp->time_ms < SHERD_ENTITIES_LIFETIME_MS;
}

/* Refs are random and names pseudonyms, so their bytes spread evenly. */
static size_t slot_of(const struct sherd_ref *ref)
{
    return sherd_get_u32(ref->bytes) % CACHED;
}

/* The fields of a pin that speak of a named key are zero where it has none. */
static size_t key_slot_of(const struct sherd_pin *pin)
{
    return (sherd_get_u32(pin->entity.bytes) + pin->entity_key_version + pin->epoch + pin->secrets_key_version +
            sherd_get_u32(pin->named_key.bytes) + pin->named_key_version) %
           CACHED;
}

static bool is_key_of(const struct key_slot *slot, const struct sherd_pin *pin)
{
    return sherd_same_ref(&slot->entity, &pin->entity) && slot->version == pin->entity_key_version &&
           slot->epoch == pin->epoch && sherd_same_ref(&slot->named, &pin->named_key) &&
           slot->named_version == pin->named_key_version && slot->secrets == pin->secrets_key_version;
}

static enum sherd_err changing(void)
{
    return sherd_fail(SHERD_ERR_CONFLICT, "the keys are being changed: try again");
}

static bool is_active(const struct sherd_keyring *keyring, const struct sherd_ref *kid)
{
    const struct sherd_master *master = sherd_keyring_master(keyring, kid);

    return master != NULL && master == sherd_keyring_active(keyring, master->name);
}

enum sherd_err sherd_entities_guard(struct sherd_entities *entities, const struct sherd_entities_serving *serving,
                                    const struct sherd_store_op *ops, size_t count, struct sherd_ring_guard_room *room,
                                    struct sherd_store_op *out_op)
{
    const struct sherd_keyring *keyring;

    SHERD_TRY(sherd_ring_hold(entities->parts.ring, &keyring));
    const bool serves = is_active(keyring, &serving->master) && is_active(keyring, &serving->hash) &&
                        keyring->epoch == serving->epoch && sherd_ring_seals(keyring, ops, count);
    if (serves)
        sherd_ring_guard(entities->parts.ring, room, out_op);
    sherd_ring_leave(entities->parts.ring);
    return serves ? SHERD_OK : changing();
}

/* --- epochs and the hash key -------------------------------------------------------------------------------------- */

const struct sherd_epoch_key *sherd_entities_epoch_key(const struct sherd_epoch_set *set, uint64_t number)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->numbers[i] == number)
            return &set->keys[i];
    return NULL;
}

static enum sherd_err serving_epoch(struct sherd_entities *entities, uint64_t *out_epoch)
{
    const struct sherd_keyring *keyring;

    SHERD_TRY(sherd_ring_hold(entities->parts.ring, &keyring));
    *out_epoch = keyring->epoch;
    sherd_ring_leave(entities->parts.ring);
    return SHERD_OK;
}

/* The epochs that the keyring and the file agree on. One may begin and another end between the two: then again. */
static enum sherd_err read_epochs(struct sherd_entities *entities, struct sherd_epoch_set *out_set)
{
    uint64_t serving;
    uint64_t after;

    SHERD_TRY(serving_epoch(entities, &after));
    enum sherd_err err;
    do {
        serving = after;
        err = sherd_epoch_read(entities->parts.home, serving, out_set);
        if (err == SHERD_ERR_TAMPERED)
            SHERD_TRY(serving_epoch(entities, &after));
    } while (after != serving);
    return err;
}

/* The epochs as they are now, into secret memory of the caller's. */
enum sherd_err sherd_entities_epochs(struct sherd_entities *entities, const struct sherd_entities_stamp *now,
                                     struct sherd_epoch_set *out_set)
{
    (void)pthread_rwlock_rdlock(&entities->lock);
    const bool held = holds(&entities->epochs_stamp, now);
    if (held)
        memcpy(out_set, entities->epochs, sizeof(*out_set));
    (void)pthread_rwlock_unlock(&entities->lock);
    if (held)
        return SHERD_OK;
    SHERD_TRY(read_epochs(entities, out_set));
    (void)pthread_rwlock_wrlock(&entities->lock);
    memcpy(entities->epochs, out_set, sizeof(*out_set));
    entities->epochs_stamp = *now;
    (void)pthread_rwlock_unlock(&entities->lock);
    return SHERD_OK;
}

static enum sherd_hash_alg id_hash(const struct sherd_entities *entities)
{
    return sherd_home_fips(entities->parts.home) ? SHERD_SHA512_256 : SHERD_SHA512;
}

static enum sherd_err hmac_of_master(struct sherd_entities *entities, const struct sherd_ref *kid,
                                     struct sherd_hmac_key **out_key)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_master_key *master = sherd_secret_alloc(sizeof(*master));

    if (master == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_masters_key(entities->parts.masters, kid, master));
    return sherd_hmac_key_new(id_hash(entities), sherd_span_of(master->bytes, sizeof(master->bytes)), out_key);
}

/* Hold the hash key that serves now. */
static enum sherd_err refresh_hash(struct sherd_entities *entities, const struct sherd_entities_stamp *now)
{
    struct sherd_hmac_key *hash = NULL;
    struct sherd_ref kid;
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_master_key *master = sherd_secret_alloc(sizeof(*master));

    if (master == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_masters_active(entities->parts.masters, SHERD_MASTER_HASH, &kid, master));
    SHERD_TRY(sherd_hmac_key_new(id_hash(entities), sherd_span_of(master->bytes, sizeof(master->bytes)), &hash));
    (void)pthread_rwlock_wrlock(&entities->lock);
    sherd_hmac_key_free(entities->hash);
    entities->hash = hash;
    entities->hash_kid = kid;
    entities->hash_stamp = *now;
    (void)pthread_rwlock_unlock(&entities->lock);
    return SHERD_OK;
}

/* The name of an id's lookup entry: HMAC-SHA-512, or HMAC-SHA-512/256 in FIPS mode, over a TLV, cut to 16 bytes. */
static enum sherd_err id_name(const struct sherd_hmac_key *hash, const struct sherd_uuid *collection,
                              const char *entity_id, struct sherd_ref *out_name)
{
    uint8_t bytes[256];
    uint8_t mac[SHERD_SHA512_SIZE];
    struct sherd_span named = {bytes, 0};
    struct sherd_tlv_writer writer = sherd_tlv_writer(bytes, sizeof(bytes));

    SHERD_ENSURE(strlen(entity_id) <= SHERD_ENTITY_BYTES_MAX, SHERD_ERR_INVALID,
                 "an entity's id has at most 128 bytes");
    sherd_tlv_put(&writer, 1, sherd_span_str(LABEL_ENTITY));
    sherd_tlv_put(&writer, 2, sherd_span_of(collection->bytes, sizeof(collection->bytes)));
    sherd_tlv_put(&writer, 3, sherd_span_str(entity_id));
    SHERD_TRY(sherd_tlv_end(&writer, &named.len));
    SHERD_TRY(sherd_hmac_with(hash, &named, 1, mac));
    memcpy(out_name->bytes, mac, sizeof(out_name->bytes));
    return SHERD_OK;
}

enum sherd_err sherd_entities_id_name(struct sherd_entities *entities, const struct sherd_ref *kid,
                                      const struct sherd_uuid *collection, const char *entity_id,
                                      struct sherd_ref *out_name)
{
    SHERD_CLEANUP(sherd_hmac_key_freep) struct sherd_hmac_key *hash = NULL;

    SHERD_TRY(hmac_of_master(entities, kid, &hash));
    return id_name(hash, collection, entity_id, out_name);
}

/* --- lookup entries ----------------------------------------------------------------------------------------------- */

enum sherd_err sherd_entities_open(const struct sherd_entities *entities, enum sherd_kind kind,
                                   const struct sherd_ref *name, struct sherd_span stored,
                                   struct sherd_entity_key_entry *out_entry)
{
    return sherd_entity_key_open(&entities->parts.at, kind, name, stored, out_entry);
}

enum sherd_err sherd_entities_open_lookup(const struct sherd_entities *entities, const struct sherd_ref *name,
                                          struct sherd_span stored, struct sherd_entity_lookup *out_lookup)
{
    uint8_t block[SHERD_PAYLOAD_BYTES_MAX];
    struct sherd_buf payload = sherd_buf_borrow(block, sizeof(block));
    struct sherd_span tlv;

    SHERD_TRY(sherd_entry_open(&entities->parts.at.keys, SHERD_KIND_ENTITY_LOOKUP, name, stored, &payload, &tlv));
    return sherd_entity_lookup_decode(tlv, out_lookup);
}

static enum sherd_err lookup_read(const struct sherd_entities *entities, const struct sherd_ref *name,
                                  struct sherd_entity_lookup *out_lookup)
{
    uint8_t block[SHERD_ENTRY_BYTES_MAX];
    struct sherd_buf stored = sherd_buf_borrow(block, sizeof(block));
    const enum sherd_err err = sherd_compartment_get(entities->parts.at.compartment, *name, &stored);

    SHERD_ENSURE(err != SHERD_ERR_LIMIT, SHERD_ERR_TAMPERED, "the entry of an entity's id does not verify");
    SHERD_TRY(err);
    return sherd_entities_open_lookup(entities, name, sherd_buf_span(&stored), out_lookup);
}

enum sherd_err sherd_entities_lookup_read(const struct sherd_entities *entities, const struct sherd_ref *name,
                                          struct sherd_entity_lookup *out_lookup)
{
    const enum sherd_err err = lookup_read(entities, name, out_lookup);

    return err == SHERD_ERR_DENIED ? lookup_read(entities, name, out_lookup) : err; /* as in sherd_entry_open() */
}

enum sherd_err sherd_entities_lookup_op(const struct sherd_entities *entities, const struct sherd_ref *name,
                                        const struct sherd_entity_lookup *lookup, struct sherd_entities_room *room,
                                        struct sherd_store_op *out_op)
{
    uint8_t tlv[SHERD_TLV_BYTES_MAX];
    size_t tlv_bytes;

    room->stored = sherd_buf_borrow(room->block, sizeof(room->block));
    SHERD_TRY(sherd_entity_lookup_encode(lookup, tlv, &tlv_bytes));
    SHERD_TRY(sherd_entry_seal(&entities->parts.at.keys, SHERD_KIND_ENTITY_LOOKUP, name, sherd_span_of(tlv, tlv_bytes),
                               &room->stored));
    *out_op = (struct sherd_store_op){
        .kind = SHERD_STORE_PUT, .expect = SHERD_EXPECT_ABSENT, .name = *name, .value = sherd_buf_span(&room->stored)};
    return SHERD_OK;
}

/* An entity's entry in a write set: the newest version in place of what expected says; no expected, and it is new. */
enum sherd_err sherd_entities_op(const struct sherd_entities *entities, enum sherd_kind kind,
                                 const struct sherd_ref *name, const struct sherd_entity_key_entry *entry,
                                 struct sherd_span expected, struct sherd_entities_room *room,
                                 struct sherd_store_op *out_op)
{
    room->stored = sherd_buf_borrow(room->block, sizeof(room->block));
    SHERD_TRY(sherd_entity_key_store(&entities->parts.at, kind, name, entry, &room->stored));
    *out_op = (struct sherd_store_op){.kind = SHERD_STORE_PUT,
                                      .expect = expected.len > 0 ? SHERD_EXPECT_EQUALS : SHERD_EXPECT_ABSENT,
                                      .name = *name,
                                      .value = sherd_buf_span(&room->stored),
                                      .expected = expected};
    return SHERD_OK;
}

/* --- finding ------------------------------------------------------------------------------------------------------ */

static void hold_id(struct sherd_entities *entities, const struct sherd_entities_stamp *now,
                    const struct sherd_ref *name, const struct sherd_ref *entity)
{
    struct id_slot *slot = &entities->ids[slot_of(name)];

    (void)pthread_rwlock_wrlock(&entities->lock);
    *slot = (struct id_slot){.stamp = *now, .name = *name, .entity = *entity};
    (void)pthread_rwlock_unlock(&entities->lock);
}

/* Where the lookup entry of an id is, or would be. */
struct id_place {
    struct sherd_ref name;
    struct sherd_ref hash; /* kid of the hash key */
};

/* The place under the hash key that serves now, and the entity if it is held. @return SHERD_ERR_BUSY: no key is held */
static enum sherd_err find_held(struct sherd_entities *entities, const struct sherd_entities_stamp *now,
                                const struct sherd_uuid *collection, const char *entity_id, struct id_place *out_place,
                                bool *out_held, struct sherd_ref *out_entity)
{
    enum sherd_err err = SHERD_ERR_BUSY;

    *out_held = false;
    (void)pthread_rwlock_rdlock(&entities->lock);
    if (holds(&entities->hash_stamp, now)) {
        out_place->hash = entities->hash_kid;
        err = id_name(entities->hash, collection, entity_id, &out_place->name);
        if (err == SHERD_OK) {
            const struct id_slot *slot = &entities->ids[slot_of(&out_place->name)];

            *out_held = holds(&slot->stamp, now) && sherd_same_ref(&slot->name, &out_place->name);
            if (*out_held)
                *out_entity = slot->entity;
        }
    }
    (void)pthread_rwlock_unlock(&entities->lock);
    return err;
}

/*
 * An id that was hashed under any of the keys, the oldest first and the newest last: renewing moves an entry from an
 * older name to the newest, so none is missed on its way.
 */
enum sherd_err sherd_entities_find_any(struct sherd_entities *entities, const struct sherd_uuid *collection,
                                       const char *entity_id, struct sherd_entity_lookup *out_lookup)
{
    struct sherd_refs kids = {0};
    enum sherd_err err = sherd_masters_kids(entities->parts.masters, SHERD_MASTER_HASH, &kids);
    bool found = false;

    for (size_t i = kids.count; i-- > 0 && err == SHERD_OK && !found;) {
        struct sherd_ref name;

        err = sherd_entities_id_name(entities, &kids.refs[i], collection, entity_id, &name);
        if (err == SHERD_ERR_DENIED) /* refused since: nothing was found under it when it was */
            err = SHERD_ERR_NOT_FOUND;
        else if (err == SHERD_OK)
            err = sherd_entities_lookup_read(entities, &name, out_lookup);
        found = err == SHERD_OK;
        if (err == SHERD_ERR_NOT_FOUND)
            err = SHERD_OK;
    }
    sherd_refs_done(&kids);
    SHERD_TRY(err);
    return found ? SHERD_OK : SHERD_ERR_NOT_FOUND;
}

/* Find an entity by its id. @return SHERD_ERR_NOT_FOUND; SHERD_ERR_CONFLICT: the hash key was changed meanwhile */
static enum sherd_err find(struct sherd_entities *entities, const struct sherd_entities_stamp *now,
                           const struct sherd_uuid *collection, const char *entity_id, struct id_place *out_place,
                           struct sherd_ref *out_entity)
{
    struct sherd_entity_lookup lookup;
    bool held;

    enum sherd_err err = find_held(entities, now, collection, entity_id, out_place, &held, out_entity);
    if (err == SHERD_ERR_BUSY) {
        SHERD_TRY(refresh_hash(entities, now));
        err = find_held(entities, now, collection, entity_id, out_place, &held, out_entity);
    }
    if (err == SHERD_ERR_BUSY)
        return changing();
    SHERD_TRY(err);
    if (held)
        return SHERD_OK;
    err = sherd_entities_lookup_read(entities, &out_place->name, &lookup);
    if (err == SHERD_ERR_NOT_FOUND)
        err = sherd_entities_find_any(entities, collection, entity_id, &lookup);
    if (err == SHERD_ERR_NOT_FOUND && now->number != sherd_ring_number(entities->parts.ring))
        return changing();
    SHERD_TRY(err);
    SHERD_ENSURE(sherd_same(&lookup.collection, collection, sizeof(*collection)), SHERD_ERR_TAMPERED,
                 "the entry of an entity's id does not verify");
    hold_id(entities, now, &out_place->name, &lookup.entity);
    *out_entity = lookup.entity;
    return SHERD_OK;
}

enum sherd_err sherd_entities_find(struct sherd_entities *entities, const struct sherd_uuid *collection,
                                   const char *entity_id, struct sherd_ref *out_entity)
{
    enum sherd_err err = SHERD_ERR_CONFLICT;

    for (unsigned tries = 0; tries < SHERD_ENTITIES_TRIES_MAX && err == SHERD_ERR_CONFLICT; tries++) {
        const struct sherd_entities_stamp now = sherd_entities_now(entities);
        struct id_place place;
        struct sherd_ref entity;

        err = find(entities, &now, collection, entity_id, &place, &entity);
        if (err == SHERD_OK)
            *out_entity = entity;
    }
    return err == SHERD_ERR_NOT_FOUND ? sherd_fail(err, "there is no such entity") : err;
}

/* --- making ------------------------------------------------------------------------------------------------------- */

/* A fresh key for an entry that has all its other fields. */
static enum sherd_err fresh_key(struct sherd_entities *entities, const struct sherd_master_key *master,
                                const struct sherd_epoch_key *epoch, struct sherd_entity_key_entry *entry)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_entity_key *key = sherd_secret_alloc(sizeof(*key));

    if (key == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_random(key->bytes, sizeof(key->bytes)));
    return sherd_entity_key_wrap(&entities->parts.at, master, epoch, key, entry);
}

/* Master key and epoch that serve now: the entry says which they are. Both go to secret memory of the caller's. */
static enum sherd_err serving(struct sherd_entities *entities, const struct sherd_entities_stamp *now,
                              const char *master_name, struct sherd_master_key *out_master,
                              struct sherd_epoch_set *out_epochs, struct sherd_entity_key_entry *entry)
{
    SHERD_TRY(sherd_masters_active(entities->parts.masters, master_name, &entry->master, out_master));
    SHERD_TRY(sherd_entities_epochs(entities, now, out_epochs));
    entry->epoch = out_epochs->numbers[out_epochs->count - 1];
    return SHERD_OK;
}

static const char *master_of(const struct sherd_collection *rules)
{
    return rules->master_key[0] != 0 ? rules->master_key : SHERD_MASTER_DEFAULT;
}

struct sherd_event sherd_entities_event(enum sherd_event_kind kind, const struct sherd_entity_key_entry *entry)
{
    struct sherd_event event = {.kind = kind, .version = entry->version, .subject = entry->entity};

    memcpy(event.collection.bytes, entry->collection.bytes, sizeof(event.collection.bytes));
    return event;
}

/* The write set of a new entity: its entry, its lookup entry, and the guard. */
static enum sherd_err write_new(struct sherd_entities *entities, const struct id_place *place,
                                const struct sherd_entity_key_entry *entry)
{
    const struct sherd_entity_lookup lookup = {
        .collection = entry->collection, .entity = entry->entity, .hash = place->hash};
    const struct sherd_entities_serving serving = {.master = entry->master, .hash = place->hash, .epoch = entry->epoch};
    struct sherd_store_op ops[3];
    struct sherd_entities_room rooms[2];
    struct sherd_ring_guard_room guard;
    bool lost;

    SHERD_TRY(sherd_entities_lookup_op(entities, &place->name, &lookup, &rooms[0], &ops[0]));
    SHERD_TRY(sherd_entities_op(entities, SHERD_KIND_ENTITY_KEY, &entry->entity, entry, sherd_span_of(NULL, 0),
                                &rooms[1], &ops[1]));
    SHERD_TRY(sherd_entities_guard(entities, &serving, ops, 2, &guard, &ops[2]));
    struct sherd_event event = sherd_entities_event(SHERD_EVENT_ENTITY, entry);
    return sherd_ring_write_guarded(entities->parts.ring, ops, SHERD_COUNT_OF(ops), &ops[2], &event, 1, &lost);
}

static enum sherd_err create(struct sherd_entities *entities, const struct sherd_entities_stamp *now,
                             const struct sherd_collection_entry *collection, const char *entity_id,
                             const struct id_place *place, struct sherd_ref *out_entity)
{
    SHERD_CLEANUP(sherd_entity_key_entry_wipe) struct sherd_entity_key_entry entry = {
        .collection = collection->id,
        .version = 1,
        .version_oldest = 1,
        .derived = collection->rules.derived_entity_keys};
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_entities_hand *hand = sherd_secret_alloc(sizeof(*hand));

    if (hand == NULL)
        return SHERD_ERR_NO_MEMORY;
    memcpy(entry.entity_id, entity_id, strlen(entity_id));
    SHERD_TRY(sherd_random(entry.entity.bytes, sizeof(entry.entity.bytes)));
    SHERD_TRY(serving(entities, now, master_of(&collection->rules), &hand->master, &hand->epochs, &entry));
    SHERD_TRY(sherd_masters_use(entities->parts.masters, &entry.master, 1));
    if (!entry.derived)
        SHERD_TRY(fresh_key(entities, &hand->master, sherd_entities_epoch_key(&hand->epochs, entry.epoch), &entry));
    SHERD_TRY(write_new(entities, place, &entry));
    hold_id(entities, now, &place->name, &entry.entity);
    *out_entity = entry.entity;
    return SHERD_OK;
}

/* CONFLICT: another thread or process was faster, or the keys are being changed; perhaps by one that could not tell. */
enum sherd_err sherd_entities_ensure(struct sherd_entities *entities, const struct sherd_collection_entry *collection,
                                     const char *entity_id, struct sherd_ref *out_entity)
{
    enum sherd_err err = SHERD_ERR_CONFLICT;

    for (unsigned tries = 0; tries < SHERD_ENTITIES_TRIES_MAX && err == SHERD_ERR_CONFLICT; tries++) {
        const struct sherd_entities_stamp now = sherd_entities_now(entities);
        struct id_place place = {0};

        err = find(entities, &now, &collection->id, entity_id, &place, out_entity);
        if (err == SHERD_ERR_NOT_FOUND)
            err = create(entities, &now, collection, entity_id, &place, out_entity);
        if (err == SHERD_ERR_CONFLICT && tries > 0)
            sherd_ring_doubt(entities->parts.ring);
    }
    return err;
}

/* --- keys that wrap ----------------------------------------------------------------------------------------------- */

enum sherd_err sherd_entities_erased(void)
{
    return sherd_fail(SHERD_ERR_NOT_FOUND, "the entity was erased");
}

/* The newest entry of an entity. What a pin needs and is not there any more was removed by hand. */
static enum sherd_err read_head(struct sherd_entities *entities, const struct sherd_entities_stamp *now,
                                const struct sherd_ref *entity, struct sherd_entity_stored *out_stored)
{
    const enum sherd_err err = sherd_entity_key_read(&entities->parts.at, entity, 0, out_stored);
    struct head_slot *slot = &entities->heads[slot_of(entity)];

    if (err == SHERD_ERR_NOT_FOUND)
        return sherd_fail(SHERD_ERR_TAMPERED, "an entity's key is missing");
    SHERD_TRY(err);
    (void)pthread_rwlock_wrlock(&entities->lock);
    *slot = (struct head_slot){.stamp = *now,
                               .entity = *entity,
                               .master = out_stored->entry.master,
                               .version = out_stored->entry.version,
                               .erased = out_stored->entry.state == SHERD_ENTITY_ERASED};
    (void)pthread_rwlock_unlock(&entities->lock);
    return SHERD_OK;
}

/* Unwrap the key of an entry. */
enum sherd_err sherd_entities_unwrap_entry(struct sherd_entities *entities, const struct sherd_entity_key_entry *entry,
                                           struct sherd_entities_hand *hand)
{
    const struct sherd_epoch_key *epoch = sherd_entities_epoch_key(&hand->epochs, entry->epoch);

    SHERD_ENSURE(epoch != NULL || entry->derived, SHERD_ERR_TAMPERED,
                 "an entity's key is of an erase epoch that has ended");
    SHERD_TRY(sherd_masters_key(entities->parts.masters, &entry->master, &hand->master));
    return sherd_entity_key_unwrap(&entities->parts.at, &hand->master, epoch, entry, &hand->key);
}

static enum sherd_err read_version(struct sherd_entities *entities, const struct sherd_entities_stamp *now,
                                   const struct sherd_ref *entity, uint64_t version,
                                   struct sherd_entity_stored *out_stored)
{
    SHERD_TRY(read_head(entities, now, entity, out_stored));
    if (out_stored->entry.state == SHERD_ENTITY_ERASED)
        return sherd_entities_erased();
    if (version == out_stored->entry.version)
        return SHERD_OK;
    const enum sherd_err err = sherd_entity_key_read(&entities->parts.at, entity, version, out_stored);
    return err == SHERD_ERR_NOT_FOUND ? sherd_fail(SHERD_ERR_TAMPERED, "a version of an entity's key is missing") : err;
}

/* Unwrap the key of a version of an entity to hand->key. @param[out] stored  its entry; the caller wipes it */
static enum sherd_err load_entity(struct sherd_entities *entities, const struct sherd_entities_stamp *now,
                                  const struct sherd_ref *entity, uint64_t version, struct sherd_entities_hand *hand,
                                  struct sherd_entity_stored *stored)
{
    SHERD_TRY(read_version(entities, now, entity, version, stored));
    return sherd_entities_unwrap_entry(entities, &stored->entry, hand);
}

/* The version of a named key that a pin says, which is that of an entity of the collection of named keys. */
static enum sherd_err load_named(struct sherd_entities *entities, const struct sherd_entities_stamp *now,
                                 const struct sherd_pin *pin, struct sherd_entities_hand *hand,
                                 struct sherd_entity_named *out_named)
{
    SHERD_CLEANUP(sherd_entity_stored_wipe) struct sherd_entity_stored stored = {.entry = {.version = 0}};

    const enum sherd_err err = load_entity(entities, now, &pin->named_key, pin->named_key_version, hand, &stored);
    if (err == SHERD_ERR_NOT_FOUND)
        return sherd_fail(SHERD_ERR_TAMPERED, "a named key was erased");
    SHERD_TRY(err);
    SHERD_ENSURE(sherd_same(&stored.entry.collection, &sherd_named_keys, sizeof(sherd_named_keys)), SHERD_ERR_TAMPERED,
                 "what a record lies under is no named key");
    out_named->id = pin->named_key;
    out_named->version = pin->named_key_version;
    out_named->key = hand->key;
    return SHERD_OK;
}

/* Load the key that wraps the record key of a pin. */
static enum sherd_err load(struct sherd_entities *entities, const struct sherd_entities_stamp *now,
                           const struct sherd_pin *pin)
{
    SHERD_CLEANUP(sherd_entity_stored_wipe) struct sherd_entity_stored stored = {.entry = {.version = 0}};
    struct key_slot *slot = &entities->keys[key_slot_of(pin)];
    struct sherd_entity_keys at = entities->parts.at;
    struct sherd_hmac_key *wrapping;
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_entities_hand *hand = sherd_secret_alloc(sizeof(*hand));
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_entity_named *named = sherd_secret_alloc(sizeof(*named));

    if (hand == NULL || named == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_store_key_get(entities->parts.ring, SHERD_SECRETS, pin->secrets_key_version, &hand->secrets));
    at.secrets = &hand->secrets;
    SHERD_TRY(sherd_entities_epochs(entities, now, &hand->epochs));
    const struct sherd_epoch_key *key = sherd_entities_epoch_key(&hand->epochs, pin->epoch);
    if (pin->has_named_key)
        SHERD_TRY(load_named(entities, now, pin, hand, named));
    SHERD_TRY(read_version(entities, now, &pin->entity, pin->entity_key_version, &stored));
    SHERD_ENSURE(key != NULL, SHERD_ERR_TAMPERED, "a record's key is of an erase epoch that has ended");
    SHERD_TRY(sherd_entities_unwrap_entry(entities, &stored.entry, hand));
    SHERD_TRY(sherd_entity_key_wrapping(&at, &stored.entry, &hand->key, pin->epoch, key,
                                        pin->has_named_key ? named : NULL, &wrapping));
    (void)pthread_rwlock_wrlock(&entities->lock);
    sherd_hmac_key_free(slot->wrapping);
    *slot = (struct key_slot){.stamp = *now,
                              .entity = pin->entity,
                              .version = pin->entity_key_version,
                              .epoch = pin->epoch,
                              .named = pin->named_key,
                              .named_version = pin->named_key_version,
                              .secrets = pin->secrets_key_version,
                              .wrapping = wrapping};
    (void)pthread_rwlock_unlock(&entities->lock);
    return SHERD_OK;
}

/*
 * Hold the key of a pin for reading, loading it first where it must; the caller unlocks on SHERD_OK. Another may take
 * the slot between loading and locking, so it is tried again. What was just loaded is as good as a look at that moment,
 * however often the notice is raised.
 */
static enum sherd_err acquire(struct sherd_entities *entities, const struct sherd_entities_stamp *asked,
                              const struct sherd_pin *pin, const struct sherd_hmac_key **out_wrapping)
{
    const struct key_slot *slot = &entities->keys[key_slot_of(pin)];
    struct sherd_entities_stamp now = *asked;

    for (unsigned tries = 0; tries < SHERD_ENTITIES_TRIES_MAX; tries++) {
        if (tries > 0 && tries % 2 == 0)
            now = sherd_entities_now(entities);
        (void)pthread_rwlock_rdlock(&entities->lock);
        if (holds(&slot->stamp, &now) && is_key_of(slot, pin)) {
            *out_wrapping = slot->wrapping;
            return SHERD_OK;
        }
        (void)pthread_rwlock_unlock(&entities->lock);
        SHERD_TRY(load(entities, &now, pin));
    }
    return sherd_fail(SHERD_ERR_BUSY, "an entity's key is changed again and again: try later");
}

/* Which version of an entity's key is the newest. @return SHERD_OK; SHERD_ERR_NOT_FOUND: it was erased; ... */
static enum sherd_err newest(struct sherd_entities *entities, const struct sherd_entities_stamp *now,
                             const struct sherd_ref *entity, uint64_t *out_version)
{
    const struct head_slot *slot = &entities->heads[slot_of(entity)];

    (void)pthread_rwlock_rdlock(&entities->lock);
    const bool held = holds(&slot->stamp, now) && sherd_same_ref(&slot->entity, entity);
    const bool gone = slot->erased;
    const uint64_t version = slot->version;
    (void)pthread_rwlock_unlock(&entities->lock);
    if (held) {
        *out_version = version;
        return gone ? sherd_entities_erased() : SHERD_OK;
    }
    SHERD_CLEANUP(sherd_entity_stored_wipe) struct sherd_entity_stored stored = {.entry = {.version = 0}};
    SHERD_TRY(read_head(entities, now, entity, &stored));
    *out_version = stored.entry.version;
    return stored.entry.state == SHERD_ENTITY_ERASED ? sherd_entities_erased() : SHERD_OK;
}

static enum sherd_err newest_epoch(struct sherd_entities *entities, const struct sherd_entities_stamp *now,
                                   uint64_t *out_epoch)
{
    (void)pthread_rwlock_rdlock(&entities->lock);
    const bool held = holds(&entities->epochs_stamp, now);
    if (held)
        *out_epoch = entities->epochs->numbers[entities->epochs->count - 1];
    (void)pthread_rwlock_unlock(&entities->lock);
    if (held)
        return SHERD_OK;
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_epoch_set *set = sherd_secret_alloc(sizeof(*set));
    if (set == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_entities_epochs(entities, now, set));
    *out_epoch = set->numbers[set->count - 1];
    return SHERD_OK;
}

static enum sherd_err wrap(struct sherd_entities *entities, const struct sherd_entities_stamp *now,
                           const struct sherd_record_key *key, struct sherd_pin *pin)
{
    struct sherd_buf wrapped = sherd_buf_borrow(pin->key.bytes, sizeof(pin->key.bytes));
    struct sherd_context context;
    const struct sherd_hmac_key *wrapping;

    SHERD_TRY(newest(entities, now, &pin->entity, &pin->entity_key_version));
    SHERD_TRY(newest_epoch(entities, now, &pin->epoch));
    if (pin->has_named_key)
        SHERD_TRY(newest(entities, now, &pin->named_key, &pin->named_key_version));
    SHERD_TRY(sherd_store_key_newest(entities->parts.ring, SHERD_SECRETS, &pin->secrets_key_version));
    SHERD_TRY(acquire(entities, now, pin, &wrapping));
    sherd_entity_key_pin_context(&entities->parts.at, pin, &context);
    const enum sherd_err err = sherd_aead_seal_with(wrapping, sherd_context_span(&context),
                                                    sherd_span_of(key->bytes, sizeof(key->bytes)), &wrapped);
    (void)pthread_rwlock_unlock(&entities->lock);
    return err;
}

enum sherd_err sherd_entities_wrap(struct sherd_entities *entities, const struct sherd_record_key *key,
                                   struct sherd_pin *pin)
{
    const struct sherd_entities_stamp now = sherd_entities_now(entities);

    return wrap(entities, &now, key, pin);
}

static enum sherd_err unwrap(struct sherd_entities *entities, const struct sherd_entities_stamp *now,
                             const struct sherd_pin *pin, struct sherd_record_key *out_key)
{
    struct sherd_buf key = sherd_buf_borrow(out_key->bytes, sizeof(out_key->bytes));
    struct sherd_context context;
    const struct sherd_hmac_key *wrapping;

    SHERD_ENSURE(pin->secrets_key_version != 0, SHERD_ERR_TAMPERED, "a record's key does not verify");
    SHERD_TRY(acquire(entities, now, pin, &wrapping));
    sherd_entity_key_pin_context(&entities->parts.at, pin, &context);
    const enum sherd_err err = sherd_aead_open_with(wrapping, sherd_context_span(&context),
                                                    sherd_span_of(pin->key.bytes, sizeof(pin->key.bytes)), &key);
    (void)pthread_rwlock_unlock(&entities->lock);
    return err;
}

enum sherd_err sherd_entities_newest(struct sherd_entities *entities, const struct sherd_ref *entity,
                                     uint64_t *out_version)
{
    const struct sherd_entities_stamp now = sherd_entities_now(entities);

    return newest(entities, &now, entity, out_version);
}

enum sherd_err sherd_entities_unwrap(struct sherd_entities *entities, const struct sherd_pin *pin,
                                     struct sherd_record_key *out_key)
{
    const struct sherd_entities_stamp now = sherd_entities_now(entities);

    return unwrap(entities, &now, pin, out_key);
}

enum sherd_err sherd_entities_live(struct sherd_entities *entities, const struct sherd_ref *entity)
{
    const struct sherd_entities_stamp now = sherd_entities_now(entities);
    uint64_t version;

    return newest(entities, &now, entity, &version);
}

enum sherd_err sherd_entities_master_of(struct sherd_entities *entities, const struct sherd_entities_stamp *now,
                                        const struct sherd_ref *entity, uint64_t version, struct sherd_ref *out_master)
{
    SHERD_CLEANUP(sherd_entity_stored_wipe) struct sherd_entity_stored stored = {.entry = {.version = 0}};
    const struct head_slot *slot = &entities->heads[slot_of(entity)];

    (void)pthread_rwlock_rdlock(&entities->lock);
    const bool held = holds(&slot->stamp, now) && sherd_same_ref(&slot->entity, entity) && slot->version == version;
    if (held)
        *out_master = slot->master;
    (void)pthread_rwlock_unlock(&entities->lock);
    if (held)
        return SHERD_OK;
    SHERD_TRY(read_version(entities, now, entity, version, &stored));
    *out_master = stored.entry.master;
    return SHERD_OK;
}

static enum sherd_err is_up_to_date(struct sherd_entities *entities, const struct sherd_entities_stamp *now,
                                    const struct sherd_pin *pin, bool *out_up_to_date)
{
    uint64_t named_version = pin->named_key_version;
    uint64_t version;
    uint64_t epoch;
    uint64_t secrets;

    SHERD_TRY(newest(entities, now, &pin->entity, &version));
    SHERD_TRY(newest_epoch(entities, now, &epoch));
    if (pin->has_named_key)
        SHERD_TRY(newest(entities, now, &pin->named_key, &named_version));
    SHERD_TRY(sherd_store_key_newest(entities->parts.ring, SHERD_SECRETS, &secrets));
    *out_up_to_date = pin->entity_key_version == version && pin->epoch == epoch &&
                      pin->named_key_version == named_version && pin->secrets_key_version == secrets;
    return SHERD_OK;
}

enum sherd_err sherd_entities_up_to_date(struct sherd_entities *entities, const struct sherd_pin *pin,
                                         bool *out_up_to_date)
{
    const struct sherd_entities_stamp now = sherd_entities_now(entities);

    return is_up_to_date(entities, &now, pin, out_up_to_date);
}

enum sherd_err sherd_entities_rewrap(struct sherd_entities *entities, struct sherd_record_key *room,
                                     struct sherd_pin *pin, bool *out_changed)
{
    const struct sherd_entities_stamp now = sherd_entities_now(entities);
    bool up_to_date = true;

    SHERD_TRY(is_up_to_date(entities, &now, pin, &up_to_date));
    if (!up_to_date) {
        SHERD_TRY(unwrap(entities, &now, pin, room));
        SHERD_TRY(wrap(entities, &now, room, pin));
    }
    *out_changed = !up_to_date;
    return SHERD_OK;
}

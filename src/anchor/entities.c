/* SPDX-License-Identifier: Apache-2.0 */
/* Entity keys: see entities.h. Keys and contexts are those of docs/format/envelope.md section 4. */
#include "anchor/entities.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include <pthread.h>

#define TWO_KEYS_SIZE ((size_t)2 * SHERD_KEY_SIZE)
#define LABEL_ENTITY "entity"

struct entity_key {
    uint8_t bytes[SHERD_KEY_SIZE];
};

/* One cached entity: the key that wraps its record keys. */
struct slot {
    struct sherd_ref entity;
    uint64_t version;
    struct sherd_hmac_key *wrapping; /* NULL: empty */
};

/* A direct-mapped cache: an entity has one slot, and takes it from whoever is in it. */
struct sherd_entities {
    const struct sherd_keyring *ring;
    struct sherd_entry_keys keys;
    struct sherd_compartment *compartment;
    pthread_rwlock_t lock; /* guards slots; held for reading while a slot's key is used */
    struct slot slots[SHERD_ENTITIES_CACHED_MAX];
};

enum sherd_err sherd_entities_new(const struct sherd_keyring *ring, const struct sherd_entry_keys *keys,
                                  struct sherd_compartment *compartment, struct sherd_entities **out_entities)
{
    struct sherd_entities *entities = sherd_alloc(sizeof(*entities));

    if (entities == NULL)
        return SHERD_ERR_NO_MEMORY;
    entities->ring = ring;
    entities->keys = *keys;
    entities->compartment = compartment;
    if (pthread_rwlock_init(&entities->lock, NULL) != 0) {
        sherd_free(entities);
        return sherd_fail(SHERD_ERR_NO_MEMORY, "a lock could not be made");
    }
    *out_entities = entities;
    return SHERD_OK;
}

void sherd_entities_free(struct sherd_entities *entities)
{
    if (entities == NULL)
        return;
    for (size_t i = 0; i < SHERD_COUNT_OF(entities->slots); i++)
        sherd_hmac_key_free(entities->slots[i].wrapping);
    (void)pthread_rwlock_destroy(&entities->lock);
    sherd_free(entities);
}

/* Refs are pseudonyms, so their bytes spread evenly. */
static struct slot *slot_of(struct sherd_entities *entities, const struct sherd_ref *entity)
{
    return &entities->slots[sherd_get_u32(entity->bytes) % SHERD_COUNT_OF(entities->slots)];
}

static bool slot_holds(const struct slot *slot, const struct sherd_ref *entity)
{
    return slot->wrapping != NULL && sherd_same(slot->entity.bytes, entity->bytes, sizeof(entity->bytes));
}

static const struct sherd_keyring_store *secrets_store(const struct sherd_entities *entities)
{
    return &entities->ring->stores[SHERD_SECRETS - 1];
}

/* The scope of an entity's own keys: no record, the entity key's version. */
static struct sherd_scope entity_scope(const struct sherd_entities *entities, const struct sherd_uuid *collection,
                                       const struct sherd_ref *entity, uint64_t version)
{
    const struct sherd_scope scope = {.deployment = entities->ring->deployment,
                                      .tenant = entities->ring->tenant,
                                      .collection = *collection,
                                      .entity = *entity,
                                      .version = version};

    return scope;
}

static struct sherd_scope pin_scope(const struct sherd_entities *entities, const struct sherd_pin *pin)
{
    const struct sherd_scope scope = {.deployment = entities->ring->deployment,
                                      .tenant = entities->ring->tenant,
                                      .collection = pin->collection,
                                      .entity = pin->entity,
                                      .record = pin->record,
                                      .version = pin->version};

    return scope;
}

static enum sherd_err entity_name(const struct sherd_entities *entities, const struct sherd_uuid *collection,
                                  const char *entity_id, struct sherd_ref *out_entity)
{
    return sherd_entry_name(&entities->keys, LABEL_ENTITY, sherd_span_of(collection->bytes, 16),
                            sherd_span_str(entity_id), out_entity);
}

static enum sherd_err wrap_entity_key(const struct sherd_entities *entities, const struct entity_key *key,
                                      struct sherd_entity_key_entry *entry)
{
    const struct sherd_scope scope = entity_scope(entities, &entry->collection, &entry->entity, entry->version);
    struct sherd_buf wrapped = sherd_buf_borrow(entry->key.bytes, sizeof(entry->key.bytes));
    struct sherd_context context;

    sherd_context_of_scope(&scope, SHERD_FOR_ENTITY_KEY, 0, entry->master_key_version, &context);
    return sherd_aead_seal(entities->ring->master.bytes, sherd_context_span(&context),
                           sherd_span_of(key->bytes, sizeof(key->bytes)), &wrapped);
}

static enum sherd_err unwrap_entity_key(const struct sherd_entities *entities,
                                        const struct sherd_entity_key_entry *entry, struct entity_key *out_key)
{
    const struct sherd_scope scope = entity_scope(entities, &entry->collection, &entry->entity, entry->version);
    struct sherd_buf key = sherd_buf_borrow(out_key->bytes, sizeof(out_key->bytes));
    struct sherd_context context;

    SHERD_ENSURE(entry->master_key_version == entities->ring->master_version, SHERD_ERR_TAMPERED,
                 "an entity's key does not verify");
    sherd_context_of_scope(&scope, SHERD_FOR_ENTITY_KEY, 0, entry->master_key_version, &context);
    return sherd_aead_open(entities->ring->master.bytes, sherd_context_span(&context),
                           sherd_span_of(entry->key.bytes, sizeof(entry->key.bytes)), &key);
}

/* wrapping key = HKDF( entity key || store key of secrets ; context ) */
static enum sherd_err derive_wrapping_key(const struct sherd_entities *entities,
                                          const struct sherd_entity_key_entry *entry, const struct entity_key *key,
                                          struct sherd_hmac_key **out_wrapping)
{
    const struct sherd_keyring_store *secrets = secrets_store(entities);
    const struct sherd_scope scope = entity_scope(entities, &entry->collection, &entry->entity, entry->version);
    struct sherd_context context;
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *block = sherd_secret_alloc(TWO_KEYS_SIZE + SHERD_KEY_SIZE);

    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    uint8_t *derived = block + TWO_KEYS_SIZE;
    memcpy(block, key->bytes, SHERD_KEY_SIZE);
    memcpy(block + SHERD_KEY_SIZE, secrets->key.bytes, SHERD_KEY_SIZE);
    sherd_context_of_scope(&scope, SHERD_FOR_WRAPPING_KEY, (uint32_t)secrets->version, entry->version, &context);
    SHERD_TRY(sherd_hkdf(SHERD_SHA512, sherd_span_of(block, TWO_KEYS_SIZE), sherd_span_of(NULL, 0),
                         sherd_context_span(&context), derived, SHERD_KEY_SIZE));
    return sherd_hmac_key_new(SHERD_SHA512, sherd_span_of(derived, SHERD_KEY_SIZE), out_wrapping);
}

static enum sherd_err insert(struct sherd_entities *entities, const struct sherd_entity_key_entry *entry,
                             const struct entity_key *key)
{
    struct sherd_hmac_key *wrapping;

    SHERD_TRY(derive_wrapping_key(entities, entry, key, &wrapping));
    (void)pthread_rwlock_wrlock(&entities->lock);
    struct slot *slot = slot_of(entities, &entry->entity);
    sherd_hmac_key_free(slot->wrapping);
    slot->entity = entry->entity;
    slot->version = entry->version;
    slot->wrapping = wrapping;
    (void)pthread_rwlock_unlock(&entities->lock);
    return SHERD_OK;
}

static enum sherd_err open_entry(const struct sherd_entities *entities, const struct sherd_ref *entity,
                                 struct sherd_span stored, struct sherd_entity_key_entry *out_entry)
{
    uint8_t block[SHERD_PAYLOAD_BYTES_MAX];
    struct sherd_buf payload = sherd_buf_borrow(block, sizeof(block));
    struct sherd_span tlv;

    enum sherd_err err = sherd_entry_open(&entities->keys, SHERD_KIND_ENTITY_KEY, entity, stored, &payload, &tlv);
    if (err == SHERD_OK)
        err = sherd_entity_key_decode(tlv, out_entry);
    sherd_buf_clear(&payload);
    SHERD_TRY(err);
    SHERD_ENSURE(sherd_same(out_entry->entity.bytes, entity->bytes, sizeof(entity->bytes)), SHERD_ERR_TAMPERED,
                 "an entity's key does not verify");
    return SHERD_OK;
}

/* Read an entity's key from the store into the cache. */
static enum sherd_err load(struct sherd_entities *entities, const struct sherd_ref *entity)
{
    uint8_t block[SHERD_ENTRY_BYTES_MAX];
    struct sherd_buf stored = sherd_buf_borrow(block, sizeof(block));
    SHERD_CLEANUP(sherd_entity_key_entry_wipe) struct sherd_entity_key_entry entry = {0};
    SHERD_CLEANUP(sherd_secret_freep) struct entity_key *key = sherd_secret_alloc(sizeof(*key));

    if (key == NULL)
        return SHERD_ERR_NO_MEMORY;
    const enum sherd_err err = sherd_compartment_get(entities->compartment, *entity, &stored);
    SHERD_ENSURE(err != SHERD_ERR_LIMIT, SHERD_ERR_TAMPERED, "an entity's key does not verify");
    SHERD_TRY(err);
    SHERD_TRY(open_entry(entities, entity, sherd_buf_span(&stored), &entry));
    SHERD_TRY(unwrap_entity_key(entities, &entry, key));
    return insert(entities, &entry, key);
}

static enum sherd_err store_entry(const struct sherd_entities *entities, const struct sherd_entity_key_entry *entry)
{
    uint8_t tlv[SHERD_TLV_BYTES_MAX];
    uint8_t block[SHERD_ENTRY_BYTES_MAX];
    struct sherd_buf stored = sherd_buf_borrow(block, sizeof(block));
    size_t tlv_bytes;

    enum sherd_err err = sherd_entity_key_encode(entry, tlv, &tlv_bytes);
    if (err == SHERD_OK)
        err = sherd_entry_seal(&entities->keys, SHERD_KIND_ENTITY_KEY, &entry->entity, sherd_span_of(tlv, tlv_bytes),
                               &stored);
    sherd_wipe(tlv, sizeof(tlv));
    SHERD_TRY(err);
    const struct sherd_store_op op = {.kind = SHERD_STORE_PUT,
                                      .expect = SHERD_EXPECT_ABSENT,
                                      .name = entry->entity,
                                      .value = sherd_buf_span(&stored)};
    return sherd_compartment_write(entities->compartment, &op, 1);
}

static enum sherd_err create(struct sherd_entities *entities, const struct sherd_uuid *collection,
                             const char *entity_id, const struct sherd_ref *entity)
{
    SHERD_CLEANUP(sherd_entity_key_entry_wipe) struct sherd_entity_key_entry entry = {
        .collection = *collection,
        .entity = *entity,
        .version = 1,
        .master_key_version = entities->ring->master_version};
    SHERD_CLEANUP(sherd_secret_freep) struct entity_key *key = sherd_secret_alloc(sizeof(*key));

    if (key == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_ENSURE(strlen(entity_id) <= SHERD_ENTITY_BYTES_MAX, SHERD_ERR_INVALID,
                 "an entity's id has at most 128 bytes");
    memcpy(entry.entity_id, entity_id, strlen(entity_id));
    SHERD_TRY(sherd_random(key->bytes, sizeof(key->bytes)));
    SHERD_TRY(wrap_entity_key(entities, key, &entry));
    SHERD_TRY(store_entry(entities, &entry));
    return insert(entities, &entry, key);
}

static bool cached(struct sherd_entities *entities, const struct sherd_ref *entity)
{
    (void)pthread_rwlock_rdlock(&entities->lock);
    const bool held = slot_holds(slot_of(entities, entity), entity);
    (void)pthread_rwlock_unlock(&entities->lock);
    return held;
}

enum sherd_err sherd_entities_ensure(struct sherd_entities *entities, const struct sherd_uuid *collection,
                                     const char *entity_id, struct sherd_ref *out_entity)
{
    struct sherd_ref entity;

    SHERD_TRY(entity_name(entities, collection, entity_id, &entity));
    if (!cached(entities, &entity)) {
        enum sherd_err err = load(entities, &entity);

        if (err == SHERD_ERR_NOT_FOUND)
            err = create(entities, collection, entity_id, &entity);
        if (err == SHERD_ERR_CONFLICT) /* another thread or process was faster */
            err = load(entities, &entity);
        SHERD_TRY(err);
    }
    *out_entity = entity;
    return SHERD_OK;
}

/* A key that a pin needs and that is not there any more was removed by hand: say what it is. */
static enum sherd_err load_for_pin(struct sherd_entities *entities, const struct sherd_ref *entity)
{
    const enum sherd_err err = load(entities, entity);

    return err == SHERD_ERR_NOT_FOUND ? sherd_fail(SHERD_ERR_TAMPERED, "an entity's key is missing") : err;
}

/*
 * Hold an entity's slot for reading, loading it first where it must; the caller unlocks on SHERD_OK. Another entity may
 * take the slot between loading and locking, so it is tried again.
 */
static enum sherd_err acquire(struct sherd_entities *entities, const struct sherd_ref *entity,
                              const struct slot **out_slot)
{
    for (;;) {
        (void)pthread_rwlock_rdlock(&entities->lock);
        const struct slot *slot = slot_of(entities, entity);
        if (slot_holds(slot, entity)) {
            *out_slot = slot;
            return SHERD_OK;
        }
        (void)pthread_rwlock_unlock(&entities->lock);
        SHERD_TRY(load_for_pin(entities, entity));
    }
}

static void record_key_context(const struct sherd_entities *entities, const struct sherd_pin *pin,
                               struct sherd_context *out_context)
{
    const struct sherd_scope scope = pin_scope(entities, pin);

    sherd_context_of_scope(&scope, SHERD_FOR_RECORD_KEY, (uint32_t)pin->secrets_key_version, pin->entity_key_version,
                           out_context);
}

enum sherd_err sherd_entities_wrap(struct sherd_entities *entities, const struct sherd_record_key *key,
                                   struct sherd_pin *pin)
{
    struct sherd_buf wrapped = sherd_buf_borrow(pin->key.bytes, sizeof(pin->key.bytes));
    struct sherd_context context;
    const struct slot *slot;

    SHERD_TRY(acquire(entities, &pin->entity, &slot));
    pin->entity_key_version = slot->version;
    pin->secrets_key_version = secrets_store(entities)->version;
    record_key_context(entities, pin, &context);
    const enum sherd_err err = sherd_aead_seal_with(slot->wrapping, sherd_context_span(&context),
                                                    sherd_span_of(key->bytes, sizeof(key->bytes)), &wrapped);
    (void)pthread_rwlock_unlock(&entities->lock);
    return err;
}

enum sherd_err sherd_entities_unwrap(struct sherd_entities *entities, const struct sherd_pin *pin,
                                     struct sherd_record_key *out_key)
{
    struct sherd_buf key = sherd_buf_borrow(out_key->bytes, sizeof(out_key->bytes));
    struct sherd_context context;
    const struct slot *slot;
    enum sherd_err err;

    SHERD_TRY(acquire(entities, &pin->entity, &slot));
    if (pin->entity_key_version != slot->version || pin->secrets_key_version != secrets_store(entities)->version) {
        err = sherd_fail(SHERD_ERR_TAMPERED, "a record's key does not verify");
    } else {
        record_key_context(entities, pin, &context);
        err = sherd_aead_open_with(slot->wrapping, sherd_context_span(&context),
                                   sherd_span_of(pin->key.bytes, sizeof(pin->key.bytes)), &key);
    }
    (void)pthread_rwlock_unlock(&entities->lock);
    return err;
}

enum sherd_err sherd_entities_check(struct sherd_entities *entities, const struct sherd_ref *name,
                                    struct sherd_span stored)
{
    SHERD_CLEANUP(sherd_entity_key_entry_wipe) struct sherd_entity_key_entry entry = {0};
    struct sherd_ref derived;
    SHERD_CLEANUP(sherd_secret_freep) struct entity_key *key = sherd_secret_alloc(sizeof(*key));

    if (key == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(open_entry(entities, name, stored, &entry));
    SHERD_TRY(entity_name(entities, &entry.collection, entry.entity_id, &derived));
    SHERD_ENSURE(sherd_same(derived.bytes, name->bytes, sizeof(derived.bytes)), SHERD_ERR_TAMPERED,
                 "an entity's key does not verify");
    return unwrap_entity_key(entities, &entry, key);
}

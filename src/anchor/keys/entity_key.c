/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of one entity: see entity_key.h. */
#include "anchor/keys/entity_key.h"
#include "base/bytes.h"
#include "base/secret.h"

#define LABEL_OLD "entity key"

/* The scope of an entity's own keys: no record, the entity key's version. */
static struct sherd_scope entity_scope(const struct sherd_entity_keys *at, const struct sherd_entity_key_entry *entry)
{
    const struct sherd_scope scope = {.deployment = at->deployment,
                                      .tenant = at->tenant,
                                      .collection = entry->collection,
                                      .entity = entry->entity,
                                      .version = entry->version};

    return scope;
}

/* HKDF over up to three keys side by side, into 32 bytes of secret memory. */
static enum sherd_err derive(const uint8_t *const *keys, size_t count, const struct sherd_context *context,
                             uint8_t out[static SHERD_KEY_SIZE])
{
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *ikm = sherd_secret_alloc(count * SHERD_KEY_SIZE);

    if (ikm == NULL)
        return SHERD_ERR_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        memcpy(ikm + i * SHERD_KEY_SIZE, keys[i], SHERD_KEY_SIZE);
    return sherd_hkdf(SHERD_SHA512, sherd_span_of(ikm, count * SHERD_KEY_SIZE), sherd_span_of(NULL, 0),
                      sherd_context_span(context), out, SHERD_KEY_SIZE);
}

/* key-encryption key = HKDF( master key || epoch key ; context ); the context is also that of what it wraps */
static enum sherd_err kek_of(const struct sherd_entity_keys *at, const struct sherd_master_key *master,
                             const struct sherd_epoch_key *epoch, const struct sherd_entity_key_entry *entry,
                             struct sherd_context *out_context, uint8_t out_kek[static SHERD_KEY_SIZE])
{
    const uint8_t *const keys[] = {master->bytes, epoch->bytes};
    const struct sherd_scope scope = entity_scope(at, entry);

    sherd_context_of_wrap(&scope, SHERD_FOR_ENTITY_KEY, 0, 0, &entry->master, entry->epoch, out_context);
    return derive(keys, SHERD_COUNT_OF(keys), out_context, out_kek);
}

enum sherd_err sherd_entity_key_wrap(const struct sherd_entity_keys *at, const struct sherd_master_key *master,
                                     const struct sherd_epoch_key *epoch, const struct sherd_entity_key *key,
                                     struct sherd_entity_key_entry *entry)
{
    struct sherd_buf wrapped = sherd_buf_borrow(entry->key.bytes, sizeof(entry->key.bytes));
    struct sherd_context context;
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *kek = sherd_secret_alloc(SHERD_KEY_SIZE);

    if (kek == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(kek_of(at, master, epoch, entry, &context, kek));
    return sherd_aead_seal(kek, sherd_context_span(&context), sherd_span_of(key->bytes, sizeof(key->bytes)), &wrapped);
}

/* A derived key takes no epoch key: it would change with the epoch, and what it wraps carries the epoch anyway. */
static enum sherd_err derive_entity_key(const struct sherd_entity_keys *at, const struct sherd_master_key *master,
                                        const struct sherd_entity_key_entry *entry, struct sherd_entity_key *out_key)
{
    const uint8_t *const keys[] = {master->bytes};
    const struct sherd_scope scope = entity_scope(at, entry);
    struct sherd_context context;

    sherd_context_of_wrap(&scope, SHERD_FOR_DERIVED_KEY, 0, 0, &entry->master, 0, &context);
    return derive(keys, SHERD_COUNT_OF(keys), &context, out_key->bytes);
}

enum sherd_err sherd_entity_key_unwrap(const struct sherd_entity_keys *at, const struct sherd_master_key *master,
                                       const struct sherd_epoch_key *epoch, const struct sherd_entity_key_entry *entry,
                                       struct sherd_entity_key *out_key)
{
    struct sherd_buf key = sherd_buf_borrow(out_key->bytes, sizeof(out_key->bytes));
    struct sherd_context context;

    if (entry->derived)
        return derive_entity_key(at, master, entry, out_key);
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *kek = sherd_secret_alloc(SHERD_KEY_SIZE);
    if (kek == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(kek_of(at, master, epoch, entry, &context, kek));
    return sherd_aead_open(kek, sherd_context_span(&context), sherd_span_of(entry->key.bytes, sizeof(entry->key.bytes)),
                           &key);
}

/*
 * Which keys take part in a wrapping key. With a named key, the version is that one's: the entity key's is said beside.
 */
static void wrapping_context(const struct sherd_entity_keys *at, const struct sherd_entity_key_entry *entry,
                             uint64_t epoch_number, const struct sherd_entity_named *named,
                             struct sherd_context *out_context)
{
    struct sherd_scope scope = entity_scope(at, entry);

    if (named != NULL)
        scope.version = named->version;
    sherd_context_of_wrap(&scope, named != NULL ? SHERD_FOR_NAMED_WRAPPING_KEY : SHERD_FOR_WRAPPING_KEY,
                          (uint32_t)at->secrets->version, entry->version, named != NULL ? &named->id : NULL,
                          epoch_number, out_context);
}

/* wrapping key = HKDF( entity key || store key of secrets || epoch key [|| named key] ; context ) */
enum sherd_err sherd_entity_key_wrapping(const struct sherd_entity_keys *at, const struct sherd_entity_key_entry *entry,
                                         const struct sherd_entity_key *key, uint64_t epoch_number,
                                         const struct sherd_epoch_key *epoch, const struct sherd_entity_named *named,
                                         struct sherd_hmac_key **out_wrapping)
{
    const uint8_t *const keys[] = {key->bytes, at->secrets->key.bytes, epoch->bytes,
                                   named != NULL ? named->key.bytes : NULL};
    struct sherd_context context;
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *derived = sherd_secret_alloc(SHERD_KEY_SIZE);

    if (derived == NULL)
        return SHERD_ERR_NO_MEMORY;
    wrapping_context(at, entry, epoch_number, named, &context);
    SHERD_TRY(derive(keys, named != NULL ? 4 : 3, &context, derived));
    return sherd_hmac_key_new(SHERD_SHA512, sherd_span_of(derived, SHERD_KEY_SIZE), out_wrapping);
}

void sherd_entity_key_pin_context(const struct sherd_entity_keys *at, const struct sherd_pin *pin,
                                  struct sherd_context *out_context)
{
    const struct sherd_scope scope = {.deployment = at->deployment,
                                      .tenant = at->tenant,
                                      .collection = pin->collection,
                                      .entity = pin->entity,
                                      .record = pin->record,
                                      .version = pin->version};

    sherd_context_of_scope(&scope, SHERD_FOR_RECORD_KEY, (uint32_t)pin->secrets_key_version, pin->entity_key_version,
                           out_context);
}

enum sherd_err sherd_entity_key_old_name(const struct sherd_entity_keys *at, const struct sherd_ref *entity,
                                         uint64_t version, struct sherd_ref *out_name)
{
    uint8_t bytes[8];

    sherd_put_u64(bytes, version);
    return sherd_entry_name(&at->keys, LABEL_OLD, sherd_span_of(entity->bytes, sizeof(entity->bytes)),
                            sherd_span_of(bytes, sizeof(bytes)), out_name);
}

enum sherd_err sherd_entity_key_store(const struct sherd_entity_keys *at, enum sherd_kind kind,
                                      const struct sherd_ref *name, const struct sherd_entity_key_entry *entry,
                                      struct sherd_buf *out_stored)
{
    uint8_t tlv[SHERD_TLV_BYTES_MAX];
    size_t tlv_bytes;

    enum sherd_err err = sherd_entity_key_encode(entry, tlv, &tlv_bytes);
    if (err == SHERD_OK)
        err = sherd_entry_seal(&at->keys, kind, name, sherd_span_of(tlv, tlv_bytes), out_stored);
    sherd_wipe(tlv, sizeof(tlv));
    return err;
}

/* Whether the entry's name is the one that its fields say. */
static enum sherd_err check_name(const struct sherd_entity_keys *at, enum sherd_kind kind, const struct sherd_ref *name,
                                 const struct sherd_entity_key_entry *entry)
{
    struct sherd_ref expected = entry->entity;

    if (kind == SHERD_KIND_OLD_ENTITY_KEY)
        SHERD_TRY(sherd_entity_key_old_name(at, &entry->entity, entry->version, &expected));
    SHERD_ENSURE(sherd_same(&expected, name, sizeof(expected)), SHERD_ERR_TAMPERED, "an entity's key does not verify");
    return SHERD_OK;
}

enum sherd_err sherd_entity_key_open(const struct sherd_entity_keys *at, enum sherd_kind kind,
                                     const struct sherd_ref *name, struct sherd_span stored,
                                     struct sherd_entity_key_entry *out_entry)
{
    uint8_t block[SHERD_ENTITY_STORED_BYTES];
    struct sherd_buf payload = sherd_buf_borrow(block, sizeof(block));
    struct sherd_span tlv;

    enum sherd_err err = sherd_entry_open(&at->keys, kind, name, stored, &payload, &tlv);
    if (err == SHERD_OK)
        err = sherd_entity_key_decode(tlv, out_entry);
    sherd_buf_clear(&payload);
    SHERD_TRY(err);
    return check_name(at, kind, name, out_entry);
}

static enum sherd_err read_once(const struct sherd_entity_keys *at, const struct sherd_ref *entity, uint64_t version,
                                struct sherd_entity_stored *out_stored)
{
    struct sherd_ref name = *entity;
    enum sherd_kind kind = SHERD_KIND_ENTITY_KEY;

    if (version != 0) {
        SHERD_TRY(sherd_entity_key_old_name(at, entity, version, &name));
        kind = SHERD_KIND_OLD_ENTITY_KEY;
    }
    out_stored->stored = sherd_buf_borrow(out_stored->block, sizeof(out_stored->block));
    const enum sherd_err err = sherd_compartment_get(at->compartment, name, &out_stored->stored);
    SHERD_ENSURE(err != SHERD_ERR_LIMIT, SHERD_ERR_TAMPERED, "an entity's key does not verify");
    SHERD_TRY(err);
    return sherd_entity_key_open(at, kind, &name, sherd_buf_span(&out_stored->stored), &out_stored->entry);
}

enum sherd_err sherd_entity_key_read(const struct sherd_entity_keys *at, const struct sherd_ref *entity,
                                     uint64_t version, struct sherd_entity_stored *out_stored)
{
    const enum sherd_err err = read_once(at, entity, version, out_stored);

    return err == SHERD_ERR_DENIED ? read_once(at, entity, version, out_stored) : err; /* as in sherd_entry_open() */
}

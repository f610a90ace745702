/* SPDX-License-Identifier: Apache-2.0 */
/* The keyring: see keyring.h and docs/format/vault.md. */
#include "anchor/ring/keyring.h"
#include "anchor/ring/keyring_rules.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include "crypto/approved.h"
#include "envelope/tlv.h"
#include <stdio.h>

#define MAGIC "SHRDRING"
#define HEADER_SIZE 16U
/* The sealed part is padded to a multiple of this, so that its length does not count the keys. */
#define PAD_SIZE ((size_t)4096)
#define LENGTH_SIZE ((size_t)4)
#define PLAIN_SIZE_MAX ((size_t)64 << 10)
/* An older version of a store key: time made and key. */
#define OLDER_SIZE (8U + SHERD_KEY_SIZE)

enum {
    RING_DEPLOYMENT = 1,
    RING_TENANT = 2,
    RING_CREATED = 3,
    RING_FIPS = 4,
    RING_EPOCH = 5,
    RING_STORE = 10, /* plus ten for each role, plus: */
    RING_STORE_ID = 0,
    RING_STORE_NAME = 1,
    RING_STORE_VERSION = 2,
    RING_STORE_KEY = 3,
    RING_STORE_OLDER = 4,   /* time made and key of each older version, the newest of them first; optional */
    RING_STORE_CREATED = 5, /* of the newest version; left out where that is the vault's */
    RING_PROTECTIONS = 50,
    RING_MASTERS = 51,
    RING_KEY_STORE = 52,
    RING_POLICIES = 53,
    RING_DESTROYED = 54,
    RING_EPOCH_BEGAN = 55, /* left out where that is the vault's time, as the next */
    RING_EPOCH_BEFORE_BEGAN = 56,
    RING_JOINS = 57, /* left out where they are not strict */
    RING_LEDGER_SEED = 60,
    RING_ROUND = 61,
    RING_ROUND_ENDED = 62,
};

enum {
    PROTECTION_VERSION = 1,
    PROTECTION_OUTSIDE = 2,
    PROTECTION_KEY = 3,
    PROTECTION_CREATED = 4,
    PROTECTION_CHECK = 5,
};

enum {
    MASTER_KID = 1,
    MASTER_NAME = 2,
    MASTER_VERSION = 3,
    MASTER_STATE = 4,
    MASTER_GENERATOR = 5,
    MASTER_STORE = 6,
    MASTER_ARGS = 7,
    MASTER_OUTSIDE_ID = 8,
    MASTER_CREATED = 9,
    MASTER_PROTECTION = 10,
    MASTER_KEPT = 11,
    MASTER_OLD_PROTECTION = 12,
    MASTER_OLD_OUTSIDE_ID = 13,
    MASTER_OLD_KEPT = 14,
};

enum sherd_err sherd_keyring_tampered(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "anchor/keyring does not verify: it was changed, or is another vault's");
}

static unsigned store_tag(size_t store, unsigned field)
{
    return RING_STORE + 10U * (unsigned)store + field;
}

static enum sherd_err generate_store(struct sherd_keyring_store *store)
{
    SHERD_TRY(sherd_uuid_new(&store->compartment));
    SHERD_TRY(sherd_random(store->name.bytes, sizeof(store->name.bytes)));
    store->version = 1;
    return sherd_random(store->key.bytes, sizeof(store->key.bytes));
}

static enum sherd_err generate(const struct sherd_key_file_store *key_store, struct sherd_keyring *out_keyring)
{
    memset(out_keyring, 0, sizeof(*out_keyring));
    out_keyring->generation = 1;
    out_keyring->epoch = 1;
    out_keyring->created_s = (uint64_t)sherd_clock()->wall_s();
    SHERD_TRY(sherd_uuid_new(&out_keyring->deployment));
    SHERD_TRY(sherd_uuid_new(&out_keyring->tenant));
    for (size_t i = 0; i < SHERD_COUNT_OF(out_keyring->stores); i++)
        SHERD_TRY(generate_store(&out_keyring->stores[i]));
    SHERD_TRY(sherd_protections_rotate(&out_keyring->protections, key_store, out_keyring->created_s));
    return sherd_random(out_keyring->ledger_seed, sizeof(out_keyring->ledger_seed));
}

enum sherd_err sherd_keyring_generate(struct sherd_keyring *out_keyring)
{
    return generate(NULL, out_keyring);
}

enum sherd_err sherd_keyring_generate_outside(const char *path, struct sherd_span password,
                                              struct sherd_keyring *out_keyring)
{
    char room[SHERD_KEY_STORE_PATH_SIZE];
    const struct sherd_key_file_store store = sherd_key_file_store_of(path, password, room);

    SHERD_TRY(generate(&store, out_keyring));
    (void)snprintf(out_keyring->key_store, sizeof(out_keyring->key_store), "%s", path);
    return SHERD_OK;
}

/* --- encoding ----------------------------------------------------------------------------------------------------- */

enum sherd_err sherd_keyring_list_add(struct sherd_buf *list, struct sherd_span item)
{
    uint8_t length[2];

    sherd_put_u16(length, (uint16_t)item.len);
    SHERD_TRY(sherd_buf_append(list, sherd_span_of(length, sizeof(length))));
    return sherd_buf_append(list, item);
}

static enum sherd_err encode_protection(const struct sherd_protection_version *protection, uint8_t *block,
                                        struct sherd_buf *list)
{
    struct sherd_tlv_writer writer = sherd_tlv_writer(block, SHERD_KEYRING_ITEM_MAX);
    size_t len;

    sherd_tlv_put_u64(&writer, PROTECTION_VERSION, protection->version);
    sherd_tlv_put_u64(&writer, PROTECTION_OUTSIDE, protection->outside);
    if (!protection->outside)
        sherd_tlv_put(&writer, PROTECTION_KEY, sherd_span_of(protection->key, sizeof(protection->key)));
    sherd_tlv_put_u64(&writer, PROTECTION_CREATED, protection->created_s);
    if (protection->outside)
        sherd_tlv_put(&writer, PROTECTION_CHECK, sherd_span_of(protection->check, sizeof(protection->check)));
    SHERD_TRY(sherd_tlv_end(&writer, &len));
    return sherd_keyring_list_add(list, sherd_span_of(block, len));
}

static enum sherd_err encode_master(const struct sherd_master *master, uint8_t *block, struct sherd_buf *list)
{
    struct sherd_tlv_writer writer = sherd_tlv_writer(block, SHERD_KEYRING_ITEM_MAX);
    size_t len;

    sherd_tlv_put(&writer, MASTER_KID, sherd_span_of(master->kid.bytes, sizeof(master->kid.bytes)));
    sherd_tlv_put(&writer, MASTER_NAME, sherd_span_str(master->name));
    sherd_tlv_put_u64(&writer, MASTER_VERSION, master->version);
    sherd_tlv_put_u64(&writer, MASTER_STATE, master->state);
    sherd_tlv_put(&writer, MASTER_GENERATOR, sherd_span_str(master->generator));
    sherd_tlv_put(&writer, MASTER_STORE, sherd_span_str(master->store));
    sherd_tlv_put(&writer, MASTER_ARGS, sherd_span_str(master->args));
    sherd_tlv_put(&writer, MASTER_OUTSIDE_ID, sherd_span_str(master->outside_id));
    sherd_tlv_put_u64(&writer, MASTER_CREATED, master->created_s);
    sherd_tlv_put_u64(&writer, MASTER_PROTECTION, master->protection);
    sherd_tlv_put(&writer, MASTER_KEPT, sherd_span_of(master->kept, master->kept_bytes));
    if (master->old.protection != 0) {
        sherd_tlv_put_u64(&writer, MASTER_OLD_PROTECTION, master->old.protection);
        sherd_tlv_put(&writer, MASTER_OLD_OUTSIDE_ID, sherd_span_str(master->old.outside_id));
        sherd_tlv_put(&writer, MASTER_OLD_KEPT, sherd_span_of(master->old.kept, master->old.kept_bytes));
    }
    SHERD_TRY(sherd_tlv_end(&writer, &len));
    return sherd_keyring_list_add(list, sherd_span_of(block, len));
}

/* The lists of a keyring. */
enum list {
    LIST_PROTECTIONS,
    LIST_MASTERS,
    LIST_POLICIES,
    LIST_DESTROYED,
    LIST_COUNT,
};

typedef enum sherd_err encode_list_fn(const struct sherd_keyring *ring, uint8_t *block, struct sherd_buf *list);

static enum sherd_err encode_protections(const struct sherd_keyring *ring, uint8_t *block, struct sherd_buf *list)
{
    for (size_t i = 0; i < ring->protections.count; i++)
        SHERD_TRY(encode_protection(&ring->protections.list[i], block, list));
    return SHERD_OK;
}

static enum sherd_err encode_masters(const struct sherd_keyring *ring, uint8_t *block, struct sherd_buf *list)
{
    for (size_t i = 0; i < ring->master_count; i++)
        SHERD_TRY(encode_master(&ring->masters[i], block, list));
    return SHERD_OK;
}

/* Lists are gathered behind one another in block; out_lists says where each lies. */
static enum sherd_err encode_lists(const struct sherd_keyring *ring, uint8_t *block, size_t size,
                                   struct sherd_span out_lists[LIST_COUNT])
{
    static encode_list_fn *const encoders[] = {[LIST_PROTECTIONS] = encode_protections,
                                               [LIST_MASTERS] = encode_masters,
                                               [LIST_POLICIES] = sherd_keyring_encode_policies,
                                               [LIST_DESTROYED] = sherd_keyring_encode_destroyed};
    struct sherd_buf list = sherd_buf_borrow(block + SHERD_KEYRING_ITEM_MAX, size - SHERD_KEYRING_ITEM_MAX);

    for (size_t i = 0; i < SHERD_COUNT_OF(encoders); i++) {
        const size_t before = list.len;

        SHERD_TRY(encoders[i](ring, block, &list));
        out_lists[i] = sherd_span_of(list.data + before, list.len - before);
    }
    return SHERD_OK;
}

static enum sherd_err encode_store(const struct sherd_keyring_store *store, size_t i, struct sherd_tlv_writer *writer)
{
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *older = sherd_secret_alloc(sizeof(store->older));

    if (older == NULL)
        return SHERD_ERR_NO_MEMORY;
    for (size_t k = 0; k < store->older_count; k++) {
        sherd_put_u64(older + k * OLDER_SIZE, store->older[k].created_s);
        memcpy(older + k * OLDER_SIZE + 8, store->older[k].key.bytes, SHERD_KEY_SIZE);
    }
    sherd_tlv_put(writer, store_tag(i, RING_STORE_ID), sherd_span_of(store->compartment.bytes, 16));
    sherd_tlv_put(writer, store_tag(i, RING_STORE_NAME), sherd_span_of(store->name.bytes, SHERD_KEY_SIZE));
    sherd_tlv_put_u64(writer, store_tag(i, RING_STORE_VERSION), store->version);
    sherd_tlv_put(writer, store_tag(i, RING_STORE_KEY), sherd_span_of(store->key.bytes, SHERD_KEY_SIZE));
    sherd_tlv_put(writer, store_tag(i, RING_STORE_OLDER), sherd_span_of(older, store->older_count * OLDER_SIZE));
    if (store->created_s != 0)
        sherd_tlv_put_u64(writer, store_tag(i, RING_STORE_CREATED), store->created_s);
    return SHERD_OK;
}

static enum sherd_err encode(const struct sherd_keyring *ring, const struct sherd_span lists[LIST_COUNT], uint8_t *out,
                             size_t size, size_t *out_bytes)
{
    struct sherd_tlv_writer writer = sherd_tlv_writer(out, size);

    sherd_tlv_put(&writer, RING_DEPLOYMENT, sherd_span_of(ring->deployment.bytes, 16));
    sherd_tlv_put(&writer, RING_TENANT, sherd_span_of(ring->tenant.bytes, 16));
    sherd_tlv_put_u64(&writer, RING_CREATED, ring->created_s);
    sherd_tlv_put_u64(&writer, RING_FIPS, ring->fips);
    sherd_tlv_put_u64(&writer, RING_EPOCH, ring->epoch);
    for (size_t i = 0; i < SHERD_COUNT_OF(ring->stores); i++)
        SHERD_TRY(encode_store(&ring->stores[i], i, &writer));
    sherd_tlv_put(&writer, RING_PROTECTIONS, lists[LIST_PROTECTIONS]);
    sherd_tlv_put(&writer, RING_MASTERS, lists[LIST_MASTERS]);
    sherd_tlv_put(&writer, RING_KEY_STORE, sherd_span_str(ring->key_store));
    sherd_tlv_put(&writer, RING_POLICIES, lists[LIST_POLICIES]);
    sherd_tlv_put(&writer, RING_DESTROYED, lists[LIST_DESTROYED]);
    if (ring->epoch_s != 0)
        sherd_tlv_put_u64(&writer, RING_EPOCH_BEGAN, ring->epoch_s);
    if (ring->epoch_before_s != 0)
        sherd_tlv_put_u64(&writer, RING_EPOCH_BEFORE_BEGAN, ring->epoch_before_s);
    if (ring->joins_strict)
        sherd_tlv_put_u64(&writer, RING_JOINS, 1);
    sherd_tlv_put(&writer, RING_LEDGER_SEED, sherd_span_of(ring->ledger_seed, SHERD_SIGN_SEED_SIZE));
    sherd_tlv_put_u64(&writer, RING_ROUND, ring->round);
    sherd_tlv_put_u64(&writer, RING_ROUND_ENDED, ring->round_ended);
    return sherd_tlv_end(&writer, out_bytes);
}

/* --- decoding ----------------------------------------------------------------------------------------------------- */

/* Versions of keys count from 1. */
static enum sherd_err get_version(const struct sherd_tlv *tlv, unsigned tag, uint64_t *out_version)
{
    SHERD_TRY(sherd_tlv_get_u64(tlv, tag, UINT32_MAX, out_version));
    return *out_version >= 1 ? SHERD_OK : sherd_keyring_tampered();
}

static enum sherd_err get_flag(const struct sherd_tlv *tlv, unsigned tag, bool *out_flag)
{
    uint64_t value;

    SHERD_TRY(sherd_tlv_get_u64(tlv, tag, 1, &value));
    *out_flag = value == 1;
    return SHERD_OK;
}

/* A time that is left out where it is 0. */
static enum sherd_err get_time(const struct sherd_tlv *tlv, unsigned tag, uint64_t *out_time)
{
    *out_time = 0;
    if (tlv->value[tag].data == NULL)
        return SHERD_OK;
    SHERD_TRY(sherd_tlv_get_u64(tlv, tag, INT64_MAX, out_time));
    return *out_time != 0 ? SHERD_OK : sherd_keyring_tampered();
}

enum sherd_err sherd_keyring_list_next(struct sherd_span *list, struct sherd_span *out_item)
{
    if (list->len < 2 || list->len - 2 < sherd_get_u16(list->data))
        return sherd_keyring_tampered();
    *out_item = sherd_span_of(list->data + 2, sherd_get_u16(list->data));
    list->data += 2 + out_item->len;
    list->len -= 2 + out_item->len;
    return SHERD_OK;
}

static enum sherd_err decode_protection(struct sherd_span item, struct sherd_protection_version *out)
{
    const uint64_t required = SHERD_TLV_BIT(PROTECTION_VERSION) | SHERD_TLV_BIT(PROTECTION_OUTSIDE) |
                              SHERD_TLV_BIT(PROTECTION_CREATED);
    struct sherd_tlv tlv;

    SHERD_TRY(sherd_tlv_parse(item, required, SHERD_TLV_BIT(PROTECTION_KEY) | SHERD_TLV_BIT(PROTECTION_CHECK), &tlv));
    SHERD_TRY(get_version(&tlv, PROTECTION_VERSION, &out->version));
    SHERD_TRY(get_flag(&tlv, PROTECTION_OUTSIDE, &out->outside));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, PROTECTION_CREATED, INT64_MAX, &out->created_s));
    if (out->outside != (tlv.value[PROTECTION_KEY].data == NULL) ||
        out->outside != (tlv.value[PROTECTION_CHECK].data != NULL))
        return sherd_keyring_tampered();
    out->loaded = !out->outside;
    return out->outside ? sherd_tlv_get(&tlv, PROTECTION_CHECK, out->check, sizeof(out->check))
                        : sherd_tlv_get(&tlv, PROTECTION_KEY, out->key, sizeof(out->key));
}

static enum sherd_err decode_protections(struct sherd_span list, struct sherd_protections *set)
{
    while (list.len > 0) {
        struct sherd_protection_version *version = &set->list[set->count];
        struct sherd_span item;

        if (set->count == SHERD_PROTECTION_VERSIONS_MAX)
            return sherd_keyring_tampered();
        SHERD_TRY(sherd_keyring_list_next(&list, &item));
        SHERD_TRY(decode_protection(item, version));
        if (set->count > 0 && (version[-1].version >= version->version || version[-1].outside > version->outside))
            return sherd_keyring_tampered();
        set->count++;
    }
    return set->count > 0 ? SHERD_OK : sherd_keyring_tampered();
}

static enum sherd_err copy_kept(struct sherd_span value, uint8_t out[static SHERD_KEY_KEPT_BYTES_MAX],
                                uint16_t *out_bytes)
{
    if (value.len > SHERD_KEY_KEPT_BYTES_MAX)
        return sherd_keyring_tampered();
    *out_bytes = (uint16_t)value.len;
    if (value.len > 0)
        memcpy(out, value.data, value.len);
    return SHERD_OK;
}

/* How it was kept before: all of it, or nothing. */
static enum sherd_err decode_old(const struct sherd_tlv *tlv, struct sherd_master *out)
{
    struct sherd_old_keeping *old = &out->old;

    if (tlv->value[MASTER_OLD_PROTECTION].data == NULL)
        return tlv->value[MASTER_OLD_OUTSIDE_ID].data == NULL && tlv->value[MASTER_OLD_KEPT].data == NULL
                   ? SHERD_OK
                   : sherd_keyring_tampered();
    SHERD_TRY(get_version(tlv, MASTER_OLD_PROTECTION, &old->protection));
    SHERD_TRY(sherd_tlv_get_text(tlv, MASTER_OLD_OUTSIDE_ID, old->outside_id, sizeof(old->outside_id)));
    SHERD_TRY(copy_kept(tlv->value[MASTER_OLD_KEPT], old->kept, &old->kept_bytes));
    return old->protection < out->protection ? SHERD_OK : sherd_keyring_tampered();
}

static enum sherd_err decode_master(struct sherd_span item, struct sherd_master *out)
{
    const uint64_t required = SHERD_TLV_BIT(MASTER_KID) | SHERD_TLV_BIT(MASTER_NAME) | SHERD_TLV_BIT(MASTER_VERSION) |
                              SHERD_TLV_BIT(MASTER_STATE) | SHERD_TLV_BIT(MASTER_GENERATOR) |
                              SHERD_TLV_BIT(MASTER_STORE) | SHERD_TLV_BIT(MASTER_CREATED) |
                              SHERD_TLV_BIT(MASTER_PROTECTION);
    const uint64_t optional = SHERD_TLV_BIT(MASTER_ARGS) | SHERD_TLV_BIT(MASTER_OUTSIDE_ID) |
                              SHERD_TLV_BIT(MASTER_KEPT) | SHERD_TLV_BIT(MASTER_OLD_PROTECTION) |
                              SHERD_TLV_BIT(MASTER_OLD_OUTSIDE_ID) | SHERD_TLV_BIT(MASTER_OLD_KEPT);
    struct sherd_tlv tlv;
    uint64_t state;

    SHERD_TRY(sherd_tlv_parse(item, required, optional, &tlv));
    SHERD_TRY(sherd_tlv_get(&tlv, MASTER_KID, out->kid.bytes, sizeof(out->kid.bytes)));
    SHERD_TRY(sherd_tlv_get_text(&tlv, MASTER_NAME, out->name, sizeof(out->name)));
    SHERD_TRY(get_version(&tlv, MASTER_VERSION, &out->version));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, MASTER_STATE, SHERD_MASTER_ENDING, &state));
    SHERD_TRY(sherd_tlv_get_text(&tlv, MASTER_GENERATOR, out->generator, sizeof(out->generator)));
    SHERD_TRY(sherd_tlv_get_text(&tlv, MASTER_STORE, out->store, sizeof(out->store)));
    SHERD_TRY(sherd_tlv_get_text(&tlv, MASTER_ARGS, out->args, sizeof(out->args)));
    SHERD_TRY(sherd_tlv_get_text(&tlv, MASTER_OUTSIDE_ID, out->outside_id, sizeof(out->outside_id)));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, MASTER_CREATED, INT64_MAX, &out->created_s));
    SHERD_TRY(get_version(&tlv, MASTER_PROTECTION, &out->protection));
    SHERD_TRY(copy_kept(tlv.value[MASTER_KEPT], out->kept, &out->kept_bytes));
    SHERD_TRY(decode_old(&tlv, out));
    if (state < SHERD_MASTER_ACTIVE || !sherd_master_name_valid(out->name))
        return sherd_keyring_tampered();
    out->state = (enum sherd_master_state)state;
    return SHERD_OK;
}

/* Which comes first: by name, then by version. */
static int order(const struct sherd_master *a, const struct sherd_master *b)
{
    const int by_name = strcmp(a->name, b->name);

    return by_name != 0 ? by_name : (a->version > b->version) - (a->version < b->version);
}

static enum sherd_err decode_masters(struct sherd_span list, struct sherd_keyring *ring)
{
    while (list.len > 0) {
        struct sherd_master *master = &ring->masters[ring->master_count];
        struct sherd_span item;

        if (ring->master_count == SHERD_MASTERS_MAX)
            return sherd_keyring_tampered();
        SHERD_TRY(sherd_keyring_list_next(&list, &item));
        SHERD_TRY(decode_master(item, master));
        if (ring->master_count > 0 && order(&master[-1], master) >= 0)
            return sherd_keyring_tampered();
        ring->master_count++;
    }
    return SHERD_OK;
}

static enum sherd_err decode_older(struct sherd_span bytes, struct sherd_keyring_store *store)
{
    if (bytes.len % OLDER_SIZE != 0 || bytes.len > sizeof(store->older) || bytes.len / OLDER_SIZE >= store->version)
        return sherd_keyring_tampered();
    store->older_count = bytes.len / OLDER_SIZE;
    for (size_t i = 0; i < store->older_count; i++) {
        store->older[i].created_s = sherd_get_u64(bytes.data + i * OLDER_SIZE);
        memcpy(store->older[i].key.bytes, bytes.data + i * OLDER_SIZE + 8, SHERD_KEY_SIZE);
        if (store->older[i].created_s > INT64_MAX)
            return sherd_keyring_tampered();
    }
    return SHERD_OK;
}

static enum sherd_err decode_store(const struct sherd_tlv *tlv, size_t i, struct sherd_keyring_store *store)
{
    SHERD_TRY(sherd_tlv_get(tlv, store_tag(i, RING_STORE_ID), store->compartment.bytes, 16));
    SHERD_TRY(sherd_tlv_get(tlv, store_tag(i, RING_STORE_NAME), store->name.bytes, SHERD_KEY_SIZE));
    SHERD_TRY(get_version(tlv, store_tag(i, RING_STORE_VERSION), &store->version));
    SHERD_TRY(sherd_tlv_get(tlv, store_tag(i, RING_STORE_KEY), store->key.bytes, SHERD_KEY_SIZE));
    SHERD_TRY(get_time(tlv, store_tag(i, RING_STORE_CREATED), &store->created_s));
    return decode_older(tlv->value[store_tag(i, RING_STORE_OLDER)], store);
}

static enum sherd_err decode(struct sherd_span bytes, struct sherd_keyring *ring)
{
    uint64_t optional = SHERD_TLV_BIT(RING_MASTERS) | SHERD_TLV_BIT(RING_KEY_STORE) | SHERD_TLV_BIT(RING_POLICIES) |
                        SHERD_TLV_BIT(RING_DESTROYED) | SHERD_TLV_BIT(RING_EPOCH_BEGAN) |
                        SHERD_TLV_BIT(RING_EPOCH_BEFORE_BEGAN) | SHERD_TLV_BIT(RING_JOINS);
    uint64_t required = SHERD_TLV_BIT(RING_DEPLOYMENT) | SHERD_TLV_BIT(RING_TENANT) | SHERD_TLV_BIT(RING_CREATED) |
                        SHERD_TLV_BIT(RING_FIPS) | SHERD_TLV_BIT(RING_EPOCH) | SHERD_TLV_BIT(RING_PROTECTIONS) |
                        SHERD_TLV_BIT(RING_LEDGER_SEED) | SHERD_TLV_BIT(RING_ROUND) | SHERD_TLV_BIT(RING_ROUND_ENDED);
    struct sherd_tlv tlv;

    for (size_t i = 0; i < SHERD_COUNT_OF(ring->stores); i++) {
        for (unsigned field = RING_STORE_ID; field <= RING_STORE_KEY; field++)
            required |= SHERD_TLV_BIT(store_tag(i, field));
        optional |= SHERD_TLV_BIT(store_tag(i, RING_STORE_OLDER)) | SHERD_TLV_BIT(store_tag(i, RING_STORE_CREATED));
    }
    SHERD_TRY(sherd_tlv_parse(bytes, required, optional, &tlv));
    SHERD_TRY(sherd_tlv_get(&tlv, RING_DEPLOYMENT, ring->deployment.bytes, 16));
    SHERD_TRY(sherd_tlv_get(&tlv, RING_TENANT, ring->tenant.bytes, 16));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, RING_CREATED, INT64_MAX, &ring->created_s));
    SHERD_TRY(get_flag(&tlv, RING_FIPS, &ring->fips));
    SHERD_TRY(get_version(&tlv, RING_EPOCH, &ring->epoch));
    SHERD_TRY(get_time(&tlv, RING_EPOCH_BEGAN, &ring->epoch_s));
    SHERD_TRY(get_time(&tlv, RING_EPOCH_BEFORE_BEGAN, &ring->epoch_before_s));
    for (size_t i = 0; i < SHERD_COUNT_OF(ring->stores); i++)
        SHERD_TRY(decode_store(&tlv, i, &ring->stores[i]));
    SHERD_TRY(decode_protections(tlv.value[RING_PROTECTIONS], &ring->protections));
    SHERD_TRY(decode_masters(tlv.value[RING_MASTERS], ring));
    SHERD_TRY(sherd_keyring_decode_policies(tlv.value[RING_POLICIES], ring));
    SHERD_TRY(sherd_keyring_decode_destroyed(tlv.value[RING_DESTROYED], ring));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, RING_ROUND, UINT16_MAX, &ring->round));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, RING_ROUND_ENDED, ring->round, &ring->round_ended));
    SHERD_TRY(sherd_tlv_get_text(&tlv, RING_KEY_STORE, ring->key_store, sizeof(ring->key_store)));
    ring->joins_strict = tlv.value[RING_JOINS].data != NULL;
    if (ring->joins_strict)
        SHERD_TRY(get_flag(&tlv, RING_JOINS, &ring->joins_strict));
    if (ring->joins_strict != (tlv.value[RING_JOINS].data != NULL)) /* off is left out */
        return sherd_keyring_tampered();
    if (sherd_protections_outside(&ring->protections) != (ring->key_store[0] != 0))
        return sherd_keyring_tampered();
    return sherd_tlv_get(&tlv, RING_LEDGER_SEED, ring->ledger_seed, SHERD_SIGN_SEED_SIZE);
}

/* --- the file ----------------------------------------------------------------------------------------------------- */

static void put_header(uint32_t generation, uint8_t out[static HEADER_SIZE])
{
    memcpy(out, MAGIC, 8);
    sherd_put_u16(out + 8, SHERD_FORMAT);
    sherd_put_u16(out + 10, SHERD_SUITE);
    sherd_put_u32(out + 12, generation);
}

/* The context: the deployment, then the header. */
static struct sherd_context ring_context(const struct sherd_uuid *deployment, const uint8_t header[static HEADER_SIZE])
{
    struct sherd_context context = {.len = 16 + HEADER_SIZE};

    memcpy(context.bytes, deployment->bytes, 16);
    memcpy(context.bytes + 16, header, HEADER_SIZE);
    return context;
}

/* Blocks of secret memory: the plaintext, then room for lists. */
static enum sherd_err seal_with(const struct sherd_keyring *keyring, const struct sherd_root_key *root, uint8_t *plain,
                                uint8_t *lists_block, struct sherd_buf *out_file)
{
    uint8_t header[HEADER_SIZE];
    struct sherd_span lists[LIST_COUNT];
    size_t len;

    SHERD_TRY(encode_lists(keyring, lists_block, PLAIN_SIZE_MAX, lists));
    SHERD_TRY(encode(keyring, lists, plain + LENGTH_SIZE, PLAIN_SIZE_MAX - LENGTH_SIZE, &len));
    sherd_put_u32(plain, (uint32_t)len);
    const size_t padded = (LENGTH_SIZE + len + PAD_SIZE - 1) / PAD_SIZE * PAD_SIZE;
    put_header(keyring->generation, header);
    const struct sherd_context context = ring_context(&keyring->deployment, header);
    SHERD_TRY(sherd_buf_append(out_file, sherd_span_of(header, sizeof(header))));
    return sherd_aead_seal(root->bytes, sherd_context_span(&context), sherd_span_of(plain, padded), out_file);
}

enum sherd_err sherd_keyring_seal(const struct sherd_keyring *keyring, const struct sherd_root_key *root,
                                  struct sherd_buf *out_file)
{
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *blocks = sherd_secret_alloc(2 * PLAIN_SIZE_MAX);

    if (sherd_protections_outside(&keyring->protections))
        SHERD_TRY(sherd_approved_check(keyring->fips, SHERD_ALGORITHM_PKCS12_MAC));
    if (blocks == NULL)
        return SHERD_ERR_NO_MEMORY;
    const enum sherd_err err = seal_with(keyring, root, blocks, blocks + PLAIN_SIZE_MAX, out_file);
    return err == SHERD_ERR_LIMIT
               ? sherd_fail(err, "the keyring is full: destroy versions of master keys that nothing refers to")
               : err;
}

static enum sherd_err open_into(struct sherd_span file, const struct sherd_root_key *root,
                                const struct sherd_uuid *deployment, struct sherd_buf *plain,
                                struct sherd_keyring *out_keyring)
{
    const struct sherd_context context = ring_context(deployment, file.data);
    const struct sherd_span sealed = {file.data + HEADER_SIZE, file.len - HEADER_SIZE};

    SHERD_TRY(sherd_aead_open(root->bytes, sherd_context_span(&context), sealed, plain));
    if (plain->len < PAD_SIZE || plain->len % PAD_SIZE != 0)
        return sherd_keyring_tampered();
    const size_t room = plain->len - LENGTH_SIZE;
    const size_t len = sherd_get_u32(plain->data);
    if (len > room || room - len >= PAD_SIZE ||
        !sherd_padding_valid(sherd_span_of(plain->data + LENGTH_SIZE + len, room - len)))
        return sherd_keyring_tampered();
    memset(out_keyring, 0, sizeof(*out_keyring));
    out_keyring->generation = sherd_get_u32(file.data + 12);
    if (out_keyring->generation == 0)
        return sherd_keyring_tampered();
    SHERD_TRY(decode(sherd_span_of(plain->data + LENGTH_SIZE, len), out_keyring));
    return sherd_same(out_keyring->deployment.bytes, deployment->bytes, 16) ? SHERD_OK : sherd_keyring_tampered();
}

enum sherd_err sherd_keyring_open(struct sherd_span file, const struct sherd_root_key *root,
                                  const struct sherd_uuid *deployment, struct sherd_keyring *out_keyring)
{
    if (file.len < HEADER_SIZE || !sherd_same(file.data, MAGIC, 8))
        return sherd_keyring_tampered();
    if (sherd_get_u16(file.data + 8) != SHERD_FORMAT || sherd_get_u16(file.data + 10) != SHERD_SUITE)
        return sherd_fail(SHERD_ERR_UNSUPPORTED, "the keyring has a format that this version of sherd does not know: "
                                                 "use a newer sherd");
    if (file.len > SHERD_KEYRING_BYTES_MAX)
        return sherd_keyring_tampered();

    SHERD_CLEANUP(sherd_secret_freep) uint8_t *block = sherd_secret_alloc(file.len);
    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    struct sherd_buf plain = sherd_buf_borrow(block, file.len);
    const enum sherd_err err = open_into(file, root, deployment, &plain, out_keyring);
    return err == SHERD_ERR_TAMPERED || err == SHERD_ERR_LIMIT ? sherd_keyring_tampered() : err;
}

/* --- looking up --------------------------------------------------------------------------------------------------- */

const struct sherd_master *sherd_keyring_master(const struct sherd_keyring *keyring, const struct sherd_ref *kid)
{
    for (size_t i = 0; i < keyring->master_count; i++)
        if (sherd_same(&keyring->masters[i].kid, kid, sizeof(*kid)))
            return &keyring->masters[i];
    return NULL;
}

const struct sherd_master *sherd_keyring_active(const struct sherd_keyring *keyring, const char *name)
{
    for (size_t i = keyring->master_count; i-- > 0;)
        if (keyring->masters[i].state == SHERD_MASTER_ACTIVE && strcmp(keyring->masters[i].name, name) == 0)
            return &keyring->masters[i];
    return NULL;
}

bool sherd_master_names_set(const struct sherd_master *master, const struct sherd_ref *set)
{
    /* 16 random bytes: wherever they stand in what is kept, they are that set */
    return memmem(master->kept, master->kept_bytes, set->bytes, sizeof(set->bytes)) != NULL ||
           memmem(master->old.kept, master->old.kept_bytes, set->bytes, sizeof(set->bytes)) != NULL;
}

const struct sherd_store_key *sherd_keyring_store_key(const struct sherd_keyring_store *store, uint64_t version)
{
    if (version > store->version || version < sherd_keyring_floor(store))
        return NULL;
    return version == store->version ? &store->key : &store->older[store->version - version - 1].key;
}

void sherd_keyring_store_versions(const struct sherd_keyring_store *store, struct sherd_store_versions *out_versions)
{
    out_versions->newest = (uint32_t)store->version;
    out_versions->count = (uint32_t)store->older_count + 1;
    memcpy(out_versions->keys[0], store->key.bytes, SHERD_KEY_SIZE);
    for (size_t i = 0; i < store->older_count; i++)
        memcpy(out_versions->keys[i + 1], store->older[i].key.bytes, SHERD_KEY_SIZE);
}

bool sherd_master_name_valid(const char *name)
{
    const size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-");

    return len > 0 && len < SHERD_MASTER_NAME_SIZE && name[len] == 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collections: see assets.h. The entry says the rules; its pin, at the anchor, makes it valid. The pin is found by the
 * collection's id, and the id follows from the name: so the anchor knows which names were given, whatever becomes of
 * the entries here.
 */
#include "assets/assets.h"
#include "base/bytes.h"
#include "base/failpoint.h"
#include <string.h>

static enum sherd_err tampered(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "a collection's entry in assets does not verify");
}

static enum sherd_err collection_name(const struct sherd_assets *assets, const char *name, struct sherd_ref *out_name)
{
    SHERD_ENSURE(sherd_collection_name_valid(name), SHERD_ERR_INVALID,
                 "a collection's name has 1 to 63 of a-z, 0-9, '.', '_', '-' and begins with a letter or digit");
    return sherd_entry_name(&assets->keys, "collection", sherd_span_str(name), sherd_span_of(NULL, 0), out_name);
}

static enum sherd_err collection_id(const struct sherd_assets *assets, const char *name, struct sherd_uuid *out_id)
{
    return sherd_entry_collection_id(&assets->keys, name, out_id);
}

static enum sherd_err open_entry(const struct sherd_assets *assets, const struct sherd_ref *name,
                                 struct sherd_span stored, struct sherd_collection_entry *out_entry)
{
    uint8_t block[SHERD_PAYLOAD_BYTES_MAX];
    struct sherd_buf payload = sherd_buf_borrow(block, sizeof(block));
    struct sherd_uuid id;
    struct sherd_span tlv;

    SHERD_TRY(sherd_entry_open(&assets->keys, SHERD_KIND_COLLECTION, name, stored, &payload, &tlv));
    SHERD_TRY(sherd_collection_decode(tlv, out_entry));
    SHERD_TRY(collection_id(assets, out_entry->rules.name, &id));
    return sherd_same(id.bytes, out_entry->id.bytes, sizeof(id.bytes)) ? SHERD_OK : tampered();
}

/* Read a collection's entry as it lies in the store, open it and hash it. */
static enum sherd_err read_entry(const struct sherd_assets *assets, const struct sherd_ref *name,
                                 struct sherd_buf *stored, struct sherd_collection_entry *out_entry,
                                 struct sherd_digest *out_digest)
{
    const enum sherd_err err = sherd_compartment_get(assets->compartment, *name, stored);
    if (err == SHERD_ERR_LIMIT)
        return tampered();
    SHERD_TRY(err);
    const struct sherd_span bytes = sherd_buf_span(stored);
    SHERD_TRY(open_entry(assets, name, bytes, out_entry));
    return sherd_hash(SHERD_SHA256, &bytes, 1, out_digest->bytes);
}

/*
 * What must be true of the entry that is about to be written: nothing is there, or what a crash left there, which was
 * never pinned. A name that is pinned was given, also where no entry says so any more.
 */
static enum sherd_err expectation(const struct sherd_assets *assets, const struct sherd_uuid *id,
                                  struct sherd_buf *stored, struct sherd_store_op *op)
{
    struct sherd_digest digest = {{0}}; /* of no entry */
    struct sherd_collection_entry there;

    enum sherd_err err = read_entry(assets, &op->name, stored, &there, &digest);
    if (err != SHERD_OK && err != SHERD_ERR_NOT_FOUND)
        return err;
    op->expect = err == SHERD_OK ? SHERD_EXPECT_EQUALS : SHERD_EXPECT_ABSENT;
    op->expected = sherd_buf_span(stored);
    err = assets->anchor->ops->collection_check(assets->anchor, id, &digest);
    if (err == SHERD_OK)
        return sherd_fail(SHERD_ERR_CONFLICT, "there is a collection of that name");
    return err == SHERD_ERR_NOT_FOUND ? SHERD_OK : err;
}

static enum sherd_err id_name(const struct sherd_assets *assets, const struct sherd_uuid *id,
                              struct sherd_ref *out_name)
{
    return sherd_entry_name(&assets->keys, "collection id", sherd_span_of(id->bytes, sizeof(id->bytes)),
                            sherd_span_of(NULL, 0), out_name);
}

static enum sherd_err seal_collection(const struct sherd_assets *assets, const struct sherd_collection_entry *entry,
                                      const struct sherd_ref *name, struct sherd_buf *out_stored)
{
    uint8_t tlv[SHERD_TLV_BYTES_MAX];
    size_t tlv_bytes;

    SHERD_TRY(sherd_collection_encode(entry, tlv, &tlv_bytes));
    return sherd_entry_seal(&assets->keys, SHERD_KIND_COLLECTION, name, sherd_span_of(tlv, tlv_bytes), out_stored);
}

enum sherd_err sherd_assets_collection_create(const struct sherd_assets *assets, const struct sherd_collection *rules)
{
    struct sherd_collection_entry entry = {.rules = *rules};
    struct sherd_store_op ops[2] = {{.kind = SHERD_STORE_PUT}, {.kind = SHERD_STORE_PUT}}; /* by name, by id */
    uint8_t old_block[SHERD_ENTRY_BYTES_MAX];
    uint8_t blocks[2][SHERD_ENTRY_BYTES_MAX];
    struct sherd_buf old = sherd_buf_borrow(old_block, sizeof(old_block));
    struct sherd_digest digest;

    SHERD_TRY(collection_name(assets, rules->name, &ops[0].name));
    SHERD_TRY(collection_id(assets, rules->name, &entry.id));
    SHERD_TRY(expectation(assets, &entry.id, &old, &ops[0]));
    SHERD_TRY(id_name(assets, &entry.id, &ops[1].name));
    for (size_t i = 0; i < SHERD_COUNT_OF(ops); i++) {
        struct sherd_buf stored = sherd_buf_borrow(blocks[i], sizeof(blocks[i]));

        SHERD_TRY(seal_collection(assets, &entry, &ops[i].name, &stored));
        ops[i].value = sherd_buf_span(&stored);
    }
    SHERD_TRY(sherd_hash(SHERD_SHA256, &ops[0].value, 1, digest.bytes));
    SHERD_TRY(sherd_compartment_write(assets->compartment, ops, SHERD_COUNT_OF(ops)));
    SHERD_FAILPOINT("collection.after_assets");
    return assets->anchor->ops->collection_pin(assets->anchor, &entry.id, &digest);
}

/*
 * No entry has the name. If it is pinned, the entry was removed, unless the collection was made between the two looks:
 * what is pinned was durable before, so a second look finds it then. @return SHERD_ERR_NOT_FOUND: not pinned
 */
static enum sherd_err look_again(const struct sherd_assets *assets, const char *name, const struct sherd_ref *ref,
                                 struct sherd_buf *stored, struct sherd_collection_entry *out_entry,
                                 struct sherd_digest *out_digest)
{
    const struct sherd_digest none = {{0}};
    struct sherd_uuid id;

    SHERD_TRY(collection_id(assets, name, &id));
    enum sherd_err err = assets->anchor->ops->collection_check(assets->anchor, &id, &none);
    if (err != SHERD_ERR_TAMPERED)
        return err;
    err = read_entry(assets, ref, stored, out_entry, out_digest);
    return err == SHERD_ERR_NOT_FOUND ? tampered() : err;
}

enum sherd_err sherd_assets_collection_get(const struct sherd_assets *assets, const char *name,
                                           struct sherd_collection_entry *out_collection)
{
    uint8_t block[SHERD_ENTRY_BYTES_MAX];
    struct sherd_buf stored = sherd_buf_borrow(block, sizeof(block));
    struct sherd_collection_entry entry;
    struct sherd_digest digest;
    struct sherd_ref ref;

    SHERD_TRY(collection_name(assets, name, &ref));
    enum sherd_err err = read_entry(assets, &ref, &stored, &entry, &digest);
    if (err == SHERD_ERR_NOT_FOUND)
        err = look_again(assets, name, &ref, &stored, &entry, &digest);
    if (err == SHERD_OK)
        err = assets->anchor->ops->collection_check(assets->anchor, &entry.id, &digest);
    if (err == SHERD_ERR_NOT_FOUND)
        return sherd_fail(err, "there is no collection \"%s\"", name);
    SHERD_TRY(err);
    if (strcmp(entry.rules.name, name) != 0)
        return tampered();
    *out_collection = entry;
    return SHERD_OK;
}

enum sherd_err sherd_assets_collection_open(const struct sherd_assets *assets, const struct sherd_ref *name,
                                            struct sherd_span stored, struct sherd_collection_entry *out_collection)
{
    struct sherd_collection_entry entry;
    struct sherd_ref by_name;
    struct sherd_ref by_id;

    SHERD_TRY(open_entry(assets, name, stored, &entry));
    SHERD_TRY(collection_name(assets, entry.rules.name, &by_name));
    SHERD_TRY(id_name(assets, &entry.id, &by_id));
    if (!sherd_same(by_name.bytes, name->bytes, sizeof(by_name.bytes)) &&
        !sherd_same(by_id.bytes, name->bytes, sizeof(by_id.bytes)))
        return tampered();
    *out_collection = entry;
    return SHERD_OK;
}

enum sherd_err sherd_assets_collection_by_id(const struct sherd_assets *assets, const struct sherd_uuid *id,
                                             struct sherd_collection_entry *out_collection)
{
    uint8_t block[SHERD_ENTRY_BYTES_MAX];
    struct sherd_buf stored = sherd_buf_borrow(block, sizeof(block));
    struct sherd_collection_entry entry;
    struct sherd_ref name;

    SHERD_TRY(id_name(assets, id, &name));
    enum sherd_err err = sherd_compartment_get(assets->compartment, name, &stored);
    if (err == SHERD_ERR_NOT_FOUND || err == SHERD_ERR_LIMIT)
        return tampered();
    SHERD_TRY(err);
    SHERD_TRY(sherd_assets_collection_open(assets, &name, sherd_buf_span(&stored), &entry));
    err = sherd_assets_collection_get(assets, entry.rules.name, &entry);
    if (err == SHERD_ERR_NOT_FOUND)
        return tampered();
    SHERD_TRY(err);
    if (!sherd_same(entry.id.bytes, id->bytes, sizeof(id->bytes)))
        return tampered();
    *out_collection = entry;
    return SHERD_OK;
}

enum sherd_err sherd_assets_entry_check(const struct sherd_assets *assets, const struct sherd_ref *name,
                                        struct sherd_span stored)
{
    uint8_t block[SHERD_PAYLOAD_BYTES_MAX];
    struct sherd_buf payload = sherd_buf_borrow(block, sizeof(block));
    struct sherd_collection_entry entry;
    struct sherd_span tlv;
    enum sherd_kind kind;
    bool live;

    SHERD_TRY(sherd_entry_kind(&assets->keys, stored, &kind));
    if (kind == SHERD_KIND_KEY_PART)
        return assets->anchor->ops->part_check(assets->anchor, SHERD_ASSETS, name, stored, &live);
    if (kind != SHERD_KIND_COMPARTMENT)
        return sherd_assets_collection_open(assets, name, stored, &entry);
    SHERD_TRY(sherd_entry_open(&assets->keys, kind, name, stored, &payload, &tlv)); /* a copy elsewhere does not open */
    return assets->anchor->ops->compartment_check(assets->anchor, SHERD_ASSETS, stored);
}

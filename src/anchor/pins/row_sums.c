/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of rows: see row_sums.h. */
#include "anchor/pins/row_sums.h"
#include "base/bytes.h"
#include "base/mem.h"
#include <string.h>

static enum sherd_err sum_name(const struct sherd_pins *pins, const struct sherd_uuid *collection,
                               struct sherd_ref *out_name)
{
    return sherd_entry_name(&pins->keys, "rows", sherd_span_of(collection->bytes, 16), sherd_span_of(NULL, 0),
                            out_name);
}

/* The key of a collection's marks. */
static enum sherd_err key_of(const struct sherd_pins *pins, const struct sherd_uuid *collection,
                             uint8_t out_key[static SHERD_KEY_SIZE])
{
    const struct sherd_span parts[] = {sherd_span_str("key of the marks of rows"),
                                       sherd_span_of(collection->bytes, sizeof(collection->bytes))};

    return sherd_hmac_with(pins->keys.name, parts, SHERD_COUNT_OF(parts), out_key);
}

/* --- noting ------------------------------------------------------------------------------------------------------- */

static enum sherd_err find_or_add(struct sherd_row_sums *sums, const struct sherd_uuid *collection,
                                  struct sherd_row_sum_change **out_change)
{
    for (size_t i = 0; i < sums->count; i++)
        if (sherd_same(&sums->at[i].collection, collection, sizeof(*collection))) {
            *out_change = &sums->at[i];
            return SHERD_OK;
        }
    if (sums->count == sums->room) {
        const size_t room = 2 * sums->room + 1;
        struct sherd_row_sum_change *at = sherd_realloc(sums->at, room * sizeof(*at));

        if (at == NULL)
            return SHERD_ERR_NO_MEMORY;
        sums->at = at;
        sums->room = room;
    }
    *out_change = &sums->at[sums->count++];
    **out_change = (struct sherd_row_sum_change){.collection = *collection};
    return SHERD_OK;
}

static enum sherd_err add_mark(const uint8_t key[static SHERD_KEY_SIZE], const struct sherd_digest *digest,
                               struct sherd_digest *marks)
{
    const struct sherd_span part = sherd_span_of(digest->bytes, sizeof(digest->bytes));
    struct sherd_digest mark;

    SHERD_TRY(sherd_hmac(SHERD_SHA256, sherd_span_of(key, SHERD_KEY_SIZE), &part, 1, mark.bytes));
    for (size_t i = 0; i < sizeof(mark.bytes); i++)
        marks->bytes[i] ^= mark.bytes[i];
    return SHERD_OK;
}

enum sherd_err sherd_row_sums_note(const struct sherd_pins *pins, struct sherd_row_sums *sums,
                                   const struct sherd_uuid *collection, const struct sherd_digest *goes,
                                   const struct sherd_digest *comes)
{
    struct sherd_row_sum_change *change;
    uint8_t key[SHERD_KEY_SIZE];

    SHERD_TRY(find_or_add(sums, collection, &change));
    enum sherd_err err = key_of(pins, collection, key);
    if (err == SHERD_OK && goes != NULL)
        err = add_mark(key, goes, &change->marks);
    if (err == SHERD_OK && comes != NULL)
        err = add_mark(key, comes, &change->marks);
    sherd_wipe(key, sizeof(key));
    change->count += (comes != NULL) - (goes != NULL);
    change->makes = change->makes || comes != NULL;
    return err;
}

/* --- the entry ---------------------------------------------------------------------------------------------------- */

static enum sherd_err open_sum(const struct sherd_pins *pins, const struct sherd_ref *name, struct sherd_span stored,
                               struct sherd_row_sum_entry *out_entry)
{
    uint8_t block[SHERD_ROW_SUM_STORED_BYTES];
    struct sherd_buf payload = sherd_buf_borrow(block, sizeof(block));
    struct sherd_span tlv;

    SHERD_TRY(sherd_entry_open(&pins->keys, SHERD_KIND_ROW_SUM, name, stored, &payload, &tlv));
    return sherd_row_sum_decode(tlv, out_entry);
}

/* @param[in,out] stored  gets the bytes as they lie there */
static enum sherd_err read_sum(const struct sherd_pins *pins, const struct sherd_uuid *collection,
                               const struct sherd_ref *name, struct sherd_buf *stored,
                               struct sherd_row_sum_entry *out_entry)
{
    enum sherd_err err = SHERD_ERR_DENIED;

    for (unsigned i = 0; i < 2 && err == SHERD_ERR_DENIED; i++) { /* as in sherd_entry_open() */
        sherd_buf_clear(stored);
        err = sherd_compartment_get(pins->compartment, *name, stored);
        if (err == SHERD_OK)
            err = open_sum(pins, name, sherd_buf_span(stored), out_entry);
    }
    if (err == SHERD_ERR_LIMIT ||
        (err == SHERD_OK && !sherd_same(&out_entry->collection, collection, sizeof(*collection))))
        return sherd_fail(SHERD_ERR_TAMPERED, "a sum of rows in keys does not verify");
    return err;
}

static enum sherd_err seal_sum(const struct sherd_pins *pins, const struct sherd_ref *name,
                               const struct sherd_row_sum_entry *entry, uint8_t out[static SHERD_ROW_SUM_STORED_BYTES])
{
    struct sherd_buf stored = sherd_buf_borrow(out, SHERD_ROW_SUM_STORED_BYTES);
    uint8_t tlv[SHERD_TLV_BYTES_MAX];
    size_t tlv_bytes;

    SHERD_TRY(sherd_row_sum_encode(entry, tlv, &tlv_bytes));
    return sherd_entry_seal(&pins->keys, SHERD_KIND_ROW_SUM, name, sherd_span_of(tlv, tlv_bytes), &stored);
}

static void apply(const struct sherd_row_sum_change *change, struct sherd_row_sum_entry *entry)
{
    entry->count += (uint64_t)change->count;
    for (size_t i = 0; i < sizeof(entry->sum.bytes); i++)
        entry->sum.bytes[i] ^= change->marks.bytes[i];
}

enum sherd_err sherd_row_sums_op(const struct sherd_pins *pins, struct sherd_row_sums *sums, size_t index,
                                 struct sherd_store_op *out_op, bool *out_wanted)
{
    struct sherd_row_sum_change *change = &sums->at[index];
    struct sherd_buf before = sherd_buf_borrow(change->before, sizeof(change->before));
    struct sherd_row_sum_entry entry;
    struct sherd_store_op op = {.kind = SHERD_STORE_PUT, .expect = SHERD_EXPECT_EQUALS};

    *out_wanted = false;
    SHERD_TRY(sum_name(pins, &change->collection, &op.name));
    const enum sherd_err err = read_sum(pins, &change->collection, &op.name, &before, &entry);
    if (err == SHERD_ERR_NOT_FOUND && change->makes) {
        entry = (struct sherd_row_sum_entry){.collection = change->collection};
        op.expect = SHERD_EXPECT_ABSENT;
    } else if (err == SHERD_ERR_NOT_FOUND || err == SHERD_ERR_TAMPERED) {
        return SHERD_OK;
    } else {
        SHERD_TRY(err);
        op.expected = sherd_buf_span(&before);
    }
    if (change->count < 0 && entry.count < (uint64_t)-change->count)
        return SHERD_OK; /* it never was right, and stays so: the pins are asked */
    apply(change, &entry);
    SHERD_TRY(seal_sum(pins, &op.name, &entry, change->after));
    op.value = sherd_span_of(change->after, sizeof(change->after));
    *out_op = op;
    *out_wanted = true;
    return SHERD_OK;
}

void sherd_row_sums_done(struct sherd_row_sums *sums)
{
    sherd_free(sums->at);
    *sums = (struct sherd_row_sums){0};
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

enum sherd_err sherd_row_sum_get(const struct sherd_pins *pins, const struct sherd_uuid *collection,
                                 struct sherd_rows_sum *out_sum)
{
    uint8_t block[SHERD_ROW_SUM_STORED_BYTES];
    struct sherd_buf stored = sherd_buf_borrow(block, sizeof(block));
    struct sherd_row_sum_entry entry;
    struct sherd_ref name;

    SHERD_TRY(sum_name(pins, collection, &name));
    const enum sherd_err err = read_sum(pins, collection, &name, &stored, &entry);
    if (err == SHERD_ERR_NOT_FOUND)
        return sherd_fail(err, "no rows of that collection were added up");
    SHERD_TRY(err);
    SHERD_TRY(key_of(pins, collection, out_sum->key));
    out_sum->count = entry.count;
    out_sum->sum = entry.sum;
    return SHERD_OK;
}

enum sherd_err sherd_row_sum_check(const struct sherd_pins *pins, const struct sherd_ref *name,
                                   struct sherd_span stored)
{
    struct sherd_row_sum_entry entry;
    struct sherd_ref derived;

    SHERD_TRY(open_sum(pins, name, stored, &entry));
    SHERD_TRY(sum_name(pins, &entry.collection, &derived));
    return sherd_same(derived.bytes, name->bytes, sizeof(derived.bytes))
               ? SHERD_OK
               : sherd_fail(SHERD_ERR_TAMPERED, "a sum of rows in keys does not verify");
}

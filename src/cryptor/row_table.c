/* SPDX-License-Identifier: Apache-2.0 */
/* What is pinned of a collection: see row_table.h. */
#include "cryptor/row_table.h"
#include "base/bytes.h"
#include "base/mem.h"

#define SIZE_FIRST 1024U
/* Entries of `keys` that are looked at in one go. */
#define PAGE_MAX 512U

static struct sherd_row_slot *place_of(const struct sherd_row_table *table, const struct sherd_uuid *record)
{
    size_t at = (size_t)sherd_get_u64(record->bytes) & (table->size - 1);

    while (table->slots[at].version != 0 && !sherd_same(&table->slots[at].record, record, sizeof(*record)))
        at = (at + 1) & (table->size - 1);
    return &table->slots[at];
}

static enum sherd_err grow(struct sherd_row_table *table)
{
    struct sherd_row_table grown = {.size = table->size == 0 ? SIZE_FIRST : 2 * table->size, .count = table->count};

    grown.slots = sherd_alloc_array(grown.size, sizeof(*grown.slots));
    if (grown.slots == NULL)
        return SHERD_ERR_NO_MEMORY;
    for (size_t i = 0; i < table->size; i++)
        if (table->slots[i].version != 0)
            *place_of(&grown, &table->slots[i].record) = table->slots[i];
    sherd_free(table->slots);
    *table = grown;
    return SHERD_OK;
}

struct fill {
    const struct sherd_uuid *collection;
    struct sherd_row_table *table;
};

/* A pin that does not verify may be of this collection: without it the answer would not be whole. */
static enum sherd_err add(void *arg, const struct sherd_anchor_entry *entry)
{
    const struct fill *fill = arg;
    struct sherd_row_table *table = fill->table;

    if (entry->status != SHERD_OK && entry->status != SHERD_ERR_DENIED)
        return sherd_fail(entry->status, "an entry of keys does not verify");
    if (entry->kind != SHERD_KIND_PIN || entry->erased || entry->pin == NULL ||
        !sherd_same(&entry->pin->collection, fill->collection, sizeof(*fill->collection)))
        return SHERD_OK;
    if (2 * table->count >= table->size)
        SHERD_TRY(grow(table));
    struct sherd_row_slot *slot = place_of(table, &entry->pin->record);
    table->count += slot->version == 0 ? 1 : 0;
    *slot = (struct sherd_row_slot){
        .record = entry->pin->record, .version = entry->pin->version, .digest = entry->pin->digest};
    return SHERD_OK;
}

enum sherd_err sherd_row_table_fill(struct sherd_vault *vault, const struct sherd_uuid *collection,
                                    struct sherd_row_table *table)
{
    struct fill fill = {.collection = collection, .table = table};
    struct sherd_anchor *anchor = vault->anchor;
    struct sherd_ref after;
    size_t seen = PAGE_MAX;
    bool begun = false;

    if (table->size == 0)
        SHERD_TRY(grow(table));
    while (seen == PAGE_MAX) {
        struct sherd_ref last;

        SHERD_TRY(anchor->ops->scan(anchor, begun ? &after : NULL, PAGE_MAX, add, &fill, &last, &seen));
        after = last;
        begun = true;
    }
    return SHERD_OK;
}

struct sherd_row_slot *sherd_row_table_find(const struct sherd_row_table *table, const struct sherd_uuid *record)
{
    struct sherd_row_slot *slot = place_of(table, record);

    return slot->version != 0 ? slot : NULL;
}

void sherd_row_table_done(struct sherd_row_table *table)
{
    sherd_free(table->slots);
    *table = (struct sherd_row_table){0};
}

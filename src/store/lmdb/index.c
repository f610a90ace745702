/* SPDX-License-Identifier: Apache-2.0 */
/* Items of a journal by name. See index.h. */
#include "store/lmdb/index.h"
#include "base/mem.h"
#include "store/lmdb/name.h"
#include <string.h>

/* Names are random or pseudonyms, so two of their words, mixed a little, are a hash. */
static uint32_t chain_of(const struct sherd_lmdb_index *index, const struct sherd_ref *name)
{
    uint64_t words[2];

    memcpy(words, name->bytes, sizeof words);
    return (uint32_t)(((words[0] ^ (words[1] << 1)) * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - index->bits));
}

static struct sherd_lmdb_item *item_at(struct sherd_lmdb_index *index, uint32_t number)
{
    return &index->chunks[number / SHERD_LMDB_INDEX_CHUNK_ITEMS][number % SHERD_LMDB_INDEX_CHUNK_ITEMS];
}

enum sherd_err sherd_lmdb_index_init(struct sherd_lmdb_index *index, unsigned bits)
{
    index->heads = sherd_alloc_array((size_t)1 << bits, sizeof *index->heads);
    if (index->heads == NULL)
        return SHERD_ERR_NO_MEMORY;
    index->bits = bits;
    return SHERD_OK;
}

void sherd_lmdb_index_done(struct sherd_lmdb_index *index)
{
    for (size_t i = 0; i < SHERD_LMDB_INDEX_CHUNKS; i++)
        sherd_free(index->chunks[i]);
    sherd_free(index->heads);
    memset(index, 0, sizeof *index);
}

enum sherd_err sherd_lmdb_index_reserve(struct sherd_lmdb_index *index, uint32_t more)
{
    const uint32_t most = SHERD_LMDB_INDEX_ITEMS_MAX;
    uint32_t last;

    if (more > most || index->count > most - more)
        return sherd_fail(SHERD_ERR_LIMIT, "journal: more than %u changes", most);
    last = index->count + more;
    for (uint32_t chunk = index->count / SHERD_LMDB_INDEX_CHUNK_ITEMS; chunk * SHERD_LMDB_INDEX_CHUNK_ITEMS < last;
         chunk++) {
        if (index->chunks[chunk] != NULL)
            continue;
        index->chunks[chunk] = sherd_alloc_array(SHERD_LMDB_INDEX_CHUNK_ITEMS, sizeof(struct sherd_lmdb_item));
        if (index->chunks[chunk] == NULL)
            return SHERD_ERR_NO_MEMORY;
    }
    return SHERD_OK;
}

void sherd_lmdb_index_add(struct sherd_lmdb_index *index, struct sherd_ref name, uint32_t offset, uint32_t bytes)
{
    _Atomic(uint32_t) *head = &index->heads[chain_of(index, &name)];
    struct sherd_lmdb_item *item = item_at(index, index->count);

    item->name = name;
    item->offset = offset;
    item->bytes = bytes;
    item->next = atomic_load_explicit(head, memory_order_relaxed);
    index->count++;
    atomic_store_explicit(head, index->count, memory_order_release);
}

void sherd_lmdb_index_truncate(struct sherd_lmdb_index *index, uint32_t count)
{
    while (index->count > count) {
        const struct sherd_lmdb_item *item = item_at(index, index->count - 1);

        atomic_store_explicit(&index->heads[chain_of(index, &item->name)], item->next, memory_order_relaxed);
        index->count--;
    }
}

const struct sherd_lmdb_item *sherd_lmdb_index_find(const struct sherd_lmdb_index *index, const struct sherd_ref *name,
                                                    uint32_t limit)
{
    uint32_t at = atomic_load_explicit(&index->heads[chain_of(index, name)], memory_order_acquire);

    while (at != 0) {
        const struct sherd_lmdb_item *item = sherd_lmdb_index_item(index, at - 1);

        if (at <= limit && sherd_lmdb_name_compare(&item->name, name) == 0)
            return item;
        at = item->next;
    }
    return NULL;
}

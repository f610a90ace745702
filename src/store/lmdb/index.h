/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store/lmdb/index.h
 * What a journal holds, by name: an append-only hash table whose chains lead from newer to older.
 *
 * Items are numbered as they come and never change. Who knows that the first n items count finds, for a name, the
 * newest item below n: so every n is a snapshot, and readers need no lock against the one writer. The writer's items
 * become visible to others when n is handed to them by other means (a mutex, as the log has).
 */
#ifndef SHERD_STORE_LMDB_INDEX_H
#define SHERD_STORE_LMDB_INDEX_H

#include "base/macros.h"
#include <sherd/provider/store.h>
#include <stdatomic.h>

#define SHERD_LMDB_ITEM_DELETED UINT32_MAX
#define SHERD_LMDB_INDEX_CHUNKS 256U
#define SHERD_LMDB_INDEX_CHUNK_ITEMS 4096U
#define SHERD_LMDB_INDEX_ITEMS_MAX (SHERD_LMDB_INDEX_CHUNKS * SHERD_LMDB_INDEX_CHUNK_ITEMS)

struct sherd_lmdb_item {
    struct sherd_ref name;
    uint32_t next;   /**< number + 1 of the next older item of the chain; 0 at its end */
    uint32_t offset; /**< of the value: in the journal, or in the frame being built */
    uint32_t bytes;  /**< of the value; SHERD_LMDB_ITEM_DELETED */
};

struct sherd_lmdb_index {
    _Atomic(uint32_t) *heads; /**< number + 1 of the newest item of each chain; 0 if empty */
    unsigned bits;            /**< 2^bits chains */
    uint32_t count;           /**< of items; the writer's */
    struct sherd_lmdb_item *chunks[SHERD_LMDB_INDEX_CHUNKS];
};

/** Make an index with 2^bits chains. It is all zero before. End it with sherd_lmdb_index_done() if that succeeds. */
SHERD_MUST_USE enum sherd_err sherd_lmdb_index_init(struct sherd_lmdb_index *index, unsigned bits);
/** Free; an index that is all zero is accepted. */
void sherd_lmdb_index_done(struct sherd_lmdb_index *index);

/** Make room, so that the next more calls of sherd_lmdb_index_add() cannot fail. @return SHERD_OK; NO_MEMORY; LIMIT */
SHERD_MUST_USE enum sherd_err sherd_lmdb_index_reserve(struct sherd_lmdb_index *index, uint32_t more);
/** Add the newest item of a name; room was reserved. */
void sherd_lmdb_index_add(struct sherd_lmdb_index *index, struct sherd_ref name, uint32_t offset, uint32_t bytes);
/** Take items away until count are left. Only where nobody else reads. */
void sherd_lmdb_index_truncate(struct sherd_lmdb_index *index, uint32_t count);

/** The newest item of a name among the first limit ones, or NULL. It stays as long as the index. */
const struct sherd_lmdb_item *sherd_lmdb_index_find(const struct sherd_lmdb_index *index, const struct sherd_ref *name,
                                                    uint32_t limit);

/** An item by its number, which is below a limit that the caller was given. */
static inline const struct sherd_lmdb_item *sherd_lmdb_index_item(const struct sherd_lmdb_index *index, uint32_t number)
{
    const struct sherd_lmdb_item *chunk = index->chunks[number / SHERD_LMDB_INDEX_CHUNK_ITEMS];

    if (chunk == NULL)
        sherd_bug("journal: item %u of its index was never added", number);
    return &chunk[number % SHERD_LMDB_INDEX_CHUNK_ITEMS];
}

#endif

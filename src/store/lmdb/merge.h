/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store/lmdb/merge.h
 * The items of a view in the order of their names, each name once, with its newest item. For walks: starting costs
 * little more than a look at every item, and each step the logarithm of their number.
 */
#ifndef SHERD_STORE_LMDB_MERGE_H
#define SHERD_STORE_LMDB_MERGE_H

#include "store/lmdb/log.h"

struct sherd_lmdb_merge {
    const struct sherd_lmdb_view *view;
    uint32_t *heap; /**< numbers of items, the least first; the highest bit tells the frozen journal */
    uint32_t heap_count;
    const struct sherd_lmdb_item *item;       /**< the current one; NULL at the end */
    const struct sherd_lmdb_journal *journal; /**< that it is in */
};

/** Begin at the first name greater than *after, or the first of all. merge is all zero before; the view outlives it. */
SHERD_MUST_USE enum sherd_err sherd_lmdb_merge_begin(const struct sherd_lmdb_view *view, const struct sherd_ref *after,
                                                     struct sherd_lmdb_merge *merge);
/** Go on to the next name. */
void sherd_lmdb_merge_next(struct sherd_lmdb_merge *merge);
/** A merge that is all zero is accepted. */
void sherd_lmdb_merge_done(struct sherd_lmdb_merge *merge);

#endif

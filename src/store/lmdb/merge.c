/* SPDX-License-Identifier: Apache-2.0 */
/* The items of both journals in order: a heap. See merge.h. */
#include "store/lmdb/merge.h"
#include "base/mem.h"
#include "store/lmdb/name.h"
#include <string.h>

#define FROZEN UINT32_C(0x80000000)

static const struct sherd_lmdb_item *item_of(const struct sherd_lmdb_merge *merge, uint32_t code)
{
    const struct sherd_lmdb_journal *journal = code & FROZEN ? merge->view->frozen : merge->view->active;

    if (journal == NULL)
        sherd_bug("journal: an item of none");
    return sherd_lmdb_index_item(&journal->index, code & ~FROZEN);
}

/* By name; of equal names the newer first: that of the active journal, then that with the higher number. */
static bool comes_before(const struct sherd_lmdb_merge *merge, uint32_t a, uint32_t b)
{
    const int order = sherd_lmdb_name_compare(&item_of(merge, a)->name, &item_of(merge, b)->name);

    if (order != 0)
        return order < 0;
    if ((a & FROZEN) != (b & FROZEN))
        return (a & FROZEN) == 0;
    return a > b;
}

static void sink(struct sherd_lmdb_merge *merge, uint32_t at)
{
    const uint32_t code = merge->heap[at];
    uint32_t child;

    while ((child = 2 * at + 1) < merge->heap_count) {
        if (child + 1 < merge->heap_count && comes_before(merge, merge->heap[child + 1], merge->heap[child]))
            child++;
        if (!comes_before(merge, merge->heap[child], code))
            break;
        merge->heap[at] = merge->heap[child];
        at = child;
    }
    merge->heap[at] = code;
}

static void add_items(struct sherd_lmdb_merge *merge, const struct sherd_lmdb_journal *journal, uint32_t count,
                      uint32_t flag, const struct sherd_ref *after)
{
    for (uint32_t i = 0; i < count; i++)
        if (after == NULL || sherd_lmdb_name_compare(&sherd_lmdb_index_item(&journal->index, i)->name, after) > 0)
            merge->heap[merge->heap_count++] = i | flag;
}

static uint32_t pop(struct sherd_lmdb_merge *merge)
{
    const uint32_t first = merge->heap[0];

    merge->heap[0] = merge->heap[--merge->heap_count];
    if (merge->heap_count > 0)
        sink(merge, 0);
    return first;
}

enum sherd_err sherd_lmdb_merge_begin(const struct sherd_lmdb_view *view, const struct sherd_ref *after,
                                      struct sherd_lmdb_merge *merge)
{
    const size_t most = (size_t)view->active_count + view->frozen_count;

    merge->view = view;
    merge->heap = sherd_alloc_array(most > 0 ? most : 1, sizeof *merge->heap);
    if (merge->heap == NULL)
        return SHERD_ERR_NO_MEMORY;
    add_items(merge, view->active, view->active_count, 0, after);
    if (view->frozen != NULL)
        add_items(merge, view->frozen, view->frozen_count, FROZEN, after);
    for (uint32_t i = merge->heap_count / 2; i-- > 0;)
        sink(merge, i);
    sherd_lmdb_merge_next(merge);
    return SHERD_OK;
}

void sherd_lmdb_merge_next(struct sherd_lmdb_merge *merge)
{
    const struct sherd_lmdb_item *before = merge->item;

    merge->item = NULL;
    while (merge->heap_count > 0) {
        const uint32_t code = pop(merge);
        const struct sherd_lmdb_item *item = item_of(merge, code);

        if (before != NULL && sherd_lmdb_name_compare(&before->name, &item->name) == 0)
            continue; /* an older one of the same name */
        merge->item = item;
        merge->journal = code & FROZEN ? merge->view->frozen : merge->view->active;
        return;
    }
}

void sherd_lmdb_merge_done(struct sherd_lmdb_merge *merge)
{
    sherd_free(merge->heap);
    memset(merge, 0, sizeof *merge);
}

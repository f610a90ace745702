/* SPDX-License-Identifier: Apache-2.0 */
/* Reading one unchanging state. See snapshot.h. */
#include "store/lmdb/snapshot.h"
#include "base/mem.h"
#include "store/lmdb/guard.h"
#include "store/lmdb/merge.h"
#include "store/lmdb/name.h"
#include <sched.h>

#define BEGIN_TRIES 1000

/* --- begin and end ----------------------------------------------------------------------------------------------- */

/*
 * First the view, then the reader: LMDB then has at least what the view leaves out as applied. If the view's active
 * journal is active still, LMDB has nothing of it, and so nothing newer than the view.
 */
static enum sherd_err try_begin(struct sherd_lmdb_log *log, struct sherd_lmdb_snapshot *snapshot)
{
    enum sherd_err err;

    SHERD_TRY(sherd_lmdb_log_view(log, &snapshot->view));
    err = sherd_lmdb_reader_begin(snapshot->env, &snapshot->reader);
    if (err == SHERD_OK && sherd_lmdb_view_holds(log, &snapshot->view))
        return SHERD_OK;
    if (err == SHERD_OK)
        sherd_lmdb_reader_end(snapshot->env, snapshot->reader);
    sherd_lmdb_view_done(&snapshot->view);
    return err;
}

enum sherd_err sherd_lmdb_snapshot_begin(struct sherd_lmdb_env *env, struct sherd_lmdb_log *log,
                                         struct sherd_lmdb_snapshot **out_snapshot)
{
    struct sherd_lmdb_snapshot *snapshot = sherd_alloc(sizeof *snapshot);
    enum sherd_err err = SHERD_OK;

    if (snapshot == NULL)
        return SHERD_ERR_NO_MEMORY;
    snapshot->env = env;
    for (int i = 0; i < BEGIN_TRIES && err == SHERD_OK; i++) {
        err = try_begin(log, snapshot);
        if (err == SHERD_OK && snapshot->view.active != NULL) {
            *out_snapshot = snapshot;
            return SHERD_OK;
        }
        (void)sched_yield();
    }
    sherd_free(snapshot);
    return err != SHERD_OK ? err : sherd_fail(SHERD_ERR_BUSY, "store: others write too fast to follow: try again");
}

void sherd_lmdb_snapshot_end(struct sherd_lmdb_snapshot *snapshot)
{
    sherd_lmdb_reader_end(snapshot->env, snapshot->reader);
    sherd_lmdb_view_done(&snapshot->view);
    sherd_free(snapshot);
}

/* --- get --------------------------------------------------------------------------------------------------------- */

enum sherd_err sherd_lmdb_snapshot_get(const struct sherd_lmdb_snapshot *snapshot, struct sherd_ref name,
                                       struct sherd_buf *out_value)
{
    const struct sherd_lmdb_journal *journal = NULL;
    const struct sherd_lmdb_item *item = sherd_lmdb_view_find(&snapshot->view, &name, &journal);
    enum sherd_err err = SHERD_OK;
    int rc;

    if (item != NULL)
        return sherd_lmdb_journal_value(journal, item, out_value);
    rc = sherd_lmdb_guard_get(snapshot->reader->txn, snapshot->env->dbi, sherd_span_of(name.bytes, sizeof name.bytes),
                              out_value, &err);
    return rc == MDB_SUCCESS ? err : sherd_lmdb_fail(rc, "read an entry");
}

/* --- scan -------------------------------------------------------------------------------------------------------- */

/* Two ordered walks that become one: LMDB's cursor, and the merged journals, which have the last word. */
struct walk {
    const struct sherd_lmdb_snapshot *snapshot;
    const struct sherd_ref *after;
    MDB_cursor *cursor;
    bool cursor_ended;
    struct sherd_ref name;  /* under the cursor */
    struct sherd_buf value; /* under the cursor */
    struct sherd_lmdb_merge merge;
    struct sherd_buf journal_value;
};

/* Move the cursor to the next entry; the key that is none of the callers' is passed over. */
static enum sherd_err cursor_next(struct walk *walk, MDB_cursor_op op)
{
    size_t bytes = sizeof walk->name.bytes;
    enum sherd_err err = SHERD_OK;
    int rc;

    do {
        rc = sherd_lmdb_guard_cursor(walk->cursor, op, walk->name.bytes, &bytes, &walk->value, &err);
        op = MDB_NEXT;
    } while (rc == MDB_SUCCESS && bytes == SHERD_LMDB_APPLIED_KEY_BYTES);
    walk->cursor_ended = rc == MDB_NOTFOUND;
    if (rc == MDB_NOTFOUND)
        return SHERD_OK;
    SHERD_TRY(sherd_lmdb_fail(rc, "walk the entries"));
    SHERD_ENSURE(bytes == sizeof walk->name.bytes, SHERD_ERR_IO,
                 "lmdb: the store is damaged: restore it from a backup");
    return err;
}

static enum sherd_err cursor_start(struct walk *walk)
{
    const struct sherd_lmdb_snapshot *snapshot = walk->snapshot;
    const int rc = mdb_cursor_open(snapshot->reader->txn, snapshot->env->dbi, &walk->cursor);

    SHERD_TRY(sherd_lmdb_fail(rc, "walk the entries"));
    if (walk->after == NULL)
        return cursor_next(walk, MDB_FIRST);
    walk->name = *walk->after;
    SHERD_TRY(cursor_next(walk, MDB_SET_RANGE));
    if (!walk->cursor_ended && sherd_lmdb_name_compare(&walk->name, walk->after) == 0)
        return cursor_next(walk, MDB_NEXT);
    return SHERD_OK;
}

static enum sherd_err visit_item(struct walk *walk, sherd_store_visit_fn *visit, void *arg)
{
    const struct sherd_lmdb_item *item = walk->merge.item;

    if (item->bytes == SHERD_LMDB_ITEM_DELETED)
        return SHERD_OK;
    walk->journal_value.len = 0;
    SHERD_TRY(sherd_lmdb_journal_value(walk->merge.journal, item, &walk->journal_value));
    return visit(arg, item->name, sherd_buf_span(&walk->journal_value));
}

static enum sherd_err walk_step(struct walk *walk, sherd_store_visit_fn *visit, void *arg)
{
    const struct sherd_lmdb_item *item = walk->merge.item;
    int order = walk->cursor_ended ? 1 : -1;

    if (item != NULL && !walk->cursor_ended)
        order = sherd_lmdb_name_compare(&walk->name, &item->name);
    if (order < 0) {
        SHERD_TRY(visit(arg, walk->name, sherd_buf_span(&walk->value)));
        return cursor_next(walk, MDB_NEXT);
    }
    SHERD_TRY(visit_item(walk, visit, arg));
    sherd_lmdb_merge_next(&walk->merge);
    return order == 0 ? cursor_next(walk, MDB_NEXT) : SHERD_OK;
}

static enum sherd_err walk_all(struct walk *walk, sherd_store_visit_fn *visit, void *arg)
{
    SHERD_TRY(cursor_start(walk));
    SHERD_TRY(sherd_lmdb_merge_begin(&walk->snapshot->view, walk->after, &walk->merge));
    while (!walk->cursor_ended || walk->merge.item != NULL)
        SHERD_TRY(walk_step(walk, visit, arg));
    return SHERD_OK;
}

enum sherd_err sherd_lmdb_snapshot_scan(const struct sherd_lmdb_snapshot *snapshot, const struct sherd_ref *after,
                                        sherd_store_visit_fn *visit, void *arg)
{
    struct walk walk = {
        .snapshot = snapshot,
        .after = after,
        .value = {.max = SHERD_STORE_VALUE_BYTES_MAX},
        .journal_value = {.max = SHERD_STORE_VALUE_BYTES_MAX},
    };
    const enum sherd_err err = walk_all(&walk, visit, arg);

    if (walk.cursor != NULL)
        mdb_cursor_close(walk.cursor);
    sherd_lmdb_merge_done(&walk.merge);
    sherd_buf_done(&walk.value);
    sherd_buf_done(&walk.journal_value);
    return err;
}

/* --- count ------------------------------------------------------------------------------------------------------- */

/* What an item changes in the count: it adds an entry, removes one, or neither. */
static enum sherd_err count_item(const struct sherd_lmdb_snapshot *snapshot, const struct sherd_lmdb_item *item,
                                 uint64_t *count)
{
    const int rc = sherd_lmdb_guard_has(snapshot->reader->txn, snapshot->env->dbi,
                                        sherd_span_of(item->name.bytes, sizeof item->name.bytes));

    if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND)
        return sherd_lmdb_fail(rc, "count the entries");
    if (rc == MDB_NOTFOUND && item->bytes != SHERD_LMDB_ITEM_DELETED)
        (*count)++;
    else if (rc == MDB_SUCCESS && item->bytes == SHERD_LMDB_ITEM_DELETED)
        (*count)--;
    return SHERD_OK;
}

static enum sherd_err count_lmdb(const struct sherd_lmdb_snapshot *snapshot, uint64_t *out_count)
{
    const struct sherd_span key = sherd_span_of(SHERD_LMDB_APPLIED_KEY, SHERD_LMDB_APPLIED_KEY_BYTES);
    MDB_stat stat = {0};

    SHERD_TRY(sherd_lmdb_fail(mdb_stat(snapshot->reader->txn, snapshot->env->dbi, &stat), "count the entries"));
    *out_count = stat.ms_entries;
    if (*out_count > 0 && sherd_lmdb_guard_has(snapshot->reader->txn, snapshot->env->dbi, key) == MDB_SUCCESS)
        (*out_count)--;
    return SHERD_OK;
}

enum sherd_err sherd_lmdb_snapshot_count(const struct sherd_lmdb_snapshot *snapshot, uint64_t *out_count)
{
    SHERD_CLEANUP(sherd_lmdb_merge_done) struct sherd_lmdb_merge merge = {0};
    uint64_t count = 0;

    SHERD_TRY(count_lmdb(snapshot, &count));
    SHERD_TRY(sherd_lmdb_merge_begin(&snapshot->view, NULL, &merge));
    for (; merge.item != NULL; sherd_lmdb_merge_next(&merge))
        SHERD_TRY(count_item(snapshot, merge.item, &count));
    *out_count = count;
    return SHERD_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The table of the embedded engine: what ties its parts together. */
#include "base/mem.h"
#include "store/fork.h"
#include "store/lmdb/blob.h"
#include "store/lmdb/env.h"
#include "store/lmdb/guard.h"
#include "store/lmdb/lmdb.h"
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

struct lmdb_store {
    struct sherd_store base;
    unsigned fork_count;
    atomic_bool failed; /* a write failed: nothing is written any more */
    struct sherd_lmdb_dir dir;
    struct sherd_lmdb_env env;
};

struct lmdb_snapshot {
    struct sherd_snapshot base;
    struct lmdb_store *store;
    struct sherd_lmdb_reader *reader;
};

/* The one cast down. */
static struct lmdb_store *from_base(struct sherd_store *store)
{
    if (store->ops != &sherd_store_lmdb)
        sherd_bug("a store of engine %s was given to lmdb", store->ops->name);
    return (struct lmdb_store *)store;
}

/* --- open and close ---------------------------------------------------------------------------------------------- */

static void store_free(struct lmdb_store *store)
{
    if (store->env.mdb != NULL)
        sherd_lmdb_env_close(&store->env);
    sherd_lmdb_dir_close(&store->dir);
    sherd_free(store);
}

static enum sherd_err open_parts(const struct sherd_store_config *config, struct lmdb_store *store)
{
    SHERD_TRY(sherd_fork_watch());
    SHERD_TRY(sherd_lmdb_dir_open(config, &store->dir));
    SHERD_TRY(sherd_lmdb_env_open(&store->dir, &store->env));
    if (config->create)
        SHERD_TRY(sherd_lmdb_dir_finish(&store->dir));
    return SHERD_OK;
}

static enum sherd_err lmdb_open(const struct sherd_store_config *config, struct sherd_store **out_store)
{
    struct lmdb_store *store = sherd_alloc(sizeof *store);
    enum sherd_err err;

    if (store == NULL)
        return SHERD_ERR_NO_MEMORY;
    store->base.ops = &sherd_store_lmdb;
    store->dir = SHERD_LMDB_DIR_NONE;
    err = open_parts(config, store);
    if (err != SHERD_OK) {
        if (config->create)
            sherd_lmdb_dir_undo(&store->dir);
        store_free(store);
        return err;
    }
    store->fork_count = sherd_fork_count();
    *out_store = &store->base;
    return SHERD_OK;
}

static void lmdb_close(struct sherd_store *base)
{
    if (base == NULL || sherd_fork_passed(from_base(base)->fork_count))
        return;
    store_free(from_base(base));
}

/* --- snapshots --------------------------------------------------------------------------------------------------- */

static enum sherd_err lmdb_snapshot_begin(struct sherd_store *base, struct sherd_snapshot **out_snapshot)
{
    struct lmdb_store *store = from_base(base);
    struct lmdb_snapshot *snapshot;
    enum sherd_err err;

    SHERD_TRY(sherd_fork_check(store->fork_count));
    snapshot = sherd_alloc(sizeof *snapshot);
    if (snapshot == NULL)
        return SHERD_ERR_NO_MEMORY;
    snapshot->base.ops = &sherd_store_lmdb;
    snapshot->store = store;
    err = sherd_lmdb_reader_begin(&store->env, &snapshot->reader);
    if (err != SHERD_OK) {
        sherd_free(snapshot);
        return err;
    }
    *out_snapshot = &snapshot->base;
    return SHERD_OK;
}

static void lmdb_snapshot_end(struct sherd_snapshot *base)
{
    struct lmdb_snapshot *snapshot = (struct lmdb_snapshot *)base;

    if (snapshot == NULL || sherd_fork_passed(snapshot->store->fork_count))
        return;
    sherd_lmdb_reader_end(&snapshot->store->env, snapshot->reader);
    sherd_free(snapshot);
}

static enum sherd_err lmdb_get(struct sherd_snapshot *base, struct sherd_ref name, struct sherd_buf *out_value)
{
    const struct lmdb_snapshot *snapshot = (const struct lmdb_snapshot *)base;
    const struct sherd_span key = sherd_span_of(name.bytes, sizeof name.bytes);
    enum sherd_err err = SHERD_OK;
    int rc;

    SHERD_TRY(sherd_fork_check(snapshot->store->fork_count));
    rc = sherd_lmdb_guard_get(snapshot->reader->txn, snapshot->store->env.dbi, key, out_value, &err);
    return rc == MDB_SUCCESS ? err : sherd_lmdb_fail(rc, "read an entry");
}

static enum sherd_err scan_cursor(MDB_cursor *cursor, const struct sherd_ref *after, struct sherd_buf *value,
                                  sherd_store_visit_fn *visit, void *arg)
{
    struct sherd_ref name = after != NULL ? *after : (struct sherd_ref){{0}};
    MDB_cursor_op op = MDB_SET_RANGE;
    size_t bytes = sizeof name.bytes;
    enum sherd_err err = SHERD_OK;
    int rc;

    while ((rc = sherd_lmdb_guard_cursor(cursor, op, name.bytes, &bytes, value, &err)) == MDB_SUCCESS) {
        SHERD_TRY(err);
        op = MDB_NEXT;
        if (after != NULL && memcmp(after, &name, sizeof name) == 0)
            continue;
        SHERD_TRY(visit(arg, name, sherd_buf_span(value)));
    }
    return rc == MDB_NOTFOUND ? SHERD_OK : sherd_lmdb_fail(rc, "walk the entries");
}

static enum sherd_err lmdb_scan(struct sherd_snapshot *base, const struct sherd_ref *after,
                                sherd_store_visit_fn *visit, void *arg)
{
    const struct lmdb_snapshot *snapshot = (const struct lmdb_snapshot *)base;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf value = {.max = SHERD_STORE_VALUE_BYTES_MAX};
    MDB_cursor *cursor = NULL;
    enum sherd_err err;
    int rc;

    SHERD_TRY(sherd_fork_check(snapshot->store->fork_count));
    rc = mdb_cursor_open(snapshot->reader->txn, snapshot->store->env.dbi, &cursor);
    if (rc != MDB_SUCCESS)
        return sherd_lmdb_fail(rc, "walk the entries");
    err = scan_cursor(cursor, after, &value, visit, arg);
    mdb_cursor_close(cursor);
    return err;
}

/* --- write ------------------------------------------------------------------------------------------------------- */

static enum sherd_err check_expectation(MDB_txn *txn, MDB_dbi dbi, const struct sherd_store_op *op)
{
    MDB_val key = {.mv_size = sizeof op->name.bytes, .mv_data = (void *)(uintptr_t)op->name.bytes};
    MDB_val value;
    int rc;

    if (op->expect == SHERD_EXPECT_ANY)
        return SHERD_OK;
    rc = mdb_get(txn, dbi, &key, &value);
    if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND)
        return sherd_lmdb_fail(rc, "read an entry");
    if (op->expect == SHERD_EXPECT_ABSENT)
        return rc == MDB_NOTFOUND ? SHERD_OK : SHERD_ERR_CONFLICT;
    if (rc == MDB_NOTFOUND || value.mv_size != op->expected.len)
        return SHERD_ERR_CONFLICT;
    return memcmp(value.mv_data, op->expected.data, value.mv_size) == 0 ? SHERD_OK : SHERD_ERR_CONFLICT;
}

static enum sherd_err apply_op(MDB_txn *txn, MDB_dbi dbi, const struct sherd_store_op *op)
{
    MDB_val key = {.mv_size = sizeof op->name.bytes, .mv_data = (void *)(uintptr_t)op->name.bytes};
    MDB_val value = {.mv_size = op->value.len, .mv_data = (void *)(uintptr_t)op->value.data};
    int rc;

    SHERD_TRY(check_expectation(txn, dbi, op));
    if (op->kind == SHERD_STORE_PUT)
        return sherd_lmdb_fail(mdb_put(txn, dbi, &key, &value, 0), "write an entry");
    rc = mdb_del(txn, dbi, &key, NULL);
    return rc == MDB_NOTFOUND ? SHERD_OK : sherd_lmdb_fail(rc, "remove an entry");
}

static enum sherd_err apply_ops(MDB_txn *txn, MDB_dbi dbi, const struct sherd_store_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        SHERD_TRY(apply_op(txn, dbi, &set->ops[i]));
    return SHERD_OK;
}

/* A set is a transaction within the transaction, so that it happens whole or not at all. */
static enum sherd_err apply_set(struct lmdb_store *store, MDB_txn *txn, const struct sherd_store_set *set)
{
    MDB_txn *part = NULL;
    enum sherd_err err;

    SHERD_TRY(sherd_lmdb_fail(mdb_txn_begin(store->env.mdb, txn, 0, &part), "begin a write set"));
    err = apply_ops(part, store->env.dbi, set);
    if (err != SHERD_OK) {
        mdb_txn_abort(part);
        return err;
    }
    return sherd_lmdb_fail(mdb_txn_commit(part), "end a write set");
}

static enum sherd_err write_sets(struct lmdb_store *store, struct sherd_store_set *const *sets, size_t set_count)
{
    MDB_txn *txn = NULL;

    SHERD_TRY(sherd_lmdb_writer_begin(&store->env, &txn));
    for (size_t i = 0; i < set_count; i++) {
        const enum sherd_err err = apply_set(store, txn, sets[i]);

        sets[i]->result = err;
        if (err != SHERD_OK && err != SHERD_ERR_CONFLICT) {
            mdb_txn_abort(txn);
            return err;
        }
    }
    return sherd_lmdb_fail(mdb_txn_commit(txn), "make a write durable");
}

static void fail_sets(struct sherd_store_set *const *sets, size_t set_count, enum sherd_err err)
{
    for (size_t i = 0; i < set_count; i++)
        if (sets[i]->result != SHERD_ERR_CONFLICT)
            sets[i]->result = err;
}

static enum sherd_err lmdb_write(struct sherd_store *base, struct sherd_store_set *const *sets, size_t set_count)
{
    struct lmdb_store *store = from_base(base);
    enum sherd_err err = sherd_fork_check(store->fork_count);

    for (size_t i = 0; i < set_count; i++)
        sets[i]->result = SHERD_OK;
    if (err == SHERD_OK && store->env.read_only)
        err = sherd_fail(SHERD_ERR_INVALID, "lmdb: the store is open to read only");
    else if (err == SHERD_OK && atomic_load(&store->failed))
        err = sherd_fail(SHERD_ERR_IO, "lmdb: an earlier write failed: close the vault and open it again");
    if (err == SHERD_OK) {
        err = write_sets(store, sets, set_count);
        if (err != SHERD_OK)
            atomic_store(&store->failed, true);
    }
    if (err != SHERD_OK)
        fail_sets(sets, set_count, err);
    return err;
}

/* --- blobs ------------------------------------------------------------------------------------------------------- */

static enum sherd_err check_writable(struct lmdb_store *store)
{
    SHERD_TRY(sherd_fork_check(store->fork_count));
    SHERD_ENSURE(!store->env.read_only, SHERD_ERR_INVALID, "lmdb: the store is open to read only");
    SHERD_ENSURE(!atomic_load(&store->failed), SHERD_ERR_IO,
                 "lmdb: an earlier write failed: close the vault and open it again");
    return SHERD_OK;
}

static enum sherd_err lmdb_blob_create(struct sherd_store *base, struct sherd_blob_writer **out_writer)
{
    struct lmdb_store *store = from_base(base);
    struct sherd_lmdb_blob_writer *writer = NULL;

    SHERD_TRY(check_writable(store));
    SHERD_TRY(sherd_lmdb_blob_create(&store->dir, &writer));
    writer->base.ops = &sherd_store_lmdb;
    writer->fork_count = store->fork_count;
    *out_writer = &writer->base;
    return SHERD_OK;
}

static enum sherd_err lmdb_blob_append(struct sherd_blob_writer *base, struct sherd_span bytes)
{
    struct sherd_lmdb_blob_writer *writer = (struct sherd_lmdb_blob_writer *)base;

    SHERD_TRY(sherd_fork_check(writer->fork_count));
    return sherd_lmdb_blob_append(writer, bytes);
}

static enum sherd_err lmdb_blob_patch(struct sherd_blob_writer *base, uint64_t offset, struct sherd_span bytes)
{
    struct sherd_lmdb_blob_writer *writer = (struct sherd_lmdb_blob_writer *)base;

    SHERD_TRY(sherd_fork_check(writer->fork_count));
    return sherd_lmdb_blob_patch(writer, offset, bytes);
}

static enum sherd_err lmdb_blob_commit(struct sherd_blob_writer *base, struct sherd_ref name)
{
    struct sherd_lmdb_blob_writer *writer = (struct sherd_lmdb_blob_writer *)base;

    SHERD_TRY(sherd_fork_check(writer->fork_count));
    return sherd_lmdb_blob_commit(writer, name);
}

static void lmdb_blob_abort(struct sherd_blob_writer *base)
{
    struct sherd_lmdb_blob_writer *writer = (struct sherd_lmdb_blob_writer *)base;

    if (writer == NULL || sherd_fork_passed(writer->fork_count))
        return;
    sherd_lmdb_blob_abort(writer);
}

static enum sherd_err lmdb_blob_open(struct sherd_store *base, struct sherd_ref name,
                                     struct sherd_blob_reader **out_reader, uint64_t *out_bytes)
{
    struct lmdb_store *store = from_base(base);
    struct sherd_lmdb_blob_reader *reader = NULL;

    SHERD_TRY(sherd_fork_check(store->fork_count));
    SHERD_TRY(sherd_lmdb_blob_open(&store->dir, name, &reader, out_bytes));
    reader->base.ops = &sherd_store_lmdb;
    *out_reader = &reader->base;
    return SHERD_OK;
}

/* A file descriptor is as good after a fork as before: a reader needs no check. */
static enum sherd_err lmdb_blob_read(struct sherd_blob_reader *reader, uint64_t offset, uint8_t *block, size_t bytes)
{
    return sherd_lmdb_blob_read((const struct sherd_lmdb_blob_reader *)reader, offset, block, bytes);
}

static void lmdb_blob_close(struct sherd_blob_reader *reader)
{
    if (reader != NULL)
        sherd_lmdb_blob_close((struct sherd_lmdb_blob_reader *)reader);
}

static enum sherd_err lmdb_blob_delete(struct sherd_store *base, struct sherd_ref name)
{
    struct lmdb_store *store = from_base(base);

    SHERD_TRY(check_writable(store));
    return sherd_lmdb_blob_delete(&store->dir, name);
}

static enum sherd_err lmdb_blob_scan(struct sherd_store *base, const struct sherd_ref *after,
                                     sherd_store_visit_fn *visit, void *arg)
{
    struct lmdb_store *store = from_base(base);

    SHERD_TRY(sherd_fork_check(store->fork_count));
    return sherd_lmdb_blob_scan(&store->dir, after, visit, arg);
}

/* --- upkeep ------------------------------------------------------------------------------------------------------ */

static enum sherd_err lmdb_tidy(struct sherd_store *base, uint64_t *out_removed_count)
{
    struct lmdb_store *store = from_base(base);
    uint64_t files = 0;
    int dead = 0;

    SHERD_TRY(check_writable(store));
    SHERD_TRY(sherd_lmdb_fail(mdb_reader_check(store->env.mdb, &dead), "look for dead readers"));
    SHERD_TRY(sherd_lmdb_blob_tidy(&store->dir, &files));
    *out_removed_count = files + (uint64_t)dead;
    return SHERD_OK;
}

static enum sherd_err count_blob(void *arg, struct sherd_ref name, struct sherd_span value)
{
    struct sherd_store_stat *stat = arg;

    (void)name;
    stat->blob_count++;
    stat->blob_bytes += value.len;
    return SHERD_OK;
}

static enum sherd_err file_bytes(const struct lmdb_store *store, const char *name, uint64_t *out_bytes)
{
    struct stat st;

    if (fstatat(store->dir.fd, name, &st, 0) != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "store: look at %s", name);
    *out_bytes = (uint64_t)st.st_blocks * 512;
    return SHERD_OK;
}

static enum sherd_err lmdb_stat(struct sherd_store *base, struct sherd_store_stat *out_stat)
{
    struct lmdb_store *store = from_base(base);
    struct sherd_store_stat stat = {0};
    struct sherd_lmdb_reader *reader = NULL;
    MDB_stat entries = {0};
    int rc;

    SHERD_TRY(sherd_fork_check(store->fork_count));
    SHERD_TRY(sherd_lmdb_reader_begin(&store->env, &reader));
    rc = mdb_stat(reader->txn, store->env.dbi, &entries);
    sherd_lmdb_reader_end(&store->env, reader);
    SHERD_TRY(sherd_lmdb_fail(rc, "count the entries"));
    stat.entry_count = entries.ms_entries;
    SHERD_TRY(file_bytes(store, "data.mdb", &stat.entry_bytes));
    SHERD_TRY(sherd_lmdb_blob_scan(&store->dir, NULL, count_blob, &stat));
    *out_stat = stat;
    return SHERD_OK;
}

const struct sherd_store_ops sherd_store_lmdb = {
    .abi = SHERD_STORE_ABI,
    .name = "lmdb",
    .open = lmdb_open,
    .close = lmdb_close,
    .snapshot_begin = lmdb_snapshot_begin,
    .snapshot_end = lmdb_snapshot_end,
    .get = lmdb_get,
    .scan = lmdb_scan,
    .write = lmdb_write,
    .blob_create = lmdb_blob_create,
    .blob_append = lmdb_blob_append,
    .blob_patch = lmdb_blob_patch,
    .blob_commit = lmdb_blob_commit,
    .blob_abort = lmdb_blob_abort,
    .blob_open = lmdb_blob_open,
    .blob_read = lmdb_blob_read,
    .blob_close = lmdb_blob_close,
    .blob_delete = lmdb_blob_delete,
    .blob_scan = lmdb_blob_scan,
    .tidy = lmdb_tidy,
    .stat = lmdb_stat,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* The table of the embedded engine: what ties its parts together. */
#include "base/mem.h"
#include "base/fork.h"
#include "store/lmdb/blob.h"
#include "store/lmdb/lmdb.h"
#include "store/lmdb/snapshot.h"
#include "store/lmdb/write.h"
#include <sys/stat.h>

struct lmdb_store {
    struct sherd_store base;
    unsigned fork_count;
    struct sherd_lmdb_failure failure; /* nobody knows what is on the disk: nothing is written any more */
    struct sherd_lmdb_dir dir;
    struct sherd_lmdb_env env;
    struct sherd_lmdb_log log;
    struct sherd_lmdb_applier applier;
    struct sherd_lmdb_writer writer;
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
    sherd_lmdb_applier_done(&store->applier);
    sherd_lmdb_writer_done(&store->writer);
    sherd_lmdb_log_close(&store->log);
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
    SHERD_TRY(sherd_lmdb_log_open(&store->dir, &store->env, config->create, &store->log));
    SHERD_TRY(sherd_lmdb_applier_init(&store->env, &store->log, &store->failure, &store->applier));
    SHERD_TRY(sherd_lmdb_writer_init(&store->env, &store->log, &store->applier, &store->failure, &store->writer));
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
    struct lmdb_store *store;

    if (base == NULL || sherd_fork_passed(from_base(base)->fork_count))
        return;
    store = from_base(base);
    sherd_lmdb_writer_settle(&store->writer);
    store_free(store);
}

/* --- entries ----------------------------------------------------------------------------------------------------- */

static enum sherd_err lmdb_snapshot_begin(struct sherd_store *base, struct sherd_snapshot **out_snapshot)
{
    struct lmdb_store *store = from_base(base);
    struct sherd_lmdb_snapshot *snapshot = NULL;

    SHERD_TRY(sherd_fork_check(store->fork_count));
    SHERD_TRY(sherd_lmdb_snapshot_begin(&store->env, &store->log, &snapshot));
    snapshot->base.ops = &sherd_store_lmdb;
    snapshot->fork_count = store->fork_count;
    *out_snapshot = &snapshot->base;
    return SHERD_OK;
}

static void lmdb_snapshot_end(struct sherd_snapshot *base)
{
    struct sherd_lmdb_snapshot *snapshot = (struct sherd_lmdb_snapshot *)base;

    if (snapshot != NULL && !sherd_fork_passed(snapshot->fork_count))
        sherd_lmdb_snapshot_end(snapshot);
}

static enum sherd_err lmdb_get(struct sherd_snapshot *base, struct sherd_ref name, struct sherd_buf *out_value)
{
    const struct sherd_lmdb_snapshot *snapshot = (const struct sherd_lmdb_snapshot *)base;

    SHERD_TRY(sherd_fork_check(snapshot->fork_count));
    return sherd_lmdb_snapshot_get(snapshot, name, out_value);
}

static enum sherd_err lmdb_scan(struct sherd_snapshot *base, const struct sherd_ref *after, sherd_store_visit_fn *visit,
                                void *arg)
{
    const struct sherd_lmdb_snapshot *snapshot = (const struct sherd_lmdb_snapshot *)base;

    SHERD_TRY(sherd_fork_check(snapshot->fork_count));
    return sherd_lmdb_snapshot_scan(snapshot, after, visit, arg);
}

static enum sherd_err check_writable(struct lmdb_store *store)
{
    SHERD_TRY(sherd_fork_check(store->fork_count));
    SHERD_ENSURE(!store->dir.read_only, SHERD_ERR_INVALID, "store: it is open to read only");
    return sherd_lmdb_failure_check(&store->failure);
}

static enum sherd_err lmdb_write(struct sherd_store *base, struct sherd_store_set *const *sets, size_t set_count)
{
    struct lmdb_store *store = from_base(base);
    const enum sherd_err err = check_writable(store);

    if (err == SHERD_OK)
        return sherd_lmdb_write(&store->writer, sets, set_count);
    for (size_t i = 0; i < set_count; i++)
        sets[i]->result = err;
    return err;
}

/* --- blobs ------------------------------------------------------------------------------------------------------- */

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
    sherd_lmdb_writer_apply_at_end(&store->writer);
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

static enum sherd_err add_file_bytes(const struct lmdb_store *store, const char *name, uint64_t *bytes)
{
    struct stat st;

    if (fstatat(store->dir.fd, name, &st, 0) != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "store: look at %s", name);
    *bytes += (uint64_t)st.st_blocks * 512;
    return SHERD_OK;
}

static enum sherd_err count_entries(struct lmdb_store *store, uint64_t *out_count)
{
    struct sherd_lmdb_snapshot *snapshot = NULL;
    enum sherd_err err;

    SHERD_TRY(sherd_lmdb_snapshot_begin(&store->env, &store->log, &snapshot));
    err = sherd_lmdb_snapshot_count(snapshot, out_count);
    sherd_lmdb_snapshot_end(snapshot);
    return err;
}

static enum sherd_err lmdb_stat(struct sherd_store *base, struct sherd_store_stat *out_stat)
{
    static const char *const files[] = {"data.mdb", "journal-0", "journal-1"};
    struct lmdb_store *store = from_base(base);
    struct sherd_store_stat stat = {0};

    SHERD_TRY(sherd_fork_check(store->fork_count));
    SHERD_TRY(count_entries(store, &stat.entry_count));
    for (size_t i = 0; i < SHERD_COUNT_OF(files); i++)
        SHERD_TRY(add_file_bytes(store, files[i], &stat.entry_bytes));
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

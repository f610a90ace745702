/* SPDX-License-Identifier: Apache-2.0 */
/* Our engine and plain LMDB behind the calls of peer.h. */
#include "peer.h"
#include "store/lmdb/lmdb.h"
#include "tools.h"
#include <lmdb.h>
#include <string.h>
#include <sys/stat.h>

/* --- ours -------------------------------------------------------------------------------------------------------- */

static void *sherd_open(const char *path, bool create)
{
    const struct sherd_store_config config = {.path = path, .create = create};
    struct sherd_store *store = NULL;

    if (sherd_store_lmdb.open(&config, &store) != SHERD_OK)
        die("open: %s", sherd_err_detail());
    return store;
}

static void sherd_close(void *handle)
{
    sherd_store_lmdb.close(handle);
}

static void sherd_put(void *handle, const struct sherd_ref *names, const uint8_t *values, size_t count)
{
    static struct sherd_store_op ops[BATCH_MAX];
    static struct sherd_store_set sets[BATCH_MAX];
    static struct sherd_store_set *pointers[BATCH_MAX];

    for (size_t i = 0; i < count; i++) {
        ops[i] = (struct sherd_store_op){.kind = SHERD_STORE_PUT,
                                         .expect = SHERD_EXPECT_ABSENT,
                                         .name = names[i],
                                         .value = sherd_span_of(values + i * VALUE_BYTES, VALUE_BYTES)};
        sets[i] = (struct sherd_store_set){.ops = &ops[i], .count = 1};
        pointers[i] = &sets[i];
    }
    if (sherd_store_lmdb.write(handle, pointers, count) != SHERD_OK)
        die("write: %s", sherd_err_detail());
}

static size_t sherd_get(void *handle, struct sherd_ref name, uint8_t out_value[static VALUE_BYTES])
{
    struct sherd_buf value = sherd_buf_borrow(out_value, VALUE_BYTES);
    struct sherd_snapshot *snapshot = NULL;
    enum sherd_err err;

    if (sherd_store_lmdb.snapshot_begin(handle, &snapshot) != SHERD_OK)
        die("snapshot: %s", sherd_err_detail());
    err = sherd_store_lmdb.get(snapshot, name, &value);
    sherd_store_lmdb.snapshot_end(snapshot);
    if (err != SHERD_OK && err != SHERD_ERR_NOT_FOUND)
        die("get: %s", sherd_err_detail());
    return value.len;
}

const struct peer peer_sherd = {"sherd", sherd_open, sherd_close, sherd_put, sherd_get};

/* --- LMDB -------------------------------------------------------------------------------------------------------- */

struct plain {
    MDB_env *env;
    MDB_dbi dbi;
    MDB_txn *reader;
};

static void check(int rc)
{
    if (rc != MDB_SUCCESS)
        die("lmdb: %s", mdb_strerror(rc));
}

static void *plain_open(const char *path, bool create)
{
    static struct plain plains[8];
    static size_t used;
    struct plain *plain = &plains[used++ % 8];
    MDB_txn *txn = NULL;

    if (create && mkdir(path, 0700) != 0)
        die("make %s", path);
    check(mdb_env_create(&plain->env));
    check(mdb_env_set_mapsize(plain->env, (size_t)1 << 40));
    check(mdb_env_open(plain->env, path, MDB_NOTLS, 0600));
    check(mdb_txn_begin(plain->env, NULL, 0, &txn));
    check(mdb_dbi_open(txn, NULL, 0, &plain->dbi));
    check(mdb_txn_commit(txn));
    check(mdb_txn_begin(plain->env, NULL, MDB_RDONLY, &plain->reader));
    mdb_txn_reset(plain->reader);
    return plain;
}

static void plain_close(void *handle)
{
    const struct plain *plain = handle;

    mdb_txn_abort(plain->reader);
    mdb_env_close(plain->env);
}

static void plain_put(void *handle, const struct sherd_ref *names, const uint8_t *values, size_t count)
{
    const struct plain *plain = handle;
    MDB_txn *txn = NULL;

    check(mdb_txn_begin(plain->env, NULL, 0, &txn));
    for (size_t i = 0; i < count; i++) {
        MDB_val key = {.mv_size = 16, .mv_data = (void *)(uintptr_t)names[i].bytes};
        MDB_val value = {.mv_size = VALUE_BYTES, .mv_data = (void *)(uintptr_t)(values + i * VALUE_BYTES)};

        check(mdb_put(txn, plain->dbi, &key, &value, MDB_NOOVERWRITE));
    }
    check(mdb_txn_commit(txn));
}

static size_t plain_get(void *handle, struct sherd_ref name, uint8_t out_value[static VALUE_BYTES])
{
    const struct plain *plain = handle;
    MDB_val key = {.mv_size = 16, .mv_data = name.bytes};
    MDB_val value = {0};
    int rc;

    check(mdb_txn_renew(plain->reader));
    rc = mdb_get(plain->reader, plain->dbi, &key, &value);
    if (rc == MDB_SUCCESS)
        memcpy(out_value, value.mv_data, value.mv_size);
    mdb_txn_reset(plain->reader);
    return rc == MDB_SUCCESS ? value.mv_size : 0;
}

const struct peer peer_lmdb = {"lmdb", plain_open, plain_close, plain_put, plain_get};

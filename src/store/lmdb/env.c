/* SPDX-License-Identifier: Apache-2.0 */
/* One LMDB environment. See env.h. */
#include "store/lmdb/env.h"
#include "base/mem.h"
#include "store/lmdb/guard.h"
#include <errno.h>
#include <string.h>
#include <time.h>

/*
 * The map is address space, not memory and not disk, so it is made so large that it need never grow. Where address
 * space is limited (ulimit -v, some sanitizers and emulators) a smaller one is taken, and grown when it is full.
 */
#define MAP_BYTES_MOST ((size_t)1 << 40)
#define MAP_BYTES_LEAST ((size_t)64 << 20)

#define READERS_MAX 1022U /* all processes together */
#define POOL_MAX 64U      /* reset transactions that are kept: each holds a slot of the reader table */
#define GROW_WAIT_S 10

enum sherd_err sherd_lmdb_fail(int rc, const char *doing)
{
    switch (rc) {
    case MDB_SUCCESS: return SHERD_OK;
    case MDB_NOTFOUND: return SHERD_ERR_NOT_FOUND;
    case MDB_READERS_FULL: return sherd_fail(SHERD_ERR_BUSY, "lmdb: %s: too many readers at once: try again", doing);
    case MDB_MAP_FULL:
        return sherd_fail(SHERD_ERR_LIMIT, "lmdb: %s: the map is full: allow more address space (ulimit -v)", doing);
    case MDB_MAP_RESIZED:
        return sherd_fail(SHERD_ERR_BUSY, "lmdb: %s: another process made the store larger: try again", doing);
    case MDB_VERSION_MISMATCH:
        return sherd_fail(SHERD_ERR_UNSUPPORTED, "lmdb: %s: data.mdb is of another version of LMDB", doing);
    default: break;
    }
    if (rc < 0)
        return sherd_fail(SHERD_ERR_IO, "lmdb: %s: %s: the store is damaged: restore it from a backup", doing,
                          mdb_strerror(rc));
    errno = rc;
    return sherd_fail_errno(SHERD_ERR_IO, "lmdb: %s", doing);
}

/* --- open ------------------------------------------------------------------------------------------------------- */

/* One attempt with a map of a size. An MDB_env whose open failed can only be closed. */
static int open_mapped(struct sherd_lmdb_env *env, const char *path, unsigned flags, size_t map_bytes)
{
    int rc = mdb_env_create(&env->mdb);

    if (rc != MDB_SUCCESS)
        return rc;
    sherd_lmdb_guard_env(env->mdb);
    rc = mdb_env_set_maxreaders(env->mdb, READERS_MAX);
    if (rc == MDB_SUCCESS)
        rc = mdb_env_set_mapsize(env->mdb, map_bytes);
    if (rc == MDB_SUCCESS)
        rc = mdb_env_open(env->mdb, path, flags, 0600);
    if (rc != MDB_SUCCESS) {
        mdb_env_close(env->mdb);
        env->mdb = NULL;
    }
    return rc;
}

static int open_largest(struct sherd_lmdb_env *env, const char *path, unsigned flags)
{
    int rc = ENOMEM;

    for (size_t bytes = MAP_BYTES_MOST; bytes >= MAP_BYTES_LEAST; bytes /= 4) {
        rc = open_mapped(env, path, flags, bytes);
        if (rc != ENOMEM && rc != EINVAL)
            return rc;
    }
    return rc;
}

static int open_dbi(struct sherd_lmdb_env *env)
{
    MDB_txn *txn = NULL;
    int rc = mdb_txn_begin(env->mdb, NULL, MDB_RDONLY, &txn);

    if (rc != MDB_SUCCESS)
        return rc;
    rc = mdb_dbi_open(txn, NULL, 0, &env->dbi);
    if (rc != MDB_SUCCESS) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

static enum sherd_err init_locks(struct sherd_lmdb_env *env)
{
    pthread_condattr_t attr;
    bool done;

    if (pthread_mutex_init(&env->mutex, NULL) != 0)
        return sherd_fail(SHERD_ERR_NO_MEMORY, "lmdb: no memory for a lock");
    done = pthread_condattr_init(&attr) == 0;
    done = done && pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0;
    done = done && pthread_cond_init(&env->idle, &attr) == 0;
    (void)pthread_condattr_destroy(&attr);
    if (done)
        return SHERD_OK;
    (void)pthread_mutex_destroy(&env->mutex);
    return sherd_fail(SHERD_ERR_NO_MEMORY, "lmdb: no memory for a lock");
}

enum sherd_err sherd_lmdb_env_open(const struct sherd_lmdb_dir *dir, struct sherd_lmdb_env *env)
{
    const unsigned flags = MDB_NOTLS | (dir->read_only ? MDB_RDONLY : 0U);
    int dead = 0;
    int rc;

    SHERD_TRY(init_locks(env));
    env->read_only = dir->read_only;
    rc = open_largest(env, dir->path, flags);
    if (rc == EACCES && dir->read_only) /* may not even lock: then nobody can write here either */
        rc = open_largest(env, dir->path, flags | MDB_NOLOCK);
    if (rc == MDB_SUCCESS)
        rc = mdb_reader_check(env->mdb, &dead);
    if (rc == MDB_SUCCESS)
        rc = open_dbi(env);
    if (rc == MDB_SUCCESS)
        return SHERD_OK;
    sherd_lmdb_env_close(env);
    return sherd_lmdb_fail(rc, "open the entries");
}

void sherd_lmdb_env_close(struct sherd_lmdb_env *env)
{
    while (env->pool != NULL) {
        struct sherd_lmdb_reader *reader = env->pool;

        env->pool = reader->next;
        mdb_txn_abort(reader->txn);
        sherd_free(reader);
    }
    if (env->mdb != NULL)
        mdb_env_close(env->mdb);
    (void)pthread_cond_destroy(&env->idle);
    (void)pthread_mutex_destroy(&env->mutex);
    memset(env, 0, sizeof *env);
}

/* --- the map ---------------------------------------------------------------------------------------------------- */

static enum sherd_err wait_until_idle(struct sherd_lmdb_env *env)
{
    struct timespec until;
    int rc = 0;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += GROW_WAIT_S;
    while (env->reader_count > 0 && rc == 0)
        rc = pthread_cond_timedwait(&env->idle, &env->mutex, &until);
    SHERD_ENSURE(env->reader_count == 0, SHERD_ERR_BUSY, "lmdb: the map must grow, and readers hold it: try again");
    return SHERD_OK;
}

/* The map moves in memory, so no reader of this process may be out. bytes 0: as large as the file has become. */
static enum sherd_err resize(struct sherd_lmdb_env *env, size_t bytes)
{
    enum sherd_err err = SHERD_ERR_BUSY;

    (void)pthread_mutex_lock(&env->mutex);
    if (!env->resizing) {
        env->resizing = true;
        err = wait_until_idle(env);
        if (err == SHERD_OK)
            err = sherd_lmdb_fail(mdb_env_set_mapsize(env->mdb, bytes), "grow the map");
        env->resizing = false;
        (void)pthread_cond_broadcast(&env->idle);
    }
    (void)pthread_mutex_unlock(&env->mutex);
    return err;
}

enum sherd_err sherd_lmdb_env_grow(struct sherd_lmdb_env *env)
{
    MDB_envinfo info;
    const int rc = mdb_env_info(env->mdb, &info);

    if (rc != MDB_SUCCESS)
        return sherd_lmdb_fail(rc, "grow the map");
    return resize(env, info.me_mapsize * 2);
}

/* --- readers ---------------------------------------------------------------------------------------------------- */

static int begin_txn(struct sherd_lmdb_env *env, MDB_txn **out_txn)
{
    int dead = 0;
    int rc = mdb_txn_begin(env->mdb, NULL, MDB_RDONLY, out_txn);

    if (rc != MDB_READERS_FULL)
        return rc;
    rc = mdb_reader_check(env->mdb, &dead); /* slots of processes that died */
    if (rc != MDB_SUCCESS)
        return rc;
    return mdb_txn_begin(env->mdb, NULL, MDB_RDONLY, out_txn);
}

/* An idle transaction of the pool, or NULL. Waits while the map moves. */
static struct sherd_lmdb_reader *take_pooled(struct sherd_lmdb_env *env)
{
    struct sherd_lmdb_reader *reader;

    (void)pthread_mutex_lock(&env->mutex);
    while (env->resizing)
        (void)pthread_cond_wait(&env->idle, &env->mutex);
    reader = env->pool;
    if (reader != NULL) {
        env->pool = reader->next;
        env->pool_count--;
    }
    env->reader_count++;
    (void)pthread_mutex_unlock(&env->mutex);
    return reader;
}

static void uncount_reader(struct sherd_lmdb_env *env)
{
    (void)pthread_mutex_lock(&env->mutex);
    env->reader_count--;
    if (env->reader_count == 0)
        (void)pthread_cond_broadcast(&env->idle);
    (void)pthread_mutex_unlock(&env->mutex);
}

/* Start the transaction of a reader that is counted already; consumes it on failure. */
static int start_reader(struct sherd_lmdb_env *env, struct sherd_lmdb_reader *reader)
{
    int rc = reader->txn != NULL ? mdb_txn_renew(reader->txn) : begin_txn(env, &reader->txn);

    if (rc == MDB_SUCCESS)
        return rc;
    if (reader->txn != NULL)
        mdb_txn_abort(reader->txn);
    sherd_free(reader);
    uncount_reader(env);
    return rc;
}

static int try_begin(struct sherd_lmdb_env *env, struct sherd_lmdb_reader **out_reader)
{
    struct sherd_lmdb_reader *reader = take_pooled(env);
    int rc;

    if (reader == NULL) {
        reader = sherd_alloc(sizeof *reader);
        if (reader == NULL) {
            uncount_reader(env);
            return ENOMEM;
        }
    }
    rc = start_reader(env, reader);
    if (rc == MDB_SUCCESS)
        *out_reader = reader;
    return rc;
}

enum sherd_err sherd_lmdb_reader_begin(struct sherd_lmdb_env *env, struct sherd_lmdb_reader **out_reader)
{
    int rc = try_begin(env, out_reader);

    if (rc == MDB_MAP_RESIZED) {
        SHERD_TRY(resize(env, 0));
        rc = try_begin(env, out_reader);
    }
    return sherd_lmdb_fail(rc, "begin to read");
}

void sherd_lmdb_reader_end(struct sherd_lmdb_env *env, struct sherd_lmdb_reader *reader)
{
    bool kept;

    mdb_txn_reset(reader->txn);
    (void)pthread_mutex_lock(&env->mutex);
    kept = env->pool_count < POOL_MAX;
    if (kept) {
        reader->next = env->pool;
        env->pool = reader;
        env->pool_count++;
    }
    env->reader_count--;
    if (env->reader_count == 0)
        (void)pthread_cond_broadcast(&env->idle);
    (void)pthread_mutex_unlock(&env->mutex);
    if (!kept) {
        mdb_txn_abort(reader->txn);
        sherd_free(reader);
    }
}

enum sherd_err sherd_lmdb_env_begin_write(struct sherd_lmdb_env *env, MDB_txn **out_txn)
{
    int rc = mdb_txn_begin(env->mdb, NULL, 0, out_txn);

    if (rc == MDB_MAP_RESIZED) {
        SHERD_TRY(resize(env, 0));
        rc = mdb_txn_begin(env->mdb, NULL, 0, out_txn);
    }
    return sherd_lmdb_fail(rc, "begin to write");
}

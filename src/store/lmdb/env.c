/* SPDX-License-Identifier: Apache-2.0 */
/* One LMDB environment. See env.h. */
#include "store/lmdb/env.h"
#include "base/mem.h"
#include "store/lmdb/guard.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
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
#define RESIZE_TRIES 8

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
    const unsigned flags = MDB_NOTLS | MDB_NOMETASYNC | (dir->read_only ? MDB_RDONLY : 0U);
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

/* What the map is to become: twice as large, or as large as the file has become. */
enum resize_to { TO_TWICE, TO_FILE };

static enum sherd_err check_map(const struct sherd_lmdb_env *env)
{
    SHERD_ENSURE(!env->lost, SHERD_ERR_IO, "lmdb: the entries could not be mapped again: close the vault and open it");
    return SHERD_OK;
}

static enum sherd_err wait_until_idle(struct sherd_lmdb_env *env)
{
    struct timespec until;
    int rc = 0;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += GROW_WAIT_S;
    while (env->user_count > 0 && rc == 0)
        rc = pthread_cond_timedwait(&env->idle, &env->mutex, &until);
    SHERD_ENSURE(env->user_count == 0, SHERD_ERR_BUSY, "lmdb: the map must grow, and readers hold it: try again");
    return SHERD_OK;
}

/* LMDB gives its map up before it asks for another, and does not survive getting none. So ask first. */
static bool has_room_for(size_t bytes)
{
    void *map = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return map != MAP_FAILED && munmap(map, bytes) == 0;
}

static int wanted_bytes(const struct sherd_lmdb_env *env, enum resize_to to, size_t *out_bytes)
{
    MDB_envinfo info;
    mdb_filehandle_t fd;
    struct stat st;
    int rc = mdb_env_info(env->mdb, &info);

    if (rc == MDB_SUCCESS)
        rc = mdb_env_get_fd(env->mdb, &fd);
    if (rc == MDB_SUCCESS && fstat(fd, &st) != 0)
        rc = errno;
    if (rc == MDB_SUCCESS)
        *out_bytes = to == TO_TWICE ? info.me_mapsize * 2 : (size_t)st.st_size;
    return rc;
}

/* Nobody uses the map. */
static enum sherd_err move_map(struct sherd_lmdb_env *env, enum resize_to to)
{
    size_t bytes = 0;
    int rc;

    SHERD_TRY(check_map(env));
    rc = wanted_bytes(env, to, &bytes);
    if (rc == MDB_SUCCESS && !has_room_for(bytes))
        rc = MDB_MAP_FULL;
    if (rc == MDB_SUCCESS) {
        rc = mdb_env_set_mapsize(env->mdb, to == TO_TWICE ? bytes : 0);
        env->lost = rc != MDB_SUCCESS;
    }
    return sherd_lmdb_fail(rc, "grow the map");
}

/* The map moves in memory, so nobody of this process may be using it. */
static enum sherd_err resize(struct sherd_lmdb_env *env, enum resize_to to)
{
    enum sherd_err err = SHERD_OK;

    (void)pthread_mutex_lock(&env->mutex);
    if (env->resizing) { /* another thread does it; whoever came here tries once more */
        while (env->resizing)
            (void)pthread_cond_wait(&env->idle, &env->mutex);
    } else {
        env->resizing = true;
        err = wait_until_idle(env);
        if (err == SHERD_OK)
            err = move_map(env, to);
        env->resizing = false;
        (void)pthread_cond_broadcast(&env->idle);
    }
    (void)pthread_mutex_unlock(&env->mutex);
    return err;
}

/* From here on the map does not move. @return SHERD_OK; SHERD_ERR_IO: there is none any more */
static enum sherd_err count_user_locked(struct sherd_lmdb_env *env)
{
    while (env->resizing)
        (void)pthread_cond_wait(&env->idle, &env->mutex);
    SHERD_TRY(check_map(env));
    env->user_count++;
    return SHERD_OK;
}

static void uncount_user_locked(struct sherd_lmdb_env *env)
{
    env->user_count--;
    if (env->user_count == 0)
        (void)pthread_cond_broadcast(&env->idle);
}

static void uncount_user(struct sherd_lmdb_env *env)
{
    (void)pthread_mutex_lock(&env->mutex);
    uncount_user_locked(env);
    (void)pthread_mutex_unlock(&env->mutex);
}

enum sherd_err sherd_lmdb_env_grow(struct sherd_lmdb_env *env)
{
    return resize(env, TO_TWICE);
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

/* Count a reader; its idle transaction out of the pool, or NULL. Waits while the map moves. */
static enum sherd_err take_pooled(struct sherd_lmdb_env *env, struct sherd_lmdb_reader **out_reader)
{
    enum sherd_err err;

    (void)pthread_mutex_lock(&env->mutex);
    err = count_user_locked(env);
    *out_reader = err == SHERD_OK ? env->pool : NULL;
    if (*out_reader != NULL) {
        env->pool = (*out_reader)->next;
        env->pool_count--;
    }
    (void)pthread_mutex_unlock(&env->mutex);
    return err;
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
    uncount_user(env);
    return rc;
}

static enum sherd_err try_begin(struct sherd_lmdb_env *env, struct sherd_lmdb_reader **out_reader, int *out_rc)
{
    struct sherd_lmdb_reader *reader;

    SHERD_TRY(take_pooled(env, &reader));
    if (reader == NULL) {
        reader = sherd_alloc(sizeof *reader);
        if (reader == NULL) {
            uncount_user(env);
            return SHERD_ERR_NO_MEMORY;
        }
    }
    *out_rc = start_reader(env, reader);
    if (*out_rc == MDB_SUCCESS)
        *out_reader = reader;
    return SHERD_OK;
}

enum sherd_err sherd_lmdb_reader_begin(struct sherd_lmdb_env *env, struct sherd_lmdb_reader **out_reader)
{
    int rc = MDB_SUCCESS;

    SHERD_TRY(try_begin(env, out_reader, &rc));
    for (int i = 0; i < RESIZE_TRIES && rc == MDB_MAP_RESIZED; i++) {
        SHERD_TRY(resize(env, TO_FILE));
        SHERD_TRY(try_begin(env, out_reader, &rc));
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
    uncount_user_locked(env);
    (void)pthread_mutex_unlock(&env->mutex);
    if (!kept) {
        mdb_txn_abort(reader->txn);
        sherd_free(reader);
    }
}

enum sherd_err sherd_lmdb_env_flush(struct sherd_lmdb_env *env)
{
    return sherd_lmdb_fail(mdb_env_sync(env->mdb, 1), "flush the entries");
}

static uint64_t bytes_locked(const struct sherd_lmdb_env *env)
{
    MDB_envinfo info;
    MDB_stat stat;

    if (env->lost || mdb_env_info(env->mdb, &info) != MDB_SUCCESS || mdb_env_stat(env->mdb, &stat) != MDB_SUCCESS)
        return 0;
    return ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize;
}

uint64_t sherd_lmdb_env_bytes(struct sherd_lmdb_env *env)
{
    uint64_t bytes;

    (void)pthread_mutex_lock(&env->mutex);
    bytes = bytes_locked(env);
    (void)pthread_mutex_unlock(&env->mutex);
    return bytes;
}

/* --- writers ---------------------------------------------------------------------------------------------------- */

static enum sherd_err try_begin_write(struct sherd_lmdb_env *env, MDB_txn **out_txn, int *out_rc)
{
    enum sherd_err err;

    (void)pthread_mutex_lock(&env->mutex);
    err = count_user_locked(env);
    (void)pthread_mutex_unlock(&env->mutex);
    SHERD_TRY(err);
    *out_rc = mdb_txn_begin(env->mdb, NULL, 0, out_txn);
    if (*out_rc != MDB_SUCCESS)
        uncount_user(env);
    return SHERD_OK;
}

enum sherd_err sherd_lmdb_env_begin_write(struct sherd_lmdb_env *env, MDB_txn **out_txn)
{
    int rc = MDB_SUCCESS;

    SHERD_TRY(try_begin_write(env, out_txn, &rc));
    for (int i = 0; i < RESIZE_TRIES && rc == MDB_MAP_RESIZED; i++) {
        SHERD_TRY(resize(env, TO_FILE));
        SHERD_TRY(try_begin_write(env, out_txn, &rc));
    }
    return sherd_lmdb_fail(rc, "begin to write");
}

void sherd_lmdb_env_end_write(struct sherd_lmdb_env *env)
{
    uncount_user(env);
}

/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store/lmdb/env.h
 * One LMDB environment: how it is opened, mapped and grown, its pool of read transactions, and its errors in our words.
 */
#ifndef SHERD_STORE_LMDB_ENV_H
#define SHERD_STORE_LMDB_ENV_H

#include "store/lmdb/dir.h"
#include <lmdb.h>
#include <pthread.h>

/** A read transaction out of the pool. */
struct sherd_lmdb_reader {
    MDB_txn *txn;
    struct sherd_lmdb_reader *next;
};

struct sherd_lmdb_env {
    MDB_env *mdb;
    MDB_dbi dbi;
    bool read_only;
    pthread_mutex_t mutex;          /**< over the members below */
    pthread_cond_t idle;            /**< reader_count has become 0 */
    struct sherd_lmdb_reader *pool; /**< reset transactions */
    size_t pool_count;
    size_t reader_count; /**< handed out */
    bool resizing;       /**< no reader may begin: the map moves */
};

/** Open the environment in a directory. create: there is none yet. env is all zero before. */
SHERD_MUST_USE enum sherd_err sherd_lmdb_env_open(const struct sherd_lmdb_dir *dir, struct sherd_lmdb_env *env);

/** Close it; no reader may be out. An env that is all zero is accepted. */
void sherd_lmdb_env_close(struct sherd_lmdb_env *env);

/**
 * A read transaction of the newest state. Give it back with sherd_lmdb_reader_end(). @return SHERD_OK; BUSY; IO;
 * NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_lmdb_reader_begin(struct sherd_lmdb_env *env,
                                                      struct sherd_lmdb_reader **out_reader);
void sherd_lmdb_reader_end(struct sherd_lmdb_env *env, struct sherd_lmdb_reader *reader);

/** Begin a write transaction; waits for that of another process. */
SHERD_MUST_USE enum sherd_err sherd_lmdb_env_begin_write(struct sherd_lmdb_env *env, MDB_txn **out_txn);

/** After MDB_MAP_FULL: double the map, once no reader of this process is out. @return SHERD_OK; SHERD_ERR_BUSY */
SHERD_MUST_USE enum sherd_err sherd_lmdb_env_grow(struct sherd_lmdb_env *env);

/** An LMDB code as one of ours, with detail. @param[in] doing  what was being done: "read an entry" */
SHERD_MUST_USE enum sherd_err sherd_lmdb_fail(int rc, const char *doing);

#endif

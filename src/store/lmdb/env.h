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
    pthread_cond_t idle;            /**< user_count has become 0, or resizing false */
    struct sherd_lmdb_reader *pool; /**< reset transactions */
    size_t pool_count;
    size_t user_count; /**< readers handed out, and writers */
    bool resizing;     /**< no transaction may begin: the map moves */
    bool lost;         /**< the map is gone: nothing works any more */
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

/**
 * Begin a write transaction; waits for that of another process. When it is committed LMDB is whole whatever happens,
 * but a power failure may take the commit back, until there is another one or sherd_lmdb_env_flush(). After commit or
 * abort call sherd_lmdb_env_end_write().
 */
SHERD_MUST_USE enum sherd_err sherd_lmdb_env_begin_write(struct sherd_lmdb_env *env, MDB_txn **out_txn);
void sherd_lmdb_env_end_write(struct sherd_lmdb_env *env);

/** Make all commits so far durable, also those of other processes. @return SHERD_OK; SHERD_ERR_IO */
SHERD_MUST_USE enum sherd_err sherd_lmdb_env_flush(struct sherd_lmdb_env *env);

/** Bytes of data.mdb that were ever used; 0 if that is not to be had. */
uint64_t sherd_lmdb_env_bytes(struct sherd_lmdb_env *env);

/**
 * After MDB_MAP_FULL: double the map, once no transaction of this process is out. @return SHERD_OK; SHERD_ERR_BUSY;
 * SHERD_ERR_LIMIT: no address space
 */
SHERD_MUST_USE enum sherd_err sherd_lmdb_env_grow(struct sherd_lmdb_env *env);

/** An LMDB code as one of ours, with detail. @param[in] doing  what was being done: "read an entry" */
SHERD_MUST_USE enum sherd_err sherd_lmdb_fail(int rc, const char *doing);

#endif

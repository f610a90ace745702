/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store/lmdb/guard.h
 * What LMDB does not survive by itself: pages that something has damaged.
 *
 * LMDB 0.9 has no page checksums. A damaged page can fail one of its assertions, or send it to an address that is not
 * there. Reading calls go through here: a failed assertion, and, in a program whose handler of faults asks
 * sherd_lmdb_guard_fault() (lmdb.h), a fault in reading, end the call with MDB_CORRUPTED and not the process.
 */
#ifndef SHERD_STORE_LMDB_GUARD_H
#define SHERD_STORE_LMDB_GUARD_H

#include "base/macros.h"
#include <lmdb.h>
#include <sherd/span.h>

/** Most bytes a key of the environment has. */
#define SHERD_LMDB_KEY_BYTES_MAX 16U

/** Make the assertions of an environment come here. */
void sherd_lmdb_guard_env(MDB_env *env);

/** mdb_get(), and copy the value: append it to out_value. @return an LMDB code; *out_err is the code of the append */
int sherd_lmdb_guard_get(MDB_txn *txn, MDB_dbi dbi, struct sherd_span key, struct sherd_buf *out_value,
                         enum sherd_err *out_err);

/** Whether there is a value under key: MDB_SUCCESS, MDB_NOTFOUND or another LMDB code. */
int sherd_lmdb_guard_has(MDB_txn *txn, MDB_dbi dbi, struct sherd_span key);

/**
 * mdb_cursor_get(), and copy what it found.
 * @param[in,out] key    room for SHERD_LMDB_KEY_BYTES_MAX bytes; where to go for MDB_SET_RANGE, and where it came to
 * @param[in,out] value  emptied, then the value
 */
int sherd_lmdb_guard_cursor(MDB_cursor *cursor, MDB_cursor_op op, uint8_t *key, size_t *key_bytes,
                            struct sherd_buf *value, enum sherd_err *out_err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store/lmdb/lock.h
 * Locks between processes: ranges of the file "lock", and of journals. They end with the process that holds them, also
 * where it forked: a child lets go of its copies at once. docs/format/engine.md section 6.
 */
#ifndef SHERD_STORE_LMDB_LOCK_H
#define SHERD_STORE_LMDB_LOCK_H

#include "base/macros.h"
#include <stdbool.h>

/** The ranges of the file "lock": one byte each. */
enum sherd_lmdb_range {
    SHERD_LMDB_LOCK_WRITE = 0,
    SHERD_LMDB_LOCK_ALIVE = 1,
    SHERD_LMDB_LOCK_APPLY = 2,
    SHERD_LMDB_LOCK_OPEN = 3,
};

enum sherd_lmdb_lock_kind { SHERD_LMDB_UNLOCK, SHERD_LMDB_SHARED, SHERD_LMDB_EXCLUSIVE };

/** The open file "lock". Start it as SHERD_LMDB_LOCK_NONE. */
struct sherd_lmdb_lock {
    int fd;
    struct sherd_lmdb_lock *next; /**< list of all in the process, for the handler of forks */
};

#define SHERD_LMDB_LOCK_NONE ((struct sherd_lmdb_lock){.fd = -1})

/**
 * Open the file; create: make it. lock stays where it is in memory until closed.
 * @return SHERD_OK; SHERD_ERR_DENIED: the medium or its permissions let nobody lock here; SHERD_ERR_IO;
 *         SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_lmdb_lock_open(int dir_fd, bool create, struct sherd_lmdb_lock *lock);
/** Close it, and so give back every range. SHERD_LMDB_LOCK_NONE is accepted. */
void sherd_lmdb_lock_close(struct sherd_lmdb_lock *lock);

/** Lock, convert or unlock a range, waiting as long as it takes. @return SHERD_OK; SHERD_ERR_IO */
SHERD_MUST_USE enum sherd_err sherd_lmdb_lock_wait(int fd, enum sherd_lmdb_range range, enum sherd_lmdb_lock_kind kind);
/** The same without waiting. @return SHERD_OK; SHERD_ERR_BUSY: another holds it (no detail); SHERD_ERR_IO */
SHERD_MUST_USE enum sherd_err sherd_lmdb_lock_try(int fd, enum sherd_lmdb_range range, enum sherd_lmdb_lock_kind kind);
/** Unlock a range; cannot fail in any way that a caller could mend. */
void sherd_lmdb_unlock(int fd, enum sherd_lmdb_range range);

#endif

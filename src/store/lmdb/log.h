/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store/lmdb/log.h
 * The log of a store: its two journals, what this and other processes agree on about them, and views of them.
 *
 * The journal that is written is active; the one before it is frozen, until all of it is in LMDB. What a store holds is
 * LMDB, changed by the frozen journal, changed by the active one.
 */
#ifndef SHERD_STORE_LMDB_LOG_H
#define SHERD_STORE_LMDB_LOG_H

#include "store/lmdb/env.h"
#include "store/lmdb/journal.h"
#include "store/lmdb/lock.h"

/** What processes share: the file "state", mapped. Native byte order; each word is read and written whole. */
struct sherd_lmdb_shared {
    uint64_t magic;
    _Atomic(uint64_t) published; /**< generation << 32 | end / 8 */
    _Atomic(uint64_t) applied;   /**< generation */
};

struct sherd_lmdb_log {
    const struct sherd_lmdb_dir *dir;
    struct sherd_lmdb_env *env;
    struct sherd_lmdb_lock lock;
    struct sherd_lmdb_shared *shared;
    bool alone;            /**< nothing can be locked here: shared is private and never changes */
    pthread_mutex_t mutex; /**< over the members below */
    uint64_t seen;         /**< what was published when the journals were read last */
    struct sherd_lmdb_journal *active;
    struct sherd_lmdb_journal *frozen; /**< NULL if it is in LMDB */
};

/** The journals as they were at one moment. References are held. Start it as {0}. */
struct sherd_lmdb_view {
    struct sherd_lmdb_journal *active;
    uint32_t active_count; /**< items of active that count */
    struct sherd_lmdb_journal *frozen;
    uint32_t frozen_count;
};

/**
 * Open the log of a store whose environment is open, and recover it if nobody else has it open. log is all zero before.
 */
SHERD_MUST_USE enum sherd_err sherd_lmdb_log_open(const struct sherd_lmdb_dir *dir, struct sherd_lmdb_env *env,
                                                  bool create, struct sherd_lmdb_log *log);
/** Close it; a log whose open failed, or that is all zero, is accepted. */
void sherd_lmdb_log_close(struct sherd_lmdb_log *log);

/**
 * The newest view. Whoever begins an LMDB reader after it, and then finds sherd_lmdb_view_holds(), has one state.
 * @return SHERD_OK; SHERD_ERR_IO: damaged; SHERD_ERR_BUSY; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_lmdb_log_view(struct sherd_lmdb_log *log, struct sherd_lmdb_view *out_view);
void sherd_lmdb_view_done(struct sherd_lmdb_view *view);
/** Whether the view's active journal is active still, so that nothing of it can have come into LMDB. */
bool sherd_lmdb_view_holds(const struct sherd_lmdb_log *log, const struct sherd_lmdb_view *view);
/** The newest item of a name, and its journal; NULL if the journals say nothing about it. */
const struct sherd_lmdb_item *sherd_lmdb_view_find(const struct sherd_lmdb_view *view, const struct sherd_ref *name,
                                                   const struct sherd_lmdb_journal **out_journal);

/** Bytes of the active journal, as processes agree. */
uint64_t sherd_lmdb_log_active_bytes(const struct sherd_lmdb_log *log);

/* For the one who holds SHERD_LMDB_LOCK_WRITE: */

/** Index a frame that was written and flushed, and publish it. */
void sherd_lmdb_log_publish(struct sherd_lmdb_log *log, struct sherd_span frame);
/** Freeze the active journal and begin another. The frozen one before it is in LMDB. @return SHERD_OK; IO; NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_lmdb_log_rotate(struct sherd_lmdb_log *log);

/** The generation that is in LMDB, as processes agree. */
uint64_t sherd_lmdb_log_applied(const struct sherd_lmdb_log *log);
/** Say that a generation is in LMDB, durably. */
void sherd_lmdb_log_set_applied(struct sherd_lmdb_log *log, uint64_t generation);
/** The generation that is in LMDB, as LMDB says. */
SHERD_MUST_USE enum sherd_err sherd_lmdb_log_read_applied(struct sherd_lmdb_env *env, uint64_t *out_generation);

/** The key of that in LMDB. */
#define SHERD_LMDB_APPLIED_KEY "applied"
#define SHERD_LMDB_APPLIED_KEY_BYTES 7U

#endif

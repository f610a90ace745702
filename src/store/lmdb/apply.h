/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store/lmdb/apply.h
 * Bringing the frozen journal into LMDB: in the order of names, in parts of one transaction each, in the background.
 *
 * Each part costs a flush, and the pages above the changed ones once more: so parts are large, and as the flushes of
 * writers meet those of the parts, they are few, and one compartment's at a time. While a part of the journal is in,
 * nothing is wrong: readers ask the journal first, and it is all applied once more after a crash.
 */
#ifndef SHERD_STORE_LMDB_APPLY_H
#define SHERD_STORE_LMDB_APPLY_H

#include "store/lmdb/failure.h"
#include "store/lmdb/log.h"

struct sherd_lmdb_applier {
    struct sherd_lmdb_env *env;
    struct sherd_lmdb_log *log;
    struct sherd_lmdb_failure *failure; /**< kept where nobody knows what LMDB has on the disk */
    pthread_mutex_t busy;               /**< held by the thread that applies */
    atomic_bool hurry;                  /**< somebody waits: no pauses */
    pthread_mutex_t mutex;              /**< over the members below */
    pthread_cond_t changed;
    pthread_t thread;
    bool started;
    bool wanted;
    bool stop;
};

/** Prepare; no thread is started. applier is all zero before. @return SHERD_OK; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_lmdb_applier_init(struct sherd_lmdb_env *env, struct sherd_lmdb_log *log,
                                                      struct sherd_lmdb_failure *failure,
                                                      struct sherd_lmdb_applier *applier);
/** Let the thread finish what it does, and end it. An applier that is all zero is accepted. */
void sherd_lmdb_applier_done(struct sherd_lmdb_applier *applier);

/** Have the frozen journal applied in the background. Without a thread the next rotation does it. */
void sherd_lmdb_applier_kick(struct sherd_lmdb_applier *applier);

/**
 * Return when a generation is in LMDB: apply it here, or wait for the one who does. @return SHERD_OK; IO; BUSY;
 * NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_lmdb_applier_wait(struct sherd_lmdb_applier *applier, uint64_t generation);

#endif

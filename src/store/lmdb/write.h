/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store/lmdb/write.h
 * Write sets into frames: expectations checked, the frame built, written, flushed and published.
 */
#ifndef SHERD_STORE_LMDB_WRITE_H
#define SHERD_STORE_LMDB_WRITE_H

#include "store/lmdb/apply.h"

struct sherd_lmdb_writer {
    struct sherd_lmdb_env *env;
    struct sherd_lmdb_log *log;
    struct sherd_lmdb_applier *applier;
    struct sherd_lmdb_failure *failure;
    pthread_mutex_t mutex;           /**< held while writing, over all below */
    struct sherd_buf frame;          /**< being built */
    uint32_t op_count;               /**< in it */
    struct sherd_lmdb_index pending; /**< of it: offsets are into the frame */
    struct sherd_lmdb_view view;
    struct sherd_lmdb_reader *reader; /**< of LMDB as of the view; NULL until needed */
    struct sherd_buf scratch;         /**< a value that is compared */
    bool wrote;                       /**< anything, since it was opened */
    bool all;                         /**< also short journals are brought into LMDB at the end */
};

/** Prepare. writer is all zero before. @return SHERD_OK; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_lmdb_writer_init(struct sherd_lmdb_env *env, struct sherd_lmdb_log *log,
                                                     struct sherd_lmdb_applier *applier,
                                                     struct sherd_lmdb_failure *failure,
                                                     struct sherd_lmdb_writer *writer);
/** A writer that is all zero is accepted. */
void sherd_lmdb_writer_done(struct sherd_lmdb_writer *writer);

/** As write() of struct sherd_store_ops. */
SHERD_MUST_USE enum sherd_err sherd_lmdb_write(struct sherd_lmdb_writer *writer, struct sherd_store_set *const *sets,
                                               size_t set_count);

/**
 * Have all that is in the journals brought into LMDB before closing, where its own tools see it. Not at once: a write
 * of LMDB that fails ends reading too.
 */
void sherd_lmdb_writer_apply_at_end(struct sherd_lmdb_writer *writer);

/** Before closing: bring long journals into LMDB, so that the next opening is quick. Best effort. */
void sherd_lmdb_writer_settle(struct sherd_lmdb_writer *writer);

#endif

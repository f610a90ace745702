/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store/lmdb/snapshot.h
 * One unchanging state of a store: a view of the log and an LMDB reader that belong together.
 */
#ifndef SHERD_STORE_LMDB_SNAPSHOT_H
#define SHERD_STORE_LMDB_SNAPSHOT_H

#include "store/lmdb/log.h"

struct sherd_lmdb_snapshot {
    struct sherd_snapshot base;
    unsigned fork_count;
    struct sherd_lmdb_env *env;
    struct sherd_lmdb_view view;
    struct sherd_lmdb_reader *reader;
};

/* As the members of struct sherd_store_ops, without the check for forks. */
SHERD_MUST_USE enum sherd_err sherd_lmdb_snapshot_begin(struct sherd_lmdb_env *env, struct sherd_lmdb_log *log,
                                                        struct sherd_lmdb_snapshot **out_snapshot);
void sherd_lmdb_snapshot_end(struct sherd_lmdb_snapshot *snapshot);
SHERD_MUST_USE enum sherd_err sherd_lmdb_snapshot_get(const struct sherd_lmdb_snapshot *snapshot, struct sherd_ref name,
                                                      struct sherd_buf *out_value);
SHERD_MUST_USE enum sherd_err sherd_lmdb_snapshot_scan(const struct sherd_lmdb_snapshot *snapshot,
                                                       const struct sherd_ref *after, sherd_store_visit_fn *visit,
                                                       void *arg);
/** How many entries there are. */
SHERD_MUST_USE enum sherd_err sherd_lmdb_snapshot_count(const struct sherd_lmdb_snapshot *snapshot,
                                                        uint64_t *out_count);

#endif

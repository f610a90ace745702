/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ledger/log_state.h
 * What log.c, which reads, and log_append.c, which writes, share. For these two alone.
 */
#ifndef SHERD_LEDGER_LOG_STATE_H
#define SHERD_LEDGER_LOG_STATE_H

#include "base/file.h"
#include "ledger/edge.h"
#include "ledger/log.h"

/** The file that says which log there is. */
#define SHERD_LOG_CHECKPOINT "checkpoint"
/** What is being written, before it has its name. */
#define SHERD_LOG_NEW "new"
#define SHERD_LOG_LOCK "lock"
/** Full tiles that are held; each 8 KiB. */
#define SHERD_LOG_CACHE 16U

struct sherd_log_cached {
    struct sherd_tile tile; /**< width 0: none */
    struct sherd_digest hashes[SHERD_TILE_WIDTH];
};

struct sherd_log {
    char *dir;
    const struct sherd_policy *policy;
    struct sherd_log_signer signer; /**< sign is NULL: to read only */
    struct sherd_file_lock lock;    /**< of one who writes */
    bool broken;                    /**< a write failed: what is on the disk is not known */
    struct sherd_buf note;
    struct sherd_checkpoint checkpoint; /**< borrows from note */
    struct sherd_edge *edge;
    struct sherd_buf bundle; /**< the last, partial one, once it was needed */
    bool bundle_loaded;
    struct sherd_log_cached *cache; /**< SHERD_LOG_CACHE */
};

/** Read and verify the checkpoint's file. */
SHERD_MUST_USE enum sherd_err sherd_log_checkpoint_load(const char *dir, const struct sherd_policy *policy,
                                                        struct sherd_buf *out_note,
                                                        struct sherd_checkpoint *out_checkpoint);

/** Replace the checkpoint's file. *out_begun: it is not known any more which checkpoint is there. */
SHERD_MUST_USE enum sherd_err sherd_log_publish(const char *dir, struct sherd_span note, bool *out_begun);

/** Read a bundle of the log: its entries up to tile->width. @param[in,out] out_bundle  appended */
SHERD_MUST_USE enum sherd_err sherd_log_bundle_read(const struct sherd_log *log, const struct sherd_tile *tile,
                                                    struct sherd_buf *out_bundle);

/** Read a tile as it lies there, its first tile->width hashes. */
SHERD_MUST_USE enum sherd_err sherd_log_tile_read(const struct sherd_log *log, const struct sherd_tile *tile,
                                                  struct sherd_digest *out_hashes);

/** As sherd_log_append(), of entries that come one by one, each at most SHERD_TILE_ENTRY_BYTES_MAX bytes. */
SHERD_MUST_USE enum sherd_err sherd_log_append_from(struct sherd_log *log, sherd_log_next_fn *next, void *arg,
                                                    uint64_t count);

/** What any log needs, but for its checkpoint. */
SHERD_MUST_USE enum sherd_err sherd_log_prepare(struct sherd_log *log, const char *dir,
                                                const struct sherd_policy *policy);

/** Reads nodes of a log whose right edge is given: other tiles come from files. */
struct sherd_log_nodes {
    struct sherd_log *log;
    const struct sherd_edge *edge;
};
struct sherd_node_reader sherd_log_reader(struct sherd_log_nodes *nodes);

#endif

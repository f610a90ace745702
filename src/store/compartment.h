/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store/compartment.h
 * One compartment: the checked, counted, group-committing face of a storage engine.
 *
 * Everything above uses compartments and never an engine. Here live, once for all engines: the check of the engine's
 * table, the limits of arguments and answers, the queue in which concurrent writers share commits, and the stop after a
 * failure: once a write fails with anything but a refusal (SHERD_ERR_CONFLICT, SHERD_ERR_BUSY, SHERD_ERR_INVALID:
 * nothing was changed), every later write of the handle fails with SHERD_ERR_IO, and reading goes on.
 *
 * @par Group commit  Writers queue their sets. Whoever finds nobody leading leads: it takes all sets that wait (up to
 * SHERD_COMPARTMENT_GROUP_OPS_MAX operations and SHERD_COMPARTMENT_GROUP_SETS_MAX sets), ordered by the name of their
 * first operation so that arrival order is not stored, gives them to the engine in one write(), and wakes their owners.
 * Nobody waits for a timer.
 *
 * @par Answers  What no honest store answers (an entry of an impossible length, a scan that does not ascend) becomes
 * SHERD_ERR_TAMPERED. What the bytes say is verified by those who have the keys.
 *
 * @par Fork  A child of the process that opened a compartment may only close it; all else is SHERD_ERR_INVALID.
 */
#ifndef SHERD_STORE_COMPARTMENT_H
#define SHERD_STORE_COMPARTMENT_H

#include "base/macros.h"
#include <sherd/provider/store.h>
#include <stdbool.h>

/** The compartments of DESIGN: the role is also their folder's name. */
enum sherd_role {
    SHERD_IDENTITY = 1,
    SHERD_ASSETS = 2,
    SHERD_SECRETS = 3,
    SHERD_KEYS = 4,
};

/** "identity", "assets", "secrets", "keys". */
const char *sherd_role_name(enum sherd_role role);

/** Most operations and most sets that share a commit. */
#define SHERD_COMPARTMENT_GROUP_OPS_MAX 8192U
#define SHERD_COMPARTMENT_GROUP_SETS_MAX 1024U

struct sherd_compartment;

/** The engines that are built in, ending with NULL: the first is the default. */
const struct sherd_store_ops *const *sherd_store_engines(void);

/** The engine of a name. @return SHERD_OK; SHERD_ERR_UNSUPPORTED */
SHERD_MUST_USE enum sherd_err sherd_store_engine(const char *name, const struct sherd_store_ops **out_ops);

/**
 * Open a compartment on an engine.
 * @param[in] role  whose it is; only for the text of errors
 * @param[in] ops   the engine; its table is checked
 * @return as the engine's open; SHERD_ERR_UNSUPPORTED: another ABI or a missing member
 */
SHERD_MUST_USE enum sherd_err sherd_compartment_open(enum sherd_role role, const struct sherd_store_ops *ops,
                                                     const struct sherd_store_config *config,
                                                     struct sherd_compartment **out_compartment);
/**
 * Make a compartment of a store that is open already, such as one with faults (store/fault/fault.h).
 * @param[in] store  the compartment owns it from then on and closes it; on failure it stays the caller's
 * @return SHERD_OK; SHERD_ERR_UNSUPPORTED, as sherd_compartment_open(); SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_compartment_over(enum sherd_role role, struct sherd_store *store,
                                                     struct sherd_compartment **out_compartment);
/** Wait for writers in flight, then close. Nothing else may use it any more. NULL is accepted. */
void sherd_compartment_close(struct sherd_compartment *compartment);
SHERD_MUST_USE enum sherd_role sherd_compartment_role(const struct sherd_compartment *compartment);

/** How writers share commits. */
struct sherd_compartment_count {
    uint64_t set_count;    /**< write sets carried out or refused with a conflict */
    uint64_t commit_count; /**< calls of the engine's write() that succeeded */
    uint64_t writer_count; /**< calls that write, blobs included, in flight now */
};

/** What the compartment counted since it was opened, and who is in it now. Any thread. */
void sherd_compartment_count(struct sherd_compartment *compartment, struct sherd_compartment_count *out_count);

/**
 * Append the current value of one entry.
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND (no detail); SHERD_ERR_LIMIT; SHERD_ERR_TAMPERED; SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err sherd_compartment_get(struct sherd_compartment *compartment, struct sherd_ref name,
                                                    struct sherd_buf *out_value);

/** Whether an entry lies there still as it was met before. @return as sherd_compartment_get(), but never NOT_FOUND */
SHERD_MUST_USE enum sherd_err sherd_compartment_still(struct sherd_compartment *compartment, struct sherd_ref name,
                                                      struct sherd_span met, bool *out_still);

SHERD_MUST_USE enum sherd_err sherd_compartment_snapshot_begin(struct sherd_compartment *compartment,
                                                               struct sherd_snapshot **out_snapshot);
SHERD_MUST_USE enum sherd_err sherd_snapshot_get(struct sherd_snapshot *snapshot, struct sherd_ref name,
                                                 struct sherd_buf *out_value);
/** As the engine's scan; SHERD_ERR_TAMPERED if the store's answer does not ascend. */
SHERD_MUST_USE enum sherd_err sherd_snapshot_scan(struct sherd_snapshot *snapshot, const struct sherd_ref *after,
                                                  sherd_store_visit_fn *visit, void *arg);
void sherd_snapshot_end(struct sherd_snapshot *snapshot);

/**
 * Put the operations of a set, each on a name of its own, into the order of their names: so that what is stored says
 * nothing about the order in which its parts were made, which would join compartments.
 */
void sherd_store_ops_order(struct sherd_store_op *ops, size_t count);

/**
 * Carry out one write set, durably, together with those of other threads.
 * @param[in] ops    1..SHERD_STORE_OPS_MAX operations; borrowed until return
 * @return SHERD_OK: durable; SHERD_ERR_CONFLICT, SHERD_ERR_BUSY: nothing was changed; SHERD_ERR_INVALID,
 *         SHERD_ERR_LIMIT: the set breaks a bound or the store is read-only, nothing was changed; SHERD_ERR_IO and
 *         others: nothing is certain until reopened, and this handle writes no more
 */
SHERD_MUST_USE enum sherd_err sherd_compartment_write(struct sherd_compartment *compartment,
                                                      const struct sherd_store_op *ops, size_t count);

/*
 * Blobs: as the members of struct sherd_store_ops, with arguments checked. A commit or delete that fails with
 * SHERD_ERR_IO stops writing, and where writing has stopped, create, commit and delete fail with SHERD_ERR_IO.
 */
SHERD_MUST_USE enum sherd_err sherd_compartment_blob_create(struct sherd_compartment *compartment,
                                                            struct sherd_blob_writer **out_writer);
SHERD_MUST_USE enum sherd_err sherd_blob_append(struct sherd_blob_writer *writer, struct sherd_span bytes);
SHERD_MUST_USE enum sherd_err sherd_blob_patch(struct sherd_blob_writer *writer, uint64_t offset,
                                               struct sherd_span bytes);
SHERD_MUST_USE enum sherd_err sherd_compartment_blob_commit(struct sherd_compartment *compartment,
                                                            struct sherd_blob_writer *writer, struct sherd_ref name);
void sherd_blob_abort(struct sherd_blob_writer *writer);
SHERD_MUST_USE enum sherd_err sherd_compartment_blob_open(struct sherd_compartment *compartment, struct sherd_ref name,
                                                          struct sherd_blob_reader **out_reader, uint64_t *out_bytes);
SHERD_MUST_USE enum sherd_err sherd_blob_read(struct sherd_blob_reader *reader, uint64_t offset, uint8_t *block,
                                              size_t bytes);
void sherd_blob_close(struct sherd_blob_reader *reader);
SHERD_MUST_USE enum sherd_err sherd_compartment_blob_delete(struct sherd_compartment *compartment,
                                                            struct sherd_ref name);
SHERD_MUST_USE enum sherd_err sherd_compartment_blob_scan(struct sherd_compartment *compartment,
                                                          const struct sherd_ref *after, sherd_store_visit_fn *visit,
                                                          void *arg);
SHERD_MUST_USE enum sherd_err sherd_compartment_tidy(struct sherd_compartment *compartment,
                                                     uint64_t *out_removed_count);
SHERD_MUST_USE enum sherd_err sherd_compartment_stat(struct sherd_compartment *compartment,
                                                     struct sherd_store_stat *out_stat);

#endif

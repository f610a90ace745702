/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cryptor/queue.h
 * Puts of several threads that become durable together.
 *
 * Each put needs three flushes one after the other. Compartments share a flush between the writers that wait for it,
 * but threads that are spread over three compartments seldom wait for the same one. Here they wait once, before the
 * first: whoever comes first leads, and takes all that wait through the three together. Nobody waits for a timer.
 */
#ifndef SHERD_CRYPTOR_QUEUE_H
#define SHERD_CRYPTOR_QUEUE_H

#include "base/macros.h"
#include <stddef.h>

/** Most versions that one leader takes along. */
#define SHERD_QUEUE_GROUP_MAX 64U

struct sherd_version;
struct sherd_vault;
struct sherd_queue;

SHERD_MUST_USE enum sherd_err sherd_queue_new(struct sherd_queue **out_queue);
/** Nobody may wait in it. NULL is accepted. */
void sherd_queue_free(struct sherd_queue *queue);

/** What a leader does: make versions durable, all or none. */
typedef enum sherd_err sherd_queue_commit_fn(struct sherd_vault *vault, struct sherd_version *const *versions,
                                             size_t count);

/**
 * Commit one version together with those of other threads, by commit, on this thread or another.
 * @param[in,out] version  one whose commit cannot be refused for its own sake: a failure is that of all in its group
 * @return what commit returned, with its detail
 */
SHERD_MUST_USE enum sherd_err sherd_queue_commit(struct sherd_queue *queue, struct sherd_vault *vault,
                                                 struct sherd_version *version, sherd_queue_commit_fn *commit);

#endif

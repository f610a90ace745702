/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cryptor/pool.h
 * Threads that share work on long contents. They start with the first job, so that small work never pays for them.
 */
#ifndef SHERD_CRYPTOR_POOL_H
#define SHERD_CRYPTOR_POOL_H

#include "base/macros.h"
#include <stdbool.h>
#include <stddef.h>

#define SHERD_POOL_THREADS_MAX 16U

struct sherd_pool;

/** One piece of work; the caller's memory, until it has run. */
struct sherd_job {
    void (*run)(struct sherd_job *job);
    struct sherd_job *next;
};

/** @param[in] threads  1..SHERD_POOL_THREADS_MAX; with 1 all work is done by the callers */
SHERD_MUST_USE enum sherd_err sherd_pool_new(unsigned threads, struct sherd_pool **out_pool);
/** Wait for all jobs, end the threads. NULL is accepted. */
void sherd_pool_free(struct sherd_pool *pool);
unsigned sherd_pool_threads(const struct sherd_pool *pool);

/**
 * Have a job run, in order of submission; at once and by the caller where the pool has no thread. A job may not wait
 * for one that was submitted after it.
 */
void sherd_pool_submit(struct sherd_pool *pool, struct sherd_job *job);

/**
 * Call fn(arg, i) for each i below count, on the pool and the calling thread, and wait. Stops handing out work after
 * the first failure, and returns its code, with its detail.
 */
SHERD_MUST_USE enum sherd_err sherd_pool_each(struct sherd_pool *pool, size_t count,
                                              enum sherd_err (*fn)(void *arg, size_t i), void *arg);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Counts forks. See fork.h. */
#include "base/fork.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

static atomic_uint fork_count;
static pthread_once_t watch_once = PTHREAD_ONCE_INIT;
static int watch_errno;

static void count_fork(void)
{
    atomic_fetch_add_explicit(&fork_count, 1, memory_order_relaxed);
}

static void watch(void)
{
    watch_errno = pthread_atfork(NULL, NULL, count_fork);
}

enum sherd_err sherd_fork_watch(void)
{
    (void)pthread_once(&watch_once, watch); /* fails only for a bad pointer */
    if (watch_errno == 0)
        return SHERD_OK;
    errno = watch_errno;
    return sherd_fail_errno(SHERD_ERR_NO_MEMORY, "no fork handler");
}

unsigned sherd_fork_count(void)
{
    return atomic_load_explicit(&fork_count, memory_order_relaxed);
}

enum sherd_err sherd_fork_check(unsigned then)
{
    if (!sherd_fork_passed(then))
        return SHERD_OK;
    return sherd_fail(SHERD_ERR_INVALID, "opened before a fork; the child must open its own");
}

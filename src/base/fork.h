/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file base/fork.h
 * Whether this process is a fork of the one that opened a handle. Such a child has copies of handles whose locks, files
 * and threads belong to its parent: using them would corrupt a store, or repeat what must be random, so every use is an
 * error or begins anew.
 *
 * A child is told by a counter that a fork handler advances, which costs a use of a handle one load of memory. Children
 * made by a bare clone system call are not told.
 */
#ifndef SHERD_BASE_FORK_H
#define SHERD_BASE_FORK_H

#include "base/macros.h"
#include <stdbool.h>

/** Begin to count forks; for each open to call, from any thread. @return SHERD_OK; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_fork_watch(void);

/** How many forks, since the first sherd_fork_watch(), lie between this process and the one that called it. */
unsigned sherd_fork_count(void);

/** Whether the process is a child of the one in which sherd_fork_count() was then. */
static inline bool sherd_fork_passed(unsigned then)
{
    return sherd_fork_count() != then;
}

/**
 * What a use of a handle asks first.
 * @param[in] then  sherd_fork_count() when the handle was opened
 * @return SHERD_OK; SHERD_ERR_INVALID after a fork
 */
SHERD_MUST_USE enum sherd_err sherd_fork_check(unsigned then);

#endif

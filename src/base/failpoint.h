/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file base/failpoint.h
 * Named places at which a test stops, kills or fails the process. They cost nothing in a release: only builds with
 * -Dfailpoints=true have them.
 *
 * A name says layer, operation and place: "put.after_secrets". The list of all names is docs/failpoints.md.
 */
#ifndef SHERD_BASE_FAILPOINT_H
#define SHERD_BASE_FAILPOINT_H

#include "base/macros.h"

#if SHERD_FAILPOINTS

/**
 * A test's hook: what happens at the named place. It may not return (kill), return SHERD_OK (go on), or a code, with
 * which the operation fails there.
 */
typedef enum sherd_err sherd_failpoint_fn(void *arg, const char *name);

/** Set the hook of the process; NULL for none. */
void sherd_failpoint_set(sherd_failpoint_fn *hook, void *arg);

/**
 * Ask the hook. Without one, the environment decides, read once a process: SHERD_FAILPOINT="NAME=ACTION[@N],...", at
 * most 32 of them, where N, counted from 1, is the one hit of that name to act at (else every hit), and ACTION is
 *
 *     kill      SIGKILL to the process itself
 *     io        SHERD_ERR_IO, as the system says EIO
 *     nospace   SHERD_ERR_IO, as the system says ENOSPC
 *     lost      SHERD_ERR_IO at a place after the work was done: the caller is told of a failure that was none
 *
 * A text that is not understood stops the process.
 */
enum sherd_err sherd_failpoint_hit(const char *name);

#define SHERD_FAILPOINT(name) SHERD_TRY(sherd_failpoint_hit(name))
#else
#define SHERD_FAILPOINT(name) ((void)0)
#endif

#endif

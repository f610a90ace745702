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

/** Ask the hook. Without one, the environment's SHERD_FAILPOINT=NAME=kill|io|nospace|N:kill... decides. */
enum sherd_err sherd_failpoint_hit(const char *name);

#define SHERD_FAILPOINT(name) SHERD_TRY(sherd_failpoint_hit(name))
#else
#define SHERD_FAILPOINT(name) ((void)0)
#endif

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cli/chore.h
 * What an agent does in the background, again and again: a thread that sleeps until it is time, works, and after
 * failures waits longer each time.
 */
#ifndef SHERD_CLI_CHORE_H
#define SHERD_CLI_CHORE_H

#include "base/macros.h"
#include <pthread.h>
#include <sherd/sherd.h>
#include <stdatomic.h>

struct cli_chore_options {
    const char *what; /**< for the error that there is no thread for it */
    /** Do it, on the thread, with nothing held. SHERD_ERR_BUSY: somebody else does; that is no failure */
    enum sherd_err (*work)(void *arg);
    /** NULL, or told what came of it, under the lock, before anybody sees when it is done next. */
    void (*ended)(void *arg, enum sherd_err err);
    void *arg;
    uint32_t first_s;     /**< from the beginning to the first time */
    uint32_t every_s;     /**< from the end of one to the next */
    uint32_t pause_s_max; /**< after failures that doubles, up to this */
};

/** One chore, in whatever its owner has; fields are the chore's own. */
struct cli_chore {
    struct cli_chore_options options;
    pthread_t thread;
    atomic_bool stop;
    pthread_mutex_t lock; /* guards what follows, and what the owner has it guard */
    pthread_cond_t wake;
    uint64_t next_ns;
    unsigned failures;
};

/**
 * Begin. Nothing of a chore that did not begin is to be ended.
 * @param[in] options  copied, with its pointers
 * @return SHERD_OK; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err cli_chore_begin(struct cli_chore *chore, const struct cli_chore_options *options);

/** Have it stop when it looks at cli_chore_stops() next, and do not wait. */
void cli_chore_stop(struct cli_chore *chore);
/** Stop, wait for that, and give back what it holds. */
void cli_chore_end(struct cli_chore *chore);
/** Whether to stop; for the work, as often as it can. */
bool cli_chore_stops(const struct cli_chore *chore);
/** Have it look at the clock now: for tests, which set that. */
void cli_chore_poke(struct cli_chore *chore);

/** The lock, for what the owner has it guard. */
void cli_chore_lock(struct cli_chore *chore);
void cli_chore_unlock(struct cli_chore *chore);

#endif

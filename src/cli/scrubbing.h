/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cli/scrubbing.h
 * Scrubbing in the background: a thread that makes a pass when the last one is long enough ago, or goes on with one
 * that was interrupted, at a low rate, and tells what it finds. For the agent.
 */
#ifndef SHERD_CLI_SCRUBBING_H
#define SHERD_CLI_SCRUBBING_H

#include "base/macros.h"
#include <sherd/sherd.h>

/** Bytes of contents a second, where nobody says otherwise: a terabyte in eighteen hours. */
#define CLI_SCRUB_RATE UINT64_C(16777216)
/** Seconds from the end of a pass to the beginning of the next, where nobody says otherwise. */
#define CLI_SCRUB_EVERY_S UINT64_C(604800)
/** How long after unsealing it looks first, and how often then. */
#define CLI_SCRUB_LOOK_S 600U
/** After failures the pause doubles, from that one up to this. */
#define CLI_SCRUB_PAUSE_S_MAX 21600U

struct cli_scrubbing_options {
    uint64_t rate;    /**< bytes a second; 0 for no limit */
    uint64_t every_s; /**< from the end of a pass to the beginning of the next */
};

/** What it does. What it found is in the book. */
struct cli_scrubbing_status {
    bool under_way;
    char error[192]; /**< why the last pass, or telling of what it found, failed; "" if it did not */
};

struct cli_scrubbing;

/** @param[in] vault  borrowed until cli_scrubbing_free(). @return SHERD_OK; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err cli_scrubbing_new(struct sherd_vault *vault, const struct cli_scrubbing_options *options,
                                                struct cli_scrubbing **out_scrubbing);

/** Have it stop soon: its pass goes on where it is the next time. Does not wait. NULL is accepted. */
void cli_scrubbing_stop(struct cli_scrubbing *scrubbing);
/** Stop, and wait for that. NULL is accepted. */
void cli_scrubbing_free(struct cli_scrubbing *scrubbing);

/** Have it look at the clock now: for tests, which set that. */
void cli_scrubbing_poke(struct cli_scrubbing *scrubbing);

/** NULL is accepted: nothing. */
void cli_scrubbing_look(struct cli_scrubbing *scrubbing, struct cli_scrubbing_status *out_status);

#endif

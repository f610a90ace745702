/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cli/rotation.h
 * Rotation in the background: a thread that looks every minute whether a key is due by its policy, and then does what
 * sherd_rekey_due() does, at a low rate. For the agent.
 */
#ifndef SHERD_CLI_ROTATION_H
#define SHERD_CLI_ROTATION_H

#include "base/macros.h"
#include <sherd/sherd.h>

/** Entries a second, where nobody says otherwise. */
#define CLI_ROTATION_RATE 2000U
/** How often it looks. */
#define CLI_ROTATION_EVERY_S 60U
/** After failures the pause doubles, from that one up to this. */
#define CLI_ROTATION_PAUSE_S_MAX 3600U

/** What it has done last. */
struct cli_rotation_status {
    bool under_way;
    int64_t ended_s; /**< when the last one ended, well or not; 0: there was none yet */
    char what[192];  /**< what it did; "" for nothing */
    char error[192]; /**< why it failed; "" if it did not */
};

struct cli_rotation;

/** Told, from its thread, when work begins or ends. It must not wait for what looks at the rotation. */
typedef void cli_rotation_changed_fn(void *arg);

/**
 * Begin. It looks at once.
 * @param[in] vault    borrowed until cli_rotation_free()
 * @param[in] rate     entries a second; 0 for no limit
 * @param[in] changed  NULL for nobody
 * @return SHERD_OK; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err cli_rotation_new(struct sherd_vault *vault, uint64_t rate,
                                               cli_rotation_changed_fn *changed, void *arg,
                                               struct cli_rotation **out_rotation);

/** Have it stop soon, within a step of what it does, and do not wait. NULL is accepted. */
void cli_rotation_stop(struct cli_rotation *rotation);
/** Stop, and wait for that. NULL is accepted. */
void cli_rotation_free(struct cli_rotation *rotation);

/** Have it look at the clock now: for tests, which set that. */
void cli_rotation_poke(struct cli_rotation *rotation);

/** What it does, and has done. NULL is accepted: nothing. */
void cli_rotation_look(struct cli_rotation *rotation, struct cli_rotation_status *out_status);

#endif

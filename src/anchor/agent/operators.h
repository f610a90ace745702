/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/agent/operators.h
 * Who unseals, and how far: shares that operators give one by one, from different terminals, and failures, which are
 * counted for each operator alone. A stranger fails as often as it likes, and slows nobody but itself.
 *
 * A share is kept only after it was checked against its seal, so that what others give fills no slot; what is wrong
 * changes nothing. Shares that were given are forgotten after SHERD_OPERATORS_LIFETIME_S.
 *
 * The caller sees to it that one thread at a time is inside.
 */
#ifndef SHERD_ANCHOR_AGENT_OPERATORS_H
#define SHERD_ANCHOR_AGENT_OPERATORS_H

#include "anchor/agent/wire.h"
#include <sys/types.h>

/** How long a share that was given is kept. */
#define SHERD_OPERATORS_LIFETIME_S 600U
/** Users whose failures are remembered. */
#define SHERD_OPERATORS_MAX 64U
/** Failures that cost nothing; each further one doubles the pause, from one second to a minute. */
#define SHERD_OPERATORS_FREE_FAILURES 3U
#define SHERD_OPERATORS_PAUSE_S_MAX 60U

struct sherd_operators;

/**
 * Check shares against the seals, without any key.
 * @param[in]  shares        texts of one share or more, one after the other
 * @param[out] out_progress  which seal they are of, and how far it is; holders, missing: names, for people
 * @return SHERD_OK; SHERD_ERR_INVALID, SHERD_ERR_DENIED, SHERD_ERR_TAMPERED: one of them is wrong, and the detail says
 *         which; SHERD_ERR_NOT_FOUND: no seal is by shares
 */
typedef enum sherd_err sherd_operators_check_fn(void *arg, struct sherd_span shares,
                                                struct sherd_wire_unsealed *out_progress);

/** @param[in] owner  the vault's owner, for whom there is always room */
SHERD_MUST_USE enum sherd_err sherd_operators_new(uid_t owner, struct sherd_operators **out_operators);
/** Wipe and free. NULL is accepted. */
void sherd_operators_free(struct sherd_operators *operators);
SHERD_DEFINE_OWNED(sherd_operators);

/** May this user try now? @return SHERD_OK; SHERD_ERR_BUSY: it failed too often: the detail says for how long */
SHERD_MUST_USE enum sherd_err sherd_operators_admit(struct sherd_operators *operators, uid_t uid);
/** It tried, with this outcome: what was wrong counts as a failure, what worked ends its pauses. */
void sherd_operators_tried(struct sherd_operators *operators, uid_t uid, enum sherd_err outcome);

/**
 * Take a share, or some at a time: all of them, or none.
 * @param[in]  share    the text; copied
 * @param[out] out      how far unsealing by its seal is now
 * @param[out] out_all  where that is enough: the texts of all of them, borrowed until the next call; else empty
 * @return SHERD_OK; as check(); SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_operators_give(struct sherd_operators *operators, struct sherd_span share,
                                                   sherd_operators_check_fn *check, void *arg,
                                                   struct sherd_wire_unsealed *out, struct sherd_span *out_all);

/**
 * Shares that are enough already, and wait for something else: the texts of all of them, borrowed until the next call.
 * @param[out] out_seal  the seal that they are of
 * @return empty if there are none
 */
struct sherd_span sherd_operators_ready(struct sherd_operators *operators, unsigned *out_seal);

/** Forget all shares of a seal; 0 for all seals. */
void sherd_operators_forget(struct sherd_operators *operators, unsigned seal);

/** How far each seal is of which a share was given. @return how many were written, up to max */
size_t sherd_operators_progress(struct sherd_operators *operators, struct sherd_wire_progress *out, size_t max);

#endif

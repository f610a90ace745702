/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/ledger/outside_counter.h
 * The ledger's state bound to a counter of a TPM (kms/tpm2/counter.h). The state says what the counter says; it says so
 * first, and is counted then: after a crash between the two it may be one ahead. A state that is behind was rolled
 * back, each of them.
 */
#ifndef SHERD_ANCHOR_LEDGER_OUTSIDE_COUNTER_H
#define SHERD_ANCHOR_LEDGER_OUTSIDE_COUNTER_H

#include "anchor/ledger/outside.h"

/** While the vault is open, it is counted once in so many seconds, if there were changes; and when it is closed. */
#define SHERD_OUTSIDE_COUNTER_S 600U

/**
 * Compare.
 * @return SHERD_OK, also where there is none; SHERD_ERR_TAMPERED: the state is behind; SHERD_ERR_CONFLICT: the counter
 *         is behind: of another TPM, or one that was cleared; as sherd_tpm_counter_open()
 */
SHERD_MUST_USE enum sherd_err sherd_outside_counter_check(const struct sherd_outside *outside);

/**
 * The next value, for a state that is about to be written; the counter is made if it is missing, and finishes what a
 * crash left. Nothing where there is none.
 */
SHERD_MUST_USE enum sherd_err sherd_outside_counter_next(struct sherd_outside *outside, bool may_make);
/** Count up to it, after that state was written. */
SHERD_MUST_USE enum sherd_err sherd_outside_counter_reach(const struct sherd_outside *outside);

#endif

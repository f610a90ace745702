/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file scrub/deep.h
 * Deep rekeying: each version of each record is sealed anew, with a fresh record key, fresh shares, a fresh fragment
 * and map entry. It is the same version afterwards: number, time, entity and attributes stay, and whom it is sealed to:
 * such contents are moved as they are kept, and need no identity.
 *
 * What is done already is known by the pin: it bears the number of the last deep rekeying that had begun when its key
 * was made. So one that was stopped or killed goes on where it was, what was written meanwhile is left alone, and
 * nobody who puts an older state of some file back can have a part of it skipped.
 */
#ifndef SHERD_SCRUB_DEEP_H
#define SHERD_SCRUB_DEEP_H

#include "cryptor/vault.h"

/** Told after each step. @return any code but SHERD_OK ends it */
typedef enum sherd_err sherd_deep_fn(void *arg, uint64_t seen, uint64_t sealed);

/**
 * Seal everything in scope anew. The caller sees to it that nobody else does at the same time.
 * @param[in] step  told how many entries of `keys` were looked at, and how many versions sealed, since the step before
 * @return SHERD_OK; as step; SHERD_ERR_BUSY: some records change again and again; SHERD_ERR_TAMPERED: run verify;
 *         SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_deep_rekey(struct sherd_vault *vault, const struct sherd_rekey_scope *scope,
                                               sherd_deep_fn *step, void *arg);

#endif

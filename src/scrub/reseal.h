/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file scrub/reseal.h
 * Bringing what lies in `identity`, `assets` and `secrets` under the newest versions of their store keys, for a
 * rekeying; `keys` is the anchor's. docs/decisions/0006-store-keys.md
 */
#ifndef SHERD_SCRUB_RESEAL_H
#define SHERD_SCRUB_RESEAL_H

#include "cryptor/vault.h"

/** Told after each step. @param[in] sealed  of the entries seen, so many were sealed anew. @return not SHERD_OK: end */
typedef enum sherd_err sherd_reseal_told_fn(void *arg, uint64_t seen, uint64_t sealed);

/**
 * @param[in] roles  bit by role: the compartments to walk over
 * @return SHERD_OK; what told gave; SHERD_ERR_TAMPERED: an entry does not verify; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_vault_reseal(struct sherd_vault *vault, unsigned roles, sherd_reseal_told_fn *told,
                                                 void *arg);

/**
 * Look at an entry that was met in a snapshot: by fn and, where that says that it lies under a store key that was
 * destroyed, once more at what lies there now, since a rekeying has sealed it anew.
 * @return what fn gave, SHERD_ERR_TAMPERED instead of SHERD_ERR_DENIED; SHERD_OK where it is gone
 */
SHERD_MUST_USE enum sherd_err sherd_reseal_look(struct sherd_compartment *compartment, struct sherd_ref name,
                                                struct sherd_span stored, sherd_store_visit_fn *fn, void *arg);

#endif

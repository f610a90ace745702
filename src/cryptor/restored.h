/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cryptor/restored.h
 * A vault whose ledger began anew, since it was brought back or its rollback was accepted: each version of a record
 * that it holds gets a leaf, so that it can be proved, shown and audited as those that are put from then on.
 */
#ifndef SHERD_CRYPTOR_RESTORED_H
#define SHERD_CRYPTOR_RESTORED_H

#include "cryptor/vault.h"

/**
 * Make those leaves, if they are still to be made and the vault is open for writing. What has no map entry that
 * verifies gets none, and stays a finding of verify.
 * @param[in] anchor  the vault's, in this process
 * @return SHERD_OK; SHERD_ERR_TAMPERED: the ledger's state does not verify; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_restored_note(struct sherd_vault *vault, struct sherd_anchor *anchor);

#endif

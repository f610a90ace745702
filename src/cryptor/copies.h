/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cryptor/copies.h
 * Each compartment's own copy of the ledger: the same log, in the compartment's directory, as far as it was when
 * somebody looked after it. Who holds a compartment can show the history of the vault without its anchor; and an anchor
 * whose ledger was rolled back, cut or written anew is convicted by any of them.
 *
 * A leaf names nothing in clear, so a copy tells who steals it no more than the ledger itself would.
 */
#ifndef SHERD_CRYPTOR_COPIES_H
#define SHERD_CRYPTOR_COPIES_H

#include "cryptor/vault.h"

/** What became of a copy. @param[in] err  SHERD_OK, SHERD_ERR_CONFLICT, SHERD_ERR_TAMPERED; then text says what */
typedef void sherd_copy_told_fn(void *arg, enum sherd_role role, enum sherd_err err, const char *text);

/**
 * Bring the copies up to the ledger's newest checkpoint. One that the ledger does not continue stays as it is: it is
 * evidence.
 * @param[in] told  NULL: nobody wants to hear
 * @return SHERD_OK, whatever was told; SHERD_ERR_DENIED: the vault is open for reading only; SHERD_ERR_IO;
 *         SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_copies_update(struct sherd_vault *vault, sherd_copy_told_fn *told, void *arg);

/**
 * The same at the end of a handle that wrote, where no copy was brought up to date within a minute. What fails then is
 * for the next one.
 */
void sherd_copies_end(struct sherd_vault *vault);

/**
 * Verify all copies, and that the ledger continues each of them. Nothing is written. @return as sherd_copies_update()
 */
SHERD_MUST_USE enum sherd_err sherd_copies_check(struct sherd_vault *vault, sherd_copy_told_fn *told, void *arg);

#endif

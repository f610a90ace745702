/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cryptor/hold.h
 * The hold of a backup on blobs. Blobs are in no snapshot, so while somebody holds them nobody removes any: whoever
 * deletes a record leaves its blobs to the sweeper, and the sweeper says that it is busy. An flock() on sherd.vault, so
 * that it ends with the process that has it.
 */
#ifndef SHERD_CRYPTOR_HOLD_H
#define SHERD_CRYPTOR_HOLD_H

#include "cryptor/vault.h"

/** Begins as {-1}. */
struct sherd_hold {
    int fd;
};

/** Hold all blobs: waits for those who remove some, and for another who holds them. @return SHERD_OK; SHERD_ERR_IO */
SHERD_MUST_USE enum sherd_err sherd_hold_take(const struct sherd_vault *vault, struct sherd_hold *hold);
/** Before blobs are removed. @return SHERD_OK; SHERD_ERR_BUSY: somebody holds them; SHERD_ERR_IO */
SHERD_MUST_USE enum sherd_err sherd_hold_pass(const struct sherd_vault *vault, struct sherd_hold *hold);
/** End either. One that was not begun is accepted. */
void sherd_hold_leave(struct sherd_hold *hold);

#endif

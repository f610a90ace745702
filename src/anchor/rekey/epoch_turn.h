/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/rekey/epoch_turn.h
 * From one erase epoch to the next: beginning one, and ending the one before when nothing lies under it any more. The
 * keys of epochs: anchor/keys/epoch.h.
 */
#ifndef SHERD_ANCHOR_REKEY_EPOCH_TURN_H
#define SHERD_ANCHOR_REKEY_EPOCH_TURN_H

#include "anchor/rekey/rekey.h"

/** Whether a name is that under which erase epochs are among the keys: SHERD_ERASE_EPOCH. */
bool sherd_epoch_named(const char *name);

/** Visit the epochs that have a key, as versions: the one that ends, if any, then the one that serves. */
SHERD_MUST_USE enum sherd_err sherd_epoch_turn_each(const struct sherd_rekey_parts *parts, sherd_master_visit_fn *visit,
                                                    void *arg);

/**
 * Check that an epoch, by its number, was followed by another and has a key still.
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND; SHERD_ERR_CONFLICT: it serves
 */
SHERD_MUST_USE enum sherd_err sherd_epoch_turn_retired(const struct sherd_rekey_parts *parts, uint64_t epoch);

/** End an epoch by its number. @return as sherd_epoch_turn_end(); SHERD_ERR_NOT_FOUND; SHERD_ERR_CONFLICT: it serves */
SHERD_MUST_USE enum sherd_err sherd_epoch_turn_destroy(const struct sherd_rekey_parts *parts, uint64_t epoch);

/** As sherd_anchor_ops.epoch_begin. */
SHERD_MUST_USE enum sherd_err sherd_epoch_turn_begin(const struct sherd_rekey_parts *parts, uint64_t *out_epoch);

/** As sherd_anchor_ops.epoch_end. */
SHERD_MUST_USE enum sherd_err sherd_epoch_turn_end(const struct sherd_rekey_parts *parts, uint64_t *out_epoch);

#endif

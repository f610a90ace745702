/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/epoch_turn.h
 * From one erase epoch to the next: beginning one, and ending the one before when nothing lies under it any more. The
 * keys of epochs: anchor/epoch.h.
 */
#ifndef SHERD_ANCHOR_EPOCH_TURN_H
#define SHERD_ANCHOR_EPOCH_TURN_H

#include "anchor/rekey.h"

/** As sherd_anchor_ops.epoch_begin. */
SHERD_MUST_USE enum sherd_err sherd_epoch_turn_begin(const struct sherd_rekey_parts *parts, uint64_t *out_epoch);

/** As sherd_anchor_ops.epoch_end. */
SHERD_MUST_USE enum sherd_err sherd_epoch_turn_end(const struct sherd_rekey_parts *parts, uint64_t *out_epoch);

#endif

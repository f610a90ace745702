/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/epoch.h
 * Erase epochs: every wrapped key lies under the key of the epoch in which it was wrapped. When an epoch has ended,
 * survivors are wrapped anew and its key is destroyed; what was erased before then is gone, also for one who has every
 * file, every older backup and the live keys.
 *
 * The keys of at most two epochs exist at once, in two slots of one file that are overwritten in place: a copy under
 * another name would outlive them. docs/format/vault.md, anchor/epoch
 */
#ifndef SHERD_ANCHOR_EPOCH_H
#define SHERD_ANCHOR_EPOCH_H

#include "anchor/home.h"

/** Lies in secret memory. */
struct sherd_epoch_key {
    uint8_t bytes[SHERD_KEY_SIZE];
};

/** The epochs that have a key. */
struct sherd_epoch_set {
    size_t count;        /**< 1, or 2 while one is ending */
    uint64_t numbers[2]; /**< ascending; the last is the one to wrap under */
    struct sherd_epoch_key keys[2];
};

/** Make the file of a fresh vault, with epoch 1. @return SHERD_OK; SHERD_ERR_IO */
SHERD_MUST_USE enum sherd_err sherd_epoch_make(const struct sherd_home *home);

/**
 * Read the epochs that there are.
 * @param[in]  serving  the one that serves, as the keyring says
 * @param[out] out_set  in secret memory
 * @return SHERD_OK; SHERD_ERR_TAMPERED: the one that serves is not there; SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err sherd_epoch_read(const struct sherd_home *home, uint64_t serving,
                                               struct sherd_epoch_set *out_set);

/**
 * Make the key of the epoch after the one that serves. It serves when the keyring says so. The caller holds the home's
 * lock. @return SHERD_OK; SHERD_ERR_CONFLICT: the one before has not ended yet; SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err sherd_epoch_begin(const struct sherd_home *home, uint64_t serving);

/**
 * Destroy the key of the epoch before the one that serves: overwritten with random bytes, durably. Nothing may refer to
 * it any more. The caller holds the home's lock. @return SHERD_OK, also where there is none; SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err sherd_epoch_end(const struct sherd_home *home, uint64_t serving);

#endif

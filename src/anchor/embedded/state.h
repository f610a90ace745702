/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/embedded/state.h
 * The anchor's state at one instant, for a backup: copies of its seals and keyring, `keys` as it was, and the key that
 * the backup is sealed under, which takes part of the erase epoch with it.
 */
#ifndef SHERD_ANCHOR_EMBEDDED_STATE_H
#define SHERD_ANCHOR_EMBEDDED_STATE_H

#include "anchor/keys/epoch.h"
#include "anchor/ring/ring.h"

/** Most bytes that the copies of all seals take. */
#define SHERD_SEAL_COPIES_BYTES_MAX ((size_t)SHERD_SEALS_MAX * (SHERD_SEAL_FILE_BYTES_MAX + 3))

/** The key of one backup. In secret memory. */
struct sherd_backup_key {
    uint8_t bytes[SHERD_KEY_SIZE];
};

struct sherd_state_lent;

/** Start all zero; end with sherd_anchor_state_done(). One thread at a time. */
struct sherd_anchor_state {
    uint32_t generation; /**< of the keyring */
    uint64_t epoch;
    uint64_t epoch_older;          /**< 0: there was none */
    struct sherd_buf seals;        /**< copies: anchor/ring/home.h */
    struct sherd_buf keyring;      /**< the file as it is, sealed */
    struct sherd_snapshot *keys;   /**< NULL where the anchor runs elsewhere: see anchor.h, state_scan() */
    struct sherd_state_lent *lent; /**< in its place: known to that anchor's stub alone */
    struct sherd_backup_key *key;
};

/**
 * Take it.
 * @param[in] salt  of the backup's key; its id
 * @return SHERD_OK; SHERD_ERR_BUSY: it changes all the time; SHERD_ERR_TAMPERED; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_anchor_state_take(const struct sherd_home *home, struct sherd_ring *ring,
                                                      struct sherd_compartment *keys, struct sherd_span salt,
                                                      struct sherd_anchor_state *state);
void sherd_anchor_state_done(struct sherd_anchor_state *state);

/**
 * The keys of the epochs that there are, as a file that is sealed under the root key. @param[in,out] out_file appended
 */
SHERD_MUST_USE enum sherd_err sherd_anchor_epoch_export(const struct sherd_home *home, struct sherd_ring *ring,
                                                        struct sherd_buf *out_file);
/**
 * Go over to the epoch of such a file: see anchor.h, epoch_adopt(). @return SHERD_ERR_CONFLICT: it is no later one; ...
 */
SHERD_MUST_USE enum sherd_err sherd_anchor_epoch_adopt(const struct sherd_home *home, struct sherd_ring *ring,
                                                       struct sherd_span file);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file scrub/instant.h
 * The instant at which no put is between its first fragment and its pin, and what lay in `assets` and `secrets` then.
 * Whatever they hold was pinned by then or never will be: docs/decisions/0005-sweeping.md.
 */
#ifndef SHERD_SCRUB_INSTANT_H
#define SHERD_SCRUB_INSTANT_H

#include "cryptor/vault.h"

/** Start all zero; end with sherd_instant_done(). One thread at a time. */
struct sherd_instant {
    struct sherd_snapshot *assets;
    struct sherd_snapshot *secrets;
    struct sherd_refs blobs; /**< all blobs of `secrets` that there were before it */
    struct sherd_ref owner;  /**< name of the entry by which `secrets` says whose it is: no fragment */
};

/** Wait for that instant, and look. @return SHERD_OK; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY; SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err sherd_instant_take(struct sherd_vault *vault, struct sherd_instant *instant);
void sherd_instant_done(struct sherd_instant *instant);

/**
 * Whether the pin of its record names a map entry that was opened.
 * @return SHERD_OK; SHERD_ERR_TAMPERED: the pin does not verify; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_map_is_live(const struct sherd_vault *vault, const struct sherd_ref *name,
                                                const struct sherd_map *map, bool *out_live);

#endif

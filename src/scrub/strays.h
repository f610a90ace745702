/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file scrub/strays.h
 * What lies in `assets` and `secrets` that the pins did not lead to.
 *
 * A walk over the pins notes the map entries and fragments that it reached. What else there is can only be looked at
 * in the stores themselves, entry by entry; what was reached needs no second look. Where there are too many names to
 * hold, everything is looked at again, and the sweeper counts, in parts.
 */
#ifndef SHERD_SCRUB_STRAYS_H
#define SHERD_SCRUB_STRAYS_H

#include "cryptor/vault.h"

/** Names of map entries, and of fragments, that are held at once. */
#define SHERD_REACHED_MAX ((size_t)4 << 20)

/** Start all zero but for max; end with sherd_reached_done(). One thread at a time. */
struct sherd_reached {
    size_t max;
    bool full; /**< there were more: the names are not all, and none is held */
    struct sherd_refs maps;
    struct sherd_refs fragments;
};

/** Note that a pin led to a map entry that verifies, and that to a fragment. @return SHERD_OK; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_reached_add(struct sherd_reached *reached, const struct sherd_ref *map,
                                                const struct sherd_ref *fragment);
/** Note all that another one holds. @return SHERD_OK; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_reached_join(struct sherd_reached *reached, const struct sherd_reached *other);
void sherd_reached_done(struct sherd_reached *reached);

/** Told of an entry of `assets` or `secrets` that does not verify. */
typedef void sherd_strays_fn(void *arg, const char *compartment, const struct sherd_ref *name);

/**
 * Look at what was not reached.
 * @param[in,out] reached           ordered by this
 * @param[out]    out_orphan_count  map entries and fragments that no pin leads to; 0 where something does not verify,
 *                                  since what it leads to cannot be told
 * @return SHERD_OK, whatever was found; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY; SHERD_ERR_TAMPERED: an answer that no sound
 *         store gives
 */
SHERD_MUST_USE enum sherd_err sherd_strays_check(struct sherd_vault *vault, struct sherd_reached *reached,
                                                 sherd_strays_fn *fn, void *arg, uint64_t *out_orphan_count);

#endif

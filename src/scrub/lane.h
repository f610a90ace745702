/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file scrub/lane.h
 * A thread's short way to check versions whose contents lie in an entry: out of snapshots that serve a whole page, in
 * memory that is kept from one version to the next.
 *
 * The short way only ever says that a version verifies. Whatever else it meets (a change since the snapshots, a
 * violation, a blob) is for sherd_load() to look at, which asks the anchor again before it says anything.
 */
#ifndef SHERD_SCRUB_LANE_H
#define SHERD_SCRUB_LANE_H

#include "cryptor/load.h"

struct sherd_lane;

/** Get the memory. @return SHERD_OK; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_lane_new(struct sherd_vault *vault, struct sherd_lane **out_lane);
/** End the snapshots; the next check takes new ones. Before whatever takes long, which they shall not outlast. */
void sherd_lane_rest(struct sherd_lane *lane);
/** Wipes what it held. NULL is accepted. */
void sherd_lane_free(struct sherd_lane *lane);
SHERD_DEFINE_OWNED(sherd_lane);

/**
 * Check all of one version: pin, map entry, fragment, digest, tags.
 * @param[out] out_loaded  where it verifies: the pin and the map entry, whose attributes are borrowed from the lane
 *                         until the next call; holds nothing that is to be freed
 * @return whether it verifies; false says nothing
 */
SHERD_MUST_USE bool sherd_lane_check(struct sherd_lane *lane, struct sherd_uuid record, uint64_t version,
                                     const struct sherd_loaded **out_loaded);

#endif

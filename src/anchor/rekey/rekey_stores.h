/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/rekey/rekey_stores.h
 * The end of a rekeying of everything: what lies under older store keys is sealed anew, `keys` by the anchor and the
 * other compartments by whoever rekeys; then versions of store keys, and of the hash key, that were followed by another
 * before it began are destroyed, if a count says that nothing refers to them.
 *
 * Whoever wrote under an older version has been told since (sherd_ring_tell()), and the instant of rekey.h has passed:
 * so nothing can come to lie under one any more.
 */
#ifndef SHERD_ANCHOR_REKEY_REKEY_STORES_H
#define SHERD_ANCHOR_REKEY_REKEY_STORES_H

#include "anchor/keys/reseal.h"
#include "anchor/keys/store_keys.h"
#include "anchor/rekey/rekey.h"

/** How far it is. Start all zero. */
struct sherd_rekey_stores {
    struct sherd_store_ends ends;              /**< the newest versions, as it began, where there are older ones */
    uint64_t hash_versions[SHERD_MASTERS_MAX]; /**< of the hash key, that another was made after */
    size_t hash_count;
    unsigned phase;
    const struct sherd_entry_keys *keys; /**< of `keys`, while it is walked over */
    struct sherd_reseal *walk;
    uint64_t walk_seen;
};

/** Note what is to end. Before anybody is told. @return as sherd_ring_hold() */
SHERD_MUST_USE enum sherd_err sherd_rekey_stores_begin(const struct sherd_rekey_parts *parts,
                                                       struct sherd_rekey_stores *stores);
/** Whether there is nothing to end. */
bool sherd_rekey_stores_idle(const struct sherd_rekey_stores *stores);

/** Go on. @param[in,out] progress  done says that it has ended. @return as sherd_rekey_step() */
SHERD_MUST_USE enum sherd_err sherd_rekey_stores_step(const struct sherd_rekey_parts *parts,
                                                      struct sherd_rekey_stores *stores, size_t count_max,
                                                      struct sherd_rekey_progress *progress);
void sherd_rekey_stores_done(struct sherd_rekey_stores *stores);

/**
 * Count what refers to versions that are to end: entries, and record keys that the store key of `secrets` takes part
 * in.
 * @param[out] out_counts  by role, less one
 * @return SHERD_OK; SHERD_ERR_UNSUPPORTED: a compartment is not at hand; SHERD_ERR_TAMPERED; SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err sherd_rekey_stores_count(const struct sherd_rekey_parts *parts,
                                                       const struct sherd_store_ends *ends, uint64_t out_counts[4]);

/** Destroy a version of a store key, if nothing refers to it. @return as sherd_master_destroy() */
SHERD_MUST_USE enum sherd_err sherd_rekey_stores_destroy(const struct sherd_rekey_parts *parts, const char *name,
                                                         uint64_t version);

/** SHERD_OK if a count found nothing; SHERD_ERR_CONFLICT */
SHERD_MUST_USE enum sherd_err sherd_rekey_unreferred(uint64_t count);

#endif

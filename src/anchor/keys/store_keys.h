/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/keys/store_keys.h
 * Store keys as they rotate: the versions that the keyring has of each compartment's, followed by those who seal and
 * open with them; making and destroying versions. docs/decisions/0006-store-keys.md
 */
#ifndef SHERD_ANCHOR_KEYS_STORE_KEYS_H
#define SHERD_ANCHOR_KEYS_STORE_KEYS_H

#include "anchor/ring/ring.h"
#include "envelope/entry.h"

/** "store:" and a compartment's name: how a store key is called among master keys. */
#define SHERD_STORE_KEY_PREFIX "store:"

/** Whether a name is that of a store key. @param[out] out_role  whose; 0 where there is no such compartment */
bool sherd_store_key_named(const char *name, unsigned *out_role);

/* --- in use ------------------------------------------------------------------------------------------------------- */

/** The store keys of all compartments, for sherd_entry_keys.versions; each follows the ring. */
struct sherd_store_ring;

/** @param[in] first  the keyring to begin with */
SHERD_MUST_USE enum sherd_err sherd_store_ring_new(const struct sherd_keyring *first,
                                                   struct sherd_store_ring **out_stores);
/** Wipe and free. NULL is accepted. */
void sherd_store_ring_free(struct sherd_store_ring *stores);
/** Follow a ring from now on; borrowed. Before the first other thread. */
void sherd_store_ring_follow(struct sherd_store_ring *stores, struct sherd_ring *ring);
/** The versions of one compartment's; borrowed. */
struct sherd_store_keys *sherd_store_ring_keys(struct sherd_store_ring *stores, enum sherd_role role);

/**
 * One version of a store key as bytes, for what it takes part in but does not seal.
 * @param[in]  version    0 for the newest
 * @param[out] out_store  its version and key; in secret memory
 * @return SHERD_OK; SHERD_ERR_TAMPERED: it was never made; SHERD_ERR_DENIED: it was destroyed; as sherd_ring_hold()
 */
SHERD_MUST_USE enum sherd_err sherd_store_key_get(struct sherd_ring *ring, enum sherd_role role, uint64_t version,
                                                  struct sherd_keyring_store *out_store);
/** The newest version of a store key. @return as sherd_ring_hold() */
SHERD_MUST_USE enum sherd_err sherd_store_key_newest(struct sherd_ring *ring, enum sherd_role role,
                                                     uint64_t *out_version);

/* --- changing ----------------------------------------------------------------------------------------------------- */

/** Make a version that seals from now on. @return as sherd_master_activate() */
SHERD_MUST_USE enum sherd_err sherd_store_key_activate(struct sherd_ring *ring,
                                                       const struct sherd_master_options *options,
                                                       uint64_t *out_version);

/** Visit all versions. @return as sherd_master_each() */
SHERD_MUST_USE enum sherd_err sherd_store_key_each(struct sherd_ring *ring, sherd_master_visit_fn *visit, void *arg);

/**
 * Look whether a version may be destroyed as far as the keyring says, and tell all who have the vault open that it
 * seals no more. @return SHERD_OK; SHERD_ERR_NOT_FOUND; SHERD_ERR_CONFLICT: it is the newest; as sherd_ring_tell()
 */
SHERD_MUST_USE enum sherd_err sherd_store_key_retire(struct sherd_ring *ring, const char *name, uint64_t version);

/** Versions below these are destroyed, by role less one; 0 for none. */
struct sherd_store_ends {
    uint64_t below[4];
};

/**
 * Which versions are to end when a version of a name is destroyed.
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND; SHERD_ERR_CONFLICT: it is the newest, or there are older ones
 */
SHERD_MUST_USE enum sherd_err sherd_store_key_ends(struct sherd_ring *ring, const char *name, uint64_t version,
                                                   struct sherd_store_ends *out_ends);

/** Destroy versions to which nothing refers: the caller has counted. @return as sherd_ring_change() */
SHERD_MUST_USE enum sherd_err sherd_store_key_end(struct sherd_ring *ring, const struct sherd_store_ends *ends);

#endif

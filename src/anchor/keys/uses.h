/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/keys/uses.h
 * How often each version of a master key was used, counted durably, so that none is used more often than its policy
 * says (struct sherd_key_policy, limit): an entry of `keys` for each version, docs/format/envelope.md section 2.
 *
 * Uses are reserved before they are made: a handle raises the entry by some, by compare-and-swap, and then makes at
 * most as many. A process that is killed loses what it had reserved, and the count is never too low. A handle reserves
 * 1, then 2, then 4, at most SHERD_USES_RESERVED_MAX at once, and at most a 64th of the limit: so a single command
 * reserves no more than it needs, and bulk work hardly ever writes. All threads of a handle share what it has reserved.
 *
 * The entry is written with the change of the keyring that makes the version, and deleted with the one that ends it
 * (struct sherd_ring_along): so a version without one was robbed of it, and none is taken for unused.
 *
 * The key named "hash" wraps nothing, and is not counted. A child of a process has no use of what that has reserved:
 * what it wraps it cannot write (store/compartment.h, Fork).
 */
#ifndef SHERD_ANCHOR_KEYS_USES_H
#define SHERD_ANCHOR_KEYS_USES_H

#include "anchor/ring/ring.h"

/** Most uses that a handle reserves at once beyond what it needs. */
#define SHERD_USES_RESERVED_MAX ((uint64_t)1024)

struct sherd_uses;

/** What is taken at once. */
struct sherd_uses_want {
    uint64_t wraps;    /**< keys that are wrapped or derived: 1 or more */
    uint64_t entities; /**< of them, of new entities */
};

/**
 * @param[in] ring         borrowed
 * @param[in] keys         of `keys`; copied, what it points to is borrowed
 * @param[in] compartment  `keys`; borrowed
 */
SHERD_MUST_USE enum sherd_err sherd_uses_new(struct sherd_ring *ring, const struct sherd_entry_keys *keys,
                                             struct sherd_compartment *compartment, struct sherd_uses **out_uses);
/** NULL is accepted. */
void sherd_uses_free(struct sherd_uses *uses);

/** Whether uses of a version are counted. */
bool sherd_uses_are_counted(const struct sherd_master *master);

/** Most uses of a version, as its policy says. */
uint64_t sherd_uses_limit(const struct sherd_keyring *keyring, const struct sherd_master *master);

/**
 * The entry of a new version, to be written with the change of the keyring that makes it.
 * @param[in] keyring  as the change has it
 * @return SHERD_OK; SHERD_ERR_CONFLICT: the store key of `keys` is being changed
 */
SHERD_MUST_USE enum sherd_err sherd_uses_begin(struct sherd_uses *uses, const struct sherd_keyring *keyring,
                                               const struct sherd_ref *kid, struct sherd_ring_along *out_along);
/** The end of that entry, with the change of the keyring that ends the version. */
SHERD_MUST_USE enum sherd_err sherd_uses_end(struct sherd_uses *uses, const struct sherd_ref *kid,
                                             struct sherd_ring_along *out_along);

/**
 * Take uses of a version: they may be made from then on, once. Any thread.
 * @param[out] out_full  so many are not left, and nothing was taken
 * @return SHERD_OK; SHERD_ERR_CONFLICT: there is no such version any more; SHERD_ERR_BUSY: others change the entry
 *         again and again; SHERD_ERR_TAMPERED: the entry is missing or does not verify; SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err sherd_uses_take(struct sherd_uses *uses, const struct sherd_ref *kid,
                                              const struct sherd_uses_want *want, bool *out_full);

/**
 * So many uses will be taken soon: the next reservation is for all of them, within the bounds of each, so that it is
 * one write and little is left over. Reserves nothing itself. @return SHERD_OK; SHERD_ERR_CONFLICT: as
 * sherd_uses_take()
 */
SHERD_MUST_USE enum sherd_err sherd_uses_expect(struct sherd_uses *uses, const struct sherd_ref *kid, uint64_t wraps);

/**
 * How many uses of a version were reserved by whomever. @return as sherd_uses_take()
 */
SHERD_MUST_USE enum sherd_err sherd_uses_read(struct sherd_uses *uses, const struct sherd_ref *kid,
                                              struct sherd_key_uses *out_uses);

/** Check an entry as a walk meets it. @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_IO */
SHERD_MUST_USE enum sherd_err sherd_uses_check(struct sherd_uses *uses, const struct sherd_ref *name,
                                               struct sherd_span stored);

/** Check that no version lacks its entry. @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_IO */
SHERD_MUST_USE enum sherd_err sherd_uses_check_all(struct sherd_uses *uses);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/rekey/rekey.h
 * Rekeying: a walk over `keys` that brings every wrapped key up to date. Contents are not touched here: scrub/deep.h.
 *
 * First entities (their keys under the master key and epoch that serve; a fresh version where that is asked for), then
 * pins (record keys under the newest version of their entity's key), as often as there is something to do, then the
 * older versions of entity keys, which nothing needs any more, are destroyed. Of everything, and only then, what else
 * lies under older store keys is sealed anew, and versions to which nothing refers are destroyed: rekey_stores.h.
 * Between the first two there must be an instant at which nothing is in flight, so that nobody commits afterwards what
 * was wrapped before; pin_commit() wraps such a key anew.
 *
 * A walk that ended half-way is begun again: what is up to date is left alone, so it soon is where it was. One walk at
 * a time among all processes.
 */
#ifndef SHERD_ANCHOR_REKEY_REKEY_H
#define SHERD_ANCHOR_REKEY_REKEY_H

#include "anchor/keys/entities.h"
#include "anchor/ledger/sequencer.h"
#include "anchor/pins/pins.h"

/** What a walk stands on; all borrowed but what is said to be copied. */
struct sherd_rekey_parts {
    const struct sherd_home *home;
    struct sherd_ring *ring;
    struct sherd_entities *entities;
    const struct sherd_pins *pins;
    struct sherd_masters *masters;
    struct sherd_sequencer *sequencer;
    struct sherd_compartment *const *others; /**< identity, assets, secrets: where store keys are counted; NULL in it */
};

/**
 * Begin. @return SHERD_OK; SHERD_ERR_BUSY: somebody else rekeys; SHERD_ERR_DENIED: read-only; SHERD_ERR_IO;
 * SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_rekey_begin(const struct sherd_rekey_parts *parts,
                                                const struct sherd_rekey_scope *scope, struct sherd_rekey **out_rekey);
/** End, finished or not. NULL is accepted. */
void sherd_rekey_free(struct sherd_rekey *rekey);
SHERD_DEFINE_OWNED(sherd_rekey);

/**
 * Go on by up to count_max entries.
 * @return SHERD_OK; SHERD_ERR_TAMPERED: an entry does not verify: run verify; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_rekey_step(struct sherd_rekey *rekey, size_t count_max,
                                               struct sherd_rekey_progress *out_progress);

/** Begin a deep rekeying, or go on with the one that did not come to its end: see anchor.h, round_begin(). */
SHERD_MUST_USE enum sherd_err sherd_rekey_round_begin(struct sherd_ring *ring, uint16_t *out_round);
/** It came to its end. @return SHERD_OK; SHERD_ERR_CONFLICT: it is another one that is under way; SHERD_ERR_IO; ... */
SHERD_MUST_USE enum sherd_err sherd_rekey_round_end(struct sherd_ring *ring, uint16_t round);

/** What still refers to something: counted by a walk over all of `keys`. */
struct sherd_rekey_references {
    struct sherd_ref master; /**< kid: in; entities and lookups that hang on it are counted */
    uint64_t epoch;          /**< in: entities and pins wrapped under an epoch before it are counted */
    uint64_t secrets_below;  /**< in: pins wrapped under a version of the store key of `secrets` below it are counted */
    uint64_t master_count;
    uint64_t epoch_count;
    uint64_t secrets_count;
};

/** Count. @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_IO */
SHERD_MUST_USE enum sherd_err sherd_rekey_count(const struct sherd_rekey_parts *parts,
                                                struct sherd_rekey_references *references);

/**
 * Whether a floor may be ruled for a master key: nothing refers to a version below it, and a version that wraps is not
 * below it. It stays so: only the newest version gets new references (sherd_entities_guard()).
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND: there is no such master key; SHERD_ERR_INVALID: it is above the version that
 *         wraps; SHERD_ERR_CONFLICT: something refers to an older version: rekey first; as sherd_rekey_count()
 */
SHERD_MUST_USE enum sherd_err sherd_rekey_floor_check(const struct sherd_rekey_parts *parts, const char *name,
                                                      uint64_t floor);

#endif

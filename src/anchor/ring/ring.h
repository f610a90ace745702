/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/ring/ring.h
 * The one keyring of all who have the vault open: who changes it does so alone, pins the changed file in `keys`, and
 * lets the others know; who uses it has it as it is now.
 *
 * The pin (an entry of `keys` that holds the digest of the keyring's file) is the commit point of a change: a keyring
 * file that was rolled back or changed does not agree with it. docs/format/vault.md
 */
#ifndef SHERD_ANCHOR_RING_RING_H
#define SHERD_ANCHOR_RING_RING_H

#include "anchor/ring/changes.h"
#include "anchor/ring/home.h"

struct sherd_ring;

/**
 * @param[in] home         borrowed
 * @param[in] first        the keyring as the home has it, not yet checked against its pin; in secret memory; the ring
 *                         owns it from now on, also on failure
 * @param[in] keys         keys of the `keys` compartment: of them its names; copied
 * @param[in] compartment  `keys`; borrowed
 * @param[in] fresh        the vault is being made: the pin is written, not read
 * @return SHERD_OK; SHERD_ERR_TAMPERED: the keyring is not the one that is pinned; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_ring_new(struct sherd_home *home, struct sherd_keyring *first,
                                             const struct sherd_entry_keys *keys, struct sherd_compartment *compartment,
                                             bool fresh, struct sherd_ring **out_ring);
/** NULL is accepted. */
void sherd_ring_free(struct sherd_ring *ring);
SHERD_DEFINE_OWNED(sherd_ring);

/**
 * From now on all that is written goes through changes, so that the ledger has it; borrowed. Before the first other
 * thread. Until then, while a vault is being made, it goes to the compartment.
 */
void sherd_ring_write_through(struct sherd_ring *ring, struct sherd_changes *changes);

/**
 * Have the keyring as it is now. The caller gives it back with sherd_ring_leave(), soon, and changes nothing else of
 * the ring meanwhile. Any number of threads at once.
 * @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_ring_hold(struct sherd_ring *ring, const struct sherd_keyring **out_keyring);
void sherd_ring_leave(struct sherd_ring *ring);

/** Room for a guard: see sherd_ring_guard(). */
struct sherd_ring_guard_room {
    uint8_t block[272];
};

/**
 * An operation that lets the write set it is in succeed only if the keyring is still the one that is held: for what is
 * wrapped under a key that may be on its way out. The caller holds the ring.
 * @param[in,out] room  must live as long as the operation
 */
void sherd_ring_guard(const struct sherd_ring *ring, struct sherd_ring_guard_room *room, struct sherd_store_op *out_op);

/**
 * Whether all that a write set puts into `keys` is sealed under the store key that serves. The caller holds the ring.
 */
bool sherd_ring_seals(const struct sherd_keyring *keyring, const struct sherd_store_op *ops, size_t count);

/**
 * As sherd_ring_guard(), for a write set over `keys`, by who does not hold the ring: also what it puts must be sealed
 * under the version of the store key that serves. So nothing lies under an older one that was sealed before and is
 * written late.
 * @param[in] ops  the set without its guard
 * @return SHERD_OK; SHERD_ERR_CONFLICT: something is sealed under another version: seal it anew; as sherd_ring_hold()
 */
SHERD_MUST_USE enum sherd_err sherd_ring_guard_set(struct sherd_ring *ring, const struct sherd_store_op *ops,
                                                   size_t count, struct sherd_ring_guard_room *room,
                                                   struct sherd_store_op *out_op);

/**
 * Of a write set that was refused with a conflict: whether its guard would be refused now. Then all that is held is
 * doubted (sherd_ring_doubt()), and what was refused is to be made anew and tried again.
 */
SHERD_MUST_USE enum sherd_err sherd_ring_guard_lost(struct sherd_ring *ring, const struct sherd_store_op *guard,
                                                    bool *out_lost);

/**
 * Write a set over `keys` that has a guard of the caller's in it; sherd_ring_guard_lost() where it is refused.
 * @param[in]     ops       are put in order
 * @param[in]     guard     the one in it
 * @param[in,out] events    what the set stands for: anchor/ring/changes.h
 * @param[out]    out_lost  it was refused since the keys were changed: seal it anew and try again
 * @return as sherd_changes_write()
 */
SHERD_MUST_USE enum sherd_err sherd_ring_write_guarded(struct sherd_ring *ring, struct sherd_store_op *ops,
                                                       size_t count, const struct sherd_store_op *guard,
                                                       struct sherd_event *events, size_t event_count, bool *out_lost);

/**
 * The same, with the guard of sherd_ring_guard_set().
 * @param[in] ops  room for one more than count, which they are ordered with
 * @return as sherd_ring_guard_set() and sherd_ring_write_guarded()
 */
SHERD_MUST_USE enum sherd_err sherd_ring_write(struct sherd_ring *ring, struct sherd_store_op *ops, size_t count,
                                               struct sherd_event *events, size_t event_count, bool *out_lost);

/** Whether joins are strict, as the keyring says that was held last. Costs nothing. */
bool sherd_ring_joins_strict(const struct sherd_ring *ring);

/**
 * A number that is another one after any change that others were told of (sherd_ring_tell()): what was derived from
 * the keyring or from entities before is then to be looked at again.
 */
uint64_t sherd_ring_number(const struct sherd_ring *ring);

/**
 * Doubt all that this handle holds, as if it had been told of a change: where a guard refused a write, somebody may
 * have changed the keyring and ended before he could tell.
 */
void sherd_ring_doubt(struct sherd_ring *ring);

/** Tell all who have the vault open that something they hold in memory was changed. @return SHERD_OK; SHERD_ERR_IO */
SHERD_MUST_USE enum sherd_err sherd_ring_tell(struct sherd_ring *ring);

/** Change a keyring in place. @return any code but SHERD_OK ends the change, and nothing is changed */
typedef enum sherd_err sherd_ring_change_fn(void *arg, struct sherd_keyring *keyring);

/**
 * Change the keyring: alone among all processes, durably, all or nothing; then tell the others.
 * @return SHERD_OK; what change gave; SHERD_ERR_DENIED: the vault is open for reading only; SHERD_ERR_LIMIT: the
 *         keyring is full; SHERD_ERR_TAMPERED; SHERD_ERR_NO_MEMORY; SHERD_ERR_IO: sherd_ring_hold() gives the keyring
 *         with the change or without it, and others may hear of it late
 */
SHERD_MUST_USE enum sherd_err sherd_ring_change(struct sherd_ring *ring, sherd_ring_change_fn *change, void *arg);

/**
 * An operation on `keys` that goes with a change: carried out with its commit, or not at all. Filled in by change().
 */
struct sherd_ring_along {
    bool used; /**< there is one */
    struct sherd_store_op
        op; /**< what it puts is sealed under the newest store key of the keyring, and lies in block */
    uint8_t block[272];
};

/** As sherd_ring_change(). @param[in] along  not used before */
SHERD_MUST_USE enum sherd_err sherd_ring_change_along(struct sherd_ring *ring, sherd_ring_change_fn *change, void *arg,
                                                      const struct sherd_ring_along *along);

/** Look at the keyring while nobody can change it. @return any code */
typedef enum sherd_err sherd_ring_look_fn(void *arg, const struct sherd_keyring *keyring);

/**
 * Do something that must be done alone among all processes, and by the keyring as it is, without a change of it.
 * @return as sherd_ring_change()
 */
SHERD_MUST_USE enum sherd_err sherd_ring_look(struct sherd_ring *ring, sherd_ring_look_fn *look, void *arg);

/** Check the pin's entry as a walk meets it. @return SHERD_OK; SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err sherd_ring_check(struct sherd_ring *ring, const struct sherd_ref *name,
                                               struct sherd_span stored);

/** The digest of the keyring that was valid in a snapshot of `keys`. @return SHERD_OK; SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err sherd_ring_pinned(struct sherd_ring *ring, struct sherd_snapshot *snapshot,
                                                struct sherd_digest *out_digest);

#endif

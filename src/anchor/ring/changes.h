/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/ring/changes.h
 * The one way in which `keys` is changed: each write set carries the events that it stands for, and what it does to the
 * digest of all entries, in a pending block that is part of it. So an event is exactly as durable as its change, costs
 * no flush of its own, and any number of processes may write; the sequencer (anchor/ledger/sequencer.h) makes leaves of
 * them.
 *
 * @par The digest  Exclusive or of the marks of all entries of `keys` but pending blocks and what every compartment has
 * (its own entry, and parts of master keys: key stores write those); a mark is a MAC over name and
 * stored bytes (a set hash with a secret key: Clarke, Devadas, van Dijk, Gassend, Suh, "Incremental Multiset Hash
 * Functions and Their Application to Memory Integrity Checking", ASIACRYPT 2003). An entry that was put back, removed
 * or added by other means than this one changes it. docs/decisions/0007-digest-of-keys.md
 */
#ifndef SHERD_ANCHOR_RING_CHANGES_H
#define SHERD_ANCHOR_RING_CHANGES_H

#include "envelope/entry.h"
#include "ledger/leaf.h"
#include "store/compartment.h"

struct sherd_changes;

/**
 * @param[in] keys    keys of the `keys` compartment; copied, what it points to is borrowed
 * @param[in] leaves  keys of the ledger; borrowed
 */
SHERD_MUST_USE enum sherd_err sherd_changes_new(struct sherd_compartment *compartment,
                                                const struct sherd_entry_keys *keys,
                                                const struct sherd_leaf_keys *leaves,
                                                struct sherd_changes **out_changes);
/** NULL is accepted. */
void sherd_changes_free(struct sherd_changes *changes);
SHERD_DEFINE_OWNED(sherd_changes);

/** The compartment, to read from. */
struct sherd_compartment *sherd_changes_compartment(const struct sherd_changes *changes);

/** Most operations of a set: the rest of a store's set is for pending blocks. */
#define SHERD_CHANGES_OPS_MAX (SHERD_STORE_OPS_MAX - 256U)

/**
 * Carry out a write set with its events: all or nothing, durably. Id and time of the events are filled in here.
 * @param[in]     ops     1..SHERD_CHANGES_OPS_MAX, each on a name of its own, in any order; what expects anything may
 *                        be read first, and is tried again if somebody else was faster
 * @param[in,out] events  none where count is 0
 * @return as sherd_compartment_write()
 */
SHERD_MUST_USE enum sherd_err sherd_changes_write(struct sherd_changes *changes, const struct sherd_store_op *ops,
                                                  size_t count, struct sherd_event *events, size_t event_count);

/** Gets a call after each set that was written. Any thread. */
typedef void sherd_changes_written_fn(void *arg);

/** Let somebody know of each set that is written. Before the first other thread. */
void sherd_changes_tell(struct sherd_changes *changes, sherd_changes_written_fn *written, void *arg);

/** Whether a name is one of those that only pending blocks have. They sort before all others. */
bool sherd_pending_named(const struct sherd_ref *name);

/** Whether a stored value says that it is a pending block. */
bool sherd_pending_stored(struct sherd_span stored);

/** Open a pending block. @param[in,out] payload  gets it; what out_pending says is borrowed from it */
SHERD_MUST_USE enum sherd_err sherd_pending_open(const struct sherd_entry_keys *keys, const struct sherd_ref *name,
                                                 struct sherd_span stored, struct sherd_buf *payload,
                                                 struct sherd_pending *out_pending);

/** Check a pending block as a walk meets it. @return SHERD_OK; SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err sherd_pending_check(const struct sherd_entry_keys *keys, const struct sherd_ref *name,
                                                  struct sherd_span stored);

/** How many pending blocks there are. @return SHERD_OK; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_pending_count(struct sherd_compartment *keys, uint64_t *out_count);

/** The digest of all of `keys` at one instant, and the pending blocks of that instant. */
struct sherd_keys_digest {
    struct sherd_digest entries; /**< of all entries but pending blocks */
    uint64_t entry_count;
};

/** Walk over `keys` as it is in a snapshot. @return SHERD_OK; SHERD_ERR_IO; SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err sherd_keys_digest(struct sherd_snapshot *snapshot, const struct sherd_leaf_keys *leaves,
                                                struct sherd_keys_digest *out_digest);

#endif

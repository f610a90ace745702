/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/ledger/sequencer.h
 * From pending blocks to the ledger: one process at a time takes the blocks that lie in `keys`, appends their events
 * as leaves to the log under `anchor/ledger`, and takes the blocks out.
 *
 * What the ledger implies of `keys` (the digest of its entries, as the sequenced blocks add it up) is kept beside the
 * log, sealed, with the log's checkpoint: neither can be put back without the other, and neither agrees with a `keys`
 * that was.
 *
 * @par Rounds  1. what the last round took but did not get to remove is removed; 2. the blocks are read, in one
 * snapshot; 3. leaves and tiles are written; 4. a state with the new checkpoint takes the place of the last one: the
 * commit point; 5. the log shows that checkpoint; 6. the blocks are removed. A round that ended before 4 is made again;
 * one that ended after it is finished by the next.
 *
 * docs/format/ledger.md
 */
#ifndef SHERD_ANCHOR_LEDGER_SEQUENCER_H
#define SHERD_ANCHOR_LEDGER_SEQUENCER_H

#include "anchor/anchor.h"
#include "anchor/ledger/join_files.h"
#include "anchor/ring/changes.h"
#include "ledger/log.h"

struct sherd_sequencer;

/** What a sequencer needs. Strings and pointers are borrowed until it ends, the rest is copied. */
struct sherd_sequencer_parts {
    const char *dir; /**< the anchor's directory */
    struct sherd_uuid deployment;
    const uint8_t *seed; /**< of the signing key: SHERD_SIGN_SEED_SIZE bytes in secret memory */
    struct sherd_changes *changes;
    struct sherd_entry_keys keys; /**< of the `keys` compartment */
    const struct sherd_leaf_keys *leaves;
    bool read_only;
    void (*made)(void *arg); /**< called after rounds, from the thread that made them; NULL: nobody is told */
    void *made_arg;
};

/** Most events that one round makes leaves of; blocks that are left wait for the next. */
#define SHERD_SEQUENCER_ROUND_EVENTS_MAX 4096U

/**
 * Make the ledger of a vault that is being made, or was brought back: its first leaf says so, and what is in `keys` now
 * is taken as it is. Nobody else has the vault open. It has a name of its own: one that was there before ends here.
 */
SHERD_MUST_USE enum sherd_err sherd_sequencer_make(const struct sherd_sequencer_parts *parts,
                                                   enum sherd_event_kind first);

/**
 * @return SHERD_OK; SHERD_ERR_TAMPERED: log and state do not agree with each other, or do not verify;
 *         SHERD_ERR_NOT_FOUND: there is no ledger; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_sequencer_new(const struct sherd_sequencer_parts *parts,
                                                  struct sherd_sequencer **out_sequencer);
/**
 * End. A round under way is finished first; where something was written, and the last round is 60 s ago, one is made.
 * NULL is accepted.
 */
void sherd_sequencer_free(struct sherd_sequencer *sequencer);
SHERD_DEFINE_OWNED(sherd_sequencer);

/**
 * Make rounds until no block is left that was there at the beginning. Any thread; threads and processes take turns.
 * @param[out] out_size  leaves of the log; NULL if not wanted
 */
SHERD_MUST_USE enum sherd_err sherd_sequencer_run(struct sherd_sequencer *sequencer, uint64_t *out_size);

/**
 * Tell it that a set was written: a thread of its own makes a round when there are 1,000 of them, or 60 s after the
 * first. A round that failed is made again a little later: until then its events are pending, and as durable as before.
 * Cheap; any thread.
 */
void sherd_sequencer_wake(struct sherd_sequencer *sequencer);

/**
 * Walk over `keys` and compare it with what the ledger implies: an entry that was rolled back, removed or added by
 * others makes them differ. Of the log nothing is read; of out_check only what is about `keys` is filled in.
 */
SHERD_MUST_USE enum sherd_err sherd_sequencer_compare(struct sherd_sequencer *sequencer,
                                                      struct sherd_keys_check *out_check);
/**
 * The same, and verify all of the log and of the joins.
 * @param[in]  accepted  what was acknowledged to be lost of joins; NULL: nothing
 * @param[out] out_loss  all that is lost of them; NULL if not wanted
 */
SHERD_MUST_USE enum sherd_err sherd_sequencer_check(struct sherd_sequencer *sequencer,
                                                    const struct sherd_join_loss *accepted,
                                                    struct sherd_keys_check *out_check,
                                                    struct sherd_join_loss *out_loss);

/** How many rounds were made. @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_IO */
SHERD_MUST_USE enum sherd_err sherd_sequencer_rounds(const struct sherd_sequencer *sequencer, uint64_t *out_rounds);

/** Do something with the log as it is, open to read, and what the state of the same time says of joins. */
typedef enum sherd_err sherd_log_use_fn(void *arg, struct sherd_log *log, const struct sherd_join_state *joins);
SHERD_MUST_USE enum sherd_err sherd_sequencer_log(struct sherd_sequencer *sequencer, sherd_log_use_fn *use, void *arg);

/** Where joins lie. All is borrowed. */
struct sherd_join_place sherd_sequencer_joins_place(const struct sherd_sequencer *sequencer);

/**
 * What is kept of checkpoints outside (anchor/ledger/outside.h), and the log's checkpoint, as the state has both.
 * @param[in,out] out_bytes  appended. @param[in,out] out_note  appended
 */
SHERD_MUST_USE enum sherd_err sherd_sequencer_outside(struct sherd_sequencer *sequencer, struct sherd_buf *out_bytes,
                                                      struct sherd_buf *out_note);
/** Keep other bytes, at most SHERD_SEQUENCER_OUTSIDE_BYTES_MAX. @return SHERD_OK; SHERD_ERR_DENIED: read-only; ... */
SHERD_MUST_USE enum sherd_err sherd_sequencer_outside_set(struct sherd_sequencer *sequencer, struct sherd_span bytes);
#define SHERD_SEQUENCER_OUTSIDE_BYTES_MAX ((size_t)28 << 10)

/** The anchor's directory. */
const char *sherd_sequencer_dir(const struct sherd_sequencer *sequencer);

/** The log's public key of Ed25519, as text. @param[in,out] out_text  appended */
SHERD_MUST_USE enum sherd_err sherd_sequencer_vkey(const struct sherd_sequencer *sequencer, struct sherd_buf *out_text);
/** Those that signed a checkpoint: as sherd_ledger_key_texts(). */
SHERD_MUST_USE enum sherd_err sherd_sequencer_vkeys(const struct sherd_sequencer *sequencer, struct sherd_span note,
                                                    struct sherd_buf *out_text);

#endif

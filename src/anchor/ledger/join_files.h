/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/ledger/join_files.h
 * The sequencer's side of joins (anchor/ledger/joins.h): finds the files of all handles, takes what was noted since the
 * last round, keeps the slots where history finds them, and takes files away whose handle has ended. What it has taken
 * of which file stands in the ledger's state, so a file that is missing, was cut, or was put back is seen.
 *
 * @par Lost  A slot that does not verify, or is missing before one that is there, and a file that is missing, become a
 * leaf of their own, which stands for no slots: it says that releases lost their entries, to everyone and for ever.
 *
 * Bytes: docs/format/ledger.md, sections 11 and 12
 */
#ifndef SHERD_ANCHOR_LEDGER_JOIN_FILES_H
#define SHERD_ANCHOR_LEDGER_JOIN_FILES_H

#include "anchor/ledger/join_loss.h"
#include "envelope/tlv.h"
#include "ledger/join.h"
#include "ledger/log.h"

/** Most files that are known at a time: more handles than that, and some wait for a later round. */
#define SHERD_JOIN_FILES_MAX 1024U
/** Most joins that one round takes. */
#define SHERD_JOIN_ROUND_MAX 65536U
/** Most events of a round that are of joins: what they fill, and what was lost. */
#define SHERD_JOIN_EVENTS_MAX (SHERD_JOIN_ROUND_MAX / SHERD_JOIN_BATCH_MAX + 1)
/** A file of kept slots of that size is followed by another. */
#define SHERD_JOIN_KEPT_BYTES_MAX ((size_t)4 << 20)
#define SHERD_JOIN_KEPT_DIR "ledger/kept"

/** A file of joins, as the ledger's state knows it. */
struct sherd_join_file {
    struct sherd_ref id;
    uint64_t birth; /**< rounds that had been made when it was */
    uint64_t taken; /**< slots that are in the ledger */
    bool ended;     /**< nothing more comes: it is taken away, or was lost */
};

/** What the ledger's state says of joins. */
struct sherd_join_state {
    uint64_t swept;      /**< the last round that has seen every file there was */
    uint64_t segment;    /**< of kept slots: the one that is written */
    uint64_t kept_bytes; /**< how much of it counts */
    size_t file_count;
    struct sherd_join_file files[SHERD_JOIN_FILES_MAX];
};

/** Most bytes that it takes in the state. */
#define SHERD_JOIN_STATE_BYTES_MAX (SHERD_JOIN_FILES_MAX * 32U + 64U)
/** Its tags there: of the first of its four items. */
#define SHERD_JOIN_STATE_TAGS(first) ((uint64_t)15 << (first))

void sherd_join_state_put(struct sherd_tlv_writer *writer, unsigned first_tag, const struct sherd_join_state *state);
/** @return SHERD_OK; SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err sherd_join_state_get(const struct sherd_tlv *tlv, unsigned first_tag,
                                                   struct sherd_join_state *out_state);

/** Where it is, and whose. All is borrowed. */
struct sherd_join_place {
    const char *dir; /**< the anchor's */
    const struct sherd_leaf_keys *leaves;
};

/** A slot on its way to the log. */
struct sherd_join_found {
    struct sherd_join_slot slot;
    uint64_t time_ns;
};

/** What a round took. Start all zero, but for the state. */
struct sherd_join_taken {
    struct sherd_join_state *after; /**< in: as it was; out: as it is once this is in the log */
    bool changed;                   /**< ... and differs */
    bool more;                      /**< joins are left for another round */
    uint64_t lost;                  /**< at least so many releases have lost their entry */
    uint64_t strange;               /**< files that are none of this ledger's, or were put back */
    size_t count;
    struct sherd_join_found *found; /**< in the order of their times */
};

/**
 * Take what was noted since.
 * @param[in]  round  number of the round that is made
 * @param[in]  look   only look: nothing is locked or cleared away
 * @return SHERD_OK; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_join_files_take(const struct sherd_join_place *place, uint64_t round, bool look,
                                                    struct sherd_join_taken *taken);
/** Free what it holds. */
void sherd_join_taken_done(struct sherd_join_taken *taken);

/** Leaves that it becomes. */
size_t sherd_join_taken_leaves(const struct sherd_join_taken *taken);
/** The event of each of them, in the order of times, but for id and the time of what was lost. */
SHERD_MUST_USE enum sherd_err sherd_join_taken_event(const struct sherd_join_taken *taken, size_t i,
                                                     struct sherd_event *out_event);

/**
 * Keep the slots, durably, where nothing counts yet until the state says so.
 * @param[in] leaves  index in the log of the leaf of each batch
 */
SHERD_MUST_USE enum sherd_err sherd_join_files_keep(const struct sherd_join_place *place,
                                                    struct sherd_join_taken *taken, const uint64_t *leaves);

/** Take away what has ended. The state that says so is durable. */
SHERD_MUST_USE enum sherd_err sherd_join_files_clear(const struct sherd_join_place *place,
                                                     const struct sherd_join_state *state);

/* --- what is kept, against the log -------------------------------------------------------------------------------- */

/** Kept slots, read in the order of their leaves. All is its own. */
struct sherd_join_reader {
    struct sherd_join_place place;
    const struct sherd_join_state *state; /**< borrowed */
    uint64_t size;                        /**< leaves of the log: a batch names none behind them */
    uint64_t segment;                     /**< the file that is read */
    bool read;                            /**< ... and was, into */
    struct sherd_buf kept;
    size_t at;
    uint64_t extra; /**< out: batches, or pieces of them, for which no leaf stands */
    struct sherd_join_slot *room;
    struct sherd_aead_message *series; /**< of the file whose slots were opened last */
    struct sherd_ref opened;
    struct sherd_digest blind; /**< of that file */
};

SHERD_MUST_USE enum sherd_err sherd_join_reader_begin(struct sherd_join_reader *reader,
                                                      const struct sherd_join_place *place,
                                                      const struct sherd_join_state *state, uint64_t size);
void sherd_join_reader_done(struct sherd_join_reader *reader);
/** Go to where the batch of a leaf lies, or before: for who does not read from the beginning. */
SHERD_MUST_USE enum sherd_err sherd_join_reader_seek(struct sherd_join_reader *reader, uint64_t leaf);
/**
 * The batch that a leaf stands for. Leaves are asked for in their order.
 * @param[out] out_batch  borrowed until the next call
 * @return SHERD_OK: it has the leaf's root; SHERD_ERR_TAMPERED: it is missing or was changed; SHERD_ERR_IO; ...
 */
SHERD_MUST_USE enum sherd_err sherd_join_reader_next(struct sherd_join_reader *reader, uint64_t index,
                                                     const struct sherd_leaf *leaf, struct sherd_join_batch *out_batch);
/** There are no more leaves: what is left is extra. @return SHERD_OK; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_join_reader_end(struct sherd_join_reader *reader);
/**
 * Open a slot of such a batch. @param[out] out_blind  what opens its commitment
 * @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_join_reader_open(struct sherd_join_reader *reader,
                                                     const struct sherd_join_slot *slot, struct sherd_join *out_join,
                                                     struct sherd_digest *out_blind);

/** Kept slots against all leaves, from the first. What is lost is no error of the walk. */
struct sherd_join_check {
    struct sherd_join_reader reader;
    const struct sherd_join_loss *accepted; /**< what was acknowledged; NULL: nothing */
    struct sherd_join_loss loss;            /**< out: all that is lost */
    struct sherd_join_span fresh;           /**< out: of it, what was not acknowledged: the first and the last leaf */
    bool damaged;                           /**< out: there is such, or too much is kept */
    bool last_lost;                         /**< whether the last leaf that stands for joins was */
};

SHERD_MUST_USE enum sherd_err sherd_join_check_begin(struct sherd_join_check *check,
                                                     const struct sherd_join_place *place,
                                                     const struct sherd_join_state *state, uint64_t size,
                                                     const struct sherd_join_loss *accepted);
/** The next leaf of the log, from the first: a sherd_log_visit_fn. @return SHERD_OK; SHERD_ERR_IO; ... */
SHERD_MUST_USE enum sherd_err sherd_join_check_leaf(void *arg, uint64_t index, struct sherd_span entry);
/** There are no more leaves. */
SHERD_MUST_USE enum sherd_err sherd_join_check_end(struct sherd_join_check *check);
void sherd_join_check_done(struct sherd_join_check *check);

#endif

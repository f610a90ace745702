/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/ledger/leaves.h
 * What is asked of the ledger, and how it is found: leaves of a range, each with the event that it stands for, what
 * opens its commitments, and the proof that it is in the tree.
 *
 * There is no index: a leaf is found by looking at all of a range, page by page, or from its end, where what was done
 * last stands. What was looked at was verified.
 */
#ifndef SHERD_ANCHOR_LEDGER_LEAVES_H
#define SHERD_ANCHOR_LEDGER_LEAVES_H

#include "anchor/anchor.h"
#include "ledger/leaf.h"
#include "ledger/log.h"

/** What leaves are about. */
enum sherd_leaf_about {
    SHERD_LEAVES_ALL = 1, /**< no matter what */
    SHERD_LEAVES_RECORD,  /**< a record; of a version, only what made it */
    SHERD_LEAVES_ID,      /**< whatever has that id: as subject, actor, entity or collection; a grant's principal too */
};

/** What is told of each. */
enum sherd_leaf_told {
    SHERD_LEAF_PROVED = 0, /**< what it is, and the proof that it is in the tree */
    SHERD_LEAF_OPENED,     /**< without the proof: for who holds the leaves against the log himself */
    SHERD_LEAF_STORED,     /**< as it is stored, and nothing else */
};

/** Which leaves are wanted. */
struct sherd_leaf_query {
    uint64_t size; /**< of the tree in which they are proved to be; at most what the log has */
    uint64_t from; /**< the first that is looked at, and one more than the last: at most size */
    uint64_t to;
    bool backwards; /**< from the end, and in descending order */
    enum sherd_leaf_told told;
    uint32_t count_max;
    enum sherd_leaf_about about;
    struct sherd_ref id; /**< zero for all */
    uint64_t version;    /**< of a record; 0: all that is about it */
};

/** Most leaves that one call gives. */
#define SHERD_LEAVES_MAX 256U
/** Most leaves that one call looks at, but for some that lie in the same bundle. */
#define SHERD_LEAVES_LOOKED_MAX 16384U

/** A leaf that was found. Spans are borrowed until the visitor returns. */
struct sherd_leaf_found {
    uint64_t index;
    struct sherd_span leaf;
    struct sherd_path path; /**< to the root of the tree that was asked for; this and what follows may be zero */
    struct sherd_event event;
    struct sherd_digest blinds[SHERD_LEAF_COMMITMENTS]; /**< open what it commits to; zero: not for who asks */
};

/**
 * Look for leaves in a log.
 * @param[out] out_next  where to go on: `from`, or backwards `to`, of the next call. The range is at its end where this
 *                       is its other end
 * @return SHERD_OK; SHERD_ERR_INVALID: no such range; SHERD_ERR_TAMPERED; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY; what the
 *         visitor says
 */
SHERD_MUST_USE enum sherd_err sherd_leaves_find(struct sherd_log *log, const struct sherd_leaf_keys *keys,
                                                const struct sherd_leaf_query *query, sherd_leaf_visit_fn *visit,
                                                void *arg, uint64_t *out_next);

#endif

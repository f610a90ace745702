/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/ledger/join_find.h
 * Joins that are asked for (anchor/ledger/leaves.h is the same for leaves): each with what shows that a leaf of the
 * ledger stands for it, and that leaf with its proof.
 *
 * There is no index: all slots that are kept of a range of leaves are opened, page by page. A page that meets a leaf
 * whose slots are missing or were changed fails, whatever it was asked for: less than all is never told as if it were
 * all. What was acknowledged to be lost is told as that.
 */
#ifndef SHERD_ANCHOR_LEDGER_JOIN_FIND_H
#define SHERD_ANCHOR_LEDGER_JOIN_FIND_H

#include "anchor/ledger/join_loss.h"
#include "anchor/ledger/leaves.h"
#include "anchor/ledger/sequencer.h"

/** A page ends with the leaf in which it reaches so many bytes of leaves, joins and paths, or so many opened joins. */
#define SHERD_JOINS_PAGE_BYTES ((size_t)768 << 10)
#define SHERD_JOINS_LOOKED_MAX 65536U
/** For how many bytes a leaf counts, and a join, by the hashes of their paths: not less than a message has. */
#define SHERD_JOIN_LEAF_BYTES(leaf_bytes, hashes) ((leaf_bytes) + (hashes) * 32U + 32U)
#define SHERD_JOIN_SHOWN_BYTES(hashes) (SHERD_JOIN_KEPT_SIZE + SHERD_JOIN_PLAIN_SIZE + (hashes) * 32U + 80U)

/** A join that was found, or that so many are lost. Spans are borrowed until the visitor returns. */
struct sherd_leaf_join {
    uint64_t index; /**< of the leaf that says so */
    struct sherd_span leaf;
    struct sherd_path path; /**< to the root of the tree that was asked for */
    uint64_t lost;          /**< not 0: the leaf stands for so many, of which nothing more is known */
    struct sherd_join_shown shown;
};

/**
 * Look for joins in a range of leaves: of a record and, if it is not 0, a version; of an id, which is the record's or
 * the principal's; or all.
 * @param[in]  query     about leaves; not backwards, and count_max does not matter
 * @param[in]  accepted  what is known to be lost
 * @param[out] out_next  `from` of the next call; the range is at its end where this is `to`
 * @return SHERD_OK; SHERD_ERR_INVALID: no such range; SHERD_ERR_TAMPERED; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY; what the
 *         visitor says
 */
SHERD_MUST_USE enum sherd_err sherd_joins_find(struct sherd_sequencer *sequencer,
                                               const struct sherd_join_loss *accepted,
                                               const struct sherd_leaf_query *query, sherd_leaf_join_fn *visit,
                                               void *arg, uint64_t *out_next);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cryptor/joins_walk.h
 * Leaves and joins of the ledger in one order, for history and evidence: page by page, so that it takes little memory
 * however much there is. The anchor finds; whoever is visited verifies.
 */
#ifndef SHERD_CRYPTOR_JOINS_WALK_H
#define SHERD_CRYPTOR_JOINS_WALK_H

#include "anchor/ledger/join_find.h"

struct sherd_joins_walk;

/**
 * @param[in] query       of leaves, forwards; its size is set. What is about an id is asked for as what has that id
 * @param[in] of_records  and that is an entity or a collection, of whose records all joins are wanted: they are learnt
 *                        from the leaves up to the end of the range, 16 bytes each
 */
SHERD_MUST_USE enum sherd_err sherd_joins_walk_begin(struct sherd_anchor *anchor, const struct sherd_leaf_query *query,
                                                     bool of_records, struct sherd_joins_walk **out_walk);
/** NULL is accepted. */
void sherd_joins_walk_free(struct sherd_joins_walk *walk);
SHERD_DEFINE_OWNED(sherd_joins_walk);

/** Visit a page of leaves as ledger_scan does, and in between the joins of that range that are wanted. */
SHERD_MUST_USE enum sherd_err sherd_joins_walk_page(struct sherd_joins_walk *walk, const struct sherd_leaf_query *query,
                                                    sherd_leaf_visit_fn *visit, sherd_leaf_join_fn *visit_join,
                                                    void *arg, uint64_t *out_next);

/** That the leaf of a join is in a tree: verified once for all that follow each other. As sherd_proof_verify_in(). */
SHERD_MUST_USE enum sherd_err sherd_joins_walk_check(struct sherd_joins_walk *walk, const struct sherd_leaf_join *found,
                                                     const struct sherd_tree_head *head);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store/memory/tree.h
 * Ordered trees that never change: a change makes a new tree, which shares with the old one all that is equal. So a
 * snapshot is a held root, and undoing a write set is dropping one.
 *
 * Treaps with path copying (C. Aragon and R. Seidel, "Randomized Search Trees", 1989): a node's weight is drawn from
 * its name under a seed, so the expected depth is logarithmic whatever the names. A tree is its root node; NULL is the
 * empty tree. Any number of threads may read and hold one tree.
 */
#ifndef SHERD_STORE_MEMORY_TREE_H
#define SHERD_STORE_MEMORY_TREE_H

#include "base/macros.h"
#include <sherd/provider/store.h>

/** Bytes that trees and readers share; unchanged once they are in a tree. */
struct sherd_memory_value;

/** A value with room for at least room bytes and none in use, held once. NULL (detail set): no memory. */
struct sherd_memory_value *sherd_memory_value_new(size_t room);
/** Append to a value that is held once; it may move, but not on failure. @return SHERD_OK; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_memory_value_append(struct sherd_memory_value **value, struct sherd_span bytes);
/** The bytes in use; writable only while the value is held once. */
uint8_t *sherd_memory_value_data(struct sherd_memory_value *value);
struct sherd_span sherd_memory_value_span(const struct sherd_memory_value *value);
struct sherd_memory_value *sherd_memory_value_hold(struct sherd_memory_value *value);
/** Let go of a value; the last holder frees it. NULL is accepted. */
void sherd_memory_value_drop(struct sherd_memory_value *value);

struct sherd_memory_node;

struct sherd_memory_node *sherd_memory_tree_hold(struct sherd_memory_node *tree);
/** Let go of a tree; the last holder frees what no other tree shares. NULL is accepted. */
void sherd_memory_tree_drop(struct sherd_memory_node *tree);

/** The value under a name, borrowed from the tree; NULL if there is none. */
struct sherd_memory_value *sherd_memory_tree_find(const struct sherd_memory_node *tree, struct sherd_ref name);

/**
 * A tree as tree, but with value under name.
 * @param[in]  tree      borrowed; unchanged
 * @param[in]  seed      the same for all trees that descend from one another
 * @param[in]  value     the new tree holds it too
 * @param[out] out_tree  held once; drop it with sherd_memory_tree_drop()
 * @return SHERD_OK; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_memory_tree_put(const struct sherd_memory_node *tree, uint64_t seed,
                                                    struct sherd_ref name, struct sherd_memory_value *value,
                                                    struct sherd_memory_node **out_tree);
/** A tree as tree, but without name, which may be missing. As sherd_memory_tree_put(). */
SHERD_MUST_USE enum sherd_err sherd_memory_tree_remove(struct sherd_memory_node *tree, struct sherd_ref name,
                                                       struct sherd_memory_node **out_tree);

/** Visit values in the order of names, from the first greater than *after. Ends with the visitor's code. */
SHERD_MUST_USE enum sherd_err sherd_memory_tree_walk(const struct sherd_memory_node *tree,
                                                     const struct sherd_ref *after, sherd_store_visit_fn *visit,
                                                     void *arg);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ledger/merkle.h
 * Proofs in the Merkle tree of RFC 6962: that a leaf is in a tree, that a tree is the beginning of a larger one. Made
 * from stored hashes of complete subtrees, checked from nothing but the proof. crypto/merkle.h has the hashes and the
 * tree that grows.
 *
 * A node of level L and index I is the complete subtree over the leaves I << L up to (I + 1) << L.
 *
 * @par Source  RFC 6962 section 2.1; RFC 9162 sections 2.1.3.2 and 2.1.4.2
 */
#ifndef SHERD_LEDGER_MERKLE_H
#define SHERD_LEDGER_MERKLE_H

#include "crypto/merkle.h"

/** Most leaves of a tree. */
#define SHERD_TREE_LEAVES_MAX ((uint64_t)INT64_MAX)
/** Most hashes of a proof in it. */
#define SHERD_PATH_HASHES_MAX 64U

/** The hashes of a proof, in the order of the RFC: from the leaves towards the root. */
struct sherd_path {
    size_t count;
    struct sherd_digest hashes[SHERD_PATH_HASHES_MAX];
};

/** What one knows of a tree. */
struct sherd_tree_head {
    uint64_t size; /**< leaves */
    struct sherd_digest root;
};

/** Gives the hash of a node. Only nodes are asked for that are complete in the tree that is proved of. */
typedef enum sherd_err sherd_node_read_fn(void *arg, unsigned level, uint64_t index, struct sherd_digest *out_hash);

/** Where hashes come from. */
struct sherd_node_reader {
    sherd_node_read_fn *read;
    void *arg;
};

/** The root over the first size leaves. @return SHERD_OK; SHERD_ERR_LIMIT; what the reader fails with */
SHERD_MUST_USE enum sherd_err sherd_tree_root(const struct sherd_node_reader *reader, uint64_t size,
                                              struct sherd_digest *out_root);

/** The tree of the first size leaves, ready to grow. @return SHERD_OK; SHERD_ERR_LIMIT; what the reader fails with */
SHERD_MUST_USE enum sherd_err sherd_tree_load(const struct sherd_node_reader *reader, uint64_t size,
                                              struct sherd_merkle *out_tree);

/** Add the hashes of the next leaves. @return SHERD_OK; SHERD_ERR_LIMIT: the tree would be too large */
SHERD_MUST_USE enum sherd_err sherd_tree_add(struct sherd_merkle *tree, const struct sherd_digest *leaf_hashes,
                                             size_t count);

/**
 * Prove that a leaf is in the tree of the first size leaves.
 * @return SHERD_OK; SHERD_ERR_INVALID: index is not below size; SHERD_ERR_LIMIT; what the reader fails with
 */
SHERD_MUST_USE enum sherd_err sherd_inclusion_prove(const struct sherd_node_reader *reader, uint64_t index,
                                                    uint64_t size, struct sherd_path *out_path);

/** Check that. @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_inclusion_verify(const struct sherd_path *path, uint64_t index,
                                                     const struct sherd_digest *leaf_hash,
                                                     const struct sherd_tree_head *head);

/**
 * Prove that the tree of the first old_size leaves is the beginning of that of the first size leaves. An empty tree is
 * the beginning of every one, and each is that of itself, without a hash.
 * @return SHERD_OK; SHERD_ERR_INVALID: old_size is above size; SHERD_ERR_LIMIT; what the reader fails with
 */
SHERD_MUST_USE enum sherd_err sherd_consistency_prove(const struct sherd_node_reader *reader, uint64_t old_size,
                                                      uint64_t size, struct sherd_path *out_path);

/** Check that. @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_consistency_verify(const struct sherd_path *path, const struct sherd_tree_head *old,
                                                       const struct sherd_tree_head *head);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file crypto/merkle.h
 * The Merkle tree hash of RFC 6962 section 2.1 (SHA-256), computed as the leaves come, in memory that grows with the
 * logarithm of their number.
 */
#ifndef SHERD_CRYPTO_MERKLE_H
#define SHERD_CRYPTO_MERKLE_H

#include "crypto/hash.h"

/** The hash of one leaf: SHA-256(0x00 || bytes). */
SHERD_MUST_USE enum sherd_err sherd_merkle_leaf(struct sherd_span bytes, struct sherd_digest *out_hash);

/** The hash of an inner node: SHA-256(0x01 || left || right). out_hash may be one of the two. */
SHERD_MUST_USE enum sherd_err sherd_merkle_node(const struct sherd_digest *left, const struct sherd_digest *right,
                                                struct sherd_digest *out_hash);

/** A tree that grows at its right end. Plain struct: start it all zero. */
struct sherd_merkle {
    uint64_t leaf_count;
    struct sherd_digest peaks[64]; /**< roots of the complete subtrees, largest first, one per set bit of leaf_count */
};

/** Add the hash of the next leaf. */
SHERD_MUST_USE enum sherd_err sherd_merkle_add(struct sherd_merkle *tree, const struct sherd_digest *leaf_hash);

/** The root over the leaves so far; SHA-256 of nothing if there are none. The tree can go on growing. */
SHERD_MUST_USE enum sherd_err sherd_merkle_root(const struct sherd_merkle *tree, struct sherd_digest *out_root);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The Merkle tree hash of RFC 6962 section 2.1. */
#include "crypto/merkle.h"

static const uint8_t leaf_mark = 0x00;
static const uint8_t node_mark = 0x01;

enum sherd_err sherd_merkle_leaf(struct sherd_span bytes, struct sherd_digest *out_hash)
{
    const struct sherd_span parts[] = {{&leaf_mark, 1}, bytes};

    return sherd_hash(SHERD_SHA256, parts, SHERD_COUNT_OF(parts), out_hash->bytes);
}

enum sherd_err sherd_merkle_node(const struct sherd_digest *left, const struct sherd_digest *right,
                                 struct sherd_digest *out_hash)
{
    const struct sherd_span parts[] = {
        {&node_mark, 1},
        {left->bytes, sizeof(left->bytes)},
        {right->bytes, sizeof(right->bytes)},
    };

    return sherd_hash(SHERD_SHA256, parts, SHERD_COUNT_OF(parts), out_hash->bytes);
}

static size_t peak_count(const struct sherd_merkle *tree)
{
    return (size_t)__builtin_popcountll(tree->leaf_count);
}

enum sherd_err sherd_merkle_add(struct sherd_merkle *tree, const struct sherd_digest *leaf_hash)
{
    struct sherd_digest top = *leaf_hash;
    size_t peaks = peak_count(tree);

    SHERD_ENSURE(tree->leaf_count < UINT64_MAX, SHERD_ERR_LIMIT, "merkle: the tree is full");
    /* Each set low bit is a complete subtree as large as the one that grows: they join, as in a binary counter. */
    for (uint64_t bits = tree->leaf_count; (bits & 1) != 0; bits >>= 1) {
        SHERD_TRY(sherd_merkle_node(&tree->peaks[peaks - 1], &top, &top));
        peaks--;
    }
    tree->peaks[peaks] = top;
    tree->leaf_count++;
    return SHERD_OK;
}

enum sherd_err sherd_merkle_root(const struct sherd_merkle *tree, struct sherd_digest *out_root)
{
    size_t peaks = peak_count(tree);
    struct sherd_digest root;

    if (peaks == 0)
        return sherd_hash(SHERD_SHA256, NULL, 0, out_root->bytes);
    root = tree->peaks[--peaks];
    while (peaks > 0)
        SHERD_TRY(sherd_merkle_node(&tree->peaks[--peaks], &root, &root));
    *out_root = root;
    return SHERD_OK;
}

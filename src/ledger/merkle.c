/* SPDX-License-Identifier: Apache-2.0 */
/* Proofs in Merkle trees: see merkle.h. */
#include "ledger/merkle.h"
#include "base/bytes.h"
#include <stdbool.h>

/* The leaves first..end of a tree, with first a multiple of the power of two that is not below their number. */
struct range {
    uint64_t first;
    uint64_t end;
};

/* The largest power of two below the number of leaves, of which there are two at least (RFC 6962: k). */
static uint64_t split_of(struct range range)
{
    return UINT64_C(1) << (63 - __builtin_clzll(range.end - range.first - 1));
}

/* The hashes of the complete subtrees that the leaves consist of, largest first. */
static enum sherd_err read_peaks(const struct sherd_node_reader *reader, struct range range, struct sherd_digest *peaks,
                                 size_t *out_count)
{
    size_t count = 0;

    while (range.first < range.end) {
        const unsigned level = 63 - (unsigned)__builtin_clzll(range.end - range.first);

        SHERD_TRY(reader->read(reader->arg, level, range.first >> level, &peaks[count++]));
        range.first += UINT64_C(1) << level;
    }
    *out_count = count;
    return SHERD_OK;
}

/* MTH(D[first:end]) for one leaf or more. */
static enum sherd_err range_hash(const struct sherd_node_reader *reader, struct range range,
                                 struct sherd_digest *out_hash)
{
    struct sherd_digest peaks[64];
    size_t count = 0;

    SHERD_TRY(read_peaks(reader, range, peaks, &count));
    for (size_t i = count - 1; i > 0; i--)
        SHERD_TRY(sherd_merkle_node(&peaks[i - 1], &peaks[i], &peaks[i - 1]));
    *out_hash = peaks[0];
    return SHERD_OK;
}

static enum sherd_err check_size(uint64_t size)
{
    SHERD_ENSURE(size <= SHERD_TREE_LEAVES_MAX, SHERD_ERR_LIMIT, "a tree has at most 2^63 - 1 leaves");
    return SHERD_OK;
}

enum sherd_err sherd_tree_load(const struct sherd_node_reader *reader, uint64_t size, struct sherd_merkle *out_tree)
{
    const struct range all = {0, size};
    struct sherd_merkle tree = {.leaf_count = size};
    size_t count = 0;

    SHERD_TRY(check_size(size));
    SHERD_TRY(read_peaks(reader, all, tree.peaks, &count));
    *out_tree = tree;
    return SHERD_OK;
}

enum sherd_err sherd_tree_root(const struct sherd_node_reader *reader, uint64_t size, struct sherd_digest *out_root)
{
    struct sherd_merkle tree;

    SHERD_TRY(sherd_tree_load(reader, size, &tree));
    return sherd_merkle_root(&tree, out_root);
}

enum sherd_err sherd_tree_add(struct sherd_merkle *tree, const struct sherd_digest *leaf_hashes, size_t count)
{
    struct sherd_merkle grown = *tree;

    SHERD_ENSURE(count <= SHERD_TREE_LEAVES_MAX && tree->leaf_count <= SHERD_TREE_LEAVES_MAX - count, SHERD_ERR_LIMIT,
                 "a tree has at most 2^63 - 1 leaves");
    for (size_t i = 0; i < count; i++)
        SHERD_TRY(sherd_merkle_add(&grown, &leaf_hashes[i]));
    *tree = grown;
    return SHERD_OK;
}

/* --- making ------------------------------------------------------------------------------------------------------- */

/* What a proof consists of, from the root down: hashes of such ranges. */
struct plan {
    size_t count;
    struct range ranges[SHERD_PATH_HASHES_MAX];
};

/* Go down one level, to the side of the leaf; what is beside it joins the plan. */
static void step_down(struct plan *plan, struct range *range, uint64_t leaf)
{
    const uint64_t middle = range->first + split_of(*range);
    const struct range left = {range->first, middle};
    const struct range right = {middle, range->end};

    plan->ranges[plan->count++] = leaf < middle ? right : left;
    *range = leaf < middle ? left : right;
}

static enum sherd_err carry_out(const struct sherd_node_reader *reader, const struct plan *plan,
                                struct sherd_path *out_path)
{
    struct sherd_path path = {.count = plan->count};

    for (size_t i = 0; i < plan->count; i++)
        SHERD_TRY(range_hash(reader, plan->ranges[plan->count - 1 - i], &path.hashes[i]));
    *out_path = path;
    return SHERD_OK;
}

enum sherd_err sherd_inclusion_prove(const struct sherd_node_reader *reader, uint64_t index, uint64_t size,
                                     struct sherd_path *out_path)
{
    struct range range = {0, size};
    struct plan plan = {0};

    SHERD_TRY(check_size(size));
    SHERD_ENSURE(index < size, SHERD_ERR_INVALID, "the tree has no leaf of that index");
    while (range.end - range.first > 1)
        step_down(&plan, &range, index);
    return carry_out(reader, &plan, out_path);
}

enum sherd_err sherd_consistency_prove(const struct sherd_node_reader *reader, uint64_t old_size, uint64_t size,
                                       struct sherd_path *out_path)
{
    struct range range = {0, size};
    struct plan plan = {0};

    SHERD_TRY(check_size(size));
    SHERD_ENSURE(old_size <= size, SHERD_ERR_INVALID, "a tree is not the beginning of a smaller one");
    if (old_size > 0) {
        while (range.end != old_size) /* towards the last leaf of the old tree */
            step_down(&plan, &range, old_size - 1);
        if (range.first > 0) /* else it is the old root, which the verifier has */
            plan.ranges[plan.count++] = range;
    }
    return carry_out(reader, &plan, out_path);
}

/* --- checking ----------------------------------------------------------------------------------------------------- */

static bool same(const struct sherd_digest *a, const struct sherd_digest *b)
{
    return sherd_same(a->bytes, b->bytes, sizeof(a->bytes));
}

static enum sherd_err not_included(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "the proof of inclusion does not lead from the leaf to the root");
}

enum sherd_err sherd_inclusion_verify(const struct sherd_path *path, uint64_t index,
                                      const struct sherd_digest *leaf_hash, const struct sherd_tree_head *head)
{
    struct sherd_digest hash = *leaf_hash;
    uint64_t node = index;
    uint64_t last = head->size - 1; /* index of the level's last node */

    if (index >= head->size || path->count > SHERD_PATH_HASHES_MAX)
        return not_included();
    for (size_t i = 0; i < path->count; i++) {
        if (last == 0)
            return not_included();
        if ((node & 1) != 0 || node == last) {
            SHERD_TRY(sherd_merkle_node(&path->hashes[i], &hash, &hash));
            while ((node & 1) ==
                   0) { /* the last node has no sibling on these levels; it is not the first, as last > 0 */
                node >>= 1;
                last >>= 1;
            }
        } else {
            SHERD_TRY(sherd_merkle_node(&hash, &path->hashes[i], &hash));
        }
        node >>= 1;
        last >>= 1;
    }
    return last == 0 && same(&hash, &head->root) ? SHERD_OK : not_included();
}

static enum sherd_err not_consistent(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "the older tree is not the beginning of the newer one");
}

/* The two trees are of one size, or the older is empty: there is nothing to prove. */
static enum sherd_err verify_trivial(const struct sherd_path *path, const struct sherd_tree_head *old,
                                     const struct sherd_tree_head *head)
{
    struct sherd_digest root = head->root;

    if (old->size == 0)
        SHERD_TRY(sherd_hash(SHERD_SHA256, NULL, 0, root.bytes));
    if (path->count > 0 || !same(&old->root, &root) || (head->size == 0 && !same(&head->root, &root)))
        return not_consistent();
    return SHERD_OK;
}

enum sherd_err sherd_consistency_verify(const struct sherd_path *path, const struct sherd_tree_head *old,
                                        const struct sherd_tree_head *head)
{
    if (old->size > head->size || path->count > SHERD_PATH_HASHES_MAX)
        return not_consistent();
    if (old->size == 0 || old->size == head->size)
        return verify_trivial(path, old, head);
    const bool whole = (old->size & (old->size - 1)) == 0; /* the old root is itself a node of the new tree */
    if (!whole && path->count == 0)
        return not_consistent();
    struct sherd_digest old_hash = whole ? old->root : path->hashes[0];
    struct sherd_digest hash = old_hash;
    uint64_t node = old->size - 1;
    uint64_t last = head->size - 1;

    for (; (node & 1) != 0; node >>= 1)
        last >>= 1;
    for (size_t i = whole ? 0 : 1; i < path->count; i++) {
        if (last == 0)
            return not_consistent();
        if ((node & 1) != 0 || node == last) {
            SHERD_TRY(sherd_merkle_node(&path->hashes[i], &old_hash, &old_hash));
            SHERD_TRY(sherd_merkle_node(&path->hashes[i], &hash, &hash));
            while ((node & 1) == 0) { /* as above */
                node >>= 1;
                last >>= 1;
            }
        } else {
            SHERD_TRY(sherd_merkle_node(&hash, &path->hashes[i], &hash));
        }
        node >>= 1;
        last >>= 1;
    }
    return last == 0 && same(&old_hash, &old->root) && same(&hash, &head->root) ? SHERD_OK : not_consistent();
}

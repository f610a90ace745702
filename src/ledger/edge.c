/* SPDX-License-Identifier: Apache-2.0 */
/* The right edge of a tree in tiles: see edge.h. */
#include "ledger/edge.h"

/* Which tile the edge has on a level, once tree.leaf_count is that of the tree. */
static struct sherd_tile tile_of(const struct sherd_edge *edge, unsigned level, unsigned width)
{
    const uint64_t hashes = sherd_tile_level_hashes(level, edge->tree.leaf_count);
    const struct sherd_tile tile = {.level = level, .index = (hashes - width) / SHERD_TILE_WIDTH, .width = width};

    return tile;
}

enum sherd_err sherd_edge_add(struct sherd_edge *edge, const struct sherd_digest *leaf_hash, sherd_tile_fn *visit,
                              void *arg)
{
    struct sherd_digest hash = *leaf_hash;

    SHERD_TRY(sherd_tree_add(&edge->tree, leaf_hash, 1));
    for (unsigned level = 0; level < SHERD_TILE_LEVELS; level++) {
        edge->hashes[level][edge->counts[level]++] = hash;
        if (edge->counts[level] < SHERD_TILE_WIDTH)
            break;
        const struct sherd_tile tile = tile_of(edge, level, SHERD_TILE_WIDTH);
        edge->counts[level] = 0;
        SHERD_TRY(visit(arg, &tile, edge->hashes[level]));
        SHERD_TRY(sherd_tile_fold(edge->hashes[level], SHERD_TILE_WIDTH, &hash));
    }
    return SHERD_OK;
}

enum sherd_err sherd_edge_partials(const struct sherd_edge *edge, uint64_t old_size, sherd_tile_fn *visit, void *arg)
{
    for (unsigned level = 0; level < SHERD_TILE_LEVELS; level++) {
        const struct sherd_tile tile = tile_of(edge, level, edge->counts[level]);
        const uint64_t old_hashes = sherd_tile_level_hashes(level, old_size);

        if (edge->counts[level] > 0 && sherd_tile_level_hashes(level, edge->tree.leaf_count) > old_hashes)
            SHERD_TRY(visit(arg, &tile, edge->hashes[level]));
    }
    return SHERD_OK;
}

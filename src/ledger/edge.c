/* SPDX-License-Identifier: Apache-2.0 */
/* The right edge of a tree in tiles: see edge.h. */
#include "ledger/edge.h"

/* Which tile the edge has on a level. */
static struct sherd_tile tile_of(const struct sherd_edge *edge, unsigned level, unsigned width)
{
    const uint64_t hashes = sherd_tile_level_hashes(level, edge->size);
    const struct sherd_tile tile = {.level = level, .index = (hashes - width) / SHERD_TILE_WIDTH, .width = width};

    return tile;
}

enum sherd_err sherd_edge_add(struct sherd_edge *edge, const struct sherd_digest *leaf_hash, sherd_tile_fn *visit,
                              void *arg)
{
    struct sherd_digest hash = *leaf_hash;

    SHERD_ENSURE(edge->size < SHERD_TREE_LEAVES_MAX, SHERD_ERR_LIMIT, "a tree has at most 2^63 - 1 leaves");
    edge->size++;
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

/* The roots of the largest complete subtrees are all in the edge: what is above them is not complete. */
static enum sherd_err read_peak(void *arg, unsigned level, uint64_t index, struct sherd_digest *out_hash)
{
    const struct sherd_edge *edge = arg;
    struct sherd_tile_place place;

    SHERD_TRY(sherd_tile_find(level, index, edge->size, &place));
    return sherd_tile_fold(edge->hashes[place.tile.level] + place.first, place.count, out_hash);
}

enum sherd_err sherd_edge_root(const struct sherd_edge *edge, struct sherd_digest *out_root)
{
    const struct sherd_node_reader reader = {.read = read_peak, .arg = (void *)(uintptr_t)edge};

    return sherd_tree_root(&reader, edge->size, out_root);
}

enum sherd_err sherd_edge_partials(const struct sherd_edge *edge, uint64_t old_size, sherd_tile_fn *visit, void *arg)
{
    for (unsigned level = 0; level < SHERD_TILE_LEVELS; level++) {
        const struct sherd_tile tile = tile_of(edge, level, edge->counts[level]);
        const uint64_t old_hashes = sherd_tile_level_hashes(level, old_size);

        if (edge->counts[level] > 0 && sherd_tile_level_hashes(level, edge->size) > old_hashes)
            SHERD_TRY(visit(arg, &tile, edge->hashes[level]));
    }
    return SHERD_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ledger/edge.h
 * The right edge of a tree that is kept in tiles: the last, partial tile of each level. It is all that a tree needs to
 * grow, and gives out each tile as it is full. 64 KiB: for the heap.
 */
#ifndef SHERD_LEDGER_EDGE_H
#define SHERD_LEDGER_EDGE_H

#include "ledger/merkle.h"
#include "ledger/tile.h"

struct sherd_edge {
    struct sherd_merkle tree;
    unsigned counts[SHERD_TILE_LEVELS]; /**< hashes of the partial tile, 0..255 */
    struct sherd_digest hashes[SHERD_TILE_LEVELS][SHERD_TILE_WIDTH];
};

/** Gets a tile: its hashes, tile->width of them. */
typedef enum sherd_err sherd_tile_fn(void *arg, const struct sherd_tile *tile, const struct sherd_digest *hashes);

/**
 * Add the hash of the next leaf. visit gets each tile that this fills. @return what visit fails with; SHERD_ERR_LIMIT
 */
SHERD_MUST_USE enum sherd_err sherd_edge_add(struct sherd_edge *edge, const struct sherd_digest *leaf_hash,
                                             sherd_tile_fn *visit, void *arg);

/** Hand out the partial tiles that differ from those of the tree of the first old_size leaves. */
SHERD_MUST_USE enum sherd_err sherd_edge_partials(const struct sherd_edge *edge, uint64_t old_size,
                                                  sherd_tile_fn *visit, void *arg);

#endif

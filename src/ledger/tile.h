/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ledger/tile.h
 * Tiles: 256 neighbouring hashes of a tree to a file, every eighth level of it; and entry bundles, the 256 leaves below
 * a tile of the lowest level. What a tile holds never changes; only the last of a level is partial, and has another
 * name as long as it is.
 *
 * @par Source  C2SP tlog-tiles
 */
#ifndef SHERD_LEDGER_TILE_H
#define SHERD_LEDGER_TILE_H

#include "crypto/hash.h"
#include <stdbool.h>

/** Levels of the tree that a tile spans. */
#define SHERD_TILE_HEIGHT 8U
/** Hashes of a full tile, entries of a full bundle. */
#define SHERD_TILE_WIDTH 256U
/** Bytes of a full tile. */
#define SHERD_TILE_BYTES ((size_t)SHERD_TILE_WIDTH * SHERD_SHA256_SIZE)
/** Levels of tiles that a tree of 2^63 - 1 leaves has. */
#define SHERD_TILE_LEVELS 8U
/** The highest level that can be written. */
#define SHERD_TILE_LEVEL_MAX 63U
/** Longest entry. */
#define SHERD_TILE_ENTRY_BYTES_MAX 65535U
/** Longest bundle. */
#define SHERD_BUNDLE_BYTES_MAX ((size_t)SHERD_TILE_WIDTH * (2 + SHERD_TILE_ENTRY_BYTES_MAX))

/** Which tile, or which bundle. */
struct sherd_tile {
    bool entries;   /**< a bundle: level is 0 */
    unsigned level; /**< of tiles: its hashes are nodes of level 8 * level of the tree */
    uint64_t index;
    unsigned width; /**< 1..256 */
};

/** Room for a path: "tile/entries/", seven parts of an index, ".p/255". */
#define SHERD_TILE_PATH_SIZE 64

/** The path below the log, such as tile/0/x001/x234/067.p/5. */
void sherd_tile_path(const struct sherd_tile *tile, char out_path[SHERD_TILE_PATH_SIZE]);

/** The folder that holds the partial forms of a tile, such as tile/0/x001/x234/067.p. */
void sherd_tile_partial_path(const struct sherd_tile *tile, char out_path[SHERD_TILE_PATH_SIZE]);

/** Read a path: exactly what sherd_tile_path() writes. @return whether it is one */
bool sherd_tile_parse(struct sherd_span path, struct sherd_tile *out_tile);

/** How many hashes a level of tiles has in a tree of that size. */
uint64_t sherd_tile_level_hashes(unsigned level, uint64_t size);

/** The width that a tile has in a tree of that size; 0: the tree has no such tile. */
unsigned sherd_tile_width(unsigned level, uint64_t index, uint64_t size);

/** Where a node of the tree is found. */
struct sherd_tile_place {
    struct sherd_tile tile;
    unsigned first; /**< of its hashes */
    unsigned count; /**< 1, or a power of two up to 128: the node is the root over so many */
};

/**
 * Find a node in the tiles of a tree of size leaves, in which it is complete.
 * @return SHERD_OK; SHERD_ERR_INVALID: it is not
 */
SHERD_MUST_USE enum sherd_err sherd_tile_find(unsigned level, uint64_t index, uint64_t size,
                                              struct sherd_tile_place *out_place);

/** The root over 1, 2, 4 .. 256 hashes that lie one after the other, in place of the first few. */
SHERD_MUST_USE enum sherd_err sherd_tile_fold(const struct sherd_digest *hashes, size_t count,
                                              struct sherd_digest *out_root);

/** Goes through the tiles, then the bundles, that a tree of new_size leaves has and one of old_size has not. */
struct sherd_tile_walk {
    uint64_t old_size;
    uint64_t new_size;
    struct sherd_tile next; /**< its width is not known yet */
};

/** Begin. new_size is not below old_size. */
void sherd_tile_walk_begin(struct sherd_tile_walk *walk, uint64_t old_size, uint64_t new_size);
/** @return false after the last */
bool sherd_tile_walk_next(struct sherd_tile_walk *walk, struct sherd_tile *out_tile);

/* --- bundles ------------------------------------------------------------------------------------------------------ */

/** Append an entry. @return SHERD_OK; SHERD_ERR_LIMIT: longer than 65535 bytes, or the buffer is full; ... */
SHERD_MUST_USE enum sherd_err sherd_bundle_append(struct sherd_buf *bundle, struct sherd_span entry);

/** Take the first entry. @return false, and the rest unchanged, if none is whole */
bool sherd_bundle_next(struct sherd_span *rest, struct sherd_span *out_entry);

/** Whether a bundle holds exactly so many entries. @return SHERD_OK; SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err sherd_bundle_check(struct sherd_span bundle, unsigned width);

#endif

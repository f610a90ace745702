/* SPDX-License-Identifier: Apache-2.0 */
/* Tiles and entry bundles: see tile.h. */
#include "ledger/tile.h"
#include "base/bytes.h"
#include "crypto/merkle.h"
#include "envelope/lines.h"
#include "ledger/merkle.h"
#include <inttypes.h>
#include <stdio.h>

#define INDEX_PART 1000U

/* --- paths -------------------------------------------------------------------------------------------------------- */

/* x001/x234/067: the index in parts of three digits, with an x before all but the last. */
static size_t put_index(uint64_t index, char *out, size_t room)
{
    uint64_t parts[SHERD_TILE_LEVEL_MAX];
    size_t count = 0;
    size_t len = 0;

    do {
        parts[count++] = index % INDEX_PART;
        index /= INDEX_PART;
    } while (index > 0);
    while (count-- > 0)
        len += (size_t)snprintf(out + len, room - len, "%s%03" PRIu64 "%s", count > 0 ? "x" : "", parts[count],
                                count > 0 ? "/" : "");
    return len;
}

static size_t put_path(const struct sherd_tile *tile, char out[SHERD_TILE_PATH_SIZE])
{
    size_t len = 0;

    if (tile->entries)
        len = (size_t)snprintf(out, SHERD_TILE_PATH_SIZE, "tile/entries/");
    else
        len = (size_t)snprintf(out, SHERD_TILE_PATH_SIZE, "tile/%u/", tile->level);
    return len + put_index(tile->index, out + len, SHERD_TILE_PATH_SIZE - len);
}

void sherd_tile_path(const struct sherd_tile *tile, char out_path[SHERD_TILE_PATH_SIZE])
{
    const size_t len = put_path(tile, out_path);

    if (tile->width < SHERD_TILE_WIDTH)
        (void)snprintf(out_path + len, SHERD_TILE_PATH_SIZE - len, ".p/%u", tile->width);
}

void sherd_tile_partial_path(const struct sherd_tile *tile, char out_path[SHERD_TILE_PATH_SIZE])
{
    const size_t len = put_path(tile, out_path);

    (void)snprintf(out_path + len, SHERD_TILE_PATH_SIZE - len, ".p");
}

/* Three digits. */
static bool take_part(struct sherd_span *path, uint64_t *index)
{
    struct sherd_span digits;
    uint64_t part = 0;

    if (!sherd_span_take(path, 3, &digits))
        return false;
    for (size_t i = 0; i < 3; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9')
            return false;
        part = part * 10 + (uint64_t)(digits.data[i] - '0');
    }
    if (*index > (UINT64_MAX - part) / INDEX_PART)
        return false;
    *index = *index * INDEX_PART + part;
    return true;
}

static bool take_index(struct sherd_span *path, uint64_t *out_index)
{
    uint64_t index = 0;

    while (sherd_line_begins(path, "x")) {
        if (!take_part(path, &index) || index == 0 || !sherd_line_begins(path, "/"))
            return false; /* a first part of zeros would be another path to the same tile */
    }
    *out_index = index;
    return take_part(path, out_index);
}

static bool take_width(struct sherd_span path, unsigned *out_width)
{
    uint64_t width = SHERD_TILE_WIDTH;

    if (path.len > 0 && (!sherd_line_begins(&path, ".p/") || !sherd_decimal_parse(path, &width) || width == 0 ||
                         width >= SHERD_TILE_WIDTH))
        return false;
    *out_width = (unsigned)width;
    return true;
}

bool sherd_tile_parse(struct sherd_span path, struct sherd_tile *out_tile)
{
    struct sherd_tile tile = {0};
    struct sherd_span word;
    uint64_t level = 0;

    if (!sherd_line_begins(&path, "tile/") || !sherd_line_until(&path, '/', &word))
        return false;
    tile.entries = sherd_span_equal(word, sherd_span_str("entries"));
    if (!tile.entries && (!sherd_decimal_parse(word, &level) || level > SHERD_TILE_LEVEL_MAX))
        return false;
    tile.level = (unsigned)level;
    if (!take_index(&path, &tile.index) || !take_width(path, &tile.width))
        return false;
    *out_tile = tile;
    return true;
}

/* --- which tiles there are ---------------------------------------------------------------------------------------- */

uint64_t sherd_tile_level_hashes(unsigned level, uint64_t size)
{
    return level < SHERD_TILE_LEVELS ? size >> (SHERD_TILE_HEIGHT * level) : 0;
}

unsigned sherd_tile_width(unsigned level, uint64_t index, uint64_t size)
{
    const uint64_t hashes = sherd_tile_level_hashes(level, size);

    if (index >= hashes / SHERD_TILE_WIDTH + 1)
        return 0;
    const uint64_t width = hashes - index * SHERD_TILE_WIDTH;
    return width < SHERD_TILE_WIDTH ? (unsigned)width : SHERD_TILE_WIDTH;
}

enum sherd_err sherd_tile_find(unsigned level, uint64_t index, uint64_t size, struct sherd_tile_place *out_place)
{
    const unsigned within = level % SHERD_TILE_HEIGHT;

    SHERD_ENSURE(level < 64 && index < size >> level, SHERD_ERR_INVALID, "the tree has no such node, or not yet");
    const uint64_t first = index << within; /* on the tile's level */
    struct sherd_tile_place place = {
        .tile = {.level = level / SHERD_TILE_HEIGHT, .index = first / SHERD_TILE_WIDTH},
        .first = (unsigned)(first % SHERD_TILE_WIDTH),
        .count = 1U << within,
    };
    place.tile.width = sherd_tile_width(place.tile.level, place.tile.index, size);
    *out_place = place;
    return SHERD_OK;
}

/* The root over 2, 4 .. 256 hashes. */
static enum sherd_err fold(const struct sherd_digest *hashes, size_t count, struct sherd_digest *out_root)
{
    struct sherd_digest level[SHERD_TILE_WIDTH / 2];

    for (count /= 2; count > 0; count /= 2, hashes = level)
        for (size_t i = 0; i < count; i++)
            SHERD_TRY(sherd_merkle_node(&hashes[2 * i], &hashes[2 * i + 1], &level[i]));
    *out_root = level[0];
    return SHERD_OK;
}

enum sherd_err sherd_tile_fold(const struct sherd_digest *hashes, size_t count, struct sherd_digest *out_root)
{
    SHERD_ENSURE(count > 0 && count <= SHERD_TILE_WIDTH && (count & (count - 1)) == 0, SHERD_ERR_INVALID,
                 "so many hashes have no root of their own");
    if (count > 1)
        return fold(hashes, count, out_root);
    *out_root = hashes[0];
    return SHERD_OK;
}

void sherd_tile_walk_begin(struct sherd_tile_walk *walk, uint64_t old_size, uint64_t new_size)
{
    *walk = (struct sherd_tile_walk){.old_size = old_size, .new_size = new_size};
    walk->next.index = old_size / SHERD_TILE_WIDTH;
}

bool sherd_tile_walk_next(struct sherd_tile_walk *walk, struct sherd_tile *out_tile)
{
    struct sherd_tile *next = &walk->next;

    for (;;) {
        const uint64_t hashes = sherd_tile_level_hashes(next->level, walk->new_size);

        if (hashes > sherd_tile_level_hashes(next->level, walk->old_size) && next->index * SHERD_TILE_WIDTH < hashes)
            break;
        if (next->entries) /* bundles come last */
            return false;
        next->entries = hashes == 0 || next->level + 1 == SHERD_TILE_LEVELS;
        next->level = next->entries ? 0 : next->level + 1;
        next->index = sherd_tile_level_hashes(next->level, walk->old_size) / SHERD_TILE_WIDTH;
    }
    *out_tile = *next;
    out_tile->width = sherd_tile_width(next->level, next->index, walk->new_size);
    next->index++;
    return true;
}

/* --- bundles ------------------------------------------------------------------------------------------------------ */

enum sherd_err sherd_bundle_append(struct sherd_buf *bundle, struct sherd_span entry)
{
    uint8_t head[2];

    SHERD_ENSURE(entry.len <= SHERD_TILE_ENTRY_BYTES_MAX, SHERD_ERR_LIMIT, "an entry of a log has at most 65535 bytes");
    sherd_put_u16(head, (uint16_t)entry.len);
    SHERD_TRY(sherd_buf_reserve(bundle, sizeof(head) + entry.len));
    SHERD_TRY(sherd_buf_append(bundle, sherd_span_of(head, sizeof(head))));
    return sherd_buf_append(bundle, entry);
}

bool sherd_bundle_next(struct sherd_span *rest, struct sherd_span *out_entry)
{
    struct sherd_span after = *rest;
    struct sherd_span head;

    if (!sherd_span_take(&after, 2, &head) || !sherd_span_take(&after, sherd_get_u16(head.data), out_entry))
        return false;
    *rest = after;
    return true;
}

enum sherd_err sherd_bundle_check(struct sherd_span bundle, unsigned width)
{
    struct sherd_span entry;

    while (width > 0 && sherd_bundle_next(&bundle, &entry))
        width--;
    SHERD_ENSURE(width == 0 && bundle.len == 0, SHERD_ERR_TAMPERED, "a bundle holds other entries than it should");
    return SHERD_OK;
}

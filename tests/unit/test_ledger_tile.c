/* SPDX-License-Identifier: Apache-2.0 */
/* Tiles: their paths, which there are, where a node is; entry bundles. The figures of C2SP tlog-tiles. */
#include "ledger/edge.h"
#include "ledger.h"
#include "ledger/tile.h"

static void test_ledger_tile__paths(void **state)
{
    static const struct {
        struct sherd_tile tile;
        const char *path;
    } cases[] = {
        {{false, 0, 0, 256}, "tile/0/000"},
        {{false, 0, 0, 1}, "tile/0/000.p/1"},
        {{false, 3, 999, 255}, "tile/3/999.p/255"},
        {{false, 0, 1000, 256}, "tile/0/x001/000"},
        {{false, 0, 1234067, 256}, "tile/0/x001/x234/067"},
        {{false, 1, 1234, 5}, "tile/1/x001/234.p/5"},
        {{true, 0, 1234067, 17}, "tile/entries/x001/x234/067.p/17"},
        {{true, 0, 0, 256}, "tile/entries/000"},
        {{false, 63, UINT64_MAX, 200}, "tile/63/x018/x446/x744/x073/x709/x551/615.p/200"},
        {{true, 0, UINT64_MAX, 200}, "tile/entries/x018/x446/x744/x073/x709/x551/615.p/200"},
    };
    char path[SHERD_TILE_PATH_SIZE];

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(cases); i++) {
        struct sherd_tile tile;

        sherd_tile_path(&cases[i].tile, path);
        assert_string_equal(path, cases[i].path);
        assert_true(sherd_tile_parse(sherd_span_str(path), &tile));
        assert_int_equal(tile.entries, cases[i].tile.entries);
        assert_int_equal(tile.level, cases[i].tile.level);
        assert_true(tile.index == cases[i].tile.index);
        assert_int_equal(tile.width, cases[i].tile.width);
    }
    sherd_tile_partial_path(&cases[4].tile, path);
    assert_string_equal(path, "tile/0/x001/x234/067.p");
}

static void test_ledger_tile__another_path_is_none(void **state)
{
    static const char *const paths[] = {
        "",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "tile/0/00",
        "tile/0/0000",
        "tile/0/0a0",
        "tile/0/ 00",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile//000",
        "Tile/0/000",
        "/tile/0/000",
        "tile/0/x001",
        "tile/0/x001/",
        "tile/0/001/000",
        "tile/0/x000/001",
        "tile/0/x001/x00/001",
        "tile/0/x001x000/001",
        "tile/0/000.p",
        "tile/0/000.p/",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/1/",
        "tile/0/000/1",
        "tile/0/x018/x446/x744/x073/x709/x551/616",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        "tile/entries",
        "tile/entries/x",
        "tile/entriesx/000",
    };
    struct sherd_tile tile;

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(paths); i++)
        if (sherd_tile_parse(sherd_span_str(paths[i]), &tile))
            fail_msg("%s is read as a path", paths[i]);
}

/* Tiles of a tree, counted one by one: "273 full level 0 tiles, one partial of width 112 ..." */
static void test_ledger_tile__the_tiles_of_a_tree_of_70000(void **state)
{
    struct sherd_tile_walk walk;
    struct sherd_tile tile;
    unsigned full[SHERD_TILE_LEVELS] = {0};
    unsigned partial[SHERD_TILE_LEVELS] = {0};
    unsigned bundles = 0;

    (void)state;
    sherd_tile_walk_begin(&walk, 0, 70000);
    while (sherd_tile_walk_next(&walk, &tile)) {
        if (tile.entries)
            bundles++;
        else if (tile.width == SHERD_TILE_WIDTH)
            full[tile.level]++;
        else
            partial[tile.level] = tile.width;
    }
    assert_int_equal(full[0], 273);
    assert_int_equal(partial[0], 112);
    assert_int_equal(full[1], 1);
    assert_int_equal(partial[1], 17);
    assert_int_equal(full[2], 0);
    assert_int_equal(partial[2], 1);
    assert_int_equal(partial[3], 0);
    assert_int_equal(bundles, 274);
    assert_int_equal(sherd_tile_width(1, 0, 256), 1); /* "a full level 0 tile and a partial level 1 tile of width 1" */
    assert_int_equal(sherd_tile_width(0, 0, 256), 256);
    assert_int_equal(sherd_tile_width(0, 1, 256), 0);
    assert_int_equal(sherd_tile_width(0, 2, 256), 0);
    assert_int_equal(sherd_tile_width(8, 0, UINT64_MAX), 0);
    assert_int_equal(sherd_tile_width(0, UINT64_MAX / 256, UINT64_MAX), 255);
}

/* What a walk from old to new gives is what the one has and the other has not, for every pair of sizes. */
static void test_ledger_tile__what_an_append_makes(void **state)
{
    static const uint64_t sizes[] = {0, 1, 2, 255, 256, 257, 511, 512, 513, 1023, 65535, 65536, 65537, 65792, 70000};

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(sizes); i++)
        for (size_t k = i; k < SHERD_COUNT_OF(sizes); k++) {
            struct sherd_tile_walk walk;
            struct sherd_tile tile;
            uint64_t seen = 0;
            uint64_t expected = 0;

            sherd_tile_walk_begin(&walk, sizes[i], sizes[k]);
            while (sherd_tile_walk_next(&walk, &tile)) {
                assert_int_equal(tile.width, sherd_tile_width(tile.level, tile.index, sizes[k]));
                assert_true(tile.width > sherd_tile_width(tile.level, tile.index, sizes[i]));
                seen++;
            }
            for (unsigned level = 0; level < SHERD_TILE_LEVELS; level++)
                for (uint64_t n = 0; sherd_tile_width(level, n, sizes[k]) > 0; n++)
                    if (sherd_tile_width(level, n, sizes[k]) != sherd_tile_width(level, n, sizes[i]))
                        expected += level == 0 ? 2 : 1; /* and a bundle */
            assert_int_equal(seen, expected);
        }
}

static void test_ledger_tile__folding(void **state)
{
    struct sherd_digest root;

    (void)state;
    for (size_t count = 1; count <= SHERD_TILE_WIDTH; count *= 2) {
        const struct sherd_digest expected = tree_mth(3, count);

        assert_ok(sherd_tile_fold(tree_leaves + 3, count, &root));
        assert_memory_equal(&root, &expected, sizeof(root));
    }
    assert_err(SHERD_ERR_INVALID, sherd_tile_fold(tree_leaves, 0, &root));
    assert_err(SHERD_ERR_INVALID, sherd_tile_fold(tree_leaves, 3, &root));
    assert_err(SHERD_ERR_INVALID, sherd_tile_fold(tree_leaves, 512, &root));
}

/* --- the edge, and nodes in its tiles ----------------------------------------------------------------------------- */

struct tiles {
    struct sherd_tile tiles[16];
    struct sherd_digest hashes[16][SHERD_TILE_WIDTH];
    size_t count;
};

static enum sherd_err keep(void *arg, const struct sherd_tile *tile, const struct sherd_digest *hashes)
{
    struct tiles *tiles = arg;

    tiles->tiles[tiles->count] = *tile;
    memcpy(tiles->hashes[tiles->count++], hashes, tile->width * sizeof(*hashes));
    return SHERD_OK;
}

static const struct sherd_digest *find(const struct tiles *tiles, const struct sherd_tile *tile)
{
    for (size_t i = 0; i < tiles->count; i++)
        if (tiles->tiles[i].level == tile->level && tiles->tiles[i].index == tile->index &&
            tiles->tiles[i].width == tile->width)
            return tiles->hashes[i];
    fail_msg("the tree has no tile %u/%llu of %u", tile->level, (unsigned long long)tile->index, tile->width);
    return NULL;
}

static void test_ledger_tile__every_node_is_found(void **state)
{
    struct sherd_edge *edge = test_calloc(1, sizeof(*edge));
    struct tiles *tiles = test_calloc(1, sizeof(*tiles));
    struct sherd_tile_place place;

    (void)state;
    for (uint64_t i = 0; i < TREE_MAX; i++)
        assert_ok(sherd_edge_add(edge, &tree_leaves[i], keep, tiles));
    assert_ok(sherd_edge_partials(edge, 0, keep, tiles));
    assert_int_equal(tiles->count, 4 + 1 + 1);
    for (unsigned level = 0; level < 12; level++)
        for (uint64_t index = 0; index < TREE_MAX >> level; index++) {
            const struct sherd_digest expected = tree_mth(index << level, UINT64_C(1) << level);
            struct sherd_digest hash;

            assert_ok(sherd_tile_find(level, index, TREE_MAX, &place));
            assert_ok(sherd_tile_fold(find(tiles, &place.tile) + place.first, place.count, &hash));
            assert_memory_equal(&hash, &expected, sizeof(hash));
        }
    assert_err(SHERD_ERR_INVALID, sherd_tile_find(0, TREE_MAX, TREE_MAX, &place));
    assert_err(SHERD_ERR_INVALID, sherd_tile_find(3, TREE_MAX >> 3, TREE_MAX, &place));
    assert_err(SHERD_ERR_INVALID, sherd_tile_find(64, 0, TREE_MAX, &place));
    test_free(tiles);
    test_free(edge);
}

static void test_ledger_tile__the_edge_gives_what_changed(void **state)
{
    struct sherd_edge *edge = test_calloc(1, sizeof(*edge));
    struct tiles *tiles = test_calloc(1, sizeof(*tiles));

    (void)state;
    for (uint64_t i = 0; i < 300; i++)
        assert_ok(sherd_edge_add(edge, &tree_leaves[i], keep, tiles));
    tiles->count = 0;
    assert_ok(sherd_edge_partials(edge, 299, keep, tiles)); /* one hash more on level 0, none on level 1 */
    assert_int_equal(tiles->count, 1);
    assert_int_equal(tiles->tiles[0].level, 0);
    assert_int_equal(tiles->tiles[0].index, 1);
    assert_int_equal(tiles->tiles[0].width, 44);
    tiles->count = 0;
    assert_ok(sherd_edge_partials(edge, 300, keep, tiles));
    assert_int_equal(tiles->count, 0);
    assert_ok(sherd_edge_partials(edge, 255, keep, tiles));
    assert_int_equal(tiles->count, 2);
    edge->size = SHERD_TREE_LEAVES_MAX;
    assert_err(SHERD_ERR_LIMIT, sherd_edge_add(edge, &tree_leaves[0], keep, tiles));
    test_free(tiles);
    test_free(edge);
}

/* --- bundles ------------------------------------------------------------------------------------------------------ */

static void test_ledger_tile__bundles_hold_entries_of_any_length(void **state)
{
    static const size_t lengths[] = {0, 1, 255, 256, 65535, 7};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bundle = {.max = SHERD_BUNDLE_BYTES_MAX};
    static uint8_t bytes[SHERD_TILE_ENTRY_BYTES_MAX + 1];
    struct sherd_span entry;

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(lengths); i++) {
        memset(bytes, (int)i + 1, lengths[i]);
        assert_ok(sherd_bundle_append(&bundle, sherd_span_of(bytes, lengths[i])));
    }
    assert_err(SHERD_ERR_LIMIT, sherd_bundle_append(&bundle, sherd_span_of(bytes, sizeof(bytes))));
    struct sherd_span rest = sherd_buf_span(&bundle);
    for (size_t i = 0; i < SHERD_COUNT_OF(lengths); i++) {
        assert_true(sherd_bundle_next(&rest, &entry));
        assert_int_equal(entry.len, lengths[i]);
        for (size_t k = 0; k < entry.len; k += 97)
            assert_int_equal(entry.data[k], i + 1);
    }
    assert_false(sherd_bundle_next(&rest, &entry));
    assert_ok(sherd_bundle_check(sherd_buf_span(&bundle), SHERD_COUNT_OF(lengths)));
    assert_err(SHERD_ERR_TAMPERED, sherd_bundle_check(sherd_buf_span(&bundle), SHERD_COUNT_OF(lengths) + 1));
    assert_err(SHERD_ERR_TAMPERED, sherd_bundle_check(sherd_buf_span(&bundle), SHERD_COUNT_OF(lengths) - 1));
    for (size_t cut = 1; cut < 10; cut++)
        assert_err(SHERD_ERR_TAMPERED, sherd_bundle_check(sherd_span_of(bundle.data, bundle.len - cut), 6));
    assert_ok(sherd_bundle_check(sherd_span_of(NULL, 0), 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ledger_tile__paths),
        cmocka_unit_test(test_ledger_tile__another_path_is_none),
        cmocka_unit_test(test_ledger_tile__the_tiles_of_a_tree_of_70000),
        cmocka_unit_test(test_ledger_tile__what_an_append_makes),
        cmocka_unit_test(test_ledger_tile__folding),
        cmocka_unit_test(test_ledger_tile__every_node_is_found),
        cmocka_unit_test(test_ledger_tile__the_edge_gives_what_changed),
        cmocka_unit_test(test_ledger_tile__bundles_hold_entries_of_any_length),
    };

    return cmocka_run_group_tests(tests, tree_setup, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of map entries: sealed for a name, read by it, and of one kind for each length. */
#include "anchor.h"
#include "assets/assets.h"

static struct sherd_assets assets_of(struct anchor_test *test)
{
    struct sherd_assets assets = {.compartment = test->assets, .anchor = test->anchor};

    assert_ok(test->anchor->ops->lease(test->anchor, SHERD_ASSETS, &assets.keys));
    return assets;
}

static struct sherd_map example(uint8_t *attributes, size_t attribute_bytes)
{
    struct sherd_map map = {.version = 7,
                            .content_bytes = 10,
                            .fragment_bytes = 122,
                            .created_s = 1699999980,
                            .entity_id = "pat",
                            .content_type = "text/plain"};

    memset(map.record.bytes, 0x4d, sizeof(map.record.bytes));
    memset(map.share.bytes, 0x51, sizeof(map.share.bytes));
    if (attribute_bytes > 0) { /* one attribute that fills the rest */
        memset(attributes, 'v', attribute_bytes);
        attributes[0] = 1;
        attributes[1] = 'a';
        attributes[2] = (uint8_t)((attribute_bytes - 4) >> 8);
        attributes[3] = (uint8_t)(attribute_bytes - 4);
    }
    map.attributes = sherd_span_of(attributes, attribute_bytes);
    return map;
}

static void store(struct sherd_assets *assets, struct sherd_ref name, struct sherd_span bytes)
{
    const struct sherd_store_op op = {.kind = SHERD_STORE_PUT, .name = name, .value = bytes};

    assert_ok(sherd_compartment_write(assets->compartment, &op, 1));
}

static void assert_same_map(const struct sherd_map *a, const struct sherd_map *b)
{
    assert_memory_equal(&a->record, &b->record, sizeof(a->record));
    assert_memory_equal(&a->share, &b->share, sizeof(a->share));
    assert_int_equal(a->version, b->version);
    assert_int_equal(a->created_s, b->created_s);
    assert_string_equal(a->entity_id, b->entity_id);
    assert_string_equal(a->content_type, b->content_type);
    assert_int_equal(a->attributes.len, b->attributes.len);
    if (a->attributes.len > 0)
        assert_memory_equal(a->attributes.data, b->attributes.data, a->attributes.len);
}

static void test_assets_maps_get__gives_back_what_was_sealed(void **state)
{
    static const size_t attribute_bytes[] = {0, 4, 150, 190, 200, 220, 1000, 4099};
    struct sherd_assets assets = assets_of(*state);
    uint8_t *attributes = test_malloc(4099);

    for (size_t i = 0; i < SHERD_COUNT_OF(attribute_bytes); i++) {
        const struct sherd_map map = example(attributes, attribute_bytes[i]);
        const struct sherd_ref name = {{(uint8_t)i, 1}};
        struct sherd_buf stored = {0};
        struct sherd_buf payload = {0};
        struct sherd_map found;

        assert_ok(sherd_assets_map_seal(&assets, &name, &map, &stored));
        assert_true(stored.len == 464 || stored.len == 5200);
        assert_true(sherd_assets_is_map(&assets, sherd_buf_span(&stored)));
        store(&assets, name, sherd_buf_span(&stored));
        assert_ok(sherd_assets_map_get(&assets, &name, &payload, &found));
        assert_same_map(&found, &map);
        sherd_buf_done(&payload);
        sherd_buf_done(&stored);
    }
    test_free(attributes);
}

static void test_assets_maps_get__opens_under_its_own_name_alone(void **state)
{
    struct sherd_assets assets = assets_of(*state);
    const struct sherd_map map = example(NULL, 0);
    const struct sherd_ref name = {{1}};
    const struct sherd_ref other = {{2}};
    struct sherd_buf stored = {0};
    struct sherd_buf payload = {0};
    struct sherd_map found;

    assert_ok(sherd_assets_map_seal(&assets, &name, &map, &stored));
    assert_int_equal(sherd_assets_map_get(&assets, &name, &payload, &found), SHERD_ERR_NOT_FOUND);
    store(&assets, other, sherd_buf_span(&stored));
    assert_err(SHERD_ERR_TAMPERED, sherd_assets_map_get(&assets, &other, &payload, &found));
    assert_err(SHERD_ERR_TAMPERED, sherd_assets_map_open(&assets, &other, sherd_buf_span(&stored), &payload, &found));
    assert_ok(sherd_assets_map_open(&assets, &name, sherd_buf_span(&stored), &payload, &found));
    sherd_buf_done(&payload);
    store(&assets, name, sherd_span_of(stored.data, stored.len - 1));
    assert_err(SHERD_ERR_TAMPERED, sherd_assets_map_get(&assets, &name, &payload, &found));
    uint8_t *large = test_calloc(1, 100000); /* longer than any entry */
    store(&assets, name, sherd_span_of(large, 100000));
    assert_err(SHERD_ERR_TAMPERED, sherd_assets_map_get(&assets, &name, &payload, &found));
    test_free(large);
    sherd_buf_done(&payload);
    sherd_buf_done(&stored);
}

static void test_assets_maps_open__takes_the_long_kind_only_where_it_must(void **state)
{
    struct sherd_assets assets = assets_of(*state);
    const struct sherd_map map = example(NULL, 0);
    const struct sherd_ref name = {{1}};
    uint8_t tlv[SHERD_TLV_BYTES_MAX];
    struct sherd_buf stored = {0};
    struct sherd_buf payload = {0};
    struct sherd_map found;
    enum sherd_kind kind;
    size_t bytes;

    assert_ok(sherd_map_encode(&map, tlv, &bytes, &kind));
    assert_int_equal(kind, SHERD_KIND_MAP);
    assert_ok(sherd_entry_seal(&assets.keys, SHERD_KIND_LONG_MAP, &name, sherd_span_of(tlv, bytes), &stored));
    assert_err(SHERD_ERR_TAMPERED, sherd_assets_map_open(&assets, &name, sherd_buf_span(&stored), &payload, &found));
    sherd_buf_done(&payload);
    sherd_buf_done(&stored);
}

static void test_assets_maps_open__takes_no_entry_of_another_kind(void **state)
{
    struct sherd_assets assets = assets_of(*state);
    const struct sherd_ref name = {{1}};
    struct sherd_buf stored = {0};
    struct sherd_buf payload = {0};
    struct sherd_map found;

    assert_ok(sherd_entry_seal(&assets.keys, SHERD_KIND_COLLECTION, &name, sherd_span_str("x"), &stored));
    assert_false(sherd_assets_is_map(&assets, sherd_buf_span(&stored)));
    assert_err(SHERD_ERR_TAMPERED, sherd_assets_map_open(&assets, &name, sherd_buf_span(&stored), &payload, &found));
    assert_false(sherd_assets_is_map(&assets, sherd_span_of(NULL, 0)));
    sherd_buf_done(&stored);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        anchor_test_of(test_assets_maps_get__gives_back_what_was_sealed),
        anchor_test_of(test_assets_maps_get__opens_under_its_own_name_alone),
        anchor_test_of(test_assets_maps_open__takes_the_long_kind_only_where_it_must),
        anchor_test_of(test_assets_maps_open__takes_no_entry_of_another_kind),
    };

    return cmocka_run_group_tests_name("assets_maps", tests, NULL, NULL);
}

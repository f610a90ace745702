/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of collections' entries: valid by their pin, each under its two names, and no other. */
#include "anchor.h"
#include "assets/assets.h"

static struct sherd_assets assets_of(struct anchor_test *test)
{
    struct sherd_assets assets = {.compartment = test->assets, .anchor = test->anchor};

    assert_ok(test->anchor->ops->lease(test->anchor, SHERD_ASSETS, &assets.keys));
    return assets;
}

static void create(struct sherd_assets *assets, const char *name, uint32_t versions_kept)
{
    struct sherd_collection rules = {.versions_kept = versions_kept};

    (void)snprintf(rules.name, sizeof(rules.name), "%s", name);
    assert_ok(sherd_assets_collection_create(assets, &rules));
}

static struct sherd_ref name_of(const struct sherd_assets *assets, const char *name)
{
    struct sherd_ref ref;

    assert_ok(sherd_entry_name(&assets->keys, "collection", sherd_span_str(name), sherd_span_of(NULL, 0), &ref));
    return ref;
}

static void put(struct sherd_assets *assets, struct sherd_ref name, struct sherd_span bytes)
{
    const struct sherd_store_op op = {.kind = SHERD_STORE_PUT, .name = name, .value = bytes};

    assert_ok(sherd_compartment_write(assets->compartment, &op, 1));
}

static void take_out(struct sherd_assets *assets, struct sherd_ref name)
{
    const struct sherd_store_op op = {.kind = SHERD_STORE_DELETE, .name = name};

    assert_ok(sherd_compartment_write(assets->compartment, &op, 1));
}

static void test_assets_collections_get__finds_by_name_and_by_id(void **state)
{
    struct sherd_assets assets = assets_of(*state);
    struct sherd_collection_entry by_name;
    struct sherd_collection_entry by_id;

    create(&assets, "one", 1);
    create(&assets, "two", 2);
    assert_ok(sherd_assets_collection_get(&assets, "two", &by_name));
    assert_ok(sherd_assets_collection_by_id(&assets, &by_name.id, &by_id));
    assert_string_equal(by_name.rules.name, "two");
    assert_string_equal(by_id.rules.name, "two");
    assert_int_equal(by_id.rules.versions_kept, 2);
    assert_memory_equal(&by_id.id, &by_name.id, sizeof(by_id.id));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_assets_collection_get(&assets, "three", &by_name));
    by_id.id.bytes[0] ^= 1; /* a pin says an id that there is not: it was removed */
    assert_err(SHERD_ERR_TAMPERED, sherd_assets_collection_by_id(&assets, &by_id.id, &by_name));
}

static void test_assets_collections_get__sees_an_entry_that_was_taken_out(void **state)
{
    struct sherd_assets assets = assets_of(*state);
    struct sherd_collection_entry entry;
    struct sherd_uuid id;

    create(&assets, "one", 1);
    assert_ok(sherd_assets_collection_get(&assets, "one", &entry));
    id = entry.id;
    take_out(&assets, name_of(&assets, "one"));
    assert_err(SHERD_ERR_TAMPERED, sherd_assets_collection_get(&assets, "one", &entry));
    assert_err(SHERD_ERR_TAMPERED, sherd_assets_collection_by_id(&assets, &id, &entry)); /* as its records ask */
}

static void test_assets_collections_get__sees_rules_that_were_never_pinned(void **state)
{
    struct anchor_test *test = *state;
    struct sherd_assets assets = assets_of(test);
    struct sherd_collection_entry entry;
    struct sherd_buf stored = {0};
    uint8_t tlv[SHERD_TLV_BYTES_MAX];
    const struct sherd_ref name = name_of(&assets, "one");
    size_t bytes;

    create(&assets, "one", 5);
    assert_ok(sherd_assets_collection_get(&assets, "one", &entry));
    entry.rules.versions_kept = 1; /* as if whoever holds the lease on the keys of assets had other wishes */
    assert_ok(sherd_collection_encode(&entry, tlv, &bytes));
    assert_ok(sherd_entry_seal(&assets.keys, SHERD_KIND_COLLECTION, &name, sherd_span_of(tlv, bytes), &stored));
    put(&assets, name, sherd_buf_span(&stored));
    assert_err(SHERD_ERR_TAMPERED, sherd_assets_collection_get(&assets, "one", &entry));
    assert_err(SHERD_ERR_TAMPERED, sherd_assets_collection_by_id(&assets, &entry.id, &entry));
    sherd_buf_done(&stored);
}

static void test_assets_collections_open__knows_an_entry_under_its_two_names_alone(void **state)
{
    struct sherd_assets assets = assets_of(*state);
    struct sherd_collection_entry entry;
    struct sherd_buf stored = {0};
    uint8_t tlv[SHERD_TLV_BYTES_MAX];
    const struct sherd_ref elsewhere = {{7}};
    const struct sherd_ref name = name_of(&assets, "one");
    size_t bytes;

    create(&assets, "one", 5);
    assert_ok(sherd_compartment_get(assets.compartment, name, &stored));
    assert_ok(sherd_assets_collection_open(&assets, &name, sherd_buf_span(&stored), &entry));
    assert_ok(sherd_assets_entry_check(&assets, &name, sherd_buf_span(&stored)));
    assert_err(SHERD_ERR_TAMPERED, sherd_assets_collection_open(&assets, &elsewhere, sherd_buf_span(&stored), &entry));
    /* sealed for that place, it opens there, and is not what belongs there */
    assert_ok(sherd_collection_encode(&entry, tlv, &bytes));
    sherd_buf_clear(&stored);
    assert_ok(sherd_entry_seal(&assets.keys, SHERD_KIND_COLLECTION, &elsewhere, sherd_span_of(tlv, bytes), &stored));
    assert_err(SHERD_ERR_TAMPERED, sherd_assets_collection_open(&assets, &elsewhere, sherd_buf_span(&stored), &entry));
    assert_err(SHERD_ERR_TAMPERED, sherd_assets_entry_check(&assets, &elsewhere, sherd_buf_span(&stored)));
    sherd_buf_done(&stored);
}

static void test_assets_collections_create__refuses_what_is_taken(void **state)
{
    struct sherd_assets assets = assets_of(*state);
    const struct sherd_collection again = {.name = "one", .versions_kept = 9};
    const struct sherd_collection invalid = {.name = "-"};
    struct sherd_collection_entry entry;

    create(&assets, "one", 5);
    assert_err(SHERD_ERR_CONFLICT, sherd_assets_collection_create(&assets, &again));
    assert_err(SHERD_ERR_INVALID, sherd_assets_collection_create(&assets, &invalid));
    assert_ok(sherd_assets_collection_get(&assets, "one", &entry));
    assert_int_equal(entry.rules.versions_kept, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        anchor_test_of(test_assets_collections_get__finds_by_name_and_by_id),
        anchor_test_of(test_assets_collections_get__sees_an_entry_that_was_taken_out),
        anchor_test_of(test_assets_collections_get__sees_rules_that_were_never_pinned),
        anchor_test_of(test_assets_collections_open__knows_an_entry_under_its_two_names_alone),
        anchor_test_of(test_assets_collections_create__refuses_what_is_taken),
    };

    return cmocka_run_group_tests_name("assets_collections", tests, NULL, NULL);
}

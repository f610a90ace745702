/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of batches: all records or none, and the bounds of a batch. */
#include "base/failpoint.h"
#include "vault.h"

static uint8_t bulk[SHERD_BATCH_CONTENT_BYTES_MAX + 1];

/* Nothing of a batch that failed is to be seen: no record, no id. */
static void assert_none(struct vault_test *test, const struct sherd_batch_item *items, size_t count, uint64_t orphans)
{
    static const struct sherd_uuid none = {{0}};
    struct sherd_verify_stat stat = {0};

    for (size_t i = 0; i < count; i++)
        assert_true(vault_same_id(items[i].id, none));
    assert_ok(sherd_vault_verify(test->vault, NULL, NULL, &stat));
    assert_int_equal(stat.record_count, 0);
    assert_int_equal(stat.orphan_count, orphans);
}

static void test_cryptor_batch_put__stores_each_as_a_put_would(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_attribute attribute = {.name = "n", .value = sherd_span_str("v")};
    const struct sherd_record_meta metas[] = {
        {.collection = "other"},
        {.entity = "pat", .content_type = "a/b", .attributes = &attribute, .attribute_count = 1}};
    struct sherd_batch_item items[5] = {
        {.meta = NULL, .content = sherd_span_str("first")},
        {.meta = &metas[0], .content = sherd_span_of(NULL, 0)},
        {.meta = &metas[1], .content = sherd_span_of(bulk, SHERD_BATCH_CONTENT_BYTES_MAX)},
        {.meta = NULL, .content = sherd_span_str("first")},
        {.meta = NULL, .content = sherd_span_of(bulk, SHERD_BATCH_CONTENT_BYTES_MAX - 1)},
    };
    struct sherd_record_info *info = NULL;

    vault_fill(bulk, sizeof(bulk), 1);
    vault_collection(test, "other", 1, true);
    assert_ok(sherd_record_put_batch(test->vault, items, 5));
    vault_reopen(test);
    for (size_t i = 0; i < 5; i++) {
        vault_assert_bytes(test, items[i].id, 1, items[i].content);
        for (size_t k = 0; k < i; k++)
            assert_false(vault_same_id(items[i].id, items[k].id));
    }
    assert_ok(sherd_record_stat(test->vault, items[1].id, 0, &info));
    assert_string_equal(info->collection, "other");
    sherd_record_info_free(info);
    assert_ok(sherd_record_stat(test->vault, items[2].id, 0, &info));
    assert_string_equal(info->entity, "pat");
    assert_int_equal(info->attribute_count, 1);
    sherd_record_info_free(info);
    vault_assert_clean(test, 0);
}

static void test_cryptor_batch_put__takes_as_many_as_the_bound_says(void **state)
{
    struct vault_test *test = *state;
    struct sherd_batch_item *items = test_calloc(SHERD_BATCH_ITEMS_MAX + 1, sizeof(*items));
    struct sherd_verify_stat stat = {0};

    for (size_t i = 0; i < SHERD_BATCH_ITEMS_MAX + 1; i++)
        items[i].content = sherd_span_of(bulk + i, i % 100);
    assert_err(SHERD_ERR_INVALID, sherd_record_put_batch(test->vault, items, SHERD_BATCH_ITEMS_MAX + 1));
    assert_err(SHERD_ERR_INVALID, sherd_record_put_batch(test->vault, items, 0));
    assert_err(SHERD_ERR_INVALID, sherd_record_put_batch(test->vault, NULL, 1));
    assert_err(SHERD_ERR_INVALID, sherd_record_put_batch(NULL, items, 1));
    assert_none(test, items, SHERD_BATCH_ITEMS_MAX + 1, 0);
    assert_ok(sherd_record_put_batch(test->vault, items, SHERD_BATCH_ITEMS_MAX));
    for (size_t i = 0; i < SHERD_BATCH_ITEMS_MAX; i += 31)
        vault_assert_bytes(test, items[i].id, 0, items[i].content);
    assert_ok(sherd_vault_verify(test->vault, NULL, NULL, &stat));
    assert_int_equal(stat.record_count, SHERD_BATCH_ITEMS_MAX);
    assert_ok(sherd_record_put_batch(test->vault, items, 1));
    test_free(items);
}

static void test_cryptor_batch_put__stores_none_where_one_is_refused(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_record_meta keyed = {.idempotency_key = sherd_span_str("k")};
    const struct sherd_record_meta unknown = {.collection = "nothing"};
    const struct sherd_attribute unnamed = {.name = ""};
    const struct sherd_record_meta invalid = {.attributes = &unnamed, .attribute_count = 1};
    const struct {
        struct sherd_batch_item item;
        enum sherd_err err;
    } refused[] = {
        {{.meta = &keyed, .content = sherd_span_str("x")}, SHERD_ERR_INVALID},
        {{.meta = &unknown, .content = sherd_span_str("x")}, SHERD_ERR_NOT_FOUND},
        {{.meta = &invalid, .content = sherd_span_str("x")}, SHERD_ERR_INVALID},
        {{.meta = NULL, .content = sherd_span_of(NULL, 1)}, SHERD_ERR_INVALID},
        {{.meta = NULL, .content = sherd_span_of(bulk, SHERD_BATCH_CONTENT_BYTES_MAX + 1)}, SHERD_ERR_LIMIT},
    };

    for (size_t i = 0; i < SHERD_COUNT_OF(refused); i++)
        for (size_t place = 0; place < 3; place++) {
            struct sherd_batch_item items[3] = {
                {.content = sherd_span_str("a")}, {.content = sherd_span_str("b")}, {.content = sherd_span_str("c")}};

            items[place] = refused[i].item;
            assert_err(refused[i].err, sherd_record_put_batch(test->vault, items, 3));
            assert_none(test, items, 3, 0);
        }
}

#if SHERD_FAILPOINTS

static enum sherd_err stop_there(void *arg, const char *name)
{
    return strcmp(name, arg) == 0 ? sherd_fail(SHERD_ERR_IO, "as if the process had ended here") : SHERD_OK;
}

static void test_cryptor_batch_put__stores_none_where_it_stops_before_the_pins(void **state)
{
    static char places[][24] = {"put.before_secrets", "put.after_secrets", "put.after_assets", "pin.before_commit"};
    static const uint64_t orphans[] = {0, 3, 6, 6};
    struct vault_test *test = *state;

    for (size_t i = 0; i < SHERD_COUNT_OF(places); i++) {
        struct sherd_batch_item items[3] = {
            {.content = sherd_span_str("a")}, {.content = sherd_span_str("b")}, {.content = sherd_span_str("c")}};
        struct sherd_sweep_stat swept = {0};

        sherd_failpoint_set(stop_there, places[i]);
        assert_err(SHERD_ERR_IO, sherd_record_put_batch(test->vault, items, 3));
        sherd_failpoint_set(NULL, NULL);
        vault_reopen(test);
        assert_none(test, items, 3, orphans[i]);
        assert_ok(sherd_vault_sweep(test->vault, false, &swept));
        assert_int_equal(swept.map_count + swept.fragment_count, orphans[i]);
        assert_none(test, items, 3, 0);
    }
}

static void test_cryptor_batch_put__stores_all_where_only_the_answer_is_lost(void **state)
{
    static char place[] = "put.after_pin";
    struct vault_test *test = *state;
    struct sherd_batch_item items[3] = {
        {.content = sherd_span_str("a")}, {.content = sherd_span_str("b")}, {.content = sherd_span_str("c")}};
    struct sherd_verify_stat stat = {0};

    sherd_failpoint_set(stop_there, place);
    assert_err(SHERD_ERR_IO, sherd_record_put_batch(test->vault, items, 3));
    sherd_failpoint_set(NULL, NULL);
    assert_ok(sherd_vault_verify(test->vault, NULL, NULL, &stat));
    assert_int_equal(stat.record_count, 3);
    assert_int_equal(stat.orphan_count, 0);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        vault_test_of(test_cryptor_batch_put__stores_each_as_a_put_would),
        vault_test_of(test_cryptor_batch_put__takes_as_many_as_the_bound_says),
        vault_test_of(test_cryptor_batch_put__stores_none_where_one_is_refused),
#if SHERD_FAILPOINTS
        vault_test_of(test_cryptor_batch_put__stores_none_where_it_stops_before_the_pins),
        vault_test_of(test_cryptor_batch_put__stores_all_where_only_the_answer_is_lost),
#endif
    };

    return cmocka_run_group_tests_name("cryptor_batch", tests, NULL, NULL);
}

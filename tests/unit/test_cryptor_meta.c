/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of what a record is beside its contents: collection, entity, content type, attributes, time, and stat. */
#include "base/clock.h"
#include "vault.h"

static struct sherd_attribute attribute(const char *name, const char *value)
{
    return (struct sherd_attribute){.name = name, .value = sherd_span_str(value)};
}

static struct sherd_record_info *stat_of(struct vault_test *test, struct sherd_uuid id, uint64_t version)
{
    struct sherd_record_info *info = NULL;

    assert_ok(sherd_record_stat(test->vault, id, version, &info));
    return info;
}

static void assert_value(const struct sherd_record_info *info, size_t index, const char *name, const char *value)
{
    assert_true(index < info->attribute_count);
    assert_string_equal(info->attributes[index].name, name);
    assert_int_equal(info->attributes[index].value.len, strlen(value));
    assert_memory_equal(info->attributes[index].value.data, value, strlen(value));
}

static void test_cryptor_meta_stat__says_what_a_bare_record_is(void **state)
{
    struct vault_test *test = *state;
    const int64_t before_s = sherd_clock()->wall_s();
    const struct sherd_uuid id = vault_put(test, NULL, "attack at dawn");
    struct sherd_record_info *info = stat_of(test, id, 0);

    assert_true(vault_same_id(info->id, id));
    assert_int_equal(info->version, 1);
    assert_int_equal(info->version_current, 1);
    assert_int_equal(info->version_oldest, 1);
    assert_int_equal(info->content_bytes, 14);
    assert_int_equal(info->stored_bytes, 96 + 14 + 16);
    assert_int_equal(info->created_s % 60, 0);
    assert_in_range(info->created_s, before_s - 60, before_s + 60);
    assert_string_equal(info->collection, "default");
    assert_string_equal(info->entity, "");
    assert_string_equal(info->content_type, "");
    assert_int_equal(info->attribute_count, 0);
    sherd_record_info_free(info);
    sherd_record_info_free(NULL);
}

static void test_cryptor_meta_put__keeps_all_that_is_given(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_attribute attributes[] = {attribute("name", "notes.txt"), attribute("empty", ""),
                                                 attribute("a", "1")};
    const struct sherd_record_meta meta = {.collection = "logs",
                                           .entity = "patient 7",
                                           .content_type = "text/plain; charset=utf-8",
                                           .attributes = attributes,
                                           .attribute_count = 3};

    vault_collection(test, "logs", 2, false);
    const struct sherd_uuid id = vault_put(test, &meta, "x");
    vault_reopen(test);
    struct sherd_record_info *info = stat_of(test, id, 1);
    assert_string_equal(info->collection, "logs");
    assert_string_equal(info->entity, "patient 7");
    assert_string_equal(info->content_type, "text/plain; charset=utf-8");
    assert_int_equal(info->attribute_count, 3);
    assert_value(info, 0, "a", "1");
    assert_value(info, 1, "empty", "");
    assert_value(info, 2, "name", "notes.txt");
    sherd_record_info_free(info);
    vault_assert_text(test, id, 0, "x");
    vault_assert_clean(test, 0);
}

static void test_cryptor_meta_put__takes_values_of_any_bytes(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_attribute any = {.name = "\xc3\xa9\x01", .value = sherd_span_of("a\0b\xff", 4)};
    const struct sherd_record_meta meta = {.attributes = &any, .attribute_count = 1};
    struct sherd_record_info *info = stat_of(test, vault_put(test, &meta, "x"), 0);

    assert_string_equal(info->attributes[0].name, "\xc3\xa9\x01");
    assert_int_equal(info->attributes[0].value.len, 4);
    assert_memory_equal(info->attributes[0].value.data, "a\0b\xff", 4);
    sherd_record_info_free(info);
}

static enum sherd_err put_with(struct vault_test *test, const struct sherd_record_meta *meta)
{
    struct sherd_uuid id = {{7}};
    const enum sherd_err err = sherd_record_put(test->vault, meta, sherd_span_str("x"), &id);

    if (err != SHERD_OK)
        assert_int_equal(id.bytes[0], 7);
    else
        vault_assert_text(test, id, 0, "x");
    return err;
}

static void test_cryptor_meta_put__holds_the_bounds_of_texts(void **state)
{
    struct vault_test *test = *state;
    char text[200];

    memset(text, 't', sizeof(text));
    text[128] = '\0';
    assert_ok(put_with(test, &(struct sherd_record_meta){.entity = text}));
    assert_err(SHERD_ERR_INVALID, put_with(test, &(struct sherd_record_meta){.content_type = text}));
    assert_ok(put_with(test, &(struct sherd_record_meta){.content_type = text + 1}));
    assert_ok(put_with(test, &(struct sherd_record_meta){.entity = text, .content_type = text + 1}));
    text[128] = 't';
    text[129] = '\0';
    assert_err(SHERD_ERR_INVALID, put_with(test, &(struct sherd_record_meta){.entity = text}));
    text[64] = '\0';
    assert_err(SHERD_ERR_INVALID, put_with(test, &(struct sherd_record_meta){.collection = text}));
    assert_err(SHERD_ERR_INVALID, put_with(test, &(struct sherd_record_meta){.collection = ""}));
    assert_err(SHERD_ERR_INVALID, put_with(test, &(struct sherd_record_meta){.collection = "../secrets"}));
    assert_ok(put_with(test, &(struct sherd_record_meta){.entity = "", .content_type = ""}));
    vault_assert_clean(test, 0);
}

/* 64 attributes of 2 + 62 bytes: both bounds are reached. */
static void fill_attributes(struct sherd_attribute attributes[65], char names[65][8], const uint8_t *value)
{
    for (size_t i = 0; i < 65; i++) {
        (void)snprintf(names[i], 8, "%02zu", 64 - i);
        attributes[i] = (struct sherd_attribute){.name = names[i], .value = sherd_span_of(value, 62)};
    }
}

static void test_cryptor_meta_put__takes_attributes_up_to_their_bounds(void **state)
{
    static const uint8_t value[63] = "v";
    struct vault_test *test = *state;
    struct sherd_attribute attributes[65];
    struct sherd_record_meta meta = {.attributes = attributes, .attribute_count = 64};
    char names[65][8];

    fill_attributes(attributes, names, value);
    const struct sherd_uuid id = vault_put(test, &meta, "x");
    struct sherd_record_info *info = stat_of(test, id, 0);
    assert_int_equal(info->attribute_count, 64);
    for (size_t i = 0; i < 64; i++) {
        char name[8];

        (void)snprintf(name, sizeof(name), "%02zu", i + 1);
        assert_string_equal(info->attributes[i].name, name);
        assert_int_equal(info->attributes[i].value.len, 62);
    }
    sherd_record_info_free(info);
    vault_assert_clean(test, 0); /* a map entry of the long kind is checked like any other */

    attributes[10].value.len = 63;
    assert_int_not_equal(put_with(test, &meta), SHERD_OK);
    attributes[10].value.len = 61;
    meta.attribute_count = 65;
    assert_int_not_equal(put_with(test, &meta), SHERD_OK);
    meta.attribute_count = 64;
    assert_ok(put_with(test, &meta));
}

static void test_cryptor_meta_put__refuses_attributes_out_of_bounds_as_invalid(void **state)
{
    static uint8_t value[4097];
    struct vault_test *test = *state;
    struct sherd_attribute attributes[65];
    char names[65][8];
    const struct sherd_attribute twice[] = {attribute("a", "1"), attribute("a", "2")};
    const struct sherd_attribute unnamed = attribute("", "1");
    const struct sherd_attribute large = {.name = "a", .value = sherd_span_of(value, 4096)};

    fill_attributes(attributes, names, value);
    const struct sherd_record_meta metas[] = {
        {.attributes = twice, .attribute_count = 2},
        {.attributes = &unnamed, .attribute_count = 1},
        {.attributes = &large, .attribute_count = 1},
        {.attributes = attributes, .attribute_count = 65},
    };
    for (size_t i = 0; i < SHERD_COUNT_OF(metas); i++)
        assert_err(SHERD_ERR_INVALID, put_with(test, &metas[i]));
}

static void test_cryptor_meta_put__grows_from_the_short_map_into_the_long_one(void **state)
{
    static uint8_t value[4096];
    struct vault_test *test = *state;

    vault_fill(value, sizeof(value), 9);
    for (size_t len = 100; len < 4095; len += len < 400 ? 1 : 700) { /* the short kind ends at some 200 bytes */
        const struct sherd_attribute one = {.name = "n", .value = sherd_span_of(value, len)};
        const struct sherd_record_meta meta = {.attributes = &one, .attribute_count = 1};
        struct sherd_record_info *info = stat_of(test, vault_put(test, &meta, "x"), 0);

        assert_int_equal(info->attributes[0].value.len, len);
        assert_memory_equal(info->attributes[0].value.data, value, len);
        sherd_record_info_free(info);
    }
    vault_assert_clean(test, 0);
}

static void test_cryptor_meta_update__inherits_or_replaces(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_attribute before[] = {attribute("a", "1"), attribute("b", "2")};
    const struct sherd_attribute after = attribute("c", "3");
    const struct sherd_record_meta meta = {
        .collection = "all", .entity = "pat", .content_type = "text/plain", .attributes = before, .attribute_count = 2};
    const struct sherd_record_meta replaced = {.content_type = "image/png", .attributes = &after, .attribute_count = 1};
    const struct sherd_record_meta emptied = {.content_type = NULL};

    vault_collection(test, "all", 0, false);
    const struct sherd_uuid id = vault_put(test, &meta, "1");
    assert_ok(sherd_record_update(test->vault, id, 0, NULL, sherd_span_str("2"), NULL));
    assert_ok(sherd_record_update(test->vault, id, 0, &replaced, sherd_span_str("3"), NULL));
    assert_ok(sherd_record_update(test->vault, id, 0, NULL, sherd_span_str("4"), NULL));
    assert_ok(sherd_record_update(test->vault, id, 0, &emptied, sherd_span_str("5"), NULL));
    for (uint64_t version = 1; version <= 5; version++) {
        struct sherd_record_info *info = stat_of(test, id, version);

        assert_string_equal(info->collection, "all"); /* never change */
        assert_string_equal(info->entity, "pat");
        assert_int_equal(info->version, version);
        assert_int_equal(info->version_current, 5);
        assert_string_equal(info->content_type, version <= 2 ? "text/plain" : version <= 4 ? "image/png" : "");
        assert_int_equal(info->attribute_count, version <= 2 ? 2 : version <= 4 ? 1 : 0);
        if (version <= 2)
            assert_value(info, 1, "b", "2");
        else if (version <= 4)
            assert_value(info, 0, "c", "3");
        sherd_record_info_free(info);
    }
    vault_assert_clean(test, 0);
}

static void test_cryptor_meta_stat__refuses_calls_without_their_arguments(void **state)
{
    struct vault_test *test = *state;
    struct sherd_record_info *info = NULL;
    const struct sherd_uuid id = vault_put(test, NULL, "x");
    struct sherd_uuid other;

    assert_ok(sherd_uuid_new(&other));
    assert_err(SHERD_ERR_INVALID, sherd_record_stat(NULL, id, 0, &info));
    assert_err(SHERD_ERR_INVALID, sherd_record_stat(test->vault, id, 0, NULL));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_record_stat(test->vault, other, 0, &info));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_record_stat(test->vault, id, 2, &info));
    assert_null(info);
}

/* --- time --------------------------------------------------------------------------------------------------------- */

static int64_t fixed_s;

static int64_t fixed_wall_s(void)
{
    return fixed_s;
}

static uint64_t no_monotonic_ns(void)
{
    return 0;
}

static void test_cryptor_meta_put__keeps_the_minute_alone(void **state)
{
    static const struct sherd_clock fixed = {.wall_s = fixed_wall_s, .monotonic_ns = no_monotonic_ns};
    static const int64_t times_s[] = {0, 59, 60, 1700000000, 4102444799};
    struct vault_test *test = *state;

    sherd_clock_set(&fixed);
    for (size_t i = 0; i < SHERD_COUNT_OF(times_s); i++) {
        fixed_s = times_s[i];
        struct sherd_record_info *info = stat_of(test, vault_put(test, NULL, "x"), 0);
        assert_int_equal(info->created_s, times_s[i] - times_s[i] % 60);
        sherd_record_info_free(info);
    }
    sherd_clock_set(NULL);
}

/* --- entities ----------------------------------------------------------------------------------------------------- */

static void test_cryptor_meta_put__has_one_key_for_each_entity_and_collection(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_record_meta metas[] = {
        {.entity = "pat"}, {.entity = "sam"}, {.collection = "other", .entity = "pat"},
        {.entity = NULL},  {.entity = ""}, /* is the default one */
    };
    struct sherd_vault_info before;
    struct sherd_vault_info after;

    vault_collection(test, "other", 1, false);
    assert_ok(sherd_vault_info(test->vault, &before));
    for (unsigned round = 0; round < 3; round++) {
        for (size_t i = 0; i < SHERD_COUNT_OF(metas); i++)
            vault_assert_text(test, vault_put(test, &metas[i], "x"), 0, "x");
        vault_reopen(test);
    }
    assert_ok(sherd_vault_info(test->vault, &after));
    /* pins; entities, each with the entry of its id */
    assert_int_equal(after.entry_count[3], before.entry_count[3] + 15 + 4 * 2);
    vault_assert_clean(test, 0);
}

static void test_cryptor_meta_put__serves_more_entities_than_it_keeps_ready(void **state)
{
    struct vault_test *test = *state;
    struct sherd_batch_item *items = test_calloc(SHERD_BATCH_ITEMS_MAX, sizeof(*items));
    struct sherd_record_meta *metas = test_calloc(SHERD_BATCH_ITEMS_MAX, sizeof(*metas));
    char(*names)[16] = test_calloc(SHERD_BATCH_ITEMS_MAX, sizeof(*names));
    const size_t count = 300; /* of 1024 places, so that dozens share one */

    for (size_t i = 0; i < count; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "entity %zu", i);
        metas[i].entity = names[i];
        items[i] = (struct sherd_batch_item){.meta = &metas[i], .content = sherd_span_str(names[i])};
    }
    assert_ok(sherd_record_put_batch(test->vault, items, count));
    for (size_t i = 0; i < count; i++)
        vault_assert_text(test, items[i].id, 0, names[i]);
    vault_reopen(test);
    for (size_t i = count; i-- > 0;)
        vault_assert_text(test, items[i].id, 0, names[i]);
    test_free(items);
    test_free(metas);
    test_free(names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        vault_test_of(test_cryptor_meta_stat__says_what_a_bare_record_is),
        vault_test_of(test_cryptor_meta_put__keeps_all_that_is_given),
        vault_test_of(test_cryptor_meta_put__takes_values_of_any_bytes),
        vault_test_of(test_cryptor_meta_put__holds_the_bounds_of_texts),
        vault_test_of(test_cryptor_meta_put__takes_attributes_up_to_their_bounds),
        vault_test_of(test_cryptor_meta_put__refuses_attributes_out_of_bounds_as_invalid),
        vault_test_of(test_cryptor_meta_put__grows_from_the_short_map_into_the_long_one),
        vault_test_of(test_cryptor_meta_update__inherits_or_replaces),
        vault_test_of(test_cryptor_meta_stat__refuses_calls_without_their_arguments),
        vault_test_of(test_cryptor_meta_put__keeps_the_minute_alone),
        vault_test_of(test_cryptor_meta_put__has_one_key_for_each_entity_and_collection),
        vault_test_of(test_cryptor_meta_put__serves_more_entities_than_it_keeps_ready),
    };

    return cmocka_run_group_tests_name("cryptor_meta", tests, NULL, NULL);
}

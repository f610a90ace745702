/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of collections: made once, found again, their rules, and a crash between their entry and their pin. */
#include "base/failpoint.h"
#include "vault.h"

static enum sherd_err create(struct vault_test *test, const char *name, uint32_t versions_kept)
{
    struct sherd_collection rules = {.versions_kept = versions_kept};

    (void)snprintf(rules.name, sizeof(rules.name), "%s", name);
    return sherd_collection_create(test->vault, &rules);
}

static void test_cryptor_collections_get__knows_the_default_one(void **state)
{
    struct vault_test *test = *state;
    struct sherd_collection rules;

    for (unsigned i = 0; i < 2; i++) { /* as NULL, and by name */
        memset(&rules, 0xff, sizeof(rules));
        assert_ok(sherd_collection_get(test->vault, i == 0 ? NULL : "default", &rules));
        assert_string_equal(rules.name, "default");
        assert_int_equal(rules.versions_kept, 1);
        assert_false(rules.exact_sizes);
    }
}

static void test_cryptor_collections_create__keeps_the_rules(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_collection given[] = {{.name = "a"},
                                             {.name = "a.b_c-9", .versions_kept = 7, .exact_sizes = true},
                                             {.name = "0", .versions_kept = UINT32_MAX}};
    struct sherd_collection found;

    for (size_t i = 0; i < SHERD_COUNT_OF(given); i++)
        assert_ok(sherd_collection_create(test->vault, &given[i]));
    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < SHERD_COUNT_OF(given); i++) {
            assert_ok(sherd_collection_get(test->vault, given[i].name, &found));
            assert_string_equal(found.name, given[i].name);
            assert_int_equal(found.versions_kept, given[i].versions_kept);
            assert_int_equal(found.exact_sizes, given[i].exact_sizes);
        }
        vault_reopen(test);
    }
    vault_assert_clean(test, 0);
}

static void test_cryptor_collections_create__refuses_a_name_that_is_taken(void **state)
{
    struct vault_test *test = *state;
    struct sherd_collection rules;

    assert_ok(create(test, "logs", 3));
    assert_err(SHERD_ERR_CONFLICT, create(test, "logs", 3));
    assert_err(SHERD_ERR_CONFLICT, create(test, "logs", 4));
    assert_err(SHERD_ERR_CONFLICT, create(test, "default", 1));
    vault_reopen(test);
    assert_err(SHERD_ERR_CONFLICT, create(test, "logs", 5));
    assert_ok(sherd_collection_get(test->vault, "logs", &rules));
    assert_int_equal(rules.versions_kept, 3);
    vault_assert_clean(test, 0);
}

static void test_cryptor_collections_create__refuses_names_that_are_none(void **state)
{
    static const char *const names[] = {"", ".", "-x", "_x", "A", "a b", "a/b", "caf\xc3\xa9"};
    struct vault_test *test = *state;
    struct sherd_collection rules = {.versions_kept = 1};

    for (size_t i = 0; i < SHERD_COUNT_OF(names); i++)
        assert_err(SHERD_ERR_INVALID, create(test, names[i], 1));
    memset(rules.name, 'a', sizeof(rules.name)); /* not ended */
    assert_err(SHERD_ERR_INVALID, sherd_collection_create(test->vault, &rules));
    rules.name[63] = '\0';
    assert_ok(sherd_collection_create(test->vault, &rules));
    assert_err(SHERD_ERR_INVALID, sherd_collection_create(test->vault, NULL));
    assert_err(SHERD_ERR_INVALID, sherd_collection_create(NULL, &rules));
}

static void test_cryptor_collections_get__does_not_know_what_was_never_made(void **state)
{
    struct vault_test *test = *state;
    struct sherd_collection rules = {.versions_kept = 77};

    assert_err(SHERD_ERR_NOT_FOUND, sherd_collection_get(test->vault, "nothing", &rules));
    assert_int_equal(rules.versions_kept, 77);
    assert_err(SHERD_ERR_INVALID, sherd_collection_get(test->vault, "nothing", NULL));
    assert_err(SHERD_ERR_INVALID, sherd_collection_get(NULL, "nothing", &rules));
}

static void test_cryptor_collections_get__finds_more_than_an_open_vault_remembers(void **state)
{
    struct vault_test *test = *state;
    struct sherd_uuid ids[70];
    char name[16];

    for (unsigned i = 0; i < 70; i++) {
        (void)snprintf(name, sizeof(name), "c%u", i);
        const struct sherd_record_meta meta = {.collection = name};

        assert_ok(create(test, name, i));
        ids[i] = vault_put(test, &meta, name);
    }
    vault_reopen(test);
    for (unsigned round = 0; round < 2; round++)
        for (unsigned i = 0; i < 70; i++) {
            struct sherd_record_info *info = NULL;
            struct sherd_collection rules;

            (void)snprintf(name, sizeof(name), "c%u", i);
            assert_ok(sherd_record_stat(test->vault, ids[i], 0, &info));
            assert_string_equal(info->collection, name);
            sherd_record_info_free(info);
            assert_ok(sherd_collection_get(test->vault, name, &rules));
            assert_int_equal(rules.versions_kept, i);
        }
}

static void test_cryptor_collections_rules__exact_sizes_pad_nothing(void **state)
{
    static const size_t lengths[] = {0, 9, 17, 1000, 16385, 65535, 65537, 300001};
    struct vault_test *test = *state;
    const struct sherd_record_meta exact = {.collection = "exact"};
    uint8_t *block = test_calloc(1, 300001);

    vault_collection(test, "exact", 1, true);
    for (size_t i = 0; i < SHERD_COUNT_OF(lengths); i++) {
        const uint64_t tags = 16 * (lengths[i] / 16384 + 1);
        struct sherd_record_info *info = NULL;
        struct sherd_uuid id;

        assert_ok(sherd_record_put(test->vault, &exact, sherd_span_of(block, lengths[i]), &id));
        assert_ok(sherd_record_stat(test->vault, id, 0, &info));
        assert_int_equal(info->stored_bytes, 96 + lengths[i] + tags);
        sherd_record_info_free(info);
        assert_ok(sherd_record_put(test->vault, NULL, sherd_span_of(block, lengths[i]), &id));
        assert_ok(sherd_record_stat(test->vault, id, 0, &info));
        assert_true(info->stored_bytes <= 96 + lengths[i] + lengths[i] * 12 / 100 + tags + 16 * 4);
        if (lengths[i] > 0)
            assert_true(info->stored_bytes > 96 + lengths[i] + 16); /* none of these is a class of its own */
        sherd_record_info_free(info);
    }
    test_free(block);
}

#if SHERD_FAILPOINTS

static unsigned hits;

static enum sherd_err fail_after_assets(void *arg, const char *name)
{
    (void)arg;
    if (strcmp(name, "collection.after_assets") != 0)
        return SHERD_OK;
    hits++;
    return sherd_fail(SHERD_ERR_IO, "as if the process had ended here");
}

static void test_cryptor_collections_create__works_again_after_a_crash_halfway(void **state)
{
    struct vault_test *test = *state;
    struct sherd_collection rules;
    const struct sherd_record_meta meta = {.collection = "logs"};
    struct sherd_uuid id;

    sherd_failpoint_set(fail_after_assets, NULL);
    for (unsigned i = 1; i <= 2; i++) {
        assert_err(SHERD_ERR_IO, create(test, "logs", 5));
        assert_int_equal(hits, i);
    }
    sherd_failpoint_set(NULL, NULL);
    vault_reopen(test);
    assert_err(SHERD_ERR_NOT_FOUND, sherd_collection_get(test->vault, "logs", &rules));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_record_put(test->vault, &meta, sherd_span_str("x"), &id));
    vault_assert_clean(test, 0);
    assert_ok(create(test, "logs", 3));
    assert_err(SHERD_ERR_CONFLICT, create(test, "logs", 3));
    assert_ok(sherd_collection_get(test->vault, "logs", &rules));
    assert_int_equal(rules.versions_kept, 3); /* what counts is what was made, not what was left */
    vault_assert_text(test, vault_put(test, &meta, "x"), 0, "x");
    vault_reopen(test);
    assert_ok(sherd_collection_get(test->vault, "logs", &rules));
    vault_assert_clean(test, 0);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        vault_test_of(test_cryptor_collections_get__knows_the_default_one),
        vault_test_of(test_cryptor_collections_create__keeps_the_rules),
        vault_test_of(test_cryptor_collections_create__refuses_a_name_that_is_taken),
        vault_test_of(test_cryptor_collections_create__refuses_names_that_are_none),
        vault_test_of(test_cryptor_collections_get__does_not_know_what_was_never_made),
        vault_test_of(test_cryptor_collections_get__finds_more_than_an_open_vault_remembers),
        vault_test_of(test_cryptor_collections_rules__exact_sizes_pad_nothing),
#if SHERD_FAILPOINTS
        vault_test_of(test_cryptor_collections_create__works_again_after_a_crash_halfway),
#endif
    };

    return cmocka_run_group_tests_name("cryptor_collections", tests, NULL, NULL);
}

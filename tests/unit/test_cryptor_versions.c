/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of versions: update, which of them are kept, reading an older one, and two who update at once. */
#include "vault.h"
#include <pthread.h>
#include <stdatomic.h>

static struct sherd_uuid put_in(struct vault_test *test, const char *collection, const char *text)
{
    const struct sherd_record_meta meta = {.collection = collection};

    return vault_put(test, &meta, text);
}

static uint64_t update(struct vault_test *test, struct sherd_uuid id, uint64_t expected, const char *text)
{
    uint64_t version = 0;

    assert_ok(sherd_record_update(test->vault, id, expected, NULL, sherd_span_str(text), &version));
    return version;
}

static void assert_range(struct vault_test *test, struct sherd_uuid id, uint64_t current, uint64_t oldest)
{
    struct sherd_record_info *info = NULL;

    assert_ok(sherd_record_stat(test->vault, id, 0, &info));
    assert_int_equal(info->version, current);
    assert_int_equal(info->version_current, current);
    assert_int_equal(info->version_oldest, oldest);
    sherd_record_info_free(info);
}

/* Update ten times and read all versions after each; the texts are the numbers of the versions. */
static void check_retention(struct vault_test *test, const char *collection, uint64_t kept)
{
    const struct sherd_uuid id = put_in(test, collection, "1");
    struct sherd_vault_info info;
    char text[8];

    for (uint64_t current = 2; current <= 10; current++) {
        (void)snprintf(text, sizeof(text), "%u", (unsigned)current);
        assert_int_equal(update(test, id, current - 1, text), current);
        const uint64_t oldest = kept == 0 || current <= kept ? 1 : current - kept + 1;

        assert_range(test, id, current, oldest);
        for (uint64_t version = 1; version <= current + 1; version++) {
            (void)snprintf(text, sizeof(text), "%u", (unsigned)version);
            if (version >= oldest && version <= current)
                vault_assert_text(test, id, version, text);
            else
                assert_err(SHERD_ERR_NOT_FOUND, vault_get(test, id, version));
        }
        vault_assert_text(test, id, 0, (snprintf(text, sizeof(text), "%u", (unsigned)current), text));
    }
    vault_assert_clean(test, 0); /* of what is not kept, nothing is left */
    assert_ok(sherd_record_delete(test->vault, id));
    for (uint64_t version = 0; version <= 10; version++)
        assert_err(SHERD_ERR_NOT_FOUND, vault_get(test, id, version));
    assert_ok(sherd_vault_info(test->vault, &info));
    assert_int_equal(info.entry_count[2], 1); /* its own entry */
}

static void test_cryptor_versions_update__keeps_one_by_default(void **state)
{
    check_retention(*state, NULL, 1);
}

static void test_cryptor_versions_update__keeps_as_many_as_the_rules_say(void **state)
{
    vault_collection(*state, "three", 3, false);
    check_retention(*state, "three", 3);
}

static void test_cryptor_versions_update__keeps_all_where_the_rules_say_so(void **state)
{
    vault_collection(*state, "all", 0, false);
    check_retention(*state, "all", 0);
}

static void test_cryptor_versions_update__keeps_more_than_there_are(void **state)
{
    vault_collection(*state, "many", UINT32_MAX, false);
    check_retention(*state, "many", UINT32_MAX);
}

static void test_cryptor_versions_update__changes_between_short_and_long_contents(void **state)
{
    static const size_t lengths[] = {10, 100000, 5, 300000, 0, 65536, 65537};
    struct vault_test *test = *state;
    uint8_t *block = test_malloc(300000);
    const struct sherd_uuid one = put_in(test, NULL, "begin");

    vault_collection(test, "all", 0, false);
    const struct sherd_uuid all = put_in(test, "all", "begin");
    for (size_t i = 0; i < SHERD_COUNT_OF(lengths); i++) {
        vault_fill(block, lengths[i], i);
        const struct sherd_span contents = sherd_span_of(block, lengths[i]);
        assert_ok(sherd_record_update(test->vault, one, 0, NULL, contents, NULL));
        assert_ok(sherd_record_update(test->vault, all, i + 1, NULL, contents, NULL));
        vault_assert_bytes(test, one, 0, contents);
    }
    vault_reopen(test);
    for (size_t i = 0; i < SHERD_COUNT_OF(lengths); i++) {
        vault_fill(block, lengths[i], i);
        vault_assert_bytes(test, all, i + 2, sherd_span_of(block, lengths[i]));
    }
    vault_assert_clean(test, 0);
    test_free(block);
}

static void test_cryptor_versions_update__refuses_a_stale_version(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_uuid id = put_in(test, NULL, "1");
    uint64_t version = 77;

    assert_int_equal(update(test, id, 1, "2"), 2);
    assert_err(SHERD_ERR_CONFLICT, sherd_record_update(test->vault, id, 1, NULL, sherd_span_str("no"), &version));
    assert_err(SHERD_ERR_CONFLICT, sherd_record_update(test->vault, id, 3, NULL, sherd_span_str("no"), &version));
    assert_err(SHERD_ERR_CONFLICT,
               sherd_record_update(test->vault, id, UINT64_MAX, NULL, sherd_span_str("no"), &version));
    assert_int_equal(version, 77);
    vault_assert_text(test, id, 0, "2");
    assert_int_equal(update(test, id, 0, "3"), 3); /* whichever it is */
    vault_assert_clean(test, 0);
}

static void test_cryptor_versions_update__refuses_what_cannot_change(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_uuid id = put_in(test, NULL, "1");
    const struct sherd_record_meta metas[] = {
        {.collection = "default"}, {.entity = "pat"}, {.idempotency_key = sherd_span_str("k")}};

    for (size_t i = 0; i < SHERD_COUNT_OF(metas); i++)
        assert_err(SHERD_ERR_INVALID, sherd_record_update(test->vault, id, 0, &metas[i], sherd_span_str("no"), NULL));
    assert_err(SHERD_ERR_INVALID, sherd_record_update(NULL, id, 0, NULL, sherd_span_str("no"), NULL));
    assert_err(SHERD_ERR_INVALID, sherd_record_update(test->vault, id, 0, NULL, sherd_span_of(NULL, 1), NULL));
    vault_assert_text(test, id, 0, "1");
    assert_range(test, id, 1, 1);
}

static void test_cryptor_versions_update__does_not_know_what_was_never_put(void **state)
{
    struct vault_test *test = *state;
    struct sherd_uuid id;

    assert_ok(sherd_uuid_new(&id));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_record_update(test->vault, id, 0, NULL, sherd_span_str("x"), NULL));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_record_update(test->vault, id, 1, NULL, sherd_span_str("x"), NULL));
    vault_assert_clean(test, 0);
}

/* --- at once ------------------------------------------------------------------------------------------------------ */

#define UPDATERS 4U
#define UPDATES_EACH 25U

struct race {
    struct vault_test *test;
    struct sherd_uuid id;
    atomic_uint done;
    atomic_uint refused;
    atomic_bool stop;
};

static void *update_often(void *arg)
{
    struct race *race = arg;

    for (unsigned i = 0; i < UPDATES_EACH; i++) {
        const enum sherd_err err = sherd_record_update(race->test->vault, race->id, 0, NULL, sherd_span_str("x"), NULL);

        if (err == SHERD_OK) {
            atomic_fetch_add(&race->done, 1);
        } else if (err == SHERD_ERR_CONFLICT) {
            atomic_fetch_add(&race->refused, 1);
        } else {
            print_error("update: %s: %s\n", sherd_err_name(err), sherd_err_detail());
            atomic_store(&race->stop, true);
        }
    }
    return NULL;
}

static void *read_often(void *arg)
{
    struct race *race = arg;

    while (!atomic_load(&race->stop)) {
        struct sherd_buf found = {0};
        struct sherd_record_info *info = NULL;
        enum sherd_err err = sherd_record_get(race->test->vault, race->id, 0, &found);

        if (err == SHERD_OK)
            err = sherd_record_stat(race->test->vault, race->id, 0, &info);
        sherd_record_info_free(info);
        sherd_buf_done(&found);
        if (err != SHERD_OK) {
            print_error("get: %s: %s\n", sherd_err_name(err), sherd_err_detail());
            return race;
        }
    }
    return NULL;
}

static void check_race(struct vault_test *test, const char *collection)
{
    struct race race = {.test = test, .id = put_in(test, collection, "x")};
    pthread_t updaters[UPDATERS];
    pthread_t reader;
    void *failed = NULL;

    assert_int_equal(pthread_create(&reader, NULL, read_often, &race), 0);
    for (size_t i = 0; i < UPDATERS; i++)
        assert_int_equal(pthread_create(&updaters[i], NULL, update_often, &race), 0);
    for (size_t i = 0; i < UPDATERS; i++)
        assert_int_equal(pthread_join(updaters[i], NULL), 0);
    assert_false(atomic_load(&race.stop)); /* an updater met something else than a conflict */
    atomic_store(&race.stop, true);
    assert_int_equal(pthread_join(reader, &failed), 0);
    assert_null(failed);
    assert_int_equal(atomic_load(&race.done) + atomic_load(&race.refused), UPDATERS * UPDATES_EACH);
    assert_true(atomic_load(&race.done) > 0);
    assert_range(test, race.id, 1 + atomic_load(&race.done), collection == NULL ? 1 + atomic_load(&race.done) : 1);
    vault_assert_clean(test, 0);
}

static void test_cryptor_versions_update__wins_or_conflicts_when_many_update_at_once(void **state)
{
    check_race(*state, NULL);
}

static void test_cryptor_versions_update__loses_no_version_when_many_update_at_once(void **state)
{
    vault_collection(*state, "all", 0, false);
    check_race(*state, "all");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        vault_test_of(test_cryptor_versions_update__keeps_one_by_default),
        vault_test_of(test_cryptor_versions_update__keeps_as_many_as_the_rules_say),
        vault_test_of(test_cryptor_versions_update__keeps_all_where_the_rules_say_so),
        vault_test_of(test_cryptor_versions_update__keeps_more_than_there_are),
        vault_test_of(test_cryptor_versions_update__changes_between_short_and_long_contents),
        vault_test_of(test_cryptor_versions_update__refuses_a_stale_version),
        vault_test_of(test_cryptor_versions_update__refuses_what_cannot_change),
        vault_test_of(test_cryptor_versions_update__does_not_know_what_was_never_put),
        vault_test_of(test_cryptor_versions_update__wins_or_conflicts_when_many_update_at_once),
        vault_test_of(test_cryptor_versions_update__loses_no_version_when_many_update_at_once),
    };

    return cmocka_run_group_tests_name("cryptor_versions", tests, NULL, NULL);
}

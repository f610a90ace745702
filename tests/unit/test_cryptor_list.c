/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of listings: every record once, in pages, while others come, change and go. */
#include "base/failpoint.h"
#include "vault.h"

#define RECORDS_MAX 1400U

struct seen {
    struct sherd_uuid ids[RECORDS_MAX];
    unsigned times[RECORDS_MAX];
    size_t count;   /* of ids */
    size_t visits;  /* of records, known or not */
    size_t unknown; /* visits of records that are not among the ids */
    size_t stop_at; /* visit at which to stop; 0 for never */
};

static enum sherd_err note(void *arg, const struct sherd_record_info *info)
{
    struct seen *seen = arg;
    bool known = false;

    if (seen->stop_at != 0 && seen->visits + 1 == seen->stop_at)
        return sherd_fail(SHERD_ERR_BUSY, "enough");
    seen->visits++;
    for (size_t i = 0; i < seen->count && !known; i++) {
        known = vault_same_id(seen->ids[i], info->id);
        seen->times[i] += known ? 1 : 0;
    }
    seen->unknown += known ? 0 : 1;
    return SHERD_OK;
}

static struct seen *seen_new(void)
{
    return test_calloc(1, sizeof(struct seen));
}

/* Put so many records, in batches. */
static void put_many(struct vault_test *test, const char *collection, size_t count, struct seen *seen)
{
    const struct sherd_record_meta meta = {.collection = collection};

    while (count > 0) {
        struct sherd_batch_item items[100];
        const size_t some = count < SHERD_COUNT_OF(items) ? count : SHERD_COUNT_OF(items);

        for (size_t i = 0; i < some; i++)
            items[i] = (struct sherd_batch_item){.meta = &meta, .content = sherd_span_str("x")};
        assert_ok(sherd_record_put_batch(test->vault, items, some));
        for (size_t i = 0; i < some; i++)
            seen->ids[seen->count++] = items[i].id;
        count -= some;
    }
}

static void assert_each_once(const struct seen *seen, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (seen->times[i] != 1)
            fail_msg("record %zu was visited %u times", i, seen->times[i]);
}

static void list_all(struct vault_test *test, const char *collection, size_t page, struct seen *seen)
{
    struct sherd_cursor cursor = {.started = false};

    while (!cursor.ended) {
        const size_t before = seen->visits;

        assert_ok(sherd_record_list(test->vault, collection, &cursor, page, note, seen));
        if (page != 0)
            assert_true(seen->visits - before <= page);
        if (page != 0 && !cursor.ended)
            assert_int_equal(seen->visits - before, page);
    }
    assert_ok(sherd_record_list(test->vault, collection, &cursor, page, note, seen)); /* an ended one stays so */
}

static void test_cryptor_list_all__visits_nothing_in_a_fresh_vault(void **state)
{
    struct seen *seen = seen_new();

    list_all(*state, NULL, 0, seen);
    list_all(*state, "default", 10, seen);
    assert_int_equal(seen->visits, 0);
    test_free(seen);
}

static void test_cryptor_list_pages__visit_each_record_once(void **state)
{
    static const size_t pages[] = {0, 1, 7, 255, 256, 257, 700, 2000};
    struct vault_test *test = *state;
    struct seen *seen = seen_new();

    put_many(test, NULL, 700, seen);
    for (size_t p = 0; p < SHERD_COUNT_OF(pages); p++) {
        memset(seen->times, 0, sizeof(seen->times));
        seen->visits = 0;
        list_all(test, NULL, pages[p], seen);
        assert_int_equal(seen->visits, 700);
        assert_each_once(seen, 0, 700);
    }
    test_free(seen);
}

static void test_cryptor_list_collection__visits_its_own_alone(void **state)
{
    struct vault_test *test = *state;
    struct seen *ours = seen_new();
    struct seen *theirs = seen_new();
    struct sherd_cursor cursor = {.started = false};

    vault_collection(test, "ours", 1, false);
    vault_collection(test, "empty", 1, false);
    put_many(test, "ours", 120, ours);
    put_many(test, NULL, 130, theirs);
    for (size_t page = 0; page < 100; page += 33) {
        memset(ours->times, 0, sizeof(ours->times));
        ours->visits = 0;
        list_all(test, "ours", page, ours);
        assert_int_equal(ours->visits, 120);
        assert_int_equal(ours->unknown, 0);
        assert_each_once(ours, 0, 120);
    }
    list_all(test, "empty", 10, theirs);
    assert_int_equal(theirs->visits, 0);
    list_all(test, "default", 0, theirs);
    assert_int_equal(theirs->visits, 130);
    assert_int_equal(theirs->unknown, 0);
    assert_err(SHERD_ERR_NOT_FOUND, sherd_record_list(test->vault, "nothing", &cursor, 0, note, ours));
    test_free(ours);
    test_free(theirs);
}

static void test_cryptor_list_pages__visit_each_record_once_among_its_versions(void **state)
{
    struct vault_test *test = *state;
    struct seen *seen = seen_new();

    vault_collection(test, "all", 0, false);
    put_many(test, "all", 400, seen);
    for (size_t i = 0; i < 800; i++) /* entries that a page passes over, so that it ends anywhere in a scan */
        assert_ok(sherd_record_update(test->vault, seen->ids[i % 400], 0, NULL, sherd_span_str("y"), NULL));
    for (size_t page = 166; page <= 174; page += 4) {
        memset(seen->times, 0, sizeof(seen->times));
        list_all(test, page % 2 == 0 ? NULL : "all", page, seen);
        assert_each_once(seen, 0, 400);
    }
    test_free(seen);
}

static enum sherd_err look(void *arg, const struct sherd_record_info *info)
{
    struct sherd_uuid *id = arg;

    assert_int_equal(info->version, 3);
    assert_int_equal(info->version_current, 3);
    assert_int_equal(info->version_oldest, 1);
    assert_int_equal(info->content_bytes, 5);
    assert_string_equal(info->collection, "all");
    assert_string_equal(info->content_type, "text/plain");
    *id = info->id;
    return SHERD_OK;
}

static void test_cryptor_list_visit__shows_the_current_version(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_record_meta meta = {.collection = "all", .content_type = "text/plain"};
    struct sherd_cursor cursor = {.started = false};
    struct sherd_uuid found = {{0}};

    vault_collection(test, "all", 0, false);
    const struct sherd_uuid id = vault_put(test, &meta, "1");
    assert_ok(sherd_record_update(test->vault, id, 0, NULL, sherd_span_str("22"), NULL));
    assert_ok(sherd_record_update(test->vault, id, 0, NULL, sherd_span_str("33333"), NULL));
    assert_ok(sherd_record_list(test->vault, NULL, &cursor, 0, look, &found));
    assert_true(vault_same_id(found, id));
}

static void test_cryptor_list_visit__ends_the_listing_and_comes_again(void **state)
{
    struct vault_test *test = *state;
    struct seen *seen = seen_new();
    struct sherd_cursor cursor = {.started = false};

    put_many(test, NULL, 50, seen);
    for (size_t stop = 1; stop <= 50; stop++) {
        seen->stop_at = stop;
        assert_err(SHERD_ERR_BUSY, sherd_record_list(test->vault, NULL, &cursor, 0, note, seen));
        assert_int_equal(seen->visits, stop - 1);
        assert_false(cursor.ended);
        seen->stop_at = 0;
        assert_ok(sherd_record_list(test->vault, NULL, &cursor, 1, note, seen)); /* the one that was refused */
        assert_int_equal(seen->visits, stop);
    }
    assert_each_once(seen, 0, 50);
    test_free(seen);
}

static void test_cryptor_list_pages__miss_and_repeat_nothing_while_records_come_and_go(void **state)
{
    struct vault_test *test = *state;
    struct seen *seen = seen_new();
    struct seen *others = seen_new();
    struct sherd_cursor cursor = {.started = false};
    size_t deleted = 0;

    put_many(test, NULL, 300, seen);
    put_many(test, NULL, 100, others);
    while (!cursor.ended) {
        assert_ok(sherd_record_list(test->vault, NULL, &cursor, 20, note, seen));
        put_many(test, NULL, 5, others);
        if (deleted < 100)
            for (unsigned i = 0; i < 10; i++)
                assert_ok(sherd_record_delete(test->vault, others->ids[deleted++]));
    }
    assert_each_once(seen, 0, 300);
    test_free(seen);
    test_free(others);
}

static void test_cryptor_list_pages__miss_and_repeat_nothing_while_records_change(void **state)
{
    struct vault_test *test = *state;
    struct seen *seen = seen_new();
    struct sherd_cursor cursor = {.started = false};

    put_many(test, NULL, 200, seen);
    while (!cursor.ended) {
        assert_ok(sherd_record_list(test->vault, NULL, &cursor, 50, note, seen));
        for (size_t i = 0; i < 200; i += 3)
            assert_ok(sherd_record_update(test->vault, seen->ids[i], 0, NULL, sherd_span_str("y"), NULL));
    }
    assert_each_once(seen, 0, 200);
    test_free(seen);
}

static void test_cryptor_list_of__visits_one_entitys_records(void **state)
{
    const struct sherd_collection kept = {.name = "kept", .versions_kept = 3};
    struct vault_test *test = *state;
    struct seen *seen = seen_new();
    struct sherd_cursor cursor = {.started = false};

    assert_ok(sherd_collection_create(test->vault, &kept));
    for (unsigned i = 0; i < 60; i++) {
        const struct sherd_record_meta meta = {.collection = i % 2 == 0 ? "kept" : NULL,
                                               .entity = i % 3 == 0   ? "pat"
                                                         : i % 3 == 1 ? "kim"
                                                                      : NULL};
        struct sherd_uuid id;

        assert_ok(sherd_record_put(test->vault, &meta, sherd_span_str("x"), &id));
        assert_ok(sherd_record_update(test->vault, id, 0, NULL, sherd_span_str("y"), NULL));
        if (i % 6 == 0)
            seen->ids[seen->count++] = id;
    }
    while (!cursor.ended)
        assert_ok(sherd_record_list_of(test->vault, "kept", "pat", &cursor, 3, note, seen));
    assert_int_equal(seen->visits, 10);
    assert_int_equal(seen->unknown, 0);
    assert_each_once(seen, 0, 10);
    cursor = (struct sherd_cursor){.started = false};
    assert_err(SHERD_ERR_NOT_FOUND, sherd_record_list_of(test->vault, "kept", "ann", &cursor, 0, note, seen));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_record_list_of(test->vault, "absent", "pat", &cursor, 0, note, seen));
    assert_err(SHERD_ERR_INVALID, sherd_record_list_of(test->vault, "kept", NULL, &cursor, 0, note, seen));
    assert_err(SHERD_ERR_INVALID, sherd_record_list_of(test->vault, "kept", "pat", NULL, 0, note, seen));
    assert_ok(sherd_record_list_of(test->vault, NULL, "", &cursor, 0, note, seen));
    assert_int_equal(seen->visits, 20);
    assert_ok(sherd_entity_erase(test->vault, "kept", "pat"));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_record_list_of(test->vault, "kept", "pat", &cursor, 0, note, seen));
    test_free(seen);
}

static void test_cryptor_list_all__refuses_calls_without_their_arguments(void **state)
{
    struct vault_test *test = *state;
    struct sherd_cursor cursor = {.started = false};
    struct seen *seen = seen_new();

    assert_err(SHERD_ERR_INVALID, sherd_record_list(NULL, NULL, &cursor, 0, note, seen));
    assert_err(SHERD_ERR_INVALID, sherd_record_list(test->vault, NULL, NULL, 0, note, seen));
    assert_err(SHERD_ERR_INVALID, sherd_record_list(test->vault, NULL, &cursor, 0, NULL, seen));
    test_free(seen);
}

#if SHERD_FAILPOINTS

static enum sherd_err stop_before_the_pin(void *arg, const char *name)
{
    (void)arg;
    return strcmp(name, "put.after_assets") == 0 || strcmp(name, "update.after_assets") == 0
               ? sherd_fail(SHERD_ERR_IO, "as if the process had ended here")
               : SHERD_OK;
}

static void test_cryptor_list_all__does_not_show_what_crashes_left(void **state)
{
    struct vault_test *test = *state;
    struct seen *seen = seen_new();
    struct sherd_uuid id;

    put_many(test, NULL, 10, seen);
    sherd_failpoint_set(stop_before_the_pin, NULL);
    assert_err(SHERD_ERR_IO, sherd_record_put(test->vault, NULL, sherd_span_str("x"), &id));
    assert_err(SHERD_ERR_IO, sherd_record_update(test->vault, seen->ids[0], 0, NULL, sherd_span_str("x"), NULL));
    sherd_failpoint_set(NULL, NULL);
    list_all(test, NULL, 3, seen);
    assert_int_equal(seen->visits, 10);
    assert_each_once(seen, 0, 10);
    test_free(seen);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        vault_test_of(test_cryptor_list_all__visits_nothing_in_a_fresh_vault),
        vault_test_of(test_cryptor_list_pages__visit_each_record_once),
        vault_test_of(test_cryptor_list_collection__visits_its_own_alone),
        vault_test_of(test_cryptor_list_pages__visit_each_record_once_among_its_versions),
        vault_test_of(test_cryptor_list_visit__shows_the_current_version),
        vault_test_of(test_cryptor_list_visit__ends_the_listing_and_comes_again),
        vault_test_of(test_cryptor_list_pages__miss_and_repeat_nothing_while_records_come_and_go),
        vault_test_of(test_cryptor_list_pages__miss_and_repeat_nothing_while_records_change),
        vault_test_of(test_cryptor_list_all__refuses_calls_without_their_arguments),
        vault_test_of(test_cryptor_list_of__visits_one_entitys_records),
#if SHERD_FAILPOINTS
        vault_test_of(test_cryptor_list_all__does_not_show_what_crashes_left),
#endif
    };

    return cmocka_run_group_tests_name("cryptor_list", tests, NULL, NULL);
}

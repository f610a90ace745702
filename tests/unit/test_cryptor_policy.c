/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of policies of keys: when a version is due, and what may be ruled. */
#include "base/macros.h"
#include "vault.h"
#include <time.h>

#define DAY_S 86400

/* --- when --------------------------------------------------------------------------------------------------------- */

/* Seconds since 1970 of a moment in UTC, by the C library: not by what is tested. */
static int64_t at(int year, int month, int day, int hour, int minute, int second)
{
    struct tm tm = {.tm_year = year - 1900,
                    .tm_mon = month - 1,
                    .tm_mday = day,
                    .tm_hour = hour,
                    .tm_min = minute,
                    .tm_sec = second};

    return (int64_t)timegm(&tm);
}

static enum sherd_key_why due(const struct sherd_key_policy *policy, int64_t created_s, int64_t now_s)
{
    const struct sherd_master_info info = {
        .wraps = true, .state = SHERD_MASTER_ACTIVE, .created_s = (uint64_t)created_s};

    return sherd_key_due(policy, &info, now_s);
}

static void test_cryptor_policy_due__of_no_rule_is_never(void **state)
{
    const struct sherd_key_policy nothing = {.limit = 3, .floor = 1, .destroy = true};

    (void)state;
    assert_int_equal(due(NULL, 0, INT64_MAX), SHERD_KEY_NOT_DUE);
    assert_int_equal(due(&nothing, 0, INT64_MAX), SHERD_KEY_NOT_DUE);
}

static void test_cryptor_policy_due__by_age_at_the_second(void **state)
{
    const struct sherd_key_policy policy = {.age_s_max = 90 * (uint64_t)DAY_S};
    const struct sherd_key_policy longest = {.age_s_max = INT64_MAX};
    const int64_t made = at(2024, 2, 28, 12, 0, 0);
    const struct sherd_master_info old = {.wraps = false, .created_s = (uint64_t)made};

    (void)state;
    assert_int_equal(due(&policy, made, made), SHERD_KEY_NOT_DUE);
    assert_int_equal(due(&policy, made, made + 90 * (int64_t)DAY_S - 1), SHERD_KEY_NOT_DUE);
    assert_int_equal(due(&policy, made, made + 90 * (int64_t)DAY_S), SHERD_KEY_DUE_AGE);
    assert_int_equal(due(&policy, made, INT64_MAX), SHERD_KEY_DUE_AGE);
    assert_int_equal(due(&longest, 1, INT64_MAX), SHERD_KEY_NOT_DUE);
    assert_int_equal(due(&longest, 0, INT64_MAX), SHERD_KEY_DUE_AGE);
    /* one that does not wrap was followed by another already */
    assert_int_equal(sherd_key_due(&policy, &old, INT64_MAX), SHERD_KEY_NOT_DUE);
    /* a clock that tells a time before it was made */
    assert_int_equal(due(&policy, made, made - 1), SHERD_KEY_NOT_DUE);
    assert_int_equal(due(&policy, made, -1), SHERD_KEY_NOT_DUE);
    assert_int_equal(due(&policy, made, INT64_MIN), SHERD_KEY_NOT_DUE);
}

static void test_cryptor_policy_due__by_counts(void **state)
{
    const struct sherd_key_policy policy = {.wraps_max = 1000, .entities_max = 10};
    struct sherd_master_info info = {.wraps = true, .created_s = 100, .wraps_counted = 999, .entities_counted = 9};

    (void)state;
    assert_int_equal(sherd_key_due(&policy, &info, 100), SHERD_KEY_NOT_DUE);
    info.entities_counted = 10;
    assert_int_equal(sherd_key_due(&policy, &info, 100), SHERD_KEY_DUE_ENTITIES);
    assert_int_equal(sherd_key_due(&policy, &info, 0), SHERD_KEY_DUE_ENTITIES); /* whatever the clock says */
    info.wraps_counted = 1000;
    assert_int_equal(sherd_key_due(&policy, &info, 100), SHERD_KEY_DUE_WRAPS);
    info.wraps = false;
    assert_int_equal(sherd_key_due(&policy, &info, 100), SHERD_KEY_NOT_DUE);
}

static void test_cryptor_policy_due__daily_once_a_moment(void **state)
{
    const struct sherd_key_policy policy = {.schedule = SHERD_SCHEDULE_DAILY, .minute = 3 * 60};
    const int64_t moment = at(2024, 2, 29, 3, 0, 0);

    (void)state;
    assert_int_equal(due(&policy, moment - 1, moment - 1), SHERD_KEY_NOT_DUE);
    assert_int_equal(due(&policy, moment - 1, moment), SHERD_KEY_DUE_SCHEDULE);
    assert_int_equal(due(&policy, moment - DAY_S, moment - 1), SHERD_KEY_NOT_DUE); /* made at the last moment */
    assert_int_equal(due(&policy, moment - DAY_S, moment), SHERD_KEY_DUE_SCHEDULE);
    assert_int_equal(due(&policy, moment, moment), SHERD_KEY_NOT_DUE); /* made at the moment, by a clock that stands */
    assert_int_equal(due(&policy, moment, moment + DAY_S - 1), SHERD_KEY_NOT_DUE);
    assert_int_equal(due(&policy, moment, moment + DAY_S), SHERD_KEY_DUE_SCHEDULE); /* over the leap day */
    assert_int_equal(due(&policy, moment + 5, moment - 100), SHERD_KEY_NOT_DUE);    /* the clock jumped back */
    assert_int_equal(due(&policy, moment + 5, moment), SHERD_KEY_NOT_DUE);          /* and comes by there again */
    assert_int_equal(due(&policy, moment + 5, moment + 6), SHERD_KEY_NOT_DUE);
    assert_int_equal(due(&policy, moment - 40 * DAY_S, moment - 10), SHERD_KEY_DUE_SCHEDULE); /* it was off for long */
    assert_int_equal(due(&policy, 0, 3 * 3600 - 1), SHERD_KEY_NOT_DUE);
    assert_int_equal(due(&policy, 0, 3 * 3600), SHERD_KEY_DUE_SCHEDULE);
    assert_int_equal(due(&policy, 0, -1), SHERD_KEY_NOT_DUE);
}

static void test_cryptor_policy_due__weekly_on_its_day(void **state)
{
    const struct sherd_key_policy policy = {.schedule = SHERD_SCHEDULE_WEEKLY, .weekday = 0, .minute = 1439};
    const int64_t moment = at(2024, 3, 3, 23, 59, 0); /* a Sunday */

    (void)state;
    assert_int_equal(due(&policy, moment - 60, moment - 1), SHERD_KEY_NOT_DUE);
    assert_int_equal(due(&policy, moment - 60, moment), SHERD_KEY_DUE_SCHEDULE);
    assert_int_equal(due(&policy, moment, moment + 7 * DAY_S - 1), SHERD_KEY_NOT_DUE);
    assert_int_equal(due(&policy, moment, moment + 7 * DAY_S), SHERD_KEY_DUE_SCHEDULE);
    assert_int_equal(due(&policy, moment + 1, moment - 7 * DAY_S), SHERD_KEY_NOT_DUE);
    assert_int_equal(due(&policy, moment - 7 * DAY_S, moment - 1), SHERD_KEY_NOT_DUE);
}

/* Hour by hour through years, against the calendar of the C library: each moment makes due once, and no other time. */
static void test_cryptor_policy_due__agrees_with_the_calendar(void **state)
{
    (void)state;
    for (unsigned weekday = 0; weekday < 8; weekday++) {
        const bool daily = weekday == 7;
        const struct sherd_key_policy policy = {
            .schedule = daily ? SHERD_SCHEDULE_DAILY : SHERD_SCHEDULE_WEEKLY,
            .weekday = daily ? 0 : weekday,
            .minute = weekday * 60 + (weekday % 2) * 30,
        };
        int64_t created_s = at(1999, 12, 1, 12, 34, 56);
        unsigned count = 0;

        for (int64_t now_s = created_s; now_s < at(2004, 3, 2, 0, 0, 0); now_s += 1800 - now_s % 1800) {
            const time_t now = (time_t)now_s;
            struct tm tm;

            assert_non_null(gmtime_r(&now, &tm));
            const bool moment = tm.tm_sec == 0 && (unsigned)(tm.tm_hour * 60 + tm.tm_min) == policy.minute &&
                                (daily || (unsigned)tm.tm_wday == weekday);
            assert_int_equal(due(&policy, created_s, now_s), moment ? SHERD_KEY_DUE_SCHEDULE : SHERD_KEY_NOT_DUE);
            if (!moment)
                continue;
            count++;
            created_s = now_s + (count % 3 == 0 ? 0 : 77); /* rotated at once, or a little later */
            assert_int_equal(due(&policy, created_s, created_s), SHERD_KEY_NOT_DUE);
            assert_int_equal(due(&policy, created_s, now_s - 12345), SHERD_KEY_NOT_DUE);
        }
        assert_true(count >= (daily ? 1552 : 221)); /* 1 December 1999 to 1 March 2004 */
        assert_true(count <= (daily ? 1553 : 222));
    }
}

static void test_cryptor_policy_due__says_the_first_reason(void **state)
{
    const struct sherd_key_policy all = {
        .age_s_max = 10, .wraps_max = 1, .entities_max = 1, .schedule = SHERD_SCHEDULE_DAILY, .minute = 0};
    struct sherd_master_info info = {.wraps = true, .created_s = DAY_S - 5, .wraps_counted = 1, .entities_counted = 1};

    (void)state;
    assert_int_equal(sherd_key_due(&all, &info, DAY_S + 5), SHERD_KEY_DUE_AGE);
    assert_int_equal(sherd_key_due(&all, &info, DAY_S + 4), SHERD_KEY_DUE_WRAPS);
    info.wraps_counted = 0;
    assert_int_equal(sherd_key_due(&all, &info, DAY_S + 4), SHERD_KEY_DUE_ENTITIES);
    info.entities_counted = 0;
    assert_int_equal(sherd_key_due(&all, &info, DAY_S + 4), SHERD_KEY_DUE_SCHEDULE);
    assert_int_equal(sherd_key_due(&all, &info, DAY_S - 1), SHERD_KEY_NOT_DUE);
}

/* --- what may be ruled -------------------------------------------------------------------------------------------- */

struct listed {
    size_t count;
    char names[4][SHERD_MASTER_NAME_SIZE];
    struct sherd_key_policy policies[4];
};

static enum sherd_err note(void *arg, const char *name, const struct sherd_key_policy *policy)
{
    struct listed *listed = arg;

    assert_true(listed->count < 4);
    (void)snprintf(listed->names[listed->count], SHERD_MASTER_NAME_SIZE, "%s", name);
    listed->policies[listed->count++] = *policy;
    return SHERD_OK;
}

static struct listed list(struct sherd_vault *vault)
{
    struct listed listed = {.count = 0};

    assert_ok(sherd_key_policy_each(vault, note, &listed));
    return listed;
}

static enum sherd_err end_at_once(void *arg, const char *name, const struct sherd_key_policy *policy)
{
    (void)arg;
    (void)name;
    (void)policy;
    return SHERD_ERR_LIMIT;
}

static void activate(struct sherd_vault *vault, const char *name)
{
    const struct sherd_master_options options = {.name = name};

    assert_ok(sherd_master_activate(vault, &options, NULL));
}

static void test_cryptor_policy_set__is_kept(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_key_policy first = {.age_s_max = 90 * (uint64_t)DAY_S, .destroy = true};
    const struct sherd_key_policy weekly = {.schedule = SHERD_SCHEDULE_WEEKLY, .weekday = 6, .minute = 1439};
    const struct sherd_key_policy nothing = {.limit = 0};

    assert_int_equal(list(test->vault).count, 0);
    assert_ok(sherd_key_policy_set(test->vault, "default", &first, false));
    assert_ok(sherd_key_policy_set(test->vault, "store:assets", &weekly, false));
    sherd_vault_close(test->vault);
    test->vault = vault_open_as(test, true, 1);
    const struct listed listed = list(test->vault);
    assert_int_equal(listed.count, 2);
    assert_string_equal(listed.names[0], "default");
    assert_memory_equal(&listed.policies[0], &first, sizeof(first));
    assert_string_equal(listed.names[1], "store:assets");
    assert_int_equal(listed.policies[1].minute, 1439);
    assert_int_equal(sherd_key_policy_each(test->vault, end_at_once, NULL), SHERD_ERR_LIMIT);
    assert_err(SHERD_ERR_DENIED, sherd_key_policy_set(test->vault, "default", &first, false)); /* for reading only */
    vault_reopen(test);
    assert_ok(sherd_key_policy_set(test->vault, "default", &nothing, false));
    vault_reopen(test);
    assert_int_equal(list(test->vault).count, 1);
}

static void test_cryptor_policy_set__refuses_what_makes_no_sense(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_key_policy age = {.age_s_max = 5};
    const struct sherd_key_policy counts = {.wraps_max = 5};
    const struct sherd_key_policy floor = {.floor = 1};
    const struct sherd_key_policy bad[] = {
        {.wraps_max = SHERD_KEY_LIMIT + 1},
        {.limit = SHERD_KEY_LIMIT + 1},
        {.schedule = SHERD_SCHEDULE_WEEKLY, .weekday = 7},
        {.schedule = SHERD_SCHEDULE_DAILY, .weekday = 1},
        {.schedule = SHERD_SCHEDULE_DAILY, .minute = 1440},
        {.minute = 1},
        {.age_s_max = UINT64_MAX},
    };

    for (size_t i = 0; i < SHERD_COUNT_OF(bad); i++)
        assert_err(SHERD_ERR_INVALID, sherd_key_policy_set(test->vault, "default", &bad[i], false));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_key_policy_set(test->vault, "nope", &age, false));
    assert_err(SHERD_ERR_INVALID, sherd_key_policy_set(test->vault, "Not a name", &age, false));
    assert_err(SHERD_ERR_INVALID, sherd_key_policy_set(test->vault, "store:nothing", &age, false));
    assert_err(SHERD_ERR_INVALID, sherd_key_policy_set(test->vault, "store:keys", &counts, false));
    assert_err(SHERD_ERR_INVALID, sherd_key_policy_set(test->vault, "store:keys", &floor, false));
    assert_err(SHERD_ERR_INVALID, sherd_key_policy_set(test->vault, "hash", &counts, false));
    assert_err(SHERD_ERR_INVALID, sherd_key_policy_set(test->vault, NULL, &age, false));
    assert_err(SHERD_ERR_INVALID, sherd_key_policy_set(test->vault, "default", NULL, false));
    assert_int_equal(list(test->vault).count, 0);
    activate(test->vault, "nope");
    assert_ok(sherd_key_policy_set(test->vault, "nope", &age, false));
    assert_ok(sherd_key_policy_set(test->vault, "store:keys", &age, false));
}

static void test_cryptor_policy_floor__is_never_above_what_is_needed(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_rekey_options all = {.rate = 0};
    const struct sherd_key_policy one = {.floor = 1};
    const struct sherd_key_policy two = {.floor = 2};
    const struct sherd_key_policy three = {.floor = 3};
    const struct sherd_key_policy none = {.age_s_max = 5};
    struct sherd_rekey_stat stat;

    const struct sherd_uuid id = vault_put(test, NULL, "something");
    assert_ok(sherd_key_policy_set(test->vault, "default", &one, false));
    assert_err(SHERD_ERR_INVALID, sherd_key_policy_set(test->vault, "default", &two, false));
    activate(test->vault, "default");
    assert_err(SHERD_ERR_CONFLICT, sherd_key_policy_set(test->vault, "default", &two, false)); /* 1 is referred to */
    assert_ok(sherd_rekey(test->vault, &all, NULL, NULL, &stat));
    assert_ok(sherd_key_policy_set(test->vault, "default", &two, false));
    vault_assert_text(test, id, 0, "something");
    assert_err(SHERD_ERR_DENIED, sherd_key_policy_set(test->vault, "default", &one, false));
    assert_err(SHERD_ERR_DENIED, sherd_key_policy_set(test->vault, "default", &none, false));
    assert_err(SHERD_ERR_DENIED, sherd_key_policy_set(test->vault, "default", &(struct sherd_key_policy){0}, false));
    assert_int_equal(list(test->vault).policies[0].floor, 2);
    /* version 2 must not stop to wrap, or nothing at or above the floor would */
    assert_err(SHERD_ERR_CONFLICT, sherd_master_retire(test->vault, "default", 2));
    activate(test->vault, "default");
    assert_ok(sherd_master_retire(test->vault, "default", 3)); /* 2 wraps again, and is not below */
    assert_err(SHERD_ERR_INVALID, sherd_key_policy_set(test->vault, "default", &three, false));
    assert_ok(sherd_key_policy_set(test->vault, "default", &one, true));
    assert_ok(sherd_key_policy_set(test->vault, "default", &none, true));
    assert_int_equal(list(test->vault).policies[0].floor, 0);
    vault_assert_text(test, id, 0, "something");
}

/* The hash key has lookups that refer to it, too. */
static void test_cryptor_policy_floor__counts_lookups(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_record_meta meta = {.entity = "pat"};
    const struct sherd_key_policy two = {.floor = 2};
    const struct sherd_rekey_options all = {.rate = 0};
    struct sherd_rekey_stat stat;

    vault_put(test, &meta, "something");
    activate(test->vault, "hash");
    assert_err(SHERD_ERR_CONFLICT, sherd_key_policy_set(test->vault, "hash", &two, false));
    assert_ok(sherd_rekey(test->vault, &all, NULL, NULL, &stat));
    assert_ok(sherd_key_policy_set(test->vault, "hash", &two, false));
}

/* --- what was destroyed ------------------------------------------------------------------------------------------- */

static void test_cryptor_policy_destroyed__is_stated_at_any_time(void **state)
{
    struct vault_test *test = *state;
    struct sherd_receipt_request request = {
        .kind = SHERD_RECEIPT_DESTROYED, .master_key = "default", .master_version = 1};
    const struct sherd_rekey_options all = {.rate = 0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf key = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    struct sherd_rekey_stat stat;
    struct sherd_receipt receipt;

    vault_put(test, NULL, "something");
    assert_err(SHERD_ERR_CONFLICT, sherd_receipt_make(test->vault, &request, &text)); /* it is there */
    activate(test->vault, "default");
    assert_ok(sherd_rekey(test->vault, &all, NULL, NULL, &stat));
    assert_ok(sherd_master_retire(test->vault, "default", 1));
    assert_err(SHERD_ERR_CONFLICT, sherd_receipt_make(test->vault, &request, &text));
    assert_ok(sherd_master_destroy(test->vault, "default", 1));
    vault_reopen(test);
    assert_ok(sherd_receipt_public_key(test->vault, &key));
    assert_ok(sherd_receipt_make(test->vault, &request, &text));
    assert_ok(sherd_receipt_verify(sherd_buf_span(&text), sherd_buf_span(&key), &receipt));
    assert_int_equal(receipt.kind, SHERD_RECEIPT_DESTROYED);
    assert_int_equal(receipt.item_count, 1);
    assert_non_null(memmem(text.data, text.len, "\nreferences 0\n", 14));
    assert_non_null(memmem(text.data, text.len, "\nmaster-key default 1 ", 22));
    for (size_t i = 0; i < text.len; i += 7) {
        text.data[i] ^= 1;
        assert_int_not_equal(sherd_receipt_verify(sherd_buf_span(&text), sherd_buf_span(&key), &receipt), SHERD_OK);
        text.data[i] ^= 1;
    }
    request.master_version = 3;
    assert_err(SHERD_ERR_NOT_FOUND, sherd_receipt_make(test->vault, &request, &text));
    request.master_key = NULL;
    assert_err(SHERD_ERR_INVALID, sherd_receipt_make(test->vault, &request, &text));
}

static void test_cryptor_policy_destroyed__is_stated_of_store_keys(void **state)
{
    struct vault_test *test = *state;
    struct sherd_receipt_request request = {
        .kind = SHERD_RECEIPT_DESTROYED, .master_key = "store:secrets", .master_version = 1};
    const struct sherd_rekey_options all = {.rate = 0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf key = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    struct sherd_rekey_stat stat;
    struct sherd_receipt receipt;

    vault_put(test, NULL, "something");
    activate(test->vault, "store:secrets");
    assert_err(SHERD_ERR_CONFLICT, sherd_receipt_make(test->vault, &request, &text));
    assert_ok(sherd_rekey(test->vault, &all, NULL, NULL, &stat));
    assert_ok(sherd_receipt_make(test->vault, &request, &text));
    assert_ok(sherd_receipt_public_key(test->vault, &key));
    assert_ok(sherd_receipt_verify(sherd_buf_span(&text), sherd_buf_span(&key), &receipt));
    assert_int_equal(receipt.item_count, 1);
    for (request.master_version = 2; request.master_version < 4; request.master_version++)
        assert_int_not_equal(sherd_receipt_make(test->vault, &request, &text), SHERD_OK);
    request.master_key = "store:nothing";
    request.master_version = 1;
    assert_err(SHERD_ERR_NOT_FOUND, sherd_receipt_make(test->vault, &request, &text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cryptor_policy_due__of_no_rule_is_never),
        cmocka_unit_test(test_cryptor_policy_due__by_age_at_the_second),
        cmocka_unit_test(test_cryptor_policy_due__by_counts),
        cmocka_unit_test(test_cryptor_policy_due__daily_once_a_moment),
        cmocka_unit_test(test_cryptor_policy_due__weekly_on_its_day),
        cmocka_unit_test(test_cryptor_policy_due__agrees_with_the_calendar),
        cmocka_unit_test(test_cryptor_policy_due__says_the_first_reason),
        cmocka_unit_test_setup_teardown(test_cryptor_policy_set__is_kept, vault_setup, vault_teardown),
        cmocka_unit_test_setup_teardown(test_cryptor_policy_set__refuses_what_makes_no_sense, vault_setup,
                                        vault_teardown),
        cmocka_unit_test_setup_teardown(test_cryptor_policy_floor__is_never_above_what_is_needed, vault_setup,
                                        vault_teardown),
        cmocka_unit_test_setup_teardown(test_cryptor_policy_floor__counts_lookups, vault_setup, vault_teardown),
        cmocka_unit_test_setup_teardown(test_cryptor_policy_destroyed__is_stated_at_any_time, vault_setup,
                                        vault_teardown),
        cmocka_unit_test_setup_teardown(test_cryptor_policy_destroyed__is_stated_of_store_keys, vault_setup,
                                        vault_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

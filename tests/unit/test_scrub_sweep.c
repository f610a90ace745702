/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the sweeper: it removes what puts, updates and deletes left that did not get through, and nothing else,
 * while others work.
 */
#include "base/failpoint.h"
#include "vault.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

static struct sherd_sweep_stat sweep(struct vault_test *test, bool dry_run)
{
    struct sherd_sweep_stat stat = {0};

    assert_ok(sherd_vault_sweep(test->vault, dry_run, &stat));
    return stat;
}

static void test_scrub_sweep__finds_nothing_where_all_is_well(void **state)
{
    struct vault_test *test = *state;
    uint8_t *block = test_calloc(1, 300000);
    struct sherd_uuid large;

    vault_collection(test, "all", 0, false);
    const struct sherd_record_meta meta = {.collection = "all"};
    const struct sherd_uuid id = vault_put(test, &meta, "1");
    assert_ok(sherd_record_update(test->vault, id, 0, NULL, sherd_span_str("2"), NULL));
    assert_ok(sherd_record_put(test->vault, &meta, sherd_span_of(block, 300000), &large));
    assert_ok(sherd_record_update(test->vault, large, 0, NULL, sherd_span_of(block, 200000), NULL));
    for (unsigned i = 0; i < 2; i++) {
        const struct sherd_sweep_stat stat = sweep(test, i == 0);

        assert_int_equal(stat.map_count, 0);
        assert_int_equal(stat.fragment_count, 0);
        assert_int_equal(stat.unfinished_count, 0);
    }
    vault_assert_text(test, id, 1, "1");
    vault_assert_text(test, id, 2, "2");
    vault_assert_bytes(test, large, 1, sherd_span_of(block, 300000));
    vault_assert_bytes(test, large, 2, sherd_span_of(block, 200000));
    test_free(block);
}

static void test_scrub_sweep__refuses_calls_without_their_arguments(void **state)
{
    struct vault_test *test = *state;
    struct sherd_sweep_stat stat;

    assert_err(SHERD_ERR_INVALID, sherd_vault_sweep(NULL, true, &stat));
    assert_err(SHERD_ERR_INVALID, sherd_vault_sweep(test->vault, true, NULL));
}

#if SHERD_FAILPOINTS

static enum sherd_err stop_there(void *arg, const char *name)
{
    return strcmp(name, arg) == 0 ? sherd_fail(SHERD_ERR_IO, "as if the process had ended here") : SHERD_OK;
}

/* What each stop leaves of one record. */
static struct stop {
    char place[24];
    enum { PUT, UPDATE, DELETE } call;
    uint64_t maps;
    uint64_t fragments;
    const char *text; /* what the record says afterwards, as an update or delete met "old"; NULL for no record */
} stops[] = {
    {"put.before_secrets", PUT, 0, 0, NULL},      {"put.after_secrets", PUT, 0, 1, NULL},
    {"put.after_assets", PUT, 1, 1, NULL},        {"update.after_secrets", UPDATE, 0, 1, "old"},
    {"update.after_assets", UPDATE, 1, 1, "old"}, {"update.after_pin", UPDATE, 1, 1, "new"},
    {"delete.after_pin", DELETE, 1, 1, NULL},     {"drop.after_secrets", DELETE, 1, 0, NULL},
};

static void do_call(struct vault_test *test, struct stop *stop, struct sherd_span old, struct sherd_span new,
                    struct sherd_uuid *id)
{
    if (stop->call != PUT)
        assert_ok(sherd_record_put(test->vault, NULL, old, id));
    sherd_failpoint_set(stop_there, stop->place);
    const enum sherd_err err = stop->call == PUT      ? sherd_record_put(test->vault, NULL, new, id)
                               : stop->call == UPDATE ? sherd_record_update(test->vault, *id, 0, NULL, new, NULL)
                                                      : sherd_record_delete(test->vault, *id);
    sherd_failpoint_set(NULL, NULL);
    if (err != SHERD_ERR_IO)
        fail_msg("%s: %s", stop->place, sherd_err_name(err));
}

static void check_stop(struct vault_test *test, struct stop *stop, struct sherd_span old, struct sherd_span new)
{
    struct sherd_uuid id = {{0}};
    struct sherd_sweep_stat stat;

    do_call(test, stop, old, new, &id);
    for (unsigned i = 0; i < 3; i++) { /* counted, then removed, then gone */
        stat = sweep(test, i == 0);
        if (stat.map_count != (i < 2 ? stop->maps : 0) || stat.fragment_count != (i < 2 ? stop->fragments : 0))
            fail_msg("%s: %u map entries, %u fragments", stop->place, (unsigned)stat.map_count,
                     (unsigned)stat.fragment_count);
    }
    if (stop->text != NULL)
        vault_assert_bytes(test, id, 0, strcmp(stop->text, "old") == 0 ? old : new);
    else if (stop->call != PUT)
        assert_err(SHERD_ERR_NOT_FOUND, vault_get(test, id, 0));
    vault_assert_clean(test, 0);
}

static void test_scrub_sweep__removes_what_each_stop_leaves(void **state)
{
    struct vault_test *test = *state;
    uint8_t *block = test_malloc(200000);
    const struct sherd_uuid other = vault_put(test, NULL, "other");

    vault_fill(block, 200000, 1);
    for (size_t i = 0; i < SHERD_COUNT_OF(stops); i++) {
        check_stop(test, &stops[i], sherd_span_str("old"), sherd_span_str("new"));
        check_stop(test, &stops[i], sherd_span_str("old"), sherd_span_of(block, 100000));
        check_stop(test, &stops[i], sherd_span_of(block, 200000), sherd_span_str("new"));
        check_stop(test, &stops[i], sherd_span_of(block, 200000), sherd_span_of(block, 100000));
    }
    vault_reopen(test);
    vault_assert_text(test, other, 0, "other");
    vault_assert_clean(test, 0);
    test_free(block);
}

/* A put that is stopped between its fragment and its pin, for as long as the test wants. */
struct pause {
    atomic_bool reached;
    atomic_bool go_on;
    struct vault_test *test;
    enum sherd_err err;
    struct sherd_uuid id;
};

static enum sherd_err wait_there(void *arg, const char *name)
{
    struct pause *pause = arg;

    if (strcmp(name, "put.after_assets") != 0)
        return SHERD_OK;
    atomic_store(&pause->reached, true);
    while (!atomic_load(&pause->go_on))
        (void)usleep(1000);
    return SHERD_OK;
}

static void *put_slowly(void *arg)
{
    struct pause *pause = arg;

    pause->err = sherd_record_put(pause->test->vault, NULL, sherd_span_str("slow"), &pause->id);
    return NULL;
}

static void *sweep_in_thread(void *arg)
{
    struct sherd_sweep_stat stat = {0};

    return sherd_vault_sweep(((struct pause *)arg)->test->vault, false, &stat) == SHERD_OK &&
                   stat.map_count + stat.fragment_count == 0
               ? NULL
               : arg;
}

static void test_scrub_sweep__waits_for_a_put_in_flight(void **state)
{
    struct pause pause = {.test = *state};
    pthread_t putter;
    pthread_t sweeper;
    void *failed = NULL;

    sherd_failpoint_set(wait_there, &pause);
    assert_int_equal(pthread_create(&putter, NULL, put_slowly, &pause), 0);
    while (!atomic_load(&pause.reached))
        (void)usleep(1000);
    assert_int_equal(pthread_create(&sweeper, NULL, sweep_in_thread, &pause), 0);
    (void)usleep(50000); /* the sweeper has long come as far as it can */
    atomic_store(&pause.go_on, true);
    assert_int_equal(pthread_join(putter, NULL), 0);
    assert_int_equal(pthread_join(sweeper, &failed), 0);
    sherd_failpoint_set(NULL, NULL);
    assert_int_equal(pause.err, SHERD_OK);
    assert_null(failed);
    vault_assert_text(pause.test, pause.id, 0, "slow");
    vault_assert_clean(pause.test, 0);
}

#endif

/* --- while others work -------------------------------------------------------------------------------------------- */

struct bustle {
    struct vault_test *test;
    atomic_bool stop;
    atomic_uint failures;
};

static void *work(void *arg)
{
    struct bustle *bustle = arg;
    uint8_t *block = calloc(1, 80000);

    for (unsigned i = 0; !atomic_load(&bustle->stop) && block != NULL; i++) {
        const size_t len = i % 5 == 4 ? 80000 : i;
        struct sherd_buf found = {0};
        struct sherd_uuid id;

        vault_fill(block, len, i);
        if (sherd_record_put(bustle->test->vault, NULL, sherd_span_of(block, len), &id) != SHERD_OK ||
            sherd_record_update(bustle->test->vault, id, 1, NULL, sherd_span_of(block, len), NULL) != SHERD_OK ||
            sherd_record_get(bustle->test->vault, id, 0, &found) != SHERD_OK || found.len != len ||
            (len > 0 && memcmp(found.data, block, len) != 0) ||
            (i % 2 == 0 && sherd_record_delete(bustle->test->vault, id) != SHERD_OK)) {
            print_error("%s\n", sherd_err_detail());
            atomic_fetch_add(&bustle->failures, 1);
        }
        sherd_buf_done(&found);
    }
    free(block);
    return NULL;
}

static void test_scrub_sweep__touches_nothing_of_those_who_work(void **state)
{
    struct bustle bustle = {.test = *state};
    struct sherd_verify_stat verified = {0};
    pthread_t workers[3];

    for (size_t i = 0; i < SHERD_COUNT_OF(workers); i++)
        assert_int_equal(pthread_create(&workers[i], NULL, work, &bustle), 0);
    for (unsigned i = 0; i < 40; i++) {
        struct sherd_sweep_stat stat;

        assert_ok(sherd_vault_sweep(bustle.test->vault, i % 4 == 0, &stat));
        if (i % 10 == 9)
            assert_ok(sherd_vault_verify(bustle.test->vault, NULL, NULL, &verified));
        (void)usleep(10000);
    }
    atomic_store(&bustle.stop, true);
    for (size_t i = 0; i < SHERD_COUNT_OF(workers); i++)
        assert_int_equal(pthread_join(workers[i], NULL), 0);
    assert_int_equal(atomic_load(&bustle.failures), 0);
    vault_assert_clean(bustle.test, 0);
}

/* Put and delete in another process until a byte arrives. */
static int work_elsewhere(const struct vault_test *test, int stop_fd)
{
    struct bustle bustle;
    struct vault_test own = *test;
    pthread_t worker;
    char byte;

    own.vault = NULL;
    if (sherd_vault_open(own.path, &own.unseal, NULL, &own.vault) != SHERD_OK)
        return 2;
    bustle = (struct bustle){.test = &own};
    if (pthread_create(&worker, NULL, work, &bustle) != 0)
        return 3;
    if (read(stop_fd, &byte, 1) < 0)
        return 4;
    atomic_store(&bustle.stop, true);
    if (pthread_join(worker, NULL) != 0 || atomic_load(&bustle.failures) != 0)
        return 5;
    sherd_vault_close(own.vault);
    return 0;
}

static void test_scrub_sweep__touches_nothing_of_another_process(void **state)
{
    struct vault_test *test = *state;
    int stop[2];
    int status = 1;

    sherd_vault_close(test->vault); /* a fork of an open vault may not be used */
    test->vault = NULL;
    assert_int_equal(pipe(stop), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(stop[1]);
        _exit(work_elsewhere(test, stop[0]));
    }
    (void)close(stop[0]);
    test->vault = vault_open_as(test, false, 2);
    for (unsigned i = 0; i < 40; i++) {
        struct sherd_sweep_stat stat;

        assert_ok(sherd_vault_sweep(test->vault, false, &stat));
        (void)usleep(10000);
    }
    assert_int_equal(close(stop[1]), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    vault_assert_clean(test, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        vault_test_of(test_scrub_sweep__finds_nothing_where_all_is_well),
        vault_test_of(test_scrub_sweep__refuses_calls_without_their_arguments),
#if SHERD_FAILPOINTS
        vault_test_of(test_scrub_sweep__removes_what_each_stop_leaves),
        vault_test_of(test_scrub_sweep__waits_for_a_put_in_flight),
#endif
        vault_test_of(test_scrub_sweep__touches_nothing_of_those_who_work),
        vault_test_of(test_scrub_sweep__touches_nothing_of_another_process),
    };

    return cmocka_run_group_tests_name("scrub_sweep", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the pool: jobs, work shared over an index, failures, and waiting within waiting. */
#include "base/macros.h"
#include "cryptor/pool.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const unsigned thread_counts[] = {1, 2, 4, 16};

static struct sherd_pool *pool_of(unsigned threads)
{
    struct sherd_pool *pool = NULL;

    assert_int_equal(sherd_pool_new(threads, &pool), SHERD_OK);
    return pool;
}

static void test_cryptor_pool_new__keeps_within_its_bounds(void **state)
{
    struct sherd_pool *pool = pool_of(99);

    (void)state;
    assert_int_equal(sherd_pool_threads(pool), SHERD_POOL_THREADS_MAX);
    sherd_pool_free(pool); /* no thread was started yet */
    pool = pool_of(3);
    assert_int_equal(sherd_pool_threads(pool), 3);
    sherd_pool_free(pool);
    sherd_pool_free(NULL);
}

/* --- each --------------------------------------------------------------------------------------------------------- */

struct tally {
    struct sherd_pool *pool;
    atomic_uint hits[2000];
    atomic_uint calls;
    size_t fails_at;
    bool slowly;
};

static enum sherd_err count_one(void *arg, size_t i)
{
    struct tally *tally = arg;

    atomic_fetch_add(&tally->hits[i], 1);
    atomic_fetch_add(&tally->calls, 1);
    if (tally->slowly)
        (void)usleep(200);
    if (i == tally->fails_at)
        return sherd_fail(SHERD_ERR_TAMPERED, "number %zu does not verify", i);
    return SHERD_OK;
}

static void test_cryptor_pool_each__calls_once_for_each_index(void **state)
{
    static const size_t counts[] = {0, 1, 2, 15, 16, 17, 2000};

    (void)state;
    for (size_t t = 0; t < SHERD_COUNT_OF(thread_counts); t++) {
        struct sherd_pool *pool = pool_of(thread_counts[t]);

        for (size_t c = 0; c < SHERD_COUNT_OF(counts); c++) {
            static struct tally tally;

            memset(&tally, 0, sizeof(tally));
            tally.fails_at = SIZE_MAX;
            assert_int_equal(sherd_pool_each(pool, counts[c], count_one, &tally), SHERD_OK);
            for (size_t i = 0; i < SHERD_COUNT_OF(tally.hits); i++)
                assert_int_equal(atomic_load(&tally.hits[i]), i < counts[c] ? 1 : 0);
        }
        sherd_pool_free(pool);
    }
}

static void test_cryptor_pool_each__stops_after_a_failure_and_says_what_it_was(void **state)
{
    (void)state;
    for (size_t t = 0; t < SHERD_COUNT_OF(thread_counts); t++) {
        struct sherd_pool *pool = pool_of(thread_counts[t]);
        static struct tally tally;

        memset(&tally, 0, sizeof(tally));
        tally.fails_at = 7;
        tally.slowly = true;
        (void)!sherd_fail_code(sherd_fail(SHERD_ERR_IO, "something before"));
        assert_int_equal(sherd_pool_each(pool, 2000, count_one, &tally), SHERD_ERR_TAMPERED);
        assert_string_equal(sherd_err_detail(), "number 7 does not verify"); /* also where another thread met it */
        assert_true(atomic_load(&tally.calls) < 2000);
        for (size_t i = 0; i < 8; i++) /* handed out in order: all before it were begun */
            assert_int_equal(atomic_load(&tally.hits[i]), 1);
        tally.fails_at = SIZE_MAX;
        tally.slowly = false;
        assert_int_equal(sherd_pool_each(pool, 100, count_one, &tally), SHERD_OK); /* the pool goes on */
        sherd_pool_free(pool);
    }
}

static enum sherd_err fail_differently(void *arg, size_t i)
{
    (void)arg;
    if (i == 0) {
        (void)usleep(20000);
        return sherd_fail(SHERD_ERR_IO, "late");
    }
    return i == 1 ? sherd_fail(SHERD_ERR_LIMIT, "early") : SHERD_OK;
}

static void test_cryptor_pool_each__gives_the_failure_that_came_first(void **state)
{
    struct sherd_pool *pool = pool_of(4);

    (void)state;
    const enum sherd_err err = sherd_pool_each(pool, 2, fail_differently, NULL);
    if (err == SHERD_ERR_LIMIT) /* two threads took part */
        assert_string_equal(sherd_err_detail(), "early");
    else /* one thread did it all, and stopped at the first */
        assert_string_equal(sherd_err_detail(), "late");
    sherd_pool_free(pool);
}

static enum sherd_err nest(void *arg, size_t i)
{
    struct tally *tally = arg;

    (void)i;
    return sherd_pool_each(tally->pool, 50, count_one, tally);
}

static enum sherd_err nest_twice(void *arg, size_t i)
{
    struct tally *tally = arg;

    (void)i;
    return sherd_pool_each(tally->pool, 6, nest, tally);
}

static void test_cryptor_pool_each__may_be_called_from_its_own_work(void **state)
{
    (void)state;
    for (size_t t = 0; t < SHERD_COUNT_OF(thread_counts); t++) {
        static struct tally tally;

        memset(&tally, 0, sizeof(tally));
        tally.fails_at = SIZE_MAX;
        tally.pool = pool_of(thread_counts[t]);
        assert_int_equal(sherd_pool_each(tally.pool, 20, nest, &tally), SHERD_OK);
        assert_int_equal(atomic_load(&tally.calls), 20 * 50);
        assert_int_equal(sherd_pool_each(tally.pool, 5, nest_twice, &tally), SHERD_OK);
        assert_int_equal(atomic_load(&tally.calls), 20 * 50 + 5 * 6 * 50);
        sherd_pool_free(tally.pool);
    }
}

static void *nest_in_thread(void *arg)
{
    return sherd_pool_each(((struct tally *)arg)->pool, 20, nest, arg) == SHERD_OK ? NULL : arg;
}

static void test_cryptor_pool_each__serves_many_callers_who_nest(void **state)
{
    (void)state;
    for (size_t t = 0; t < SHERD_COUNT_OF(thread_counts); t++) {
        static struct tally tally;
        pthread_t callers[6];
        void *failed = NULL;

        memset(&tally, 0, sizeof(tally));
        tally.fails_at = SIZE_MAX;
        tally.pool = pool_of(thread_counts[t]);
        for (size_t i = 0; i < SHERD_COUNT_OF(callers); i++)
            assert_int_equal(pthread_create(&callers[i], NULL, nest_in_thread, &tally), 0);
        for (size_t i = 0; i < SHERD_COUNT_OF(callers); i++) {
            assert_int_equal(pthread_join(callers[i], &failed), 0);
            assert_null(failed);
        }
        assert_int_equal(atomic_load(&tally.calls), 6 * 20 * 50);
        sherd_pool_free(tally.pool);
    }
}

/* --- jobs --------------------------------------------------------------------------------------------------------- */

struct numbered_job {
    struct sherd_job job; /* first */
    atomic_uint *next;
    unsigned number;
    unsigned begun_as; /* 1 for the first job to begin */
    pthread_t by;
};

static void run_numbered(struct sherd_job *job)
{
    struct numbered_job *numbered = (struct numbered_job *)job;

    numbered->begun_as = atomic_fetch_add(numbered->next, 1) + 1;
    numbered->by = pthread_self();
}

static void submit_numbered(struct sherd_pool *pool, struct numbered_job *jobs, size_t count, atomic_uint *next)
{
    for (size_t i = 0; i < count; i++) {
        jobs[i] = (struct numbered_job){.job = {.run = run_numbered}, .next = next, .number = (unsigned)i + 1};
        sherd_pool_submit(pool, &jobs[i].job);
    }
}

static void test_cryptor_pool_submit__has_the_caller_work_where_there_is_one_thread(void **state)
{
    struct sherd_pool *pool = pool_of(1);
    struct numbered_job jobs[50];
    atomic_uint next = 0;

    (void)state;
    submit_numbered(pool, jobs, SHERD_COUNT_OF(jobs), &next);
    for (size_t i = 0; i < SHERD_COUNT_OF(jobs); i++) {
        assert_int_equal(jobs[i].begun_as, jobs[i].number);
        assert_true(pthread_equal(jobs[i].by, pthread_self()));
    }
    sherd_pool_free(pool);
}

static void test_cryptor_pool_free__waits_for_all_jobs(void **state)
{
    (void)state;
    for (size_t t = 0; t < SHERD_COUNT_OF(thread_counts); t++) {
        struct sherd_pool *pool = pool_of(thread_counts[t]);
        struct numbered_job jobs[300];
        atomic_uint next = 0;

        submit_numbered(pool, jobs, SHERD_COUNT_OF(jobs), &next);
        sherd_pool_free(pool);
        assert_int_equal(atomic_load(&next), SHERD_COUNT_OF(jobs));
        for (size_t i = 0; i < SHERD_COUNT_OF(jobs); i++)
            assert_in_range(jobs[i].begun_as, 1, SHERD_COUNT_OF(jobs));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cryptor_pool_new__keeps_within_its_bounds),
        cmocka_unit_test(test_cryptor_pool_each__calls_once_for_each_index),
        cmocka_unit_test(test_cryptor_pool_each__stops_after_a_failure_and_says_what_it_was),
        cmocka_unit_test(test_cryptor_pool_each__gives_the_failure_that_came_first),
        cmocka_unit_test(test_cryptor_pool_each__may_be_called_from_its_own_work),
        cmocka_unit_test(test_cryptor_pool_each__serves_many_callers_who_nest),
        cmocka_unit_test(test_cryptor_pool_submit__has_the_caller_work_where_there_is_one_thread),
        cmocka_unit_test(test_cryptor_pool_free__waits_for_all_jobs),
    };

    return cmocka_run_group_tests_name("cryptor_pool", tests, NULL, NULL);
}

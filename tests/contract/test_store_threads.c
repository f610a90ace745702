/* SPDX-License-Identifier: Apache-2.0 */
/* The contract of stores: many threads at once, through a compartment, which is how all others use a store. */
#include "subject.h"
#include "base/bytes.h"
#include "store/compartment.h"
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

enum { THREADS = 8, STEPS = 150, NAMES = 12, COUNTERS = 3, FIRST_COUNTER = 1, FIRST_OWN = 1000 };

struct worker {
    struct sherd_compartment *compartment;
    uint64_t index;
    uint64_t random;
    uint64_t model[NAMES]; /* what this thread's own entries hold; 0: there is none */
    unsigned added_count[COUNTERS];
    const char *wrong; /* the first thing that was */
};

#define WORKER_ENSURE(worker, cond)  \
    do {                             \
        if (!(cond)) {               \
            (worker)->wrong = #cond; \
            return false;            \
        }                            \
    } while (0)

/* Take the compartment over a fixture's store. */
static struct sherd_compartment *cover(struct fixture *fixture)
{
    struct sherd_compartment *compartment = NULL;

    assert_int_equal(sherd_compartment_over(SHERD_SECRETS, fixture->store, &compartment), SHERD_OK);
    fixture->store = NULL; /* the compartment's now */
    return compartment;
}

static uint64_t own_name(const struct worker *worker, unsigned i)
{
    return FIRST_OWN * (worker->index + 1) + i;
}

/* Write one of this thread's own entries, with an expectation that holds or one that does not. */
static bool change_own(struct worker *worker)
{
    const unsigned i = (unsigned)(draw(&worker->random) >> 32) % NAMES;
    const bool holds = draw(&worker->random) >> 62 != 0;
    const uint64_t wanted = draw(&worker->random) >> 62 == 0 ? 0 : draw(&worker->random) | 1;
    const uint64_t expected = holds ? worker->model[i] : worker->model[i] + 1;
    struct sherd_store_op op = op_delete(own_name(worker, i));
    uint8_t value[8];
    uint8_t before[8];

    sherd_put_u64(value, wanted);
    sherd_put_u64(before, expected);
    if (wanted != 0) {
        op.kind = SHERD_STORE_PUT;
        op.value = sherd_span_of(value, 8);
    }
    op.expect = expected == 0 ? SHERD_EXPECT_ABSENT : SHERD_EXPECT_EQUALS;
    op.expected = sherd_span_of(before, 8);
    WORKER_ENSURE(worker,
                  sherd_compartment_write(worker->compartment, &op, 1) == (holds ? SHERD_OK : SHERD_ERR_CONFLICT));
    if (holds)
        worker->model[i] = wanted;
    return true;
}

static bool check_own(struct worker *worker)
{
    const unsigned i = (unsigned)(draw(&worker->random) >> 32) % NAMES;
    struct sherd_buf found = {0};
    const enum sherd_err err = sherd_compartment_get(worker->compartment, name_of(own_name(worker, i)), &found);
    const uint64_t value = err == SHERD_OK && found.len == 8 ? sherd_get_u64(found.data) : 0;

    sherd_buf_done(&found);
    WORKER_ENSURE(worker, err == (worker->model[i] == 0 ? SHERD_ERR_NOT_FOUND : SHERD_OK));
    WORKER_ENSURE(worker, value == worker->model[i]);
    return true;
}

/* Add 1 to two counters in one set, if nobody was faster. */
static bool try_to_count(struct worker *worker)
{
    const unsigned i = (unsigned)(draw(&worker->random) >> 32) % COUNTERS;
    const unsigned counters[2] = {i, (i + 1) % COUNTERS};
    struct sherd_store_op ops[2];
    struct sherd_buf found[2] = {{0}, {0}};
    uint8_t next[2][8];
    enum sherd_err err = SHERD_OK;

    for (size_t j = 0; j < 2 && err == SHERD_OK; j++) {
        const struct sherd_ref name = name_of(FIRST_COUNTER + counters[j]);

        err = sherd_compartment_get(worker->compartment, name, &found[j]);
        if (err == SHERD_OK && found[j].len == 8)
            sherd_put_u64(next[j], sherd_get_u64(found[j].data) + 1);
        ops[j] = (struct sherd_store_op){.name = name,
                                         .expect = SHERD_EXPECT_EQUALS,
                                         .value = sherd_span_of(next[j], 8),
                                         .expected = sherd_buf_span(&found[j])};
    }
    if (err == SHERD_OK)
        err = sherd_compartment_write(worker->compartment, ops, 2);
    sherd_buf_done(&found[0]);
    sherd_buf_done(&found[1]);
    WORKER_ENSURE(worker, err == SHERD_OK || err == SHERD_ERR_CONFLICT);
    for (size_t j = 0; j < 2 && err == SHERD_OK; j++)
        worker->added_count[counters[j]]++;
    return true;
}

static void *hammer(void *arg)
{
    struct worker *worker = arg;

    for (int step = 0; step < STEPS; step++) {
        if (!change_own(worker) || !check_own(worker) || !try_to_count(worker))
            return NULL;
    }
    return NULL;
}

static void put_number(struct sherd_compartment *compartment, uint64_t n, uint64_t number)
{
    uint8_t value[8];
    const struct sherd_store_op op = {.name = name_of(n), .value = {value, 8}};

    sherd_put_u64(value, number);
    assert_int_equal(sherd_compartment_write(compartment, &op, 1), SHERD_OK);
}

/* 0 if there is none. */
static uint64_t get_number(struct sherd_compartment *compartment, uint64_t n)
{
    struct sherd_buf found = {0};
    const enum sherd_err err = sherd_compartment_get(compartment, name_of(n), &found);
    uint64_t number = 0;

    assert_true(err == SHERD_OK || err == SHERD_ERR_NOT_FOUND);
    if (err == SHERD_OK)
        number = sherd_get_u64(found.data);
    sherd_buf_done(&found);
    return number;
}

static void run_workers(struct sherd_compartment *compartment, struct worker *workers)
{
    pthread_t threads[THREADS];

    for (uint64_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.compartment = compartment, .index = i, .random = i + 1};
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, &workers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void test_store_threads__agree_with_their_models(void **state)
{
    struct fixture *fixture = *state;
    struct sherd_compartment *compartment = cover(fixture);
    struct worker workers[THREADS];
    unsigned all = 0;

    for (unsigned i = 0; i < COUNTERS; i++)
        put_number(compartment, FIRST_COUNTER + i, 0);
    run_workers(compartment, workers);
    for (size_t i = 0; i < THREADS; i++) {
        if (workers[i].wrong != NULL)
            fail_msg("thread %u: %s", (unsigned)i, workers[i].wrong);
    }
    sherd_compartment_close(compartment);
    fixture_reopen(fixture, false);
    compartment = cover(fixture);
    for (unsigned i = 0; i < COUNTERS; i++) {
        unsigned added = 0;

        for (size_t j = 0; j < THREADS; j++)
            added += workers[j].added_count[i];
        assert_int_equal(get_number(compartment, FIRST_COUNTER + i), added);
        all += added;
    }
    assert_true(all >= 2 * STEPS); /* at any moment somebody is fastest */
    for (size_t j = 0; j < THREADS; j++) {
        for (unsigned i = 0; i < NAMES; i++)
            assert_int_equal(get_number(compartment, own_name(&workers[j], i)), workers[j].model[i]);
    }
    sherd_compartment_close(compartment);
    fixture_reopen(fixture, false);
}

/* --- snapshots while others write -------------------------------------------------------------------------------- */

enum { ACCOUNTS = 5, WHOLE = 1000, TRANSFERS = 150, READERS = 3, WRITERS = 3 };

struct bank {
    struct sherd_compartment *compartment;
    atomic_bool stop;
    atomic_uint wrong_count;
    atomic_uint audit_count;
    atomic_uint transfer_count;
};

/* Moves 1 from one account to another in one set; an account is never empty, as an entry may be any number. */
static bool transfer(struct bank *bank, uint64_t *random)
{
    const uint64_t from = (draw(random) >> 32) % ACCOUNTS;
    const uint64_t names[2] = {from, (from + 1 + (draw(random) >> 32) % (ACCOUNTS - 1)) % ACCOUNTS};
    struct sherd_buf found[2] = {{0}, {0}};
    uint8_t next[2][8];
    struct sherd_store_op ops[2];
    enum sherd_err err = SHERD_OK;

    for (size_t i = 0; i < 2 && err == SHERD_OK; i++) {
        err = sherd_compartment_get(bank->compartment, name_of(names[i]), &found[i]);
        if (err == SHERD_OK)
            sherd_put_u64(next[i], sherd_get_u64(found[i].data) + (i == 0 ? UINT64_MAX : 1));
        ops[i] = (struct sherd_store_op){.name = name_of(names[i]),
                                         .expect = SHERD_EXPECT_EQUALS,
                                         .value = sherd_span_of(next[i], 8),
                                         .expected = sherd_buf_span(&found[i])};
    }
    if (err == SHERD_OK)
        err = sherd_compartment_write(bank->compartment, ops, 2);
    sherd_buf_done(&found[0]);
    sherd_buf_done(&found[1]);
    if (err == SHERD_OK)
        atomic_fetch_add(&bank->transfer_count, 1);
    return err == SHERD_OK || err == SHERD_ERR_CONFLICT;
}

static void *transfer_often(void *arg)
{
    struct bank *bank = arg;
    uint64_t random = (uint64_t)(uintptr_t)&random | 1;

    for (int i = 0; i < TRANSFERS; i++) {
        if (!transfer(bank, &random))
            atomic_fetch_add(&bank->wrong_count, 1);
    }
    return NULL;
}

static enum sherd_err add_up(void *arg, struct sherd_ref name, struct sherd_span value)
{
    uint64_t *sum = arg;

    (void)name;
    *sum += sherd_get_u64(value.data);
    return SHERD_OK;
}

/* The sum of all accounts in one snapshot, by scan and by get. */
static bool audit(struct bank *bank)
{
    struct sherd_snapshot *snapshot;
    uint64_t by_scan = 0;
    uint64_t by_get = 0;
    enum sherd_err err = sherd_compartment_snapshot_begin(bank->compartment, &snapshot);

    if (err != SHERD_OK)
        return false;
    err = sherd_snapshot_scan(snapshot, NULL, add_up, &by_scan);
    for (uint64_t n = 0; n < ACCOUNTS && err == SHERD_OK; n++) {
        struct sherd_buf found = {0};

        err = sherd_snapshot_get(snapshot, name_of(n), &found);
        if (err == SHERD_OK)
            by_get += sherd_get_u64(found.data);
        sherd_buf_done(&found);
    }
    sherd_snapshot_end(snapshot);
    return err == SHERD_OK && by_scan == ACCOUNTS * WHOLE && by_get == by_scan;
}

static void *audit_often(void *arg)
{
    struct bank *bank = arg;

    while (!atomic_load(&bank->stop)) {
        if (!audit(bank))
            atomic_fetch_add(&bank->wrong_count, 1);
        atomic_fetch_add(&bank->audit_count, 1);
    }
    return NULL;
}

static void test_store_threads__snapshots_see_whole_sets(void **state)
{
    struct fixture *fixture = *state;
    struct bank bank = {.compartment = cover(fixture)};
    pthread_t readers[READERS];
    pthread_t writers[WRITERS];

    for (uint64_t n = 0; n < ACCOUNTS; n++)
        put_number(bank.compartment, n, WHOLE);
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, audit_often, &bank), 0);
    for (size_t i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&writers[i], NULL, transfer_often, &bank), 0);
    for (size_t i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_join(writers[i], NULL), 0);
    atomic_store(&bank.stop, true);
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    assert_int_equal(atomic_load(&bank.wrong_count), 0);
    assert_true(atomic_load(&bank.audit_count) > 0);
    assert_true(atomic_load(&bank.transfer_count) >= TRANSFERS);
    sherd_compartment_close(bank.compartment);
    fixture_reopen(fixture, false);
}

const struct CMUnitTest thread_tests[] = {
    STORE_TEST(test_store_threads__agree_with_their_models),
    STORE_TEST(test_store_threads__snapshots_see_whole_sets),
};
const size_t thread_test_count = SHERD_COUNT_OF(thread_tests);

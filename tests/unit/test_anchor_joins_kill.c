/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that give keys out and are killed, anywhere: every key that somebody has got has its one entry, whether the
 * process died while it noted, while it made a round, or in the midst of everything.
 */
#include "base/failpoint.h"
#include "joins.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#define THREADS 3U
#define KILLS 20U

/* What the processes share: how many keys each thread of the child has got. */
struct shared {
    _Atomic uint64_t got[THREADS];
    _Atomic uint32_t failed;
};

struct giver {
    struct sherd_vault *vault;
    struct sherd_uuid id;
    struct shared *shared;
    unsigned number;
};

static uint64_t got_in_all(struct shared *shared)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < THREADS; i++)
        count += atomic_load(&shared->got[i]);
    return count;
}

static struct shared *share(void)
{
    struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_true(shared != MAP_FAILED);
    return shared;
}

static void *give(void *arg)
{
    const struct giver *giver = arg;
    struct sherd_anchor *anchor = giver->vault->anchor;

    for (;;) {
        struct sherd_pin_view view;
        struct sherd_record_key key;

        if (anchor->ops->pin_get(anchor, giver->id, 0, &view, &key) != SHERD_OK) {
            (void)atomic_fetch_add(&giver->shared->failed, 1);
            return NULL;
        }
        (void)atomic_fetch_add(&giver->shared->got[giver->number], 1);
    }
}

/* Until it is killed: some threads give keys out, the first one makes rounds. */
static void be_child(const struct vault_test *test, struct sherd_uuid id, struct shared *shared)
{
    struct sherd_vault *vault = vault_open_as(test, false, 1);
    struct giver givers[THREADS];
    pthread_t thread;

    for (unsigned i = 0; i < THREADS; i++) {
        givers[i] = (struct giver){.vault = vault, .id = id, .shared = shared, .number = i};
        if (pthread_create(&thread, NULL, give, &givers[i]) != 0)
            _exit(2);
    }
    for (;;)
        if (vault->anchor->ops->ledger_run(vault->anchor, NULL) != SHERD_OK)
            (void)atomic_fetch_add(&shared->failed, 1);
}

static enum sherd_err count_one(void *arg, uint64_t leaf, const struct sherd_join_slot *slot,
                                const struct sherd_join *join)
{
    (void)leaf;
    (void)slot;
    (void)join;
    ++*(uint64_t *)arg;
    return SHERD_OK;
}

/* How many joins are in the ledger, once what was noted is; and that nothing is wrong with any of it. */
static uint64_t count_joins(struct vault_test *test)
{
    uint64_t count = 0;

    test->vault = vault_open_as(test, false, 1);
    joins_run(test->vault);
    assert_ok(joins_each(test->vault, count_one, &count));
    const struct sherd_keys_check check = joins_check(test->vault);
    assert_true(check.agrees && check.log_verifies && check.joins_verify);
    assert_int_equal(check.joins_lost + check.join_count, 0);
    sherd_vault_close(test->vault);
    test->vault = NULL;
    return count;
}

static void test_anchor_joins_kill__what_was_got_has_an_entry(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_uuid id = vault_put(test, NULL, "contents");
    struct shared *shared = share();
    unsigned seed = 7;

    sherd_vault_close(test->vault);
    test->vault = NULL;
    for (unsigned i = 1; i <= KILLS; i++) {
        const uint64_t before = got_in_all(shared);
        const struct timespec pause = {.tv_nsec = 1000000L + rand_r(&seed) % 40000000L};
        const pid_t child = fork();
        int status;

        assert_true(child >= 0);
        if (child == 0)
            be_child(test, id, shared);
        while (got_in_all(shared) == before && atomic_load(&shared->failed) == 0)
            (void)sched_yield();
        (void)nanosleep(&pause, NULL);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(atomic_load(&shared->failed), 0);

        const uint64_t got = got_in_all(shared);
        const uint64_t count = count_joins(test);
        if (count < got || count > got + (uint64_t)i * THREADS)
            fail_msg("%llu entries for %llu keys that were got", (unsigned long long)count, (unsigned long long)got);
    }
    assert_true(got_in_all(shared) > (uint64_t)KILLS * THREADS);
    (void)munmap(shared, sizeof(*shared));
}

/* --- at each place ------------------------------------------------------------------------------------------------ */

static enum sherd_err die_at(void *arg, const char *name)
{
    if (strcmp(arg, name) == 0)
        (void)raise(SIGKILL);
    return SHERD_OK;
}

static void get_some_and_die(const struct vault_test *test, struct sherd_uuid id, const char *place,
                             struct shared *shared)
{
    const pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        struct sherd_vault *vault = vault_open_as(test, false, 1);
        struct sherd_pin_view view;
        struct sherd_record_key key;

        for (unsigned i = 0; i < 3; i++) {
            if (i == 2)
                sherd_failpoint_set(die_at, (void *)(uintptr_t)place);
            if (vault->anchor->ops->pin_get(vault->anchor, id, 0, &view, &key) == SHERD_OK)
                (void)atomic_fetch_add(&shared->got[0], 1);
        }
        if (vault->anchor->ops->ledger_run(vault->anchor, NULL) == SHERD_OK)
            _exit(8);
        _exit(9);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status))
        fail_msg("%s: it ended with %d", place, WEXITSTATUS(status));
}

static void test_anchor_joins_kill__wherever_it_dies(void **state)
{
    static const struct {
        const char *name;
        unsigned more; /* entries of a key that nobody has got */
    } places[] = {
        {"join.before_slot", 0},        {"join.after_slot", 1},  {"join.kept", 0},
        {"sequencer.before_commit", 0}, {"ledger.committed", 0}, {"sequencer.before_remove", 0},
    };
    struct vault_test *test = *state;
    const struct sherd_uuid id = vault_put(test, NULL, "contents");
    struct shared *shared = share();
    uint64_t more = 0;

    sherd_vault_close(test->vault);
    test->vault = NULL;
    for (size_t i = 0; i < SHERD_COUNT_OF(places); i++) {
        get_some_and_die(test, id, places[i].name, shared);
        more += places[i].more;
        assert_int_equal(count_joins(test), got_in_all(shared) + more);
    }
    assert_int_equal(got_in_all(shared), 2 * 2 + 3 * 4);
    (void)munmap(shared, sizeof(*shared));
}

/* A slot whose writing fails is no slot; what follows has a file of its own. */
static enum sherd_err fail_at(void *arg, const char *name)
{
    return strcmp(arg, name) == 0 ? sherd_fail(SHERD_ERR_IO, "failed on purpose") : SHERD_OK;
}

static void test_anchor_joins_kill__a_failure_gives_nothing_out(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_uuid id = vault_put(test, NULL, "contents");
    static const struct sherd_record_key none;
    struct sherd_record_key key;
    struct sherd_pin_view view;

    joins_give(test->vault, id);
    memset(&key, 1, sizeof(key));
    sherd_failpoint_set(fail_at, (void *)(uintptr_t)"join.before_slot");
    assert_err(SHERD_ERR_IO, test->vault->anchor->ops->pin_get(test->vault->anchor, id, 0, &view, &key));
    sherd_failpoint_set(NULL, NULL);
    assert_memory_equal(key.bytes, none.bytes, sizeof(key.bytes));
    joins_give(test->vault, id);
    sherd_vault_close(test->vault);
    assert_int_equal(count_joins(test), 2);
}

#define test_of(name) cmocka_unit_test_setup_teardown(name, vault_setup, vault_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_of(test_anchor_joins_kill__what_was_got_has_an_entry),
        test_of(test_anchor_joins_kill__wherever_it_dies),
        test_of(test_anchor_joins_kill__a_failure_gives_nothing_out),
    };

    return cmocka_run_group_tests_name("anchor_joins_kill", tests, NULL, NULL);
}

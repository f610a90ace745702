/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log that is killed, or whose writes fail, at each step of an append: the old log or the new one is there, verifies,
 * and grows on. Needs a build with failpoints.
 */
#include "base/failpoint.h"
#include "base/file.h"
#include "ledger.h"
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static const char *const points[] = {
    "ledger.before_write", "ledger.file_written",       "ledger.file_named",       "ledger.before_sync",
    "ledger.before_sign",  "ledger.checkpoint_written", "ledger.checkpoint_named", "ledger.before_tidy",
};

struct crash_test {
    char root[40];
    char dir[48];
    struct sherd_policy *policy;
};

static int crash_setup(void **state)
{
    struct crash_test *test = test_calloc(1, sizeof(*test));

    if (!folder_make(test->root, sizeof(test->root)))
        return -1;
    (void)snprintf(test->dir, sizeof(test->dir), "%s/log", test->root);
    test->policy = log_policy();
    *state = test;
    return 0;
}

static int crash_teardown(void **state)
{
    struct crash_test *test = *state;

    sherd_failpoint_set(NULL, NULL);
    sherd_policy_free(test->policy);
    folder_remove(test->root);
    test_free(test);
    return 0;
}

static struct sherd_log *open_log(const struct crash_test *test)
{
    struct sherd_log *log = NULL;

    assert_ok(sherd_log_open(test->dir, test->policy, &log_signer, &log));
    return log;
}

static enum sherd_err append(struct sherd_log *log, size_t count)
{
    static char texts[TREE_MAX][32];
    static struct sherd_span entries[TREE_MAX];
    const uint64_t size = sherd_log_checkpoint(log)->head.size;

    for (size_t i = 0; i < count; i++)
        entries[i] = tree_leaf(size + i, texts[i]);
    return sherd_log_append(log, entries, count, NULL);
}

/* What happens at a hit of a point: counted from 1. */
struct strike {
    const char *name;
    unsigned hit;
    bool kill;
    unsigned seen;
    enum sherd_err err;
};

static enum sherd_err on_point(void *arg, const char *name)
{
    struct strike *strike = arg;

    if (strcmp(name, strike->name) != 0 || ++strike->seen != strike->hit)
        return SHERD_OK;
    if (strike->kill)
        (void)kill(getpid(), SIGKILL);
    return sherd_fail(strike->err, "as told");
}

/* A log of some leaves, afresh. */
static void make_log(const struct crash_test *test, size_t count)
{
    folder_remove(test->dir);
    assert_ok(sherd_log_make(test->dir, sherd_span_str(LOG_ORIGIN), &log_signer));
    struct sherd_log *log = open_log(test);
    if (count > 0)
        assert_ok(append(log, count));
    sherd_log_close(log);
}

/* Exactly the tree of so many known leaves, all of it sound; which then grows on, over whatever lies there. */
static void check_log(const struct crash_test *test, uint64_t size)
{
    struct sherd_log *log = open_log(test);
    struct sherd_tree_head expected = tree_head(size);

    assert_int_equal(sherd_log_checkpoint(log)->head.size, size);
    assert_memory_equal(&sherd_log_checkpoint(log)->head.root, &expected.root, sizeof(expected.root));
    assert_ok(sherd_log_verify(log, NULL, NULL));
    assert_ok(append(log, 7)); /* other sizes than the one that was struck */
    assert_ok(append(log, 301));
    expected = tree_head(size + 308);
    assert_memory_equal(&sherd_log_checkpoint(log)->head.root, &expected.root, sizeof(expected.root));
    assert_ok(sherd_log_verify(log, NULL, NULL));
    sherd_log_close(log);
}

/* An append in a child. @return whether it was killed */
static bool append_in_child(const struct crash_test *test, struct strike *strike, size_t count)
{
    const pid_t child = fork();
    int status = 0;

    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit no_core = {0};
        struct sherd_log *log = NULL;

        (void)setrlimit(RLIMIT_CORE, &no_core);
        if (sherd_log_open(test->dir, test->policy, &log_signer, &log) != SHERD_OK)
            _exit(2);
        sherd_failpoint_set(on_point, strike);
        _exit(append(log, count) == SHERD_OK ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) {
        assert_int_equal(WTERMSIG(status), SIGKILL);
        return true;
    }
    assert_int_equal(WEXITSTATUS(status), 0);
    return false;
}

/* Each hit of each point, from several sizes; that there is no further hit ends a row. */
static void test_ledger_crash__killed_anywhere(void **state)
{
    static const struct {
        size_t before;
        size_t count;
    } cases[] = {{0, 3}, {200, 100}, {256, 256}};
    const struct crash_test *test = *state;

    for (size_t c = 0; c < SHERD_COUNT_OF(cases); c++)
        for (size_t p = 0; p < SHERD_COUNT_OF(points); p++)
            for (unsigned hit = 1;; hit++) {
                struct strike strike = {.name = points[p], .hit = hit, .kill = true};
                const bool after = p >= 6; /* from checkpoint_named on */

                make_log(test, cases[c].before);
                if (!append_in_child(test, &strike, cases[c].count)) {
                    check_log(test, cases[c].before + cases[c].count);
                    if (hit == 1 && strcmp(points[p], "ledger.before_tidy") != 0)
                        fail_msg("%s was not struck", points[p]);
                    break;
                }
                check_log(test, cases[c].before + (after ? cases[c].count : 0));
            }
}

/* A write that fails: nothing is appended any more until the log is opened again, and what is there is sound. */
static void test_ledger_crash__after_a_failed_write_nothing_is_appended(void **state)
{
    const struct crash_test *test = *state;

    for (size_t p = 0; p < SHERD_COUNT_OF(points); p++) {
        struct strike strike = {.name = points[p], .hit = 1, .err = SHERD_ERR_IO};
        const bool tidying = strcmp(points[p], "ledger.before_tidy") == 0;

        make_log(test, 250);
        struct sherd_log *log = open_log(test);
        sherd_failpoint_set(on_point, &strike);
        const enum sherd_err err = append(log, 50);
        sherd_failpoint_set(NULL, NULL);
        assert_int_equal(err, tidying ? SHERD_OK : SHERD_ERR_IO); /* what is left to tidy hurts nobody */
        assert_int_equal(strike.seen >= 1, true);
        if (!tidying) {
            assert_err(SHERD_ERR_IO, append(log, 1));
            assert_err(SHERD_ERR_IO, sherd_log_cosigned(log, sherd_log_note(log)));
        }
        assert_ok(sherd_log_verify(log, NULL, NULL));
        sherd_log_close(log);
        check_log(test, p >= 6 ? 300 : 250);
    }
}

/* A failure that is no write's may pass: but not once the new checkpoint may be there. */
static void test_ledger_crash__what_may_be_tried_again(void **state)
{
    const struct crash_test *test = *state;

    for (size_t p = 0; p + 1 < SHERD_COUNT_OF(points); p++) {
        struct strike strike = {.name = points[p], .hit = 1, .err = SHERD_ERR_NO_MEMORY};

        make_log(test, 250);
        struct sherd_log *log = open_log(test);
        sherd_failpoint_set(on_point, &strike);
        assert_err(SHERD_ERR_NO_MEMORY, append(log, 50));
        sherd_failpoint_set(NULL, NULL);
        if (p < 6)
            assert_ok(append(log, 20));
        else
            assert_err(SHERD_ERR_IO, append(log, 20));
        sherd_log_close(log);
        check_log(test, p < 6 ? 270 : 300);
    }
}

static void test_ledger_crash__making_and_cosigning(void **state)
{
    const struct crash_test *test = *state;

    for (size_t p = 5; p < 7; p++) {
        struct strike strike = {.name = points[p], .hit = 1, .err = SHERD_ERR_IO};
        struct sherd_log *log = NULL;

        folder_remove(test->dir);
        sherd_failpoint_set(on_point, &strike);
        assert_err(SHERD_ERR_IO, sherd_log_make(test->dir, sherd_span_str(LOG_ORIGIN), &log_signer));
        sherd_failpoint_set(NULL, NULL);
        if (p == 5) /* there is none yet */
            assert_ok(sherd_log_make(test->dir, sherd_span_str(LOG_ORIGIN), &log_signer));
        else
            assert_err(SHERD_ERR_CONFLICT, sherd_log_make(test->dir, sherd_span_str(LOG_ORIGIN), &log_signer));
        check_log(test, 0);

        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
        make_log(test, 9);
        log = open_log(test);
        assert_ok(sherd_buf_append(&note, sherd_log_note(log)));
        checkpoint_cosign(&note, 2, "w2", 5);
        strike.seen = 0;
        sherd_failpoint_set(on_point, &strike);
        assert_err(SHERD_ERR_IO, sherd_log_cosigned(log, sherd_buf_span(&note)));
        sherd_failpoint_set(NULL, NULL);
        const enum sherd_err again = sherd_log_cosigned(log, sherd_buf_span(&note));
        assert_int_equal(again, p == 5 ? SHERD_OK : SHERD_ERR_IO);
        sherd_log_close(log);
        check_log(test, 9);
    }
}

/* Memory that is not there, at each place that asks for some: an error, and nothing else. */
static void test_ledger_crash__without_memory(void **state)
{
    const struct crash_test *test = *state;
    bool done = false;

    for (unsigned hit = 1; !done; hit++) {
        struct strike strike = {.name = "alloc", .hit = hit, .err = SHERD_ERR_NO_MEMORY};
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf entry = {0};
        struct sherd_log *log = NULL;
        struct sherd_path path;

        make_log(test, 255);
        sherd_failpoint_set(on_point, &strike);
        enum sherd_err err = sherd_log_open(test->dir, test->policy, &log_signer, &log);
        if (err == SHERD_OK)
            err = append(log, 5);
        if (err == SHERD_OK)
            err = sherd_log_verify(log, NULL, NULL);
        if (err == SHERD_OK)
            err = sherd_log_prove_consistency(log, 5, 250, &path);
        if (err == SHERD_OK)
            err = sherd_log_read(log, 7, &entry);
        sherd_failpoint_set(NULL, NULL);
        sherd_log_close(log);
        done = err == SHERD_OK;
        if (!done && err != SHERD_ERR_NO_MEMORY && err != SHERD_ERR_IO)
            fail_msg("hit %u: %s: %s", hit, sherd_err_name(err), sherd_err_detail());
        assert_true(hit < 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ledger_crash__killed_anywhere, crash_setup, crash_teardown),
        cmocka_unit_test_setup_teardown(test_ledger_crash__after_a_failed_write_nothing_is_appended, crash_setup,
                                        crash_teardown),
        cmocka_unit_test_setup_teardown(test_ledger_crash__what_may_be_tried_again, crash_setup, crash_teardown),
        cmocka_unit_test_setup_teardown(test_ledger_crash__making_and_cosigning, crash_setup, crash_teardown),
        cmocka_unit_test_setup_teardown(test_ledger_crash__without_memory, crash_setup, crash_teardown),
    };

    return cmocka_run_group_tests(tests, tree_setup, NULL);
}

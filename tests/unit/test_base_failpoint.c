/* SPDX-License-Identifier: Apache-2.0 */
/* Failpoints: the hook, and the environment, which is read once a process and so is tried in children. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/failpoint.h"
#include <stdbool.h>

#if SHERD_FAILPOINTS

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* A child's part of a test: true if all is as it should be. */
typedef bool child_fn(void);

static int child_run(const char *environment, child_fn *part)
{
    const pid_t child = fork();
    int status = 0;

    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit no_core = {0};
        const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

        (void)setrlimit(RLIMIT_CORE, &no_core);
        (void)dup2(nowhere, STDERR_FILENO);
        (void)setenv("SHERD_FAILPOINT", environment, 1);
        _exit(part() ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void assert_child_passes(const char *environment, child_fn *part)
{
    const int status = child_run(environment, part);

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void assert_child_dies(const char *environment, child_fn *part, int signal_number)
{
    const int status = child_run(environment, part);

    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), signal_number);
}

static enum sherd_err step(void)
{
    SHERD_FAILPOINT("put.step");
    return SHERD_OK;
}

static bool passes_unharmed(void)
{
    for (int i = 0; i < 3; i++)
        if (step() != SHERD_OK)
            return false;
    return sherd_failpoint_hit("put") == SHERD_OK && sherd_failpoint_hit("put.step2") == SHERD_OK;
}

static void test_base_failpoint__does_nothing_unasked(void **state)
{
    (void)state;
    assert_child_passes("", passes_unharmed);
    assert_child_passes("put.other=kill", passes_unharmed);
    assert_child_passes("put.step=kill@4", passes_unharmed);
}

static bool fails_always(void)
{
    for (int i = 0; i < 3; i++)
        if (step() != SHERD_ERR_IO || strstr(sherd_err_detail(), "put.step") == NULL)
            return false;
    return sherd_failpoint_hit("put.other") == SHERD_OK;
}

static bool fails_for_space(void)
{
    return step() == SHERD_ERR_IO && strstr(sherd_err_detail(), "free space") != NULL;
}

static bool loses_the_answer(void)
{
    return step() == SHERD_ERR_IO && strstr(sherd_err_detail(), "lost") != NULL;
}

static void test_base_failpoint__acts_as_the_environment_says(void **state)
{
    (void)state;
    assert_child_passes("put.step=io", fails_always);
    assert_child_passes("put.step=nospace", fails_always);
    assert_child_passes("put.step=nospace", fails_for_space);
    assert_child_passes("put.step=lost", fails_always);
    assert_child_passes("put.step=lost", loses_the_answer);
    assert_child_dies("put.step=kill", passes_unharmed, SIGKILL);
}

static bool fails_at_the_second(void)
{
    return step() == SHERD_OK && step() == SHERD_ERR_IO && step() == SHERD_OK && step() == SHERD_OK;
}

static bool fails_at_the_second_and_fourth(void)
{
    return step() == SHERD_OK && step() == SHERD_ERR_IO && step() == SHERD_OK && step() == SHERD_ERR_IO &&
           step() == SHERD_OK;
}

static void test_base_failpoint__acts_at_the_hit_that_is_asked_for(void **state)
{
    (void)state;
    assert_child_passes("put.step=io@2", fails_at_the_second);
    assert_child_passes("put.none=kill,put.step=io@2,put.other=io", fails_at_the_second);
    assert_child_passes("put.step=io@2,put.step=lost@4", fails_at_the_second_and_fourth);
    assert_child_dies("put.step=kill@3", passes_unharmed, SIGKILL);
}

static void test_base_failpoint__stops_at_what_it_does_not_understand(void **state)
{
    static const char *const wrong[] = {
        "put.step",
        "put.step=",
        "=io",
        "put.step=explode",
        "put.step=io@",
        "put.step=io@0",
        "put.step=io@x",
        "put.step=io@1x",
        "put.step=io@-1",
        "put.step=io,,",
        ",put.step=io",
        "put.step=iox",
        "put.step=io@99999999999999999999999",
        "a.name.that.is.longer.than.sixty-four.characters.is.refused.and.not.cut=io",
    };

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(wrong); i++)
        assert_child_dies(wrong[i], passes_unharmed, SIGABRT);
}

struct hook_seen {
    const char *name;
    enum sherd_err answer;
};

static enum sherd_err hook(void *arg, const char *name)
{
    struct hook_seen *seen = arg;

    seen->name = name;
    return seen->answer;
}

static bool hook_goes_before_the_environment(void)
{
    struct hook_seen seen = {.answer = SHERD_OK};

    sherd_failpoint_set(hook, &seen);
    if (step() != SHERD_OK || seen.name == NULL || strcmp(seen.name, "put.step") != 0)
        return false;
    seen.answer = SHERD_ERR_BUSY;
    if (step() != SHERD_ERR_BUSY)
        return false;
    sherd_failpoint_set(NULL, NULL);
    return step() == SHERD_ERR_IO; /* only now is the environment asked */
}

static void test_base_failpoint__asks_the_hook_first(void **state)
{
    (void)state;
    assert_child_passes("put.step=io", hook_goes_before_the_environment);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base_failpoint__does_nothing_unasked),
        cmocka_unit_test(test_base_failpoint__acts_as_the_environment_says),
        cmocka_unit_test(test_base_failpoint__acts_at_the_hit_that_is_asked_for),
        cmocka_unit_test(test_base_failpoint__stops_at_what_it_does_not_understand),
        cmocka_unit_test(test_base_failpoint__asks_the_hook_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

#include <stdlib.h>

static enum sherd_err step(void)
{
    SHERD_FAILPOINT("put.step");
    return SHERD_OK;
}

/* A build without them has none, whatever the environment says. */
int main(void)
{
    if (setenv("SHERD_FAILPOINT", "put.step=io", 1) != 0)
        return 1;
    return step() == SHERD_OK ? 0 : 1;
}

#endif

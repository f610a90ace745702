/* SPDX-License-Identifier: Apache-2.0 */
/* Detail texts: per thread, cut cleanly, fit for a terminal; and the end that a bug makes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fail.h"
#include "base/macros.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_base_fail__returns_the_code_and_keeps_the_text(void **state)
{
    (void)state;
    assert_int_equal(sherd_fail(SHERD_ERR_IO, "journal %d: %s", 7, "short"), SHERD_ERR_IO);
    assert_string_equal(sherd_err_detail(), "journal 7: short");
    assert_int_equal(sherd_fail(SHERD_ERR_LIMIT, "next"), SHERD_ERR_LIMIT);
    assert_string_equal(sherd_err_detail(), "next");
}

static void test_base_fail__preserves_errno(void **state)
{
    (void)state;
    errno = EPIPE;
    assert_int_equal(sherd_fail(SHERD_ERR_IO, "text"), SHERD_ERR_IO);
    assert_int_equal(errno, EPIPE);
    assert_int_equal(sherd_fail_errno(SHERD_ERR_IO, "text"), SHERD_ERR_IO);
    assert_int_equal(errno, EPIPE);
}

static void test_base_fail__cuts_at_255_bytes(void **state)
{
    char text[400];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(sherd_fail(SHERD_ERR_IO, "%s", text), SHERD_ERR_IO);
    assert_int_equal(strlen(sherd_err_detail()), SHERD_FAIL_TEXT_SIZE - 1);
    text[SHERD_FAIL_TEXT_SIZE - 1] = '\0'; /* and what just fits is whole */
    text[SHERD_FAIL_TEXT_SIZE - 2] = 'y';
    assert_int_equal(sherd_fail(SHERD_ERR_IO, "%s", text), SHERD_ERR_IO);
    assert_string_equal(sherd_err_detail(), text);
}

/* Each of these, repeated, is cut somewhere inside a character for some of the paddings. */
static void test_base_fail__never_cuts_a_character(void **state)
{
    static const char *const characters[] = {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x8f\xba"};

    (void)state;
    for (size_t kind = 0; kind < SHERD_COUNT_OF(characters); kind++) {
        for (size_t padding = 0; padding < 4; padding++) {
            const size_t width = strlen(characters[kind]);
            const size_t whole = (SHERD_FAIL_TEXT_SIZE - 1 - padding) / width;
            char text[400] = "xxxx";
            size_t len = padding;

            while (len + width < sizeof(text)) {
                memcpy(text + len, characters[kind], width);
                len += width;
            }
            text[len] = '\0';
            assert_int_equal(sherd_fail(SHERD_ERR_IO, "%s", text), SHERD_ERR_IO);
            assert_int_equal(strlen(sherd_err_detail()), padding + whole * width);
            assert_memory_equal(sherd_err_detail(), text, padding + whole * width);
        }
    }
}

static void test_base_fail__neutralises_control_characters(void **state)
{
    (void)state;
    assert_int_equal(sherd_fail(SHERD_ERR_IO, "a\nb\x1b[31m\x7f\tc"), SHERD_ERR_IO);
    assert_string_equal(sherd_err_detail(), "a?b?[31m??c");
}

static void test_base_fail__may_quote_the_detail_before(void **state)
{
    (void)state;
    assert_int_equal(sherd_fail(SHERD_ERR_IO, "inner"), SHERD_ERR_IO);
    assert_int_equal(sherd_fail(SHERD_ERR_IO, "outer: %s", sherd_err_detail()), SHERD_ERR_IO);
    assert_string_equal(sherd_err_detail(), "outer: inner");
}

static void test_base_fail__appends_the_words_for_errno(void **state)
{
    (void)state;
    errno = ENOENT;
    assert_int_equal(sherd_fail_errno(SHERD_ERR_NOT_FOUND, "vault %s", "v"), SHERD_ERR_NOT_FOUND);
    assert_string_equal(sherd_err_detail(), "vault v: No such file or directory");
}

static void test_base_fail__tells_missing_memory_from_errno(void **state)
{
    (void)state;
    errno = ENOMEM;
    assert_int_equal(sherd_fail_errno(SHERD_ERR_IO, "map"), SHERD_ERR_NO_MEMORY);
    assert_string_equal(sherd_err_detail(), "map: Cannot allocate memory");
}

static void test_base_fail__says_what_helps_when_space_is_out(void **state)
{
    (void)state;
    errno = ENOSPC;
    assert_int_equal(sherd_fail_errno(SHERD_ERR_IO, "log"), SHERD_ERR_IO);
    assert_non_null(strstr(sherd_err_detail(), "log: No space left on device; free space"));
    errno = EDQUOT;
    assert_int_equal(sherd_fail_errno(SHERD_ERR_IO, "log"), SHERD_ERR_IO);
    assert_non_null(strstr(sherd_err_detail(), "; free space"));
}

static void test_base_fail__cuts_the_name_and_not_the_cause(void **state)
{
    static const char cause[] = ": No such file or directory";
    char name[400];

    (void)state;
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    errno = ENOENT;
    assert_int_equal(sherd_fail_errno(SHERD_ERR_IO, "%s", name), SHERD_ERR_IO);
    assert_int_equal(strlen(sherd_err_detail()), SHERD_FAIL_TEXT_SIZE - 1);
    assert_string_equal(sherd_err_detail() + SHERD_FAIL_TEXT_SIZE - sizeof(cause), cause);
}

static void test_base_fail__restores_a_text(void **state)
{
    char kept[SHERD_FAIL_TEXT_SIZE];

    (void)state;
    assert_int_equal(sherd_fail(SHERD_ERR_IO, "first"), SHERD_ERR_IO);
    (void)snprintf(kept, sizeof(kept), "%s", sherd_err_detail());
    assert_int_equal(sherd_fail(SHERD_ERR_IO, "second, which is longer"), SHERD_ERR_IO);
    sherd_fail_restore(kept);
    assert_string_equal(sherd_err_detail(), "first");
    sherd_fail_restore(sherd_err_detail());
    assert_string_equal(sherd_err_detail(), "first");
}

struct thread_seen {
    char at_first[SHERD_FAIL_TEXT_SIZE];
    char after[SHERD_FAIL_TEXT_SIZE];
};

static void *fail_in_thread(void *arg)
{
    struct thread_seen *seen = arg;

    (void)snprintf(seen->at_first, sizeof(seen->at_first), "%s", sherd_err_detail());
    if (sherd_fail(SHERD_ERR_IO, "theirs") == SHERD_ERR_IO)
        (void)snprintf(seen->after, sizeof(seen->after), "%s", sherd_err_detail());
    return NULL;
}

static void test_base_fail__keeps_one_text_per_thread(void **state)
{
    struct thread_seen seen = {.at_first = "unset"};
    pthread_t thread;

    (void)state;
    assert_int_equal(sherd_fail(SHERD_ERR_IO, "mine"), SHERD_ERR_IO);
    assert_int_equal(pthread_create(&thread, NULL, fail_in_thread, &seen), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_string_equal(seen.at_first, "");
    assert_string_equal(seen.after, "theirs");
    assert_string_equal(sherd_err_detail(), "mine");
}

static enum sherd_err tries(enum sherd_err err, int *reached)
{
    SHERD_TRY(err);
    *reached = 1;
    return SHERD_OK;
}

static enum sherd_err ensures(int cond)
{
    SHERD_ENSURE(cond, SHERD_ERR_INVALID, "100%s sure");
    return SHERD_OK;
}

static void test_base_fail__macros_return_early(void **state)
{
    int reached = 0;

    (void)state;
    assert_int_equal(tries(SHERD_ERR_BUSY, &reached), SHERD_ERR_BUSY);
    assert_int_equal(reached, 0);
    assert_int_equal(tries(SHERD_OK, &reached), SHERD_OK);
    assert_int_equal(reached, 1);
    assert_int_equal(ensures(1), SHERD_OK);
    assert_int_equal(ensures(0), SHERD_ERR_INVALID);
    assert_string_equal(sherd_err_detail(), "100%s sure"); /* the text is no format */
}

static void test_base_fail__is_never_a_success(void **state)
{
    (void)state;
    assert_int_equal(sherd_fail(SHERD_OK, "wrong"), SHERD_ERR_INVALID);
    errno = EIO;
    assert_int_equal(sherd_fail_errno(SHERD_OK, "wrong"), SHERD_ERR_INVALID);
}

static void test_base_fail__bug_aborts_with_a_message(void **state)
{
    char said[200] = "";
    int ends[2];
    int status = 0;
    pid_t child;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit no_core = {0};

        (void)setrlimit(RLIMIT_CORE, &no_core);
        (void)signal(SIGABRT, SIG_DFL);
        (void)dup2(ends[1], STDERR_FILENO);
        sherd_bug("%d sherds", 3);
    }
    (void)close(ends[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_true(read(ends[0], said, sizeof(said) - 1) > 0);
    assert_string_equal(said, "sherd: bug: 3 sherds\n");
    (void)close(ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base_fail__returns_the_code_and_keeps_the_text),
        cmocka_unit_test(test_base_fail__preserves_errno),
        cmocka_unit_test(test_base_fail__cuts_at_255_bytes),
        cmocka_unit_test(test_base_fail__never_cuts_a_character),
        cmocka_unit_test(test_base_fail__neutralises_control_characters),
        cmocka_unit_test(test_base_fail__may_quote_the_detail_before),
        cmocka_unit_test(test_base_fail__appends_the_words_for_errno),
        cmocka_unit_test(test_base_fail__tells_missing_memory_from_errno),
        cmocka_unit_test(test_base_fail__says_what_helps_when_space_is_out),
        cmocka_unit_test(test_base_fail__cuts_the_name_and_not_the_cause),
        cmocka_unit_test(test_base_fail__restores_a_text),
        cmocka_unit_test(test_base_fail__keeps_one_text_per_thread),
        cmocka_unit_test(test_base_fail__macros_return_early),
        cmocka_unit_test(test_base_fail__is_never_a_success),
        cmocka_unit_test(test_base_fail__bug_aborts_with_a_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the list of engines, of roles, and of the count of forks. */
#include "store/compartment.h"
#include "base/fork.h"
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those above, which it needs */
#include <cmocka.h>

static void test_store_engines__are_found_by_name(void **state)
{
    const struct sherd_store_ops *const *engines = sherd_store_engines();
    const struct sherd_store_ops *found = NULL;
    size_t count = 0;

    (void)state;
    assert_string_equal(engines[0]->name, "lmdb");
    for (; engines[count] != NULL; count++) {
        assert_int_equal(engines[count]->abi, SHERD_STORE_ABI);
        assert_int_equal(sherd_store_engine(engines[count]->name, &found), SHERD_OK);
        assert_ptr_equal(found, engines[count]);
    }
    assert_int_equal(count, 2);
}

static void test_store_engines__unknown_names_are_refused(void **state)
{
    static const char *const names[] = {"", "LMDB", "lmd", "lmdb2", "fault"};
    const struct sherd_store_ops *found = NULL;

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(names); i++)
        assert_int_equal(sherd_store_engine(names[i], &found), SHERD_ERR_UNSUPPORTED);
    assert_null(found);
}

static void test_store_role__has_the_name_of_its_folder(void **state)
{
    (void)state;
    assert_string_equal(sherd_role_name(SHERD_IDENTITY), "identity");
    assert_string_equal(sherd_role_name(SHERD_ASSETS), "assets");
    assert_string_equal(sherd_role_name(SHERD_SECRETS), "secrets");
    assert_string_equal(sherd_role_name(SHERD_KEYS), "keys");
}

/* 0 if the child sees depth forks more than then. */
static int fork_and_look(unsigned then, unsigned depth)
{
    int status = 0;
    const pid_t child = fork();

    if (child < 0)
        return 1;
    if (child == 0) {
        const bool seen = sherd_fork_count() == then + depth && sherd_fork_passed(then) &&
                          sherd_fork_check(then) == SHERD_ERR_INVALID;

        _exit(seen && (depth == 3 || fork_and_look(then, depth + 1) == 0) ? 0 : 1);
    }
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static void test_store_fork__is_seen_in_children_alone(void **state)
{
    unsigned then;

    (void)state;
    assert_int_equal(sherd_fork_watch(), SHERD_OK);
    assert_int_equal(sherd_fork_watch(), SHERD_OK); /* counts each fork once all the same */
    then = sherd_fork_count();
    assert_int_equal(fork_and_look(then, 1), 0);
    assert_int_equal(sherd_fork_count(), then);
    assert_false(sherd_fork_passed(then));
    assert_int_equal(sherd_fork_check(then), SHERD_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_engines__are_found_by_name),
        cmocka_unit_test(test_store_engines__unknown_names_are_refused),
        cmocka_unit_test(test_store_role__has_the_name_of_its_folder),
        cmocka_unit_test(test_store_fork__is_seen_in_children_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

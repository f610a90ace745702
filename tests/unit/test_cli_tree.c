/* SPDX-License-Identifier: Apache-2.0 */
/* Files as attributes, and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/tree.h"
#include <string.h>

static void test_cli_tree__describes_a_file(void **state)
{
    struct stat st = {.st_mode = S_IFREG | 04755, .st_mtim = {.tv_sec = 1700000000, .tv_nsec = 42}};
    struct cli_tree_meta tree;
    struct timespec mtime = {0};
    mode_t mode = 0;

    (void)state;
    cli_tree_describe("a/b", &st, &tree);
    assert_int_equal(tree.meta.attribute_count, 3);
    assert_null(tree.meta.content_type);
    assert_string_equal(tree.mode, "0755");
    assert_string_equal(tree.mtime, "1700000000.000000042");
    assert_true(cli_tree_parse_mode(tree.attributes[0].value, &mode));
    assert_int_equal(mode, 0755);
    assert_true(cli_tree_parse_mtime(tree.attributes[1].value, &mtime));
    assert_int_equal(mtime.tv_sec, 1700000000);
    assert_int_equal(mtime.tv_nsec, 42);
    st.st_mode = S_IFDIR | 0700;
    cli_tree_describe("a", &st, &tree);
    assert_string_equal(tree.meta.content_type, CLI_TREE_DIRECTORY_TYPE);
}

static void test_cli_tree__reads_times_before_1970(void **state)
{
    const struct timespec before = {.tv_sec = -2, .tv_nsec = 500000000};
    char text[CLI_TREE_MTIME_SIZE];
    struct timespec after = {0};

    (void)state;
    cli_tree_format_mtime(&before, text);
    assert_true(cli_tree_parse_mtime(sherd_span_str(text), &after));
    assert_int_equal(after.tv_sec, -2);
    assert_int_equal(after.tv_nsec, 500000000);
}

static void test_cli_tree__refuses_odd_modes_and_times(void **state)
{
    static const char *const modes[] = {"", "7", "77", "07777x", "00755", "0788", "rwx", "-755"};
    static const char *const times[] = {"",
                                        "-",
                                        "x",
                                        "1.5",
                                        "1.0000000001",
                                        "--1",
                                        "1.-00000001",
                                        ".5",
                                        "+1",
                                        "1.00000000x",
                                        "99999999999999999999",
                                        "123456789012345678901234567890123"};
    struct timespec mtime = {.tv_sec = 5};
    mode_t mode = 5;

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(modes); i++)
        assert_false(cli_tree_parse_mode(sherd_span_str(modes[i]), &mode));
    for (size_t i = 0; i < SHERD_COUNT_OF(times); i++)
        assert_false(cli_tree_parse_mtime(sherd_span_str(times[i]), &mtime));
    assert_int_equal(mode, 5);
    assert_int_equal(mtime.tv_sec, 5);
    assert_true(cli_tree_parse_mode(sherd_span_str("4755"), &mode));
    assert_int_equal(mode, 0755);
}

static void test_cli_tree__finds_attributes(void **state)
{
    struct sherd_attribute attributes[] = {{"mode", sherd_span_str("0600")}, {"path", sherd_span_str("x")}};
    const struct sherd_record_info info = {.attributes = attributes, .attribute_count = 2};

    (void)state;
    assert_ptr_equal(cli_tree_attribute(&info, "path"), &attributes[1]);
    assert_null(cli_tree_attribute(&info, "pat"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cli_tree__describes_a_file),
        cmocka_unit_test(test_cli_tree__reads_times_before_1970),
        cmocka_unit_test(test_cli_tree__refuses_odd_modes_and_times),
        cmocka_unit_test(test_cli_tree__finds_attributes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

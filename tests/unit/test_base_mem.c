/* SPDX-License-Identifier: Apache-2.0 */
/* Heap memory: zeroed, refused where it cannot be had, and the wipe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/failpoint.h"
#include "base/mem.h"
#include <string.h>

/* No machine has it; volatile, so that the compiler does not say so first. */
static const volatile size_t too_much = SIZE_MAX / 2;

static void assert_zero(const uint8_t *block, size_t size)
{
    for (size_t i = 0; i < size; i++)
        assert_int_equal(block[i], 0);
}

static void test_base_mem__gives_zeroed_blocks(void **state)
{
    (void)state;
    for (size_t size = 0; size < 5000; size = size * 2 + 1) {
        for (int turn = 0; turn < 3; turn++) { /* again, so that a used block comes back */
            uint8_t *block = sherd_alloc(size);

            assert_non_null(block);
            assert_zero(block, size);
            memset(block, 0xff, size);
            sherd_free(block);
        }
    }
    sherd_free(NULL);
}

static void test_base_mem__gives_zeroed_arrays(void **state)
{
    uint8_t *block = sherd_alloc_array(10, 100);

    (void)state;
    assert_non_null(block);
    assert_zero(block, 1000);
    sherd_free(block);
    block = sherd_alloc_array(0, 100);
    assert_non_null(block);
    sherd_free(block);
    block = sherd_alloc_array(100, 0);
    assert_non_null(block);
    sherd_free(block);
}

static void test_base_mem__refuses_a_product_that_overflows(void **state)
{
    const volatile size_t half = SIZE_MAX / 2 + 1;

    (void)state;
    assert_null(sherd_alloc_array(half, 2)); /* wraps to 0 */
    assert_null(sherd_alloc_array(2, half));
    assert_null(sherd_alloc_array(half + 1, 2)); /* wraps to 2 */
    assert_non_null(strstr(sherd_err_detail(), "out of memory"));
}

static void test_base_mem__says_when_there_is_none(void **state)
{
    (void)state;
    sherd_fail_restore("");
    assert_null(sherd_alloc(too_much));
    assert_non_null(strstr(sherd_err_detail(), "out of memory"));
}

static void test_base_mem__grows_a_block(void **state)
{
    char *block = sherd_realloc(NULL, 4);
    char *grown = NULL;

    (void)state;
    assert_non_null(block);
    memcpy(block, "abc", 4);
    grown = sherd_realloc(block, 100000);
    assert_non_null(grown);
    assert_string_equal(grown, "abc");
    sherd_fail_restore("");
    assert_null(sherd_realloc(grown, too_much));
    assert_non_null(strstr(sherd_err_detail(), "out of memory"));
    assert_string_equal(grown, "abc"); /* the old block stays */
    block = sherd_realloc(grown, 0);
    assert_non_null(block); /* and shrinks to one byte, not to none */
    block[0] = 'x';
    sherd_free(block);
}

static void test_base_mem__copies_a_string(void **state)
{
    static const char text[] = "sherd";
    char *copy = sherd_strdup(text);

    (void)state;
    assert_non_null(copy);
    assert_ptr_not_equal(copy, text);
    assert_string_equal(copy, text);
    sherd_free(copy);
}

static void test_base_mem__wipes_what_it_is_told_to(void **state)
{
    uint8_t block[66];

    (void)state;
    memset(block, 0xff, sizeof(block));
    sherd_wipe(block + 1, 64);
    assert_int_equal(block[0], 0xff);
    assert_int_equal(block[65], 0xff);
    assert_zero(block + 1, 64);
    sherd_wipe(NULL, 0);
}

#if SHERD_FAILPOINTS
static enum sherd_err deny_alloc(void *arg, const char *name)
{
    unsigned int *asked = arg;

    if (strcmp(name, "alloc") != 0)
        return SHERD_OK;
    (*asked)++;
    return SHERD_ERR_NO_MEMORY;
}

static void test_base_mem__asks_the_failpoint(void **state)
{
    unsigned int asked = 0;
    char *block = sherd_alloc(1);

    (void)state;
    sherd_failpoint_set(deny_alloc, &asked);
    assert_null(sherd_alloc(1));
    assert_null(sherd_alloc_array(1, 1));
    assert_null(sherd_realloc(block, 10));
    assert_null(sherd_strdup("x"));
    sherd_failpoint_set(NULL, NULL);
    assert_int_equal(asked, 4);
    assert_non_null(strstr(sherd_err_detail(), "out of memory"));
    sherd_free(block);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base_mem__gives_zeroed_blocks),
        cmocka_unit_test(test_base_mem__gives_zeroed_arrays),
        cmocka_unit_test(test_base_mem__refuses_a_product_that_overflows),
        cmocka_unit_test(test_base_mem__says_when_there_is_none),
        cmocka_unit_test(test_base_mem__grows_a_block),
        cmocka_unit_test(test_base_mem__copies_a_string),
        cmocka_unit_test(test_base_mem__wipes_what_it_is_told_to),
#if SHERD_FAILPOINTS
        cmocka_unit_test(test_base_mem__asks_the_failpoint),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The randomness table: whole or nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/failpoint.h"
#include "base/random.h"
#include <stdlib.h>
#include <string.h>

static void test_base_random__fills_the_whole_block(void **state)
{
    enum { SIZE = 1 << 20 }; /* the system gives this much only in parts */
    uint8_t *block = test_calloc(SIZE, 1);
    unsigned int counts[256] = {0};

    (void)state;
    assert_int_equal(sherd_random(block, SIZE), SHERD_OK);
    for (size_t i = 0; i < SIZE; i++)
        counts[block[i]]++;
    for (size_t i = 0; i < 256; i++) /* 4096 each on average, standard deviation 64: ten of these */
        assert_in_range(counts[i], 4096 - 640, 4096 + 640);
    for (size_t at = 0; at < SIZE; at += 64) { /* no stretch was left out */
        static const uint8_t zeros[64];

        assert_memory_not_equal(block + at, zeros, sizeof(zeros));
    }
    test_free(block);
}

static void test_base_random__stays_within_the_block(void **state)
{
    uint8_t block[34] = {0};

    (void)state;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(sherd_random(block + 1, 32), SHERD_OK);
        assert_int_equal(block[0], 0);
        assert_int_equal(block[33], 0);
    }
    assert_int_equal(sherd_random(NULL, 0), SHERD_OK);
}

static void test_base_random__differs_each_time(void **state)
{
    uint8_t first[16];
    uint8_t second[16];

    (void)state;
    assert_int_equal(sherd_random(first, sizeof(first)), SHERD_OK);
    assert_int_equal(sherd_random(second, sizeof(second)), SHERD_OK);
    assert_memory_not_equal(first, second, sizeof(first));
}

static enum sherd_err fill_half(uint8_t *block, size_t size)
{
    memset(block, 0x5a, size / 2);
    return sherd_fail(SHERD_ERR_IO, "half way");
}

static enum sherd_err fill_fixed(uint8_t *block, size_t size)
{
    memset(block, 0x5a, size);
    return SHERD_OK;
}

static void test_base_random__leaves_nothing_of_a_failure(void **state)
{
    static const struct sherd_random_source half = {.fill = fill_half};
    static const uint8_t zeros[16];
    uint8_t block[16] = {1, 2, 3};

    (void)state;
    sherd_random_set(&half);
    assert_int_equal(sherd_random(block, sizeof(block)), SHERD_ERR_IO);
    sherd_random_set(NULL);
    assert_string_equal(sherd_err_detail(), "half way");
    assert_memory_equal(block, zeros, sizeof(block));
}

static void test_base_random__takes_another_source_and_back(void **state)
{
    static const struct sherd_random_source fixed = {.fill = fill_fixed};
    uint8_t want[16];
    uint8_t block[16];

    (void)state;
    memset(want, 0x5a, sizeof(want));
    sherd_random_set(&fixed);
    assert_int_equal(sherd_random(block, sizeof(block)), SHERD_OK);
    assert_memory_equal(block, want, sizeof(want));
    sherd_random_set(NULL);
    assert_int_equal(sherd_random(block, sizeof(block)), SHERD_OK);
    assert_memory_not_equal(block, want, sizeof(want));
}

#if SHERD_FAILPOINTS
static enum sherd_err fail_random(void *arg, const char *name)
{
    (void)arg;
    return strcmp(name, "random") == 0 ? sherd_fail(SHERD_ERR_IO, "asked to fail") : SHERD_OK;
}

static void test_base_random__asks_the_failpoint(void **state)
{
    static const uint8_t zeros[16];
    uint8_t block[16] = {1, 2, 3};

    (void)state;
    sherd_failpoint_set(fail_random, NULL);
    assert_int_equal(sherd_random(block, sizeof(block)), SHERD_ERR_IO);
    sherd_failpoint_set(NULL, NULL);
    assert_memory_equal(block, zeros, sizeof(block));
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base_random__fills_the_whole_block),
        cmocka_unit_test(test_base_random__stays_within_the_block),
        cmocka_unit_test(test_base_random__differs_each_time),
        cmocka_unit_test(test_base_random__leaves_nothing_of_a_failure),
#if SHERD_FAILPOINTS
        cmocka_unit_test(test_base_random__asks_the_failpoint),
#endif
        cmocka_unit_test(test_base_random__takes_another_source_and_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Comparison in constant time: what it answers. How long it takes is for tests/ct. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "crypto/ct.h"
#include <string.h>

#define SIZE_MOST 100

static void test_crypto_ct__equal_blocks_are_equal(void **state)
{
    uint8_t a[SIZE_MOST];
    uint8_t b[SIZE_MOST];

    (void)state;
    for (unsigned fill = 0; fill < 256; fill++) {
        memset(a, (int)fill, sizeof(a));
        memset(b, (int)fill, sizeof(b));
        for (size_t size = 0; size <= sizeof(a); size++)
            assert_true(sherd_ct_equal(a, b, size));
    }
    assert_true(sherd_ct_equal(NULL, NULL, 0));
}

static void test_crypto_ct__every_single_difference_is_seen(void **state)
{
    uint8_t a[SIZE_MOST] = {0};
    uint8_t b[SIZE_MOST] = {0};

    (void)state;
    for (size_t at = 0; at < sizeof(a); at++) {
        for (unsigned value = 1; value < 256; value++) {
            b[at] = (uint8_t)value;
            assert_false(sherd_ct_equal(a, b, sizeof(a)));
            assert_false(sherd_ct_equal(a, b, at + 1));
            assert_true(sherd_ct_equal(a, b, at));
        }
        b[at] = 0;
    }
}

/* Differences must add up, not cancel out. */
static void test_crypto_ct__two_differences_do_not_cancel_out(void **state)
{
    uint8_t a[32] = {0};
    uint8_t b[32] = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(a); i++) {
        for (size_t j = 0; j < sizeof(a); j++) {
            memset(b, 0, sizeof(b));
            b[i] ^= 0x80;
            b[j] |= 0x80;
            assert_false(sherd_ct_equal(a, b, sizeof(a)));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crypto_ct__equal_blocks_are_equal),
        cmocka_unit_test(test_crypto_ct__every_single_difference_is_seen),
        cmocka_unit_test(test_crypto_ct__two_differences_do_not_cancel_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

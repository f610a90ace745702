/* SPDX-License-Identifier: Apache-2.0 */
/* The clock table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include <time.h>

static void test_base_clock__tells_the_system_time(void **state)
{
    const time_t before = time(NULL);
    const int64_t now = sherd_clock()->wall_s();

    (void)state;
    assert_true(now >= before - 1); /* time() may lag by a tick */
    assert_true(now <= time(NULL) + 1);
}

static void test_base_clock__monotonic_moves_forward_in_nanoseconds(void **state)
{
    const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
    const uint64_t before = sherd_clock()->monotonic_ns();
    uint64_t passed = 0;

    (void)state;
    assert_int_equal(nanosleep(&pause, NULL), 0);
    passed = sherd_clock()->monotonic_ns() - before;
    assert_true(passed >= 20u * 1000 * 1000);
    assert_true(passed < UINT64_C(30) * 1000 * 1000 * 1000);
}

static int64_t wall_fixed(void)
{
    return 1234567890;
}

static uint64_t monotonic_fixed(void)
{
    return 42;
}

static void test_base_clock__is_set_and_set_back(void **state)
{
    static const struct sherd_clock fixed = {.wall_s = wall_fixed, .monotonic_ns = monotonic_fixed};

    (void)state;
    sherd_clock_set(&fixed);
    assert_int_equal(sherd_clock()->wall_s(), 1234567890);
    assert_int_equal(sherd_clock()->monotonic_ns(), 42);
    sherd_clock_set(NULL);
    assert_int_not_equal(sherd_clock()->wall_s(), 1234567890);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base_clock__tells_the_system_time),
        cmocka_unit_test(test_base_clock__monotonic_moves_forward_in_nanoseconds),
        cmocka_unit_test(test_base_clock__is_set_and_set_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tests/unit/clock.h
 * A clock that goes as the system's, and that a test moves on or back.
 */
#ifndef SHERD_TESTS_UNIT_CLOCK_H
#define SHERD_TESTS_UNIT_CLOCK_H

#include "base/clock.h"
#include <stdatomic.h>
#include <time.h>

static atomic_llong clock_moved_s;

__attribute__((unused)) static int64_t clock_wall_s(void)
{
    return (int64_t)time(NULL) + atomic_load(&clock_moved_s);
}

/* It never goes back, as the system's does not. */
__attribute__((unused)) static uint64_t clock_monotonic_ns(void)
{
    struct timespec now = {0};
    const long long moved_s = atomic_load(&clock_moved_s);

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)(now.tv_sec + (moved_s > 0 ? moved_s : 0)) * 1000000000U + (uint64_t)now.tv_nsec;
}

static const struct sherd_clock clock_of_test = {.wall_s = clock_wall_s, .monotonic_ns = clock_monotonic_ns};

/** Before threads start. */
__attribute__((unused)) static void clock_use(void)
{
    atomic_store(&clock_moved_s, 0);
    sherd_clock_set(&clock_of_test);
}

__attribute__((unused)) static void clock_move(long long seconds)
{
    (void)atomic_fetch_add(&clock_moved_s, seconds);
}

#endif

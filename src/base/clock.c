/* SPDX-License-Identifier: Apache-2.0 */
/* The system's clocks, and the one that a test sets in their place. */
#include "base/clock.h"

#include "base/fail.h"
#include <stdatomic.h>
#include <stddef.h>
#include <time.h>

static struct timespec system_time(clockid_t id)
{
    struct timespec now;

    if (clock_gettime(id, &now) != 0)
        sherd_bug("clock %d cannot be read", (int)id);
    return now;
}

static int64_t system_wall_s(void)
{
    return (int64_t)system_time(CLOCK_REALTIME).tv_sec;
}

static uint64_t system_monotonic_ns(void)
{
    const struct timespec now = system_time(CLOCK_MONOTONIC);

    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static const struct sherd_clock system_clock = {.wall_s = system_wall_s, .monotonic_ns = system_monotonic_ns};
static const struct sherd_clock *_Atomic clock_in_use = &system_clock;

const struct sherd_clock *sherd_clock(void)
{
    return atomic_load_explicit(&clock_in_use, memory_order_acquire);
}

void sherd_clock_set(const struct sherd_clock *clock)
{
    atomic_store_explicit(&clock_in_use, clock != NULL ? clock : &system_clock, memory_order_release);
}

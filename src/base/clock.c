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

static uint64_t nanoseconds(struct timespec time)
{
    return (uint64_t)time.tv_sec * 1000000000U + (uint64_t)time.tv_nsec;
}

static uint64_t system_monotonic_ns(void)
{
    return nanoseconds(system_time(CLOCK_MONOTONIC));
}

static uint64_t system_wall_ns(void)
{
    return nanoseconds(system_time(CLOCK_REALTIME));
}

static const struct sherd_clock system_clock = {
    .wall_s = system_wall_s, .monotonic_ns = system_monotonic_ns, .wall_ns = system_wall_ns};
static const struct sherd_clock *_Atomic clock_in_use = &system_clock;

const struct sherd_clock *sherd_clock(void)
{
    return atomic_load_explicit(&clock_in_use, memory_order_acquire);
}

uint64_t sherd_clock_wall_ns(void)
{
    const struct sherd_clock *clock = sherd_clock();

    return clock->wall_ns != NULL ? clock->wall_ns() : (uint64_t)clock->wall_s() * 1000000000U;
}

void sherd_clock_set(const struct sherd_clock *clock)
{
    atomic_store_explicit(&clock_in_use, clock != NULL ? clock : &system_clock, memory_order_release);
}

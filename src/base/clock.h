/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file base/clock.h
 * Time through a table, so that a test can set it.
 */
#ifndef SHERD_BASE_CLOCK_H
#define SHERD_BASE_CLOCK_H

#include <stdint.h>

struct sherd_clock {
    /** Seconds since 1970-01-01 UTC. */
    int64_t (*wall_s)(void);
    /** Nanoseconds of a clock that never jumps. */
    uint64_t (*monotonic_ns)(void);
    /** Nanoseconds since 1970-01-01 UTC; NULL: only the seconds are known. */
    uint64_t (*wall_ns)(void);
};

/** The clock in use; the system's unless a test set another. */
const struct sherd_clock *sherd_clock(void);

/** Nanoseconds since 1970-01-01 UTC, by the clock in use. */
uint64_t sherd_clock_wall_ns(void);

/** Set the clock of the process; NULL for the system's. For tests, before threads start. */
void sherd_clock_set(const struct sherd_clock *clock);

#endif

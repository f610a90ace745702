/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file bench/engine/tools.h
 * Time, medians, numbers without order, and an end for what fails.
 */
#ifndef SHERD_BENCH_ENGINE_TOOLS_H
#define SHERD_BENCH_ENGINE_TOOLS_H

#include <stddef.h>
#include <stdint.h>

/** End the program with a message. */
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...);

/** Seconds of a clock that never jumps. */
double now_s(void);

/** A number that looks random, the same for the same z. */
uint64_t mix(uint64_t z);

/** Sort, and return the middle: other work on the machine passes, and what is ours stays. */
double median(double *figures, size_t count);

#endif

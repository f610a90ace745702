/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file bench/common.h
 * What the benchmarks share: options, the clock, medians, one JSON line a figure, a vault and contents to measure with.
 * Any failure ends the program: a benchmark has nothing to save.
 */
#ifndef SHERD_BENCH_COMMON_H
#define SHERD_BENCH_COMMON_H

#include <sherd/sherd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** What the command line says. */
struct bench_options {
    const char *dir; /**< where the benchmark makes a folder of its own, which it removes: on the disk to be measured */
    uint64_t records; /**< as the program understands it */
    unsigned rounds;  /**< alternated rounds that a median is taken of */
    bool full;        /**< the long form of the program */
};

/** Upper limit of --rounds. */
#define BENCH_ROUNDS_MAX 64U

/** Read [--dir DIR] [--records N] [--rounds N] [--full] over what is in options already. */
void bench_options(int argc, char **argv, struct bench_options *options);

/** End the program with a message. */
__attribute__((noreturn, format(printf, 1, 2))) void bench_die(const char *format, ...);

/** End the program with the detail of what failed, unless nothing did. */
void bench_check(enum sherd_err err, const char *what);

/** Monotonic time, in seconds. */
double bench_now_s(void);

/** @return the median; values are sorted by it */
double bench_median(double *values, size_t count);

/** @return the value that this share of the values is not above; values must be sorted */
double bench_quantile(const double *values, size_t count, double share);

/** What is wanted of a figure. */
enum bench_wanted {
    BENCH_NOTHING,        /**< for orientation */
    BENCH_RATIO_AT_LEAST, /**< value / limit */
    BENCH_VALUE_AT_MOST,
};

/** A figure and what it is held against. */
struct bench_figure {
    const char *bench; /**< the program */
    const char *name;
    double value;
    const char *unit;
    const char *limit; /**< what the limit or peer is; NULL for none */
    double limit_value;
    double ratio; /**< median of the rounds' ratios; 0: value / limit_value */
    enum bench_wanted wanted;
    double bound;
};

/** Print a figure as one line of JSON. */
void bench_report(const struct bench_figure *figure);

/** Rounds of a figure and of what it is held against, side by side. */
struct bench_series {
    double value[BENCH_ROUNDS_MAX];
    double limit[BENCH_ROUNDS_MAX];
    unsigned count;
};

/** Add one round. */
void bench_series_add(struct bench_series *series, double value, double limit);

/** Report the medians of the values, of the limits, and of their ratios round by round. */
void bench_series_report(const struct bench_series *series, struct bench_figure figure);

/** Make DIR/NAME-XXXXXX, which is removed with all in it when the program ends. @return its path, for good */
const char *bench_folder(const struct bench_options *options, const char *name);

/** Remove a folder and all in it. */
void bench_remove(const char *path);

/** folder/name, in a block of the program's life. */
const char *bench_path(const char *folder, const char *name);

/** Make a vault under a new key file, and open it. */
struct sherd_vault *bench_vault(const char *path, unsigned threads);

/** Bytes without a pattern: number gives each its own. */
void bench_fill(void *block, size_t bytes, uint64_t number);

/** A block of memory, touched, for the program's life or until bench_unmap(). */
void *bench_map(size_t bytes);
void bench_unmap(void *block, size_t bytes);

/** A random number below limit; each thread brings its own state. */
uint64_t bench_random(uint64_t *state, uint64_t limit);

/** Run fn(arg, i) for i below count, each in a thread of its own, and wait. */
void bench_threads(unsigned count, void (*fn)(void *arg, unsigned i), void *arg);

#endif

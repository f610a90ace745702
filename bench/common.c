/* SPDX-License-Identifier: Apache-2.0 */
/* See common.h. */
#include "common.h"
#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PATH_SIZE 4096U
#define THREADS_MAX 64U

void bench_die(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    exit(1);
}

void bench_check(enum sherd_err err, const char *what)
{
    if (err != SHERD_OK)
        bench_die("%s: %s: %s", what, sherd_err_name(err), sherd_err_detail());
}

static uint64_t number(const char *text)
{
    char *end = NULL;
    const unsigned long long value = strtoull(text, &end, 10);

    if (*text == 0 || *end != 0 || value == 0)
        bench_die("not a number above 0: %s", text);
    return value;
}

void bench_options(int argc, char **argv, struct bench_options *options)
{
    static const struct option known[] = {{"dir", required_argument, NULL, 'd'},
                                          {"records", required_argument, NULL, 'n'},
                                          {"rounds", required_argument, NULL, 'r'},
                                          {"full", no_argument, NULL, 'f'},
                                          {0}};
    int option;

    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'd': options->dir = optarg; break;
        case 'n': options->records = number(optarg); break;
        case 'r': options->rounds = (unsigned)number(optarg); break;
        case 'f': options->full = true; break;
        default: bench_die("usage: %s [--dir DIR] [--records N] [--rounds N] [--full]", argv[0]);
        }
    }
    if (options->rounds == 0 || options->rounds > BENCH_ROUNDS_MAX)
        bench_die("1 to %u rounds", BENCH_ROUNDS_MAX);
}

double bench_now_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* --- figures ----------------------------------------------------------------------------------------------------- */

static int compare_doubles(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;

    return (a > b) - (a < b);
}

double bench_median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), compare_doubles);
    return count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

double bench_quantile(const double *values, size_t count, double share)
{
    const size_t index = (size_t)(share * (double)count);

    return values[index < count ? index : count - 1];
}

void bench_report(const struct bench_figure *figure)
{
    const double ratio = figure->ratio > 0 || figure->limit == NULL ? figure->ratio
                                                                    : figure->value / figure->limit_value;

    printf("{\"bench\":\"%s\",\"name\":\"%s\",\"value\":%.6g,\"unit\":\"%s\"", figure->bench, figure->name,
           figure->value, figure->unit);
    if (figure->limit != NULL)
        printf(",\"limit\":\"%s\",\"limit_value\":%.6g,\"ratio\":%.3f", figure->limit, figure->limit_value, ratio);
    if (figure->wanted == BENCH_RATIO_AT_LEAST)
        printf(",\"wanted\":\"ratio >= %g\",\"pass\":%s", figure->bound, ratio >= figure->bound ? "true" : "false");
    if (figure->wanted == BENCH_VALUE_AT_MOST)
        printf(",\"wanted\":\"value <= %g\",\"pass\":%s", figure->bound,
               figure->value <= figure->bound ? "true" : "false");
    printf("}\n");
    (void)fflush(stdout);
}

void bench_series_add(struct bench_series *series, double value, double limit)
{
    series->value[series->count] = value;
    series->limit[series->count] = limit;
    series->count++;
}

void bench_series_report(const struct bench_series *series, struct bench_figure figure)
{
    struct bench_series sorted = *series;
    double ratios[BENCH_ROUNDS_MAX];

    for (unsigned i = 0; i < series->count; i++)
        ratios[i] = series->value[i] / series->limit[i];
    figure.ratio = bench_median(ratios, series->count);
    figure.value = bench_median(sorted.value, series->count);
    figure.limit_value = bench_median(sorted.limit, series->count);
    bench_report(&figure);
}

/* --- folders ----------------------------------------------------------------------------------------------------- */

static const char *folder_of_run;

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *place)
{
    (void)stat;
    (void)type;
    (void)place;
    return remove(path);
}

void bench_remove(const char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void remove_folder(void)
{
    bench_remove(folder_of_run);
}

const char *bench_path(const char *folder, const char *name)
{
    char *path = malloc(PATH_SIZE);

    if (path == NULL || (size_t)snprintf(path, PATH_SIZE, "%s/%s", folder, name) >= PATH_SIZE)
        bench_die("a path is too long");
    return path;
}

const char *bench_folder(const struct bench_options *options, const char *name)
{
    char *path = malloc(PATH_SIZE);

    if (path == NULL || (size_t)snprintf(path, PATH_SIZE, "%s/%s-XXXXXX", options->dir, name) >= PATH_SIZE)
        bench_die("a path is too long");
    if (mkdtemp(path) == NULL)
        bench_die("%s: %s", path, strerror(errno));
    folder_of_run = path;
    (void)atexit(remove_folder);
    return path;
}

/* --- a vault and contents ---------------------------------------------------------------------------------------- */

struct sherd_vault *bench_vault(const char *path, unsigned threads)
{
    const struct sherd_vault_open_options options = {.threads = threads};
    struct sherd_buf text = {.max = SHERD_KEY_FILE_TEXT_BYTES};
    struct sherd_vault *vault = NULL;

    bench_check(sherd_key_file_new(&text), "key file");
    const struct sherd_unseal unseal = {.key_file = sherd_buf_span(&text)};
    bench_check(sherd_vault_init(path, &unseal, NULL), "init");
    bench_check(sherd_vault_open(path, &unseal, &options, &vault), "open");
    sherd_buf_done(&text);
    return vault;
}

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t bench_random(uint64_t *state, uint64_t limit)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return mix(*state) % limit;
}

void bench_fill(void *block, size_t bytes, uint64_t number_of_block)
{
    uint64_t state = mix(number_of_block + 1);
    uint8_t *out = block;

    for (size_t i = 0; i < bytes; i += sizeof(uint64_t)) {
        const size_t left = bytes - i;

        state += UINT64_C(0x9e3779b97f4a7c15);
        const uint64_t word = mix(state);
        memcpy(out + i, &word, left < sizeof(word) ? left : sizeof(word));
    }
}

void *bench_map(size_t bytes)
{
    void *block = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

    if (block == MAP_FAILED)
        bench_die("%zu bytes of memory: %s", bytes, strerror(errno));
    return block;
}

void bench_unmap(void *block, size_t bytes)
{
    (void)munmap(block, bytes);
}

/* --- threads ----------------------------------------------------------------------------------------------------- */

struct thread {
    pthread_t id;
    void (*fn)(void *arg, unsigned i);
    void *arg;
    unsigned index;
};

static void *run_thread(void *arg)
{
    const struct thread *thread = arg;

    thread->fn(thread->arg, thread->index);
    return NULL;
}

void bench_threads(unsigned count, void (*fn)(void *arg, unsigned i), void *arg)
{
    struct thread threads[THREADS_MAX];

    for (unsigned i = 0; i < count; i++) {
        threads[i] = (struct thread){.fn = fn, .arg = arg, .index = i};
        if (i >= THREADS_MAX || pthread_create(&threads[i].id, NULL, run_thread, &threads[i]) != 0)
            bench_die("a thread could not be started");
    }
    for (unsigned i = 0; i < count; i++)
        (void)pthread_join(threads[i].id, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Do puts and gets keep their rate as a vault grows? Batches of 64, single puts, and gets in random order, of 128
 * bytes, at 1e4, 1e5, 1e6 records and on to --records N (a million; with --full ten). Each rate as a ratio to that of
 * the first size. growth.py draws the curve.
 */
#include "common.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BENCH "growth"
#define CONTENT_BYTES 128U
#define LOAD_BATCH 1024U
#define BATCH 64U
#define SIZE_FIRST UINT64_C(10000)
#define ROUND_S 1.0
#define KINDS 3U

struct bench {
    struct sherd_vault *vault;
    struct sherd_uuid *ids;
    uint64_t count;
    uint64_t room;
    uint64_t state;
    uint8_t content[CONTENT_BYTES];
};

static void put_batch(struct bench *bench, size_t count)
{
    static struct sherd_batch_item items[LOAD_BATCH];

    for (size_t i = 0; i < count; i++)
        items[i] = (struct sherd_batch_item){.content = sherd_span_of(bench->content, CONTENT_BYTES)};
    bench_check(sherd_record_put_batch(bench->vault, items, count), "batch");
    for (size_t i = 0; i < count && bench->count < bench->room; i++)
        bench->ids[bench->count++] = items[i].id;
}

static unsigned put_64(struct bench *bench)
{
    put_batch(bench, BATCH);
    return BATCH;
}

static unsigned put_one(struct bench *bench)
{
    struct sherd_uuid id;

    bench_check(sherd_record_put(bench->vault, NULL, sherd_span_of(bench->content, CONTENT_BYTES), &id), "put");
    return 1;
}

static unsigned get_one(struct bench *bench)
{
    uint8_t block[CONTENT_BYTES];
    struct sherd_buf content = sherd_buf_borrow(block, sizeof(block));

    bench_check(sherd_record_get(bench->vault, bench->ids[bench_random(&bench->state, bench->count)], 0, &content),
                "get");
    return 1;
}

static const struct {
    const char *name;
    unsigned (*once)(struct bench *bench);
} kinds[KINDS] = {{"puts, batches of 64", put_64}, {"puts, one by one", put_one}, {"gets, random order", get_one}};

static double rate(struct bench *bench, unsigned (*once)(struct bench *bench))
{
    const double start = bench_now_s();
    uint64_t count = 0;

    while (bench_now_s() - start < ROUND_S)
        count += once(bench);
    return (double)count / (bench_now_s() - start);
}

/* Bytes that the process has written so far. */
static double written_bytes(void)
{
    static const char field[] = "wchar: ";
    char line[128];
    double bytes = 0;
    FILE *file = fopen("/proc/self/io", "re");

    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, field, strlen(field)) == 0)
            bytes = strtod(line + strlen(field), NULL);
    if (file != NULL)
        (void)fclose(file);
    return bytes;
}

/* The rates at one size: medians of rounds that take turns. */
static void measure(struct bench *bench, unsigned rounds, double out_rates[static KINDS])
{
    double rates[KINDS][BENCH_ROUNDS_MAX];

    (void)rate(bench, get_one); /* warm */
    for (unsigned i = 0; i < rounds; i++)
        for (unsigned k = 0; k < KINDS; k++)
            rates[k][i] = rate(bench, kinds[k].once);
    for (unsigned k = 0; k < KINDS; k++)
        out_rates[k] = bench_median(rates[k], rounds);
}

static void report(uint64_t size, const double rates[static KINDS], const double first[static KINDS])
{
    for (unsigned k = 0; k < KINDS; k++) {
        char name[96];

        (void)snprintf(name, sizeof(name), "%s, at %llu records", kinds[k].name, (unsigned long long)size);
        bench_report(&(struct bench_figure){.bench = BENCH,
                                            .name = name,
                                            .value = rates[k],
                                            .unit = "record/s",
                                            .limit = "the same at 10000 records",
                                            .limit_value = first[k],
                                            .wanted = size > SIZE_FIRST ? BENCH_RATIO_AT_LEAST : BENCH_NOTHING,
                                            .bound = 0.5});
    }
}

/* Load up to a size, and say how much was written for each record. */
static void load(struct bench *bench, uint64_t size)
{
    const double before = written_bytes();
    const uint64_t count = bench->count;
    char name[96];

    while (bench->count < size)
        put_batch(bench, LOAD_BATCH);
    (void)snprintf(name, sizeof(name), "written for a record, up to %llu records", (unsigned long long)size);
    bench_report(&(struct bench_figure){.bench = BENCH,
                                        .name = name,
                                        .unit = "byte/record",
                                        .wanted = BENCH_NOTHING,
                                        .value = (written_bytes() - before) / (double)(bench->count - count)});
}

int main(int argc, char **argv)
{
    struct bench_options options = {.dir = "/var/tmp", .rounds = 3, .records = 1000000};
    struct bench bench = {0};
    double first[KINDS], rates[KINDS];

    bench_options(argc, argv, &options);
    bench.room = options.full ? 10000000 : options.records;
    bench.ids = calloc(bench.room, sizeof(*bench.ids));
    if (bench.ids == NULL)
        bench_die("out of memory");
    bench.vault = bench_vault(bench_path(bench_folder(&options, BENCH), "vault"), 0);
    bench_fill(bench.content, sizeof(bench.content), 1);
    for (uint64_t size = SIZE_FIRST; size <= bench.room; size *= 10) {
        load(&bench, size);
        measure(&bench, options.rounds, rates);
        for (unsigned k = 0; k < KINDS && size == SIZE_FIRST; k++)
            first[k] = rates[k];
        report(size, rates, first);
    }
    sherd_vault_close(bench.vault);
    free(bench.ids);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Do puts and gets keep their rate as a vault grows? Batches of 64, single puts, and gets in random order, of 128
 * bytes, at 1e4, 1e5, 1e6 records and on to --records N (a million; with --full ten). Each rate as a ratio to that of
 * the first size. Beside them what bounds them: the three gets from the engine that a get of a record needs, and the
 * flush of a block in place. growth.py draws the curve.
 */
#include "anchor/embedded/embedded.h"
#include "common.h"
#include "cryptor/vault.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BENCH "growth"
#define CONTENT_BYTES 128U
#define LOAD_BATCH 1024U
#define BATCH 64U
#define SIZE_FIRST UINT64_C(10000)
#define ROUND_S 1.0
#define KINDS 5U
#define STORES 3U
#define NAMES_MAX (UINT64_C(1) << 20) /* of a compartment, evenly out of all */
#define FLUSH_FILE_BYTES ((size_t)4 << 20)

struct bench {
    struct sherd_vault *vault;
    struct sherd_uuid *ids;
    uint64_t count;
    uint64_t room;
    uint64_t state;
    struct sherd_compartment *stores[STORES];
    struct sherd_ref *names[STORES];
    uint64_t name_counts[STORES];
    int flush_fd;
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

/* What a get of a record takes from the engine, by names that are known. */
static unsigned get_bare(struct bench *bench)
{
    uint8_t block[2048];

    for (unsigned i = 0; i < STORES; i++) {
        struct sherd_buf value = sherd_buf_borrow(block, sizeof(block));

        bench_check(sherd_compartment_get(bench->stores[i],
                                          bench->names[i][bench_random(&bench->state, bench->name_counts[i])], &value),
                    "engine get");
    }
    return 1;
}

static unsigned flush_one(struct bench *bench)
{
    const off_t offset = (off_t)(bench_random(&bench->state, FLUSH_FILE_BYTES / CONTENT_BYTES) * CONTENT_BYTES);

    if (pwrite(bench->flush_fd, bench->content, CONTENT_BYTES, offset) != CONTENT_BYTES ||
        fdatasync(bench->flush_fd) != 0)
        bench_die("a flush failed");
    return 1;
}

static const struct {
    const char *name;
    unsigned (*once)(struct bench *bench);
    bool promised;
} kinds[KINDS] = {{"puts, batches of 64", put_64, true},
                  {"puts, one by one", put_one, true},
                  {"gets, random order", get_one, true},
                  {"three engine gets alone", get_bare, false},
                  {"bare flushes", flush_one, false}};

static double rate(struct bench *bench, unsigned (*once)(struct bench *bench))
{
    const double start = bench_now_s();
    uint64_t count = 0;

    while (bench_now_s() - start < ROUND_S)
        count += once(bench);
    return (double)count / (bench_now_s() - start);
}

struct gather {
    struct sherd_ref *names;
    uint64_t count;
    uint64_t seen;
    uint64_t stride;
};

static enum sherd_err gather_one(void *arg, struct sherd_ref name, struct sherd_span value)
{
    struct gather *gather = arg;

    (void)value;
    if (gather->seen++ % gather->stride == 0 && gather->count < NAMES_MAX)
        gather->names[gather->count++] = name;
    return SHERD_OK;
}

/* Names of entries, out of all parts of each compartment. */
static void gather_names(struct bench *bench)
{
    for (unsigned i = 0; i < STORES; i++) {
        struct gather gather = {.names = bench->names[i], .stride = bench->count / NAMES_MAX + 1};
        struct sherd_snapshot *snapshot = NULL;

        bench_check(sherd_compartment_snapshot_begin(bench->stores[i], &snapshot), "snapshot");
        bench_check(sherd_snapshot_scan(snapshot, NULL, gather_one, &gather), "scan");
        sherd_snapshot_end(snapshot);
        bench->name_counts[i] = gather.count;
    }
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
                                            .wanted = size > SIZE_FIRST && kinds[k].promised ? BENCH_RATIO_AT_LEAST
                                                                                             : BENCH_NOTHING,
                                            .bound = 0.5});
    }
}

/* Load up to a size, and say how fast that went, applying included, and how much was written for each record. */
static void load(struct bench *bench, uint64_t size)
{
    const double before = written_bytes();
    const double start = bench_now_s();
    const uint64_t count = bench->count;
    char name[96];

    while (bench->count < size)
        put_batch(bench, LOAD_BATCH);
    const double loaded = bench_now_s();
    if (bench->count == count)
        return; /* what was measured before put as many */
    (void)snprintf(name, sizeof(name), "written for a record, up to %llu records", (unsigned long long)size);
    bench_report(&(struct bench_figure){.bench = BENCH,
                                        .name = name,
                                        .unit = "byte/record",
                                        .wanted = BENCH_NOTHING,
                                        .value = (written_bytes() - before) / (double)(bench->count - count)});
    (void)snprintf(name, sizeof(name), "loaded, in batches of %u, up to %llu records", LOAD_BATCH,
                   (unsigned long long)size);
    bench_report(&(struct bench_figure){.bench = BENCH,
                                        .name = name,
                                        .unit = "record/s",
                                        .wanted = BENCH_NOTHING,
                                        .value = (double)(bench->count - count) / (loaded - start)});
}

static void begin(struct bench *bench, const char *folder)
{
    static const uint8_t zeros[FLUSH_FILE_BYTES];

    bench->vault = bench_vault(bench_path(folder, "vault"), 0);
    bench->stores[0] = bench->vault->keys;
    bench->stores[1] = bench->vault->assets.compartment;
    bench->stores[2] = bench->vault->secrets;
    for (unsigned i = 0; i < STORES; i++)
        bench->names[i] = calloc(NAMES_MAX, sizeof(*bench->names[i]));
    bench->ids = calloc(bench->room, sizeof(*bench->ids));
    if (bench->ids == NULL || bench->names[0] == NULL || bench->names[1] == NULL || bench->names[2] == NULL)
        bench_die("out of memory");
    bench->flush_fd = open(bench_path(folder, "flush"), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (bench->flush_fd < 0 || write(bench->flush_fd, zeros, sizeof(zeros)) != (ssize_t)sizeof(zeros) ||
        fsync(bench->flush_fd) != 0)
        bench_die("the file to flush cannot be written");
    bench_fill(bench->content, sizeof(bench->content), 1);
}

static void end(struct bench *bench)
{
    sherd_vault_close(bench->vault);
    (void)close(bench->flush_fd);
    for (unsigned i = 0; i < STORES; i++)
        free(bench->names[i]);
    free(bench->ids);
}

int main(int argc, char **argv)
{
    struct bench_options options = {.dir = "/var/tmp", .rounds = 3, .records = 1000000};
    struct bench bench = {0};
    double first[KINDS], rates[KINDS];

    bench_options(argc, argv, &options);
    bench.room = options.full ? 10000000 : options.records;
    begin(&bench, bench_folder(&options, BENCH));
    for (uint64_t size = SIZE_FIRST; size <= bench.room; size *= 10) {
        load(&bench, size);
        gather_names(&bench);
        measure(&bench, options.rounds, rates);
        for (unsigned k = 0; k < KINDS && size == SIZE_FIRST; k++)
            first[k] = rates[k];
        report(size, rates, first);
    }
    end(&bench);
    return 0;
}

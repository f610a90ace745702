/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One kind of work and nothing else, for a profiler to watch: profile.sh runs it under perf.
 *
 *     bench_profile put|threads|batch|get|get-long|put-long [--dir DIR] [--records N]
 *
 * It loads N records (batches; 20000 unless told), says "ready" on standard error, and works for ten seconds.
 */
#include "common.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS 10.0
#define CONTENT_BYTES 1024U
#define BATCH 64U
#define THREADS 16U
#define LONG_BYTES ((size_t)50000000)

struct work {
    struct sherd_vault *vault;
    struct sherd_uuid *ids;
    uint64_t id_count;
    uint8_t content[CONTENT_BYTES];
    uint8_t *bytes; /* LONG_BYTES */
    struct sherd_uuid long_id;
    double until;
    uint64_t counts[THREADS];
};

static void batch_of(struct work *work, struct sherd_uuid *out_ids)
{
    struct sherd_batch_item items[BATCH] = {{0}};

    for (unsigned i = 0; i < BATCH; i++)
        items[i].content = sherd_span_of(work->content, CONTENT_BYTES);
    bench_check(sherd_record_put_batch(work->vault, items, BATCH), "batch");
    for (unsigned i = 0; i < BATCH && out_ids != NULL; i++)
        out_ids[i] = items[i].id;
}

static void put(struct work *work, uint64_t *state)
{
    struct sherd_uuid id;

    (void)state;
    bench_check(sherd_record_put(work->vault, NULL, sherd_span_of(work->content, CONTENT_BYTES), &id), "put");
}

static void batch(struct work *work, uint64_t *state)
{
    (void)state;
    batch_of(work, NULL);
}

static void get(struct work *work, uint64_t *state)
{
    uint8_t block[CONTENT_BYTES + 256];
    struct sherd_buf content = sherd_buf_borrow(block, sizeof(block));

    bench_check(sherd_record_get(work->vault, work->ids[bench_random(state, work->id_count)], 0, &content), "get");
}

static void put_long(struct work *work, uint64_t *state)
{
    struct sherd_uuid id;

    (void)state;
    bench_check(sherd_record_put(work->vault, NULL, sherd_span_of(work->bytes, LONG_BYTES), &id), "put");
    bench_check(sherd_record_delete(work->vault, id), "delete");
}

static void get_long(struct work *work, uint64_t *state)
{
    struct sherd_buf content = sherd_buf_borrow(work->bytes, LONG_BYTES);

    (void)state;
    bench_check(sherd_record_get(work->vault, work->long_id, 0, &content), "get");
}

static const struct {
    const char *name;
    void (*once)(struct work *work, uint64_t *state);
    unsigned threads;
} works[] = {{"put", put, 1}, {"threads", put, THREADS}, {"batch", batch, 1},
             {"get", get, 1}, {"get-long", get_long, 1}, {"put-long", put_long, 1}};

static size_t chosen;
static struct work *work;

static void run(void *arg, unsigned index)
{
    uint64_t state = index;
    uint64_t count = 0;

    (void)arg;
    for (; bench_now_s() < work->until; count++)
        works[chosen].once(work, &state);
    work->counts[index] = count;
}

static void load(uint64_t records)
{
    work->ids = calloc(records + BATCH, sizeof(*work->ids));
    if (work->ids == NULL)
        bench_die("out of memory");
    for (; work->id_count < records; work->id_count += BATCH)
        batch_of(work, work->ids + work->id_count);
    work->bytes = bench_map(LONG_BYTES);
    bench_fill(work->bytes, LONG_BYTES, 2);
    bench_check(sherd_record_put(work->vault, NULL, sherd_span_of(work->bytes, LONG_BYTES), &work->long_id), "put");
}

int main(int argc, char **argv)
{
    struct bench_options options = {.dir = "/var/tmp", .records = 20000, .rounds = 1};
    uint64_t count = 0;

    if (argc < 2)
        bench_die("usage: bench_profile WORK [--dir DIR] [--records N]");
    while (strcmp(works[chosen].name, argv[1]) != 0)
        if (++chosen == sizeof(works) / sizeof(works[0]))
            bench_die("no such work: %s", argv[1]);
    bench_options(argc - 1, argv + 1, &options);
    work = calloc(1, sizeof(*work));
    if (work == NULL)
        bench_die("out of memory");
    work->vault = bench_vault(bench_path(bench_folder(&options, "profile"), "vault"), 0);
    bench_fill(work->content, CONTENT_BYTES, 1);
    load(options.records);
    (void)fprintf(stderr, "ready\n");
    work->until = bench_now_s() + SECONDS;
    bench_threads(works[chosen].threads, run, NULL);
    for (unsigned i = 0; i < works[chosen].threads; i++)
        count += work->counts[i];
    (void)fprintf(stderr, "%s: %.0f a second\n", argv[1], (double)count / SECONDS);
    sherd_vault_close(work->vault);
    free(work->ids);
    free(work);
    return 0;
}

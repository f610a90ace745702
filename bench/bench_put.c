/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast are durable puts of 1 KiB? One thread, 16 threads with single calls, and batches of 64, each against
 * SQLCipher beside it on the same file system, in alternated rounds; and how even they are.
 *
 * Limits: a put becomes durable in three compartments, one flush each at least, where SQLCipher flushes once. How even
 * the disk itself is in the same second is told by bare writes in place into three files, each flushed.
 */
#include "common.h"
#include "peer_sqlcipher.h"
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define BENCH "put"
#define CONTENT_BYTES 1024U
#define ROUND_S 0.6
#define BATCH 64U
#define THREADS 16U
#define TIMES_MAX 65536U
#define FLUSH_FILE_BYTES ((size_t)4 << 20)
#define BARE_FILES 3U

struct bench {
    struct sherd_vault *vault;
    struct peer_sqlcipher *single; /* one database for each way of use, as the vault grows with each */
    struct peer_sqlcipher *rows64;
    int flush_fd;
    int bare_fds[BARE_FILES];
    uint8_t content[CONTENT_BYTES];
    double times[TIMES_MAX];
    double until;
    uint64_t counts[THREADS];
};

static void put_one(struct bench *bench)
{
    struct sherd_uuid id;

    bench_check(sherd_record_put(bench->vault, NULL, sherd_span_of(bench->content, CONTENT_BYTES), &id), "put");
}

/* What was put becomes leaves of the ledger, which is a part of the work; it is left to nobody else's round. */
static void drain(const struct bench *bench)
{
    uint64_t size;

    bench_check(sherd_outside_run(bench->vault, &size), "leaves of the ledger");
}

/* @param[out] out_p50 in seconds. @return puts a second */
static double round_single(struct bench *bench, double *out_p50, double *out_p99)
{
    const double start = bench_now_s();
    double before = start;
    size_t count = 0;

    while (before - start < ROUND_S && count < TIMES_MAX) {
        put_one(bench);
        const double after = bench_now_s();
        bench->times[count++] = after - before;
        before = after;
    }
    *out_p50 = bench_median(bench->times, count);
    *out_p99 = bench_quantile(bench->times, count, 0.99);
    drain(bench);
    return (double)count / (bench_now_s() - start);
}

static double round_peer(struct bench *bench, struct peer_sqlcipher *peer, size_t rows, double *out_p50,
                         double *out_p99)
{
    const double start = bench_now_s();
    double before = start;
    size_t count = 0;

    while (before - start < ROUND_S && count < TIMES_MAX) {
        peer_sqlcipher_put(peer, bench->content, CONTENT_BYTES, rows, NULL);
        const double after = bench_now_s();
        bench->times[count++] = after - before;
        before = after;
    }
    *out_p50 = bench_median(bench->times, count);
    *out_p99 = bench_quantile(bench->times, count, 0.99);
    return (double)(count * rows) / (before - start);
}

static void put_until(void *arg, unsigned index)
{
    struct bench *bench = arg;
    uint64_t count = 0;

    for (; bench_now_s() < bench->until; count++)
        put_one(bench);
    bench->counts[index] = count;
}

static double round_threads(struct bench *bench)
{
    const double start = bench_now_s();
    uint64_t count = 0;

    bench->until = start + ROUND_S;
    bench_threads(THREADS, put_until, bench);
    drain(bench);
    const double took = bench_now_s() - start;
    for (unsigned i = 0; i < THREADS; i++)
        count += bench->counts[i];
    return (double)count / took;
}

static double round_batch(struct bench *bench)
{
    struct sherd_batch_item items[BATCH] = {{0}};
    const double start = bench_now_s();
    uint64_t count = 0;

    for (unsigned i = 0; i < BATCH; i++)
        items[i].content = sherd_span_of(bench->content, CONTENT_BYTES);
    while (bench_now_s() - start < ROUND_S) {
        bench_check(sherd_record_put_batch(bench->vault, items, BATCH), "batch");
        count += BATCH;
    }
    drain(bench);
    return (double)count / (bench_now_s() - start);
}

/* The bare flush: 1 KiB into a file that is there already, fdatasync. */
static double round_flush(struct bench *bench)
{
    const double start = bench_now_s();
    uint64_t count = 0;

    for (; bench_now_s() - start < ROUND_S / 4; count++)
        if (pwrite(bench->flush_fd, bench->content, CONTENT_BYTES, (off_t)(count * CONTENT_BYTES % FLUSH_FILE_BYTES)) !=
                CONTENT_BYTES ||
            fdatasync(bench->flush_fd) != 0)
            bench_die("a flush failed");
    return (double)count / (bench_now_s() - start);
}

/* What a put asks of the disk, and nothing else: about as many bytes into each of three files, one after the other. */
static void round_bare(struct bench *bench, double *out_p50, double *out_p99)
{
    static const size_t bytes[BARE_FILES] = {CONTENT_BYTES / 2, CONTENT_BYTES / 2, CONTENT_BYTES};
    const double start = bench_now_s();
    double before = start;
    size_t count = 0;

    while (before - start < ROUND_S && count < TIMES_MAX) {
        for (unsigned i = 0; i < BARE_FILES; i++)
            if (pwrite(bench->bare_fds[i], bench->content, bytes[i],
                       (off_t)(count * bytes[i] % (FLUSH_FILE_BYTES - CONTENT_BYTES))) < 0 ||
                fdatasync(bench->bare_fds[i]) != 0)
                bench_die("a flush failed");
        const double after = bench_now_s();
        bench->times[count++] = after - before;
        before = after;
    }
    *out_p50 = bench_median(bench->times, count);
    *out_p99 = bench_quantile(bench->times, count, 0.99);
}

static int flush_file(const char *path)
{
    static const uint8_t zeros[FLUSH_FILE_BYTES];
    const int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0 || write(fd, zeros, sizeof(zeros)) != (ssize_t)sizeof(zeros) || fsync(fd) != 0)
        bench_die("%s cannot be written", path);
    return fd;
}

static void measure(struct bench *bench, unsigned rounds)
{
    struct bench_series single = {0}, threads = {0}, batch = {0}, flush = {0}, even = {0}, even_peer = {0};
    struct bench_series even_bare = {0};
    double p50, p99, rate;

    for (unsigned i = 0; i < rounds; i++) {
        rate = round_single(bench, &p50, &p99);
        bench_series_add(&even, p99, p50);
        round_bare(bench, &p50, &p99);
        bench_series_add(&even_bare, p99, p50);
        bench_series_add(&flush, rate, round_flush(bench));
        bench_series_add(&single, rate, round_peer(bench, bench->single, 1, &p50, &p99));
        bench_series_add(&even_peer, p99, p50);
        rate = round_threads(bench);
        const double rows64 = round_peer(bench, bench->rows64, BATCH, &p50, &p99);
        bench_series_add(&threads, rate, rows64);
        bench_series_add(&batch, round_batch(bench), rows64);
    }
    bench_series_report(&single, (struct bench_figure){BENCH, "durable put of 1 KiB, one thread", .unit = "put/s",
                                                       .limit = "SQLCipher, one row a commit",
                                                       .wanted = BENCH_RATIO_AT_LEAST, .bound = 0.4});
    bench_series_report(&flush, (struct bench_figure){BENCH, "the same against bare flushes", .unit = "put/s",
                                                      .limit = "write 1 KiB in place and fdatasync"});
    bench_series_report(&threads, (struct bench_figure){BENCH, "durable put of 1 KiB, 16 threads, single calls",
                                                        .unit = "put/s", .limit = "SQLCipher, 64 rows a commit",
                                                        .wanted = BENCH_RATIO_AT_LEAST, .bound = 0.8});
    bench_series_report(&batch, (struct bench_figure){BENCH, "durable put of 1 KiB, batches of 64", .unit = "put/s",
                                                      .limit = "SQLCipher, 64 rows a commit",
                                                      .wanted = BENCH_RATIO_AT_LEAST, .bound = 1.0});
    double ratios[BENCH_ROUNDS_MAX], ratios_peer[BENCH_ROUNDS_MAX], ratios_bare[BENCH_ROUNDS_MAX];
    for (unsigned i = 0; i < rounds; i++) {
        ratios[i] = even.value[i] / even.limit[i];
        ratios_peer[i] = even_peer.value[i] / even_peer.limit[i];
        ratios_bare[i] = even_bare.value[i] / even_bare.limit[i];
    }
    bench_report(&(struct bench_figure){BENCH, "p99 to p50 of a durable put, one thread", bench_median(ratios, rounds),
                                        "p50s", "SQLCipher, one row a commit", bench_median(ratios_peer, rounds),
                                        .wanted = BENCH_VALUE_AT_MOST, .bound = 2});
    bench_report(&(struct bench_figure){BENCH, "the same beside the bare disk", bench_median(ratios, rounds), "p50s",
                                        "three files written in place and flushed", bench_median(ratios_bare, rounds),
                                        .wanted = BENCH_NOTHING});
    bench_report(&(struct bench_figure){BENCH, "p50 of a durable put, one thread",
                                        bench_median(even.limit, rounds) * 1e6, "us", "SQLCipher, one row a commit",
                                        bench_median(even_peer.limit, rounds) * 1e6, .wanted = BENCH_NOTHING});
}

int main(int argc, char **argv)
{
    struct bench_options options = {.dir = "/var/tmp", .rounds = 7};
    struct bench *bench = calloc(1, sizeof(*bench));

    if (bench == NULL)
        bench_die("out of memory");
    bench_options(argc, argv, &options);
    const char *folder = bench_folder(&options, BENCH);
    bench->vault = bench_vault(bench_path(folder, "vault"), 0);
    bench->single = peer_sqlcipher_new(bench_path(folder, "single.db"));
    bench->rows64 = peer_sqlcipher_new(bench_path(folder, "rows64.db"));
    bench->flush_fd = flush_file(bench_path(folder, "flush"));
    for (unsigned i = 0; i < BARE_FILES; i++)
        bench->bare_fds[i] = flush_file(bench_path(folder, (const char *[]){"bare-0", "bare-1", "bare-2"}[i]));
    bench_fill(bench->content, sizeof(bench->content), 1);
    measure(bench, options.rounds);
    peer_sqlcipher_close(bench->single);
    peer_sqlcipher_close(bench->rows64);
    sherd_vault_close(bench->vault);
    (void)close(bench->flush_fd);
    for (unsigned i = 0; i < BARE_FILES; i++)
        (void)close(bench->bare_fds[i]);
    free(bench);
    return 0;
}

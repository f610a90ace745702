/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which engine? Puts, gets and opening of one compartment, and of three, by engine; one JSON line a figure. Every
 * figure comes with the rate of the bare flush (write 1 KiB, fdatasync, on a preallocated file) of the same run.
 *
 *     bench_engine DIR [ENTRIES [PEER]]      DIR: an empty folder on the disk to measure; ENTRIES: 1000000
 */
#include "peer.h"
#include "tools.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILL_BATCH 4096U
#define SINGLE_COUNT 3000U
#define BATCH_COUNT 600U
#define GET_COUNT 200000U
#define FLUSH_COUNT 2000U
#define ROUNDS 15U /* of each figure; the median counts */

#ifdef PEERS_MORE /* a prototype under study brings its table along */
extern const struct peer PEERS_MORE;
#endif

static const struct peer *const peers[] = {
    &peer_sherd,
    &peer_lmdb,
#ifdef PEERS_MORE
    &PEERS_MORE,
#endif
};

static double flush_rate;

/* The name of the n-th entry: without any order, and the same in every run. */
static struct sherd_ref name_of(uint64_t n)
{
    const uint64_t words[2] = {mix(2 * n), mix(2 * n + 1)};
    struct sherd_ref name;

    memcpy(name.bytes, words, sizeof words);
    return name;
}

static void fill_values(uint8_t *values, uint64_t first, size_t count)
{
    for (size_t i = 0; i < count * VALUE_BYTES / 8; i++) {
        const uint64_t word = mix(first * 1000003 + i);

        memcpy(values + 8 * i, &word, 8);
    }
}

static void put_range(const struct peer *peer, void *handle, uint64_t first, size_t count)
{
    static struct sherd_ref names[BATCH_MAX];
    static uint8_t values[BATCH_MAX * VALUE_BYTES];

    for (size_t i = 0; i < count; i++)
        names[i] = name_of(first + i);
    fill_values(values, first, count);
    peer->put(handle, names, values, count);
}

static void report(const struct peer *peer, const char *figure, uint64_t entries, double rate)
{
    printf("{\"bench\":\"engine\",\"engine\":\"%s\",\"figure\":\"%s\",\"entries\":%llu,\"per_s\":%.0f,"
           "\"to_flush\":%.3f}\n",
           peer->name, figure, (unsigned long long)entries, rate, rate / flush_rate);
    (void)fflush(stdout);
}

/* --- what is measured -------------------------------------------------------------------------------------------- */

static void measure_flush(const char *dir)
{
    static uint8_t block[1 << 20];
    double rates[ROUNDS];
    char path[512];
    int fd;

    (void)snprintf(path, sizeof path, "%s/flush", dir);
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    for (int i = 0; fd >= 0 && i < 4; i++)
        if (write(fd, block, sizeof block) != (ssize_t)sizeof block)
            die("write %s", path);
    if (fd < 0 || fsync(fd) != 0)
        die("write %s", path);
    for (unsigned round = 0; round < ROUNDS; round++) {
        const double start = now_s();

        for (unsigned i = 0; i < FLUSH_COUNT / ROUNDS; i++)
            if (pwrite(fd, block, VALUE_BYTES, (off_t)(i * VALUE_BYTES)) < 0 || fdatasync(fd) != 0)
                die("flush %s", path);
        rates[round] = FLUSH_COUNT / ROUNDS / (now_s() - start);
    }
    flush_rate = median(rates, ROUNDS);
    (void)close(fd);
    (void)unlink(path);
    printf("{\"bench\":\"engine\",\"figure\":\"bare flush\",\"per_s\":%.0f}\n", flush_rate);
}

/* One entry a commit; and the p99 of a commit as a multiple of the median. */
static uint64_t measure_single(const struct peer *peer, void *handle, uint64_t entries)
{
    static double times[SINGLE_COUNT];
    double rates[ROUNDS];
    double before = now_s();

    for (unsigned round = 0; round < ROUNDS; round++) {
        const double start = before;

        for (unsigned i = 0; i < SINGLE_COUNT / ROUNDS; i++) {
            double after;

            put_range(peer, handle, entries++, 1);
            after = now_s();
            times[round * (SINGLE_COUNT / ROUNDS) + i] = after - before;
            before = after;
        }
        rates[round] = SINGLE_COUNT / ROUNDS / (before - start);
    }
    report(peer, "puts, one a commit", entries, median(rates, ROUNDS));
    (void)median(times, SINGLE_COUNT); /* sorts */
    printf("{\"bench\":\"engine\",\"engine\":\"%s\",\"figure\":\"p99 to p50 of a put\",\"entries\":%llu,\"ratio\":%.2f,"
           "\"p50_us\":%.0f}\n",
           peer->name, (unsigned long long)entries, times[SINGLE_COUNT * 99 / 100] / times[SINGLE_COUNT / 2],
           times[SINGLE_COUNT / 2] * 1e6);
    return entries;
}

static uint64_t measure_batches(const struct peer *peer, void *handle, uint64_t entries)
{
    double rates[ROUNDS];

    for (unsigned round = 0; round < ROUNDS; round++) {
        const double start = now_s();

        for (unsigned i = 0; i < BATCH_COUNT / ROUNDS; i++, entries += 64)
            put_range(peer, handle, entries, 64);
        rates[round] = BATCH_COUNT / ROUNDS * 64 / (now_s() - start);
    }
    report(peer, "puts, 64 a commit", entries, median(rates, ROUNDS));
    return entries;
}

static void measure_gets(const struct peer *peer, void *handle, uint64_t entries)
{
    uint8_t value[VALUE_BYTES];
    double start;

    for (int round = 0; round < 2; round++) { /* the first warms the caches */
        start = now_s();
        for (uint64_t i = 0; i < GET_COUNT; i++)
            if (peer->get(handle, name_of(mix(i) % entries), value) != VALUE_BYTES)
                die("%s: an entry is missing", peer->name);
    }
    report(peer, "gets, one thread", entries, GET_COUNT / (now_s() - start));
}

static uint64_t fill(const struct peer *peer, void *handle, uint64_t entries, uint64_t until)
{
    const uint64_t first = entries;
    const double start = now_s();

    while (entries < until) {
        const uint64_t left = until - entries;
        const size_t count = left < FILL_BATCH ? (size_t)left : FILL_BATCH;

        put_range(peer, handle, entries, count);
        entries += count;
    }
    report(peer, "puts, 4096 a commit", entries, (double)(entries - first) / (now_s() - start));
    return entries;
}

static void measure_open(const struct peer *peer, const char *path, uint64_t entries)
{
    uint8_t value[VALUE_BYTES];
    const double start = now_s();
    void *handle = peer->open(path, false);
    const size_t got = peer->get(handle, name_of(0), value);

    report(peer, "open and get", entries, 1 / (now_s() - start));
    if (got != VALUE_BYTES)
        die("%s: an entry is missing", peer->name);
    peer->close(handle);
}

/* So many commits of count entries into each of three compartments, one after the other: the median rate of entries. */
static double rate_of_three(const struct peer *peer, void *const *handles, uint64_t *entries, unsigned commits,
                            size_t count)
{
    double rates[ROUNDS];

    for (unsigned round = 0; round < ROUNDS; round++) {
        const double start = now_s();

        for (unsigned i = 0; i < commits / ROUNDS; i++, *entries += count)
            for (int k = 0; k < 3; k++)
                put_range(peer, handles[k], *entries, count);
        rates[round] = (double)(commits / ROUNDS * count) / (now_s() - start);
    }
    return median(rates, ROUNDS);
}

/* A put as the vault has it. */
static void measure_three(const struct peer *peer, const char *dir)
{
    uint64_t entries = 0;
    void *handles[3];
    char path[512];

    for (int i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof path, "%s/%s-%d", dir, peer->name, i);
        handles[i] = peer->open(path, true);
    }
    report(peer, "puts into three, one a commit", entries, rate_of_three(peer, handles, &entries, SINGLE_COUNT, 1));
    report(peer, "puts into three, 64 a commit", entries, rate_of_three(peer, handles, &entries, BATCH_COUNT, 64));
    for (int i = 0; i < 3; i++)
        peer->close(handles[i]);
}

static void measure(const struct peer *peer, const char *dir, uint64_t until)
{
    uint64_t entries = 0;
    char path[512];
    void *handle;

    (void)snprintf(path, sizeof path, "%s/%s", dir, peer->name);
    handle = peer->open(path, true);
    entries = measure_single(peer, handle, entries);
    entries = measure_batches(peer, handle, entries);
    entries = fill(peer, handle, entries, until);
    entries = measure_single(peer, handle, entries);
    entries = measure_batches(peer, handle, entries);
    measure_gets(peer, handle, entries);
    peer->close(handle);
    measure_open(peer, path, entries);
    measure_three(peer, dir);
}

int main(int argc, char **argv)
{
    const uint64_t until = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000;

    if (argc < 2)
        die("usage: bench_engine DIR [ENTRIES [PEER]]");
    measure_flush(argv[1]);
    for (size_t i = 0; i < sizeof peers / sizeof *peers; i++)
        if (argc < 4 || strcmp(argv[3], peers[i]->name) == 0)
            measure(peers[i], argv[1], until);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast does the scrubber go, on one core? Long contents, held against SHA-256 alone on the same core in the same
 * round: what no check of contents can be faster than that hashes them.
 *
 * And what would a read gain that left its verification to the scrubber? A get of 1 KiB from an asynchronous collection
 * beside one from a synchronous collection; and the digest of the fragment, which neither looks at and the scrubber
 * does, beside that get.
 */
#include "common.h"
#include "crypto/hash.h"
#include <stdio.h>

#define BENCH "scrub"
#define LONG_BYTES ((size_t)1 << 30)
#define HASHED_BYTES ((size_t)64 << 20)
#define SMALL_BYTES 1024U
#define GETS 4000U

struct bench {
    struct sherd_vault *vault;
    uint8_t *content;          /* LONG_BYTES */
    struct sherd_uuid sync[2]; /* put first and last, so that where they lie makes no difference */
    struct sherd_uuid async[2];
};

/* @return bytes a second */
static double scrub_rate(const struct bench *bench)
{
    struct sherd_verify_stat stat;
    const double start = bench_now_s();

    bench_check(sherd_vault_scrub(bench->vault, NULL, NULL, &stat), "scrub");
    if (stat.content_bytes < LONG_BYTES)
        bench_die("the scrubber saw %llu bytes", (unsigned long long)stat.content_bytes);
    return (double)stat.content_bytes / (bench_now_s() - start);
}

static double hash_rate(const struct bench *bench)
{
    const struct sherd_span bytes = sherd_span_of(bench->content, HASHED_BYTES);
    uint8_t digest[SHERD_SHA256_SIZE];
    const double start = bench_now_s();

    bench_check(sherd_hash(SHERD_SHA256, &bytes, 1, digest), "hash");
    return (double)HASHED_BYTES / (bench_now_s() - start);
}

/* @return seconds a get */
static double get_s(const struct bench *bench, const struct sherd_uuid ids[static 2])
{
    uint8_t block[SMALL_BYTES];
    struct sherd_read_notice notice;
    const struct sherd_read_options options = {.notice = &notice};
    const double start = bench_now_s();

    for (unsigned i = 0; i < GETS; i++) {
        struct sherd_buf buf = sherd_buf_borrow(block, sizeof(block));

        bench_check(sherd_record_get_with(bench->vault, ids[i % 2], &options, &buf), "get");
    }
    return (bench_now_s() - start) / GETS;
}

static double digest_s(const struct bench *bench)
{
    const struct sherd_span bytes = sherd_span_of(bench->content, SMALL_BYTES + 200);
    uint8_t digest[SHERD_SHA256_SIZE];
    const double start = bench_now_s();

    for (unsigned i = 0; i < GETS; i++)
        bench_check(sherd_hash(SHERD_SHA256, &bytes, 1, digest), "hash");
    return (bench_now_s() - start) / GETS;
}

static void measure(const struct bench *bench, unsigned rounds)
{
    struct bench_series scrub = {0}, gets = {0}, digests = {0};

    (void)scrub_rate(bench); /* warm */
    (void)get_s(bench, bench->sync);
    for (unsigned i = 0; i < rounds; i++) {
        bench_series_add(&scrub, scrub_rate(bench) / 1e6, hash_rate(bench) / 1e6);
        const double sync_s = get_s(bench, bench->sync);
        bench_series_add(&gets, get_s(bench, bench->async) * 1e6, sync_s * 1e6);
        bench_series_add(&digests, digest_s(bench) * 1e6, sync_s * 1e6);
    }
    bench_series_report(&scrub, (struct bench_figure){BENCH, "scrub of long contents", .unit = "MB/s",
                                                      .limit = "SHA-256 on the same core",
                                                      .wanted = BENCH_RATIO_AT_LEAST, .bound = 0.6});
    bench_series_report(&gets, (struct bench_figure){BENCH, "get of 1 KiB, asynchronous", .unit = "us",
                                                     .limit = "the same, synchronous"});
    bench_series_report(&digests,
                        (struct bench_figure){BENCH, "digest of its fragment", .unit = "us", .limit = "get of 1 KiB"});
}

int main(int argc, char **argv)
{
    struct bench_options options = {.dir = "/var/tmp", .rounds = 5};
    const struct sherd_collection later = {.name = "later", .versions_kept = 1, .asynchronous = true};
    const struct sherd_record_meta meta = {.collection = "later"};
    struct bench bench = {0};
    struct sherd_uuid id;

    bench_options(argc, argv, &options);
    const char *folder = bench_folder(&options, BENCH);
    bench.vault = bench_vault(bench_path(folder, "vault"), 1);
    bench.content = bench_map(LONG_BYTES);
    bench_fill(bench.content, LONG_BYTES, 2);
    bench_check(sherd_record_put(bench.vault, NULL, sherd_span_of(bench.content, LONG_BYTES), &id), "put");
    bench_check(sherd_collection_create(bench.vault, &later), "collection");
    const struct sherd_span small = sherd_span_of(bench.content, SMALL_BYTES);
    bench_check(sherd_record_put(bench.vault, NULL, small, &bench.sync[0]), "put");
    bench_check(sherd_record_put(bench.vault, &meta, small, &bench.async[0]), "put");
    bench_check(sherd_record_put(bench.vault, &meta, small, &bench.async[1]), "put");
    bench_check(sherd_record_put(bench.vault, NULL, small, &bench.sync[1]), "put");
    measure(&bench, options.rounds);
    bench_unmap(bench.content, LONG_BYTES);
    sherd_vault_close(bench.vault);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast is everything verified? Long contents alone (--records N stands for the small ones: 100000), small contents
 * of 1 KiB alone, and both together.
 *
 * Limit: each stored byte is hashed (SHA-256) and decrypted (AES-256-GCM), so a core can pass 1 / (1/sha + 1/aes) bytes
 * a second, and all cores as many times that as they do at once: both are measured, chunk by chunk, in a cache, on each
 * core at once. Small contents cost a pin and a map entry each beside, whose cryptography is not of the rate of long
 * chunks: their limit is the cryptography of one record, measured likewise, on messages and contexts as long as its
 * own.
 */
#include "bare.h"
#include "common.h"
#include "crypto/aead.h"
#include "envelope/context.h"
#include "envelope/entry.h"
#include "envelope/fragment.h"
#include "envelope/payload.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BENCH "verify"
#define SMALL_BYTES 1024U
#define LONG_BYTES ((size_t)256 << 20)
#define LONG_COUNT 2U
#define BATCH 1024U
#define CHECK_S 0.2

struct bench {
    unsigned cores;
    struct sherd_vault *longs;
    struct sherd_vault *smalls;
    struct sherd_vault *both;
    uint64_t records;
};

static void put_smalls(struct sherd_vault *vault, uint64_t records)
{
    static struct sherd_batch_item items[BATCH];
    uint8_t content[SMALL_BYTES];

    bench_fill(content, sizeof(content), 1);
    for (size_t i = 0; i < BATCH; i++)
        items[i].content = sherd_span_of(content, sizeof(content));
    for (uint64_t done = 0; done < records;) {
        const size_t count = records - done < BATCH ? (size_t)(records - done) : BATCH;

        bench_check(sherd_record_put_batch(vault, items, count), "batch");
        done += count;
    }
}

static void put_longs(struct sherd_vault *vault, const uint8_t *content)
{
    struct sherd_uuid id;

    for (unsigned i = 0; i < LONG_COUNT; i++)
        bench_check(sherd_record_put(vault, NULL, sherd_span_of(content, LONG_BYTES), &id), "put");
}

/* @return seconds */
static double verify(struct sherd_vault *vault, uint64_t versions)
{
    struct sherd_verify_stat stat;
    const double start = bench_now_s();

    bench_check(sherd_vault_verify(vault, NULL, NULL, &stat), "verify");
    if (stat.version_count != versions || stat.orphan_count != 0)
        bench_die("verify saw %llu versions, not %llu", (unsigned long long)stat.version_count,
                  (unsigned long long)versions);
    return bench_now_s() - start;
}

/* --- the cryptography of a small record -------------------------------------------------------------------------- */

struct crypto {
    double until;
    atomic_ullong done;
};

/* A sealed message of a record: its key, its context, its bytes. */
struct sample {
    struct sherd_hmac_key *key;
    struct sherd_context context;
    struct sherd_buf sealed;
};

static void sample_seal(struct sample *sample, struct sherd_span before, size_t bytes)
{
    static const uint8_t key[SHERD_AEAD_KEY_SIZE] = {1};
    static const uint8_t plain[2 * SMALL_BYTES];

    bench_check(sherd_hmac_key_new(SHERD_SHA512, sherd_span_of(key, sizeof(key)), &sample->key), "key");
    bench_check(sherd_buf_append(&sample->sealed, before), "seal");
    bench_check(sherd_aead_seal_with(sample->key, sherd_context_span(&sample->context), sherd_span_of(plain, bytes),
                                     &sample->sealed),
                "seal");
}

static struct sample sample_of_entry(enum sherd_purpose compartment, enum sherd_kind kind)
{
    const size_t bytes = sherd_kind_payload_bytes(kind, compartment);
    const struct sherd_uuid deployment = {{0}};
    const struct sherd_ref name = {{0}};
    struct sample sample = {.sealed.max = SHERD_ENTRY_BYTES_MAX};

    sherd_context_of_entry(&deployment, compartment, (uint8_t)kind, 1, &name, bytes, &sample.context);
    sample_seal(&sample, sherd_span_of(NULL, 0), bytes);
    return sample;
}

/* A record key, or contents with what a fragment has before them. */
static struct sample sample_of_record(enum sherd_purpose purpose, size_t before, size_t bytes)
{
    static const uint8_t prefix[SHERD_FRAGMENT_PREFIX_SIZE];
    const struct sherd_scope scope = {.version = 1};
    struct sample sample = {.sealed.max = SHERD_STORE_VALUE_BYTES_MAX};

    sherd_context_of_scope(&scope, purpose, 1, 1, &sample.context);
    sample_seal(&sample, sherd_span_of(prefix, before), bytes);
    return sample;
}

static void sample_open(const struct sample *sample)
{
    uint8_t block[2 * SMALL_BYTES];
    struct sherd_buf plain = sherd_buf_borrow(block, sizeof(block));

    bench_check(sherd_aead_open_with(sample->key, sherd_context_span(&sample->context), sherd_buf_span(&sample->sealed),
                                     &plain),
                "open");
}

/* Contents have a key of their own, which no other message has: what depends on the key alone is not known before. */
static void content_open(const struct sample *sample)
{
    static const uint8_t key[SHERD_AEAD_KEY_SIZE] = {1};
    const struct sherd_span sealed = {sample->sealed.data + SHERD_FRAGMENT_PREFIX_SIZE,
                                      sample->sealed.len - SHERD_FRAGMENT_PREFIX_SIZE};
    uint8_t block[2 * SMALL_BYTES];
    struct sherd_buf plain = sherd_buf_borrow(block, sizeof(block));

    bench_check(sherd_aead_open(key, sherd_context_span(&sample->context), sealed, &plain), "open");
}

static void sample_done(struct sample *sample)
{
    sherd_hmac_key_free(sample->key);
    sherd_buf_done(&sample->sealed);
}

/* The name of a pin, as long as what it is made of. */
static void name_pin(const struct sherd_hmac_key *key)
{
    static const uint8_t bytes[34];
    const struct sherd_span named = {bytes, sizeof(bytes)};
    uint8_t mac[SHERD_SHA256_SIZE];

    bench_check(sherd_hmac_with(key, &named, 1, mac), "hmac");
}

/*
 * The pin twice, with its name (the walk over `keys` checks it, and the anchor reads it again when it gives the record
 * key), the record key, the map entry, the content key, the digest of the fragment, the contents.
 */
static void check_records(void *arg, unsigned thread)
{
    static const uint8_t bytes[3 * SHERD_KEY_SIZE] = {1};
    struct crypto *crypto = arg;
    struct sample pin = sample_of_entry(SHERD_FOR_KEYS, SHERD_KIND_PIN);
    struct sample map = sample_of_entry(SHERD_FOR_ASSETS, SHERD_KIND_MAP);
    struct sample record_key = sample_of_record(SHERD_FOR_RECORD_KEY, 0, SHERD_KEY_SIZE);
    struct sample content = sample_of_record(SHERD_FOR_CONTENT, SHERD_FRAGMENT_PREFIX_SIZE, SMALL_BYTES);
    struct sherd_hmac_key *name_key = NULL;
    struct sherd_digest digest;
    uint8_t content_key[SHERD_KEY_SIZE];

    (void)thread;
    bench_check(sherd_hmac_key_new(SHERD_SHA256, sherd_span_of(bytes, SHERD_KEY_SIZE), &name_key), "key");
    while (bench_now_s() < crypto->until) {
        for (unsigned i = 0; i < 2; i++) {
            name_pin(name_key);
            sample_open(&pin);
        }
        sample_open(&record_key);
        sample_open(&map);
        bench_check(sherd_hkdf(SHERD_SHA512, sherd_span_of(bytes, sizeof(bytes)), sherd_span_of(NULL, 0),
                               sherd_context_span(&content.context), content_key, sizeof(content_key)),
                    "hkdf");
        bench_check(sherd_fragment_digest(sherd_buf_span(&content.sealed), &digest), "digest");
        content_open(&content);
        atomic_fetch_add(&crypto->done, 1);
    }
    sherd_hmac_key_free(name_key);
    sample_done(&pin);
    sample_done(&map);
    sample_done(&record_key);
    sample_done(&content);
}

static double record_rate(unsigned threads)
{
    struct crypto crypto = {0};
    const double start = bench_now_s();

    crypto.until = start + CHECK_S;
    bench_threads(threads, check_records, &crypto);
    return (double)atomic_load(&crypto.done) / (bench_now_s() - start);
}

/* --- figures ----------------------------------------------------------------------------------------------------- */

static void measure(struct bench *bench, unsigned rounds)
{
    struct bench_series longs = {0}, smalls = {0}, both = {0};
    const double long_bytes = (double)LONG_COUNT * (double)LONG_BYTES;

    (void)verify(bench->longs, LONG_COUNT); /* warm */
    (void)verify(bench->smalls, bench->records);
    for (unsigned i = 0; i < rounds; i++) {
        const double bytes_rate = bare_check_rate(bench->cores);
        const double records_rate = record_rate(bench->cores);
        const double both_s = long_bytes / bytes_rate + (double)bench->records / records_rate;

        bench_series_add(&longs, long_bytes / verify(bench->longs, LONG_COUNT) / 1e6, bytes_rate / 1e6);
        bench_series_add(&smalls, (double)bench->records / verify(bench->smalls, bench->records), records_rate);
        bench_series_add(&both, 1 / verify(bench->both, LONG_COUNT + bench->records), 1 / both_s);
    }
    bench_series_report(&longs, (struct bench_figure){BENCH, "verify of long contents", .unit = "MB/s",
                                                      .limit = "SHA-256 and AES-256-GCM on each core",
                                                      .wanted = BENCH_RATIO_AT_LEAST, .bound = 0.6});
    bench_series_report(&smalls, (struct bench_figure){BENCH, "verify of contents of 1 KiB", .unit = "record/s",
                                                       .limit = "their cryptography on each core",
                                                       .wanted = BENCH_RATIO_AT_LEAST, .bound = 0.6});
    bench_series_report(&both, (struct bench_figure){BENCH, "verify of everything, long and small", .unit = "vault/s",
                                                     .limit = "the cryptography of both on each core",
                                                     .wanted = BENCH_RATIO_AT_LEAST, .bound = 0.6});
}

int main(int argc, char **argv)
{
    struct bench_options options = {.dir = "/var/tmp", .rounds = 5, .records = 100000};
    struct bench bench = {0};

    bench_options(argc, argv, &options);
    bench.cores = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    bench.cores = bench.cores > 4 ? 4 : bench.cores; /* as many threads as a vault takes by itself */
    bench.records = options.records;
    const char *folder = bench_folder(&options, BENCH);
    bench.longs = bench_vault(bench_path(folder, "longs"), 0);
    bench.smalls = bench_vault(bench_path(folder, "smalls"), 0);
    bench.both = bench_vault(bench_path(folder, "both"), 0);
    uint8_t *content = bench_map(LONG_BYTES);
    bench_fill(content, LONG_BYTES, 2);
    put_longs(bench.longs, content);
    put_longs(bench.both, content);
    bench_unmap(content, LONG_BYTES);
    put_smalls(bench.smalls, bench.records);
    put_smalls(bench.both, bench.records);
    measure(&bench, options.rounds);
    sherd_vault_close(bench.longs);
    sherd_vault_close(bench.smalls);
    sherd_vault_close(bench.both);
    return 0;
}

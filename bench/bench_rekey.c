/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast are keys wrapped anew: the cryptography alone (a record key opened and sealed under a ready wrapping key),
 * with the pin's entry opened and sealed around it, and through the store, for --records records? And how long does it
 * take to erase an entity of 10,000 records, against one commit of a put beside it? What does a get of a record of an
 * entity cost whose key is cached?
 */
#include "common.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "envelope/entry.h"
#include "envelope/payload.h"
#include <stdio.h>
#include <stdlib.h>

#define BENCH "rekey"
#define ROUND_S 1.0
#define BATCH 1024U
#define WANTED_PER_S 100000.0
#define ERASED 10000U
#define READ 64U

/* Contexts are as long as those of the vault. */
struct bench {
    struct sherd_hmac_key *wrapping;
    uint8_t context[150];
    uint8_t payload[512];
    size_t payload_bytes;
};

static void open_and_seal(const struct bench *bench, size_t bytes)
{
    uint8_t sealed_block[768];
    uint8_t plain_block[512];
    struct sherd_buf sealed = sherd_buf_borrow(sealed_block, sizeof(sealed_block));
    struct sherd_buf plain = sherd_buf_borrow(plain_block, sizeof(plain_block));
    const struct sherd_span context = {bench->context, sizeof(bench->context)};

    bench_check(sherd_aead_seal_with(bench->wrapping, context, sherd_span_of(bench->payload, bytes), &sealed), "seal");
    bench_check(sherd_aead_open_with(bench->wrapping, context, sherd_buf_span(&sealed), &plain), "open");
}

static void wrap_alone(const struct bench *bench)
{
    open_and_seal(bench, SHERD_KEY_SIZE);
}

static void wrap_with_pin(const struct bench *bench)
{
    open_and_seal(bench, SHERD_KEY_SIZE);
    open_and_seal(bench, bench->payload_bytes);
}

static double rate(const struct bench *bench, void (*work)(const struct bench *bench))
{
    const double start = bench_now_s();
    uint64_t count = 0;

    while (bench_now_s() - start < ROUND_S)
        for (unsigned i = 0; i < 64; i++, count++)
            work(bench);
    return (double)count / (bench_now_s() - start);
}

/* @param[out] ids  of the first READ of them */
static void put_many(struct sherd_vault *vault, const char *entity, uint64_t records,
                     struct sherd_uuid ids[static READ])
{
    static struct sherd_batch_item items[BATCH];
    const struct sherd_record_meta meta = {.entity = entity};
    uint8_t content[100];

    bench_fill(content, sizeof(content), 1);
    for (uint64_t done = 0; done < records;) {
        const size_t count = records - done < BATCH ? (size_t)(records - done) : BATCH;

        for (size_t i = 0; i < count; i++)
            items[i] = (struct sherd_batch_item){.meta = &meta, .content = sherd_span_of(content, sizeof(content))};
        bench_check(sherd_record_put_batch(vault, items, count), "batch");
        for (size_t i = 0; i < count && done + i < READ; i++)
            ids[done + i] = items[i].id;
        done += count;
    }
}

/* Entities get a fresh key, so that every record key is wrapped anew. */
static double rate_of_rekey(struct sherd_vault *vault)
{
    const struct sherd_rekey_options options = {.fresh_keys = true};
    struct sherd_rekey_stat stat;
    const double start = bench_now_s();

    bench_check(sherd_rekey(vault, &options, NULL, NULL, &stat), "rekey");
    return (double)stat.record_count / (bench_now_s() - start);
}

static double rate_of_put(struct sherd_vault *vault)
{
    struct sherd_uuid id;
    const double start = bench_now_s();

    for (unsigned i = 0; i < 16; i++)
        bench_check(sherd_record_put(vault, NULL, sherd_span_str("x"), &id), "put");
    return 16 / (bench_now_s() - start);
}

static double rate_of_erase(struct sherd_vault *vault, unsigned number)
{
    struct sherd_uuid ids[READ];
    char entity[32];

    (void)snprintf(entity, sizeof(entity), "erased-%u", number);
    put_many(vault, entity, ERASED, ids);
    const double start = bench_now_s();
    bench_check(sherd_entity_erase(vault, NULL, entity), "erase");
    return 1 / (bench_now_s() - start);
}

/* Gets of records of one entity, whose key is cached. */
static double rate_of_gets(struct sherd_vault *vault, const struct sherd_uuid *ids)
{
    const double start = bench_now_s();
    uint64_t count = 0;

    while (bench_now_s() - start < ROUND_S / 4)
        for (unsigned i = 0; i < READ; i++, count++) {
            uint8_t block[256];
            struct sherd_buf content = sherd_buf_borrow(block, sizeof(block));

            bench_check(sherd_record_get(vault, ids[i], 0, &content), "get");
        }
    return (double)count / (bench_now_s() - start);
}

int main(int argc, char **argv)
{
    struct bench_options options = {.dir = "/var/tmp", .rounds = 3, .records = 20000};
    struct bench_series alone = {0}, pins = {0}, store = {0}, erase = {0}, gets = {0};
    struct sherd_uuid named[READ], plain[READ];
    struct bench bench = {.payload_bytes = sherd_kind_payload_bytes(SHERD_KIND_PIN, SHERD_FOR_KEYS)};

    bench_options(argc, argv, &options);
    bench_check(sherd_hmac_key_new(SHERD_SHA512, sherd_span_of(bench.payload, SHERD_KEY_SIZE), &bench.wrapping), "key");
    const char *folder = bench_folder(&options, BENCH);
    struct sherd_vault *vault = bench_vault(bench_path(folder, "vault"), 0);
    put_many(vault, "kept", options.records, named);
    put_many(vault, NULL, READ, plain);
    for (unsigned i = 0; i < options.rounds; i++) {
        const double with_pin = rate(&bench, wrap_with_pin);

        bench_series_add(&alone, rate(&bench, wrap_alone), WANTED_PER_S);
        bench_series_add(&pins, with_pin, WANTED_PER_S);
        for (unsigned j = 0; j < 4; j++) {
            const double of_default = rate_of_gets(vault, plain);

            bench_series_add(&gets, rate_of_gets(vault, named), of_default);
        }
        bench_series_add(&store, rate_of_rekey(vault), with_pin);
        bench_series_add(&erase, rate_of_erase(vault, i), rate_of_put(vault));
    }
    bench_series_report(&alone,
                        (struct bench_figure){BENCH, "record keys opened and wrapped, cryptography alone, one core",
                                              .unit = "key/s", .limit = "100,000 a second",
                                              .wanted = BENCH_RATIO_AT_LEAST, .bound = 1.0});
    bench_series_report(&pins, (struct bench_figure){BENCH, "the same with the pin around each opened and sealed",
                                                     .unit = "key/s", .limit = "100,000 a second"});
    bench_series_report(&store,
                        (struct bench_figure){BENCH, "rekey through the store, fresh entity keys", .unit = "key/s",
                                              .limit = "key and pin opened and sealed in memory"});
    bench_series_report(&erase, (struct bench_figure){BENCH, "erase of an entity of 10,000 records", .unit = "1/s",
                                                      .limit = "one put: three commits"});
    bench_series_report(&gets, (struct bench_figure){BENCH, "get of a record of a named entity, its key cached",
                                                     .unit = "get/s", .limit = "get of a record of the default entity",
                                                     .wanted = BENCH_RATIO_AT_LEAST, .bound = 0.9});
    sherd_vault_close(vault);
    sherd_hmac_key_free(bench.wrapping);
    return 0;
}

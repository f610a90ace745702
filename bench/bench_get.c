/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast are gets of 1 KiB at a million records (--records N), one thread, in random order, into a block of the
 * caller's? Against SQLCipher with as many rows beside it, as it comes and with more page cache, and against the bare
 * work: three values from the engine, by names that are known, and the cryptography that a get needs, with no API
 * around them.
 */
#include "anchor/ring/changes.h"
#include "common.h"
#include "crypto/aead.h"
#include "crypto/merkle.h"
#include "cryptor/vault.h"
#include "envelope/fragment.h"
#include "peer_sqlcipher.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BENCH "get"
#define CONTENT_BYTES 1024U
#define ROUND_S 1.0
#define LOAD_BATCH 1024U
#define STORES 3U
#define CACHE_DEFAULT_MIB 2U /* SQLCipher's own */
#define CACHE_LARGE_MIB 64U

/* A sealed message of the sizes that a get opens. */
struct sample {
    uint8_t bytes[2048];
    size_t sealed_bytes;
};

struct bench {
    uint64_t records;
    struct sherd_vault *vault;
    struct peer_sqlcipher *peer;
    struct sherd_uuid *ids;
    uint8_t (*rows)[PEER_NAME_SIZE];
    struct sherd_compartment *stores[STORES];
    struct sherd_ref *names[STORES];
    uint64_t name_counts[STORES];
    struct sherd_hmac_key *name_key;
    struct sherd_hmac_key *seal_key;
    uint8_t key[SHERD_AEAD_KEY_SIZE];
    uint8_t context[150]; /* as long as those of the vault */
    struct sample pin;
    struct sample record_key;
    struct sample map;
    struct sample content;
    uint64_t state;
};

/* --- loading ----------------------------------------------------------------------------------------------------- */

static void load(struct bench *bench)
{
    static struct sherd_batch_item items[LOAD_BATCH];
    uint8_t content[CONTENT_BYTES];

    bench_fill(content, sizeof(content), 1);
    for (uint64_t done = 0; done < bench->records;) {
        const uint64_t left = bench->records - done;
        const size_t count = left < LOAD_BATCH ? (size_t)left : LOAD_BATCH;

        for (size_t i = 0; i < count; i++)
            items[i] = (struct sherd_batch_item){.content = sherd_span_of(content, sizeof(content))};
        bench_check(sherd_record_put_batch(bench->vault, items, count), "batch");
        for (size_t i = 0; i < count; i++)
            bench->ids[done + i] = items[i].id;
        peer_sqlcipher_put(bench->peer, content, sizeof(content), count, bench->rows + done);
        done += count;
    }
}

struct gather {
    struct sherd_ref *names;
    uint64_t count;
    uint64_t room;
};

static enum sherd_err gather_one(void *arg, struct sherd_ref name, struct sherd_span value)
{
    struct gather *gather = arg;

    (void)value;
    if (sherd_pending_named(&name)) /* what waits for the ledger is of no record */
        return SHERD_OK;
    if (gather->count == gather->room)
        return SHERD_ERR_LIMIT;
    gather->names[gather->count++] = name;
    return SHERD_OK;
}

/* The names of all entries of a compartment: nearly all are of records. */
static void gather_names(struct bench *bench, unsigned i)
{
    struct gather gather = {.room = bench->records};
    struct sherd_snapshot *snapshot = NULL;

    gather.names = calloc(gather.room, sizeof(*gather.names));
    if (gather.names == NULL)
        bench_die("out of memory");
    bench_check(sherd_compartment_snapshot_begin(bench->stores[i], &snapshot), "snapshot");
    if (sherd_snapshot_scan(snapshot, NULL, gather_one, &gather) != SHERD_ERR_LIMIT)
        bench_die("a compartment has fewer entries than records");
    sherd_snapshot_end(snapshot);
    bench->names[i] = gather.names;
    bench->name_counts[i] = gather.count;
}

static void make_sample(struct bench *bench, size_t plain_bytes, bool ready, struct sample *sample)
{
    uint8_t plain[CONTENT_BYTES + 128] = {0};
    struct sherd_buf sealed = sherd_buf_borrow(sample->bytes, sizeof(sample->bytes));
    const struct sherd_span context = {bench->context, sizeof(bench->context)};

    if (ready)
        bench_check(sherd_aead_seal_with(bench->seal_key, context, sherd_span_of(plain, plain_bytes), &sealed), "seal");
    else
        bench_check(sherd_aead_seal(bench->key, context, sherd_span_of(plain, plain_bytes), &sealed), "seal");
    sample->sealed_bytes = sealed.len;
}

static void make_samples(struct bench *bench)
{
    const size_t pin = sherd_kind_payload_bytes(SHERD_KIND_PIN, SHERD_FOR_KEYS);
    const size_t map = sherd_kind_payload_bytes(SHERD_KIND_MAP, SHERD_FOR_ASSETS);
    const struct sherd_span key = {bench->key, sizeof(bench->key)};

    bench_check(sherd_hmac_key_new(SHERD_SHA256, key, &bench->name_key), "key");
    bench_check(sherd_hmac_key_new(SHERD_SHA512, key, &bench->seal_key), "key");
    make_sample(bench, pin, true, &bench->pin);
    make_sample(bench, SHERD_KEY_SIZE, true, &bench->record_key);
    make_sample(bench, map, true, &bench->map);
    make_sample(bench, (size_t)sherd_fragment_padded_bytes(CONTENT_BYTES, false), false, &bench->content);
}

/* --- gets -------------------------------------------------------------------------------------------------------- */

static void get_vault(struct bench *bench)
{
    uint8_t block[CONTENT_BYTES];
    struct sherd_buf content = sherd_buf_borrow(block, sizeof(block));

    bench_check(sherd_record_get(bench->vault, bench->ids[bench_random(&bench->state, bench->records)], 0, &content),
                "get");
}

static void get_peer(struct bench *bench)
{
    uint8_t block[CONTENT_BYTES];

    if (peer_sqlcipher_get(bench->peer, bench->rows[bench_random(&bench->state, bench->records)], block,
                           sizeof(block)) != CONTENT_BYTES)
        bench_die("SQLCipher: a row is too short");
}

static void get_values(struct bench *bench)
{
    uint8_t block[2048];

    for (unsigned i = 0; i < STORES; i++) {
        struct sherd_buf value = sherd_buf_borrow(block, sizeof(block));

        bench_check(sherd_compartment_get(bench->stores[i],
                                          bench->names[i][bench_random(&bench->state, bench->name_counts[i])], &value),
                    "engine get");
    }
}

static void open_sample(const struct bench *bench, const struct sample *sample, bool ready)
{
    uint8_t block[CONTENT_BYTES + 128];
    struct sherd_buf plain = sherd_buf_borrow(block, sizeof(block));
    const struct sherd_span context = {bench->context, sizeof(bench->context)};
    const struct sherd_span sealed = {sample->bytes, sample->sealed_bytes};

    if (ready)
        bench_check(sherd_aead_open_with(bench->seal_key, context, sealed, &plain), "open");
    else
        bench_check(sherd_aead_open(bench->key, context, sealed, &plain), "open");
}

/* The pin's name; pin, record key and map opened; the content key derived from three; the contents opened. */
static void open_values(struct bench *bench)
{
    uint8_t mac[SHERD_SHA256_SIZE];
    uint8_t derived[SHERD_AEAD_KEY_SIZE];
    const uint8_t shares[3 * SHERD_KEY_SIZE] = {0};
    const struct sherd_span named = {bench->context, 40};

    bench_check(sherd_hmac_with(bench->name_key, &named, 1, mac), "hmac");
    open_sample(bench, &bench->pin, true);
    open_sample(bench, &bench->record_key, true);
    open_sample(bench, &bench->map, true);
    bench_check(sherd_hkdf(SHERD_SHA512, sherd_span_of(shares, sizeof(shares)), sherd_span_of(NULL, 0),
                           sherd_span_of(bench->context, sizeof(bench->context)), derived, sizeof(derived)),
                "hkdf");
    open_sample(bench, &bench->content, false);
}

static void get_bare(struct bench *bench)
{
    get_values(bench);
    open_values(bench);
}

static double rate(struct bench *bench, void (*get)(struct bench *bench), double seconds)
{
    const double start = bench_now_s();
    uint64_t count = 0;

    while (bench_now_s() - start < seconds)
        for (unsigned i = 0; i < 64; i++, count++)
            get(bench);
    return (double)count / (bench_now_s() - start);
}

static void measure(struct bench *bench, unsigned rounds)
{
    struct bench_series peer = {0}, cached = {0}, bare = {0}, values = {0};
    char name[96];

    (void)rate(bench, get_vault, ROUND_S); /* what is cached is cached */
    (void)rate(bench, get_peer, ROUND_S);
    for (unsigned i = 0; i < rounds; i++) {
        const double ours = rate(bench, get_vault, ROUND_S);

        peer_sqlcipher_cache(bench->peer, CACHE_DEFAULT_MIB);
        bench_series_add(&peer, ours, rate(bench, get_peer, ROUND_S));
        bench_series_add(&bare, ours, rate(bench, get_bare, ROUND_S));
        peer_sqlcipher_cache(bench->peer, CACHE_LARGE_MIB);
        (void)rate(bench, get_peer, ROUND_S / 2);
        bench_series_add(&cached, ours, rate(bench, get_peer, ROUND_S));
        bench_series_add(&values, rate(bench, get_values, ROUND_S / 2), rate(bench, open_values, ROUND_S / 2));
    }
    (void)snprintf(name, sizeof(name), "get of 1 KiB at %llu records, one thread", (unsigned long long)bench->records);
    bench_series_report(&peer, (struct bench_figure){BENCH, name, .unit = "get/s", .limit = "SQLCipher",
                                                     .wanted = BENCH_RATIO_AT_LEAST, .bound = 1.2});
    bench_series_report(&cached, (struct bench_figure){BENCH, name, .unit = "get/s",
                                                       .limit = "SQLCipher with 64 MiB of page cache"});
    bench_series_report(&bare, (struct bench_figure){BENCH, name, .unit = "get/s",
                                                     .limit = "three engine gets and the cryptography",
                                                     .wanted = BENCH_RATIO_AT_LEAST, .bound = 0.5});
    bench_series_report(&values, (struct bench_figure){BENCH, "three engine gets alone", .unit = "get/s",
                                                       .limit = "the cryptography alone"});
}

int main(int argc, char **argv)
{
    struct bench_options options = {.dir = "/var/tmp", .rounds = 5, .records = 1000000};
    struct bench *bench = calloc(1, sizeof(*bench));

    bench_options(argc, argv, &options);
    if (bench == NULL)
        bench_die("out of memory");
    bench->records = options.records;
    bench->ids = calloc(options.records, sizeof(*bench->ids));
    bench->rows = calloc(options.records, sizeof(*bench->rows));
    if (bench->ids == NULL || bench->rows == NULL)
        bench_die("out of memory");
    const char *folder = bench_folder(&options, BENCH);
    bench->vault = bench_vault(bench_path(folder, "vault"), 0);
    bench->peer = peer_sqlcipher_new(bench_path(folder, "peer.db"));
    bench->stores[0] = bench->vault->keys;
    bench->stores[1] = bench->vault->assets.compartment;
    bench->stores[2] = bench->vault->secrets;
    load(bench);
    for (unsigned i = 0; i < STORES; i++)
        gather_names(bench, i);
    make_samples(bench);
    measure(bench, options.rounds);
    peer_sqlcipher_close(bench->peer);
    sherd_vault_close(bench->vault);
    for (unsigned i = 0; i < STORES; i++)
        free(bench->names[i]);
    sherd_hmac_key_free(bench->name_key);
    sherd_hmac_key_free(bench->seal_key);
    free(bench->ids);
    free(bench->rows);
    free(bench);
    return 0;
}

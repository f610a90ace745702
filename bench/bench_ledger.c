/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the ledger costs whoever opens a vault of a million records (--records N), and whoever audits it: comparing
 * `keys` with what the ledger implies, as an agent does before it serves, against one MAC of each entry's length and
 * nothing else; an audit of all stored bytes against one SHA-256 over as many.
 */
#include "anchor/embedded/embedded_inside.h"
#include "common.h"
#include "cryptor/vault.h"
#include <stdlib.h>
#include <string.h>

#define BENCH "ledger"
#define BATCH 1024U
#define CONTENT_BYTES 100U
#define PIN_BYTES (SHERD_ENTRY_HEADER_SIZE + 352U + 72U + 16U)
#define HASHED_BYTES ((size_t)64 << 20)
#define CHECK_S_MAX 2.0

static void load(struct sherd_vault *vault, uint64_t records)
{
    static struct sherd_batch_item items[BATCH];
    static uint8_t content[CONTENT_BYTES];

    for (unsigned i = 0; i < BATCH; i++)
        items[i].content = sherd_span_of(content, sizeof(content));
    for (uint64_t done = 0; done < records; done += BATCH)
        bench_check(sherd_record_put_batch(vault, items, records - done < BATCH ? (size_t)(records - done) : BATCH),
                    "batch");
    bench_check(vault->anchor->ops->ledger_run(vault->anchor, NULL), "round");
}

static double compare(struct sherd_vault *vault, uint64_t records)
{
    struct sherd_keys_check check;
    const double start = bench_now_s();

    bench_check(sherd_sequencer_compare(sherd_embedded_of(vault->anchor)->sequencer, &check), "compare");
    if (!check.agrees || check.entry_count < records)
        bench_die("keys is not what the ledger says");
    return bench_now_s() - start;
}

static double macs(const struct sherd_leaf_keys *keys, uint64_t count)
{
    static const uint8_t stored[PIN_BYTES];
    const struct sherd_ref name = {{0}};
    struct sherd_digest set = {{0}};
    const double start = bench_now_s();

    for (uint64_t i = 0; i < count; i++)
        bench_check(sherd_leaf_mark(keys, &name, sherd_span_of(stored, sizeof(stored)), &set), "mark");
    return bench_now_s() - start;
}

/* @return bytes a second */
static double audit(struct sherd_vault *vault)
{
    struct sherd_audit_stat stat;
    const double start = bench_now_s();

    bench_check(sherd_vault_audit(vault, 0, NULL, &stat), "audit");
    return (double)stat.checked_bytes / (bench_now_s() - start);
}

static double hash(void)
{
    static uint8_t bytes[HASHED_BYTES];
    const struct sherd_span all = sherd_span_of(bytes, sizeof(bytes));
    struct sherd_digest digest;
    const double start = bench_now_s();

    bench_check(sherd_hash(SHERD_SHA256, &all, 1, digest.bytes), "hash");
    return (double)sizeof(bytes) / (bench_now_s() - start);
}

int main(int argc, char **argv)
{
    struct bench_options options = {.dir = "/var/tmp", .records = 1000000, .rounds = 5};
    struct bench_series compared = {0};
    struct bench_series audited = {0};

    bench_options(argc, argv, &options);
    const char *folder = bench_folder(&options, BENCH);
    struct sherd_vault *vault = bench_vault(bench_path(folder, "vault"), 2);
    load(vault, options.records);
    for (unsigned round = 0; round < options.rounds; round++) {
        const double one = compare(vault, options.records);

        bench_series_add(&compared, one, macs(sherd_embedded_of(vault->anchor)->leaves, options.records));
    }
    bench_series_report(&compared, (struct bench_figure){.bench = BENCH,
                                                         .name = "keys against the ledger, all records",
                                                         .unit = "s",
                                                         .limit = "a MAC of each",
                                                         .wanted = BENCH_VALUE_AT_MOST,
                                                         .bound = CHECK_S_MAX});
    for (unsigned round = 0; round < options.rounds; round++) {
        const double one = audit(vault);

        bench_series_add(&audited, one, hash());
    }
    bench_series_report(&audited, (struct bench_figure){.bench = BENCH,
                                                        .name = "audit of all stored bytes",
                                                        .unit = "B/s",
                                                        .limit = "SHA-256 of long bytes, one core"});
    sherd_vault_close(vault);
    bench_remove(folder);
    return 0;
}

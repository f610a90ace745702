/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does verifying cost a query? --records N rows of a readable collection (100000), of 6 attributes and 200 bytes;
 * one that tells of every row, and one that tells of one in a hundred.
 *
 * Peer: the same query over the same rows by the same code, which believes the store; side by side, round by round, by
 * one handle, with the same threads. "first" reads and adds up all rows; the others find them verified already: a
 * handle keeps up to 64 MiB of rows, for as long as the anchor says that none has changed.
 */
#include "common.h"
#include "cryptor/query.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BENCH "query"
#define CONTENT_BYTES 200U
#define BATCH 512U
#define COLUMNS 6U

/* What a caller does with rows: it writes them down. */
struct sink {
    uint64_t rows;
    char *block;
    size_t len;
};

#define SINK_BYTES ((size_t)1 << 20)

static void put_text(struct sink *sink, struct sherd_span text)
{
    if (sink->len + text.len > SINK_BYTES)
        sink->len = 0;
    memcpy(sink->block + sink->len, text.data, text.len);
    sink->len += text.len;
}

static enum sherd_err take(void *arg, const struct sherd_query_row *row)
{
    struct sink *sink = arg;
    char id[SHERD_UUID_TEXT_SIZE];

    sherd_uuid_format(row->id, id);
    put_text(sink, sherd_span_str(id));
    for (size_t i = 0; i < row->column_count; i++) {
        put_text(sink, row->columns[i].name);
        put_text(sink, row->columns[i].value);
    }
    put_text(sink, row->content);
    sink->rows++;
    return SHERD_OK;
}

static struct sherd_uuid put_rows(struct sherd_vault *vault, const char *collection, uint64_t records)
{
    static const char *const names[COLUMNS] = {"author", "class", "kind", "number", "place", "title"};
    static struct sherd_attribute attributes[BATCH][COLUMNS];
    static char values[BATCH][COLUMNS][32];
    static struct sherd_record_meta meta[BATCH];
    static struct sherd_batch_item items[BATCH];
    uint8_t content[CONTENT_BYTES];

    bench_fill(content, sizeof(content), 1);
    for (uint64_t done = 0; done < records;) {
        const size_t count = records - done < BATCH ? (size_t)(records - done) : BATCH;

        for (size_t i = 0; i < count; i++) {
            for (size_t c = 0; c < COLUMNS; c++) {
                (void)snprintf(values[i][c], sizeof(values[i][c]), "%s %llu", names[c],
                               (unsigned long long)((done + i) % (c == 1 ? 100 : 100000)));
                attributes[i][c] = (struct sherd_attribute){names[c], sherd_span_str(values[i][c])};
            }
            meta[i] = (struct sherd_record_meta){
                .collection = collection, .attributes = attributes[i], .attribute_count = COLUMNS};
            items[i] = (struct sherd_batch_item){.meta = &meta[i], .content = {content, sizeof(content)}};
        }
        bench_check(sherd_record_put_batch(vault, items, count), "batch");
        done += count;
    }
    return items[0].id;
}

typedef enum sherd_err ask_fn(struct sherd_vault *vault, const struct sherd_query *query, sherd_query_visit_fn *visit,
                              void *arg, struct sherd_query_stat *out_stat);

/* @return rows looked at in a second */
static double ask(struct sherd_vault *vault, ask_fn *how, const struct sherd_query *query, struct sink *sink,
                  uint64_t expected)
{
    struct sherd_query_stat stat;
    const double start = bench_now_s();

    sink->rows = 0;
    bench_check(how(vault, query, take, sink, &stat), "query");
    const double seconds = bench_now_s() - start;
    if (sink->rows != expected)
        bench_die("a query told of %llu rows, not %llu", (unsigned long long)sink->rows, (unsigned long long)expected);
    return (double)stat.seen_count / seconds;
}

/* What was verified before is forgotten when another collection is asked. */
static void forget(struct sherd_vault *vault, struct sink *sink)
{
    const struct sherd_query other = {.collection = "other"};

    (void)ask(vault, sherd_query_run, &other, sink, 1);
}

static void measure(struct sherd_vault *vault, const struct sherd_query *query, const char *name, uint64_t expected,
                    unsigned rounds, bool first, struct sink *sink)
{
    struct bench_series series = {.count = 0};

    for (unsigned i = 0; i < rounds; i++) {
        const double believed = ask(vault, sherd_query_unverified, query, sink, expected);

        if (first)
            forget(vault, sink);
        bench_series_add(&series, ask(vault, sherd_query_run, query, sink, expected), believed);
    }
    bench_series_report(&series, (struct bench_figure){.bench = BENCH,
                                                       .name = name,
                                                       .unit = "rows/s",
                                                       .limit = "the same query, believing the store",
                                                       .wanted = BENCH_RATIO_AT_LEAST,
                                                       .bound = 0.9});
}

int main(int argc, char **argv)
{
    struct bench_options options = {.dir = "/var/tmp", .records = 100000, .rounds = 5};
    const struct sherd_collection readable = {.name = "rows", .versions_kept = 1, .readable = true};
    const struct sherd_collection other = {.name = "other", .versions_kept = 1, .readable = true};
    const struct sherd_query_term term = {"class", SHERD_QUERY_IS, sherd_span_str("class 7")};
    const struct sherd_query every = {.collection = "rows"};
    const struct sherd_query some = {.collection = "rows", .terms = &term, .term_count = 1};
    struct sink sink = {.block = bench_map(SINK_BYTES)};

    bench_options(argc, argv, &options);
    const char *folder = bench_folder(&options, "query");
    struct sherd_vault *vault = bench_vault(bench_path(folder, "v"), 0);
    bench_check(sherd_collection_create(vault, &readable), "collection");
    bench_check(sherd_collection_create(vault, &other), "collection");
    const double start = bench_now_s();
    (void)put_rows(vault, "rows", options.records);
    const double rows_s = (double)options.records / (bench_now_s() - start);
    const double again = bench_now_s();
    (void)put_rows(vault, NULL, options.records / 4);
    const double sealed_s = (double)(options.records / 4) / (bench_now_s() - again);
    bench_report(&(struct bench_figure){.bench = BENCH,
                                        .name = "put_batch",
                                        .value = rows_s,
                                        .unit = "rows/s",
                                        .limit = "sealed records of that size",
                                        .limit_value = sealed_s});
    (void)put_rows(vault, "other", 1);
    measure(vault, &some, "first_one_in_100", options.records / 100, options.rounds, true, &sink);
    measure(vault, &every, "first_every_row", options.records, options.rounds, true, &sink);
    measure(vault, &some, "one_in_100", options.records / 100, options.rounds, false, &sink);
    measure(vault, &every, "every_row", options.records, options.rounds, false, &sink);
    sherd_vault_close(vault);
    return 0;
}

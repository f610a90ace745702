/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long does the verification of one proof take, in a log of a million leaves (--records N)? Of a proof as text
 * under a checkpoint that was verified before, as an auditor of many proofs does it: against the hashes that the tree
 * asks for, with nothing around them. Of one that brings its own checkpoint: against the bare verification of the one
 * signature that it then needs.
 *
 * Beside it: making a proof, appending a thousand leaves durably, and verifying the whole log against a hash of each
 * leaf and of as many nodes.
 */
#include "common.h"
#include "crypto/sign.h"
#include "envelope/note.h"
#include "ledger/log.h"
#include "ledger/opening.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BENCH "proof"
#define ORIGIN "sherd.example/bench"
#define LEAF_BYTES 200U
#define LOAD_BATCH 65536U
#define APPEND_BATCH 1000U
#define PROOFS 256U
#define ROUND_S 0.3
/* As long as the text of a checkpoint. */
#define SIGNED "sherd.example/bench\n1000000\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"

struct bench {
    struct sherd_policy *policy;
    struct sherd_log *log;
    struct sherd_tree_head head;
    struct sherd_buf texts[PROOFS];
    uint64_t indexes[PROOFS];
    uint8_t seed[SHERD_SIGN_SEED_SIZE];
    uint8_t key[SHERD_SIGN_PUBLIC_SIZE];
    uint8_t signature[SHERD_SIGNATURE_SIZE];
    uint8_t shown[SHERD_OPENING_BYTES_MAX]; /* what a receipt brings along */
    size_t shown_bytes;
    uint64_t state;
};

static enum sherd_err sign(void *arg, struct sherd_span text, struct sherd_buf *out_note)
{
    return sherd_note_sign(ORIGIN, arg, text, out_note);
}

static struct sherd_span leaf(uint64_t index, uint8_t block[static LEAF_BYTES])
{
    bench_fill(block, LEAF_BYTES, index);
    return sherd_span_of(block, LEAF_BYTES);
}

static void append(struct bench *bench, uint64_t first, size_t count)
{
    static uint8_t blocks[LOAD_BATCH][LEAF_BYTES];
    static struct sherd_span entries[LOAD_BATCH];

    for (size_t i = 0; i < count; i++)
        entries[i] = leaf(first + i, blocks[i]);
    bench_check(sherd_log_append(bench->log, entries, count, NULL), "append");
}

static void open_log(struct bench *bench, const char *dir, uint64_t records)
{
    const struct sherd_log_signer signer = {.sign = sign, .arg = bench->seed};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf key = {0};

    bench_check(sherd_note_key_text(ORIGIN, bench->key, &key), "key");
    bench_check(sherd_policy_of_log(sherd_buf_span(&key), &bench->policy), "policy");
    bench_check(sherd_log_make(dir, sherd_span_str(ORIGIN), &signer), "log");
    bench_check(sherd_log_open(dir, bench->policy, &signer, &bench->log), "open");
    for (uint64_t done = 0; done < records; done += LOAD_BATCH)
        append(bench, done, records - done < LOAD_BATCH ? (size_t)(records - done) : LOAD_BATCH);
    bench->head = sherd_log_checkpoint(bench->log)->head;
}

static void make_proofs(struct bench *bench)
{
    for (size_t i = 0; i < PROOFS; i++) {
        struct sherd_proof proof = {.index = bench_random(&bench->state, bench->head.size),
                                    .checkpoint = sherd_log_note(bench->log)};

        bench->indexes[i] = proof.index;
        bench_check(sherd_log_prove_inclusion(bench->log, proof.index, bench->head.size, &proof.path), "prove");
        bench_check(sherd_proof_encode(&proof, sherd_span_of(NULL, 0), &bench->texts[i]), "encode");
    }
}

/* A leaf that is opened whole. */
static void make_opening(struct bench *bench)
{
    static const uint8_t deployment[16] = {1};
    const struct sherd_event event = {.kind = SHERD_EVENT_PUT,
                                      .time_ns = 1700000000000000000U,
                                      .version = 1,
                                      .subject = {{2}},
                                      .collection = {{3}},
                                      .entity = {{4}},
                                      .actor = {{5}},
                                      .map = {.there = true},
                                      .fragment = {.there = true, .digest = {{6}}}};
    struct sherd_digest blinds[SHERD_LEAF_COMMITMENTS];
    SHERD_CLEANUP(sherd_leaf_keys_freep) struct sherd_leaf_keys *keys = NULL;
    uint8_t bytes[SHERD_LEAF_BYTES_MAX];
    size_t len = 0;

    bench_check(sherd_leaf_keys_new(sherd_span_of(bench->seed, sizeof(bench->seed)), deployment, &keys), "keys");
    bench_check(sherd_leaf_encode(keys, &event, bytes, &len), "leaf");
    bench_check(sherd_leaf_blinds(keys, event.id, blinds), "blinds");
    const struct sherd_opening opening = {.leaf = sherd_span_of(bytes, len),
                                          .subject_shown = true,
                                          .subject = event.subject,
                                          .digest = event.fragment.digest,
                                          .subject_blind = blinds[SHERD_LEAF_SUBJECT],
                                          .actor_shown = true,
                                          .actor = event.actor,
                                          .entity = event.entity,
                                          .collection = event.collection,
                                          .actor_blind = blinds[SHERD_LEAF_ACTOR]};
    bench_check(sherd_opening_encode(&opening, bench->shown, &bench->shown_bytes), "opening");
}

/* --- what is measured --------------------------------------------------------------------------------------------- */

static void verify_under(struct bench *bench, size_t i)
{
    uint8_t block[LEAF_BYTES];
    struct sherd_proof proof;

    bench_check(sherd_proof_decode(sherd_buf_span(&bench->texts[i]), &proof), "decode");
    bench_check(sherd_proof_verify_in(&proof, leaf(bench->indexes[i], block), &bench->head), "verify");
}

static void verify_whole(struct bench *bench, size_t i)
{
    uint8_t block[LEAF_BYTES];
    struct sherd_proof proof;

    bench_check(sherd_proof_decode(sherd_buf_span(&bench->texts[i]), &proof), "decode");
    bench_check(sherd_proof_verify(&proof, leaf(bench->indexes[i], block), bench->policy, NULL, NULL), "verify");
}

/* The same of a receipt or of evidence: with what is shown of the leaf. */
static void verify_shown(struct bench *bench, size_t i)
{
    struct sherd_opening opening;
    struct sherd_leaf read;

    verify_under(bench, i);
    bench_check(sherd_opening_decode(sherd_span_of(bench->shown, bench->shown_bytes), &opening), "decode");
    bench_check(sherd_opening_verify(&opening, &read), "verify");
}

/* One leaf, and as many nodes as a proof has hashes. */
static void hash_bare(struct bench *bench, size_t i)
{
    uint8_t block[LEAF_BYTES];
    struct sherd_digest hash;

    bench_check(sherd_merkle_leaf(leaf(bench->indexes[i], block), &hash), "leaf");
    for (uint64_t size = bench->head.size; size > 1; size = (size + 1) / 2)
        bench_check(sherd_merkle_node(&hash, &bench->head.root, &hash), "node");
}

static void signature_bare(struct bench *bench, size_t i)
{
    (void)i;
    bench_check(sherd_sign_verify(bench->key, sherd_span_str(SIGNED), bench->signature), "signature");
}

static void prove(struct bench *bench, size_t i)
{
    struct sherd_path path;

    bench_check(sherd_log_prove_inclusion(bench->log, bench->indexes[i], bench->head.size, &path), "prove");
}

/* @return microseconds a call */
static double time_of(struct bench *bench, void (*work)(struct bench *bench, size_t i), double seconds)
{
    const double start = bench_now_s();
    uint64_t count = 0;

    while (bench_now_s() - start < seconds)
        for (size_t i = 0; i < 16; i++, count++)
            work(bench, count % PROOFS);
    return (bench_now_s() - start) / (double)count * 1e6;
}

static double append_ms(struct bench *bench)
{
    const double start = bench_now_s();

    append(bench, sherd_log_checkpoint(bench->log)->head.size, APPEND_BATCH);
    return (bench_now_s() - start) * 1e3;
}

/* @return million leaves a second */
static double verify_log(struct bench *bench)
{
    const double start = bench_now_s();

    bench_check(sherd_log_verify(bench->log, NULL, NULL), "verify");
    return (double)sherd_log_checkpoint(bench->log)->head.size / (bench_now_s() - start) / 1e6;
}

/* A leaf and a node for each leaf: what a tree cannot do without. */
static double hash_log(void)
{
    const double start = bench_now_s();
    uint8_t block[LEAF_BYTES] = {0};
    struct sherd_digest hash = {{0}};
    uint64_t count = 0;

    for (; bench_now_s() - start < ROUND_S; count += 64)
        for (int i = 0; i < 64; i++) {
            bench_check(sherd_merkle_leaf(sherd_span_of(block, sizeof(block)), &hash), "leaf");
            bench_check(sherd_merkle_node(&hash, &hash, &hash), "node");
        }
    return (double)count / (bench_now_s() - start) / 1e6;
}

static void measure(struct bench *bench, unsigned rounds)
{
    struct bench_series under = {0}, whole = {0}, shown = {0}, made = {0}, audit = {0}, appended = {0};
    char name[96];

    for (unsigned i = 0; i < rounds; i++) {
        const double hashes = time_of(bench, hash_bare, ROUND_S);

        bench_series_add(&under, time_of(bench, verify_under, ROUND_S), hashes);
        bench_series_add(&whole, time_of(bench, verify_whole, ROUND_S), time_of(bench, signature_bare, ROUND_S));
        bench_series_add(&shown, time_of(bench, verify_shown, ROUND_S), hashes);
        bench_series_add(&made, time_of(bench, prove, ROUND_S), hashes);
        bench_series_add(&audit, verify_log(bench), hash_log());
    }
    for (unsigned i = 0; i < rounds * 4; i++)
        bench_series_add(&appended, append_ms(bench), 1.0);
    (void)snprintf(name, sizeof(name), "verification of one proof, log of %llu leaves",
                   (unsigned long long)bench->head.size);
    bench_series_report(&under, (struct bench_figure){BENCH, name, .unit = "us", .limit = "its hashes alone",
                                                      .wanted = BENCH_VALUE_AT_MOST, .bound = 50});
    bench_series_report(&shown,
                        (struct bench_figure){BENCH, "the same with a leaf that is opened", .unit = "us",
                                              .limit = "its hashes alone", .wanted = BENCH_VALUE_AT_MOST, .bound = 50});
    bench_series_report(&whole, (struct bench_figure){BENCH, "the same with its own checkpoint", .unit = "us",
                                                      .limit = "the verification of one signature"});
    bench_series_report(&made, (struct bench_figure){BENCH, "making a proof, tiles in memory or in the page cache",
                                                     .unit = "us", .limit = "the hashes of one proof"});
    bench_series_report(&audit, (struct bench_figure){BENCH, "verification of the whole log", .unit = "M leaves/s",
                                                      .limit = "its hashes alone"});
    bench_series_report(&appended, (struct bench_figure){BENCH, "append of 1000 leaves, durable", .unit = "ms"});
}

int main(int argc, char **argv)
{
    struct bench_options options = {.dir = "/var/tmp", .rounds = 5, .records = 1000000};
    struct bench *bench = calloc(1, sizeof(*bench));

    bench_options(argc, argv, &options);
    if (bench == NULL)
        bench_die("out of memory");
    bench_check(sherd_sign_public(bench->seed, bench->key), "key");
    bench_check(sherd_sign(bench->seed, sherd_span_str(SIGNED), bench->signature), "sign");
    open_log(bench, bench_path(bench_folder(&options, BENCH), "log"), options.records);
    make_proofs(bench);
    make_opening(bench);
    measure(bench, options.rounds);
    for (size_t i = 0; i < PROOFS; i++)
        sherd_buf_done(&bench->texts[i]);
    sherd_log_close(bench->log);
    sherd_policy_free(bench->policy);
    free(bench);
    return 0;
}

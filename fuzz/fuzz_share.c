/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shares from outside. A byte says what the others are: 0 a share as text, 1 a share as bytes, 2 a set, 3 a set and any
 * number of shares. What is accepted must come out again as it went in, and no combination may give a secret that its
 * MACs do not hold for.
 */
#include "anchor/seal/share.h"
#include "base/bytes.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_share(const struct sherd_share *share)
{
    uint8_t bytes[SHERD_SHARE_BYTES];
    uint8_t again_bytes[SHERD_SHARE_BYTES];
    char text[SHERD_SHARE_TEXT_SIZE];
    struct sherd_share again;

    must(share->index >= 1 && share->index <= share->count && share->threshold <= share->count &&
         share->generation > 0);
    sherd_share_encode(share, bytes);
    must(sherd_share_text(share, text) == SHERD_OK);
    must(sherd_share_parse(sherd_span_of(text, sizeof(text) - 1), &again, NULL) == SHERD_OK);
    sherd_share_encode(&again, again_bytes);
    must(sherd_same(bytes, again_bytes, sizeof(bytes)));
}

static void run_text(struct sherd_span text)
{
    struct sherd_share share;
    unsigned line = 77;
    const enum sherd_err err = sherd_share_parse(text, &share, &line);

    must(err == SHERD_OK || err == SHERD_ERR_INVALID || err == SHERD_ERR_UNSUPPORTED);
    must(line <= 3);
    if (err == SHERD_OK)
        check_share(&share);
}

static void run_bytes(struct sherd_span bytes)
{
    uint8_t again[SHERD_SHARE_BYTES];
    struct sherd_share share;
    const enum sherd_err err = sherd_share_decode(bytes, &share);

    must(err == SHERD_OK || err == SHERD_ERR_INVALID || err == SHERD_ERR_UNSUPPORTED);
    if (err != SHERD_OK)
        return;
    check_share(&share);
    sherd_share_encode(&share, again);
    must(sherd_span_equal(bytes, sherd_span_of(again, sizeof(again))));
}

static enum sherd_err run_set(struct sherd_span bytes, struct sherd_share_set *out_set)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf again = {0};
    const enum sherd_err err = sherd_share_set_decode(bytes, out_set);

    must(err == SHERD_OK || err == SHERD_ERR_TAMPERED || err == SHERD_ERR_UNSUPPORTED);
    if (err == SHERD_OK)
        must(sherd_share_set_encode(out_set, &again) == SHERD_OK && sherd_span_equal(sherd_buf_span(&again), bytes));
    return err;
}

/* Whoever is blamed is one of those given; and what is taken with the set is taken without it, and the same. */
static void check_combine(const struct sherd_share *shares, size_t count, const struct sherd_share_set *set)
{
    uint8_t with[SHERD_SHARE_SECRET_SIZE];
    uint8_t without[SHERD_SHARE_SECRET_SIZE];
    size_t bad = 0;
    const enum sherd_err err = sherd_share_combine(shares, count, set, with, &bad);

    must(err == SHERD_OK || err == SHERD_ERR_INVALID || err == SHERD_ERR_TAMPERED);
    must(bad < count || bad == SHERD_SHARE_NONE);
    const enum sherd_err bare = sherd_share_combine(shares, count, NULL, without, &bad);
    must(bare == SHERD_OK || bare == SHERD_ERR_INVALID || bare == SHERD_ERR_TAMPERED);
    must(bad < count || bad == SHERD_SHARE_NONE);
    if (err == SHERD_OK)
        must(bare == SHERD_OK && sherd_same(with, without, sizeof(with)));
}

static void run_combine(struct sherd_span bytes)
{
    static struct sherd_share shares[16];
    static struct sherd_share_set set;
    struct sherd_span part;
    size_t count = 0;

    if (bytes.len < 16 || !sherd_span_take(&bytes, SHERD_SHARE_SET_BYTES(bytes.data[15]), &part) ||
        run_set(part, &set) != SHERD_OK)
        return;
    while (count < SHERD_COUNT_OF(shares) && sherd_span_take(&bytes, SHERD_SHARE_BYTES, &part)) {
        if (sherd_share_decode(part, &shares[count]) == SHERD_OK)
            count++;
    }
    check_combine(shares, count, &set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct sherd_share_set set;
    struct sherd_span input = sherd_span_of(data, len);
    struct sherd_span head;

    if (!sherd_span_take(&input, 1, &head))
        return 0;
    switch (head.data[0] % 4) {
    case 0: run_text(input); break;
    case 1: run_bytes(input); break;
    case 2: (void)run_set(input, &set); break;
    default: run_combine(input); break;
    }
    return 0;
}

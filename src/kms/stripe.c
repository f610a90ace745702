/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key store "stripe": see stripe.h. In the keyring lies
 *
 *     format 1 (1) || number of places (1) || number of stripes (1) || set (16)
 *
 * which says where to look and nothing about the key.
 */
#include "kms/stripe.h"
#include "base/bytes.h"
#include "base/random.h"
#include "base/secret.h"
#include "kms/spread.h"
#include <string.h>

#define FORMAT 1U
#define HEAD_SIZE 3U
#define KEPT_SIZE (HEAD_SIZE + 16U)
#define TEXT_SIZE (SHERD_MASTER_KEY_SIZE + SHERD_KEY_PROTECT_BYTES)

static const char *const arg_names[] = {SHERD_SPREAD_ARG, NULL};

static void head_of(const struct sherd_spread *spread, uint8_t out[static HEAD_SIZE])
{
    out[0] = FORMAT;
    out[1] = (uint8_t)spread->place_count;
    out[2] = TEXT_SIZE;
}

static enum sherd_err keep_parts(const struct sherd_key_call *call, const struct sherd_master_key *key,
                                 struct sherd_spread *spread)
{
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *block = sherd_secret_alloc(TEXT_SIZE);

    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    struct sherd_buf text = sherd_buf_borrow(block, TEXT_SIZE);
    SHERD_TRY(call->host->protect(call, sherd_span_of(key->bytes, sizeof(key->bytes)), &text));
    for (size_t i = 0; i < spread->count; i++) {
        spread->parts[i].bytes = 1;
        spread->parts[i].block[0] = block[spread->parts[i].index];
    }
    return sherd_spread_put(call, spread);
}

static enum sherd_err stripe_keep(const struct sherd_key_call *call, const struct sherd_master_key *key,
                                  struct sherd_span wrapped, struct sherd_key_kept *out_kept)
{
    SHERD_CLEANUP(sherd_spread_done) struct sherd_spread spread = {0};
    uint8_t kept[KEPT_SIZE];
    struct sherd_ref set;

    (void)wrapped;
    SHERD_TRY(sherd_spread_places(&call->args, &spread));
    SHERD_TRY(sherd_random(set.bytes, sizeof(set.bytes)));
    SHERD_TRY(sherd_spread_parts(&spread, TEXT_SIZE, &set));
    head_of(&spread, kept);
    memcpy(kept + HEAD_SIZE, set.bytes, sizeof(set.bytes));
    SHERD_TRY(sherd_buf_reserve(&out_kept->bytes, sizeof(kept)));
    SHERD_TRY(keep_parts(call, key, &spread));
    return sherd_buf_append(&out_kept->bytes, sherd_span_of(kept, sizeof(kept)));
}

/* The parts that were kept, not yet read. */
static enum sherd_err spread_of(const struct sherd_key_call *call, struct sherd_span kept, struct sherd_spread *spread)
{
    uint8_t head[HEAD_SIZE];
    struct sherd_ref set;

    SHERD_TRY(sherd_spread_places(&call->args, spread));
    head_of(spread, head);
    if (kept.len != KEPT_SIZE || !sherd_same(kept.data, head, HEAD_SIZE))
        return sherd_fail(SHERD_ERR_TAMPERED, "what key store stripe kept of master key \"%s\" does not verify",
                          call->id->name);
    memcpy(set.bytes, kept.data + HEAD_SIZE, sizeof(set.bytes));
    return sherd_spread_parts(spread, TEXT_SIZE, &set);
}

/* All parts, read, to the key. */
static enum sherd_err join(const struct sherd_key_call *call, const struct sherd_spread *spread,
                           struct sherd_master_key *out_key)
{
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *text = sherd_secret_alloc(TEXT_SIZE);
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_master_key *key = sherd_secret_alloc(sizeof(*key));

    if (text == NULL || key == NULL)
        return SHERD_ERR_NO_MEMORY;
    for (size_t i = 0; i < spread->count; i++) {
        struct sherd_key_part part = {.index = spread->parts[i].index, .status = spread->parts[i].status};

        if (part.status == SHERD_OK && spread->parts[i].bytes != 1)
            part.status = SHERD_ERR_TAMPERED;
        if (part.status != SHERD_OK)
            return sherd_spread_fail(call, spread, &part, "stripe");
        text[part.index] = spread->parts[i].block[0];
    }
    struct sherd_buf plain = sherd_buf_borrow(key->bytes, sizeof(key->bytes));
    SHERD_TRY(call->host->unprotect(call, sherd_span_of(text, TEXT_SIZE), &plain));
    *out_key = *key;
    return SHERD_OK;
}

static enum sherd_err stripe_fetch(const struct sherd_key_call *call, struct sherd_span kept,
                                   struct sherd_master_key *out_key)
{
    SHERD_CLEANUP(sherd_spread_done) struct sherd_spread spread = {0};

    SHERD_TRY(spread_of(call, kept, &spread));
    SHERD_TRY(sherd_spread_get(call, &spread));
    return join(call, &spread, out_key);
}

static enum sherd_err stripe_destroy(const struct sherd_key_call *call, struct sherd_span kept)
{
    SHERD_CLEANUP(sherd_spread_done) struct sherd_spread spread = {0};

    SHERD_TRY(spread_of(call, kept, &spread));
    return sherd_spread_delete(call, &spread);
}

static enum sherd_err stripe_check(const struct sherd_key_call *call, struct sherd_span kept,
                                   sherd_key_finding_fn *visit, void *arg)
{
    SHERD_CLEANUP(sherd_spread_done) struct sherd_spread spread = {0};
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_master_key *key = sherd_secret_alloc(sizeof(*key));

    if (key == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(spread_of(call, kept, &spread));
    SHERD_TRY(sherd_spread_get(call, &spread));
    SHERD_TRY(sherd_spread_visit(&spread, visit, arg));
    return join(call, &spread, key);
}

const struct sherd_key_store sherd_key_store_stripe = {
    .abi = SHERD_KEY_ABI,
    .name = "stripe",
    .arg_names = arg_names,
    .keep = stripe_keep,
    .fetch = stripe_fetch,
    .destroy = stripe_destroy,
    .check = stripe_check,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key store "shares": see shares.h. In the keyring lies
 *
 *     format 1 (1) || places (1) || k (1) || n (1) || set (16) || n times digest (16) || sealed text (176)
 *
 * The digest of share i is the first 16 bytes of SHA-256( set || i (1) || share ): it names the one that is wrong. A
 * share is as random as a key, so its digest says nothing that helps to guess it.
 */
#include "kms/shares.h"
#include "base/bytes.h"
#include "base/random.h"
#include "base/secret.h"
#include "crypto/aead.h"
#include "crypto/ct.h"
#include "crypto/hash.h"
#include "crypto/shamir.h"
#include "kms/spread.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FORMAT 1U
#define SHARES_MAX 32U
#define HEAD_SIZE 4U
#define SET_SIZE 16U
#define DIGEST_SIZE 16U
#define KEY_SIZE SHERD_AEAD_KEY_SIZE /* of the text; also of a share */
#define TEXT_SIZE (SHERD_MASTER_KEY_SIZE + SHERD_KEY_PROTECT_BYTES)
#define SEALED_SIZE (TEXT_SIZE + SHERD_KEY_PROTECT_BYTES)

_Static_assert(HEAD_SIZE + SET_SIZE + SHARES_MAX * DIGEST_SIZE + SEALED_SIZE <= SHERD_KEY_KEPT_BYTES_MAX,
               "what is kept fits the keyring");

static const char *const arg_names[] = {SHERD_SPREAD_ARG, "shares", "threshold", NULL};

/* The sharing of one version. */
struct sharing {
    struct sherd_spread spread;
    uint64_t count;
    uint64_t threshold;
};

static void sharing_done(struct sharing *sharing)
{
    sherd_spread_done(&sharing->spread);
}

static enum sherd_err sharing_of(const struct sherd_key_args *args, struct sharing *sharing)
{
    SHERD_TRY(sherd_spread_places(args, &sharing->spread));
    sharing->count = sharing->spread.place_count;
    SHERD_TRY(sherd_key_arg_number(args, "shares", sharing->spread.place_count, SHARES_MAX, &sharing->count));
    sharing->threshold = sharing->count / 2 + 1;
    return sherd_key_arg_number(args, "threshold", 2, sharing->count, &sharing->threshold);
}

static void head_of(const struct sharing *sharing, uint8_t out[static HEAD_SIZE])
{
    out[0] = FORMAT;
    out[1] = (uint8_t)sharing->spread.place_count;
    out[2] = (uint8_t)sharing->threshold;
    out[3] = (uint8_t)sharing->count;
}

static enum sherd_err digest_of(const struct sherd_key_part *part, uint8_t out[static SHERD_SHA256_SIZE])
{
    const uint8_t index = (uint8_t)part->index;
    const struct sherd_span parts[] = {{part->set.bytes, 16}, {&index, 1}, {part->block, part->bytes}};

    return sherd_hash(SHERD_SHA256, parts, SHERD_COUNT_OF(parts), out);
}

/* --- keep -------------------------------------------------------------------------------------------------------- */

/* Protect the key, and seal that under a key of its own. */
static enum sherd_err seal_text(const struct sherd_key_call *call, const struct sherd_master_key *key,
                                const uint8_t *text_key, struct sherd_span context, struct sherd_buf *out_sealed)
{
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *block = sherd_secret_alloc(TEXT_SIZE);

    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    struct sherd_buf text = sherd_buf_borrow(block, TEXT_SIZE);
    SHERD_TRY(call->host->protect(call, sherd_span_of(key->bytes, sizeof(key->bytes)), &text));
    return sherd_aead_seal(text_key, context, sherd_buf_span(&text), out_sealed);
}

/* Split the text's key over the parts, and append the digests. */
static enum sherd_err split(struct sharing *sharing, const uint8_t *text_key, struct sherd_buf *out_kept)
{
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *rows = sherd_secret_alloc((size_t)sharing->count * KEY_SIZE);
    uint8_t digests[SHARES_MAX][SHERD_SHA256_SIZE];

    if (rows == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_shamir_split(sherd_span_of(text_key, KEY_SIZE), (size_t)sharing->threshold, (size_t)sharing->count,
                                 rows));
    for (size_t i = 0; i < sharing->spread.count; i++) {
        struct sherd_key_part *part = &sharing->spread.parts[i];

        memcpy(part->block, rows + part->index * KEY_SIZE, KEY_SIZE);
        part->bytes = KEY_SIZE;
        SHERD_TRY(digest_of(part, digests[part->index]));
    }
    for (size_t i = 0; i < sharing->count; i++)
        SHERD_TRY(sherd_buf_append(out_kept, sherd_span_of(digests[i], DIGEST_SIZE)));
    return SHERD_OK;
}

static enum sherd_err keep_text(const struct sherd_key_call *call, const struct sherd_master_key *key,
                                struct sharing *sharing, struct sherd_buf *out_kept)
{
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *text_key = sherd_secret_alloc(KEY_SIZE);
    uint8_t sealed_block[SEALED_SIZE];
    struct sherd_buf sealed = sherd_buf_borrow(sealed_block, sizeof(sealed_block));

    if (text_key == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_random(text_key, KEY_SIZE));
    SHERD_TRY(split(sharing, text_key, out_kept));
    SHERD_TRY(seal_text(call, key, text_key, sherd_buf_span(out_kept), &sealed));
    return sherd_buf_append(out_kept, sherd_buf_span(&sealed));
}

static enum sherd_err shares_keep(const struct sherd_key_call *call, const struct sherd_master_key *key,
                                  struct sherd_span wrapped, struct sherd_key_kept *out_kept)
{
    SHERD_CLEANUP(sharing_done) struct sharing sharing = {0};
    uint8_t block[SHERD_KEY_KEPT_BYTES_MAX];
    struct sherd_buf kept = sherd_buf_borrow(block, sizeof(block));
    uint8_t head[HEAD_SIZE];
    struct sherd_ref set;

    (void)wrapped;
    SHERD_TRY(sharing_of(&call->args, &sharing));
    SHERD_TRY(sherd_random(set.bytes, sizeof(set.bytes)));
    SHERD_TRY(sherd_spread_parts(&sharing.spread, (size_t)sharing.count, &set));
    head_of(&sharing, head);
    SHERD_TRY(sherd_buf_append(&kept, sherd_span_of(head, sizeof(head))));
    SHERD_TRY(sherd_buf_append(&kept, sherd_span_of(set.bytes, sizeof(set.bytes))));
    SHERD_TRY(keep_text(call, key, &sharing, &kept));
    SHERD_TRY(sherd_buf_reserve(&out_kept->bytes, kept.len));
    SHERD_TRY(sherd_spread_put(call, &sharing.spread));
    return sherd_buf_append(&out_kept->bytes, sherd_buf_span(&kept));
}

/* --- fetch ------------------------------------------------------------------------------------------------------- */

static size_t sealed_offset(const struct sharing *sharing)
{
    return HEAD_SIZE + SET_SIZE + (size_t)sharing->count * DIGEST_SIZE;
}

/* The shares that were kept, not yet read. */
static enum sherd_err shares_of(const struct sherd_key_call *call, struct sherd_span kept, struct sharing *sharing)
{
    uint8_t head[HEAD_SIZE];
    struct sherd_ref set;

    SHERD_TRY(sharing_of(&call->args, sharing));
    head_of(sharing, head);
    if (kept.len != sealed_offset(sharing) + SEALED_SIZE || !sherd_same(kept.data, head, HEAD_SIZE))
        return sherd_fail(SHERD_ERR_TAMPERED, "what key store shares kept of master key \"%s\" does not verify",
                          call->id->name);
    memcpy(set.bytes, kept.data + HEAD_SIZE, sizeof(set.bytes));
    return sherd_spread_parts(&sharing->spread, (size_t)sharing->count, &set);
}

/* Read all shares; what does not fit its digest is as damaged as what does not open. */
static enum sherd_err read_shares(const struct sherd_key_call *call, struct sherd_span kept, struct sharing *sharing)
{
    uint8_t digest[SHERD_SHA256_SIZE];

    SHERD_TRY(sherd_spread_get(call, &sharing->spread));
    for (size_t i = 0; i < sharing->spread.count; i++) {
        struct sherd_key_part *part = &sharing->spread.parts[i];

        if (part->status != SHERD_OK)
            continue;
        SHERD_TRY(digest_of(part, digest));
        if (part->bytes != KEY_SIZE ||
            !sherd_ct_equal(digest, kept.data + HEAD_SIZE + SET_SIZE + part->index * DIGEST_SIZE, DIGEST_SIZE))
            part->status = SHERD_ERR_TAMPERED;
    }
    return SHERD_OK;
}

/* Too few are left: say how many, and name the first that is at fault. */
static enum sherd_err too_few(const struct sherd_key_call *call, const struct sharing *sharing, size_t good)
{
    char first[SHERD_FAIL_TEXT_SIZE] = "";
    enum sherd_err err = SHERD_ERR_TAMPERED;

    for (size_t i = 0; i < sharing->spread.count && first[0] == 0; i++)
        if (sharing->spread.parts[i].status != SHERD_OK) {
            err = sherd_spread_fail(call, &sharing->spread, &sharing->spread.parts[i], "share");
            (void)snprintf(first, sizeof(first), "%s", sherd_err_detail());
        }
    return sherd_fail(err, "%zu good shares of %" PRIu64 " that are needed: %s", good, sharing->threshold, first);
}

static enum sherd_err combine(const struct sherd_key_call *call, const struct sharing *sharing, uint8_t *out_text_key)
{
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *rows = sherd_secret_alloc((size_t)sharing->count * KEY_SIZE);
    uint8_t x[SHARES_MAX];
    size_t good = 0;

    if (rows == NULL)
        return SHERD_ERR_NO_MEMORY;
    for (size_t i = 0; i < sharing->spread.count; i++) {
        const struct sherd_key_part *part = &sharing->spread.parts[i];

        if (part->status != SHERD_OK)
            continue;
        x[good] = (uint8_t)(part->index + 1);
        memcpy(rows + good * KEY_SIZE, part->block, KEY_SIZE);
        good++;
    }
    if (good < sharing->threshold)
        return too_few(call, sharing, good);
    return sherd_shamir_combine((size_t)sharing->threshold, x, rows, good, KEY_SIZE, out_text_key);
}

/* The shares, read, to the key. */
static enum sherd_err join(const struct sherd_key_call *call, struct sherd_span kept, const struct sharing *sharing,
                           struct sherd_master_key *out_key)
{
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *block = sherd_secret_alloc(KEY_SIZE + TEXT_SIZE);
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_master_key *key = sherd_secret_alloc(sizeof(*key));
    const struct sherd_span context = {kept.data, sealed_offset(sharing)};
    const struct sherd_span sealed = {kept.data + context.len, SEALED_SIZE};

    if (block == NULL || key == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(combine(call, sharing, block));
    struct sherd_buf text = sherd_buf_borrow(block + KEY_SIZE, TEXT_SIZE);
    struct sherd_buf plain = sherd_buf_borrow(key->bytes, sizeof(key->bytes));
    const enum sherd_err err = sherd_aead_open(block, context, sealed, &text);
    if (err == SHERD_ERR_TAMPERED)
        return sherd_fail(err, "what key store shares kept of master key \"%s\" does not verify", call->id->name);
    SHERD_TRY(err);
    SHERD_TRY(call->host->unprotect(call, sherd_buf_span(&text), &plain));
    *out_key = *key;
    return SHERD_OK;
}

static enum sherd_err shares_fetch(const struct sherd_key_call *call, struct sherd_span kept,
                                   struct sherd_master_key *out_key)
{
    SHERD_CLEANUP(sharing_done) struct sharing sharing = {0};

    SHERD_TRY(shares_of(call, kept, &sharing));
    SHERD_TRY(read_shares(call, kept, &sharing));
    return join(call, kept, &sharing, out_key);
}

static enum sherd_err shares_destroy(const struct sherd_key_call *call, struct sherd_span kept)
{
    SHERD_CLEANUP(sharing_done) struct sharing sharing = {0};

    SHERD_TRY(shares_of(call, kept, &sharing));
    return sherd_spread_delete(call, &sharing.spread);
}

static enum sherd_err shares_check(const struct sherd_key_call *call, struct sherd_span kept,
                                   sherd_key_finding_fn *visit, void *arg)
{
    SHERD_CLEANUP(sharing_done) struct sharing sharing = {0};
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_master_key *key = sherd_secret_alloc(sizeof(*key));

    if (key == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(shares_of(call, kept, &sharing));
    SHERD_TRY(read_shares(call, kept, &sharing));
    SHERD_TRY(sherd_spread_visit(&sharing.spread, visit, arg));
    return join(call, kept, &sharing, key);
}

const struct sherd_key_store sherd_key_store_shares = {
    .abi = SHERD_KEY_ABI,
    .name = "shares",
    .arg_names = arg_names,
    .keep = shares_keep,
    .fetch = shares_fetch,
    .destroy = shares_destroy,
    .check = shares_check,
};

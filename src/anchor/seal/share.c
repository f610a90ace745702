/* SPDX-License-Identifier: Apache-2.0 */
/* Shares of a seal key: see share.h and docs/format/share.md. Their text is in share_text.c. */
#include "anchor/seal/share.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include "crypto/ct.h"
#include <stdio.h>

#define FORMAT 1U
#define HEAD_BYTES 17U /* of a share: all before its value */
#define SET_HEAD_BYTES 16U
#define MACED_BYTES (SHERD_SHARE_BYTES - SHERD_SHARE_TAG_SIZE)
#define SIZE SHERD_SHARE_SECRET_SIZE

/* --- bytes -------------------------------------------------------------------------------------------------------- */

void sherd_share_encode(const struct sherd_share *share, uint8_t out[static SHERD_SHARE_BYTES])
{
    out[0] = FORMAT;
    out[1] = (uint8_t)share->kind;
    memcpy(out + 2, share->set_id, SHERD_SHARE_SET_ID_SIZE);
    sherd_put_u32(out + 10, share->generation);
    out[14] = share->index;
    out[15] = share->threshold;
    out[16] = share->count;
    memcpy(out + HEAD_BYTES, share->value, SIZE);
    memcpy(out + 49, share->set_commitment, SHERD_SHARE_TAG_SIZE);
    memcpy(out + MACED_BYTES, share->mac, SHERD_SHARE_TAG_SIZE);
}

/* What holds for every set that can be dealt. */
static bool shape_holds(enum sherd_share_kind kind, uint32_t generation, unsigned threshold, unsigned count)
{
    if (generation == 0 || threshold == 0 || threshold > count)
        return false;
    return kind == SHERD_SHARE_SHAMIR || (kind == SHERD_SHARE_XOR && threshold == count && count >= 2);
}

enum sherd_err sherd_share_decode(struct sherd_span bytes, struct sherd_share *out_share)
{
    SHERD_ENSURE(bytes.len == SHERD_SHARE_BYTES, SHERD_ERR_INVALID, "this is no share: it has another length");
    const uint8_t *in = bytes.data;

    SHERD_ENSURE(in[0] == FORMAT, SHERD_ERR_UNSUPPORTED,
                 "the share has a format that this version of sherd does not know: use a newer sherd");
    const enum sherd_share_kind kind = (enum sherd_share_kind)in[1];
    SHERD_ENSURE(shape_holds(kind, sherd_get_u32(in + 10), in[15], in[16]) && in[14] >= 1 && in[14] <= in[16],
                 SHERD_ERR_INVALID, "this is no share: its numbers contradict each other");
    out_share->kind = kind;
    memcpy(out_share->set_id, in + 2, SHERD_SHARE_SET_ID_SIZE);
    out_share->generation = sherd_get_u32(in + 10);
    out_share->index = in[14];
    out_share->threshold = in[15];
    out_share->count = in[16];
    memcpy(out_share->value, in + HEAD_BYTES, SIZE);
    memcpy(out_share->set_commitment, in + 49, SHERD_SHARE_TAG_SIZE);
    memcpy(out_share->mac, in + MACED_BYTES, SHERD_SHARE_TAG_SIZE);
    return SHERD_OK;
}

static void encode_set_head(const struct sherd_share_set *set, uint8_t out[static SET_HEAD_BYTES])
{
    out[0] = FORMAT;
    out[1] = (uint8_t)set->kind;
    memcpy(out + 2, set->set_id, SHERD_SHARE_SET_ID_SIZE);
    sherd_put_u32(out + 10, set->generation);
    out[14] = set->threshold;
    out[15] = set->count;
}

enum sherd_err sherd_share_set_encode(const struct sherd_share_set *set, struct sherd_buf *out_bytes)
{
    uint8_t head[SET_HEAD_BYTES];

    encode_set_head(set, head);
    SHERD_TRY(sherd_buf_reserve(out_bytes, SHERD_SHARE_SET_BYTES(set->count)));
    SHERD_TRY(sherd_buf_append(out_bytes, sherd_span_of(head, sizeof(head))));
    return sherd_buf_append(out_bytes, sherd_span_of(set->commitments, SHERD_SHA256_SIZE * (size_t)set->count));
}

enum sherd_err sherd_share_set_decode(struct sherd_span bytes, struct sherd_share_set *out_set)
{
    const uint8_t *in = bytes.data;

    SHERD_ENSURE(bytes.len >= SET_HEAD_BYTES, SHERD_ERR_TAMPERED, "the description of the shares is damaged");
    SHERD_ENSURE(in[0] == FORMAT, SHERD_ERR_UNSUPPORTED,
                 "the shares have a format that this version of sherd does not know: use a newer sherd");
    const enum sherd_share_kind kind = (enum sherd_share_kind)in[1];
    SHERD_ENSURE(shape_holds(kind, sherd_get_u32(in + 10), in[14], in[15]) &&
                     bytes.len == SHERD_SHARE_SET_BYTES(in[15]),
                 SHERD_ERR_TAMPERED, "the description of the shares is damaged");
    memset(out_set, 0, sizeof(*out_set));
    out_set->kind = kind;
    memcpy(out_set->set_id, in + 2, SHERD_SHARE_SET_ID_SIZE);
    out_set->generation = sherd_get_u32(in + 10);
    out_set->threshold = in[14];
    out_set->count = in[15];
    memcpy(out_set->commitments, in + SET_HEAD_BYTES, bytes.len - SET_HEAD_BYTES);
    return SHERD_OK;
}

/* --- commitments and MACs ----------------------------------------------------------------------------------------- */

static enum sherd_err commit_share(const struct sherd_share *share, struct sherd_digest *out_commitment)
{
    uint8_t head[SHERD_SHARE_BYTES]; /* only what is no secret of it is filled in */

    head[0] = FORMAT;
    head[1] = (uint8_t)share->kind;
    memcpy(head + 2, share->set_id, SHERD_SHARE_SET_ID_SIZE);
    sherd_put_u32(head + 10, share->generation);
    head[14] = share->index;
    const struct sherd_span parts[] = {sherd_span_str("sherd share commitment 1"), sherd_span_of(head, 15),
                                       sherd_span_of(share->value, SIZE)};

    return sherd_hash(SHERD_SHA256, parts, SHERD_COUNT_OF(parts), out_commitment->bytes);
}

static enum sherd_err commit_set(const struct sherd_share_set *set, uint8_t out[static SHERD_SHARE_TAG_SIZE])
{
    uint8_t head[SET_HEAD_BYTES];
    struct sherd_digest digest;
    const struct sherd_span parts[] = {sherd_span_str("sherd share set 1"), sherd_span_of(head, sizeof(head)),
                                       sherd_span_of(set->commitments, SHERD_SHA256_SIZE * (size_t)set->count)};

    encode_set_head(set, head);
    SHERD_TRY(sherd_hash(SHERD_SHA256, parts, SHERD_COUNT_OF(parts), digest.bytes));
    memcpy(out, digest.bytes, SHERD_SHARE_TAG_SIZE);
    return SHERD_OK;
}

/* What combining works with; in secret memory. */
struct work {
    uint8_t secret[SIZE];
    uint8_t mac_key[SIZE];
    uint8_t bytes[SHERD_SHARE_BYTES];
    uint8_t tag[SHERD_SHA256_SIZE];
    uint8_t x[SHERD_SHARE_COUNT_MAX];
    uint8_t values[SHERD_SHARE_COUNT_MAX * SIZE];
};

static enum sherd_err derive_mac_key(struct work *work, const uint8_t set_id[static SHERD_SHARE_SET_ID_SIZE])
{
    return sherd_hkdf(SHERD_SHA512, sherd_span_of(work->secret, SIZE), sherd_span_of(set_id, SHERD_SHARE_SET_ID_SIZE),
                      sherd_span_str("sherd share mac 1"), work->mac_key, sizeof(work->mac_key));
}

/* The MAC of a share is then in the first bytes of work->tag. */
static enum sherd_err mac_share(struct work *work, const struct sherd_share *share)
{
    const struct sherd_span maced = sherd_span_of(work->bytes, MACED_BYTES);

    sherd_share_encode(share, work->bytes);
    return sherd_hmac(SHERD_SHA256, sherd_span_of(work->mac_key, sizeof(work->mac_key)), &maced, 1, work->tag);
}

/* --- dealing ------------------------------------------------------------------------------------------------------ */

static enum sherd_err check_deal(const struct sherd_share_deal *deal)
{
    SHERD_ENSURE(deal->generation >= 1, SHERD_ERR_INVALID, "shares: generations count from 1");
    SHERD_ENSURE(deal->count <= SHERD_SHARE_COUNT_MAX, SHERD_ERR_INVALID, "shares: there are 1 to 255");
    SHERD_ENSURE(deal->kind == SHERD_SHARE_SHAMIR || deal->kind == SHERD_SHARE_XOR, SHERD_ERR_INVALID,
                 "shares: there is no such kind");
    SHERD_ENSURE(deal->kind == SHERD_SHARE_SHAMIR || deal->threshold == deal->count, SHERD_ERR_INVALID,
                 "shares that add up are needed all: the threshold is their count");
    return SHERD_OK;
}

static enum sherd_err split_values(const struct sherd_share_deal *deal, struct work *work)
{
    const struct sherd_span secret = sherd_span_of(work->secret, SIZE);

    if (deal->kind == SHERD_SHARE_XOR)
        return sherd_xor_split(secret, deal->count, work->values);
    return sherd_shamir_split(secret, deal->threshold, deal->count, work->values);
}

static enum sherd_err set_begin(const struct sherd_share_deal *deal, struct sherd_share_set *out_set)
{
    out_set->kind = deal->kind;
    out_set->generation = deal->generation;
    out_set->threshold = (uint8_t)(deal->threshold == SHERD_SHAMIR_COPIES ? 1 : deal->threshold);
    out_set->count = (uint8_t)deal->count;
    if (deal->set_id == NULL)
        return sherd_random(out_set->set_id, SHERD_SHARE_SET_ID_SIZE);
    memcpy(out_set->set_id, deal->set_id, SHERD_SHARE_SET_ID_SIZE);
    return SHERD_OK;
}

/* All of the shares but their MACs, and the commitments to them. */
static enum sherd_err fill_shares(const struct work *work, struct sherd_share *shares, struct sherd_share_set *set)
{
    uint8_t set_commitment[SHERD_SHARE_TAG_SIZE];

    for (unsigned i = 0; i < set->count; i++) {
        struct sherd_share *share = &shares[i];

        memset(share, 0, sizeof(*share));
        share->kind = set->kind;
        memcpy(share->set_id, set->set_id, sizeof(share->set_id));
        share->generation = set->generation;
        share->index = (uint8_t)(i + 1);
        share->threshold = set->threshold;
        share->count = set->count;
        memcpy(share->value, work->values + (size_t)i * SIZE, SIZE);
        SHERD_TRY(commit_share(share, &set->commitments[i]));
    }
    SHERD_TRY(commit_set(set, set_commitment));
    for (unsigned i = 0; i < set->count; i++)
        memcpy(shares[i].set_commitment, set_commitment, sizeof(set_commitment));
    return SHERD_OK;
}

static enum sherd_err split_with(struct work *work, const struct sherd_share_deal *deal, struct sherd_share *shares,
                                 struct sherd_share_set *set)
{
    SHERD_TRY(split_values(deal, work));
    SHERD_TRY(set_begin(deal, set));
    SHERD_TRY(fill_shares(work, shares, set));
    SHERD_TRY(derive_mac_key(work, set->set_id));
    for (unsigned i = 0; i < set->count; i++) {
        SHERD_TRY(mac_share(work, &shares[i]));
        memcpy(shares[i].mac, work->tag, SHERD_SHARE_TAG_SIZE);
    }
    return SHERD_OK;
}

enum sherd_err sherd_share_split(const uint8_t secret[static SHERD_SHARE_SECRET_SIZE],
                                 const struct sherd_share_deal *deal, struct sherd_share *out_shares,
                                 struct sherd_share_set *out_set)
{
    SHERD_TRY(check_deal(deal));
    SHERD_CLEANUP(sherd_secret_freep) struct work *work = sherd_secret_alloc(sizeof(*work));
    if (work == NULL)
        return SHERD_ERR_NO_MEMORY;
    memcpy(work->secret, secret, SIZE);
    memset(out_set, 0, sizeof(*out_set));
    const enum sherd_err err = split_with(work, deal, out_shares, out_set);
    if (err != SHERD_OK) {
        sherd_wipe(out_shares, deal->count * sizeof(*out_shares));
        memset(out_set, 0, sizeof(*out_set));
    }
    return err;
}

/* --- one share by itself ------------------------------------------------------------------------------------------ */

static enum sherd_err forged(const struct sherd_share *share)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "share %u was forged or changed: it is not the one that was dealt",
                      share->index);
}

static enum sherd_err check_origin(const struct sherd_share *share,
                                   const uint8_t set_id[static SHERD_SHARE_SET_ID_SIZE], uint32_t generation)
{
    if (!sherd_same(share->set_id, set_id, SHERD_SHARE_SET_ID_SIZE))
        return sherd_fail(SHERD_ERR_INVALID, "share %u is of another set", share->index);
    if (share->generation < generation)
        return sherd_fail(SHERD_ERR_INVALID, "share %u is stale: it is of generation %u, and %u has replaced that",
                          share->index, share->generation, generation);
    if (share->generation > generation)
        return sherd_fail(SHERD_ERR_INVALID, "share %u is of generation %u, newer than the seal, which has %u",
                          share->index, share->generation, generation);
    return SHERD_OK;
}

enum sherd_err sherd_share_check(const struct sherd_share *share, const struct sherd_share_set *set)
{
    uint8_t set_commitment[SHERD_SHARE_TAG_SIZE];
    struct sherd_digest commitment;

    SHERD_TRY(check_origin(share, set->set_id, set->generation));
    if (share->kind != set->kind || share->threshold != set->threshold || share->count != set->count ||
        share->index < 1 || share->index > set->count)
        return forged(share);
    SHERD_TRY(commit_set(set, set_commitment));
    SHERD_TRY(commit_share(share, &commitment));
    const bool same_set = sherd_ct_equal(set_commitment, share->set_commitment, sizeof(set_commitment));
    const bool same_share = sherd_ct_equal(commitment.bytes, set->commitments[share->index - 1].bytes,
                                           sizeof(commitment.bytes));
    return same_set && same_share ? SHERD_OK : forged(share);
}

/* --- combining ---------------------------------------------------------------------------------------------------- */

static bool of_one_set(const struct sherd_share *a, const struct sherd_share *b)
{
    return a->kind == b->kind && sherd_same(a->set_id, b->set_id, sizeof(a->set_id)) &&
           a->generation == b->generation && a->threshold == b->threshold && a->count == b->count &&
           sherd_same(a->set_commitment, b->set_commitment, sizeof(a->set_commitment));
}

/* Without the set: the majority says what the set is. */
static enum sherd_err check_together(const struct sherd_share *shares, size_t count, size_t *out_bad)
{
    size_t best = 0;
    size_t best_agree = 0;

    for (size_t i = 0; i < count; i++) {
        size_t agree = 0;

        for (size_t j = 0; j < count; j++)
            agree += of_one_set(&shares[i], &shares[j]);
        if (agree > best_agree) {
            best = i;
            best_agree = agree;
        }
    }
    if (best_agree == count)
        return SHERD_OK;
    if (best_agree <= count / 2)
        return sherd_fail(SHERD_ERR_INVALID, "the shares are of different sets or generations");
    for (size_t i = 0; i < count; i++) {
        if (of_one_set(&shares[i], &shares[best]))
            continue;
        *out_bad = i;
        SHERD_TRY(check_origin(&shares[i], shares[best].set_id, shares[best].generation));
        return forged(&shares[i]);
    }
    return SHERD_OK;
}

static enum sherd_err check_numbers(const struct sherd_share *shares, size_t count, size_t *out_bad)
{
    bool seen[SHERD_SHARE_COUNT_MAX + 1] = {false};

    for (size_t i = 0; i < count; i++) {
        *out_bad = i;
        if (shares[i].index < 1 || shares[i].index > shares[i].count)
            return sherd_fail(SHERD_ERR_INVALID, "no share has the number %u", shares[i].index);
        if (seen[shares[i].index])
            return sherd_fail(SHERD_ERR_INVALID, "share %u is given twice", shares[i].index);
        seen[shares[i].index] = true;
    }
    *out_bad = SHERD_SHARE_NONE;
    if (count < shares[0].threshold)
        return sherd_fail(SHERD_ERR_INVALID, "%u shares are needed, and %zu given", shares[0].threshold, count);
    return SHERD_OK;
}

static enum sherd_err check_all(const struct sherd_share *shares, size_t count, const struct sherd_share_set *set,
                                size_t *out_bad)
{
    SHERD_ENSURE(count >= 1, SHERD_ERR_INVALID, "no share is given");
    SHERD_ENSURE(count <= SHERD_SHARE_COUNT_MAX, SHERD_ERR_INVALID, "more shares are given than there can be");
    if (set == NULL) {
        SHERD_TRY(check_together(shares, count, out_bad));
    } else {
        for (size_t i = 0; i < count; i++) {
            *out_bad = i;
            SHERD_TRY(sherd_share_check(&shares[i], set));
        }
    }
    return check_numbers(shares, count, out_bad);
}

/* The secret of the first threshold shares, without the one at `without`, in work->secret. */
static enum sherd_err combine_values(struct work *work, const struct sherd_share *shares, size_t count, size_t without)
{
    const size_t threshold = shares[0].threshold;
    size_t taken = 0;

    for (size_t i = 0; i < count && taken < threshold; i++) {
        if (i == without)
            continue;
        work->x[taken] = shares[i].index;
        memcpy(work->values + taken * SIZE, shares[i].value, SIZE);
        taken++;
    }
    if (shares[0].kind == SHERD_SHARE_XOR)
        return sherd_xor_combine(work->values, taken, SIZE, work->secret);
    return sherd_shamir_combine(threshold == 1 ? SHERD_SHAMIR_COPIES : threshold, work->x, work->values, taken, SIZE,
                                work->secret);
}

/* How many MACs hold under work->secret, and the first place of one that does not (SHERD_SHARE_NONE: all hold). */
static enum sherd_err verify_macs(struct work *work, const struct sherd_share *shares, size_t count, size_t *out_held,
                                  size_t *out_bad)
{
    *out_held = 0;
    *out_bad = SHERD_SHARE_NONE;
    SHERD_TRY(derive_mac_key(work, shares[0].set_id));
    for (size_t i = 0; i < count; i++) {
        SHERD_TRY(mac_share(work, &shares[i]));
        if (sherd_ct_equal(work->tag, shares[i].mac, SHERD_SHARE_TAG_SIZE))
            (*out_held)++;
        else if (*out_bad == SHERD_SHARE_NONE)
            *out_bad = i;
    }
    return SHERD_OK;
}

/*
 * Find who is to blame where a MAC fails. One MAC that holds shows that the secret is right, so that those that fail
 * are bad; where none holds, one of those that were combined is, and is found by leaving out each in turn, if others
 * can take its place.
 */
static enum sherd_err blame(struct work *work, const struct sherd_share *shares, size_t count, size_t held,
                            size_t *out_bad)
{
    const size_t threshold = shares[0].threshold;
    size_t bad = *out_bad;

    if (held == 0)
        *out_bad = SHERD_SHARE_NONE;
    for (size_t without = 0; held == 0 && without < threshold && count > threshold; without++) {
        SHERD_TRY(combine_values(work, shares, count, without));
        SHERD_TRY(verify_macs(work, shares, count, &held, &bad));
    }
    if (held == 0)
        return sherd_fail(SHERD_ERR_TAMPERED, "one of these shares, or more, was forged or changed: give another one "
                                              "too, and it will be named");
    *out_bad = bad;
    return forged(&shares[bad]);
}

static enum sherd_err combine_with(struct work *work, const struct sherd_share *shares, size_t count, size_t *out_bad)
{
    size_t held = 0;

    SHERD_TRY(combine_values(work, shares, count, SHERD_SHARE_NONE));
    SHERD_TRY(verify_macs(work, shares, count, &held, out_bad));
    return held == count ? SHERD_OK : blame(work, shares, count, held, out_bad);
}

enum sherd_err sherd_share_combine(const struct sherd_share *shares, size_t count, const struct sherd_share_set *set,
                                   uint8_t out_secret[static SHERD_SHARE_SECRET_SIZE], size_t *out_bad)
{
    size_t unwanted;
    size_t *bad = out_bad != NULL ? out_bad : &unwanted;

    *bad = SHERD_SHARE_NONE;
    SHERD_TRY(check_all(shares, count, set, bad));
    SHERD_CLEANUP(sherd_secret_freep) struct work *work = sherd_secret_alloc(sizeof(*work));
    if (work == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(combine_with(work, shares, count, bad));
    memcpy(out_secret, work->secret, SIZE);
    return SHERD_OK;
}

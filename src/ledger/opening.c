/* SPDX-License-Identifier: Apache-2.0 */
/* Leaves that are shown: see opening.h and docs/format/ledger.md. */
#include "ledger/opening.h"
#include "base/bytes.h"
#include "envelope/tlv.h"
#include <string.h>

#define OPENING_FORMAT 1U

enum opening_field {
    OPENING_FORMAT_TAG = 1,
    OPENING_LEAF = 2,
    OPENING_SUBJECT = 3,
    OPENING_DIGEST = 4,
    OPENING_SUBJECT_BLIND = 5,
    OPENING_ACTOR = 6,
    OPENING_ENTITY = 7,
    OPENING_COLLECTION = 8,
    OPENING_ACTOR_BLIND = 9,
    OPENING_POSITION = 10,
    OPENING_SLOT = 11,
    OPENING_JOIN = 12,
    OPENING_JOIN_BLIND = 13,
    OPENING_JOIN_PATH = 14,
};

#define BIT(field) SHERD_TLV_BIT(field)

static enum sherd_err malformed(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "that shows no leaf of a ledger");
}

/* --- as bytes ----------------------------------------------------------------------------------------------------- */

static bool is_zero(const void *bytes, size_t size)
{
    static const uint8_t zeros[SHERD_SHA256_SIZE] = {0};

    return sherd_same(bytes, zeros, size);
}

/* What is all zero says nothing, and is left out. */
static void put(struct sherd_tlv_writer *writer, enum opening_field tag, const void *bytes, size_t size)
{
    if (!is_zero(bytes, size))
        sherd_tlv_put(writer, tag, sherd_span_of(bytes, size));
}

static void put_join(struct sherd_tlv_writer *writer, const struct sherd_join_shown *join)
{
    uint8_t kept[SHERD_JOIN_KEPT_SIZE];
    uint8_t plain[SHERD_JOIN_PLAIN_SIZE];

    sherd_join_kept_encode(&join->slot, kept);
    sherd_join_encode(&join->join, plain);
    sherd_tlv_put_u64(writer, OPENING_POSITION, join->position);
    sherd_tlv_put(writer, OPENING_SLOT, sherd_span_of(kept, sizeof(kept)));
    sherd_tlv_put(writer, OPENING_JOIN, sherd_span_of(plain, sizeof(plain)));
    sherd_tlv_put(writer, OPENING_JOIN_BLIND, sherd_span_of(join->blind.bytes, sizeof(join->blind.bytes)));
    sherd_tlv_put(writer, OPENING_JOIN_PATH,
                  sherd_span_of(join->path.hashes[0].bytes, join->path.count * sizeof(join->path.hashes[0])));
}

enum sherd_err sherd_opening_encode(const struct sherd_opening *opening, uint8_t *block, size_t *out_bytes)
{
    struct sherd_tlv_writer writer = sherd_tlv_writer(block, SHERD_OPENING_BYTES_MAX);

    SHERD_ENSURE(opening->leaf.len <= SHERD_LEAF_BYTES_MAX, SHERD_ERR_LIMIT, "a leaf of the ledger is too long");
    sherd_tlv_put_u64(&writer, OPENING_FORMAT_TAG, OPENING_FORMAT);
    sherd_tlv_put(&writer, OPENING_LEAF, opening->leaf);
    if (opening->subject_shown) {
        put(&writer, OPENING_SUBJECT, opening->subject.bytes, sizeof(opening->subject.bytes));
        put(&writer, OPENING_DIGEST, opening->digest.bytes, sizeof(opening->digest.bytes));
        put(&writer, OPENING_SUBJECT_BLIND, opening->subject_blind.bytes, sizeof(opening->subject_blind.bytes));
    }
    if (opening->actor_shown) {
        put(&writer, OPENING_ACTOR, opening->actor.bytes, sizeof(opening->actor.bytes));
        put(&writer, OPENING_ENTITY, opening->entity.bytes, sizeof(opening->entity.bytes));
        put(&writer, OPENING_COLLECTION, opening->collection.bytes, sizeof(opening->collection.bytes));
        put(&writer, OPENING_ACTOR_BLIND, opening->actor_blind.bytes, sizeof(opening->actor_blind.bytes));
    }
    if (opening->join_shown)
        put_join(&writer, &opening->join);
    return sherd_tlv_end(&writer, out_bytes);
}

static bool has(const struct sherd_tlv *tlv, enum opening_field tag)
{
    return tlv->value[tag].data != NULL;
}

/* A value that is not all zero, or none. */
static enum sherd_err get(const struct sherd_tlv *tlv, enum opening_field tag, void *out, size_t size)
{
    if (!has(tlv, tag))
        return SHERD_OK;
    SHERD_TRY(sherd_tlv_get(tlv, tag, out, size));
    return is_zero(out, size) ? malformed() : SHERD_OK;
}

static enum sherd_err get_subject(const struct sherd_tlv *tlv, struct sherd_opening *opening)
{
    opening->subject_shown = has(tlv, OPENING_SUBJECT_BLIND);
    if (opening->subject_shown != has(tlv, OPENING_SUBJECT) || opening->subject_shown < has(tlv, OPENING_DIGEST))
        return malformed();
    SHERD_TRY(get(tlv, OPENING_SUBJECT, opening->subject.bytes, sizeof(opening->subject.bytes)));
    SHERD_TRY(get(tlv, OPENING_DIGEST, opening->digest.bytes, sizeof(opening->digest.bytes)));
    return get(tlv, OPENING_SUBJECT_BLIND, opening->subject_blind.bytes, sizeof(opening->subject_blind.bytes));
}

static enum sherd_err get_actor(const struct sherd_tlv *tlv, struct sherd_opening *opening)
{
    opening->actor_shown = has(tlv, OPENING_ACTOR_BLIND);
    if (opening->actor_shown != (has(tlv, OPENING_ACTOR) || has(tlv, OPENING_ENTITY) || has(tlv, OPENING_COLLECTION)))
        return malformed();
    SHERD_TRY(get(tlv, OPENING_ACTOR, opening->actor.bytes, sizeof(opening->actor.bytes)));
    SHERD_TRY(get(tlv, OPENING_ENTITY, opening->entity.bytes, sizeof(opening->entity.bytes)));
    SHERD_TRY(get(tlv, OPENING_COLLECTION, opening->collection.bytes, sizeof(opening->collection.bytes)));
    return get(tlv, OPENING_ACTOR_BLIND, opening->actor_blind.bytes, sizeof(opening->actor_blind.bytes));
}

static enum sherd_err get_path(struct sherd_span bytes, struct sherd_path *out_path)
{
    const size_t size = sizeof(out_path->hashes[0]);

    if (bytes.len % size != 0 || bytes.len > SHERD_JOIN_PATH_HASHES_MAX * size)
        return malformed();
    out_path->count = bytes.len / size;
    if (bytes.len != 0)
        memcpy(out_path->hashes, bytes.data, bytes.len);
    return SHERD_OK;
}

/* All of it, but for the path of the only one that a leaf stands for. */
static enum sherd_err get_join(const struct sherd_tlv *tlv, struct sherd_opening *opening)
{
    struct sherd_join_shown *join = &opening->join;
    uint8_t kept[SHERD_JOIN_KEPT_SIZE];
    uint8_t plain[SHERD_JOIN_PLAIN_SIZE];

    opening->join_shown = has(tlv, OPENING_POSITION);
    if (opening->join_shown != has(tlv, OPENING_SLOT) || opening->join_shown != has(tlv, OPENING_JOIN) ||
        opening->join_shown != has(tlv, OPENING_JOIN_BLIND) || opening->join_shown < has(tlv, OPENING_JOIN_PATH))
        return malformed();
    if (!opening->join_shown)
        return SHERD_OK;
    SHERD_TRY(sherd_tlv_get_u64(tlv, OPENING_POSITION, SHERD_JOIN_BATCH_MAX - 1, &join->position));
    SHERD_TRY(sherd_tlv_get(tlv, OPENING_SLOT, kept, sizeof(kept)));
    SHERD_TRY(sherd_tlv_get(tlv, OPENING_JOIN, plain, sizeof(plain)));
    SHERD_TRY(sherd_tlv_get(tlv, OPENING_JOIN_BLIND, join->blind.bytes, sizeof(join->blind.bytes)));
    SHERD_TRY(get_path(tlv->value[OPENING_JOIN_PATH], &join->path));
    sherd_join_kept_decode(kept, &join->slot);
    return sherd_join_decode(plain, &join->join);
}

static enum sherd_err read_opening(struct sherd_span bytes, struct sherd_opening *out_opening)
{
    const uint64_t optional = BIT(OPENING_SUBJECT) | BIT(OPENING_DIGEST) | BIT(OPENING_SUBJECT_BLIND) |
                              BIT(OPENING_ACTOR) | BIT(OPENING_ENTITY) | BIT(OPENING_COLLECTION) |
                              BIT(OPENING_ACTOR_BLIND) | BIT(OPENING_POSITION) | BIT(OPENING_SLOT) | BIT(OPENING_JOIN) |
                              BIT(OPENING_JOIN_BLIND) | BIT(OPENING_JOIN_PATH);
    struct sherd_opening opening = {.subject_shown = false};
    struct sherd_tlv tlv;
    uint64_t format;

    SHERD_TRY(sherd_tlv_parse(bytes, BIT(OPENING_FORMAT_TAG) | BIT(OPENING_LEAF), optional, &tlv));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, OPENING_FORMAT_TAG, OPENING_FORMAT, &format));
    opening.leaf = tlv.value[OPENING_LEAF];
    if (format != OPENING_FORMAT || opening.leaf.len > SHERD_LEAF_BYTES_MAX)
        return malformed();
    SHERD_TRY(get_subject(&tlv, &opening));
    SHERD_TRY(get_actor(&tlv, &opening));
    SHERD_TRY(get_join(&tlv, &opening));
    *out_opening = opening;
    return SHERD_OK;
}

enum sherd_err sherd_opening_decode(struct sherd_span bytes, struct sherd_opening *out_opening)
{
    return read_opening(bytes, out_opening) == SHERD_OK ? SHERD_OK : malformed();
}

/* --- what it shows ------------------------------------------------------------------------------------------------ */

static enum sherd_err check(const struct sherd_leaf *leaf, enum sherd_leaf_commitment which,
                            const struct sherd_digest *blind, const struct sherd_ref *name,
                            const struct sherd_digest *digest)
{
    struct sherd_digest commitment;

    SHERD_TRY(sherd_leaf_commitment(blind, name, digest, &commitment));
    SHERD_ENSURE(leaf->committed[which] &&
                     sherd_same(commitment.bytes, leaf->commitments[which].bytes, sizeof(commitment.bytes)),
                 SHERD_ERR_TAMPERED, "what is said of the leaf is not what it commits to");
    return SHERD_OK;
}

/* Entity and collection stand where a digest does: ledger/leaf.c. */
static enum sherd_err check_actor(const struct sherd_opening *opening, const struct sherd_leaf *leaf)
{
    struct sherd_digest beside;

    _Static_assert(sizeof(beside.bytes) == sizeof(opening->entity.bytes) + sizeof(opening->collection.bytes),
                   "they fill it");
    memcpy(beside.bytes, opening->entity.bytes, sizeof(opening->entity.bytes));
    memcpy(beside.bytes + sizeof(opening->entity.bytes), opening->collection.bytes, sizeof(opening->collection.bytes));
    return check(leaf, SHERD_LEAF_ACTOR, &opening->actor_blind, &opening->actor, &beside);
}

enum sherd_err sherd_opening_verify(const struct sherd_opening *opening, struct sherd_leaf *out_leaf)
{
    struct sherd_leaf leaf;

    SHERD_TRY(sherd_leaf_decode(opening->leaf, &leaf));
    if (opening->subject_shown)
        SHERD_TRY(check(&leaf, SHERD_LEAF_SUBJECT, &opening->subject_blind, &opening->subject, &opening->digest));
    if (opening->actor_shown)
        SHERD_TRY(check_actor(opening, &leaf));
    if (opening->join_shown)
        SHERD_TRY(sherd_join_shown_verify(&opening->join, &leaf));
    *out_leaf = leaf;
    return SHERD_OK;
}

enum sherd_err sherd_shown_verify(struct sherd_span text, const struct sherd_policy *policy,
                                  uint8_t room[static SHERD_OPENING_BYTES_MAX], struct sherd_shown *out_shown)
{
    struct sherd_buf extra = sherd_buf_borrow(room, SHERD_OPENING_BYTES_MAX);
    struct sherd_shown shown;
    struct sherd_proof proof;

    SHERD_TRY(sherd_proof_decode(text, &proof));
    if (sherd_proof_extra(&proof, &extra) != SHERD_OK)
        return malformed();
    SHERD_TRY(sherd_opening_decode(sherd_buf_span(&extra), &shown.opening));
    SHERD_TRY(sherd_proof_verify(&proof, shown.opening.leaf, policy, &shown.checkpoint, &shown.vouched));
    SHERD_TRY(sherd_opening_verify(&shown.opening, &shown.leaf));
    shown.index = proof.index;
    *out_shown = shown;
    return SHERD_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Joins: see join.h and docs/format/ledger.md. */
#include "ledger/join.h"
#include "base/bytes.h"
#include "crypto/merkle.h"
#include <string.h>

#define HEAD_MAGIC "SHRDJOIN"
#define FORMAT 1U

static enum sherd_err tampered(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "an entry of a join does not verify");
}

/* --- files -------------------------------------------------------------------------------------------------------- */

void sherd_join_head(const struct sherd_ref *file, uint8_t head[static SHERD_JOIN_HEAD_SIZE])
{
    memset(head, 0, SHERD_JOIN_HEAD_SIZE);
    memcpy(head, HEAD_MAGIC, 8);
    sherd_put_u32(head + 8, FORMAT);
    memcpy(head + 16, file->bytes, sizeof(file->bytes));
}

bool sherd_join_head_is(const struct sherd_ref *file, struct sherd_span bytes)
{
    uint8_t head[SHERD_JOIN_HEAD_SIZE];

    sherd_join_head(file, head);
    return bytes.len >= sizeof(head) && sherd_same(bytes.data, head, sizeof(head));
}

enum sherd_err sherd_join_series(const struct sherd_leaf_keys *keys, const struct sherd_ref *file, bool sealing,
                                 struct sherd_aead_message **out_series)
{
    uint8_t salt[SHERD_AEAD_SALT_SIZE] = {0};

    memcpy(salt, file->bytes, sizeof(file->bytes));
    return sherd_aead_series_begin(sherd_leaf_join_key(keys), sherd_span_of(sherd_leaf_deployment(keys), 16), salt,
                                   sealing, out_series);
}

void sherd_join_encode(const struct sherd_join *join, uint8_t plain[static SHERD_JOIN_PLAIN_SIZE])
{
    memcpy(plain, join->record.bytes, 16);
    sherd_put_u64(plain + 16, join->version);
    sherd_put_u64(plain + 24, join->time_ns);
    memcpy(plain + 32, join->actor.bytes, 16);
}

enum sherd_err sherd_join_decode(const uint8_t plain[static SHERD_JOIN_PLAIN_SIZE], struct sherd_join *out_join)
{
    struct sherd_join join = {.version = sherd_get_u64(plain + 16), .time_ns = sherd_get_u64(plain + 24)};

    if (join.version == 0)
        return tampered();
    memcpy(join.record.bytes, plain, 16);
    memcpy(join.actor.bytes, plain + 32, 16);
    *out_join = join;
    return SHERD_OK;
}

enum sherd_err sherd_join_seal(struct sherd_aead_message *series, uint64_t number, const struct sherd_join *join,
                               uint8_t *slot)
{
    uint8_t plain[SHERD_JOIN_PLAIN_SIZE];

    SHERD_ENSURE(number != 0 && join->version != 0, SHERD_ERR_INVALID, "a join is of a version");
    sherd_join_encode(join, plain);
    return sherd_aead_slot_seal(series, number, sherd_span_of(plain, sizeof(plain)), slot);
}

enum sherd_err sherd_join_open(struct sherd_aead_message *series, uint64_t number, const uint8_t *slot,
                               struct sherd_join *out_join)
{
    uint8_t plain[SHERD_JOIN_PLAIN_SIZE];

    if (number == 0)
        return tampered();
    SHERD_TRY(sherd_aead_slot_open(series, number, sherd_span_of(slot, SHERD_JOIN_SLOT_SIZE), plain));
    return sherd_join_decode(plain, out_join);
}

/* Magic, format, and two numbers; the rest is zero. */
static void birth_plain(const struct sherd_join_birth *birth, uint8_t plain[static SHERD_JOIN_PLAIN_SIZE])
{
    memset(plain, 0, SHERD_JOIN_PLAIN_SIZE);
    memcpy(plain, HEAD_MAGIC, 8);
    sherd_put_u32(plain + 8, FORMAT);
    sherd_put_u64(plain + 16, birth->round);
    sherd_put_u64(plain + 24, birth->time_ns);
}

enum sherd_err sherd_join_birth_seal(struct sherd_aead_message *series, const struct sherd_join_birth *birth,
                                     uint8_t *slot)
{
    uint8_t plain[SHERD_JOIN_PLAIN_SIZE];

    birth_plain(birth, plain);
    return sherd_aead_slot_seal(series, 0, sherd_span_of(plain, sizeof(plain)), slot);
}

enum sherd_err sherd_join_birth_open(struct sherd_aead_message *series, const uint8_t *slot,
                                     struct sherd_join_birth *out_birth)
{
    uint8_t plain[SHERD_JOIN_PLAIN_SIZE];
    uint8_t again[SHERD_JOIN_PLAIN_SIZE];

    SHERD_TRY(sherd_aead_slot_open(series, 0, sherd_span_of(slot, SHERD_JOIN_SLOT_SIZE), plain));
    const struct sherd_join_birth birth = {.round = sherd_get_u64(plain + 16), .time_ns = sherd_get_u64(plain + 24)};
    birth_plain(&birth, again);
    if (!sherd_same(plain, again, sizeof(plain)))
        return tampered();
    *out_birth = birth;
    return SHERD_OK;
}

/* --- commitments -------------------------------------------------------------------------------------------------- */

/* Other values of that key are over an id alone, or with another byte behind it (ledger/leaf.c). */
enum sherd_err sherd_join_file_blind(const struct sherd_leaf_keys *keys, const struct sherd_ref *file,
                                     struct sherd_digest *out_blind)
{
    static const uint8_t domain = 0x02;
    const struct sherd_span parts[] = {sherd_span_of(file->bytes, sizeof(file->bytes)), sherd_span_of(&domain, 1)};
    uint8_t mac[SHERD_SHA512_SIZE];

    SHERD_TRY(sherd_hmac_with(sherd_leaf_blind_key(keys), parts, SHERD_COUNT_OF(parts), mac));
    memcpy(out_blind->bytes, mac, sizeof(out_blind->bytes));
    return SHERD_OK;
}

/* Of one length, always: so a hash with the secret before it is as good as an HMAC, and takes one block. */
enum sherd_err sherd_join_blind(const struct sherd_digest *file_blind, uint64_t number, struct sherd_digest *out_blind)
{
    static const uint8_t domain = 0x04;
    uint8_t bytes[8];
    const struct sherd_span parts[] = {sherd_span_of(&domain, 1),
                                       sherd_span_of(file_blind->bytes, sizeof(file_blind->bytes)),
                                       sherd_span_of(bytes, sizeof(bytes))};

    sherd_put_u64(bytes, number);
    return sherd_hash(SHERD_SHA256, parts, SHERD_COUNT_OF(parts), out_blind->bytes);
}

enum sherd_err sherd_join_commitment(const struct sherd_digest *blind, const struct sherd_join *join,
                                     struct sherd_digest *out_commitment)
{
    static const uint8_t domain = 0x03;
    uint8_t plain[SHERD_JOIN_PLAIN_SIZE];
    const struct sherd_span parts[] = {sherd_span_of(&domain, 1), sherd_span_of(blind->bytes, sizeof(blind->bytes)),
                                       sherd_span_of(plain, sizeof(plain))};

    sherd_join_encode(join, plain);
    return sherd_hash(SHERD_SHA256, parts, SHERD_COUNT_OF(parts), out_commitment->bytes);
}

/* --- what a leaf stands for --------------------------------------------------------------------------------------- */

void sherd_join_kept_encode(const struct sherd_join_slot *slot, uint8_t kept[static SHERD_JOIN_KEPT_SIZE])
{
    memcpy(kept, slot->file.bytes, 16);
    sherd_put_u64(kept + 16, slot->number);
    memcpy(kept + 24, slot->bytes, sizeof(slot->bytes));
    memcpy(kept + 24 + sizeof(slot->bytes), slot->commitment.bytes, sizeof(slot->commitment.bytes));
}

void sherd_join_kept_decode(const uint8_t kept[static SHERD_JOIN_KEPT_SIZE], struct sherd_join_slot *out_slot)
{
    memcpy(out_slot->file.bytes, kept, 16);
    out_slot->number = sherd_get_u64(kept + 16);
    memcpy(out_slot->bytes, kept + 24, sizeof(out_slot->bytes));
    memcpy(out_slot->commitment.bytes, kept + 24 + sizeof(out_slot->bytes), sizeof(out_slot->commitment.bytes));
}

static enum sherd_err kept_hash(const struct sherd_join_slot *slot, struct sherd_digest *out_hash)
{
    uint8_t kept[SHERD_JOIN_KEPT_SIZE];

    sherd_join_kept_encode(slot, kept);
    return sherd_merkle_leaf(sherd_span_of(kept, sizeof(kept)), out_hash);
}

enum sherd_err sherd_join_root(const struct sherd_join_slot *slots, size_t count, struct sherd_digest *out_root)
{
    struct sherd_merkle tree = {0};
    struct sherd_digest hash;

    for (size_t i = 0; i < count; i++) {
        SHERD_TRY(kept_hash(&slots[i], &hash));
        SHERD_TRY(sherd_merkle_add(&tree, &hash));
    }
    return sherd_merkle_root(&tree, out_root);
}

enum sherd_err sherd_join_tree_build(const struct sherd_join_slot *slots, size_t count,
                                     struct sherd_join_tree *out_tree)
{
    SHERD_ENSURE(count != 0 && count <= SHERD_JOIN_BATCH_MAX, SHERD_ERR_INVALID, "a leaf stands for 1 to 256 joins");
    out_tree->count = count;
    for (size_t i = 0; i < count; i++)
        SHERD_TRY(kept_hash(&slots[i], &out_tree->levels[0][i]));
    for (size_t level = 1; count >> level != 0; level++)
        for (size_t i = 0; i < count >> level; i++)
            SHERD_TRY(sherd_merkle_node(&out_tree->levels[level - 1][2 * i], &out_tree->levels[level - 1][2 * i + 1],
                                        &out_tree->levels[level][i]));
    return SHERD_OK;
}

static enum sherd_err read_node(void *arg, unsigned level, uint64_t index, struct sherd_digest *out_hash)
{
    const struct sherd_join_tree *tree = arg;

    *out_hash = tree->levels[level][index];
    return SHERD_OK;
}

enum sherd_err sherd_join_tree_prove(struct sherd_join_tree *tree, size_t position, struct sherd_path *out_path)
{
    const struct sherd_node_reader reader = {.read = read_node, .arg = tree};

    return sherd_inclusion_prove(&reader, position, tree->count, out_path);
}

enum sherd_err sherd_join_shown_verify(const struct sherd_join_shown *shown, const struct sherd_leaf *leaf)
{
    const struct sherd_tree_head head = {.size = leaf->count, .root = leaf->root};
    struct sherd_digest commitment;
    struct sherd_digest hash;

    if (leaf->kind != SHERD_EVENT_JOIN || !leaf->has_root || shown->position >= leaf->count)
        return tampered();
    SHERD_TRY(kept_hash(&shown->slot, &hash));
    SHERD_TRY(sherd_inclusion_verify(&shown->path, shown->position, &hash, &head));
    SHERD_TRY(sherd_join_commitment(&shown->blind, &shown->join, &commitment));
    return sherd_same(commitment.bytes, shown->slot.commitment.bytes, sizeof(commitment.bytes)) ? SHERD_OK : tampered();
}

enum sherd_err sherd_join_batch_encode(const struct sherd_join_batch *batch, struct sherd_buf *out_bytes)
{
    uint8_t head[SHERD_JOIN_BATCH_HEAD_SIZE] = SHERD_JOIN_BATCH_MAGIC;
    uint8_t kept[SHERD_JOIN_KEPT_SIZE];

    SHERD_ENSURE(batch->count != 0 && batch->count <= SHERD_JOIN_BATCH_MAX, SHERD_ERR_INVALID,
                 "a leaf stands for 1 to 256 joins");
    SHERD_TRY(sherd_buf_reserve(out_bytes, sizeof(head) + batch->count * sizeof(kept)));
    sherd_put_u32(head + 4, (uint32_t)batch->count);
    sherd_put_u64(head + 8, batch->leaf);
    SHERD_TRY(sherd_buf_append(out_bytes, sherd_span_of(head, sizeof(head))));
    for (size_t i = 0; i < batch->count; i++) {
        sherd_join_kept_encode(&batch->slots[i], kept);
        SHERD_TRY(sherd_buf_append(out_bytes, sherd_span_of(kept, sizeof(kept))));
    }
    return SHERD_OK;
}

enum sherd_err sherd_join_batch_next(struct sherd_span *rest, struct sherd_join_slot *room,
                                     struct sherd_join_batch *out_batch)
{
    struct sherd_join_batch batch = {.slots = room};

    if (rest->len < SHERD_JOIN_BATCH_HEAD_SIZE || !sherd_same(rest->data, SHERD_JOIN_BATCH_MAGIC, 4))
        return tampered();
    batch.count = sherd_get_u32(rest->data + 4);
    batch.leaf = sherd_get_u64(rest->data + 8);
    if (batch.count == 0 || batch.count > SHERD_JOIN_BATCH_MAX || batch.leaf > INT64_MAX ||
        (rest->len - SHERD_JOIN_BATCH_HEAD_SIZE) / SHERD_JOIN_KEPT_SIZE < batch.count)
        return tampered();
    for (size_t i = 0; i < batch.count; i++)
        sherd_join_kept_decode(rest->data + SHERD_JOIN_BATCH_HEAD_SIZE + i * SHERD_JOIN_KEPT_SIZE, &room[i]);
    const size_t taken = SHERD_JOIN_BATCH_HEAD_SIZE + batch.count * SHERD_JOIN_KEPT_SIZE;
    *rest = sherd_span_of(rest->data + taken, rest->len - taken);
    *out_batch = batch;
    return SHERD_OK;
}

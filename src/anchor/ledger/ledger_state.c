/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger's state: see ledger_state.h and docs/format/ledger.md, section 11. */
#include "anchor/ledger/ledger_state.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"
#include "crypto/aead.h"
#include "envelope/tlv.h"
#include <string.h>

#define LEDGER "ledger"
#define STATE "ledger/state"
#define STATE_NEW "ledger/state.new"
#define STATE_MAGIC "SHRDLEDG"
#define STATE_HEAD_SIZE 12U
#define STATE_FORMAT 1U
#define STATE_BYTES_MAX                                                                                                \
    (SHERD_LEDGER_BLOCKS_MAX * SHERD_LEDGER_BLOCK_ID_SIZE + SHERD_LEDGER_NOTE_BYTES_MAX + SHERD_JOIN_STATE_BYTES_MAX + \
     SHERD_SEQUENCER_OUTSIDE_BYTES_MAX + 512U)

enum state_field {
    STATE_SIZE = 1,
    STATE_DIGEST = 2,
    STATE_ROUND = 3,
    STATE_BLOCKS = 4,
    STATE_NOTE = 5,
    STATE_JOINS = 6, /* four tags: anchor/ledger/join_files.h */
    STATE_OUTSIDE = 10,
    STATE_RESTORING = 11,
};

enum sherd_err sherd_ledger_tampered(const char *what)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "the ledger %s: restore `anchor` from where it was not changed", what);
}

/* What the state is sealed to: whose it is, and its head. */
static void state_context(const struct sherd_sequencer_parts *parts, uint8_t out[static 16 + STATE_HEAD_SIZE])
{
    memcpy(out, parts->deployment.bytes, 16);
    memcpy(out + 16, STATE_MAGIC, 8);
    sherd_put_u32(out + 24, STATE_FORMAT);
}

static enum sherd_err state_encode(const struct sherd_sequencer_parts *parts, const struct sherd_ledger_state *state,
                                   struct sherd_buf *out_file)
{
    uint8_t context[16 + STATE_HEAD_SIZE];
    SHERD_CLEANUP(sherd_freep) uint8_t *tlv = sherd_alloc(STATE_BYTES_MAX);
    struct sherd_tlv_writer writer = sherd_tlv_writer(tlv, STATE_BYTES_MAX);
    size_t tlv_bytes;

    if (tlv == NULL)
        return SHERD_ERR_NO_MEMORY;
    sherd_tlv_put_u64(&writer, STATE_SIZE, state->size);
    sherd_tlv_put(&writer, STATE_DIGEST, sherd_span_of(state->digest.bytes, sizeof(state->digest.bytes)));
    sherd_tlv_put_u64(&writer, STATE_ROUND, state->round);
    sherd_tlv_put(&writer, STATE_BLOCKS, sherd_span_of(state->blocks, state->block_count * SHERD_LEDGER_BLOCK_ID_SIZE));
    sherd_tlv_put(&writer, STATE_NOTE, sherd_span_of(state->note, state->note_bytes));
    sherd_join_state_put(&writer, STATE_JOINS, &state->joins);
    sherd_tlv_put(&writer, STATE_OUTSIDE, sherd_span_of(state->outside, state->outside_bytes));
    sherd_tlv_put_u64(&writer, STATE_RESTORING, state->restoring ? 1 : 0);
    SHERD_TRY(sherd_tlv_end(&writer, &tlv_bytes));
    state_context(parts, context);
    SHERD_TRY(sherd_buf_append(out_file, sherd_span_of(context + 16, STATE_HEAD_SIZE)));
    return sherd_aead_seal_with(sherd_leaf_state_key(parts->leaves), sherd_span_of(context, sizeof(context)),
                                sherd_span_of(tlv, tlv_bytes), out_file);
}

static enum sherd_err state_parse(struct sherd_span bytes, struct sherd_ledger_state *out_state)
{
    const uint64_t required = SHERD_TLV_BIT(STATE_SIZE) | SHERD_TLV_BIT(STATE_DIGEST) | SHERD_TLV_BIT(STATE_ROUND) |
                              SHERD_TLV_BIT(STATE_NOTE);
    struct sherd_tlv tlv;

    const uint64_t allowed = SHERD_TLV_BIT(STATE_BLOCKS) | SHERD_JOIN_STATE_TAGS(STATE_JOINS) |
                             SHERD_TLV_BIT(STATE_OUTSIDE) | SHERD_TLV_BIT(STATE_RESTORING);
    uint64_t restoring = 0;

    SHERD_TRY(sherd_tlv_parse(bytes, required, allowed, &tlv));
    SHERD_TRY(sherd_join_state_get(&tlv, STATE_JOINS, &out_state->joins));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, STATE_SIZE, INT64_MAX, &out_state->size));
    SHERD_TRY(sherd_tlv_get(&tlv, STATE_DIGEST, out_state->digest.bytes, sizeof(out_state->digest.bytes)));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, STATE_ROUND, INT64_MAX, &out_state->round));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, STATE_RESTORING, 1, &restoring));
    out_state->restoring = restoring != 0;
    const struct sherd_span blocks = tlv.value[STATE_BLOCKS];
    const struct sherd_span note = tlv.value[STATE_NOTE];
    const struct sherd_span outside = tlv.value[STATE_OUTSIDE];
    if (blocks.len % SHERD_LEDGER_BLOCK_ID_SIZE != 0 ||
        blocks.len / SHERD_LEDGER_BLOCK_ID_SIZE > SHERD_LEDGER_BLOCKS_MAX || note.len > SHERD_LEDGER_NOTE_BYTES_MAX ||
        outside.len > sizeof(out_state->outside))
        return sherd_ledger_tampered("has a state that does not verify");
    out_state->outside_bytes = outside.len;
    if (outside.len != 0)
        memcpy(out_state->outside, outside.data, outside.len);
    out_state->note_bytes = note.len;
    memcpy(out_state->note, note.data, note.len);
    out_state->block_count = blocks.len / SHERD_LEDGER_BLOCK_ID_SIZE;
    if (blocks.len != 0)
        memcpy(out_state->blocks, blocks.data, blocks.len);
    return SHERD_OK;
}

static enum sherd_err state_open(const struct sherd_sequencer_parts *parts, struct sherd_span file,
                                 struct sherd_ledger_state *out_state)
{
    uint8_t context[16 + STATE_HEAD_SIZE];
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf plain = {.max = STATE_BYTES_MAX};

    state_context(parts, context);
    if (file.len < STATE_HEAD_SIZE || !sherd_same(file.data, context + 16, STATE_HEAD_SIZE))
        return sherd_ledger_tampered("has a state that does not verify");
    SHERD_TRY(sherd_aead_open_with(sherd_leaf_state_key(parts->leaves), sherd_span_of(context, sizeof(context)),
                                   sherd_span_of(file.data + STATE_HEAD_SIZE, file.len - STATE_HEAD_SIZE), &plain));
    return state_parse(sherd_buf_span(&plain), out_state);
}

enum sherd_err sherd_ledger_state_read(const struct sherd_sequencer_parts *parts, struct sherd_ledger_state *out_state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {.max = STATE_BYTES_MAX + 4096U};

    enum sherd_err err = sherd_file_read(parts->dir, STATE, &file);
    if (err == SHERD_ERR_NOT_FOUND)
        return sherd_ledger_tampered("has lost its state");
    if (err == SHERD_OK)
        err = state_open(parts, sherd_buf_span(&file), out_state);
    return err == SHERD_ERR_LIMIT || err == SHERD_ERR_TAMPERED
               ? sherd_ledger_tampered("has a state that does not verify")
               : err;
}

enum sherd_err sherd_ledger_state_write(const struct sherd_sequencer_parts *parts,
                                        const struct sherd_ledger_state *state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {0};

    SHERD_TRY(state_encode(parts, state, &file));
    SHERD_TRY(sherd_file_write(parts->dir, STATE_NEW, sherd_buf_span(&file)));
    SHERD_TRY(sherd_file_rename(parts->dir, STATE_NEW, STATE));
    return sherd_dir_sync(parts->dir, LEDGER);
}

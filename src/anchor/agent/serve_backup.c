/* SPDX-License-Identifier: Apache-2.0 */
/* Backups and statements over an anchor: see serve.h. */
#include "anchor/agent/serve_inside.h"
#include "anchor/embedded/statement.h"
#include "base/mem.h"
#include <string.h>

/* Most bytes that wait to be asked for: SHERD_WIRE_MORE. */
#define REST_BYTES_MAX (SHERD_SEAL_COPIES_BYTES_MAX + SHERD_KEYRING_BYTES_MAX + SHERD_RECEIPT_BYTES_MAX)
/* Bytes of a row but for its value. */
#define ROW_BYTES 20U

void sherd_serve_forget_rest(struct sherd_serve *serve)
{
    sherd_buf_done(&serve->rest);
    serve->rest = (struct sherd_buf){.max = REST_BYTES_MAX};
    serve->rest_told = 0;
}

enum sherd_err sherd_serve_more(struct sherd_serve *serve)
{
    SHERD_TRY(sherd_serve_take(serve, NULL));
    const size_t left = serve->rest.len - serve->rest_told;
    SHERD_ENSURE(left > 0, SHERD_ERR_NOT_FOUND, "there is no more");
    struct sherd_wire_piece piece = {.bytes = {serve->rest.data + serve->rest_told,
                                               left < SHERD_WIRE_BLOCK_BYTES_MAX ? left : SHERD_WIRE_BLOCK_BYTES_MAX}};
    sherd_serve_add(serve, &piece);
    serve->rest_told += piece.bytes.len;
    if (serve->rest_told == serve->rest.len)
        sherd_serve_forget_rest(serve); /* it was copied into the answer */
    return sherd_wire_written(serve->reply);
}

enum sherd_err sherd_serve_epoch_export(struct sherd_serve *serve)
{
    uint8_t block[SHERD_WIRE_FILE_BYTES_MAX];
    struct sherd_buf file = sherd_buf_borrow(block, sizeof(block));
    struct sherd_wire_file reply;

    SHERD_TRY(sherd_serve_take(serve, NULL));
    SHERD_TRY(serve->anchor->ops->epoch_export(serve->anchor, &file));
    reply.bytes = sherd_buf_span(&file);
    return sherd_serve_answer(serve, &reply);
}

void sherd_serve_end_state(struct sherd_serve *serve)
{
    if (serve->state_taken)
        serve->anchor->ops->state_done(serve->anchor, &serve->state);
    serve->state_taken = false;
}

static enum sherd_err tell_state(struct sherd_serve *serve)
{
    struct sherd_anchor_state *state = &serve->state;
    struct sherd_wire_state *reply = &serve->secret->state;

    sherd_serve_forget_rest(serve);
    SHERD_TRY(sherd_buf_append(&serve->rest, sherd_buf_span(&state->seals)));
    SHERD_TRY(sherd_buf_append(&serve->rest, sherd_buf_span(&state->keyring)));
    *reply = (struct sherd_wire_state){.generation = state->generation,
                                       .epoch = state->epoch,
                                       .epoch_older = state->epoch_older,
                                       .seals_bytes = state->seals.len,
                                       .keyring_bytes = state->keyring.len};
    memcpy(reply->key, state->key->bytes, sizeof(reply->key));
    sherd_buf_done(&state->seals);
    sherd_buf_done(&state->keyring);
    return sherd_serve_answer(serve, reply);
}

enum sherd_err sherd_serve_state_take(struct sherd_serve *serve)
{
    struct sherd_wire_uuid call;

    SHERD_TRY(sherd_serve_take(serve, &call));
    SHERD_ENSURE(!serve->state_taken, SHERD_ERR_BUSY, "this connection makes a backup already");
    serve->state_taken = true; /* also where only a part of it was: it is ended either way */
    enum sherd_err err = serve->anchor->ops->state_take(serve->anchor, &call.id, &serve->state);
    if (err == SHERD_OK)
        err = tell_state(serve);
    if (err != SHERD_OK)
        sherd_serve_end_state(serve);
    return err;
}

/* Entries, as many as there is room for. */
struct rows {
    struct sherd_serve *serve;
    struct sherd_wire_scanned scanned;
    bool full;
};

static enum sherd_err add_row(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    struct rows *rows = arg;
    struct sherd_wire_row row = {.name = name, .stored = stored};

    rows->full = sherd_link_written(rows->serve->link) + ROW_BYTES + stored.len >
                 SHERD_WIRE_FRAME_BYTES_MAX - SHERD_WIRE_HEAD_SIZE;
    if (rows->full)
        return SHERD_ERR_LIMIT; /* taken back in sherd_serve_state_scan() */
    sherd_serve_add(rows->serve, &row);
    rows->scanned.count++;
    rows->scanned.last = name;
    return sherd_wire_written(rows->serve->reply);
}

enum sherd_err sherd_serve_state_scan(struct sherd_serve *serve)
{
    struct rows rows = {.serve = serve};
    struct sherd_wire_after call;

    SHERD_TRY(sherd_serve_take(serve, &call));
    SHERD_ENSURE(serve->state_taken, SHERD_ERR_INVALID, "no state was taken");
    SHERD_TRY(sherd_serve_answer(serve, &rows.scanned));
    const size_t head_bytes = sherd_link_written(serve->link);
    const enum sherd_err err = serve->anchor->ops->state_scan(serve->anchor, &serve->state,
                                                              call.from_first ? NULL : &call.after, add_row, &rows);
    if (!rows.full)
        SHERD_TRY(err);
    rows.scanned.end = !rows.full;
    return sherd_serve_answer_over(serve, head_bytes, &rows.scanned);
}

enum sherd_err sherd_serve_state_end(struct sherd_serve *serve)
{
    SHERD_TRY(sherd_serve_take(serve, NULL));
    sherd_serve_end_state(serve);
    sherd_serve_forget_rest(serve);
    return SHERD_OK;
}

enum sherd_err sherd_serve_statement_records(struct sherd_serve *serve)
{
    struct sherd_wire_uuid item;

    while (sherd_wire_more(&serve->call)) {
        sherd_wire_code(&serve->call, serve->shapes->call.item, &item);
        SHERD_ENSURE(serve->records.len < SHERD_RECEIPT_RECORDS_MAX * sizeof(item.id), SHERD_ERR_LIMIT,
                     "a receipt is for 1 to 65536 records");
        SHERD_TRY(sherd_buf_append(&serve->records, sherd_span_of(item.id.bytes, sizeof(item.id.bytes))));
    }
    return sherd_wire_read(&serve->call);
}

static enum sherd_err sign_statement(struct sherd_serve *serve)
{
    struct sherd_wire_statement call = {.has_entity = false};

    SHERD_TRY(sherd_serve_take(serve, &call));
    const struct sherd_statement statement = {.kind = call.kind,
                                              .collection = call.has_entity ? call.collection : NULL,
                                              .entity = call.has_entity ? call.entity : NULL,
                                              .records = (const struct sherd_uuid *)serve->records.data,
                                              .record_count = serve->records.len / sizeof(struct sherd_uuid),
                                              .master_key = call.has_master ? call.master.name : NULL,
                                              .master_version = call.has_master ? call.master.version : 0};
    sherd_serve_forget_rest(serve);
    return serve->anchor->ops->statement_sign(serve->anchor, &statement, &serve->rest);
}

enum sherd_err sherd_serve_statement_sign(struct sherd_serve *serve)
{
    const enum sherd_err err = sign_statement(serve);
    struct sherd_wire_number bytes = {.number = serve->rest.len};

    sherd_buf_done(&serve->records);
    if (err != SHERD_OK) {
        sherd_serve_forget_rest(serve);
        return err;
    }
    return sherd_serve_answer(serve, &bytes);
}

enum sherd_err sherd_serve_statement_key(struct sherd_serve *serve)
{
    uint8_t block[SHERD_WIRE_FILE_BYTES_MAX];
    struct sherd_buf text = sherd_buf_borrow(block, sizeof(block));
    struct sherd_wire_file reply;

    SHERD_TRY(sherd_serve_take(serve, NULL));
    SHERD_TRY(serve->anchor->ops->statement_key(serve->anchor, &text));
    reply.bytes = sherd_buf_span(&text);
    return sherd_serve_answer(serve, &reply);
}

enum sherd_err sherd_serve_row_sign(struct sherd_serve *serve)
{
    struct sherd_wire_row_sign call;
    struct sherd_wire_signature reply;

    SHERD_TRY(sherd_serve_take(serve, &call));
    SHERD_TRY(serve->anchor->ops->row_sign(serve->anchor, &call.pin, &call.body, reply.bytes));
    return sherd_serve_answer(serve, &reply);
}

enum sherd_err sherd_serve_rows_sum(struct sherd_serve *serve)
{
    struct sherd_rows_sum *sum = &serve->secret->rows_sum;
    struct sherd_wire_uuid call;

    SHERD_TRY(sherd_serve_take(serve, &call));
    SHERD_TRY(serve->anchor->ops->rows_sum(serve->anchor, &call.id, sum));
    return sherd_serve_answer(serve, sum);
}

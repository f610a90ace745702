/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What backups and receipts ask of an anchor in a process of its own: several calls that belong together have one
 * connection, at whose other end is what they are about.
 */
#include "anchor/agent/remote_inside.h"
#include "anchor/embedded/state.h"
#include "anchor/embedded/statement.h"
#include "base/mem.h"
#include "base/secret.h"
#include <string.h>

/* Records in one message. */
#define RECORDS_MAX 4096U

/* A connection for some calls. Ends with talk_done(). */
struct talk {
    struct sherd_anchor *anchor;
    struct sherd_link *link;
    struct sherd_wire reply;
    bool broken;
};

struct sherd_state_lent {
    struct talk talk;
};

static void talk_done(struct talk *talk)
{
    if (talk->link != NULL)
        sherd_remote_give_back(talk->anchor, talk->link, talk->broken);
    talk->link = NULL;
}

static enum sherd_err talk_begin(struct sherd_anchor *anchor, struct talk *talk)
{
    talk->anchor = anchor;
    return sherd_remote_borrow(anchor, &talk->link);
}

static enum sherd_err no_protocol(struct talk *talk)
{
    talk->broken = true;
    return sherd_fail(SHERD_ERR_IO, "the other end of the agent's socket breaks the protocol");
}

/* Begin a call, with the head of its message. */
static struct sherd_wire *say(struct talk *talk, enum sherd_wire_verb verb, void *head)
{
    const struct sherd_wire_shape *shape = &sherd_wire_call_of(verb)->call;
    struct sherd_wire *wire = sherd_link_write(talk->link, shape->item != NULL);

    sherd_wire_code(wire, shape->head, head);
    return wire;
}

/* Make the call that was begun, and read the head of its answer; and that there is no more, where it holds no list. */
static enum sherd_err hear(struct talk *talk, enum sherd_wire_verb verb, void *out_head)
{
    const struct sherd_wire_shape *shape = &sherd_wire_call_of(verb)->reply;
    bool broken = talk->broken;

    SHERD_ENSURE(!broken, SHERD_ERR_IO, "the agent has hung up");
    const enum sherd_err err = sherd_link_call(talk->link, verb, &talk->reply, &broken);
    talk->broken = broken;
    SHERD_TRY(err);
    sherd_wire_code(&talk->reply, shape->head, out_head);
    if (talk->reply.failed || (shape->item == NULL && sherd_wire_more(&talk->reply)))
        return no_protocol(talk);
    return SHERD_OK;
}

static enum sherd_err ask(struct talk *talk, enum sherd_wire_verb verb, void *head, void *out_head)
{
    (void)say(talk, verb, head);
    return hear(talk, verb, out_head);
}

static enum sherd_err append_all(struct talk *talk, struct sherd_buf *out, uint64_t *left)
{
    struct sherd_wire_piece piece;

    while (sherd_wire_more(&talk->reply)) {
        sherd_wire_code(&talk->reply, sherd_wire_call_of(SHERD_WIRE_MORE)->reply.item, &piece);
        if (talk->reply.failed || piece.bytes.len == 0 || piece.bytes.len > *left)
            return no_protocol(talk);
        SHERD_TRY(sherd_buf_append(out, piece.bytes));
        *left -= piece.bytes.len;
    }
    return SHERD_OK;
}

/* So many bytes that the last answer had no room for. */
static enum sherd_err hear_more(struct talk *talk, uint64_t bytes, struct sherd_buf *out)
{
    while (bytes > 0) {
        const uint64_t before = bytes;

        SHERD_TRY(ask(talk, SHERD_WIRE_MORE, NULL, NULL));
        SHERD_TRY(append_all(talk, out, &bytes));
        if (bytes == before)
            return no_protocol(talk);
    }
    return SHERD_OK;
}

/* --- epochs ------------------------------------------------------------------------------------------------------- */

static enum sherd_err ask_file(struct sherd_anchor *anchor, enum sherd_wire_verb verb, struct sherd_buf *out_file)
{
    SHERD_CLEANUP(talk_done) struct talk talk = {0};
    struct sherd_wire_file file = {0};

    SHERD_TRY(talk_begin(anchor, &talk));
    SHERD_TRY(ask(&talk, verb, NULL, &file));
    return sherd_buf_append(out_file, file.bytes);
}

enum sherd_err sherd_remote_epoch_export(struct sherd_anchor *anchor, struct sherd_buf *out_file)
{
    return ask_file(anchor, SHERD_WIRE_EPOCH_EXPORT, out_file);
}

/* Only what was restored beside a vault goes over to its epoch, and no agent has that. */
enum sherd_err sherd_remote_epoch_adopt(struct sherd_anchor *anchor, struct sherd_span file)
{
    (void)anchor;
    (void)file;
    return sherd_fail(SHERD_ERR_UNSUPPORTED, "an agent takes no erase epoch from a file: give what unseals the vault");
}

/* --- the state for a backup --------------------------------------------------------------------------------------- */

/* Seals, then the keyring: in pieces that know no border between the two. */
static enum sherd_err hear_copies(struct talk *talk, const struct sherd_wire_state *taken,
                                  struct sherd_anchor_state *state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf both = {.max = SHERD_SEAL_COPIES_BYTES_MAX +
                                                                             SHERD_KEYRING_BYTES_MAX};
    const size_t seals_bytes = (size_t)taken->seals_bytes;

    SHERD_TRY(hear_more(talk, taken->seals_bytes + taken->keyring_bytes, &both));
    state->seals = (struct sherd_buf){.max = SHERD_SEAL_COPIES_BYTES_MAX};
    state->keyring = (struct sherd_buf){.max = SHERD_KEYRING_BYTES_MAX};
    SHERD_TRY(sherd_buf_append(&state->seals, sherd_span_of(both.data, seals_bytes)));
    return sherd_buf_append(&state->keyring, sherd_span_of(both.data + seals_bytes, both.len - seals_bytes));
}

static enum sherd_err hear_state(struct talk *talk, const struct sherd_wire_state *taken,
                                 struct sherd_anchor_state *state)
{
    if (taken->seals_bytes == 0 || taken->seals_bytes > SHERD_SEAL_COPIES_BYTES_MAX || taken->keyring_bytes == 0 ||
        taken->keyring_bytes > SHERD_KEYRING_BYTES_MAX)
        return no_protocol(talk);
    state->generation = taken->generation;
    state->epoch = taken->epoch;
    state->epoch_older = taken->epoch_older;
    state->key = sherd_secret_alloc(sizeof(*state->key));
    if (state->key == NULL)
        return SHERD_ERR_NO_MEMORY;
    memcpy(state->key->bytes, taken->key, sizeof(state->key->bytes));
    return hear_copies(talk, taken, state);
}

enum sherd_err sherd_remote_state_take(struct sherd_anchor *anchor, const struct sherd_uuid *backup,
                                       struct sherd_anchor_state *state)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_wire_state *taken = sherd_secret_alloc(sizeof(*taken));
    struct sherd_wire_uuid call = {.id = *backup};

    state->lent = sherd_alloc(sizeof(*state->lent));
    if (taken == NULL || state->lent == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(talk_begin(anchor, &state->lent->talk));
    SHERD_TRY(ask(&state->lent->talk, SHERD_WIRE_STATE_TAKE, &call, taken));
    return hear_state(&state->lent->talk, taken, state);
}

/* Rows of one answer: those that came are told, in the order of their names. */
struct rows {
    struct sherd_ref last;
    bool any; /* last is the name of one */
    bool end;
};

static enum sherd_err visit_rows(struct talk *talk, struct rows *rows, sherd_store_visit_fn *visit, void *arg)
{
    struct sherd_wire_row row;

    while (sherd_wire_more(&talk->reply)) {
        sherd_wire_code(&talk->reply, sherd_wire_call_of(SHERD_WIRE_STATE_SCAN)->reply.item, &row);
        if (talk->reply.failed)
            return no_protocol(talk);
        rows->last = row.name;
        rows->any = true;
        SHERD_TRY(visit(arg, row.name, row.stored));
    }
    return SHERD_OK;
}

static enum sherd_err scan_page(struct talk *talk, struct rows *rows, sherd_store_visit_fn *visit, void *arg)
{
    struct sherd_wire_after call = {.from_first = !rows->any, .after = rows->last};
    struct sherd_wire_scanned scanned = {.end = false};

    SHERD_TRY(ask(talk, SHERD_WIRE_STATE_SCAN, &call, &scanned));
    if (!scanned.end && !sherd_wire_more(&talk->reply))
        return no_protocol(talk);
    rows->end = scanned.end;
    return visit_rows(talk, rows, visit, arg);
}

enum sherd_err sherd_remote_state_scan(struct sherd_anchor *anchor, struct sherd_anchor_state *state,
                                       const struct sherd_ref *after, sherd_store_visit_fn *visit, void *arg)
{
    struct rows rows = {.any = after != NULL};

    (void)anchor;
    SHERD_ENSURE(state->lent != NULL && state->lent->talk.link != NULL, SHERD_ERR_INVALID, "no state was taken");
    if (after != NULL)
        rows.last = *after;
    while (!rows.end)
        SHERD_TRY(scan_page(&state->lent->talk, &rows, visit, arg));
    return SHERD_OK;
}

void sherd_remote_state_done(struct sherd_anchor *anchor, struct sherd_anchor_state *state)
{
    struct sherd_state_lent *lent = state->lent;

    (void)anchor;
    if (lent != NULL && lent->talk.link != NULL && ask(&lent->talk, SHERD_WIRE_STATE_END, NULL, NULL) != SHERD_OK)
        lent->talk.broken = true; /* which ends it at the other end, too */
    if (lent != NULL)
        talk_done(&lent->talk);
    sherd_free(lent);
    sherd_anchor_state_done(state);
}

/* --- statements --------------------------------------------------------------------------------------------------- */

static enum sherd_err say_records(struct talk *talk, const struct sherd_uuid *records, size_t count)
{
    for (size_t at = 0; at < count;) {
        struct sherd_wire *wire = say(talk, SHERD_WIRE_STATEMENT_RECORDS, NULL);

        for (size_t i = 0; i < RECORDS_MAX && at < count; i++) {
            struct sherd_wire_uuid item = {.id = records[at++]};

            sherd_wire_code(wire, sherd_wire_call_of(SHERD_WIRE_STATEMENT_RECORDS)->call.item, &item);
        }
        SHERD_TRY(hear(talk, SHERD_WIRE_STATEMENT_RECORDS, NULL));
    }
    return SHERD_OK;
}

static enum sherd_err fill_call(const struct sherd_statement *statement, struct sherd_wire_statement *call)
{
    call->kind = statement->kind;
    call->has_entity = statement->entity != NULL && statement->collection != NULL;
    if (call->has_entity) {
        SHERD_TRY(sherd_remote_text(statement->collection, call->collection, sizeof(call->collection)));
        SHERD_TRY(sherd_remote_text(statement->entity, call->entity, sizeof(call->entity)));
    }
    call->has_master = statement->master_key != NULL;
    if (!call->has_master)
        return SHERD_OK;
    call->master.version = statement->master_version;
    return sherd_remote_text(statement->master_key, call->master.name, sizeof(call->master.name));
}

static enum sherd_err sign_by(struct talk *talk, const struct sherd_statement *statement, struct sherd_buf *out_note)
{
    struct sherd_wire_statement call = {.kind = statement->kind};
    struct sherd_wire_number bytes = {0};

    SHERD_TRY(fill_call(statement, &call));
    SHERD_TRY(say_records(talk, statement->records, statement->record_count));
    SHERD_TRY(ask(talk, SHERD_WIRE_STATEMENT_SIGN, &call, &bytes));
    if (bytes.number > SHERD_RECEIPT_BYTES_MAX)
        return no_protocol(talk);
    SHERD_TRY(sherd_buf_reserve(out_note, (size_t)bytes.number));
    return hear_more(talk, bytes.number, out_note);
}

enum sherd_err sherd_remote_statement_sign(struct sherd_anchor *anchor, const struct sherd_statement *statement,
                                           struct sherd_buf *out_note)
{
    SHERD_CLEANUP(talk_done) struct talk talk = {0};
    const size_t before = out_note->len;

    SHERD_TRY(talk_begin(anchor, &talk));
    const enum sherd_err err = sign_by(&talk, statement, out_note);
    if (err != SHERD_OK) {
        out_note->len = before;
        talk.broken = true; /* the agent forgets what came of it */
    }
    return err;
}

enum sherd_err sherd_remote_statement_key(struct sherd_anchor *anchor, struct sherd_buf *out_text)
{
    return ask_file(anchor, SHERD_WIRE_STATEMENT_KEY, out_text);
}

enum sherd_err sherd_remote_row_sign(struct sherd_anchor *anchor, const struct sherd_pin *pin,
                                     const struct sherd_digest *body, uint8_t out_signature[SHERD_SIGNATURE_SIZE])
{
    struct sherd_wire_row_sign call = {.pin = *pin, .body = *body};
    struct sherd_wire_signature reply;

    SHERD_TRY(sherd_remote_plain(anchor, SHERD_WIRE_ROW_SIGN, &call, &reply));
    memcpy(out_signature, reply.bytes, sizeof(reply.bytes));
    return SHERD_OK;
}

enum sherd_err sherd_remote_rows_sum(struct sherd_anchor *anchor, const struct sherd_uuid *collection,
                                     struct sherd_rows_sum *out_sum)
{
    struct sherd_wire_uuid call = {.id = *collection};

    return sherd_remote_plain(anchor, SHERD_WIRE_ROWS_SUM, &call, out_sum);
}

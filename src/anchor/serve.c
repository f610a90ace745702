/* SPDX-License-Identifier: Apache-2.0 */
/* Serving a connection over an anchor: see serve.h. One handler a verb, in a table. */
#include "anchor/serve.h"
#include "anchor/state.h"
#include "anchor/statement.h"
#include "base/mem.h"
#include "base/secret.h"
#include <string.h>

/* Room that an answer leaves for its last item. */
#define REPLY_BYTES_MAX (SHERD_WIRE_FRAME_BYTES_MAX - SHERD_WIRE_SMALL_BYTES_MAX)
/* Entries of a scan, and of a step of a rekeying. */
#define COUNT_MAX 4096U
/* A pin with its wrapped key has more than that. */
#define CHANGE_BYTES_MIN 256U

/* Room for any message that holds a key: in secret memory. */
union secret {
    struct sherd_wire_unseal unseal;
    struct sherd_raw_lease lease;
    struct sherd_wire_made made;
    struct sherd_wire_got got;
    struct sherd_wire_change change;
    struct sherd_wire_state state;
};

/* Most bytes that wait to be asked for: SHERD_WIRE_MORE. */
#define REST_BYTES_MAX (SHERD_SEAL_COPIES_BYTES_MAX + SHERD_KEYRING_BYTES_MAX + SHERD_RECEIPT_BYTES_MAX)
/* Bytes of a row but for its value. */
#define ROW_BYTES 20U

struct serve {
    struct sherd_link *link;
    uid_t uid;
    const struct sherd_serve_host *host;
    void *arg;
    struct sherd_anchor *anchor; /* while a call has it */
    struct sherd_rekey *rekey;
    struct sherd_anchor_state state; /* of a backup that is being made */
    bool state_taken;
    struct sherd_buf records; /* of the statement that comes next */
    struct sherd_buf rest;    /* what an answer had no room for */
    size_t rest_told;
    union secret *secret;
    struct sherd_wire call;   /* the message that came */
    struct sherd_wire *reply; /* the message that goes back */
    const struct sherd_wire_call *shapes;
};

/* Read the head of the call; all of it, where it holds no list. */
static enum sherd_err take(struct serve *serve, void *head)
{
    sherd_wire_code(&serve->call, serve->shapes->call.head, head);
    return serve->shapes->call.item == NULL || serve->call.failed ? sherd_wire_read(&serve->call) : SHERD_OK;
}

static enum sherd_err answer(struct serve *serve, void *head)
{
    sherd_wire_code(serve->reply, serve->shapes->reply.head, head);
    return sherd_wire_written(serve->reply);
}

static void add_item(struct serve *serve, void *item)
{
    sherd_wire_code(serve->reply, serve->shapes->reply.item, item);
}

/* Names, as many as there is room for: those that are left out are found by the sweeper. */
static enum sherd_err answer_refs(struct serve *serve, const struct sherd_refs *refs)
{
    for (size_t i = 0; i < refs->count && sherd_link_written(serve->link) < REPLY_BYTES_MAX; i++) {
        struct sherd_wire_ref item = {.ref = refs->refs[i]};

        add_item(serve, &item);
    }
    return sherd_wire_written(serve->reply);
}

/* --- control ------------------------------------------------------------------------------------------------------ */

static enum sherd_err serve_hello(struct serve *serve)
{
    struct sherd_wire_number call;
    struct sherd_wire_hello hello = {0};

    SHERD_TRY(take(serve, &call));
    SHERD_ENSURE(call.number == SHERD_WIRE_PROTOCOL, SHERD_ERR_UNSUPPORTED,
                 "the agent is of another version: `sherd seal`, then `sherd unseal`");
    hello.protocol = SHERD_WIRE_PROTOCOL;
    serve->anchor->ops->ids(serve->anchor, &hello.deployment, &hello.tenant);
    serve->host->hello(serve->arg, &hello);
    return answer(serve, &hello);
}

static enum sherd_err serve_status(struct serve *serve)
{
    struct sherd_wire_progress progress[SHERD_SERVE_PROGRESS_MAX];
    struct sherd_wire_status status = {.protocol = SHERD_WIRE_PROTOCOL};
    size_t count = 0;

    SHERD_TRY(take(serve, NULL));
    serve->host->status(serve->arg, serve->uid, &status, progress, SHERD_COUNT_OF(progress), &count);
    SHERD_TRY(answer(serve, &status));
    for (size_t i = 0; i < count; i++)
        add_item(serve, &progress[i]);
    return sherd_wire_written(serve->reply);
}

static enum sherd_err serve_unseal(struct serve *serve)
{
    struct sherd_wire_unsealed unsealed = {0};

    SHERD_TRY(take(serve, &serve->secret->unseal));
    SHERD_TRY(serve->host->unseal(serve->arg, serve->uid, &serve->secret->unseal, &unsealed));
    return answer(serve, &unsealed);
}

static enum sherd_err serve_seal(struct serve *serve)
{
    SHERD_TRY(take(serve, NULL));
    return serve->host->seal(serve->arg, serve->uid);
}

/* --- the anchor's table ------------------------------------------------------------------------------------------- */

/* The keys of identity and assets go to the same user, who reads those compartments with them for every request. */
static enum sherd_err serve_lease(struct serve *serve)
{
    struct sherd_raw_lease *lease = &serve->secret->lease;
    struct sherd_wire_role call;

    SHERD_TRY(take(serve, &call));
    SHERD_TRY(serve->anchor->ops->lease_raw(serve->anchor, call.role, lease));
    return answer(serve, lease);
}

static enum sherd_err serve_compartment_entry(struct serve *serve)
{
    uint8_t block[SHERD_ENTRY_BYTES_MAX];
    struct sherd_buf stored = sherd_buf_borrow(block, sizeof(block));
    struct sherd_wire_stored entry = {.role = SHERD_KEYS};
    struct sherd_wire_role call;

    SHERD_TRY(take(serve, &call));
    SHERD_TRY(serve->anchor->ops->compartment_entry(serve->anchor, call.role, &entry.name, &stored));
    entry.stored = sherd_buf_span(&stored);
    return answer(serve, &entry);
}

static enum sherd_err serve_compartment_check(struct serve *serve)
{
    struct sherd_wire_stored call;

    SHERD_TRY(take(serve, &call));
    return serve->anchor->ops->compartment_check(serve->anchor, call.role, call.stored);
}

static enum sherd_err serve_key_new(struct serve *serve)
{
    struct sherd_wire_made *made = &serve->secret->made;
    struct sherd_wire_key_new call;

    SHERD_TRY(take(serve, &call));
    SHERD_TRY(serve->anchor->ops->key_new(serve->anchor, &call.collection, call.entity_id, call.record, call.version,
                                          &made->pin, &made->key));
    return answer(serve, made);
}

/* What a commit is read into: keys apart from the rest, in secret memory. */
struct changes {
    size_t max; /* more than there can be */
    size_t count;
    struct sherd_pin_change *list;
    struct sherd_record_key *keys;
};

static void changes_done(struct changes *changes)
{
    sherd_free(changes->list);
    sherd_secret_free(changes->keys);
}

static enum sherd_err take_changes(struct serve *serve, struct changes *changes)
{
    struct sherd_wire_change *item = &serve->secret->change;

    while (sherd_wire_more(&serve->call) && changes->count < changes->max) {
        struct sherd_pin_change *change = &changes->list[changes->count];

        sherd_wipe(item, sizeof(*item));
        sherd_wire_code(&serve->call, serve->shapes->call.item, item);
        changes->keys[changes->count] = item->key;
        *change = item->change;
        change->key = item->with_key ? &changes->keys[changes->count] : NULL;
        changes->count++;
    }
    return sherd_wire_read(&serve->call);
}

typedef enum sherd_err change_pins_fn(struct sherd_anchor *anchor, const struct sherd_pin_change *changes, size_t count,
                                      struct sherd_refs *dropped);

static enum sherd_err serve_changes(struct serve *serve, change_pins_fn *change)
{
    SHERD_CLEANUP(sherd_refs_done) struct sherd_refs dropped = {0};
    SHERD_CLEANUP(changes_done) struct changes changes = {.max = serve->call.in.len / CHANGE_BYTES_MIN + 1};

    changes.list = sherd_alloc_array(changes.max, sizeof(*changes.list));
    changes.keys = sherd_secret_alloc(changes.max * sizeof(*changes.keys));
    if (changes.list == NULL || changes.keys == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(take_changes(serve, &changes));
    SHERD_TRY(change(serve->anchor, changes.list, changes.count, &dropped));
    return answer_refs(serve, &dropped);
}

static enum sherd_err serve_pin_commit(struct serve *serve)
{
    return serve_changes(serve, serve->anchor->ops->pin_commit);
}

static enum sherd_err serve_key_renew(struct serve *serve)
{
    struct sherd_wire_made *made = &serve->secret->made;
    struct sherd_wire_pin call = {0};

    SHERD_TRY(take(serve, &call));
    SHERD_TRY(serve->anchor->ops->key_renew(serve->anchor, &call.pin, &made->pin, &made->key));
    return answer(serve, made);
}

static enum sherd_err serve_pin_replace(struct serve *serve)
{
    return serve_changes(serve, serve->anchor->ops->pin_replace);
}

static enum sherd_err serve_pin_get(struct serve *serve)
{
    struct sherd_wire_got *got = &serve->secret->got;
    struct sherd_wire_pin_get call;

    SHERD_TRY(take(serve, &call));
    SHERD_TRY(serve->anchor->ops->pin_get(serve->anchor, call.record, call.version, &got->view,
                                          call.with_key ? &got->key : NULL));
    got->with_key = call.with_key;
    return answer(serve, got);
}

static enum sherd_err serve_pin_delete(struct serve *serve)
{
    SHERD_CLEANUP(sherd_refs_done) struct sherd_refs dropped = {0};
    struct sherd_wire_uuid call;

    SHERD_TRY(take(serve, &call));
    SHERD_TRY(serve->anchor->ops->pin_delete(serve->anchor, call.id, &dropped));
    return answer_refs(serve, &dropped);
}

struct scan {
    struct serve *serve;
    bool full;
};

static enum sherd_err scan_one(void *arg, const struct sherd_anchor_entry *entry)
{
    struct scan *scan = arg;
    struct sherd_wire_entry item = {.entry = *entry};

    scan->full = sherd_link_written(scan->serve->link) >= REPLY_BYTES_MAX;
    if (scan->full)
        return SHERD_ERR_LIMIT; /* taken back in serve_scan() */
    if (entry->pin != NULL)
        item.pin = *entry->pin;
    if (entry->collection != NULL)
        item.collection = *entry->collection;
    if (entry->entity != NULL)
        item.entity = *entry->entity;
    add_item(scan->serve, &item);
    sherd_entity_key_entry_wipe(&item.entity);
    return sherd_wire_written(scan->serve->reply);
}

/* The answer's head comes first, and is known last: it is written over. */
static enum sherd_err serve_scan(struct serve *serve)
{
    struct sherd_wire_scanned scanned = {.end = false};
    struct scan scan = {.serve = serve};
    struct sherd_wire_scan call;
    struct sherd_ref last;
    size_t count = 0;

    SHERD_TRY(take(serve, &call));
    SHERD_ENSURE(call.count_max > 0 && call.count_max <= COUNT_MAX, SHERD_ERR_INVALID, "a scan of no length");
    SHERD_TRY(answer(serve, &scanned));
    const enum sherd_err err = serve->anchor->ops->scan(serve->anchor, call.from_first ? NULL : &call.after,
                                                        call.count_max, scan_one, &scan, &last, &count);
    if (scan.full)
        return SHERD_OK;
    SHERD_TRY(err);
    *sherd_link_message(serve->link) = count < call.count_max ? 1 : 0; /* all of the head */
    return SHERD_OK;
}

static enum sherd_err serve_idempotency_get(struct serve *serve)
{
    struct sherd_wire_idempotency call;
    struct sherd_wire_uuid record;

    SHERD_TRY(take(serve, &call));
    SHERD_TRY(serve->anchor->ops->idempotency_get(serve->anchor, &call.collection, call.key, &call.content_hash,
                                                  &record.id));
    return answer(serve, &record);
}

static enum sherd_err serve_part_check(struct serve *serve)
{
    struct sherd_wire_stored call;
    struct sherd_wire_live live = {.live = false};

    SHERD_TRY(take(serve, &call));
    SHERD_TRY(serve->anchor->ops->part_check(serve->anchor, call.role, &call.name, call.stored, &live.live));
    return answer(serve, &live);
}

static enum sherd_err serve_collection_pin(struct serve *serve)
{
    struct sherd_wire_collection call;

    SHERD_TRY(take(serve, &call));
    return serve->anchor->ops->collection_pin(serve->anchor, &call.collection, &call.digest);
}

static enum sherd_err serve_collection_check(struct serve *serve)
{
    struct sherd_wire_collection call;

    SHERD_TRY(take(serve, &call));
    return serve->anchor->ops->collection_check(serve->anchor, &call.collection, &call.digest);
}

static enum sherd_err serve_master_activate(struct serve *serve)
{
    struct sherd_wire_master_options call = {0};
    struct sherd_wire_number version;

    SHERD_TRY(take(serve, &call));
    const struct sherd_master_options options = {.name = call.name,
                                                 .generator = call.has_generator ? call.generator : NULL,
                                                 .store = call.has_store ? call.store : NULL,
                                                 .args = call.has_args ? call.args : NULL};
    SHERD_TRY(serve->anchor->ops->master_activate(serve->anchor, &options, &version.number));
    return answer(serve, &version);
}

static enum sherd_err tell_master(void *arg, const struct sherd_master_info *info)
{
    struct serve *serve = arg;
    struct sherd_master_info item = *info;

    add_item(serve, &item);
    return sherd_wire_written(serve->reply);
}

static enum sherd_err serve_master_each(struct serve *serve)
{
    SHERD_TRY(take(serve, NULL));
    return serve->anchor->ops->master_each(serve->anchor, tell_master, serve);
}

static enum sherd_err serve_master_retire(struct serve *serve)
{
    struct sherd_wire_master call;

    SHERD_TRY(take(serve, &call));
    return serve->anchor->ops->master_retire(serve->anchor, call.name, call.version);
}

static enum sherd_err serve_master_destroy(struct serve *serve)
{
    struct sherd_wire_master call;

    SHERD_TRY(take(serve, &call));
    return serve->anchor->ops->master_destroy(serve->anchor, call.name, call.version);
}

static enum sherd_err serve_entity_find(struct serve *serve)
{
    struct sherd_wire_entity call;
    struct sherd_wire_ref entity;

    SHERD_TRY(take(serve, &call));
    SHERD_TRY(serve->anchor->ops->entity_find(serve->anchor, &call.collection, call.entity_id, &entity.ref));
    return answer(serve, &entity);
}

static enum sherd_err serve_entity_erase(struct serve *serve)
{
    struct sherd_wire_entity call;

    SHERD_TRY(take(serve, &call));
    return serve->anchor->ops->entity_erase(serve->anchor, &call.collection, call.entity_id);
}

static enum sherd_err serve_rekey_begin(struct serve *serve)
{
    struct sherd_rekey_scope call;

    SHERD_TRY(take(serve, &call));
    SHERD_ENSURE(serve->rekey == NULL, SHERD_ERR_BUSY, "this connection rekeys already");
    return serve->anchor->ops->rekey_begin(serve->anchor, &call, &serve->rekey);
}

static enum sherd_err serve_rekey_step(struct serve *serve)
{
    struct sherd_rekey_progress progress;
    struct sherd_wire_number call;

    SHERD_TRY(take(serve, &call));
    SHERD_ENSURE(serve->rekey != NULL && call.number > 0 && call.number <= COUNT_MAX, SHERD_ERR_INVALID,
                 "no rekeying, or no step of one");
    SHERD_TRY(serve->anchor->ops->rekey_step(serve->anchor, serve->rekey, (size_t)call.number, &progress));
    return answer(serve, &progress);
}

static enum sherd_err serve_rekey_end(struct serve *serve)
{
    SHERD_TRY(take(serve, NULL));
    serve->anchor->ops->rekey_end(serve->anchor, serve->rekey);
    serve->rekey = NULL;
    return SHERD_OK;
}

static enum sherd_err serve_round_begin(struct serve *serve)
{
    struct sherd_wire_number call;
    uint16_t round;

    SHERD_TRY(take(serve, NULL));
    SHERD_TRY(serve->anchor->ops->round_begin(serve->anchor, &round));
    call.number = round;
    return answer(serve, &call);
}

static enum sherd_err serve_round_end(struct serve *serve)
{
    struct sherd_wire_number call = {0};

    SHERD_TRY(take(serve, &call));
    return serve->anchor->ops->round_end(serve->anchor, (uint16_t)call.number);
}

static enum sherd_err serve_epoch_begin(struct serve *serve)
{
    struct sherd_wire_number epoch;

    SHERD_TRY(take(serve, NULL));
    SHERD_TRY(serve->anchor->ops->epoch_begin(serve->anchor, &epoch.number));
    return answer(serve, &epoch);
}

static enum sherd_err serve_epoch_end(struct serve *serve)
{
    struct sherd_wire_number epoch;

    SHERD_TRY(take(serve, NULL));
    SHERD_TRY(serve->anchor->ops->epoch_end(serve->anchor, &epoch.number));
    return answer(serve, &epoch);
}

static enum sherd_err serve_keys_stat(struct serve *serve)
{
    struct sherd_store_stat stat;

    SHERD_TRY(take(serve, NULL));
    SHERD_TRY(serve->anchor->ops->keys_stat(serve->anchor, &stat));
    return answer(serve, &stat);
}

static enum sherd_err serve_keys_owner(struct serve *serve)
{
    struct sherd_wire_owner owner = {0};

    SHERD_TRY(take(serve, NULL));
    const enum sherd_err err = serve->anchor->ops->keys_owner(serve->anchor, &owner.name, &owner.there);
    if (err != SHERD_ERR_TAMPERED)
        SHERD_TRY(err);
    owner.valid = err == SHERD_OK;
    return answer(serve, &owner);
}

static enum sherd_err serve_keys_blobs(struct serve *serve)
{
    SHERD_CLEANUP(sherd_refs_done) struct sherd_refs blobs = {0};

    SHERD_TRY(take(serve, NULL));
    SHERD_TRY(serve->anchor->ops->keys_blobs(serve->anchor, &blobs));
    return answer_refs(serve, &blobs);
}

/* --- backups and statements --------------------------------------------------------------------------------------- */

/* Nothing of what waited is asked for any more. */
static void forget_rest(struct serve *serve)
{
    sherd_buf_done(&serve->rest);
    serve->rest = (struct sherd_buf){.max = REST_BYTES_MAX};
    serve->rest_told = 0;
}

static enum sherd_err serve_more(struct serve *serve)
{
    SHERD_TRY(take(serve, NULL));
    const size_t left = serve->rest.len - serve->rest_told;
    SHERD_ENSURE(left > 0, SHERD_ERR_NOT_FOUND, "there is no more");
    struct sherd_wire_piece piece = {.bytes = {serve->rest.data + serve->rest_told,
                                               left < SHERD_WIRE_BLOCK_BYTES_MAX ? left : SHERD_WIRE_BLOCK_BYTES_MAX}};
    add_item(serve, &piece);
    serve->rest_told += piece.bytes.len;
    if (serve->rest_told == serve->rest.len)
        forget_rest(serve); /* it was copied into the answer */
    return sherd_wire_written(serve->reply);
}

static enum sherd_err serve_epoch_export(struct serve *serve)
{
    uint8_t block[SHERD_WIRE_FILE_BYTES_MAX];
    struct sherd_buf file = sherd_buf_borrow(block, sizeof(block));
    struct sherd_wire_file reply;

    SHERD_TRY(take(serve, NULL));
    SHERD_TRY(serve->anchor->ops->epoch_export(serve->anchor, &file));
    reply.bytes = sherd_buf_span(&file);
    return answer(serve, &reply);
}

static void end_state(struct serve *serve)
{
    serve->anchor->ops->state_done(serve->anchor, &serve->state);
    serve->state_taken = false;
}

static enum sherd_err tell_state(struct serve *serve)
{
    struct sherd_anchor_state *state = &serve->state;
    struct sherd_wire_state *reply = &serve->secret->state;

    forget_rest(serve);
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
    return answer(serve, reply);
}

static enum sherd_err serve_state_take(struct serve *serve)
{
    struct sherd_wire_uuid call;

    SHERD_TRY(take(serve, &call));
    SHERD_ENSURE(!serve->state_taken, SHERD_ERR_BUSY, "this connection makes a backup already");
    enum sherd_err err = serve->anchor->ops->state_take(serve->anchor, &call.id, &serve->state);
    if (err == SHERD_OK)
        err = tell_state(serve);
    serve->state_taken = err == SHERD_OK;
    if (err != SHERD_OK)
        end_state(serve);
    return err;
}

static enum sherd_err add_row(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    struct scan *scan = arg;
    struct sherd_wire_row row = {.name = name, .stored = stored};

    scan->full = sherd_link_written(scan->serve->link) + ROW_BYTES + stored.len >
                 SHERD_WIRE_FRAME_BYTES_MAX - SHERD_WIRE_HEAD_SIZE;
    if (scan->full)
        return SHERD_ERR_LIMIT; /* taken back in serve_state_scan() */
    add_item(scan->serve, &row);
    return sherd_wire_written(scan->serve->reply);
}

/* As serve_scan(). */
static enum sherd_err serve_state_scan(struct serve *serve)
{
    struct sherd_wire_scanned scanned = {.end = false};
    struct scan scan = {.serve = serve};
    struct sherd_wire_after call;

    SHERD_TRY(take(serve, &call));
    SHERD_ENSURE(serve->state_taken, SHERD_ERR_INVALID, "no state was taken");
    SHERD_TRY(answer(serve, &scanned));
    const enum sherd_err err = serve->anchor->ops->state_scan(serve->anchor, &serve->state,
                                                              call.from_first ? NULL : &call.after, add_row, &scan);
    if (scan.full)
        return SHERD_OK;
    SHERD_TRY(err);
    *sherd_link_message(serve->link) = 1; /* all of the head */
    return SHERD_OK;
}

static enum sherd_err serve_state_end(struct serve *serve)
{
    SHERD_TRY(take(serve, NULL));
    end_state(serve);
    forget_rest(serve);
    return SHERD_OK;
}

static enum sherd_err serve_statement_records(struct serve *serve)
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

static enum sherd_err sign_statement(struct serve *serve)
{
    struct sherd_wire_statement call = {.has_entity = false};

    SHERD_TRY(take(serve, &call));
    const struct sherd_statement statement = {.kind = call.kind,
                                              .collection = call.has_entity ? call.collection : NULL,
                                              .entity = call.has_entity ? call.entity : NULL,
                                              .records = (const struct sherd_uuid *)serve->records.data,
                                              .record_count = serve->records.len / sizeof(struct sherd_uuid),
                                              .master_key = call.has_master ? call.master.name : NULL,
                                              .master_version = call.has_master ? call.master.version : 0};
    forget_rest(serve);
    return serve->anchor->ops->statement_sign(serve->anchor, &statement, &serve->rest);
}

static enum sherd_err serve_statement_sign(struct serve *serve)
{
    const enum sherd_err err = sign_statement(serve);
    struct sherd_wire_number bytes = {.number = serve->rest.len};

    sherd_buf_done(&serve->records);
    if (err != SHERD_OK) {
        forget_rest(serve);
        return err;
    }
    return answer(serve, &bytes);
}

static enum sherd_err serve_statement_key(struct serve *serve)
{
    uint8_t block[SHERD_WIRE_FILE_BYTES_MAX];
    struct sherd_buf text = sherd_buf_borrow(block, sizeof(block));
    struct sherd_wire_file reply;

    SHERD_TRY(take(serve, NULL));
    SHERD_TRY(serve->anchor->ops->statement_key(serve->anchor, &text));
    reply.bytes = sherd_buf_span(&text);
    return answer(serve, &reply);
}

/* --- the table of verbs ------------------------------------------------------------------------------------------- */

typedef enum sherd_err handler(struct serve *serve);

/* Those up to SHERD_WIRE_SEAL are for a sealed agent too, and for whom the host lets; the others need the anchor. */
static handler *const handlers[SHERD_WIRE_VERB_COUNT] = {
    [SHERD_WIRE_HELLO] = serve_hello,
    [SHERD_WIRE_STATUS] = serve_status,
    [SHERD_WIRE_UNSEAL] = serve_unseal,
    [SHERD_WIRE_SEAL] = serve_seal,
    [SHERD_WIRE_LEASE] = serve_lease,
    [SHERD_WIRE_COMPARTMENT_ENTRY] = serve_compartment_entry,
    [SHERD_WIRE_COMPARTMENT_CHECK] = serve_compartment_check,
    [SHERD_WIRE_KEY_NEW] = serve_key_new,
    [SHERD_WIRE_PIN_COMMIT] = serve_pin_commit,
    [SHERD_WIRE_PIN_GET] = serve_pin_get,
    [SHERD_WIRE_PIN_DELETE] = serve_pin_delete,
    [SHERD_WIRE_SCAN] = serve_scan,
    [SHERD_WIRE_IDEMPOTENCY_GET] = serve_idempotency_get,
    [SHERD_WIRE_PART_CHECK] = serve_part_check,
    [SHERD_WIRE_COLLECTION_PIN] = serve_collection_pin,
    [SHERD_WIRE_COLLECTION_CHECK] = serve_collection_check,
    [SHERD_WIRE_MASTER_ACTIVATE] = serve_master_activate,
    [SHERD_WIRE_MASTER_EACH] = serve_master_each,
    [SHERD_WIRE_MASTER_RETIRE] = serve_master_retire,
    [SHERD_WIRE_MASTER_DESTROY] = serve_master_destroy,
    [SHERD_WIRE_ENTITY_FIND] = serve_entity_find,
    [SHERD_WIRE_ENTITY_ERASE] = serve_entity_erase,
    [SHERD_WIRE_REKEY_BEGIN] = serve_rekey_begin,
    [SHERD_WIRE_REKEY_STEP] = serve_rekey_step,
    [SHERD_WIRE_REKEY_END] = serve_rekey_end,
    [SHERD_WIRE_EPOCH_BEGIN] = serve_epoch_begin,
    [SHERD_WIRE_EPOCH_END] = serve_epoch_end,
    [SHERD_WIRE_KEYS_STAT] = serve_keys_stat,
    [SHERD_WIRE_KEYS_OWNER] = serve_keys_owner,
    [SHERD_WIRE_KEYS_BLOBS] = serve_keys_blobs,
    [SHERD_WIRE_KEY_RENEW] = serve_key_renew,
    [SHERD_WIRE_PIN_REPLACE] = serve_pin_replace,
    [SHERD_WIRE_ROUND_BEGIN] = serve_round_begin,
    [SHERD_WIRE_ROUND_END] = serve_round_end,
    [SHERD_WIRE_EPOCH_EXPORT] = serve_epoch_export,
    [SHERD_WIRE_STATE_TAKE] = serve_state_take,
    [SHERD_WIRE_STATE_SCAN] = serve_state_scan,
    [SHERD_WIRE_STATE_END] = serve_state_end,
    [SHERD_WIRE_STATEMENT_RECORDS] = serve_statement_records,
    [SHERD_WIRE_STATEMENT_SIGN] = serve_statement_sign,
    [SHERD_WIRE_STATEMENT_KEY] = serve_statement_key,
    [SHERD_WIRE_MORE] = serve_more,
};

static bool needs_anchor(unsigned verb)
{
    return verb == SHERD_WIRE_HELLO || verb > SHERD_WIRE_SEAL;
}

/* --- one call after another --------------------------------------------------------------------------------------- */

static enum sherd_err handle(struct serve *serve, unsigned verb)
{
    if (!needs_anchor(verb))
        return handlers[verb](serve);
    SHERD_TRY(serve->host->enter(serve->arg, serve->uid, &serve->anchor));
    const enum sherd_err err = handlers[verb](serve);
    serve->host->leave(serve->arg);
    serve->anchor = NULL;
    return err;
}

/* The answer to a call that failed: its code and text. */
static enum sherd_err send_failure(struct sherd_link *link, struct sherd_wire_head head)
{
    const struct sherd_span text = sherd_span_str(sherd_err_detail());
    struct sherd_wire *reply = sherd_link_write(link, false);

    if (sherd_buf_append(reply->out, text) != SHERD_OK)
        reply->failed = true;
    return sherd_link_send(link, head);
}

static enum sherd_err serve_one(struct serve *serve)
{
    struct sherd_wire_head head;

    SHERD_TRY(sherd_link_receive(serve->link, &head, &serve->call));
    serve->shapes = sherd_wire_call_of(head.verb);
    SHERD_ENSURE(serve->shapes != NULL && head.status == SHERD_OK, SHERD_ERR_IO, "no such call");
    serve->reply = sherd_link_write(serve->link, serve->shapes->reply.item != NULL);
    head.status = handle(serve, head.verb);
    sherd_wipe(serve->secret, sizeof(*serve->secret));
    if (head.status != SHERD_OK)
        return send_failure(serve->link, head);
    return sherd_link_send(serve->link, head);
}

/* A rekeying and a backup's state end with their connection. Where the anchor has ended before, it ended them, too. */
static void end_held(struct serve *serve)
{
    sherd_buf_done(&serve->records);
    sherd_buf_done(&serve->rest);
    if ((serve->rekey == NULL && !serve->state_taken) ||
        serve->host->enter(serve->arg, serve->uid, &serve->anchor) != SHERD_OK)
        return;
    serve->anchor->ops->rekey_end(serve->anchor, serve->rekey);
    end_state(serve);
    serve->host->leave(serve->arg);
}

void sherd_serve(struct sherd_link *link, uid_t uid, const struct sherd_serve_host *host, void *arg)
{
    struct serve serve = {.link = link, .uid = uid, .host = host, .arg = arg, .rest = {.max = REST_BYTES_MAX}};

    serve.secret = sherd_secret_alloc(sizeof(*serve.secret));
    if (serve.secret == NULL)
        return;
    while (serve_one(&serve) == SHERD_OK)
        ;
    end_held(&serve);
    sherd_secret_free(serve.secret);
}

void sherd_serve_refuse(struct sherd_link *link, enum sherd_err err)
{
    const struct sherd_wire_head head = {.status = err};

    (void)send_failure(link, head); /* it is turned away either way */
}

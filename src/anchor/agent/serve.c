/* SPDX-License-Identifier: Apache-2.0 */
/* Serving a connection over an anchor: see serve.h. One handler a verb, in a table. */
#include "anchor/agent/serve_inside.h"
#include "base/mem.h"
#include "base/secret.h"
#include <string.h>

/* Room that an answer leaves for its last item. */
#define REPLY_BYTES_MAX (SHERD_WIRE_FRAME_BYTES_MAX - SHERD_WIRE_SMALL_BYTES_MAX)
/* Entries of a scan, and of a step of a rekeying. */
#define COUNT_MAX 4096U
/* A pin with its wrapped key has more than that. */
#define CHANGE_BYTES_MIN 256U

enum sherd_err sherd_serve_take(struct sherd_serve *serve, void *head)
{
    sherd_wire_code(&serve->call, serve->shapes->call.head, head);
    return serve->shapes->call.item == NULL || serve->call.failed ? sherd_wire_read(&serve->call) : SHERD_OK;
}

enum sherd_err sherd_serve_answer(struct sherd_serve *serve, void *head)
{
    sherd_wire_code(serve->reply, serve->shapes->reply.head, head);
    return sherd_wire_written(serve->reply);
}

enum sherd_err sherd_serve_answer_over(struct sherd_serve *serve, size_t head_bytes, void *head)
{
    uint8_t block[64];
    struct sherd_buf bytes = sherd_buf_borrow(block, sizeof(block));
    struct sherd_wire wire = sherd_wire_writer(&bytes);

    sherd_wire_code(&wire, serve->shapes->reply.head, head);
    SHERD_TRY(sherd_wire_written(&wire));
    memcpy(sherd_link_message(serve->link), block, head_bytes);
    return SHERD_OK;
}

void sherd_serve_add(struct sherd_serve *serve, void *item)
{
    sherd_wire_code(serve->reply, serve->shapes->reply.item, item);
}

/* Names, as many as there is room for: those that are left out are found by the sweeper. */
static enum sherd_err answer_refs(struct sherd_serve *serve, const struct sherd_refs *refs)
{
    for (size_t i = 0; i < refs->count && sherd_link_written(serve->link) < REPLY_BYTES_MAX; i++) {
        struct sherd_wire_ref item = {.ref = refs->refs[i]};

        sherd_serve_add(serve, &item);
    }
    return sherd_wire_written(serve->reply);
}

/* --- control ------------------------------------------------------------------------------------------------------ */

static enum sherd_err serve_hello(struct sherd_serve *serve)
{
    struct sherd_wire_number call;
    struct sherd_wire_hello hello = {0};
    const struct sherd_home *home = serve->anchor->ops->home(serve->anchor);

    SHERD_TRY(sherd_serve_take(serve, &call));
    SHERD_ENSURE(call.number == SHERD_WIRE_PROTOCOL, SHERD_ERR_UNSUPPORTED,
                 "the agent is of another version: `sherd seal`, then `sherd unseal`");
    hello.protocol = SHERD_WIRE_PROTOCOL;
    serve->anchor->ops->ids(serve->anchor, &hello.deployment, &hello.tenant);
    hello.fips = home != NULL && sherd_home_fips(home);
    serve->host->hello(serve->arg, &hello);
    return sherd_serve_answer(serve, &hello);
}

static enum sherd_err serve_status(struct sherd_serve *serve)
{
    struct sherd_wire_progress progress[SHERD_SERVE_PROGRESS_MAX];
    struct sherd_wire_status status = {.protocol = SHERD_WIRE_PROTOCOL};
    size_t count = 0;

    SHERD_TRY(sherd_serve_take(serve, NULL));
    serve->host->status(serve->arg, serve->uid, &status, progress, SHERD_COUNT_OF(progress), &count);
    SHERD_TRY(sherd_serve_answer(serve, &status));
    for (size_t i = 0; i < count; i++)
        sherd_serve_add(serve, &progress[i]);
    return sherd_wire_written(serve->reply);
}

static enum sherd_err serve_unseal(struct sherd_serve *serve)
{
    struct sherd_wire_unsealed unsealed = {0};

    SHERD_TRY(sherd_serve_take(serve, &serve->secret->unseal));
    SHERD_TRY(serve->host->unseal(serve->arg, serve->uid, &serve->secret->unseal, &unsealed));
    return sherd_serve_answer(serve, &unsealed);
}

static enum sherd_err serve_seal(struct sherd_serve *serve)
{
    SHERD_TRY(sherd_serve_take(serve, NULL));
    return serve->host->seal(serve->arg, serve->uid);
}

/* --- the anchor's table ------------------------------------------------------------------------------------------- */

/* The keys of identity and assets go to the same user, who reads those compartments with them for every request. */
static enum sherd_err serve_lease(struct sherd_serve *serve)
{
    struct sherd_raw_lease *lease = &serve->secret->lease;
    struct sherd_wire_role call;

    SHERD_TRY(sherd_serve_take(serve, &call));
    SHERD_TRY(serve->anchor->ops->lease_raw(serve->anchor, call.role, lease));
    return sherd_serve_answer(serve, lease);
}

static enum sherd_err serve_compartment_entry(struct sherd_serve *serve)
{
    uint8_t block[SHERD_ENTRY_BYTES_MAX];
    struct sherd_buf stored = sherd_buf_borrow(block, sizeof(block));
    struct sherd_wire_stored entry = {.role = SHERD_KEYS};
    struct sherd_wire_role call;

    SHERD_TRY(sherd_serve_take(serve, &call));
    SHERD_TRY(serve->anchor->ops->compartment_entry(serve->anchor, call.role, &entry.name, &stored));
    entry.stored = sherd_buf_span(&stored);
    return sherd_serve_answer(serve, &entry);
}

static enum sherd_err serve_compartment_check(struct sherd_serve *serve)
{
    struct sherd_wire_stored call;

    SHERD_TRY(sherd_serve_take(serve, &call));
    return serve->anchor->ops->compartment_check(serve->anchor, call.role, call.stored);
}

static enum sherd_err serve_key_new(struct sherd_serve *serve)
{
    struct sherd_wire_made *made = &serve->secret->made;
    struct sherd_wire_key_new call;

    SHERD_TRY(sherd_serve_take(serve, &call));
    SHERD_TRY(serve->anchor->ops->key_new(serve->anchor, &call.collection, call.entity_id, call.record, call.version,
                                          &made->pin, &made->key));
    return sherd_serve_answer(serve, made);
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

static enum sherd_err take_changes(struct sherd_serve *serve, struct changes *changes)
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

static enum sherd_err serve_changes(struct sherd_serve *serve, change_pins_fn *change)
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

static enum sherd_err serve_pin_commit(struct sherd_serve *serve)
{
    return serve_changes(serve, serve->anchor->ops->pin_commit);
}

static enum sherd_err serve_key_renew(struct sherd_serve *serve)
{
    struct sherd_wire_made *made = &serve->secret->made;
    struct sherd_wire_pin call = {0};

    SHERD_TRY(sherd_serve_take(serve, &call));
    SHERD_TRY(serve->anchor->ops->key_renew(serve->anchor, &call.pin, &made->pin, &made->key));
    return sherd_serve_answer(serve, made);
}

static enum sherd_err serve_pin_replace(struct sherd_serve *serve)
{
    return serve_changes(serve, serve->anchor->ops->pin_replace);
}

static enum sherd_err serve_pin_get(struct sherd_serve *serve)
{
    struct sherd_wire_got *got = &serve->secret->got;
    struct sherd_wire_pin_get call;

    SHERD_TRY(sherd_serve_take(serve, &call));
    SHERD_TRY(serve->anchor->ops->pin_get(serve->anchor, call.record, call.version, &got->view,
                                          call.with_key ? &got->key : NULL));
    got->with_key = call.with_key;
    return sherd_serve_answer(serve, got);
}

static enum sherd_err serve_pin_delete(struct sherd_serve *serve)
{
    SHERD_CLEANUP(sherd_refs_done) struct sherd_refs dropped = {0};
    struct sherd_wire_uuid call;

    SHERD_TRY(sherd_serve_take(serve, &call));
    SHERD_TRY(serve->anchor->ops->pin_delete(serve->anchor, call.id, &dropped));
    return answer_refs(serve, &dropped);
}

struct scan {
    struct sherd_serve *serve;
    bool full;
    uint32_t count; /* that were told */
    struct sherd_ref last;
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
    sherd_serve_add(scan->serve, &item);
    sherd_entity_key_entry_wipe(&item.entity);
    scan->count++;
    scan->last = entry->name;
    return sherd_wire_written(scan->serve->reply);
}

static enum sherd_err serve_scan(struct sherd_serve *serve)
{
    struct sherd_wire_scanned scanned = {.end = false}; /* written over when it is known */
    struct scan scan = {.serve = serve};
    struct sherd_wire_scan call;
    struct sherd_ref last = {{0}};
    size_t count = 0;

    SHERD_TRY(sherd_serve_take(serve, &call));
    SHERD_ENSURE(call.count_max > 0 && call.count_max <= COUNT_MAX, SHERD_ERR_INVALID, "a scan of no length");
    SHERD_TRY(sherd_serve_answer(serve, &scanned));
    const size_t head_bytes = sherd_link_written(serve->link);
    enum sherd_err err = serve->anchor->ops->scan(serve->anchor, call.from_first ? NULL : &call.after, call.count_max,
                                                  scan_one, &scan, &last, &count);
    if (scan.full) {
        err = SHERD_OK;
        scanned = (struct sherd_wire_scanned){.count = scan.count, .last = scan.last};
    } else {
        scanned = (struct sherd_wire_scanned){.end = count < call.count_max, .count = (uint32_t)count, .last = last};
    }
    SHERD_TRY(err);
    return sherd_serve_answer_over(serve, head_bytes, &scanned);
}

static enum sherd_err serve_idempotency_get(struct sherd_serve *serve)
{
    struct sherd_wire_idempotency call;
    struct sherd_wire_uuid record;

    SHERD_TRY(sherd_serve_take(serve, &call));
    SHERD_TRY(serve->anchor->ops->idempotency_get(serve->anchor, &call.collection, call.key, &call.content_hash,
                                                  &record.id));
    return sherd_serve_answer(serve, &record);
}

static enum sherd_err serve_part_check(struct sherd_serve *serve)
{
    struct sherd_wire_stored call;
    struct sherd_wire_live live = {.live = false};

    SHERD_TRY(sherd_serve_take(serve, &call));
    SHERD_TRY(serve->anchor->ops->part_check(serve->anchor, call.role, &call.name, call.stored, &live.live));
    return sherd_serve_answer(serve, &live);
}

static enum sherd_err serve_parts_sweep(struct sherd_serve *serve)
{
    struct sherd_wire_parts_sweep call;
    struct sherd_wire_number count;

    SHERD_TRY(sherd_serve_take(serve, &call));
    SHERD_TRY(serve->anchor->ops->parts_sweep(serve->anchor, call.dry_run, &count.number));
    return sherd_serve_answer(serve, &count);
}

static enum sherd_err serve_entry_reseal(struct sherd_serve *serve)
{
    uint8_t block[SHERD_ENTRY_BYTES_MAX];
    struct sherd_buf stored = sherd_buf_borrow(block, sizeof(block));
    struct sherd_wire_stored entry = {.role = SHERD_SECRETS};
    struct sherd_wire_stored call;

    SHERD_TRY(sherd_serve_take(serve, &call));
    SHERD_TRY(serve->anchor->ops->entry_reseal(serve->anchor, call.role, &call.name, call.stored, &stored));
    entry.stored = sherd_buf_span(&stored);
    return sherd_serve_answer(serve, &entry);
}

static enum sherd_err serve_collection_pin(struct sherd_serve *serve)
{
    struct sherd_wire_collection call;

    SHERD_TRY(sherd_serve_take(serve, &call));
    return serve->anchor->ops->collection_pin(serve->anchor, &call.collection, &call.digest);
}

static enum sherd_err serve_collection_check(struct sherd_serve *serve)
{
    struct sherd_wire_collection call;

    SHERD_TRY(sherd_serve_take(serve, &call));
    return serve->anchor->ops->collection_check(serve->anchor, &call.collection, &call.digest);
}

static enum sherd_err serve_master_activate(struct sherd_serve *serve)
{
    struct sherd_wire_master_options call = {0};
    struct sherd_wire_number version;

    SHERD_TRY(sherd_serve_take(serve, &call));
    const struct sherd_master_options options = {.name = call.name,
                                                 .generator = call.has_generator ? call.generator : NULL,
                                                 .store = call.has_store ? call.store : NULL,
                                                 .args = call.has_args ? call.args : NULL};
    SHERD_TRY(serve->anchor->ops->master_activate(serve->anchor, &options, &version.number));
    return sherd_serve_answer(serve, &version);
}

static enum sherd_err tell_master(void *arg, const struct sherd_master_info *info)
{
    struct sherd_serve *serve = arg;
    struct sherd_master_info item = *info;

    sherd_serve_add(serve, &item);
    return sherd_wire_written(serve->reply);
}

static enum sherd_err serve_master_each(struct sherd_serve *serve)
{
    SHERD_TRY(sherd_serve_take(serve, NULL));
    return serve->anchor->ops->master_each(serve->anchor, tell_master, serve);
}

static enum sherd_err serve_master_retire(struct sherd_serve *serve)
{
    struct sherd_wire_master call;

    SHERD_TRY(sherd_serve_take(serve, &call));
    return serve->anchor->ops->master_retire(serve->anchor, call.name, call.version);
}

static enum sherd_err serve_master_destroy(struct sherd_serve *serve)
{
    struct sherd_wire_master call;

    SHERD_TRY(sherd_serve_take(serve, &call));
    return serve->anchor->ops->master_destroy(serve->anchor, call.name, call.version);
}

static enum sherd_err tell_protection(void *arg, const struct sherd_protection_info *info)
{
    struct sherd_serve *serve = arg;
    struct sherd_protection_info item = *info;

    sherd_serve_add(serve, &item);
    return sherd_wire_written(serve->reply);
}

static enum sherd_err serve_protection_each(struct sherd_serve *serve)
{
    SHERD_TRY(sherd_serve_take(serve, NULL));
    return serve->anchor->ops->protection_each(serve->anchor, tell_protection, serve);
}

static enum sherd_err serve_protection_rotate(struct sherd_serve *serve)
{
    struct sherd_wire_key_store *call = &serve->secret->key_store;
    struct sherd_wire_number version;

    SHERD_TRY(sherd_serve_take(serve, call));
    const struct sherd_key_store_file turn_on = {.path = call->path, .password = call->password};
    SHERD_TRY(serve->anchor->ops->protection_rotate(serve->anchor, call->given ? &turn_on : NULL, &version.number));
    return sherd_serve_answer(serve, &version);
}

static enum sherd_err serve_policy_set(struct sherd_serve *serve)
{
    struct sherd_wire_policy call = {.lower_floor = false};

    SHERD_TRY(sherd_serve_take(serve, &call));
    return serve->anchor->ops->policy_set(serve->anchor, call.name, &call.policy, call.lower_floor);
}

static enum sherd_err tell_policy(void *arg, const char *name, const struct sherd_key_policy *policy)
{
    struct sherd_serve *serve = arg;
    struct sherd_wire_policy item = {.policy = *policy};

    memcpy(item.name, name, strlen(name) + 1);
    sherd_serve_add(serve, &item);
    return sherd_wire_written(serve->reply);
}

static enum sherd_err serve_policy_each(struct sherd_serve *serve)
{
    SHERD_TRY(sherd_serve_take(serve, NULL));
    return serve->anchor->ops->policy_each(serve->anchor, tell_policy, serve);
}

static enum sherd_err serve_entity_find(struct sherd_serve *serve)
{
    struct sherd_wire_entity call;
    struct sherd_wire_ref entity;

    SHERD_TRY(sherd_serve_take(serve, &call));
    SHERD_TRY(serve->anchor->ops->entity_find(serve->anchor, &call.collection, call.entity_id, &entity.ref));
    return sherd_serve_answer(serve, &entity);
}

static enum sherd_err serve_entity_erase(struct sherd_serve *serve)
{
    struct sherd_wire_entity call;

    SHERD_TRY(sherd_serve_take(serve, &call));
    return serve->anchor->ops->entity_erase(serve->anchor, &call.collection, call.entity_id);
}

static enum sherd_err serve_rekey_begin(struct sherd_serve *serve)
{
    struct sherd_rekey_scope call;

    SHERD_TRY(sherd_serve_take(serve, &call));
    SHERD_ENSURE(serve->rekey == NULL, SHERD_ERR_BUSY, "this connection rekeys already");
    return serve->anchor->ops->rekey_begin(serve->anchor, &call, &serve->rekey);
}

static enum sherd_err serve_rekey_step(struct sherd_serve *serve)
{
    struct sherd_rekey_progress progress;
    struct sherd_wire_number call;

    SHERD_TRY(sherd_serve_take(serve, &call));
    SHERD_ENSURE(serve->rekey != NULL && call.number > 0 && call.number <= COUNT_MAX, SHERD_ERR_INVALID,
                 "no rekeying, or no step of one");
    SHERD_TRY(serve->anchor->ops->rekey_step(serve->anchor, serve->rekey, (size_t)call.number, &progress));
    return sherd_serve_answer(serve, &progress);
}

static enum sherd_err serve_rekey_end(struct sherd_serve *serve)
{
    SHERD_TRY(sherd_serve_take(serve, NULL));
    serve->anchor->ops->rekey_end(serve->anchor, serve->rekey);
    serve->rekey = NULL;
    return SHERD_OK;
}

static enum sherd_err serve_round_begin(struct sherd_serve *serve)
{
    struct sherd_wire_number call;
    uint16_t round;

    SHERD_TRY(sherd_serve_take(serve, NULL));
    SHERD_TRY(serve->anchor->ops->round_begin(serve->anchor, &round));
    call.number = round;
    return sherd_serve_answer(serve, &call);
}

static enum sherd_err serve_round_end(struct sherd_serve *serve)
{
    struct sherd_wire_number call = {0};

    SHERD_TRY(sherd_serve_take(serve, &call));
    return serve->anchor->ops->round_end(serve->anchor, (uint16_t)call.number);
}

static enum sherd_err serve_epoch_begin(struct sherd_serve *serve)
{
    struct sherd_wire_number epoch;

    SHERD_TRY(sherd_serve_take(serve, NULL));
    SHERD_TRY(serve->anchor->ops->epoch_begin(serve->anchor, &epoch.number));
    return sherd_serve_answer(serve, &epoch);
}

static enum sherd_err serve_epoch_end(struct sherd_serve *serve)
{
    struct sherd_wire_number epoch;

    SHERD_TRY(sherd_serve_take(serve, NULL));
    SHERD_TRY(serve->anchor->ops->epoch_end(serve->anchor, &epoch.number));
    return sherd_serve_answer(serve, &epoch);
}

static enum sherd_err serve_ledger_run(struct sherd_serve *serve)
{
    struct sherd_wire_number size;

    SHERD_TRY(sherd_serve_take(serve, NULL));
    SHERD_TRY(serve->anchor->ops->ledger_run(serve->anchor, &size.number));
    return sherd_serve_answer(serve, &size);
}

static enum sherd_err serve_ledger_check(struct sherd_serve *serve)
{
    struct sherd_keys_check check;

    SHERD_TRY(sherd_serve_take(serve, NULL));
    SHERD_TRY(serve->anchor->ops->ledger_check(serve->anchor, &check));
    return sherd_serve_answer(serve, &check);
}

static enum sherd_err serve_keys_stat(struct sherd_serve *serve)
{
    struct sherd_store_stat stat;

    SHERD_TRY(sherd_serve_take(serve, NULL));
    SHERD_TRY(serve->anchor->ops->keys_stat(serve->anchor, &stat));
    return sherd_serve_answer(serve, &stat);
}

static enum sherd_err serve_keys_owner(struct sherd_serve *serve)
{
    struct sherd_wire_owner owner = {0};

    SHERD_TRY(sherd_serve_take(serve, NULL));
    const enum sherd_err err = serve->anchor->ops->keys_owner(serve->anchor, &owner.name, &owner.there);
    if (err != SHERD_ERR_TAMPERED)
        SHERD_TRY(err);
    owner.valid = err == SHERD_OK;
    return sherd_serve_answer(serve, &owner);
}

static enum sherd_err serve_keys_blobs(struct sherd_serve *serve)
{
    SHERD_CLEANUP(sherd_refs_done) struct sherd_refs blobs = {0};

    SHERD_TRY(sherd_serve_take(serve, NULL));
    SHERD_TRY(serve->anchor->ops->keys_blobs(serve->anchor, &blobs));
    return answer_refs(serve, &blobs);
}

/* --- the table of verbs ------------------------------------------------------------------------------------------- */

typedef enum sherd_err handler(struct sherd_serve *serve);

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
    [SHERD_WIRE_PARTS_SWEEP] = serve_parts_sweep,
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
    [SHERD_WIRE_LEDGER_RUN] = serve_ledger_run,
    [SHERD_WIRE_LEDGER_CHECK] = serve_ledger_check,
    [SHERD_WIRE_ENTRIES_RESEALED] = sherd_serve_entries_resealed,
    [SHERD_WIRE_JOINS_RULE] = sherd_serve_joins_rule,
    [SHERD_WIRE_BOOK_READ] = sherd_serve_book_read,
    [SHERD_WIRE_BOOK_POSITION] = sherd_serve_book_position,
    [SHERD_WIRE_BOOK_CHANGE] = sherd_serve_book_change,
    [SHERD_WIRE_OUTSIDE_GET] = sherd_serve_outside_get,
    [SHERD_WIRE_OUTSIDE_SET] = sherd_serve_outside_set,
    [SHERD_WIRE_OUTSIDE_TAKE] = sherd_serve_outside_take,
    [SHERD_WIRE_KEYS_STAT] = serve_keys_stat,
    [SHERD_WIRE_KEYS_OWNER] = serve_keys_owner,
    [SHERD_WIRE_KEYS_BLOBS] = serve_keys_blobs,
    [SHERD_WIRE_KEY_RENEW] = serve_key_renew,
    [SHERD_WIRE_PIN_REPLACE] = serve_pin_replace,
    [SHERD_WIRE_ROUND_BEGIN] = serve_round_begin,
    [SHERD_WIRE_ROUND_END] = serve_round_end,
    [SHERD_WIRE_EPOCH_EXPORT] = sherd_serve_epoch_export,
    [SHERD_WIRE_STATE_TAKE] = sherd_serve_state_take,
    [SHERD_WIRE_STATE_SCAN] = sherd_serve_state_scan,
    [SHERD_WIRE_STATE_END] = sherd_serve_state_end,
    [SHERD_WIRE_STATEMENT_RECORDS] = sherd_serve_statement_records,
    [SHERD_WIRE_STATEMENT_SIGN] = sherd_serve_statement_sign,
    [SHERD_WIRE_STATEMENT_KEY] = sherd_serve_statement_key,
    [SHERD_WIRE_ROW_SIGN] = sherd_serve_row_sign,
    [SHERD_WIRE_ROWS_SUM] = sherd_serve_rows_sum,
    [SHERD_WIRE_MORE] = sherd_serve_more,
    [SHERD_WIRE_USER_CREATE] = sherd_serve_user_create,
    [SHERD_WIRE_USER_EACH] = sherd_serve_user_each,
    [SHERD_WIRE_USER_DISABLE] = sherd_serve_user_disable,
    [SHERD_WIRE_NAMED_CREATE] = sherd_serve_named_create,
    [SHERD_WIRE_NAMED_EACH] = sherd_serve_named_each,
    [SHERD_WIRE_NAMED_GRANT] = sherd_serve_named_grant,
    [SHERD_WIRE_GRANT_EACH] = sherd_serve_grant_each,
    [SHERD_WIRE_NAMED_FIND] = sherd_serve_named_find,
    [SHERD_WIRE_PRINCIPAL_CHECK] = sherd_serve_principal_check,
    [SHERD_WIRE_CHALLENGE] = sherd_serve_challenge,
    [SHERD_WIRE_LOGIN] = sherd_serve_login,
    [SHERD_WIRE_PROTECTION_EACH] = serve_protection_each,
    [SHERD_WIRE_PROTECTION_ROTATE] = serve_protection_rotate,
    [SHERD_WIRE_ENTRY_RESEAL] = serve_entry_reseal,
    [SHERD_WIRE_POLICY_SET] = serve_policy_set,
    [SHERD_WIRE_POLICY_EACH] = serve_policy_each,
    [SHERD_WIRE_LEDGER_NOTE] = sherd_serve_ledger_note,
    [SHERD_WIRE_LEDGER_SCAN] = sherd_serve_ledger_scan,
    [SHERD_WIRE_LEDGER_JOINS] = sherd_serve_ledger_joins,
    [SHERD_WIRE_LEDGER_GROWTH] = sherd_serve_ledger_growth,
};

static bool needs_anchor(unsigned verb)
{
    return verb == SHERD_WIRE_HELLO || verb > SHERD_WIRE_SEAL;
}

/* --- one call after another --------------------------------------------------------------------------------------- */

/* The anchor, as who asks may use it. */
static enum sherd_err enter(struct sherd_serve *serve)
{
    SHERD_TRY(serve->host->enter(serve->arg, serve->uid, &serve->anchor));
    if (serve->session != NULL)
        serve->anchor = serve->session;
    return SHERD_OK;
}

static void leave(struct sherd_serve *serve)
{
    serve->host->leave(serve->arg);
    serve->anchor = NULL;
}

static enum sherd_err handle(struct sherd_serve *serve, unsigned verb)
{
    if (!needs_anchor(verb)) {
        SHERD_ENSURE(serve->session == NULL || verb == SHERD_WIRE_STATUS, SHERD_ERR_DENIED,
                     "only the vault's owner may do that");
        return handlers[verb](serve);
    }
    SHERD_TRY(enter(serve));
    const enum sherd_err err = handlers[verb](serve);
    leave(serve);
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

static enum sherd_err serve_one(struct sherd_serve *serve)
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
static void end_held(struct sherd_serve *serve)
{
    sherd_buf_done(&serve->records);
    sherd_buf_done(&serve->rest);
    if ((serve->rekey == NULL && !serve->state_taken) || enter(serve) != SHERD_OK)
        return;
    serve->anchor->ops->rekey_end(serve->anchor, serve->rekey);
    sherd_serve_end_state(serve);
    leave(serve);
}

/* So does a session, which holds nothing of the anchor that it stands on. */
static void end_session(struct sherd_serve *serve)
{
    if (serve->session != NULL)
        serve->session->ops->free(serve->session);
}

void sherd_serve(struct sherd_link *link, uid_t uid, const struct sherd_serve_host *host, void *arg)
{
    struct sherd_serve serve = {.link = link, .uid = uid, .host = host, .arg = arg};

    serve.secret = sherd_secret_alloc(sizeof(*serve.secret));
    if (serve.secret == NULL)
        return;
    while (serve_one(&serve) == SHERD_OK)
        ;
    end_held(&serve);
    end_session(&serve);
    sherd_secret_free(serve.secret);
}

void sherd_serve_refuse(struct sherd_link *link, enum sherd_err err)
{
    const struct sherd_wire_head head = {.status = err};

    (void)send_failure(link, head); /* it is turned away either way */
}

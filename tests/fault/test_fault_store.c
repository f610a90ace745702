/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vault over stores that misbehave: each call of each compartment's store in each operation, times each kind of
 * fault that means something for that call.
 *
 * The four compartments of a vault are the fault engine around the embedded one: the program is linked so that the name
 * of the engine leads here. An operation is first counted: how often it calls what of which store. Then, for each of
 * these calls and each kind of fault, a copy of one prepared vault is opened, the one call is struck, and
 *
 *   - what the operation gives out is right, or nothing, and an error is one that the fault explains, with a text;
 *   - the handle goes on to read, and to write unless its store failed;
 *   - an honest look at the vault finds the record as before or as after, as after if the operation said so, and no
 *     other record touched; it verifies, and sweeping changes nothing but orphans.
 *
 * Where the store has kept other bytes than it was given, the record may be unreadable: then that is what reading says,
 * and verify finds it.
 */
#include "store/compartment.h"
#include "store/fault/fault.h"
#include "support.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>

#define ROLES 4U
#define FLIPS 3U

/* --- the engine -------------------------------------------------------------------------------------------------- */

/* What the linker puts in the place of sherd_store_engine(), and that itself. */
enum sherd_err __wrap_sherd_store_engine(const char *name, const struct sherd_store_ops **out_ops);
enum sherd_err __real_sherd_store_engine(const char *name, const struct sherd_store_ops **out_ops);

static const char *const role_names[ROLES] = {"identity", "assets", "secrets", "keys"};

static struct sherd_fault_script *scripts[ROLES];
static struct sherd_store *stores[ROLES]; /* of the vault that is open */
static struct sherd_store_ops engine;     /* the embedded one's table, but for open() */
static const struct sherd_store_ops *inner_engine;

static unsigned role_of(const char *path)
{
    const char *last = strrchr(path, '/');

    for (unsigned role = 0; role < ROLES; role++)
        if (last != NULL && strcmp(last + 1, role_names[role]) == 0)
            return role;
    REQUIRE(false, "%s is no compartment", path);
    return 0;
}

static enum sherd_err open_wrapped(const struct sherd_store_config *config, struct sherd_store **out_store)
{
    const unsigned role = role_of(config->path);
    struct sherd_store *inner = NULL;

    const enum sherd_err err = inner_engine->open(config, &inner);
    if (err != SHERD_OK)
        return err;
    REQUIRE_OK(sherd_store_fault_wrap(inner, scripts[role], &stores[role]));
    *out_store = stores[role];
    return SHERD_OK;
}

enum sherd_err __wrap_sherd_store_engine(const char *name, const struct sherd_store_ops **out_ops)
{
    const enum sherd_err err = __real_sherd_store_engine(name, &inner_engine);

    if (err != SHERD_OK)
        return err;
    engine = *inner_engine;
    engine.open = open_wrapped;
    *out_ops = &engine;
    return SHERD_OK;
}

/* --- records and operations -------------------------------------------------------------------------------------- */

struct body {
    uint64_t seed;
    size_t bytes;
};

/* A record as the test knows it. */
struct known {
    struct sherd_uuid id;
    uint64_t versions;
    struct body bodies[4]; /* of version 1 and on */
};

enum base_record { SMALL, LONG, KEPT, OWNED, LONG_OWNED, BYSTANDER, LONG_BYSTANDER, BASE_COUNT };

enum change { CHANGES_NOTHING, CHANGES_NEW, CHANGES_UPDATE, CHANGES_DELETE };

struct outcome {
    enum sherd_err err;
    struct sherd_uuid id; /* of a new record */
};

struct operation;

struct cell {
    const struct operation *operation;
    unsigned role;
    struct sherd_fault_rule rule;
    struct known records[BASE_COUNT]; /* as they are before the operation */
};

struct operation {
    const char *name;
    enum change change;
    enum base_record target;
    struct body body; /* of what is put */
    const char *entity;
    const char *idempotency_key;
    enum sherd_err (*run)(const struct cell *cell, struct sherd_vault *vault, struct outcome *outcome);
    bool opens; /* run is given no vault */
};

static const char *const call_names[SHERD_FAULT_CALL_COUNT] = {
    "snapshot",    "get",       "scan",      "write",       "blob_create", "blob_append", "blob_patch",
    "blob_commit", "blob_open", "blob_read", "blob_delete", "blob_scan",   "tidy",        "stat",
};

static const char *const kind_names[SHERD_FAULT_KIND_COUNT] = {"fail", "lose",  "delay", "repeat",
                                                               "flip", "stale", "hide"};

/* What the processes of the test share. */
static struct {
    char label[160]; /* of the cell that runs */
    unsigned cells;
    unsigned failed;     /* cells whose operation failed */
    unsigned unreadable; /* cells that left a record that says it was changed */
} *shared;

static struct place place;
static char prepared[96];
static struct known base[BASE_COUNT];

static uint8_t *body_make(const struct body *body)
{
    uint8_t *block = malloc(body->bytes);

    REQUIRE(block != NULL, "no memory");
    content_fill(body->seed, block, body->bytes);
    return block;
}

static bool is_body(struct sherd_span content, const struct body *body)
{
    uint64_t seed = 0;

    return content.len == body->bytes && content_is(content, &seed) && seed == body->seed;
}

static enum sherd_err run_put(const struct cell *cell, struct sherd_vault *vault, struct outcome *outcome)
{
    const struct operation *operation = cell->operation;
    const struct sherd_record_meta meta = {.entity = operation->entity,
                                           .idempotency_key = operation->idempotency_key != NULL
                                                                  ? sherd_span_str(operation->idempotency_key)
                                                                  : sherd_span_of(NULL, 0)};
    uint8_t *block = body_make(&operation->body);

    const enum sherd_err err = sherd_record_put(vault, &meta, sherd_span_of(block, operation->body.bytes),
                                                &outcome->id);
    free(block);
    return err;
}

static enum sherd_err update_with(struct sherd_vault *vault, const struct known *record, const struct body *body)
{
    uint8_t *block = body_make(body);

    const enum sherd_err err = sherd_record_update(vault, record->id, record->versions, NULL,
                                                   sherd_span_of(block, body->bytes), NULL);
    free(block);
    return err;
}

static enum sherd_err run_update(const struct cell *cell, struct sherd_vault *vault, struct outcome *outcome)
{
    (void)outcome;
    return update_with(vault, &cell->records[cell->operation->target], &cell->operation->body);
}

static enum sherd_err run_delete(const struct cell *cell, struct sherd_vault *vault, struct outcome *outcome)
{
    (void)outcome;
    return sherd_record_delete(vault, cell->records[cell->operation->target].id);
}

/* Whether the answer may be an older one: only the store of the pins can bring that about. */
static bool may_be_old(const struct cell *cell)
{
    return cell->rule.kind == SHERD_FAULT_STALE && strcmp(role_names[cell->role], "keys") == 0;
}

static enum sherd_err run_get(const struct cell *cell, struct sherd_vault *vault, struct outcome *outcome)
{
    static const char before[] = "what was in the buffer";
    const struct known *record = &cell->records[cell->operation->target];
    struct sherd_buf found = {0};

    (void)outcome;
    REQUIRE_OK(sherd_buf_append(&found, sherd_span_str(before)));
    const enum sherd_err err = sherd_record_get(vault, record->id, 0, &found);
    REQUIRE(found.len >= strlen(before) && memcmp(found.data, before, strlen(before)) == 0, "what was there is gone");
    const struct sherd_span content = {found.data + strlen(before), found.len - strlen(before)};
    bool right = err == SHERD_OK ? is_body(content, &record->bodies[record->versions - 1]) : content.len == 0;
    for (uint64_t version = 1; err == SHERD_OK && may_be_old(cell) && version < record->versions; version++)
        right = right || is_body(content, &record->bodies[version - 1]);
    REQUIRE(right, "wrong bytes were released: %zu, with %s", content.len, sherd_err_name(err));
    sherd_buf_done(&found);
    return err;
}

static enum sherd_err run_read(const struct cell *cell, struct sherd_vault *vault, struct outcome *outcome)
{
    const struct known *record = &cell->records[cell->operation->target];
    const struct body *body = &record->bodies[record->versions - 1];
    struct sherd_reader *reader = NULL;
    uint8_t block[20000] = {0};
    uint64_t bytes = 0;
    size_t got = 0;

    (void)outcome;
    enum sherd_err err = sherd_reader_open(vault, record->id, 0, &reader, &bytes);
    if (err != SHERD_OK)
        return err;
    err = sherd_reader_read(reader, 30000, block, sizeof(block), &got);
    uint8_t *whole = body_make(body);
    if (err == SHERD_OK)
        REQUIRE(got == sizeof(block) && memcmp(block, whole + 30000, got) == 0, "wrong bytes were released");
    for (size_t i = 0; i < sizeof(block) && err != SHERD_OK; i++)
        REQUIRE(block[i] == 0, "bytes were left by a read that failed");
    free(whole);
    sherd_reader_close(reader);
    return err;
}

static enum sherd_err run_stat(const struct cell *cell, struct sherd_vault *vault, struct outcome *outcome)
{
    const struct known *record = &cell->records[cell->operation->target];
    struct sherd_record_info *info = NULL;

    (void)outcome;
    const enum sherd_err err = sherd_record_stat(vault, record->id, 0, &info);
    if (err != SHERD_OK)
        return err;
    REQUIRE(same_uuid(info->id, record->id), "it is of another record");
    REQUIRE(may_be_old(cell) || info->version == record->versions, "it is of version %llu",
            (unsigned long long)info->version);
    REQUIRE(info->content_bytes == record->bodies[info->version - 1].bytes, "it has another length");
    sherd_record_info_free(info);
    return err;
}

/* What a listing met. */
struct listing {
    const struct known *records;
    unsigned known_count;
    unsigned new_count;
    struct sherd_uuid new_id;
};

static enum sherd_err meet(void *arg, const struct sherd_record_info *info)
{
    struct listing *listing = arg;

    for (size_t i = 0; i < BASE_COUNT; i++)
        if (same_uuid(info->id, listing->records[i].id)) {
            listing->known_count++;
            return SHERD_OK;
        }
    listing->new_count++;
    listing->new_id = info->id;
    return SHERD_OK;
}

static enum sherd_err list_all(struct sherd_vault *vault, struct listing *listing)
{
    struct sherd_cursor cursor = {0};
    enum sherd_err err = SHERD_OK;

    while (!cursor.ended && err == SHERD_OK)
        err = sherd_record_list(vault, NULL, &cursor, 0, meet, listing);
    return err;
}

static enum sherd_err run_list(const struct cell *cell, struct sherd_vault *vault, struct outcome *outcome)
{
    const bool hides = cell->rule.kind == SHERD_FAULT_HIDE; /* without its pin there is no record */
    struct listing listing = {.records = cell->records};

    (void)outcome;
    const enum sherd_err err = list_all(vault, &listing);
    if (err == SHERD_OK)
        REQUIRE(listing.new_count == 0 && listing.known_count + (hides ? 1 : 0) >= BASE_COUNT,
                "%u records are listed, and %u that nobody put", listing.known_count, listing.new_count);
    return err;
}

/* What is the target's entity's is sealed anew: the record stays what it was. */
static enum sherd_err run_rekey(const struct cell *cell, struct sherd_vault *vault, struct outcome *outcome)
{
    const struct sherd_rekey_options options = {.entity = cell->operation->entity, .deep = true};
    const bool misses = cell->rule.kind == SHERD_FAULT_HIDE || cell->rule.kind == SHERD_FAULT_STALE;
    struct sherd_rekey_stat stat;

    (void)outcome;
    const enum sherd_err err = sherd_rekey(vault, &options, NULL, NULL, &stat);
    REQUIRE(err != SHERD_OK || misses || stat.sealed_count == 1, "%llu versions were sealed anew",
            (unsigned long long)stat.sealed_count);
    return err;
}

static enum sherd_err open_with_one_thread(struct sherd_vault **out_vault)
{
    const struct sherd_unseal unseal = place_unseal(&place);
    const struct sherd_vault_open_options options = {.threads = 1}; /* so that calls have one order */

    return sherd_vault_open(place.vault, &unseal, &options, out_vault);
}

static enum sherd_err run_open(const struct cell *cell, struct sherd_vault *vault, struct outcome *outcome)
{
    (void)cell;
    (void)outcome;
    const enum sherd_err err = open_with_one_thread(&vault);
    if (err == SHERD_OK)
        sherd_vault_close(vault);
    return err;
}

static const struct operation operations[] = {
    {.name = "put", .change = CHANGES_NEW, .body = {101, 900}, .run = run_put},
    {.name = "put_blob", .change = CHANGES_NEW, .body = {102, 700000}, .run = run_put},
    {.name = "put_entity", .change = CHANGES_NEW, .body = {103, 900}, .entity = "somebody new", .run = run_put},
    {.name = "put_once", .change = CHANGES_NEW, .body = {104, 90}, .idempotency_key = "a key", .run = run_put},
    {.name = "update", .change = CHANGES_UPDATE, .target = SMALL, .body = {105, 1200}, .run = run_update},
    {.name = "update_blob", .change = CHANGES_UPDATE, .target = LONG, .body = {106, 200000}, .run = run_update},
    {.name = "update_kept", .change = CHANGES_UPDATE, .target = KEPT, .body = {107, 1200}, .run = run_update},
    {.name = "delete", .change = CHANGES_DELETE, .target = SMALL, .run = run_delete},
    {.name = "delete_blob", .change = CHANGES_DELETE, .target = LONG, .run = run_delete},
    {.name = "delete_kept", .change = CHANGES_DELETE, .target = KEPT, .run = run_delete},
    {.name = "get", .target = SMALL, .run = run_get},
    {.name = "get_blob", .target = LONG, .run = run_get},
    {.name = "read", .target = LONG, .run = run_read},
    {.name = "stat", .target = KEPT, .run = run_stat},
    {.name = "list", .target = KEPT, .run = run_list},
    {.name = "open", .target = SMALL, .run = run_open, .opens = true},
    {.name = "rekey_deep", .target = OWNED, .entity = "an owner", .run = run_rekey},
    {.name = "rekey_deep_blob", .target = LONG_OWNED, .entity = "a long owner", .run = run_rekey},
};

/* --- what a fault may lead to ------------------------------------------------------------------------------------ */

/* The store has kept something else than it was given. */
static bool corrupts(const struct cell *cell)
{
    const bool appends = cell->rule.call == SHERD_FAULT_BLOB_APPEND || cell->rule.call == SHERD_FAULT_BLOB_PATCH;

    return (cell->rule.kind == SHERD_FAULT_FLIP && (cell->rule.call == SHERD_FAULT_WRITE || appends)) ||
           (cell->rule.kind == SHERD_FAULT_REPEAT && appends);
}

/* The keyring's pin may be among what the store has changed: then the vault does not open, and says so. */
static bool may_corrupt_keyring(const struct cell *cell)
{
    return corrupts(cell) && cell->operation->run == run_rekey && strcmp(role_names[cell->role], "keys") == 0;
}

static bool is_explained(const struct cell *cell, enum sherd_err err)
{
    switch (cell->rule.kind) {
    case SHERD_FAULT_FAIL:
    case SHERD_FAULT_LOSE: return err == SHERD_ERR_IO;
    case SHERD_FAULT_FLIP: return err == SHERD_ERR_TAMPERED;
    case SHERD_FAULT_STALE:
    case SHERD_FAULT_HIDE: return err == SHERD_ERR_TAMPERED || err == SHERD_ERR_NOT_FOUND || err == SHERD_ERR_CONFLICT;
    case SHERD_FAULT_DELAY:
    case SHERD_FAULT_REPEAT:
    case SHERD_FAULT_KIND_COUNT: break;
    }
    return false;
}

/* --- looking ----------------------------------------------------------------------------------------------------- */

enum state { STATE_BEFORE, STATE_AFTER, STATE_UNREADABLE };

static enum state state_of_new(const struct cell *cell, struct sherd_vault *vault, const struct outcome *outcome)
{
    struct listing listing = {.records = cell->records};
    struct sherd_buf content = {0};

    enum sherd_err err = list_all(vault, &listing);
    if (err == SHERD_OK && listing.new_count == 0)
        return STATE_BEFORE;
    if (err == SHERD_OK) {
        REQUIRE(listing.new_count == 1, "%u new records", listing.new_count);
        REQUIRE(outcome->err != SHERD_OK || same_uuid(outcome->id, listing.new_id), "it has another id");
        err = sherd_record_get(vault, listing.new_id, 0, &content);
    }
    if (err == SHERD_OK)
        REQUIRE(is_body(sherd_buf_span(&content), &cell->operation->body), "a new record has other contents");
    REQUIRE(err == SHERD_OK || err == SHERD_ERR_TAMPERED, "%s (%s)", sherd_err_name(err), sherd_err_detail());
    sherd_buf_done(&content);
    return err == SHERD_OK ? STATE_AFTER : STATE_UNREADABLE;
}

static enum state state_of_target(const struct cell *cell, struct sherd_vault *vault)
{
    const struct operation *operation = cell->operation;
    const struct known *record = &cell->records[operation->target];
    struct sherd_buf content = {0};
    enum state state = STATE_BEFORE;

    const enum sherd_err err = sherd_record_get(vault, record->id, 0, &content);
    if (err == SHERD_ERR_TAMPERED)
        state = STATE_UNREADABLE;
    else if (operation->change == CHANGES_DELETE && err == SHERD_ERR_NOT_FOUND)
        state = STATE_AFTER;
    else if (operation->change == CHANGES_UPDATE && err == SHERD_OK &&
             is_body(sherd_buf_span(&content), &operation->body))
        state = STATE_AFTER;
    else
        REQUIRE(err == SHERD_OK && is_body(sherd_buf_span(&content), &record->bodies[record->versions - 1]),
                "the record is neither as before nor as after: %s (%s)", sherd_err_name(err), sherd_err_detail());
    sherd_buf_done(&content);
    return state;
}

static enum state state_of(const struct cell *cell, struct sherd_vault *vault, const struct outcome *outcome)
{
    const enum state state = cell->operation->change == CHANGES_NEW ? state_of_new(cell, vault, outcome)
                                                                    : state_of_target(cell, vault);

    if (state == STATE_UNREADABLE)
        REQUIRE(corrupts(cell), "it cannot be read any more (%s)", sherd_err_detail());
    else if (outcome->err == SHERD_OK && !corrupts(cell) && cell->operation->change != CHANGES_NOTHING)
        REQUIRE(state == STATE_AFTER, "it was acknowledged, and is not there");
    return state;
}

static void require_others(const struct cell *cell, struct sherd_vault *vault)
{
    for (size_t i = 0; i < BASE_COUNT; i++) {
        const struct known *record = &cell->records[i];
        const bool is_target = cell->operation->change != CHANGES_NEW && i == cell->operation->target;

        if (!is_target)
            require_content(vault, record->id, 0, record->bodies[record->versions - 1].seed,
                            record->bodies[record->versions - 1].bytes);
    }
}

/* The handle that met the fault: it reads, and writes unless its store failed. */
static void require_handle(const struct cell *cell, struct sherd_vault *vault)
{
    const bool fails = cell->rule.kind == SHERD_FAULT_FAIL || cell->rule.kind == SHERD_FAULT_LOSE;
    struct sherd_uuid id;

    if (may_corrupt_keyring(cell))
        return;
    require_others(cell, vault);
    const enum sherd_err err = sherd_record_put(vault, NULL, sherd_span_str("what comes after"), &id);
    REQUIRE(err == SHERD_OK || (fails && err == SHERD_ERR_IO), "%s (%s)", sherd_err_name(err), sherd_err_detail());
    if (err == SHERD_OK)
        REQUIRE_OK(sherd_record_delete(vault, id));
}

/* All stores are honest again, and the vault was opened anew. */
static void look(const struct cell *cell, const struct outcome *outcome)
{
    struct sherd_vault *vault = NULL;
    struct sherd_verify_stat stat;

    const enum sherd_err opened = open_with_one_thread(&vault);
    if (opened == SHERD_ERR_TAMPERED && may_corrupt_keyring(cell)) {
        shared->unreadable++;
        return;
    }
    REQUIRE_OK(opened);
    const enum state state = state_of(cell, vault, outcome);
    require_others(cell, vault);
    if (corrupts(cell)) {
        const enum sherd_err err = sherd_vault_verify(vault, NULL, NULL, &stat);

        REQUIRE(err == SHERD_ERR_TAMPERED || (err == SHERD_OK && state != STATE_UNREADABLE), "verify says %s",
                sherd_err_name(err));
    } else {
        (void)require_swept(vault);
        REQUIRE(state_of(cell, vault, outcome) == state, "sweeping changed it");
        require_others(cell, vault);
    }
    sherd_vault_close(vault);
    shared->unreadable += state == STATE_UNREADABLE;
}

/* --- cells ------------------------------------------------------------------------------------------------------- */

/* What stale answers are older than: one more version of the target. */
static void age(struct cell *cell, struct sherd_vault *vault)
{
    struct known *record = &cell->records[cell->operation->target];
    const struct body *body = &record->bodies[record->versions];

    for (unsigned role = 0; role < ROLES; role++)
        REQUIRE_OK(sherd_store_fault_mark(stores[role]));
    REQUIRE_OK(update_with(vault, record, body));
    record->versions++;
}

static struct sherd_vault *begin(struct cell *cell)
{
    struct sherd_vault *vault = NULL;

    tree_remove(place.vault);
    tree_copy(prepared, place.vault);
    memcpy(cell->records, base, sizeof(base));
    if (!cell->operation->opens)
        REQUIRE_OK(open_with_one_thread(&vault));
    return vault;
}

static void run_cell(struct cell *cell)
{
    const bool ages = cell->rule.kind == SHERD_FAULT_STALE && !cell->operation->opens;
    struct sherd_fault_script *script = scripts[cell->role];
    struct sherd_vault *vault = begin(cell);
    struct outcome outcome = {.id = {{7}}};

    if (ages)
        age(cell, vault);
    const uint64_t hits = sherd_fault_script_hits(script, cell->rule.kind);
    REQUIRE_OK(sherd_fault_script_add(script, &cell->rule));
    outcome.err = cell->operation->run(cell, vault, &outcome);
    sherd_fault_script_clear(script);
    if (!ages) /* what came before has filled the caches: there are fewer calls then */
        REQUIRE(sherd_fault_script_hits(script, cell->rule.kind) == hits + 1, "the call was not reached");
    if (outcome.err != SHERD_OK) {
        REQUIRE(is_explained(cell, outcome.err), "%s (%s)", sherd_err_name(outcome.err), sherd_err_detail());
        REQUIRE(sherd_err_detail()[0] != '\0', "no detail");
        REQUIRE(outcome.id.bytes[0] == 7, "a put that failed gave an id");
        shared->failed++;
    }
    if (vault != NULL)
        require_handle(cell, vault);
    sherd_vault_close(vault);
    look(cell, &outcome);
    shared->cells++;
}

/* How often the operation calls what of which store, without a fault. */
static void count_calls(const struct operation *operation, uint64_t counts[ROLES][SHERD_FAULT_CALL_COUNT])
{
    struct cell cell = {.operation = operation};
    struct sherd_vault *vault = begin(&cell);
    struct outcome outcome = {0};

    for (unsigned role = 0; role < ROLES; role++)
        for (unsigned call = 0; call < SHERD_FAULT_CALL_COUNT; call++)
            counts[role][call] = sherd_fault_script_calls(scripts[role], (enum sherd_fault_call)call);
    REQUIRE_OK(operation->run(&cell, vault, &outcome));
    for (unsigned role = 0; role < ROLES; role++)
        for (unsigned call = 0; call < SHERD_FAULT_CALL_COUNT; call++)
            counts[role][call] = sherd_fault_script_calls(scripts[role], (enum sherd_fault_call)call) -
                                 counts[role][call];
    sherd_vault_close(vault);
}

/*
 * Strike one call with one kind of fault. Flips are at the front, in the middle or at the end, from call to call; each
 * store is slow once for each kind of call.
 */
static void run_kind(const struct operation *operation, unsigned role, enum sherd_fault_call call, uint64_t number,
                     enum sherd_fault_kind kind)
{
    static const uint64_t bits[FLIPS] = {0, 523, UINT64_MAX};
    const bool fails = kind == SHERD_FAULT_FAIL || kind == SHERD_FAULT_LOSE;
    struct cell cell = {.operation = operation,
                        .role = role,
                        .rule = {.call = call,
                                 .kind = kind,
                                 .first = number,
                                 .count = 1,
                                 .err = fails ? SHERD_ERR_IO : SHERD_OK,
                                 .delay_us = kind == SHERD_FAULT_DELAY ? 200 : 0}};

    if (sherd_fault_script_add(scripts[role], &cell.rule) == SHERD_ERR_INVALID)
        return; /* means nothing for this call */
    sherd_fault_script_clear(scripts[role]);
    if (kind == SHERD_FAULT_DELAY && number > 1)
        return;
    const uint64_t flip = (number + shared->cells) % FLIPS;
    cell.rule.bit = bits[flip];
    (void)snprintf(shared->label, sizeof(shared->label), "%s, %s of %s number %u, %s %u", operation->name,
                   call_names[call], role_names[role], (unsigned)number, kind_names[kind], (unsigned)flip);
    run_cell(&cell);
}

static void run_matrix(void *arg)
{
    const struct operation *operation = arg;
    uint64_t counts[ROLES][SHERD_FAULT_CALL_COUNT];

    (void)snprintf(shared->label, sizeof(shared->label), "%s, without a fault", operation->name);
    count_calls(operation, counts);
    for (unsigned role = 0; role < ROLES; role++)
        for (unsigned call = 0; call < SHERD_FAULT_CALL_COUNT; call++)
            for (uint64_t number = 1; number <= counts[role][call]; number++)
                for (unsigned kind = 0; kind < SHERD_FAULT_KIND_COUNT; kind++)
                    if (!operation->opens || kind != SHERD_FAULT_STALE)
                        run_kind(operation, role, (enum sherd_fault_call)call, number, (enum sherd_fault_kind)kind);
    exit(0); /* not as in_child() ends: leaks are looked for */
}

static void run_matrix_of(enum change change)
{
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        struct operation operation = operations[i];
        const unsigned before = shared->cells;

        if (operation.change != change)
            continue;
        if (in_child(run_matrix, &operation) != 0)
            fail_msg("%s", shared->label);
        assert_true(shared->cells > before);
    }
}

/* --- tests ------------------------------------------------------------------------------------------------------- */

static void test_fault_store__put_is_as_before_or_as_after(void **state)
{
    (void)state;
    run_matrix_of(CHANGES_NEW);
}

static void test_fault_store__update_is_as_before_or_as_after(void **state)
{
    (void)state;
    run_matrix_of(CHANGES_UPDATE);
}

static void test_fault_store__delete_is_as_before_or_as_after(void **state)
{
    (void)state;
    run_matrix_of(CHANGES_DELETE);
}

static void test_fault_store__reading_gives_what_is_right_or_nothing(void **state)
{
    (void)state;
    run_matrix_of(CHANGES_NOTHING);
}

/* Else the faults were none. */
static void test_fault_store__faults_were_met(void **state)
{
    (void)state;
    print_message("%u cells: %u operations failed, %u records say that they were changed\n", shared->cells,
                  shared->failed, shared->unreadable);
    assert_true(shared->cells > 500);
    assert_true(shared->failed > shared->cells / 5);
    assert_true(shared->unreadable > 20);
}

/* --- the prepared vault ------------------------------------------------------------------------------------------ */

static void put_base(struct sherd_vault *vault, enum base_record which, const char *collection, const char *entity,
                     size_t bytes)
{
    const struct sherd_record_meta meta = {.collection = collection, .entity = entity};
    struct known *record = &base[which];

    for (size_t i = 0; i < sizeof(record->bodies) / sizeof(record->bodies[0]); i++)
        record->bodies[i] = (struct body){.seed = 10 * (which + 1) + i, .bytes = bytes + 10 * i};
    uint8_t *block = body_make(&record->bodies[0]);
    REQUIRE_OK(sherd_record_put(vault, &meta, sherd_span_of(block, bytes), &record->id));
    free(block);
    record->versions = 1;
}

static int setup(void **state)
{
    const struct sherd_collection kept = {.name = "kept", .versions_kept = 2};
    struct sherd_vault *vault = NULL;

    (void)state;
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(shared != MAP_FAILED, "no memory");
    for (unsigned role = 0; role < ROLES; role++)
        scripts[role] = sherd_fault_script_new();
    place_make_vault(&place);
    REQUIRE_OK(open_with_one_thread(&vault));
    REQUIRE_OK(sherd_collection_create(vault, &kept));
    put_base(vault, SMALL, NULL, NULL, 800);
    put_base(vault, LONG, NULL, NULL, 150000);
    put_base(vault, KEPT, "kept", NULL, 850);
    put_base(vault, OWNED, NULL, "an owner", 600);
    put_base(vault, LONG_OWNED, NULL, "a long owner", 140000);
    put_base(vault, BYSTANDER, NULL, NULL, 700);
    put_base(vault, LONG_BYSTANDER, "kept", NULL, 90000);
    REQUIRE_OK(update_with(vault, &base[KEPT], &base[KEPT].bodies[1]));
    base[KEPT].versions = 2;
    sherd_vault_close(vault);
    (void)snprintf(prepared, sizeof(prepared), "%s/prepared", place.root);
    REQUIRE(rename(place.vault, prepared) == 0, "the vault cannot be moved");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    place_remove(&place);
    for (unsigned role = 0; role < ROLES; role++)
        sherd_fault_script_free(scripts[role]);
    return munmap(shared, sizeof(*shared));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fault_store__put_is_as_before_or_as_after),
        cmocka_unit_test(test_fault_store__update_is_as_before_or_as_after),
        cmocka_unit_test(test_fault_store__delete_is_as_before_or_as_after),
        cmocka_unit_test(test_fault_store__reading_gives_what_is_right_or_nothing),
        cmocka_unit_test(test_fault_store__faults_were_met),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}

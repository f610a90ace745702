/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every named failpoint that a change of a vault meets, each of its hits, times kill, EIO, ENOSPC and a lost answer.
 *
 * A change is first traced, which gives the list of its hits: "lmdb.flush" the third time is the flush of `keys` in a
 * put. Then, for each of them and each action, a copy of one prepared vault is opened by a process in which just that
 * happens, and while this process still holds its vault open (unless it was killed) another one opens it, too, and
 * requires that
 *
 *   - the record is as before or as after, and as after if the call said so; a batch all or nothing;
 *   - no other record is touched;
 *   - it can write at once, so no lock is held;
 *   - the vault verifies, and a sweep leaves exactly the entries that the records account for.
 *
 * Then the first process must still be able to read, and refuse to write if its store failed.
 *
 * docs/failpoints.md lists all names; the last test requires that each of them was struck.
 */
#include "support.h"

#if SHERD_FAILPOINTS

#include "base/failpoint.h"
#include "crypto/init.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define HITS_MAX 2000U
#define ANYWHERE_HITS 6U
#define NAMES_MAX 40U
#define LARGE_BATCH 70U
#define NEW_MAX LARGE_BATCH

enum action { ACTION_KILL, ACTION_IO, ACTION_NOSPACE, ACTION_LOST, ACTION_COUNT };

static const char *const action_names[ACTION_COUNT] = {"kill", "io", "nospace", "lost"};

struct point {
    char name[40];
    unsigned hit; /* of this name, from 1 */
};

struct body {
    uint64_t seed;
    size_t bytes;
};

/* The records of the prepared vault. */
enum base_record { SMALL, LONG, KEPT, KEPT_LONG, ONCE, BASE_COUNT };

struct base {
    struct sherd_uuid id;
    uint64_t versions;
    struct body bodies[2]; /* of version 1 and 2 */
};

enum kind { KIND_NONE, KIND_NEW, KIND_UPDATE, KIND_DELETE, KIND_COLLECTION };

struct scene;

struct change {
    const char *name;
    enum kind kind;
    enum base_record target;
    struct body body;
    size_t count; /* KIND_NEW: records */
    enum sherd_err (*act)(struct scene *scene, struct sherd_vault *vault);
    bool opens; /* act is given no vault */
};

/* What the processes of a cell share. */
struct scene {
    struct place place; /* of the vault that is worked on */
    char prepared[96];  /* the vault that it is a copy of */
    struct base base[BASE_COUNT];
    uint64_t entries[4]; /* of the prepared vault, swept */
    const struct change *change;
    bool tracing;
    struct point trace[HITS_MAX];
    unsigned trace_count;
    struct point aim;
    enum action action;
    unsigned hits; /* of the name aimed at */
    bool struck;
    enum sherd_err result;
    struct sherd_uuid new_ids[NEW_MAX];
    int done_pipe[2]; /* the process that acts says that it has acted */
    int go_pipe[2];   /* and is told to go on */
};

static struct scene *scene;
static unsigned cells;

/* Which names were struck, with which actions. */
static struct {
    char name[40];
    bool actions[ACTION_COUNT];
} struck[NAMES_MAX];

/* --- the hook ---------------------------------------------------------------------------------------------------- */

static pthread_mutex_t hook_lock = PTHREAD_MUTEX_INITIALIZER;

static enum sherd_err strike(const char *name)
{
    scene->struck = true;
    switch (scene->action) {
    case ACTION_KILL:
        for (;;)
            (void)kill(getpid(), SIGKILL);
    case ACTION_NOSPACE: errno = ENOSPC; return sherd_fail_errno(SHERD_ERR_IO, "failpoint %s", name);
    case ACTION_LOST: return sherd_fail(SHERD_ERR_IO, "failpoint %s: the answer was lost", name);
    case ACTION_IO:
    case ACTION_COUNT: break;
    }
    errno = EIO;
    return sherd_fail_errno(SHERD_ERR_IO, "failpoint %s", name);
}

static enum sherd_err hook(void *arg, const char *name)
{
    enum sherd_err err = SHERD_OK;

    (void)arg;
    (void)pthread_mutex_lock(&hook_lock);
    if (scene->tracing) {
        struct point *point = &scene->trace[scene->trace_count++];

        REQUIRE(scene->trace_count < HITS_MAX && strlen(name) < sizeof(point->name), "too many hits of %s", name);
        (void)snprintf(point->name, sizeof(point->name), "%s", name);
        for (unsigned i = 0; i < scene->trace_count; i++)
            point->hit += strcmp(scene->trace[i].name, name) == 0;
    } else if (strcmp(scene->aim.name, name) == 0 && ++scene->hits == scene->aim.hit) {
        err = strike(name);
    }
    (void)pthread_mutex_unlock(&hook_lock);
    return err;
}

/* --- changes ----------------------------------------------------------------------------------------------------- */

static uint8_t *body_make(const struct body *body)
{
    uint8_t *block = malloc(body->bytes);

    REQUIRE(block != NULL, "no memory");
    content_fill(body->seed, block, body->bytes);
    return block;
}

static struct body new_body(const struct change *change, size_t number)
{
    return (struct body){.seed = change->body.seed + number, .bytes = change->body.bytes};
}

static enum sherd_err put_with(const struct change *change, struct sherd_vault *vault,
                               const struct sherd_record_meta *meta)
{
    uint8_t *block = body_make(&change->body);
    const enum sherd_err err = sherd_record_put(vault, meta, sherd_span_of(block, change->body.bytes),
                                                &scene->new_ids[0]);

    free(block);
    return err;
}

static enum sherd_err act_put(struct scene *here, struct sherd_vault *vault)
{
    return put_with(here->change, vault, NULL);
}

static enum sherd_err act_put_once(struct scene *here, struct sherd_vault *vault)
{
    const struct sherd_record_meta meta = {.idempotency_key = sherd_span_str("a key of the caller's")};

    return put_with(here->change, vault, &meta);
}

static enum sherd_err act_put_entity(struct scene *here, struct sherd_vault *vault)
{
    const struct sherd_record_meta meta = {.entity = "somebody new"};

    return put_with(here->change, vault, &meta);
}

static enum sherd_err act_batch(struct scene *here, struct sherd_vault *vault)
{
    const struct change *change = here->change;
    struct sherd_batch_item items[NEW_MAX] = {{0}};
    uint8_t *blocks[NEW_MAX];

    for (size_t i = 0; i < change->count; i++) {
        const struct body body = new_body(change, i);

        blocks[i] = body_make(&body);
        items[i].content = sherd_span_of(blocks[i], body.bytes);
    }
    const enum sherd_err err = sherd_record_put_batch(vault, items, change->count);
    for (size_t i = 0; i < change->count; i++) {
        here->new_ids[i] = items[i].id;
        free(blocks[i]);
    }
    return err;
}

static enum sherd_err act_update(struct scene *here, struct sherd_vault *vault)
{
    const struct base *base = &here->base[here->change->target];
    uint8_t *block = body_make(&here->change->body);
    const enum sherd_err err = sherd_record_update(vault, base->id, base->versions, NULL,
                                                   sherd_span_of(block, here->change->body.bytes), NULL);

    free(block);
    return err;
}

static enum sherd_err act_delete(struct scene *here, struct sherd_vault *vault)
{
    return sherd_record_delete(vault, here->base[here->change->target].id);
}

static const struct sherd_collection new_collection = {.name = "made-here", .versions_kept = 7};

static enum sherd_err act_collection(struct scene *here, struct sherd_vault *vault)
{
    (void)here;
    return sherd_collection_create(vault, &new_collection);
}

static enum sherd_err act_sweep(struct scene *here, struct sherd_vault *vault)
{
    struct sherd_sweep_stat stat;

    (void)here;
    return sherd_vault_sweep(vault, false, &stat);
}

static enum sherd_err act_open(struct scene *here, struct sherd_vault *vault)
{
    const struct sherd_unseal unseal = place_unseal(&here->place);
    const enum sherd_err err = sherd_vault_open(here->place.vault, &unseal, NULL, &vault);

    if (err == SHERD_OK)
        sherd_vault_close(vault);
    return err;
}

/* Beside the vault of the cell, whole or not at all. */
static void second_path(const struct scene *here, char *out, size_t size)
{
    (void)snprintf(out, size, "%s/second", here->place.root);
}

static enum sherd_err act_init(struct scene *here, struct sherd_vault *vault)
{
    const struct sherd_unseal unseal = place_unseal(&here->place);
    char path[128];

    (void)vault;
    second_path(here, path, sizeof(path));
    return sherd_vault_init(path, &unseal, NULL);
}

static const struct change changes[] = {
    {.name = "put", .kind = KIND_NEW, .count = 1, .body = {501, 900}, .act = act_put},
    {.name = "put_blob", .kind = KIND_NEW, .count = 1, .body = {502, 300000}, .act = act_put},
    {.name = "put_once", .kind = KIND_NEW, .count = 1, .body = {503, 900}, .act = act_put_once},
    {.name = "put_entity", .kind = KIND_NEW, .count = 1, .body = {504, 900}, .act = act_put_entity},
    {.name = "batch", .kind = KIND_NEW, .count = 5, .body = {510, 700}, .act = act_batch},
    /* more than a frame of the journal holds: it goes past the journal */
    {.name = "batch_large", .kind = KIND_NEW, .count = LARGE_BATCH, .body = {600, 65000}, .act = act_batch},
    {.name = "update", .kind = KIND_UPDATE, .target = SMALL, .body = {505, 1200}, .act = act_update},
    {.name = "update_blob", .kind = KIND_UPDATE, .target = LONG, .body = {506, 200000}, .act = act_update},
    {.name = "update_kept", .kind = KIND_UPDATE, .target = KEPT, .body = {507, 1200}, .act = act_update},
    {.name = "update_kept_blob", .kind = KIND_UPDATE, .target = KEPT_LONG, .body = {508, 100}, .act = act_update},
    {.name = "delete", .kind = KIND_DELETE, .target = SMALL, .act = act_delete},
    {.name = "delete_blob", .kind = KIND_DELETE, .target = LONG, .act = act_delete},
    {.name = "delete_kept", .kind = KIND_DELETE, .target = KEPT, .act = act_delete},
    {.name = "delete_kept_blob", .kind = KIND_DELETE, .target = KEPT_LONG, .act = act_delete},
    {.name = "delete_once", .kind = KIND_DELETE, .target = ONCE, .act = act_delete},
    {.name = "collection", .kind = KIND_COLLECTION, .act = act_collection},
    {.name = "sweep", .kind = KIND_NONE, .act = act_sweep},
    {.name = "open", .kind = KIND_NONE, .act = act_open, .opens = true},
    {.name = "init", .kind = KIND_NONE, .act = act_init, .opens = true},
};

/* --- the prepared vault ------------------------------------------------------------------------------------------ */

static void put_base(struct sherd_vault *vault, enum base_record which, const struct sherd_record_meta *meta,
                     struct body first)
{
    struct base *base = &scene->base[which];
    uint8_t *block = body_make(&first);

    base->versions = 1;
    base->bodies[0] = first;
    REQUIRE_OK(sherd_record_put(vault, meta, sherd_span_of(block, first.bytes), &base->id));
    free(block);
}

static void update_base(struct sherd_vault *vault, enum base_record which, struct body second)
{
    struct base *base = &scene->base[which];
    uint8_t *block = body_make(&second);

    base->bodies[1] = second;
    REQUIRE_OK(sherd_record_update(vault, base->id, 1, NULL, sherd_span_of(block, second.bytes), &base->versions));
    free(block);
}

static enum sherd_err lose_after_assets(void *arg, const char *name)
{
    (void)arg;
    return strcmp(name, "put.after_assets") == 0 ? sherd_fail(SHERD_ERR_IO, "orphans are wanted") : SHERD_OK;
}

static enum sherd_err no_hook(void *arg, const char *name)
{
    (void)arg;
    (void)name;
    return SHERD_OK;
}

/* Orphans of an entry and of a blob, so that every sweep has something to do. */
static void leave_orphans(struct sherd_vault *vault)
{
    static const uint8_t block[100000];
    struct sherd_uuid id;

    sherd_failpoint_set(lose_after_assets, NULL);
    REQUIRE_ERR(sherd_record_put(vault, NULL, sherd_span_of(block, 100), &id), SHERD_ERR_IO);
    REQUIRE_ERR(sherd_record_put(vault, NULL, sherd_span_of(block, sizeof(block)), &id), SHERD_ERR_IO);
    sherd_failpoint_set(no_hook, NULL);
}

static void prepare(void *arg)
{
    const struct sherd_collection kept = {.name = "kept", .versions_kept = 2};
    const struct sherd_record_meta in_kept = {.collection = "kept"};
    const struct sherd_record_meta once = {.idempotency_key = sherd_span_str("the key of the first")};
    struct sherd_vault_info info;

    (void)arg;
    place_make_vault(&scene->place);
    struct sherd_vault *vault = place_open(&scene->place);
    REQUIRE_OK(sherd_collection_create(vault, &kept));
    put_base(vault, SMALL, NULL, (struct body){1, 800});
    put_base(vault, LONG, NULL, (struct body){2, 150000});
    put_base(vault, KEPT, &in_kept, (struct body){3, 800});
    update_base(vault, KEPT, (struct body){4, 60000});
    put_base(vault, KEPT_LONG, &in_kept, (struct body){5, 70000});
    update_base(vault, KEPT_LONG, (struct body){6, 180000});
    put_base(vault, ONCE, &once, (struct body){7, 16});
    REQUIRE_OK(sherd_vault_info(vault, &info));
    for (size_t i = 0; i < 4; i++)
        scene->entries[i] = info.entry_count[i] + info.blob_count[i];
    leave_orphans(vault);
    sherd_vault_close(vault);
    (void)snprintf(scene->prepared, sizeof(scene->prepared), "%s/prepared", scene->place.root);
    REQUIRE(rename(scene->place.vault, scene->prepared) == 0, "rename: %s", strerror(errno));
}

static int setup(void **state)
{
    (void)state;
    scene = mmap(NULL, sizeof(*scene), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (scene == MAP_FAILED)
        return -1;
    sherd_failpoint_set(no_hook, NULL);
    return in_child(prepare, NULL); /* this process never touches the cryptography, so that each child begins anew */
}

static int teardown(void **state)
{
    (void)state;
    place_remove(&scene->place);
    return munmap(scene, sizeof(*scene));
}

/* --- the process that acts --------------------------------------------------------------------------------------- */

static bool is_of_store(const char *name)
{
    return strncmp(name, "lmdb.", 5) == 0;
}

static void require_reads(struct sherd_vault *vault, enum base_record which)
{
    const struct base *base = &scene->base[which];

    require_content(vault, base->id, base->versions, base->bodies[base->versions - 1].seed,
                    base->bodies[base->versions - 1].bytes);
}

/* The handle that met the failure: it reads, and writes unless its store has failed. */
static void require_handle(struct sherd_vault *vault)
{
    struct sherd_uuid id;

    require_reads(vault, scene->change->kind == KIND_DELETE && scene->change->target == ONCE ? KEPT : ONCE);
    const enum sherd_err err = sherd_record_put(vault, NULL, sherd_span_str("what comes after"), &id);
    if (scene->result != SHERD_OK && is_of_store(scene->aim.name) && scene->change->kind != KIND_NONE)
        REQUIRE(err == SHERD_ERR_IO && sherd_err_detail()[0] != '\0', "a store that failed writes on: %s (%s)",
                sherd_err_name(err), sherd_err_detail());
    else
        REQUIRE(err == SHERD_OK || (err == SHERD_ERR_IO && scene->result != SHERD_OK) ||
                    (err == SHERD_ERR_IO && is_of_store(scene->aim.name)),
                "%s (%s)", sherd_err_name(err), sherd_err_detail());
    if (err == SHERD_OK)
        REQUIRE_OK(sherd_record_delete(vault, id));
}

static void act(void *arg)
{
    struct sherd_vault *vault = NULL;
    char word = 'x';

    (void)arg;
    if (!scene->change->opens)
        vault = place_open(&scene->place);
    sherd_failpoint_set(hook, NULL);
    scene->result = scene->change->act(scene, vault);
    if (scene->result != SHERD_OK)
        REQUIRE(sherd_err_detail()[0] != '\0', "no detail");
    sherd_failpoint_set(no_hook, NULL);
    REQUIRE(write(scene->done_pipe[1], &word, 1) == 1 && read(scene->go_pipe[0], &word, 1) == 1, "no pipe");
    if (vault != NULL && !scene->tracing)
        require_handle(vault);
    sherd_vault_close(vault);
}

/* --- the process that looks -------------------------------------------------------------------------------------- */

/* What is found of a change. */
struct found {
    struct sherd_vault *vault;
    size_t listed;
    size_t new_count;
    bool happened;
};

static bool is_base(struct sherd_uuid id)
{
    for (size_t i = 0; i < BASE_COUNT; i++)
        if (same_uuid(scene->base[i].id, id))
            return true;
    return false;
}

static enum sherd_err meet(void *arg, const struct sherd_record_info *info)
{
    struct found *found = arg;
    struct sherd_buf content = {0};
    uint64_t seed = 0;

    found->listed++;
    if (is_base(info->id))
        return SHERD_OK;
    found->new_count++;
    REQUIRE(scene->change->kind == KIND_NEW, "a record that nobody put");
    REQUIRE_OK(sherd_record_get(found->vault, info->id, 0, &content));
    REQUIRE(content_is(sherd_buf_span(&content), &seed) && content.len == scene->change->body.bytes &&
                seed - scene->change->body.seed < scene->change->count,
            "a new record has other contents");
    if (scene->result == SHERD_OK)
        REQUIRE(same_uuid(info->id, scene->new_ids[seed - scene->change->body.seed]), "a new record has another id");
    sherd_buf_done(&content);
    return SHERD_OK;
}

static void list_all(struct found *found)
{
    struct sherd_cursor cursor = {0};

    found->listed = 0;
    found->new_count = 0;
    while (!cursor.ended)
        REQUIRE_OK(sherd_record_list(found->vault, NULL, &cursor, 0, meet, found));
}

/* Versions that a record has, once each of them was read. @return how many are kept; 0: there is no record */
static uint64_t require_base(struct sherd_vault *vault, enum base_record which, uint64_t version)
{
    const struct base *base = &scene->base[which];
    const bool keeps = which == KEPT || which == KEPT_LONG;
    const uint64_t oldest = keeps && version > 1 ? version - 1 : version;

    for (uint64_t i = oldest; i <= version; i++) {
        const struct body *body = i <= base->versions ? &base->bodies[i - 1] : &scene->change->body;

        require_content(vault, base->id, i, body->seed, body->bytes);
    }
    return version - oldest + 1;
}

static uint64_t version_of(struct sherd_vault *vault, struct sherd_uuid id)
{
    struct sherd_record_info *info = NULL;
    const enum sherd_err err = sherd_record_stat(vault, id, 0, &info);

    if (err == SHERD_ERR_NOT_FOUND)
        return 0;
    REQUIRE(err == SHERD_OK, "%s (%s)", sherd_err_name(err), sherd_err_detail());
    const uint64_t version = info->version;
    sherd_record_info_free(info);
    return version;
}

static void judge_target(struct found *found)
{
    const struct change *change = scene->change;
    const struct base *base = &scene->base[change->target];
    const uint64_t version = version_of(found->vault, base->id);
    const uint64_t after = change->kind == KIND_DELETE ? 0 : base->versions + 1;

    REQUIRE(version == base->versions || version == after, "version %llu", (unsigned long long)version);
    found->happened = version == after;
}

static void judge_collection(struct found *found)
{
    struct sherd_collection rules;
    enum sherd_err err = sherd_collection_get(found->vault, new_collection.name, &rules);

    REQUIRE(err == SHERD_OK || err == SHERD_ERR_NOT_FOUND, "%s (%s)", sherd_err_name(err), sherd_err_detail());
    found->happened = err == SHERD_OK;
    err = sherd_collection_create(found->vault, &new_collection);
    REQUIRE(err == (found->happened ? SHERD_ERR_CONFLICT : SHERD_OK), "%s (%s)", sherd_err_name(err),
            sherd_err_detail());
    REQUIRE_OK(sherd_collection_get(found->vault, new_collection.name, &rules));
    REQUIRE(rules.versions_kept == new_collection.versions_kept, "a collection has other rules");
}

static void judge(struct found *found)
{
    const struct change *change = scene->change;

    list_all(found);
    if (change->kind == KIND_NEW) {
        REQUIRE(found->new_count == 0 || found->new_count == change->count, "%zu of %zu new records are there",
                found->new_count, change->count);
        found->happened = found->new_count > 0;
    } else if (change->kind == KIND_UPDATE || change->kind == KIND_DELETE) {
        judge_target(found);
    } else if (change->kind == KIND_COLLECTION) {
        judge_collection(found);
    }
    if (scene->result == SHERD_OK && change->kind != KIND_NONE)
        REQUIRE(found->happened, "it was acknowledged, and is not there");
}

/* Tried again, a put with an idempotency key gives one record. */
static void require_once(struct found *found)
{
    struct sherd_uuid first = scene->new_ids[0];

    if (scene->change->act != act_put_once)
        return;
    REQUIRE_OK(act_put_once(scene, found->vault));
    if (scene->result == SHERD_OK)
        REQUIRE(same_uuid(first, scene->new_ids[0]), "a repeated put made another record");
    list_all(found);
    REQUIRE(found->new_count == 1, "a repeated put made %zu records", found->new_count);
    found->happened = true;
}

static void require_entries(const struct found *found, uint64_t versions, uint64_t once)
{
    const bool entity = scene->change->act == act_put_entity;
    const uint64_t kept_before = 7; /* versions in the prepared vault, and 1 idempotency key */
    struct sherd_vault_info info;
    uint64_t now[4];

    REQUIRE_OK(sherd_vault_info(found->vault, &info));
    for (size_t i = 0; i < 4; i++)
        now[i] = info.entry_count[i] + info.blob_count[i];
    REQUIRE(now[0] == scene->entries[0], "identity has %llu entries", (unsigned long long)now[0]);
    REQUIRE(now[2] == scene->entries[2] - kept_before + versions, "secrets has %llu fragments for %llu versions",
            (unsigned long long)now[2], (unsigned long long)versions);
    if (scene->change->kind == KIND_COLLECTION)
        return; /* what a collection that was never pinned left in assets is overwritten by the next of its name */
    REQUIRE(now[1] == scene->entries[1] - kept_before + versions, "assets has %llu entries for %llu versions",
            (unsigned long long)now[1], (unsigned long long)versions);
    const uint64_t keys = scene->entries[3] - kept_before - 1 + versions + once;
    REQUIRE(now[3] == keys || (entity && now[3] == keys + 1), "keys has %llu entries, not %llu",
            (unsigned long long)now[3], (unsigned long long)keys);
}

/* All that the change is not about is as it was, and all is accounted for. */
static void require_rest(struct found *found)
{
    const struct change *change = scene->change;
    uint64_t once = change->act == act_put_once && found->happened;
    uint64_t versions = change->kind == KIND_NEW && found->happened ? change->count : 0;

    for (size_t i = 0; i < BASE_COUNT; i++) {
        const bool is_target = found->happened && i == change->target;

        if (is_target && change->kind == KIND_DELETE)
            continue;
        versions += require_base(found->vault, (enum base_record)i,
                                 scene->base[i].versions + (is_target && change->kind == KIND_UPDATE));
        once += i == ONCE;
    }
    require_entries(found, versions, once);
}

static void require_second_vault(void)
{
    struct place second = scene->place;
    struct stat st;

    second_path(scene, second.vault, sizeof(second.vault));
    if (stat(second.vault, &st) != 0) {
        REQUIRE(scene->result != SHERD_OK, "the new vault is not there");
        return;
    }
    struct sherd_vault *vault = place_open(&second);
    (void)require_clean(vault);
    sherd_vault_close(vault);
    tree_remove(second.vault);
}

static void look(void *arg)
{
    struct found found = {.vault = place_open(&scene->place)};
    struct sherd_uuid id;

    (void)arg;
    REQUIRE_OK(sherd_record_put(found.vault, NULL, sherd_span_str("no lock is held"), &id));
    REQUIRE_OK(sherd_record_delete(found.vault, id));
    judge(&found);
    (void)require_swept(found.vault);
    require_once(&found);
    require_rest(&found);
    sherd_vault_close(found.vault);
    if (scene->change->act == act_init)
        require_second_vault();
}

/* At the very end, when all processes are gone. */
static void look_again(void *arg)
{
    struct found found = {.vault = place_open(&scene->place)};

    (void)arg;
    (void)require_clean(found.vault);
    judge(&found);
    sherd_vault_close(found.vault);
}

/* --- cells ------------------------------------------------------------------------------------------------------- */

/* Run the process that acts up to the end of the change. @return its id, 0 if it was killed as it should be */
static pid_t start_acting(void)
{
    char word = 'x';
    int status = 0;

    scene->struck = false;
    scene->hits = 0;
    scene->result = SHERD_ERR_IO; /* as good as unknown */
    REQUIRE(pipe(scene->done_pipe) == 0 && pipe(scene->go_pipe) == 0, "no pipe");
    const pid_t child = fork_child();
    if (child == 0) {
        act(NULL);
        exit(0); /* leaks are looked for: this is the process that met a failure */
    }
    (void)close(scene->done_pipe[1]); /* so that the end of a child that dies is seen */
    if (!scene->tracing && scene->action == ACTION_KILL) {
        REQUIRE(waitpid(child, &status, 0) == child, "waitpid: %s", strerror(errno));
        REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "it ended with %d", status);
        return 0;
    }
    REQUIRE(read(scene->done_pipe[0], &word, 1) == 1, "no word from the process that acts");
    return child;
}

static void finish_acting(pid_t child)
{
    int status = 0;

    if (child == 0)
        return;
    REQUIRE(write(scene->go_pipe[1], "x", 1) == 1, "no pipe");
    REQUIRE(waitpid(child, &status, 0) == child && status == 0, "the process that acts ended with %d", status);
}

static void run_cell(void *arg)
{
    (void)arg;
    tree_copy(scene->prepared, scene->place.vault);
    const pid_t child = start_acting();
    if (!scene->tracing) {
        REQUIRE(scene->struck, "the failpoint was not reached");
        REQUIRE(in_child(look, NULL) == 0, "what is left is wrong");
    }
    finish_acting(child);
    if (scene->tracing)
        REQUIRE(scene->result == SHERD_OK, "it does not work even without a failure");
    else if (child != 0)
        REQUIRE(in_child(look_again, NULL) == 0, "what is left in the end is wrong");
    tree_remove(scene->place.vault);
}

static void note_struck(const char *name, enum action action)
{
    for (size_t i = 0; i < NAMES_MAX; i++) {
        if (struck[i].name[0] == '\0')
            (void)snprintf(struck[i].name, sizeof(struck[i].name), "%s", name);
        if (strcmp(struck[i].name, name) != 0)
            continue;
        struck[i].actions[action] = true;
        return;
    }
    fail_msg("more than %u names", NAMES_MAX);
}

/* Whether an action at this place says something that another does not. */
static bool is_worth(const char *name, enum action action)
{
    const bool fails_alone = strcmp(name, "alloc") == 0 || strcmp(name, "random") == 0;

    return action == ACTION_IO || !fails_alone;
}

/* How often a name was hit in the last trace. */
static unsigned traced(const char *name)
{
    unsigned count = 0;

    for (unsigned i = 0; i < scene->trace_count; i++)
        count += strcmp(scene->trace[i].name, name) == 0;
    return count;
}

static void trace(const struct change *change)
{
    scene->change = change;
    scene->trace_count = 0;
    memset(scene->trace, 0, sizeof(scene->trace));
    scene->tracing = true;
    assert_int_equal(in_child(run_cell, NULL), 0);
    scene->tracing = false;
}

/* A name without a place, such as every allocation, is struck here and there; test_fault_calls strikes each. */
static bool is_picked(const struct point *point)
{
    const unsigned step = 1 + (traced(point->name) - 1) / ANYWHERE_HITS;

    return is_worth(point->name, ACTION_KILL) || point->hit % step == 0;
}

static void run_matrix(const struct change *change)
{
    trace(change);
    for (unsigned i = 0; i < scene->trace_count; i++)
        for (int action = 0; action < ACTION_COUNT && is_picked(&scene->trace[i]); action++) {
            scene->aim = scene->trace[i];
            scene->action = (enum action)action;
            if (!is_worth(scene->aim.name, scene->action))
                continue;
            if (in_child(run_cell, NULL) != 0)
                fail_msg("%s, %s hit %u, %s", change->name, scene->aim.name, scene->aim.hit, action_names[action]);
            note_struck(scene->aim.name, scene->action);
            cells++;
        }
}

static void run_matrix_of(const char *name)
{
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
        if (strcmp(changes[i].name, name) == 0) {
            run_matrix(&changes[i]);
            return;
        }
    fail_msg("no change is named %s", name);
}

static void test_fault_points__put_is_as_before_or_as_after(void **state)
{
    (void)state;
    run_matrix_of("put");
    assert_int_equal(traced("lmdb.flush"), 3); /* secrets, assets, keys */
    run_matrix_of("put_blob");
    assert_int_equal(traced("lmdb.flush"), 2); /* assets, keys */
    run_matrix_of("put_once");
    run_matrix_of("put_entity");
    assert_int_equal(traced("lmdb.flush"), 4); /* keys for the entity as well */
}

static void test_fault_points__batch_is_all_or_nothing(void **state)
{
    (void)state;
    run_matrix_of("batch");
    assert_int_equal(traced("lmdb.flush"), 3);
    run_matrix_of("batch_large");
    assert_true(traced("lmdb.apply") > 0 && traced("lmdb.rotate") > 0);
}

static void test_fault_points__update_is_as_before_or_as_after(void **state)
{
    (void)state;
    run_matrix_of("update");
    run_matrix_of("update_blob");
    run_matrix_of("update_kept");
    run_matrix_of("update_kept_blob");
}

static void test_fault_points__delete_is_as_before_or_as_after(void **state)
{
    (void)state;
    run_matrix_of("delete");
    assert_int_equal(traced("lmdb.flush"), 3);
    run_matrix_of("delete_blob");
    run_matrix_of("delete_kept");
    run_matrix_of("delete_kept_blob");
    run_matrix_of("delete_once");
}

static void test_fault_points__collection_is_there_or_not(void **state)
{
    (void)state;
    run_matrix_of("collection");
}

static void test_fault_points__sweep_harms_nothing(void **state)
{
    (void)state;
    run_matrix_of("sweep");
}

/* Comes first: afterwards the cryptography is ready in this process, and so in all that it starts. */
static void test_fault_points__open_and_init_harm_nothing(void **state)
{
    (void)state;
    run_matrix_of("open");
    run_matrix_of("init");
    assert_int_equal(sherd_crypto_init(), SHERD_OK);
}

/* The names in docs/failpoints.md: rows that begin with | `name` |. */
static void test_fault_points__all_that_are_documented_were_struck(void **state)
{
    FILE *doc = fopen(FAILPOINTS_DOC, "re");
    char line[1024];
    unsigned names = 0;

    (void)state;
    assert_non_null(doc);
    while (fgets(line, sizeof(line), doc) != NULL) {
        char name[40];
        size_t i = 0;

        if (sscanf(line, "| `%39[a-z_.]` |", name) != 1)
            continue;
        names++;
        while (i < NAMES_MAX && strcmp(struck[i].name, name) != 0)
            i++;
        if (i == NAMES_MAX)
            fail_msg("%s was never struck", name);
        for (int action = 0; action < ACTION_COUNT; action++)
            if (is_worth(name, (enum action)action) && !struck[i].actions[action])
                fail_msg("%s was never struck with %s", name, action_names[action]);
    }
    (void)fclose(doc);
    print_message("%u names, %u cells\n", names, cells);
    assert_true(names >= 19);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fault_points__open_and_init_harm_nothing),
        cmocka_unit_test(test_fault_points__put_is_as_before_or_as_after),
        cmocka_unit_test(test_fault_points__batch_is_all_or_nothing),
        cmocka_unit_test(test_fault_points__update_is_as_before_or_as_after),
        cmocka_unit_test(test_fault_points__delete_is_as_before_or_as_after),
        cmocka_unit_test(test_fault_points__collection_is_there_or_not),
        cmocka_unit_test(test_fault_points__sweep_harms_nothing),
        cmocka_unit_test(test_fault_points__all_that_are_documented_were_struck),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}

#else

int main(void)
{
    fprintf(stderr, "skipped: this build has no failpoints (-Dfailpoints=true)\n");
    return 77;
}

#endif

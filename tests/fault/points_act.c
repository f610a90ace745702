/* SPDX-License-Identifier: Apache-2.0 */
/* The changes, the vault that they begin with, and the process that makes one and meets a failure. See points.h. */
#include "points.h"

#if SHERD_FAILPOINTS

#include "base/failpoint.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

struct scene *scene;

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

static enum sherd_err act_put_row(struct scene *here, struct sherd_vault *vault)
{
    const struct sherd_record_meta meta = {.collection = ROWS};

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

const struct sherd_collection new_collection = {.name = "made-here", .versions_kept = 7};

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

static enum sherd_err act_rekey(struct scene *here, struct sherd_vault *vault)
{
    const struct sherd_rekey_options options = {.collection = "kept", .deep = true};
    struct sherd_rekey_stat stat;

    (void)here;
    const enum sherd_err err = sherd_rekey(vault, &options, NULL, NULL, &stat);
    REQUIRE(err != SHERD_OK || stat.sealed_count > 0, "nothing was sealed anew");
    return err;
}

static enum sherd_err act_open(struct scene *here, struct sherd_vault *vault)
{
    const struct sherd_unseal unseal = place_unseal(&here->place);
    const enum sherd_err err = sherd_vault_open(here->place.vault, &unseal, NULL, &vault);

    if (err == SHERD_OK)
        sherd_vault_close(vault);
    return err;
}

void second_path(const struct scene *here, char *out, size_t size)
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
    {.name = "put_once",
     .kind = KIND_NEW,
     .makes = MAKES_IDEMPOTENCY,
     .count = 1,
     .body = {503, 900},
     .act = act_put_once},
    {.name = "put_entity",
     .kind = KIND_NEW,
     .makes = MAKES_ENTITY,
     .count = 1,
     .body = {504, 900},
     .act = act_put_entity},
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
    {.name = "put_row", .kind = KIND_NEW, .count = 1, .body = {509, 900}, .act = act_put_row, .rows = true},
    {.name = "update_row", .kind = KIND_UPDATE, .target = ROW, .body = {520, 1200}, .act = act_update, .rows = true},
    {.name = "delete_row", .kind = KIND_DELETE, .target = ROW, .act = act_delete, .rows = true},
    {.name = "collection", .kind = KIND_COLLECTION, .act = act_collection},
    {.name = "sweep", .kind = KIND_NONE, .act = act_sweep},
    {.name = "rekey", .kind = KIND_NONE, .act = act_rekey},
    {.name = "open", .kind = KIND_NONE, .act = act_open, .opens = true},
    {.name = "init", .kind = KIND_NONE, .makes = MAKES_VAULT, .act = act_init, .opens = true},
};

const struct change *change_named(const char *name)
{
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
        if (strcmp(changes[i].name, name) == 0)
            return &changes[i];
    return NULL;
}

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

enum sherd_err no_hook(void *arg, const char *name)
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

void prepare(void *arg)
{
    const struct sherd_collection kept = {.name = "kept", .versions_kept = 2};
    const struct sherd_collection rows = {.name = ROWS, .versions_kept = 1, .readable = true};
    const struct sherd_record_meta in_rows = {.collection = ROWS};
    const struct sherd_record_meta in_kept = {.collection = "kept"};
    const struct sherd_record_meta once = {.idempotency_key = sherd_span_str("the key of the first")};
    struct sherd_vault_info info;

    (void)arg;
    place_make_vault(&scene->place);
    struct sherd_vault *vault = place_open(&scene->place);
    REQUIRE_OK(sherd_collection_create(vault, &kept));
    REQUIRE_OK(sherd_collection_create(vault, &rows));
    put_base(vault, SMALL, NULL, (struct body){1, 800});
    put_base(vault, LONG, NULL, (struct body){2, 150000});
    put_base(vault, KEPT, &in_kept, (struct body){3, 800});
    update_base(vault, KEPT, (struct body){4, 60000});
    put_base(vault, KEPT_LONG, &in_kept, (struct body){5, 70000});
    update_base(vault, KEPT_LONG, (struct body){6, 180000});
    put_base(vault, ONCE, &once, (struct body){7, 16});
    put_base(vault, ROW, &in_rows, (struct body){8, 800});
    REQUIRE_OK(sherd_vault_info(vault, &info));
    for (size_t i = 0; i < 4; i++)
        scene->entries[i] = info.entry_count[i] + info.blob_count[i];
    leave_orphans(vault);
    sherd_vault_close(vault);
    (void)snprintf(scene->prepared, sizeof(scene->prepared), "%s/prepared", scene->place.root);
    REQUIRE(rename(scene->place.vault, scene->prepared) == 0, "rename: %s", strerror(errno));
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

void act(void *arg)
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

#endif

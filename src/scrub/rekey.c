/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rekeying and the end of erase epochs: <sherd/keys.h>. The anchor walks its keys; here are rate, progress, instants.
 */
#include "base/clock.h"
#include "cryptor/vault.h"
#include "scrub/deep.h"
#include <time.h>

/* Entries of `keys` between two looks at the clock. */
#define STEP_MAX ((size_t)256)

struct walk {
    struct sherd_vault *vault;
    const struct sherd_rekey_options *options;
    sherd_rekey_progress_fn *progress;
    void *arg;
    uint64_t total;
    uint64_t begin_ns;
    struct sherd_rekey_stat *stat;
};

static enum sherd_err scope_of(struct sherd_vault *vault, const struct sherd_rekey_options *options,
                               struct sherd_rekey_scope *out_scope)
{
    struct sherd_rekey_scope scope = {.one_collection = options->collection != NULL,
                                      .one_entity = options->entity != NULL,
                                      .fresh_keys = options->fresh_keys};
    struct sherd_collection_entry collection;

    if (scope.one_collection || scope.one_entity) {
        SHERD_TRY(sherd_vault_collection(vault, options->collection, &collection));
        scope.collection = collection.id;
    }
    if (scope.one_entity)
        SHERD_TRY(vault->anchor->ops->entity_find(vault->anchor, &collection.id, options->entity, &scope.entity));
    *out_scope = scope;
    return SHERD_OK;
}

/* Sleep for as long as the rate wants. */
static void keep_rate(const struct walk *walk)
{
    if (walk->options->rate == 0)
        return;
    const uint64_t due_ns = walk->begin_ns + walk->stat->seen * 1000000000U / walk->options->rate;
    const uint64_t now_ns = sherd_clock()->monotonic_ns();
    if (due_ns <= now_ns)
        return;
    const struct timespec pause = {.tv_sec = (time_t)((due_ns - now_ns) / 1000000000U),
                                   .tv_nsec = (long)((due_ns - now_ns) % 1000000000U)};
    (void)nanosleep(&pause, NULL);
}

/* An instant at which no put is between the key that it was given and its pin. */
static enum sherd_err instant(struct sherd_vault *vault)
{
    SHERD_TRY(sherd_window_enter(vault->window, true));
    sherd_window_leave(vault->window, true);
    return SHERD_OK;
}

static enum sherd_err tell(const struct walk *walk)
{
    if (walk->progress != NULL && !walk->progress(walk->arg, walk->stat, walk->total))
        return sherd_fail(SHERD_ERR_BUSY, "rekeying was stopped: the same command goes on from here");
    keep_rate(walk);
    return SHERD_OK;
}

static enum sherd_err go_on(struct walk *walk, struct sherd_rekey *rekey)
{
    struct sherd_anchor *anchor = walk->vault->anchor;
    struct sherd_rekey_progress at = {0};

    while (!at.done) {
        SHERD_TRY(anchor->ops->rekey_step(anchor, rekey, STEP_MAX, &at));
        walk->stat->seen = at.seen;
        walk->stat->entity_count = at.entity_count;
        walk->stat->record_count = at.record_count;
        if (at.instant_wanted)
            SHERD_TRY(instant(walk->vault));
        SHERD_TRY(tell(walk));
    }
    return SHERD_OK;
}

/* A step of sealing contents anew. */
static enum sherd_err deep_step(void *arg, uint64_t seen, uint64_t sealed)
{
    struct walk *walk = arg;

    walk->stat->seen += seen;
    walk->stat->sealed_count += sealed;
    return tell(walk);
}

static enum sherd_err rekey(struct walk *walk)
{
    struct sherd_anchor *anchor = walk->vault->anchor;
    struct sherd_rekey_scope scope;
    struct sherd_store_stat keys;
    struct sherd_rekey *rekey = NULL;

    SHERD_TRY(scope_of(walk->vault, walk->options, &scope));
    SHERD_TRY(anchor->ops->keys_stat(anchor, &keys));
    /* entities, pins twice, older versions: anchor/rekey.h; contents, and once more: scrub/deep.h */
    walk->total = keys.entry_count * (walk->options->deep ? 6 : 4);
    walk->begin_ns = sherd_clock()->monotonic_ns();
    SHERD_TRY(anchor->ops->rekey_begin(anchor, &scope, &rekey));
    enum sherd_err err = go_on(walk, rekey);
    if (err == SHERD_OK && walk->options->deep)
        err = sherd_deep_rekey(walk->vault, &scope, deep_step, walk);
    anchor->ops->rekey_end(anchor, rekey);
    return err;
}

enum sherd_err sherd_rekey(struct sherd_vault *vault, const struct sherd_rekey_options *options,
                           sherd_rekey_progress_fn *progress, void *arg, struct sherd_rekey_stat *out_stat)
{
    struct walk walk = {.vault = vault, .options = options, .progress = progress, .arg = arg, .stat = out_stat};

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(options != NULL && out_stat != NULL, SHERD_ERR_INVALID,
                 "options and a place for the answer are needed");
    SHERD_TRY(sherd_vault_check_writable(vault));
    *out_stat = (struct sherd_rekey_stat){0};
    return rekey(&walk);
}

/* Begin an epoch, wrap everything under it, end the one before. */
static enum sherd_err roll(struct walk *walk, bool begin, uint64_t *out_epoch)
{
    struct sherd_anchor *anchor = walk->vault->anchor;

    if (begin)
        SHERD_TRY(anchor->ops->epoch_begin(anchor, out_epoch));
    SHERD_TRY(rekey(walk));
    return anchor->ops->epoch_end(anchor, out_epoch);
}

/*
 * A roll that was stopped is ended first, and then there is another one: what was erased between the two lies, in
 * copies, under the epoch that the first one began.
 */
enum sherd_err sherd_epoch_roll(struct sherd_vault *vault, sherd_rekey_progress_fn *progress, void *arg,
                                struct sherd_rekey_stat *out_stat, uint64_t *out_epoch)
{
    const struct sherd_rekey_options all = {0};
    struct walk walk = {.vault = vault, .options = &all, .progress = progress, .arg = arg, .stat = out_stat};
    uint64_t epoch = 0;

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(out_stat != NULL, SHERD_ERR_INVALID, "a place for the answer is needed");
    SHERD_TRY(sherd_vault_check_writable(vault));
    *out_stat = (struct sherd_rekey_stat){0};
    enum sherd_err err = roll(&walk, true, &epoch);
    if (err == SHERD_ERR_CONFLICT) {
        SHERD_TRY(roll(&walk, false, &epoch));
        err = roll(&walk, true, &epoch);
    }
    SHERD_TRY(err);
    if (out_epoch != NULL)
        *out_epoch = epoch;
    return SHERD_OK;
}

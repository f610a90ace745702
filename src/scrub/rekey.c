/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rekeying and the end of erase epochs: <sherd/keys.h>. The anchor walks its keys; here are rate, progress, instants.
 */
#include "base/clock.h"
#include "cryptor/vault.h"
#include "scrub/deep.h"
#include "scrub/reseal.h"
#include <sherd/rights.h>
#include <time.h>

/* Entries of `keys` between two looks at the clock; with a rate, of a quarter of a second at most. */
#define STEP_MAX ((size_t)4096)
#define STEPS_A_SECOND 4U

struct walk {
    struct sherd_vault *vault;
    const struct sherd_rekey_options *options;
    const struct sherd_rekey_scope *scope; /* NULL: as the options say */
    sherd_rekey_progress_fn *progress;
    void *arg;
    uint64_t total;
    uint64_t begin_ns;
    struct sherd_rekey_stat *stat;
    struct sherd_rekey_stat elsewhere; /* of that, what was done in other compartments than `keys` */
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

static enum sherd_err tell(struct walk *walk)
{
    if (walk->total < walk->stat->seen)
        walk->total = walk->stat->seen;
    if (walk->progress != NULL && !walk->progress(walk->arg, walk->stat, walk->total))
        return sherd_fail(SHERD_ERR_BUSY, "rekeying was stopped: the same command goes on from here");
    keep_rate(walk);
    return SHERD_OK;
}

static size_t step_of(const struct walk *walk)
{
    const uint64_t rate = walk->options->rate;

    if (rate == 0 || rate / STEPS_A_SECOND >= STEP_MAX)
        return STEP_MAX;
    return rate > STEPS_A_SECOND ? (size_t)(rate / STEPS_A_SECOND) : 1;
}

/* A step over another compartment than `keys`. */
static enum sherd_err resealed(void *arg, uint64_t seen, uint64_t sealed)
{
    struct walk *walk = arg;

    walk->elsewhere.seen += seen;
    walk->elsewhere.resealed_count += sealed;
    walk->stat->seen += seen;
    walk->stat->resealed_count += sealed;
    return tell(walk);
}

static enum sherd_err go_on(struct walk *walk, struct sherd_rekey *rekey)
{
    struct sherd_anchor *anchor = walk->vault->anchor;
    struct sherd_rekey_progress at = {0};

    while (!at.done) {
        SHERD_TRY(anchor->ops->rekey_step(anchor, rekey, step_of(walk), &at));
        walk->stat->seen = at.seen + walk->elsewhere.seen;
        walk->stat->entity_count = at.entity_count;
        walk->stat->record_count = at.record_count;
        walk->stat->resealed_count = at.resealed_count + walk->elsewhere.resealed_count;
        if (at.instant_wanted)
            SHERD_TRY(instant(walk->vault));
        if (at.reseal_wanted != 0)
            SHERD_TRY(sherd_vault_reseal(walk->vault, at.reseal_wanted, resealed, walk));
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

    if (walk->scope != NULL)
        scope = *walk->scope;
    else
        SHERD_TRY(scope_of(walk->vault, walk->options, &scope));
    SHERD_TRY(anchor->ops->keys_stat(anchor, &keys));
    /* entities, pins twice, older versions: anchor/rekey/rekey.h; contents, and once more: scrub/deep.h */
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

static enum sherd_err check_named(struct sherd_vault *vault, const char *key, const struct sherd_rekey_stat *stat)
{
    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(key != NULL && stat != NULL, SHERD_ERR_INVALID, "a key and a place for the answer are needed");
    return sherd_vault_check_writable(vault);
}

enum sherd_err sherd_key_rotate(struct sherd_vault *vault, const char *key, sherd_rekey_progress_fn *progress,
                                void *arg, struct sherd_rekey_stat *out_stat)
{
    const struct sherd_rekey_options options = {0};
    struct sherd_rekey_scope scope = {.one_key = true, .fresh_keys = true};
    struct walk walk = {
        .vault = vault, .options = &options, .scope = &scope, .progress = progress, .arg = arg, .stat = out_stat};

    SHERD_TRY(check_named(vault, key, out_stat));
    SHERD_TRY(vault->anchor->ops->named_find(vault->anchor, key, SHERD_RIGHT_MANAGE, &scope.key));
    *out_stat = (struct sherd_rekey_stat){0};
    return rekey(&walk);
}

enum sherd_err sherd_encrypt_existing(struct sherd_vault *vault, const char *collection, const char *key, uint64_t rate,
                                      sherd_rekey_progress_fn *progress, void *arg, struct sherd_rekey_stat *out_stat)
{
    const struct sherd_rekey_options options = {.rate = rate};
    struct sherd_rekey_scope scope = {.one_collection = true, .under_key = true};
    struct walk walk = {
        .vault = vault, .options = &options, .scope = &scope, .progress = progress, .arg = arg, .stat = out_stat};
    struct sherd_collection_entry entry;

    SHERD_TRY(check_named(vault, key, out_stat));
    SHERD_TRY(sherd_vault_check_maintains(vault));
    SHERD_TRY(sherd_vault_collection(vault, collection, &entry));
    scope.collection = entry.id;
    SHERD_TRY(vault->anchor->ops->named_find(vault->anchor, key, 0, &scope.key));
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
    SHERD_TRY(sherd_vault_check_maintains(vault));
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

/* SPDX-License-Identifier: Apache-2.0 */
/* Rotation in the background: see rotation.h. */
#include "cli/rotation.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/chore.h"
#include "cli/policy_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct cli_rotation {
    struct sherd_vault *vault;
    uint64_t rate;
    cli_rotation_changed_fn *changed;
    void *arg;
    struct cli_chore chore;
    struct cli_rotation_status status; /* guarded by the chore's lock */
    bool did;                          /* something was to be done; the thread's own, as is the next */
    char doing[192];                   /* what is done so far */
};

/* --- what is done ------------------------------------------------------------------------------------------------- */

/* One thing more that was done; what there is no room for is cut off. */
static void note(struct cli_rotation *rotation, const char *text)
{
    const size_t len = strlen(rotation->doing);

    (void)snprintf(rotation->doing + len, sizeof(rotation->doing) - len, "%s%s", len > 0 ? ", " : "", text);
}

static enum sherd_err on_step(void *arg, const struct sherd_due_step *step)
{
    char text[SHERD_MASTER_NAME_SIZE + 64];

    if (step->action == SHERD_DUE_ACTIVATE)
        (void)snprintf(text, sizeof(text), "activated %s %" PRIu64 " (%s)", step->name, step->version,
                       cli_why_word(step->why));
    else if (step->action == SHERD_DUE_REKEY)
        (void)snprintf(text, sizeof(text), "rekeyed");
    else if (step->action == SHERD_DUE_RETIRE || step->action == SHERD_DUE_DESTROY)
        (void)snprintf(text, sizeof(text), "%s %s %" PRIu64, step->action == SHERD_DUE_RETIRE ? "retired" : "destroyed",
                       step->name, step->version);
    else
        return SHERD_OK;
    note(arg, text);
    return SHERD_OK;
}

/* What there would be to do. */
struct wishes {
    bool any;
    bool due; /* a version gives way to the next */
};

static enum sherd_err on_wish(void *arg, const struct sherd_due_step *step)
{
    struct wishes *wishes = arg;

    wishes->any = true;
    wishes->due = wishes->due || step->action == SHERD_DUE_ACTIVATE;
    return SHERD_OK;
}

static bool on_progress(void *arg, const struct sherd_rekey_stat *stat, uint64_t total)
{
    struct cli_rotation *rotation = arg;

    (void)stat;
    (void)total;
    return !cli_chore_stops(&rotation->chore);
}

/* A look at the keyring, which is all that happens where nothing is due. */
static enum sherd_err look_what_is_due(const struct cli_rotation *rotation, struct wishes *out_wishes)
{
    const struct sherd_due_options options = {.dry_run = true, .tell = on_wish, .tell_arg = out_wishes};
    struct sherd_rekey_stat stat;

    *out_wishes = (struct wishes){.any = false};
    return sherd_rekey_due(rotation->vault, &options, NULL, NULL, &stat);
}

static void set_under_way(struct cli_rotation *rotation, bool under_way)
{
    cli_chore_lock(&rotation->chore);
    rotation->status.under_way = under_way;
    cli_chore_unlock(&rotation->chore);
    if (rotation->changed != NULL)
        rotation->changed(rotation->arg);
}

/* What is to be done again at once would be done without end: a failure, so that it waits longer each time. */
static enum sherd_err check_done(const struct cli_rotation *rotation)
{
    struct wishes wishes;

    SHERD_TRY(look_what_is_due(rotation, &wishes));
    SHERD_ENSURE(!wishes.due, SHERD_ERR_CONFLICT,
                 "a key is due again at once: rekeying wraps more keys than its policy allows to one version");
    SHERD_ENSURE(!wishes.any, SHERD_ERR_CONFLICT, "some older versions could not be ended yet");
    return SHERD_OK;
}

static enum sherd_err rotate(void *arg)
{
    struct cli_rotation *rotation = arg;
    const struct sherd_due_options options = {.rate = rotation->rate, .tell = on_step, .tell_arg = rotation};
    struct sherd_rekey_stat stat;
    struct wishes wishes;

    rotation->doing[0] = 0;
    rotation->did = false;
    SHERD_TRY(look_what_is_due(rotation, &wishes));
    rotation->did = wishes.any;
    if (!wishes.any)
        return SHERD_OK;
    set_under_way(rotation, true);
    enum sherd_err err = sherd_rekey_due(rotation->vault, &options, on_progress, rotation, &stat);
    return err == SHERD_OK ? check_done(rotation) : err;
}

static void rotated(void *arg, enum sherd_err err)
{
    struct cli_rotation *rotation = arg;
    struct cli_rotation_status *status = &rotation->status;
    const bool gave_way = err == SHERD_ERR_BUSY && rotation->doing[0] == 0; /* no outcome */

    if (!gave_way && (rotation->did || err != SHERD_OK)) {
        status->ended_s = sherd_clock()->wall_s();
        memcpy(status->what, rotation->doing, sizeof(status->what));
        (void)snprintf(status->error, sizeof(status->error), "%.191s", err != SHERD_OK ? sherd_err_detail() : "");
    }
    if (!rotation->did)
        return;
    status->under_way = false;
    if (rotation->changed != NULL)
        rotation->changed(rotation->arg);
}

/* --- the handle --------------------------------------------------------------------------------------------------- */

enum sherd_err cli_rotation_new(struct sherd_vault *vault, uint64_t rate, cli_rotation_changed_fn *changed, void *arg,
                                struct cli_rotation **out_rotation)
{
    struct cli_rotation *rotation = sherd_alloc(sizeof(*rotation));

    if (rotation == NULL)
        return SHERD_ERR_NO_MEMORY;
    rotation->vault = vault;
    rotation->rate = rate;
    rotation->changed = changed;
    rotation->arg = arg;
    const enum sherd_err err = cli_chore_begin(&rotation->chore,
                                               &(struct cli_chore_options){.what = "rotation",
                                                                           .work = rotate,
                                                                           .ended = rotated,
                                                                           .arg = rotation,
                                                                           .every_s = CLI_ROTATION_EVERY_S,
                                                                           .pause_s_max = CLI_ROTATION_PAUSE_S_MAX});
    if (err != SHERD_OK) {
        sherd_free(rotation);
        return err;
    }
    *out_rotation = rotation;
    return SHERD_OK;
}

void cli_rotation_stop(struct cli_rotation *rotation)
{
    if (rotation != NULL)
        cli_chore_stop(&rotation->chore);
}

void cli_rotation_free(struct cli_rotation *rotation)
{
    if (rotation == NULL)
        return;
    cli_chore_end(&rotation->chore);
    sherd_free(rotation);
}

void cli_rotation_poke(struct cli_rotation *rotation)
{
    cli_chore_poke(&rotation->chore);
}

void cli_rotation_look(struct cli_rotation *rotation, struct cli_rotation_status *out_status)
{
    *out_status = (struct cli_rotation_status){.ended_s = 0};
    if (rotation == NULL)
        return;
    cli_chore_lock(&rotation->chore);
    *out_status = rotation->status;
    cli_chore_unlock(&rotation->chore);
}

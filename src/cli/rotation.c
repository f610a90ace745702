/* SPDX-License-Identifier: Apache-2.0 */
/* Rotation in the background: see rotation.h. */
#include "cli/rotation.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/policy_text.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SECOND_NS ((uint64_t)1000000000)

struct cli_rotation {
    struct sherd_vault *vault;
    uint64_t rate;
    cli_rotation_changed_fn *changed;
    void *arg;
    pthread_t thread;
    atomic_bool stop;
    pthread_mutex_t lock; /* guards all that follows */
    pthread_cond_t wake;
    uint64_t next_ns; /* when it looks again */
    unsigned failures;
    struct cli_rotation_status status;
    char doing[192]; /* what is done so far; the thread's own */
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
    return !atomic_load(&rotation->stop);
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
    (void)pthread_mutex_lock(&rotation->lock);
    rotation->status.under_way = under_way;
    (void)pthread_mutex_unlock(&rotation->lock);
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

/* @param[out] out_did  something was to be done */
static enum sherd_err rotate(struct cli_rotation *rotation, bool *out_did)
{
    const struct sherd_due_options options = {.rate = rotation->rate, .tell = on_step, .tell_arg = rotation};
    struct sherd_rekey_stat stat;
    struct wishes wishes;

    rotation->doing[0] = 0;
    SHERD_TRY(look_what_is_due(rotation, &wishes));
    *out_did = wishes.any;
    if (!wishes.any)
        return SHERD_OK;
    set_under_way(rotation, true);
    enum sherd_err err = sherd_rekey_due(rotation->vault, &options, on_progress, rotation, &stat);
    return err == SHERD_OK ? check_done(rotation) : err;
}

/* --- when --------------------------------------------------------------------------------------------------------- */

/* A failure is tried again after a while that doubles; where somebody else rekeys, that is none. */
static uint64_t pause_after(struct cli_rotation *rotation, enum sherd_err err)
{
    uint64_t pause_s = CLI_ROTATION_EVERY_S;

    rotation->failures = err == SHERD_OK || err == SHERD_ERR_BUSY ? 0 : rotation->failures + 1;
    for (unsigned i = 1; i < rotation->failures && pause_s < CLI_ROTATION_PAUSE_S_MAX; i++)
        pause_s *= 2;
    return pause_s < CLI_ROTATION_PAUSE_S_MAX ? pause_s : CLI_ROTATION_PAUSE_S_MAX;
}

static void look_once(struct cli_rotation *rotation)
{
    struct cli_rotation_status *status = &rotation->status;
    bool did = false;

    const enum sherd_err err = rotate(rotation, &did);
    (void)pthread_mutex_lock(&rotation->lock);
    const bool gave_way = err == SHERD_ERR_BUSY && rotation->doing[0] == 0; /* no outcome */
    if (!gave_way && (did || err != SHERD_OK)) {
        status->ended_s = sherd_clock()->wall_s();
        memcpy(status->what, rotation->doing, sizeof(status->what));
        (void)snprintf(status->error, sizeof(status->error), "%.191s", err != SHERD_OK ? sherd_err_detail() : "");
    }
    rotation->next_ns = sherd_clock()->monotonic_ns() + pause_after(rotation, err) * SECOND_NS;
    (void)pthread_mutex_unlock(&rotation->lock);
    if (did)
        set_under_way(rotation, false);
}

/* Sleep until it is time, or somebody pokes. The lock is held. @return true: it is time */
static bool sleep_some(struct cli_rotation *rotation)
{
    const uint64_t now_ns = sherd_clock()->monotonic_ns();
    struct timespec until;

    if (now_ns >= rotation->next_ns)
        return true;
    const uint64_t left_ns = rotation->next_ns - now_ns + 1000000U;
    if (clock_gettime(CLOCK_MONOTONIC, &until) != 0)
        return true;
    until.tv_sec += (time_t)(left_ns / SECOND_NS);
    until.tv_nsec += (long)(left_ns % SECOND_NS);
    if (until.tv_nsec >= (long)SECOND_NS) {
        until.tv_sec++;
        until.tv_nsec -= (long)SECOND_NS;
    }
    (void)pthread_cond_timedwait(&rotation->wake, &rotation->lock, &until);
    return false;
}

static void *run(void *arg)
{
    struct cli_rotation *rotation = arg;

    (void)pthread_mutex_lock(&rotation->lock);
    while (!atomic_load(&rotation->stop)) {
        if (!sleep_some(rotation))
            continue;
        (void)pthread_mutex_unlock(&rotation->lock);
        look_once(rotation);
        (void)pthread_mutex_lock(&rotation->lock);
    }
    (void)pthread_mutex_unlock(&rotation->lock);
    return NULL;
}

/* --- the handle --------------------------------------------------------------------------------------------------- */

static bool begin(struct cli_rotation *rotation)
{
    pthread_condattr_t monotonic;

    if (pthread_mutex_init(&rotation->lock, NULL) != 0 || pthread_condattr_init(&monotonic) != 0)
        return false;
    const bool waits = pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0 &&
                       pthread_cond_init(&rotation->wake, &monotonic) == 0;
    (void)pthread_condattr_destroy(&monotonic);
    return waits && pthread_create(&rotation->thread, NULL, run, rotation) == 0;
}

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
    atomic_init(&rotation->stop, false);
    if (!begin(rotation)) {
        sherd_free(rotation);
        return sherd_fail(SHERD_ERR_NO_MEMORY, "no thread for rotation");
    }
    *out_rotation = rotation;
    return SHERD_OK;
}

void cli_rotation_stop(struct cli_rotation *rotation)
{
    if (rotation == NULL)
        return;
    (void)pthread_mutex_lock(&rotation->lock);
    atomic_store(&rotation->stop, true);
    (void)pthread_cond_signal(&rotation->wake);
    (void)pthread_mutex_unlock(&rotation->lock);
}

void cli_rotation_free(struct cli_rotation *rotation)
{
    if (rotation == NULL)
        return;
    cli_rotation_stop(rotation);
    (void)pthread_join(rotation->thread, NULL);
    (void)pthread_cond_destroy(&rotation->wake);
    (void)pthread_mutex_destroy(&rotation->lock);
    sherd_free(rotation);
}

void cli_rotation_poke(struct cli_rotation *rotation)
{
    (void)pthread_mutex_lock(&rotation->lock);
    (void)pthread_cond_signal(&rotation->wake);
    (void)pthread_mutex_unlock(&rotation->lock);
}

void cli_rotation_look(struct cli_rotation *rotation, struct cli_rotation_status *out_status)
{
    *out_status = (struct cli_rotation_status){.ended_s = 0};
    if (rotation == NULL)
        return;
    (void)pthread_mutex_lock(&rotation->lock);
    *out_status = rotation->status;
    (void)pthread_mutex_unlock(&rotation->lock);
}

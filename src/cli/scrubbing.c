/* SPDX-License-Identifier: Apache-2.0 */
/* Scrubbing in the background: see scrubbing.h. */
#include "cli/scrubbing.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/tell.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SECOND_NS UINT64_C(1000000000)

struct cli_scrubbing {
    struct sherd_vault *vault;
    struct cli_scrubbing_options options;
    struct cli_tell tell;
    pthread_t thread;
    atomic_bool stop;
    pthread_mutex_t lock; /* guards all that follows */
    pthread_cond_t wake;
    uint64_t next_ns; /* when it looks again */
    unsigned failures;
    struct cli_scrubbing_status status;
    char failed[192]; /* what could not be told; the thread's own */
};

/* --- a pass ------------------------------------------------------------------------------------------------------- */

static void on_failed(void *arg, const struct sherd_scrub_rule *rule)
{
    struct cli_scrubbing *scrubbing = arg;
    char text[CLI_RULE_TEXT_SIZE];

    cli_rule_format(rule, text);
    (void)snprintf(scrubbing->failed, sizeof(scrubbing->failed), "nobody was told by %.80s: %.90s", text,
                   sherd_err_detail());
}

static void tell(struct cli_scrubbing *scrubbing, bool at_once)
{
    if (cli_tell(&scrubbing->tell, at_once) != SHERD_OK)
        (void)snprintf(scrubbing->failed, sizeof(scrubbing->failed), "nobody was told: %.160s", sherd_err_detail());
}

static void on_found(void *arg)
{
    tell(arg, false);
}

static bool on_progress(void *arg, uint64_t done, uint64_t total)
{
    struct cli_scrubbing *scrubbing = arg;

    (void)done;
    (void)total;
    return !atomic_load(&scrubbing->stop);
}

static enum sherd_err look_whether_due(const struct cli_scrubbing *scrubbing, bool *out_due)
{
    SHERD_CLEANUP(sherd_freep) struct sherd_scrub_status *status = sherd_alloc(sizeof(*status));

    if (status == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_scrub_status(scrubbing->vault, status));
    const int64_t ago_s = sherd_clock()->wall_s() - status->last.ended_s;
    *out_due = status->now.number != 0 || status->last.number == 0 || ago_s < 0 ||
               (uint64_t)ago_s >= scrubbing->options.every_s;
    return SHERD_OK;
}

static void set_under_way(struct cli_scrubbing *scrubbing, bool under_way)
{
    (void)pthread_mutex_lock(&scrubbing->lock);
    scrubbing->status.under_way = under_way;
    (void)pthread_mutex_unlock(&scrubbing->lock);
}

/* @param[out] out_did  a pass was due. That something was found is no failure of the pass. */
static enum sherd_err scrub(struct cli_scrubbing *scrubbing, bool *out_did)
{
    const struct sherd_scrub_options options = {
        .rate = scrubbing->options.rate, .found = on_found, .found_arg = scrubbing};
    const struct sherd_observer observer = {.progress = on_progress, .arg = scrubbing};
    struct sherd_verify_stat stat;

    scrubbing->failed[0] = 0;
    SHERD_TRY(look_whether_due(scrubbing, out_did));
    if (!*out_did)
        return SHERD_OK;
    set_under_way(scrubbing, true);
    const enum sherd_err err = sherd_vault_scrub(scrubbing->vault, &options, &observer, &stat);
    return err == SHERD_ERR_TAMPERED ? SHERD_OK : err;
}

/* --- when --------------------------------------------------------------------------------------------------------- */

/* A failure is tried again after a while that doubles; where somebody else scrubs, that is none. */
static uint64_t pause_after(struct cli_scrubbing *scrubbing, enum sherd_err err)
{
    uint64_t pause_s = CLI_SCRUB_LOOK_S;

    scrubbing->failures = err == SHERD_OK || err == SHERD_ERR_BUSY ? 0 : scrubbing->failures + 1;
    for (unsigned i = 1; i < scrubbing->failures && pause_s < CLI_SCRUB_PAUSE_S_MAX; i++)
        pause_s *= 2;
    return pause_s < CLI_SCRUB_PAUSE_S_MAX ? pause_s : CLI_SCRUB_PAUSE_S_MAX;
}

static void look_once(struct cli_scrubbing *scrubbing)
{
    struct cli_scrubbing_status *status = &scrubbing->status;
    char why[sizeof(status->error)] = "";
    bool did = false;

    const enum sherd_err err = scrub(scrubbing, &did);
    if (err != SHERD_OK)
        (void)snprintf(why, sizeof(why), "%.191s", sherd_err_detail());
    if (!atomic_load(&scrubbing->stop))
        tell(scrubbing, true); /* also what could not be told before */
    if (err == SHERD_OK)
        (void)snprintf(why, sizeof(why), "%s", scrubbing->failed);
    (void)pthread_mutex_lock(&scrubbing->lock);
    status->under_way = false;
    if (err != SHERD_ERR_BUSY)
        memcpy(status->error, why, sizeof(why));
    scrubbing->next_ns = sherd_clock()->monotonic_ns() + pause_after(scrubbing, err) * SECOND_NS;
    (void)pthread_mutex_unlock(&scrubbing->lock);
}

/* Sleep until it is time, or somebody pokes. The lock is held. @return true: it is time */
static bool sleep_some(struct cli_scrubbing *scrubbing)
{
    const uint64_t now_ns = sherd_clock()->monotonic_ns();
    struct timespec until;

    if (now_ns >= scrubbing->next_ns)
        return true;
    const uint64_t left_ns = scrubbing->next_ns - now_ns + 1000000U;
    if (clock_gettime(CLOCK_MONOTONIC, &until) != 0)
        return true;
    until.tv_sec += (time_t)(left_ns / SECOND_NS);
    until.tv_nsec += (long)(left_ns % SECOND_NS);
    if (until.tv_nsec >= (long)SECOND_NS) {
        until.tv_sec++;
        until.tv_nsec -= (long)SECOND_NS;
    }
    (void)pthread_cond_timedwait(&scrubbing->wake, &scrubbing->lock, &until);
    return false;
}

static void *run(void *arg)
{
    struct cli_scrubbing *scrubbing = arg;

    (void)pthread_mutex_lock(&scrubbing->lock);
    while (!atomic_load(&scrubbing->stop)) {
        if (!sleep_some(scrubbing))
            continue;
        (void)pthread_mutex_unlock(&scrubbing->lock);
        look_once(scrubbing);
        (void)pthread_mutex_lock(&scrubbing->lock);
    }
    (void)pthread_mutex_unlock(&scrubbing->lock);
    return NULL;
}

/* --- the handle --------------------------------------------------------------------------------------------------- */

static bool begin(struct cli_scrubbing *scrubbing)
{
    pthread_condattr_t monotonic;

    if (pthread_mutex_init(&scrubbing->lock, NULL) != 0 || pthread_condattr_init(&monotonic) != 0)
        return false;
    const bool waits = pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0 &&
                       pthread_cond_init(&scrubbing->wake, &monotonic) == 0;
    (void)pthread_condattr_destroy(&monotonic);
    return waits && pthread_create(&scrubbing->thread, NULL, run, scrubbing) == 0;
}

enum sherd_err cli_scrubbing_new(struct sherd_vault *vault, const struct cli_scrubbing_options *options,
                                 struct cli_scrubbing **out_scrubbing)
{
    struct cli_scrubbing *scrubbing = sherd_alloc(sizeof(*scrubbing));

    if (scrubbing == NULL)
        return SHERD_ERR_NO_MEMORY;
    *scrubbing = (struct cli_scrubbing){.vault = vault,
                                        .options = *options,
                                        .tell = {.vault = vault, .failed = on_failed},
                                        .next_ns = sherd_clock()->monotonic_ns() + CLI_SCRUB_LOOK_S * SECOND_NS};
    scrubbing->tell.arg = scrubbing;
    atomic_init(&scrubbing->stop, false);
    if (!begin(scrubbing)) {
        sherd_free(scrubbing);
        return sherd_fail(SHERD_ERR_NO_MEMORY, "no thread for scrubbing");
    }
    *out_scrubbing = scrubbing;
    return SHERD_OK;
}

void cli_scrubbing_stop(struct cli_scrubbing *scrubbing)
{
    if (scrubbing == NULL)
        return;
    (void)pthread_mutex_lock(&scrubbing->lock);
    atomic_store(&scrubbing->stop, true);
    (void)pthread_cond_signal(&scrubbing->wake);
    (void)pthread_mutex_unlock(&scrubbing->lock);
}

void cli_scrubbing_free(struct cli_scrubbing *scrubbing)
{
    if (scrubbing == NULL)
        return;
    cli_scrubbing_stop(scrubbing);
    (void)pthread_join(scrubbing->thread, NULL);
    (void)pthread_cond_destroy(&scrubbing->wake);
    (void)pthread_mutex_destroy(&scrubbing->lock);
    sherd_free(scrubbing);
}

void cli_scrubbing_poke(struct cli_scrubbing *scrubbing)
{
    (void)pthread_mutex_lock(&scrubbing->lock);
    (void)pthread_cond_signal(&scrubbing->wake);
    (void)pthread_mutex_unlock(&scrubbing->lock);
}

void cli_scrubbing_look(struct cli_scrubbing *scrubbing, struct cli_scrubbing_status *out_status)
{
    *out_status = (struct cli_scrubbing_status){.under_way = false};
    if (scrubbing == NULL)
        return;
    (void)pthread_mutex_lock(&scrubbing->lock);
    *out_status = scrubbing->status;
    (void)pthread_mutex_unlock(&scrubbing->lock);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Work in the background: see chore.h. */
#include "cli/chore.h"
#include "base/clock.h"
#include <time.h>

#define SECOND_NS UINT64_C(1000000000)

static uint64_t pause_after(struct cli_chore *chore, enum sherd_err err)
{
    const struct cli_chore_options *options = &chore->options;
    uint64_t pause_s = options->every_s;

    chore->failures = err == SHERD_OK || err == SHERD_ERR_BUSY ? 0 : chore->failures + 1;
    for (unsigned i = 1; i < chore->failures && pause_s < options->pause_s_max; i++)
        pause_s *= 2;
    return pause_s < options->pause_s_max ? pause_s : options->pause_s_max;
}

static void work_once(struct cli_chore *chore)
{
    const enum sherd_err err = chore->options.work(chore->options.arg);

    cli_chore_lock(chore);
    if (chore->options.ended != NULL)
        chore->options.ended(chore->options.arg, err);
    chore->next_ns = sherd_clock()->monotonic_ns() + pause_after(chore, err) * SECOND_NS;
    cli_chore_unlock(chore);
}

/* Sleep until it is time, or somebody pokes. The lock is held. @return true: it is time */
static bool sleep_some(struct cli_chore *chore)
{
    const uint64_t now_ns = sherd_clock()->monotonic_ns();
    struct timespec until;

    if (now_ns >= chore->next_ns)
        return true;
    const uint64_t left_ns = chore->next_ns - now_ns + 1000000U;
    if (clock_gettime(CLOCK_MONOTONIC, &until) != 0)
        return true;
    until.tv_sec += (time_t)(left_ns / SECOND_NS);
    until.tv_nsec += (long)(left_ns % SECOND_NS);
    if (until.tv_nsec >= (long)SECOND_NS) {
        until.tv_sec++;
        until.tv_nsec -= (long)SECOND_NS;
    }
    (void)pthread_cond_timedwait(&chore->wake, &chore->lock, &until);
    return false;
}

static void *run(void *arg)
{
    struct cli_chore *chore = arg;

    cli_chore_lock(chore);
    while (!cli_chore_stops(chore)) {
        if (!sleep_some(chore))
            continue;
        cli_chore_unlock(chore);
        work_once(chore);
        cli_chore_lock(chore);
    }
    cli_chore_unlock(chore);
    return NULL;
}

static bool make_wake(struct cli_chore *chore)
{
    pthread_condattr_t monotonic;

    if (pthread_condattr_init(&monotonic) != 0)
        return false;
    const bool made = pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0 &&
                      pthread_cond_init(&chore->wake, &monotonic) == 0;
    (void)pthread_condattr_destroy(&monotonic);
    return made;
}

static bool begin(struct cli_chore *chore)
{
    if (pthread_mutex_init(&chore->lock, NULL) != 0)
        return false;
    if (make_wake(chore)) {
        if (pthread_create(&chore->thread, NULL, run, chore) == 0)
            return true;
        (void)pthread_cond_destroy(&chore->wake);
    }
    (void)pthread_mutex_destroy(&chore->lock);
    return false;
}

enum sherd_err cli_chore_begin(struct cli_chore *chore, const struct cli_chore_options *options)
{
    chore->options = *options;
    chore->next_ns = sherd_clock()->monotonic_ns() + options->first_s * SECOND_NS;
    chore->failures = 0;
    atomic_init(&chore->stop, false);
    return begin(chore) ? SHERD_OK : sherd_fail(SHERD_ERR_NO_MEMORY, "no thread for %s", options->what);
}

void cli_chore_stop(struct cli_chore *chore)
{
    cli_chore_lock(chore);
    atomic_store(&chore->stop, true);
    (void)pthread_cond_signal(&chore->wake);
    cli_chore_unlock(chore);
}

void cli_chore_end(struct cli_chore *chore)
{
    cli_chore_stop(chore);
    (void)pthread_join(chore->thread, NULL);
    (void)pthread_cond_destroy(&chore->wake);
    (void)pthread_mutex_destroy(&chore->lock);
}

bool cli_chore_stops(const struct cli_chore *chore)
{
    return atomic_load(&chore->stop);
}

void cli_chore_poke(struct cli_chore *chore)
{
    cli_chore_lock(chore);
    (void)pthread_cond_signal(&chore->wake);
    cli_chore_unlock(chore);
}

void cli_chore_lock(struct cli_chore *chore)
{
    (void)pthread_mutex_lock(&chore->lock);
}

void cli_chore_unlock(struct cli_chore *chore)
{
    (void)pthread_mutex_unlock(&chore->lock);
}

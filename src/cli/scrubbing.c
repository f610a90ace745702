/* SPDX-License-Identifier: Apache-2.0 */
/* Scrubbing in the background: see scrubbing.h. */
#include "cli/scrubbing.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/chore.h"
#include "cli/tell.h"

#include <stdio.h>
#include <string.h>

struct cli_scrubbing {
    struct sherd_vault *vault;
    struct cli_scrubbing_options options;
    struct cli_tell tell;
    struct cli_chore chore;
    struct cli_scrubbing_status status; /* guarded by the chore's lock */
    char failed[192];                   /* what could not be told; the thread's own, as is the next */
    char why[192];                      /* what is wrong with the pass that was made now */
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
    return !cli_chore_stops(&scrubbing->chore);
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

static void set_under_way(struct cli_scrubbing *scrubbing)
{
    cli_chore_lock(&scrubbing->chore);
    scrubbing->status.under_way = true;
    cli_chore_unlock(&scrubbing->chore);
}

/* Make a pass if one is due. That something was found is no failure of the pass. */
static enum sherd_err scrub_due(struct cli_scrubbing *scrubbing)
{
    const struct sherd_scrub_options options = {
        .rate = scrubbing->options.rate, .found = on_found, .found_arg = scrubbing};
    const struct sherd_observer observer = {.progress = on_progress, .arg = scrubbing};
    struct sherd_verify_stat stat;
    bool due = false;

    SHERD_TRY(look_whether_due(scrubbing, &due));
    if (!due)
        return SHERD_OK;
    set_under_way(scrubbing);
    const enum sherd_err err = sherd_vault_scrub(scrubbing->vault, &options, &observer, &stat);
    return err == SHERD_ERR_TAMPERED ? SHERD_OK : err;
}

static enum sherd_err scrub(void *arg)
{
    struct cli_scrubbing *scrubbing = arg;

    scrubbing->failed[0] = 0;
    const enum sherd_err err = scrub_due(scrubbing);
    (void)snprintf(scrubbing->why, sizeof(scrubbing->why), "%.191s", err != SHERD_OK ? sherd_err_detail() : "");
    if (!cli_chore_stops(&scrubbing->chore))
        tell(scrubbing, true); /* also what could not be told before */
    if (err == SHERD_OK)
        memcpy(scrubbing->why, scrubbing->failed, sizeof(scrubbing->why));
    return err;
}

static void scrubbed(void *arg, enum sherd_err err)
{
    struct cli_scrubbing *scrubbing = arg;

    scrubbing->status.under_way = false;
    if (err != SHERD_ERR_BUSY)
        memcpy(scrubbing->status.error, scrubbing->why, sizeof(scrubbing->status.error));
}

/* --- the handle --------------------------------------------------------------------------------------------------- */

enum sherd_err cli_scrubbing_new(struct sherd_vault *vault, const struct cli_scrubbing_options *options,
                                 struct cli_scrubbing **out_scrubbing)
{
    struct cli_scrubbing *scrubbing = sherd_alloc(sizeof(*scrubbing));

    if (scrubbing == NULL)
        return SHERD_ERR_NO_MEMORY;
    scrubbing->vault = vault;
    scrubbing->options = *options;
    scrubbing->tell = (struct cli_tell){.vault = vault, .failed = on_failed, .arg = scrubbing};
    const enum sherd_err err = cli_chore_begin(&scrubbing->chore,
                                               &(struct cli_chore_options){.what = "scrubbing",
                                                                           .work = scrub,
                                                                           .ended = scrubbed,
                                                                           .arg = scrubbing,
                                                                           .first_s = CLI_SCRUB_LOOK_S,
                                                                           .every_s = CLI_SCRUB_LOOK_S,
                                                                           .pause_s_max = CLI_SCRUB_PAUSE_S_MAX});
    if (err != SHERD_OK) {
        sherd_free(scrubbing);
        return err;
    }
    *out_scrubbing = scrubbing;
    return SHERD_OK;
}

void cli_scrubbing_stop(struct cli_scrubbing *scrubbing)
{
    if (scrubbing != NULL)
        cli_chore_stop(&scrubbing->chore);
}

void cli_scrubbing_free(struct cli_scrubbing *scrubbing)
{
    if (scrubbing == NULL)
        return;
    cli_chore_end(&scrubbing->chore);
    sherd_free(scrubbing);
}

void cli_scrubbing_poke(struct cli_scrubbing *scrubbing)
{
    cli_chore_poke(&scrubbing->chore);
}

void cli_scrubbing_look(struct cli_scrubbing *scrubbing, struct cli_scrubbing_status *out_status)
{
    *out_status = (struct cli_scrubbing_status){.under_way = false};
    if (scrubbing == NULL)
        return;
    cli_chore_lock(&scrubbing->chore);
    *out_status = scrubbing->status;
    cli_chore_unlock(&scrubbing->chore);
}

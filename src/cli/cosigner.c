/* SPDX-License-Identifier: Apache-2.0 */
/* Having the ledger witnessed in the background: see cosign.h. */
#include "base/clock.h"
#include "base/mem.h"
#include "cli/chore.h"
#include "cli/cosign.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define SECOND_NS ((uint64_t)1000000000)
/* How often it looks whether there were many changes. */
#define LOOK_S 5U

struct cli_cosigner {
    const char *path;
    struct sherd_vault *vault;
    uint64_t next_ns;    /* when they are asked again; the thread's own, as are the next three */
    uint64_t asked_size; /* leaves then */
    unsigned failures;
    struct cli_cosign cosign;
    struct cli_chore chore; /* its lock guards what follows */
    pid_t process;          /* that asks, now; 0: none */
    struct cli_cosigner_status status;
};

static void process_started(void *arg, pid_t process)
{
    struct cli_cosigner *cosigner = arg;

    cli_chore_lock(&cosigner->chore);
    cosigner->process = process;
    if (process > 0 && cli_chore_stops(&cosigner->chore))
        (void)kill(process, SIGKILL);
    cli_chore_unlock(&cosigner->chore);
}

/* --- what there is to do ------------------------------------------------------------------------------------------ */

/* What the vault says of outside, and how its files are. */
struct outside {
    bool any;
    uint64_t size;
    char error[192];
};

static enum sherd_err look_outside(void *arg, const struct sherd_outside *told)
{
    struct outside *outside = arg;

    outside->any = told->policy.len > 0 || told->file_count > 0 || told->tpm != NULL;
    outside->size = told->size;
    for (size_t i = 0; i < told->file_count && outside->error[0] == 0; i++) {
        uint64_t size = 0;

        if (cli_checkpoint_size(told->files[i], &size) != SHERD_OK)
            (void)snprintf(outside->error, sizeof(outside->error), "%.191s", sherd_err_detail());
        else if (size < told->size)
            (void)snprintf(outside->error, sizeof(outside->error), "the checkpoint %.120s is %" PRIu64 " changes old",
                           told->files[i], told->size - size);
    }
    return SHERD_OK;
}

static enum sherd_err look(struct cli_cosigner *cosigner, struct outside *out)
{
    *out = (struct outside){.any = false};
    return sherd_outside_get(cosigner->vault, look_outside, out);
}

static void note_outcome(struct cli_cosigner *cosigner, enum sherd_err err, uint64_t size, const char *error)
{
    struct cli_cosigner_status *status = &cosigner->status;

    cli_chore_lock(&cosigner->chore);
    status->witness_count = (uint32_t)cosigner->cosign.count;
    status->cosigner_count = (uint32_t)cosigner->cosign.cosigner_count;
    if (err == SHERD_OK && cosigner->cosign.count > 0) {
        status->cosigned_s = (uint64_t)sherd_clock()->wall_s();
        status->cosigned_size = size;
    }
    (void)snprintf(status->error, sizeof(status->error), "%s", error);
    cli_chore_unlock(&cosigner->chore);
}

static bool is_due(struct cli_cosigner *cosigner, const struct outside *outside)
{
    return sherd_clock()->monotonic_ns() >= cosigner->next_ns ||
           (cosigner->failures == 0 && outside->size - cosigner->asked_size >= CLI_COSIGN_CHANGES);
}

/* After a failure sooner than else, and then ever later. */
static void set_next(struct cli_cosigner *cosigner, enum sherd_err err)
{
    uint64_t pause_s = CLI_COSIGN_EVERY_S;

    cosigner->failures = err == SHERD_OK ? 0 : cosigner->failures + 1;
    if (err != SHERD_OK && cosigner->failures < 4)
        pause_s = (uint64_t)CLI_COSIGN_RETRY_S << (cosigner->failures - 1);
    cosigner->next_ns = sherd_clock()->monotonic_ns() + pause_s * SECOND_NS;
}

static void ask(struct cli_cosigner *cosigner)
{
    const struct cli_cosign_process process = {.started = process_started, .arg = cosigner};
    char error[192] = "";
    struct outside outside;

    enum sherd_err err = cli_cosign_now(cosigner->path, cosigner->vault, &process, &cosigner->cosign);
    if (err != SHERD_OK)
        (void)snprintf(error, sizeof(error), "%.191s", sherd_err_detail());
    if (look(cosigner, &outside) == SHERD_OK && err == SHERD_OK && outside.error[0] != 0) {
        memcpy(error, outside.error, sizeof(error));
        err = SHERD_ERR_IO;
    }
    cosigner->asked_size = outside.size;
    note_outcome(cosigner, err, outside.size, error);
    set_next(cosigner, err);
}

/* Whether it is time to ask, and how long to wait after failures, is its own to say: the chore is to look. */
static enum sherd_err look_once(void *arg)
{
    struct cli_cosigner *cosigner = arg;
    struct outside outside;

    if (look(cosigner, &outside) != SHERD_OK)
        note_outcome(cosigner, SHERD_ERR_IO, 0, sherd_err_detail());
    else if (!outside.any)
        note_outcome(cosigner, SHERD_OK, 0, "");
    else if (is_due(cosigner, &outside))
        ask(cosigner);
    return SHERD_OK;
}

/* --- the handle --------------------------------------------------------------------------------------------------- */

enum sherd_err cli_cosigner_new(const char *path, struct sherd_vault *vault, struct cli_cosigner **out_cosigner)
{
    struct cli_cosigner *cosigner = sherd_alloc(sizeof(*cosigner));

    if (cosigner == NULL)
        return SHERD_ERR_NO_MEMORY;
    cosigner->path = path;
    cosigner->vault = vault;
    const enum sherd_err err = cli_chore_begin(&cosigner->chore, &(struct cli_chore_options){.what = "asking witnesses",
                                                                                             .work = look_once,
                                                                                             .arg = cosigner,
                                                                                             .every_s = LOOK_S,
                                                                                             .pause_s_max = LOOK_S});
    if (err != SHERD_OK) {
        sherd_free(cosigner);
        return err;
    }
    *out_cosigner = cosigner;
    return SHERD_OK;
}

void cli_cosigner_stop(struct cli_cosigner *cosigner)
{
    if (cosigner == NULL)
        return;
    cli_chore_stop(&cosigner->chore);
    cli_chore_lock(&cosigner->chore);
    if (cosigner->process > 0)
        (void)kill(cosigner->process, SIGKILL);
    cli_chore_unlock(&cosigner->chore);
}

void cli_cosigner_free(struct cli_cosigner *cosigner)
{
    if (cosigner == NULL)
        return;
    cli_cosigner_stop(cosigner);
    cli_chore_end(&cosigner->chore);
    cli_cosign_done(&cosigner->cosign);
    sherd_free(cosigner);
}

void cli_cosigner_look(struct cli_cosigner *cosigner, struct cli_cosigner_status *out_status)
{
    *out_status = (struct cli_cosigner_status){.witness_count = 0};
    if (cosigner == NULL)
        return;
    cli_chore_lock(&cosigner->chore);
    *out_status = cosigner->status;
    cli_chore_unlock(&cosigner->chore);
}

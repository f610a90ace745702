/* SPDX-License-Identifier: Apache-2.0 */
/* sherd rekey --due: what the policies of keys ask for. */
#include "cli/bundle.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/policy_text.h"

#include <inttypes.h>
#include <stdio.h>

struct told {
    const struct cli *cli;
    const char *receipt; /* where the statement goes; NULL once it is written, or where none is wanted */
    bool dry_run;
    bool rekeyed;
    json_t *steps;
};

static const char *const words[] = {
    [SHERD_DUE_ACTIVATE] = "activate", [SHERD_DUE_REKEY] = "rekey",     [SHERD_DUE_RETIRE] = "retire",
    [SHERD_DUE_STATE] = "state",       [SHERD_DUE_DESTROY] = "destroy",
};

/* Before anything is destroyed: where it cannot be written, nothing is. */
static enum sherd_err write_statement(struct told *told, struct sherd_span statement)
{
    const char *path = told->receipt;

    told->receipt = NULL;
    return path != NULL ? cli_write_new(path, statement) : SHERD_OK;
}

static void print_step(const struct told *told, const struct sherd_due_step *step)
{
    const char *would = told->dry_run ? "would " : "";

    cli_progress_clear();
    switch (step->action) {
    case SHERD_DUE_ACTIVATE:
        cli_print("%s%s version %" PRIu64 " of %s: the one before is due by %s\n", would,
                  told->dry_run ? "activate" : "activated", step->version, step->name, cli_why_word(step->why));
        break;
    case SHERD_DUE_REKEY:
        if (told->dry_run)
            cli_print("would bring everything under the versions that serve\n");
        break;
    case SHERD_DUE_RETIRE:
        cli_print("%s%s version %" PRIu64 " of %s\n", would, told->dry_run ? "retire" : "retired", step->version,
                  step->name);
        break;
    case SHERD_DUE_STATE: break;
    case SHERD_DUE_DESTROY:
        cli_print("%s%s version %" PRIu64 " of %s\n", would, told->dry_run ? "destroy" : "destroyed", step->version,
                  step->name);
        break;
    }
}

static enum sherd_err on_step(void *arg, const struct sherd_due_step *step)
{
    struct told *told = arg;

    told->rekeyed = told->rekeyed || step->action == SHERD_DUE_REKEY;
    if (step->action == SHERD_DUE_STATE)
        return write_statement(told, step->statement);
    if (!told->cli->json) {
        if (!told->cli->quiet)
            print_step(told, step);
        return SHERD_OK;
    }
    json_t *value = json_pack("{s:s, s:s?, s:o, s:s?}", "action", words[step->action], "name", step->name, "version",
                              step->version != 0 ? json_integer((json_int_t)step->version) : json_null(), "why",
                              cli_why_word(step->why));
    SHERD_ENSURE(value != NULL && json_array_append_new(told->steps, value) == 0, SHERD_ERR_NO_MEMORY, "no memory");
    return SHERD_OK;
}

static bool on_progress(void *arg, const struct sherd_rekey_stat *stat, uint64_t total)
{
    (void)arg;
    cli_progress_update(stat->seen, total);
    return cli_signal_caught() == 0;
}

static enum sherd_err tell(const struct told *told, const struct sherd_rekey_stat *stat, double seconds)
{
    if (told->cli->json)
        return cli_json_print("",
                              json_pack("{s:b, s:O, s:I, s:I, s:I, s:I, s:f}", "dry_run", told->dry_run, "steps",
                                        told->steps, "entries", (json_int_t)stat->seen, "entities",
                                        (json_int_t)stat->entity_count, "records", (json_int_t)stat->record_count,
                                        "resealed", (json_int_t)stat->resealed_count, "seconds", seconds),
                              "\n");
    if (told->cli->quiet)
        return SHERD_OK;
    if (!told->rekeyed)
        cli_print("nothing is due\n");
    else if (!told->dry_run)
        cli_print("wrapped the keys of %" PRIu64 " entities and %" PRIu64 " record versions anew, sealed %" PRIu64
                  " entries anew, in %.1f s\n",
                  stat->entity_count, stat->record_count, stat->resealed_count, seconds);
    return SHERD_OK;
}

static enum sherd_err carry_out(struct cli *cli, struct told *told, uint64_t rate)
{
    const struct sherd_receipt_request request = {.kind = SHERD_RECEIPT_REKEYED};
    const struct sherd_due_options options = {
        .rate = rate, .dry_run = told->dry_run, .tell = on_step, .tell_arg = told};
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    struct sherd_rekey_stat stat = {0};

    SHERD_TRY(cli_receipt_check(cli, told->receipt));
    SHERD_TRY(cli_vault_open(cli, told->dry_run, &vault));
    cli_signals_defer();
    cli_progress_begin(cli, "rekey");
    const enum sherd_err err = sherd_rekey_due(vault, &options, on_progress, NULL, &stat);
    const double seconds = cli_progress_end();
    if (err == SHERD_ERR_BUSY && cli_signal_caught() != 0)
        return sherd_fail(err, "interrupted: the same command goes on from here");
    SHERD_TRY(err);
    SHERD_TRY(cli_receipt_write(vault, &request, told->receipt)); /* nothing was destroyed: stated now */
    return tell(told, &stat, seconds);
}

enum sherd_err cli_rekey_due(struct cli *cli, uint64_t rate, bool dry_run, const char *receipt)
{
    struct told told = {.cli = cli, .receipt = receipt, .dry_run = dry_run, .steps = json_array()};

    SHERD_ENSURE(told.steps != NULL, SHERD_ERR_NO_MEMORY, "no memory");
    const enum sherd_err err = carry_out(cli, &told, rate);
    json_decref(told.steps);
    return err;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* sherd restore and sherd recover: the ways back. */
#include "cli/agent.h"
#include "cli/bundle.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { OPT_EPOCH_KEY, OPT_DAMAGED };

static const struct cli_option restore_options[] = {
    [OPT_EPOCH_KEY] = {"epoch-key", 0, "FILE", "the key of its erase epoch; else --vault names a vault that has it"},
    [OPT_DAMAGED] = {"accept-damaged", 0, NULL, "restore also what was damaged already when the backup was made"},
    {0},
};

static bool on_progress(void *arg, uint64_t done, uint64_t total)
{
    (void)arg;
    cli_progress_update(done, total);
    return cli_signal_caught() == 0;
}

static void on_finding(void *arg, const struct sherd_finding *finding)
{
    cli_warn(arg, "%s: %s", finding->compartment, finding->text);
}

static enum sherd_err tell_restored(const struct cli *cli, const struct sherd_backup_info *info,
                                    const struct sherd_verify_stat *stat)
{
    char time[CLI_TIME_TEXT_SIZE];

    if (cli->json)
        return cli_json_print("",
                              json_pack("{s:o, s:I, s:I, s:I, s:I}", "deployment", cli_json_uuid(info->deployment),
                                        "time", (json_int_t)info->time_s, "records", (json_int_t)stat->record_count,
                                        "versions", (json_int_t)stat->version_count, "violations",
                                        (json_int_t)stat->finding_count),
                              "\n");
    if (cli->quiet)
        return SHERD_OK;
    cli_format_time((int64_t)info->time_s, time);
    cli_print("restored and verified %" PRIu64 " records as they were at %s\n", stat->record_count, time);
    if (stat->finding_count > 0)
        cli_print("%" PRIu64 " violations of integrity were there when the backup was made\n", stat->finding_count);
    return SHERD_OK;
}

static enum sherd_err run_restore(struct cli *cli)
{
    SHERD_CLEANUP(cli_bundle_done) struct cli_bundle bundle = {.fd = -1};
    const struct sherd_restore_options options = {.accept_damaged = cli_value(cli, OPT_DAMAGED) != NULL};
    const struct sherd_observer observer = {.finding = on_finding, .progress = on_progress, .arg = cli};
    struct sherd_backup_info info;
    struct sherd_verify_stat stat;

    SHERD_TRY(cli_bundle_open(cli, cli->operands[0], cli_value(cli, OPT_EPOCH_KEY), cli->vault, true, &bundle));
    cli_signals_defer();
    cli_progress_begin(cli, "restore");
    const enum sherd_err err = sherd_backup_restore(&bundle.in, &bundle.keys, cli->operands[1], &options, &observer,
                                                    &info, &stat);
    (void)cli_progress_end();
    if (err == SHERD_ERR_BUSY && cli_signal_caught() != 0)
        return sherd_fail(err, "interrupted: nothing was restored");
    SHERD_TRY(err);
    return tell_restored(cli, &info, &stat);
}

const struct cli_command cmd_restore = {
    .name = "restore",
    .operands = "FILE DIR",
    .summary = "make a vault of a backup, verified before it gets its name",
    .notes =
        "FILE may be - for standard input. DIR must not exist, or be empty: it is complete at the end, or not there.\n"
        "The passphrase or key file is that of the vault when the backup was made.",
    .options = restore_options,
    .operand_min = 2,
    .operand_max = 2,
    .run = run_restore,
};

enum { OPT_RECOVER_EPOCH_KEY };

static const struct cli_option recover_options[] = {
    [OPT_RECOVER_EPOCH_KEY] = {"epoch-key", 0, "FILE", "the exported key of the erase epoch, if anchor/epoch is lost"},
    {0},
};

static enum sherd_err tell_recovered(const struct cli *cli, const struct sherd_recovery *told)
{
    if (cli->json)
        return cli_json_print("",
                              json_pack("{s:b, s:b, s:b, s:I}", "seals", told->seals, "keyring", told->keyring,
                                        "epochs", told->epochs, "records_read", (json_int_t)told->record_count),
                              "\n");
    if (!cli->quiet)
        cli_print("brought back:%s%s%s; proven by reading %" PRIu64 " records\n"
                  "what was there is kept in anchor.old: destroy it when `sherd verify` says that all is well\n",
                  told->seals ? " seals" : "", told->keyring ? " keyring" : "", told->epochs ? " epochs" : "",
                  told->record_count);
    return SHERD_OK;
}

/* An agent has the vault open for as long as it runs. */
static enum sherd_err check_no_agent(const char *vault)
{
    struct cli_agent_place place;
    struct sherd_link *link = NULL;

    if (cli_agent_connect(vault, &place, &link) != SHERD_OK)
        return SHERD_OK;
    sherd_link_free(link);
    return sherd_fail(SHERD_ERR_BUSY, "an agent has the vault open: `sherd seal` first");
}

static enum sherd_err run_recover(struct cli *cli)
{
    SHERD_CLEANUP(cli_bundle_done) struct cli_bundle bundle = {.fd = -1};
    struct sherd_recovery told = {0};

    SHERD_TRY(check_no_agent(cli->operands[0]));
    SHERD_TRY(cli_bundle_open(cli, cli->operands[1], cli_value(cli, OPT_RECOVER_EPOCH_KEY), cli->operands[0], true,
                              &bundle));
    SHERD_TRY(sherd_anchor_recover(cli->operands[0], &bundle.in, &bundle.keys, &told));
    return tell_recovered(cli, &told);
}

const struct cli_command cmd_recover = {
    .name = "recover",
    .operands = "DIR FILE",
    .summary = "bring back lost seals, keyring or epoch key of a vault, from a backup",
    .notes =
        "DIR is the vault, FILE a backup of it. Seals come from a backup of any age, also an expired one; a keyring\n"
        "from one that was made after the last change of keys. Nothing in DIR is touched before everything was put\n"
        "together beside it and records were read. Stop all programs that use the vault before.",
    .options = recover_options,
    .operand_min = 2,
    .operand_max = 2,
    .run = run_recover,
};

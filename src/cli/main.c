/* SPDX-License-Identifier: Apache-2.0 */
/* The program: parse, run one command of the table, tell what came of it. */
#include "cli/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct cli_command *const cli_commands[] = {
    &cmd_init,         &cmd_put,
    &cmd_get,          &cmd_update,
    &cmd_rm,           &cmd_ls,
    &cmd_query,        &cmd_stat,
    &cmd_verify,       &cmd_scrub,
    &cmd_sweep,        &cmd_info,
    &cmd_import,       &cmd_export,
    &cmd_inspect,      &cmd_collection,
    &cmd_key,          &cmd_entity,
    &cmd_rekey,        &cmd_epoch,
    &cmd_seals,        &cmd_share,
    &cmd_rekey_shares, &cmd_user,
    &cmd_secret,       &cmd_encrypt_existing,
    &cmd_unseal,       &cmd_seal,
    &cmd_status,       &cmd_backup,
    &cmd_restore,      &cmd_recover,
    &cmd_receipt,      &cmd_prove,
    &cmd_history,      &cmd_diff,
    &cmd_audit,        &cmd_joins,
    &cmd_policy,       &cmd_witness,
    &cmd_keygen,       &cmd_help,
    &cmd_version,      NULL,
};

const struct cli_command *cli_command_find(const char *name)
{
    for (size_t i = 0; cli_commands[i] != NULL; i++)
        if (strcmp(cli_commands[i]->name, name) == 0)
            return cli_commands[i];
    return NULL;
}

/* A command line that does not parse may have said --json before or behind what is wrong with it. */
static bool wants_json(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--json") == 0)
            return true;
    return false;
}

static enum sherd_err run(struct cli *cli)
{
    enum sherd_err err = SHERD_OK;

    if (cli->help)
        cli_help(cli->command);
    else
        err = cli->command->run(cli);
    if (err == SHERD_OK)
        err = cli_flush(cli);
    return err;
}

int main(int argc, char **argv)
{
    struct cli cli = {0};
    enum sherd_err err = SHERD_OK;

    cli_harden();
    (void)setenv("TSS2_LOG", "all+none", 0); /* what a TPM fails with is told in our words, once */
    err = cli_parse(&cli, argc, argv);
    if (err != SHERD_OK)
        cli.json = wants_json(argc, argv);
    cli_signals_install(cli.json);
    if (err == SHERD_OK)
        err = run(&cli);
    if (err != SHERD_OK && !cli.silent)
        cli_report(&cli, err, cli.command != NULL ? cli.command->name : "usage");
    (void)fflush(stdout);
    if (err != SHERD_OK)
        cli_signal_raise();
    return (int)cli_exit_of(err);
}

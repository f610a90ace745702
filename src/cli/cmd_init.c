/* SPDX-License-Identifier: Apache-2.0 */
/* sherd init: make a vault. */
#include "cli/commands.h"
#include "cli/json.h"

enum { OPT_ENGINE };

static const struct cli_option options[] = {
    {"engine", 0, "NAME", "storage engine of the compartments (lmdb)"},
    {0},
};

static enum sherd_err run(struct cli *cli)
{
    SHERD_CLEANUP(cli_unseal_done) struct cli_unseal unseal = {0};
    const struct sherd_vault_init_options init = {.engine = cli_value(cli, OPT_ENGINE)};
    const char *path = NULL;

    SHERD_TRY(cli_vault_path(cli, &path));
    SHERD_TRY(cli_unseal_read(cli, true, &unseal));
    if (cli->key_file != NULL && cli_inside_vault(cli->key_file))
        cli_warn(cli,
                 "warning: the key file lies inside a vault: keep it elsewhere, a thief of one should not get both");
    SHERD_TRY(sherd_vault_init(path, &unseal.unseal, &init));
    if (cli->json)
        return cli_json_print("", json_pack("{s:o}", "vault", cli_json_bytes(sherd_span_str(path))), "\n");
    if (!cli->quiet) {
        cli_print("made a vault in ");
        cli_print_escaped(sherd_span_str(path));
        cli_print("\n");
    }
    return SHERD_OK;
}

const struct cli_command cmd_init = {
    .name = "init",
    .operands = "",
    .summary = "make a vault, sealed by a passphrase or a key file",
    .notes = "Without --passphrase-file, --passphrase-fd or --key-file the passphrase is asked for, twice.\n"
             "Nothing opens the vault without it: keep a copy in a safe place.",
    .options = options,
    .run = run,
};

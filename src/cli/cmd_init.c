/* SPDX-License-Identifier: Apache-2.0 */
/* sherd init: make a vault. */
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/shares.h"

enum { OPT_ENGINE = CLI_OPT_SHARES_END };

static const struct cli_option options[] = {
    CLI_SHARES_OPTIONS,
    [OPT_ENGINE] = {"engine", 0, "NAME", "storage engine of the compartments (lmdb)"},
    {0},
};

static enum sherd_err tell(struct cli *cli, const char *path, const struct cli_shares_out *shares)
{
    if (cli->json)
        return cli_json_print("",
                              json_pack("{s:o, s:I}", "vault", cli_json_bytes(sherd_span_str(path)), "shares",
                                        (json_int_t)shares->written),
                              "\n");
    if (!cli->quiet) {
        cli_print("made a vault in ");
        cli_print_escaped(sherd_span_str(path));
        cli_print("\n");
    }
    if (shares->wanted)
        cli_shares_out_tell(shares);
    return SHERD_OK;
}

static enum sherd_err by_shares(struct cli *cli, const char *path, struct cli_shares_out *shares)
{
    const struct sherd_vault_init_options init = {.engine = cli_value(cli, OPT_ENGINE),
                                                  .shares = &shares->options,
                                                  .share_give = cli_shares_give,
                                                  .share_arg = shares};

    SHERD_ENSURE(cli->passphrase_file == NULL && cli->passphrase_fd == NULL && cli->key_file == NULL &&
                     cli->share_file_count == 0,
                 SHERD_ERR_INVALID, "a vault begins with one seal: add another to it by `sherd seals add`");
    enum sherd_err err = cli_shares_out_begin(shares);
    if (err == SHERD_OK)
        err = sherd_vault_init(path, NULL, &init);
    if (err != SHERD_OK)
        cli_shares_out_undo(shares);
    return err;
}

static enum sherd_err by_other(struct cli *cli, const char *path)
{
    SHERD_CLEANUP(cli_unseal_done) struct cli_unseal unseal = {0};
    const struct sherd_vault_init_options init = {.engine = cli_value(cli, OPT_ENGINE)};

    SHERD_TRY(cli_unseal_read(cli, true, &unseal));
    if (cli->key_file != NULL && cli_inside_vault(cli->key_file))
        cli_warn(cli,
                 "warning: the key file lies inside a vault: keep it elsewhere, a thief of one should not get both");
    return sherd_vault_init(path, &unseal.unseal, &init);
}

static enum sherd_err run(struct cli *cli)
{
    SHERD_CLEANUP(cli_shares_out_done) struct cli_shares_out shares = {0};
    const char *path = NULL;

    SHERD_TRY(cli_vault_path(cli, &path));
    SHERD_TRY(cli_shares_out_parse(cli, false, &shares));
    SHERD_TRY(shares.wanted ? by_shares(cli, path, &shares) : by_other(cli, path));
    return tell(cli, path, &shares);
}

const struct cli_command cmd_init = {
    .name = "init",
    .operands = "",
    .summary = "make a vault, sealed by a passphrase, a key file or shares",
    .notes = "Without --passphrase-file, --passphrase-fd, --key-file, --shares or --parts a passphrase is asked for,\n"
             "twice. Nothing opens the vault without what seals it: keep a copy in a safe place.",
    .options = options,
    .run = run,
};

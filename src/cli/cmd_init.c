/* SPDX-License-Identifier: Apache-2.0 */
/* sherd init: make a vault. */
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/key_store.h"
#include "cli/shares.h"

enum { OPT_ENGINE = CLI_OPT_SHARES_END, OPT_FIPS };

static const struct cli_option options[] = {
    CLI_SHARES_OPTIONS,
    [OPT_ENGINE] = {"engine", 0, "NAME", "storage engine of the compartments (lmdb)"},
    [OPT_FIPS] = {"fips", 0, NULL, "FIPS mode, for ever: algorithms that NIST approves, and no other"},
    {0},
};

static enum sherd_err tell(struct cli *cli, const char *path, const struct cli_shares_out *shares,
                           const struct cli_key_store *key_store)
{
    if (cli->json)
        return cli_json_print("",
                              json_pack("{s:o, s:I, s:b, s:o}", "vault", cli_json_bytes(sherd_span_str(path)), "shares",
                                        (json_int_t)shares->written, "fips", cli_value(cli, OPT_FIPS) != NULL,
                                        "key_store",
                                        key_store->given != NULL ? cli_json_bytes(sherd_span_str(key_store->path))
                                                                 : json_null()),
                              "\n");
    if (!cli->quiet) {
        cli_print("made a vault in ");
        cli_print_escaped(sherd_span_str(path));
        cli_print(cli_value(cli, OPT_FIPS) != NULL ? ", in FIPS mode; no validated module is claimed\n" : "\n");
    }
    if (key_store->given != NULL && !cli->quiet) {
        cli_print("its protection key lies in ");
        cli_print_escaped(sherd_span_str(key_store->path));
        cli_print(": keep a copy, apart from the vault\n");
    }
    if (shares->wanted)
        cli_shares_out_tell(shares);
    return SHERD_OK;
}

static enum sherd_err by_shares(struct cli *cli, const char *path, const struct cli_key_store *key_store,
                                struct cli_shares_out *shares)
{
    const struct sherd_vault_init_options init = {.engine = cli_value(cli, OPT_ENGINE),
                                                  .shares = &shares->options,
                                                  .share_give = cli_shares_give,
                                                  .share_arg = shares,
                                                  .fips = cli_value(cli, OPT_FIPS) != NULL,
                                                  .key_store = key_store->given};

    SHERD_ENSURE(cli->passphrase_file == NULL && cli->passphrase_fd == NULL && cli->key_file == NULL &&
                     cli->share_file_count == 0,
                 SHERD_ERR_INVALID, "a vault begins with one seal: add another to it by `sherd seals add`");
    shares->fips = init.fips;
    enum sherd_err err = cli_shares_out_begin(shares);
    if (err == SHERD_OK)
        err = sherd_vault_init(path, NULL, &init);
    if (err != SHERD_OK)
        cli_shares_out_undo(shares);
    return err;
}

static enum sherd_err by_other(struct cli *cli, const char *path, const struct cli_key_store *key_store)
{
    SHERD_CLEANUP(cli_unseal_done) struct cli_unseal unseal = {0};
    const struct sherd_vault_init_options init = {.engine = cli_value(cli, OPT_ENGINE),
                                                  .fips = cli_value(cli, OPT_FIPS) != NULL,

                                                  .key_store = key_store->given};

    SHERD_TRY(cli_unseal_read(cli, true, &unseal));
    if (cli->key_file != NULL && cli_inside_vault(cli->key_file))
        cli_warn(cli,
                 "warning: the key file lies inside a vault: keep it elsewhere, a thief of one should not get both");
    return sherd_vault_init(path, &unseal.unseal, &init);
}

/* A vault that is being made remembers no key store: where there is to be one, its file is named. */
static enum sherd_err read_key_store(const struct cli *cli, struct cli_key_store *key_store)
{
    const bool wanted = cli->key_store != NULL || cli->key_store_password_file != NULL ||
                        cli->key_store_password_fd != NULL;

    SHERD_TRY(cli_key_store_read(cli, wanted, key_store));
    if (wanted)
        cli_key_store_warn(cli, key_store);
    return SHERD_OK;
}

static enum sherd_err run(struct cli *cli)
{
    SHERD_CLEANUP(cli_shares_out_done) struct cli_shares_out shares = {0};
    SHERD_CLEANUP(cli_key_store_done) struct cli_key_store key_store = {0};
    const char *path = NULL;

    SHERD_TRY(cli_vault_path(cli, &path));
    SHERD_TRY(cli_shares_out_parse(cli, false, &shares));
    SHERD_TRY(read_key_store(cli, &key_store));
    SHERD_TRY(shares.wanted ? by_shares(cli, path, &key_store, &shares) : by_other(cli, path, &key_store));
    return tell(cli, path, &shares, &key_store);
}

const struct cli_command cmd_init = {
    .name = "init",
    .operands = "",
    .summary = "make a vault, sealed by a passphrase, a key file or shares",
    .notes = "Without --passphrase-file, --passphrase-fd, --key-file, --shares or --parts a passphrase is asked for,\n"
             "twice. Nothing opens the vault without what seals it: keep a copy in a safe place.\n"
             "With --key-store the key that protects master keys lies in that PKCS#12 file, which is made, or added\n"
             "to; then the vault opens only with it and its password, too.",
    .options = options,
    .run = run,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* sherd rekey-shares: new shares in the place of old ones, when each of them was confirmed. */
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/shares.h"

#include <string.h>

enum { OPT_SEAL = CLI_OPT_SHARES_END, OPT_CONFIRM, OPT_ABANDON };

static const struct cli_option options[] = {
    CLI_SHARES_OPTIONS,
    [OPT_SEAL] = {"seal", 0, "N", "the seal, where several are by shares"},
    [OPT_CONFIRM] = {"confirm", 0, "FILE", "give new shares back, to confirm them; - is standard input"},
    [OPT_ABANDON] = {"abandon", 0, NULL, "give the new shares up: the old ones stay"},
    {0},
};

static enum sherd_err tell_progress(const struct cli *cli, const struct sherd_shares_progress *progress)
{
    if (cli->json)
        return cli_json_print("",
                              json_pack("{s:I, s:I, s:I, s:b, s:s, s:s}", "seal", (json_int_t)progress->number,
                                        "confirmed", (json_int_t)progress->given, "needed",
                                        (json_int_t)progress->needed, "done", progress->done, "holders",
                                        progress->holders, "missing", progress->missing),
                              "\n");
    if (cli->quiet)
        return SHERD_OK;
    if (progress->done)
        cli_print("all %u new shares are confirmed: the old ones open the vault no more\n", progress->count);
    else if (progress->given > 0)
        cli_print("%u of %u new shares: %s; missing: %s\n", progress->given, progress->needed, progress->holders,
                  progress->missing);
    else
        cli_print("0 of %u new shares; missing: %s\n", progress->needed, progress->missing);
    return SHERD_OK;
}

/* The files of --confirm. */
static enum sherd_err files_of(const struct cli *cli, const char *files[static CLI_SHARE_FILES_MAX], size_t *out_count)
{
    *out_count = 0;
    for (size_t i = 0; i < cli->given_count; i++) {
        if (cli->given[i].option != &cli->command->options[OPT_CONFIRM])
            continue;
        SHERD_TRY(cli_check_no_share(cli->given[i].value));
        SHERD_ENSURE(*out_count < CLI_SHARE_FILES_MAX, SHERD_ERR_INVALID, "too many files of shares");
        files[(*out_count)++] = cli->given[i].value;
    }
    return SHERD_OK;
}

static enum sherd_err confirm(const struct cli *cli, const char *path, unsigned seal, const char *const *files,
                              size_t count)
{
    SHERD_CLEANUP(cli_shares_done) struct cli_shares shares = {0};
    struct sherd_shares_progress progress;

    SHERD_TRY(cli_shares_read(cli, files, count, &shares));
    SHERD_TRY(sherd_shares_confirm(path, seal, sherd_buf_span(&shares.text), &progress));
    return tell_progress(cli, &progress);
}

static enum sherd_err abandon(const struct cli *cli, unsigned seal)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;

    SHERD_TRY(cli_vault_unseal(cli, false, &vault));
    SHERD_TRY(sherd_shares_abandon(vault, seal));
    if (cli->json)
        return cli_json_print("", json_pack("{s:b}", "abandoned", 1), "\n");
    if (!cli->quiet)
        cli_print("the new shares are given up: destroy them. The old ones stay\n");
    return SHERD_OK;
}

struct seek {
    unsigned wanted; /* 0 for any */
    struct cli_shares_out *out;
};

static enum sherd_err take_same(void *arg, const struct sherd_seal_info *info)
{
    const struct seek *seek = arg;

    if (info->count == 0 || (seek->wanted != 0 && info->number != seek->wanted))
        return SHERD_OK;
    return cli_shares_out_same(info, seek->out);
}

static enum sherd_err begin(const struct cli *cli, const char *path, unsigned seal, struct cli_shares_out *shares)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    struct seek seek = {.wanted = seal, .out = shares};

    if (!shares->wanted)
        SHERD_TRY(sherd_seal_each(path, take_same, &seek));
    SHERD_TRY(cli_vault_unseal(cli, false, &vault));
    SHERD_TRY(cli_vault_fips(vault, &shares->fips));
    enum sherd_err err = cli_shares_out_begin(shares);
    if (err == SHERD_OK)
        err = sherd_shares_rekey(vault, seal, shares->wanted ? &shares->options : NULL, cli_shares_give, shares);
    if (err != SHERD_OK) {
        cli_shares_out_undo(shares);
        return err;
    }
    if (cli->json)
        return cli_json_print("", json_pack("{s:I}", "shares", (json_int_t)shares->options.count), "\n");
    cli_shares_out_tell(shares);
    if (!cli->quiet)
        cli_print("the old shares stay until each new one is confirmed: sherd rekey-shares --confirm FILE\n");
    return SHERD_OK;
}

/* Go on with new shares that wait, or make some. */
static enum sherd_err go_on(const struct cli *cli, const char *path, unsigned seal, struct cli_shares_out *shares)
{
    struct sherd_shares_progress progress;
    const enum sherd_err err = sherd_shares_confirm(path, seal, sherd_span_of(NULL, 0), &progress);

    if (err == SHERD_ERR_NOT_FOUND)
        return begin(cli, path, seal, shares);
    SHERD_TRY(err);
    SHERD_ENSURE(progress.done || (!shares->wanted && cli_value(cli, CLI_OPT_SHARES_OUT) == NULL), SHERD_ERR_CONFLICT,
                 "new shares are waiting to be confirmed: give them back by --confirm, or --abandon them");
    return tell_progress(cli, &progress);
}

static enum sherd_err run(struct cli *cli)
{
    SHERD_CLEANUP(cli_shares_out_done) struct cli_shares_out shares = {0};
    const char *files[CLI_SHARE_FILES_MAX];
    const bool gives_up = cli_value(cli, OPT_ABANDON) != NULL;
    const char *path = NULL;
    uint64_t seal = 0;
    size_t count = 0;

    SHERD_TRY(cli_vault_path(cli, &path));
    SHERD_TRY(cli_value_number(cli, OPT_SEAL, 1, SHERD_SEALS_MAX, 0, &seal));
    SHERD_TRY(files_of(cli, files, &count));
    SHERD_TRY(cli_shares_out_parse(cli, true, &shares));
    SHERD_ENSURE((count > 0) + gives_up + shares.wanted <= 1, SHERD_ERR_INVALID,
                 "new shares are made, confirmed or abandoned: ask for one of these");
    if (count > 0)
        return confirm(cli, path, (unsigned)seal, files, count);
    return gives_up ? abandon(cli, (unsigned)seal) : go_on(cli, path, (unsigned)seal, &shares);
}

const struct cli_command cmd_rekey_shares = {
    .name = "rekey-shares",
    .operands = "",
    .summary = "make new shares, which replace the old ones when each is confirmed",
    .notes =
        "Without options: new shares for the same holders, or how far their confirmation is. To confirm, the vault\n"
        "need not be unsealed.",
    .options = options,
    .run = run,
};

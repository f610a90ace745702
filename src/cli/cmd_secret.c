/* SPDX-License-Identifier: Apache-2.0 */
/* sherd secret: small values under a path, for programs. */
#include "cli/commands.h"
#include "cli/io.h"
#include "cli/json.h"
#include "cli/text.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { OPT_KEY, OPT_FILE, OPT_VERSION };

static const struct cli_option options[] = {
    [OPT_KEY] = {"key", 'k', "NAME", "set: the named key that it lies under"},
    [OPT_FILE] = {"file", 'f', "FILE", "set: read the value from a file, not from standard input"},
    [OPT_VERSION] = {"version", 0, "N", "get: this version, not the current one"},
    {0},
};

static enum sherd_err set(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    SHERD_CLEANUP(cli_fd_closep) int fd = -1;
    SHERD_CLEANUP(cli_secret_freep) uint8_t *block = sherd_secret_alloc(SHERD_SECRET_BYTES_MAX + 1);
    const char *path = cli_value(cli, OPT_FILE);
    uint64_t version = 0;
    size_t len = 0;

    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(cli_input_open(cli, path, &fd));
    SHERD_TRY(cli_read_full(fd, cli_input_name(path), block, SHERD_SECRET_BYTES_MAX + 1, &len));
    SHERD_ENSURE(len <= SHERD_SECRET_BYTES_MAX, SHERD_ERR_LIMIT, "a secret has at most 64 KiB");
    SHERD_TRY(cli_vault_open(cli, false, &vault));
    SHERD_TRY(sherd_secret_set(vault, cli->operands[1], cli_value(cli, OPT_KEY), sherd_span_of(block, len), &version));
    if (cli->json)
        return cli_json_print("", json_pack("{s:s, s:I}", "path", cli->operands[1], "version", (json_int_t)version),
                              "\n");
    if (!cli->quiet)
        cli_print("set %s, version %" PRIu64 "\n", cli->operands[1], version);
    return SHERD_OK;
}

/* The value and nothing else, so that a script has it as it was set. */
static enum sherd_err get(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    SHERD_CLEANUP(cli_secret_freep) uint8_t *block = sherd_secret_alloc(SHERD_SECRET_BYTES_MAX);
    uint64_t version = 0;

    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    struct sherd_buf value = sherd_buf_borrow(block, SHERD_SECRET_BYTES_MAX);
    SHERD_TRY(cli_value_number(cli, OPT_VERSION, 1, UINT64_MAX, 0, &version));
    SHERD_TRY(cli_vault_open_to_give(cli, &vault));
    SHERD_TRY(sherd_secret_get(vault, cli->operands[1], version, &value));
    if (cli->json)
        return cli_json_print("",
                              json_pack("{s:s, s:o}", "path", cli->operands[1], "value",
                                        cli_json_bytes(sherd_buf_span(&value))),
                              "\n");
    const enum sherd_err err = cli_write_full(STDOUT_FILENO, "standard output", value.data, value.len);
    if (err == SHERD_ERR_IO && errno == EPIPE)
        cli->silent = true;
    return err;
}

static enum sherd_err destroy(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;

    SHERD_TRY(cli_vault_open(cli, false, &vault));
    SHERD_TRY(sherd_secret_delete(vault, cli->operands[1]));
    return cli->json ? cli_json_print("", json_pack("{s:s, s:b}", "path", cli->operands[1], "removed", 1), "\n")
                     : SHERD_OK;
}

struct listing {
    const struct cli *cli;
    uint64_t count;
};

static enum sherd_err visit(void *arg, const struct sherd_secret_info *info)
{
    struct listing *listing = arg;
    char time[CLI_TIME_TEXT_SIZE];

    listing->count++;
    cli_format_time(info->created_s, time);
    if (listing->cli->json)
        return cli_json_print(listing->count > 1 ? ",\n " : "\n ",
                              json_pack("{s:s, s:I, s:I, s:I, s:I}", "path", info->path, "version",
                                        (json_int_t)info->version_current, "oldest", (json_int_t)info->version_oldest,
                                        "bytes", (json_int_t)info->value_bytes, "created", (json_int_t)info->created_s),
                              "");
    cli_print("%s  version %" PRIu64 "  %s\n", info->path, info->version_current, time);
    return SHERD_OK;
}

static enum sherd_err list(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    struct listing listing = {.cli = cli};

    SHERD_TRY(cli_vault_open(cli, true, &vault));
    if (cli->json)
        cli_print("{\"secrets\": [");
    SHERD_TRY(sherd_secret_each(vault, cli->operand_count > 1 ? cli->operands[1] : NULL, visit, &listing));
    if (cli->json)
        cli_print("\n]}\n");
    return SHERD_OK;
}

/* Options of one verb given with another are a mistake. */
static enum sherd_err check_options(const struct cli *cli, bool sets, bool gets)
{
    SHERD_ENSURE(sets || (cli_value(cli, OPT_KEY) == NULL && cli_value(cli, OPT_FILE) == NULL), SHERD_ERR_INVALID,
                 "--key and --file are for `secret set`");
    SHERD_ENSURE(gets || cli_value(cli, OPT_VERSION) == NULL, SHERD_ERR_INVALID, "--version is for `secret get`");
    return SHERD_OK;
}

static enum sherd_err run(struct cli *cli)
{
    const char *verb = cli->operands[0];
    const bool sets = strcmp(verb, "set") == 0;
    const bool gets = strcmp(verb, "get") == 0;
    const bool lists = strcmp(verb, "list") == 0;

    SHERD_ENSURE(!sets || cli->operand_count <= 2, SHERD_ERR_INVALID,
                 "a value is never taken from the command line, where others can see it: give it on standard input");
    SHERD_ENSURE(lists || ((sets || gets || strcmp(verb, "rm") == 0) && cli->operand_count == 2), SHERD_ERR_INVALID,
                 "write `secret set PATH`, `secret get PATH`, `secret list [PREFIX]` or `secret rm PATH`");
    SHERD_TRY(check_options(cli, sets, gets));
    if (sets)
        return set(cli);
    if (gets)
        return get(cli);
    return lists ? list(cli) : destroy(cli);
}

const struct cli_command cmd_secret = {
    .name = "secret",
    .operands = "set PATH | get PATH | list [PREFIX] | rm PATH",
    .summary = "keep small values under a path, with versions",
    .notes =
        "`set` reads the value from standard input, `get` prints it and nothing else. The last 10 versions are kept.\n"
        "With --key, who may read and write it is what `sherd key grant` says.",
    .options = options,
    .operand_min = 1,
    .operand_max = 3,
    .run = run,
};

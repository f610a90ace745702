/* SPDX-License-Identifier: Apache-2.0 */
/* sherd user: who may ask, and how each shows who it is. */
#include "cli/commands.h"
#include "cli/io.h"
#include "cli/json.h"
#include "cli/text.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { OPT_PASSPHRASE_FILE, OPT_PUBLIC_KEY };

static const struct cli_option options[] = {
    [OPT_PASSPHRASE_FILE] = {"new-passphrase-file", 0, "FILE", "create: read the user's passphrase from a file"},
    [OPT_PUBLIC_KEY] = {"public-key", 0, "FILE", "create: the user shows who it is by the key pair of this public key"},
    {0},
};

struct listing {
    struct cli *cli;
    const char *name; /* only this one; NULL for all */
    uint64_t count;
    bool damaged; /* the last one that was shown */
};

static const char *credential_of(const struct sherd_user_info *info)
{
    if (info->owner)
        return "seal";
    return info->passphrase ? "passphrase" : "key";
}

static enum sherd_err visit(void *arg, const struct sherd_user_info *info)
{
    struct listing *listing = arg;
    char time[CLI_TIME_TEXT_SIZE];
    char id[SHERD_UUID_TEXT_SIZE];
    char public_key[2 * sizeof(info->public_key) + 1];

    if (listing->name != NULL && strcmp(listing->name, info->name) != 0)
        return SHERD_OK;
    listing->count++;
    listing->damaged = info->damaged;
    cli_format_time((int64_t)info->created_s, time);
    sherd_uuid_format(info->id, id);
    for (size_t i = 0; i < sizeof(info->public_key); i++)
        (void)snprintf(public_key + 2 * i, 3, "%02x", info->public_key[i]);
    if (listing->cli->json)
        return cli_json_print(listing->count > 1 ? ",\n " : "\n ",
                              json_pack("{s:s, s:s, s:s?, s:b, s:b, s:o, s:I}", "user", info->name, "id", id,
                                        "credential", info->damaged ? NULL : credential_of(info), "disabled",
                                        info->disabled, "damaged", info->damaged, "public_key",
                                        info->owner || info->damaged ? json_null() : json_string(public_key), "created",
                                        (json_int_t)info->created_s),
                              "");
    if (info->damaged) {
        cli_print("%-24s damaged: its entry in identity does not verify%s\n", info->name,
                  info->disabled ? "; disabled" : "");
        return SHERD_OK;
    }
    if (listing->name == NULL) {
        cli_print("%-24s %-10s  %s%s\n", info->name, credential_of(info), time, info->disabled ? "  disabled" : "");
        return SHERD_OK;
    }
    cli_print("user            %s%s\nid              %s\nmade            %s\nshows who it is by %s\n", info->name,
              info->disabled ? " (disabled)" : "", id, time, credential_of(info));
    if (!info->owner)
        cli_print("public key      sherd-user-1:%s\n", public_key);
    return SHERD_OK;
}

static enum sherd_err list(struct cli *cli, struct sherd_vault *vault)
{
    struct listing listing = {.cli = cli, .name = cli->operand_count > 1 ? cli->operands[1] : NULL};

    if (cli->json)
        cli_print("{\"users\": [");
    const enum sherd_err err = sherd_user_each(vault, visit, &listing);
    if (err != SHERD_OK && err != SHERD_ERR_TAMPERED)
        return err;
    if (cli->json)
        cli_print("\n]}\n");
    if (err != SHERD_OK && (listing.name == NULL || listing.count == 0 || listing.damaged)) /* not some other user's */
        return err;
    if (listing.count == 0 && listing.name != NULL)
        return sherd_fail(SHERD_ERR_NOT_FOUND, "there is no such user");
    return SHERD_OK;
}

/* The text of a public key, which is no secret. One byte more than it has shows a file that is longer. */
static enum sherd_err read_public(const char *path, uint8_t block[static SHERD_USER_PUBLIC_TEXT_BYTES + 1],
                                  struct sherd_span *out_text)
{
    SHERD_CLEANUP(cli_fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    size_t len = 0;

    if (fd < 0)
        return sherd_fail_errno(SHERD_ERR_IO, "public key %.120s", path);
    SHERD_TRY(cli_read_full(fd, "public key", block, SHERD_USER_PUBLIC_TEXT_BYTES + 1, &len));
    SHERD_ENSURE(len > 0, SHERD_ERR_INVALID, "the file of the public key is empty");
    *out_text = sherd_span_of(block, len);
    return SHERD_OK;
}

static enum sherd_err create(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    SHERD_CLEANUP(cli_secret_freep) uint8_t *block = NULL;
    uint8_t public_block[SHERD_USER_PUBLIC_TEXT_BYTES + 1];
    struct sherd_user_new user = {.name = cli->operands[1]};
    const char *public_path = cli_value(cli, OPT_PUBLIC_KEY);
    const char *passphrase_path = cli_value(cli, OPT_PASSPHRASE_FILE);

    SHERD_ENSURE(public_path == NULL || passphrase_path == NULL, SHERD_ERR_INVALID,
                 "give one of --new-passphrase-file and --public-key");
    if (public_path != NULL) {
        SHERD_TRY(read_public(public_path, public_block, &user.public_key));
    } else {
        block = sherd_secret_alloc(2 * CLI_SECRET_BYTES);
        if (block == NULL)
            return SHERD_ERR_NO_MEMORY;
        SHERD_TRY(cli_user_passphrase_read(cli, passphrase_path, block, &user.passphrase));
    }
    SHERD_TRY(cli_vault_open(cli, false, &vault));
    SHERD_TRY(sherd_user_create(vault, &user));
    return cli->quiet ? SHERD_OK : list(cli, vault);
}

static enum sherd_err disable(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;

    SHERD_TRY(cli_vault_open(cli, false, &vault));
    SHERD_TRY(sherd_user_disable(vault, cli->operands[1]));
    if (cli->json)
        return cli_json_print("", json_pack("{s:s, s:b}", "user", cli->operands[1], "disabled", 1), "\n");
    if (!cli->quiet)
        cli_print("disabled %s: it is let in no more, and what it has open finds nothing\n", cli->operands[1]);
    return SHERD_OK;
}

static enum sherd_err run(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    const char *verb = cli->operands[0];
    const bool makes = strcmp(verb, "create") == 0 && cli->operand_count == 2;
    const bool reads = (strcmp(verb, "list") == 0 && cli->operand_count == 1) ||
                       (strcmp(verb, "show") == 0 && cli->operand_count == 2);
    const bool disables = strcmp(verb, "disable") == 0 && cli->operand_count == 2;

    SHERD_ENSURE(makes || reads || disables, SHERD_ERR_INVALID,
                 "write `user create NAME`, `user list`, `user show NAME` or `user disable NAME`");
    SHERD_ENSURE(makes || cli->given_count == 0, SHERD_ERR_INVALID, "only `user create` takes options");
    if (makes)
        return create(cli);
    if (disables)
        return disable(cli);
    SHERD_TRY(cli_vault_open(cli, true, &vault));
    return list(cli, vault);
}

const struct cli_command cmd_user = {
    .name = "user",
    .operands = "create NAME | list | show NAME | disable NAME",
    .summary = "make, list and disable users",
    .notes =
        "Who opens the vault and names no --user is its owner. A user has a passphrase or a key pair of its own, and\n"
        "finds what lies under the named keys that it owns or was granted: `sherd key grant`.",
    .options = options,
    .operand_min = 1,
    .operand_max = 2,
    .run = run,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* sherd seals: list, add and remove what opens the vault. */
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/shares.h"
#include "cli/text.h"

#include <string.h>

enum { OPT_PASSPHRASE = CLI_OPT_SHARES_END, OPT_PASSPHRASE_FILE, OPT_KEY_FILE };

static const struct cli_option options[] = {
    CLI_SHARES_OPTIONS,
    [OPT_PASSPHRASE] = {"new-passphrase", 0, NULL, "add: seal by a passphrase, which is asked for"},
    [OPT_PASSPHRASE_FILE] = {"new-passphrase-file", 0, "FILE", "add: seal by the passphrase in a file"},
    [OPT_KEY_FILE] = {"new-key-file", 0, "FILE", "add: seal by a key file of `sherd keygen`"},
    {0},
};

/* ---- list -------------------------------------------------------------------------------------------------------- */

static json_t *holders_json(const char *const *holders, unsigned count, const bool *confirmed)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < count && array != NULL; i++) {
        json_t *holder = confirmed == NULL ? json_string(holders[i])
                                           : json_pack("{s:s, s:b}", "holder", holders[i], "confirmed", confirmed[i]);

        if (json_array_append_new(array, holder) != 0) {
            json_decref(array);
            array = NULL;
        }
    }
    return array;
}

static const char *kind_text(enum sherd_seal_kind kind)
{
    switch (kind) {
    case SHERD_SEAL_PASSPHRASE: return "passphrase";
    case SHERD_SEAL_KEY_FILE: return "key-file";
    case SHERD_SEAL_SHARES: return "shares";
    case SHERD_SEAL_PARTS: return "parts";
    case SHERD_SEAL_UNKNOWN: break;
    }
    return "unknown";
}

static json_t *seal_json(const struct sherd_seal_info *info)
{
    char set[2 * sizeof(info->set_id) + 1];

    if (info->count == 0)
        return json_pack("{s:I, s:s, s:s}", "seal", (json_int_t)info->number, "kind", kind_text(info->kind), "text",
                         info->text);
    cli_format_hex(sherd_span_of(info->set_id, sizeof(info->set_id)), set);
    json_t *object = json_pack("{s:I, s:s, s:s, s:I, s:I, s:I, s:s, s:o}", "seal", (json_int_t)info->number, "kind",
                               kind_text(info->kind), "text", info->text, "threshold", (json_int_t)info->threshold,
                               "count", (json_int_t)info->count, "generation", (json_int_t)info->generation, "set", set,
                               "holders", holders_json(info->holders, info->count, NULL));
    if (object != NULL && info->rekeying)
        (void)json_object_set_new(object, "new_shares",
                                  json_pack("{s:I, s:I, s:I, s:o}", "threshold", (json_int_t)info->new_threshold,
                                            "count", (json_int_t)info->new_count, "generation",
                                            (json_int_t)info->new_generation, "holders",
                                            holders_json(info->new_holders, info->new_count, info->new_confirmed)));
    return object;
}

static void print_holders(const char *const *holders, unsigned count, const bool *confirmed, bool which)
{
    const char *between = " ";

    for (unsigned i = 0; i < count; i++) {
        if (confirmed != NULL && confirmed[i] != which)
            continue;
        if (holders[i][0] != 0)
            cli_print("%s%s", between, holders[i]);
        else
            cli_print("%sshare %u", between, i + 1);
        between = ", ";
    }
}

static void print_seal(const struct sherd_seal_info *info)
{
    unsigned confirmed = 0;

    cli_print("%2u  %s", info->number, info->text);
    if (info->count > 0) {
        cli_print(":");
        print_holders(info->holders, info->count, NULL, true);
        cli_print("; generation %u", info->generation);
    }
    cli_print("\n");
    if (!info->rekeying)
        return;
    for (unsigned i = 0; i < info->new_count; i++)
        confirmed += info->new_confirmed[i];
    cli_print("    new shares: %u of %u confirmed", confirmed, info->new_count);
    if (confirmed < info->new_count) {
        cli_print("; missing:");
        print_holders(info->new_holders, info->new_count, info->new_confirmed, false);
    }
    cli_print("\n");
}

struct listing {
    bool json;
    size_t count;
};

static enum sherd_err list_one(void *arg, const struct sherd_seal_info *info)
{
    struct listing *listing = arg;

    if (listing->json)
        return cli_json_print(listing->count++ > 0 ? ",\n  " : "\n  ", seal_json(info), "");
    print_seal(info);
    return SHERD_OK;
}

static enum sherd_err list(struct cli *cli)
{
    struct listing listing = {.json = cli->json};
    const char *path = NULL;

    SHERD_ENSURE(cli->given_count == 0, SHERD_ERR_INVALID, "`seals list` has no options of its own");
    SHERD_TRY(cli_vault_path(cli, &path));
    if (cli->json)
        cli_print("{\"seals\": [");
    SHERD_TRY(sherd_seal_each(path, list_one, &listing));
    if (cli->json)
        cli_print("\n]}\n");
    return SHERD_OK;
}

/* ---- add --------------------------------------------------------------------------------------------------------- */

/* What the new seal is opened by, read as for `init`. */
static enum sherd_err read_new(const struct cli *cli, struct cli_unseal *out_unseal)
{
    struct cli fresh = *cli;

    fresh.passphrase_file = cli_value(cli, OPT_PASSPHRASE_FILE);
    fresh.passphrase_fd = NULL;
    fresh.key_file = cli_value(cli, OPT_KEY_FILE);
    fresh.share_file_count = 0;
    fresh.share_identity = NULL;
    fresh.pin_file_count = 0;
    fresh.pin_fd = NULL;
    return cli_unseal_read(&fresh, true, out_unseal);
}

static enum sherd_err add_shares(const struct cli *cli, struct cli_shares_out *shares, unsigned *out_number)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;

    SHERD_TRY(cli_vault_unseal(cli, false, &vault));
    SHERD_TRY(cli_vault_fips(vault, &shares->fips));
    enum sherd_err err = cli_shares_out_begin(shares);
    if (err == SHERD_OK)
        err = sherd_seal_add_shares(vault, &shares->options, cli_shares_give, shares, out_number);
    if (err != SHERD_OK)
        cli_shares_out_undo(shares);
    return err;
}

static enum sherd_err add_other(const struct cli *cli, unsigned *out_number)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    SHERD_CLEANUP(cli_unseal_done) struct cli_unseal unseal = {0};

    SHERD_TRY(cli_vault_unseal(cli, false, &vault));
    SHERD_TRY(read_new(cli, &unseal));
    return sherd_seal_add(vault, &unseal.unseal, out_number);
}

static enum sherd_err add(struct cli *cli)
{
    SHERD_CLEANUP(cli_shares_out_done) struct cli_shares_out shares = {0};
    unsigned number = 0;

    SHERD_ENSURE(cli->operand_count == 1, SHERD_ERR_INVALID, "write `seals add` with the options of the new seal");
    SHERD_TRY(cli_shares_out_parse(cli, false, &shares));
    SHERD_ENSURE(shares.wanted + (cli_value(cli, OPT_PASSPHRASE) != NULL) +
                         (cli_value(cli, OPT_PASSPHRASE_FILE) != NULL) + (cli_value(cli, OPT_KEY_FILE) != NULL) ==
                     1,
                 SHERD_ERR_INVALID,
                 "give one of --new-passphrase, --new-passphrase-file, --new-key-file, --shares and --parts");
    SHERD_TRY(shares.wanted ? add_shares(cli, &shares, &number) : add_other(cli, &number));
    if (cli->json)
        return cli_json_print("", json_pack("{s:I}", "seal", (json_int_t)number), "\n");
    if (!cli->quiet)
        cli_print("added seal %u\n", number);
    if (shares.wanted)
        cli_shares_out_tell(&shares);
    return SHERD_OK;
}

/* ---- remove ------------------------------------------------------------------------------------------------------ */

static enum sherd_err drop(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    uint64_t number = 0;

    SHERD_ENSURE(cli->operand_count == 2 && cli->given_count == 0 &&
                     cli_parse_number(cli->operands[1], 1, SHERD_SEALS_MAX, &number),
                 SHERD_ERR_INVALID, "write `seals remove N`, with a number of `seals list`");
    SHERD_TRY(cli_vault_unseal(cli, false, &vault));
    SHERD_TRY(sherd_seal_remove(vault, (unsigned)number));
    if (cli->json)
        return cli_json_print("", json_pack("{s:I}", "removed", (json_int_t)number), "\n");
    if (!cli->quiet)
        cli_print("removed seal %u; it still opens older copies of the vault\n", (unsigned)number);
    return SHERD_OK;
}

static enum sherd_err run(struct cli *cli)
{
    if (strcmp(cli->operands[0], "list") == 0 && cli->operand_count == 1)
        return list(cli);
    if (strcmp(cli->operands[0], "add") == 0)
        return add(cli);
    if (strcmp(cli->operands[0], "remove") == 0)
        return drop(cli);
    return sherd_fail(SHERD_ERR_INVALID, "write `seals list`, `seals add` or `seals remove N`");
}

const struct cli_command cmd_seals = {
    .name = "seals",
    .operands = "list|add|remove [N]",
    .summary = "list, add and remove what opens the vault",
    .notes = "Each seal opens the vault alone. The last one cannot be removed.",
    .options = options,
    .operand_min = 1,
    .operand_max = 2,
    .run = run,
};

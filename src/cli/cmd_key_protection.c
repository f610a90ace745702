/* SPDX-License-Identifier: Apache-2.0 */
/* sherd key protection: the key that encrypts master keys where they are kept. */
#include "cli/json.h"
#include "cli/key_store.h"
#include "cli/text.h"

#include <inttypes.h>
#include <string.h>

struct listing {
    struct cli *cli;
    uint64_t version; /* only this one; 0 for all */
    bool current;     /* only the one that protects */
    bool whole;       /* show all of it, not one line */
    uint64_t count;
};

static json_t *to_json(const struct sherd_protection_info *info)
{
    return json_pack("{s:I, s:b, s:s, s:o, s:I, s:I, s:I}", "version", (json_int_t)info->version, "serves",
                     info->serves, "where", info->outside ? "key-store" : "keyring", "key_store",
                     info->outside ? cli_json_bytes(sherd_span_str(info->key_store)) : json_null(), "created",
                     (json_int_t)info->created_s, "master_keys", (json_int_t)info->master_count, "old_copies",
                     (json_int_t)info->old_count);
}

static void print_whole(const struct sherd_protection_info *info, const char *time)
{
    cli_print("protection key  version %" PRIu64 "%s\nmade            %s\nlies in         ", info->version,
              info->serves ? "" : ", an old one", time);
    if (info->outside) {
        cli_print("the key store ");
        cli_print_escaped(sherd_span_str(info->key_store));
        cli_print("\n");
    } else {
        cli_print("the keyring\n");
    }
    cli_print("protects        %" PRIu32 " versions of master keys\n", info->master_count);
    if (info->old_count > 0)
        cli_print("left            %" PRIu32 " old copies, which the next rotation destroys\n", info->old_count);
}

static enum sherd_err visit(void *arg, const struct sherd_protection_info *info)
{
    struct listing *listing = arg;
    char time[CLI_TIME_TEXT_SIZE];

    if ((listing->version != 0 && listing->version != info->version) || (listing->current && !info->serves))
        return SHERD_OK;
    cli_format_time((int64_t)info->created_s, time);
    listing->count++;
    if (listing->cli->json)
        return cli_json_print(listing->count > 1 ? ",\n " : "\n ", to_json(info), "");
    if (listing->whole)
        print_whole(info, time);
    else
        cli_print("%6" PRIu64 "  %-6s  %-9s  %s  %" PRIu32 " master keys, %" PRIu32 " old copies\n", info->version,
                  info->serves ? "serves" : "old", info->outside ? "key store" : "keyring", time, info->master_count,
                  info->old_count);
    return SHERD_OK;
}

static enum sherd_err list(struct sherd_vault *vault, struct listing *listing)
{
    if (listing->cli->json)
        cli_print("{\"protection\": [");
    SHERD_TRY(sherd_protection_each(vault, visit, listing));
    if (listing->cli->json)
        cli_print("\n]}\n");
    return listing->count > 0 ? SHERD_OK
                              : sherd_fail(SHERD_ERR_NOT_FOUND, "there is no such version of the protection key");
}

static enum sherd_err show(struct cli *cli, bool whole)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    struct listing listing = {.cli = cli, .whole = whole, .current = whole && cli->operand_count == 2};

    SHERD_ENSURE(cli->operand_count == 2 ||
                     (whole && cli_parse_number(cli->operands[2], 1, UINT32_MAX, &listing.version)),
                 SHERD_ERR_INVALID, "write `key protection list` or `key protection show [VERSION]`");
    SHERD_TRY(cli_vault_open(cli, true, &vault));
    return list(vault, &listing);
}

static enum sherd_err rotate(struct cli *cli, bool use_key_store)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    SHERD_CLEANUP(cli_key_store_done) struct cli_key_store key_store = {0};
    struct listing listing = {.cli = cli, .whole = true, .current = true};
    struct cli opening = *cli;

    if (use_key_store && cli->key_store_password_fd != NULL) { /* what is read once is gone; it is off, so far */
        opening.key_store = NULL;
        opening.key_store_password_fd = NULL;
    }
    if (use_key_store) {
        SHERD_TRY(cli_key_store_read(cli, true, &key_store));
        cli_key_store_warn(cli, &key_store);
    }
    SHERD_TRY(cli_vault_open(&opening, false, &vault));
    SHERD_TRY(use_key_store ? sherd_protection_use_key_store(vault, key_store.given, NULL)
                            : sherd_protection_rotate(vault, NULL));
    SHERD_TRY(cli->quiet ? SHERD_OK : list(vault, &listing));
    if (use_key_store)
        cli_warn(cli, "note: the vault opens only with this file and its password from now on: keep a copy, apart from "
                      "the vault");
    return SHERD_OK;
}

static enum sherd_err use_keyring(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    struct listing listing = {.cli = cli, .whole = true, .current = true};

    SHERD_TRY(cli_vault_open(cli, true, &vault));
    SHERD_TRY(sherd_protection_use_keyring(vault));
    return cli->quiet ? SHERD_OK : list(vault, &listing);
}

enum sherd_err cli_key_protection(struct cli *cli)
{
    const char *verb = cli->operand_count > 1 ? cli->operands[1] : "";

    SHERD_ENSURE(cli->given_count == 0, SHERD_ERR_INVALID, "`key protection` has no options of its own");
    if (strcmp(verb, "list") == 0 || strcmp(verb, "show") == 0)
        return show(cli, strcmp(verb, "show") == 0);
    if (cli->operand_count == 2 && strcmp(verb, "rotate") == 0)
        return rotate(cli, false);
    if (cli->operand_count == 2 && strcmp(verb, "use-key-store") == 0)
        return rotate(cli, true);
    if (cli->operand_count == 2 && strcmp(verb, "use-keyring") == 0)
        return use_keyring(cli);
    return sherd_fail(SHERD_ERR_INVALID,
                      "write `key protection` and one of list, show [VERSION], rotate, use-key-store, "
                      "use-keyring");
}

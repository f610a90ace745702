/* SPDX-License-Identifier: Apache-2.0 */
/* sherd entity: whose data there is, and its erasure. */
#include "cli/bundle.h"
#include "cli/commands.h"
#include "cli/json.h"

#include <inttypes.h>
#include <string.h>

enum { OPT_COLLECTION, OPT_RECEIPT };

static const struct cli_option options[] = {
    [OPT_COLLECTION] = {"collection", 0, "NAME", "only entities of this collection (list: all; else: default)"},
    [OPT_RECEIPT] = {"receipt", 0, "FILE", "erase: write a signed statement that the entity is gone"},
    {0},
};

struct listing {
    struct cli *cli;
    const char *id; /* only this one; NULL for all */
    uint64_t count;
};

static enum sherd_err visit_json(const struct listing *listing, const struct sherd_entity_info *info)
{
    return cli_json_print(listing->count > 1 ? ",\n " : "\n ",
                          json_pack("{s:s, s:o, s:I, s:b, s:s, s:I, s:I}", "collection", info->collection, "id",
                                    cli_json_bytes(sherd_span_str(info->id)), "key_version",
                                    (json_int_t)info->key_version, "derived", info->derived, "master_key",
                                    info->master_key, "master_version", (json_int_t)info->master_version, "epoch",
                                    (json_int_t)info->epoch),
                          "");
}

static enum sherd_err visit(void *arg, const struct sherd_entity_info *info)
{
    struct listing *listing = arg;

    if (listing->id != NULL && strcmp(listing->id, info->id) != 0)
        return SHERD_OK;
    listing->count++;
    if (listing->cli->json)
        return visit_json(listing, info);
    cli_print("%-16s key %" PRIu64 "%s under %s %" PRIu64 ", epoch %" PRIu64 "  ", info->collection, info->key_version,
              info->derived ? " derived" : "", info->master_key, info->master_version, info->epoch);
    cli_print_escaped(sherd_span_str(info->id[0] != 0 ? info->id : "(default)"));
    cli_print("\n");
    return SHERD_OK;
}

static enum sherd_err show(struct cli *cli, struct sherd_vault *vault)
{
    struct listing listing = {.cli = cli, .id = cli->operand_count > 1 ? cli->operands[1] : NULL};

    if (cli->json)
        cli_print("{\"entities\": [");
    SHERD_TRY(sherd_entity_each(vault, cli_value(cli, OPT_COLLECTION), visit, &listing));
    if (cli->json)
        cli_print("\n]}\n");
    if (listing.count == 0 && listing.id != NULL)
        return sherd_fail(SHERD_ERR_NOT_FOUND, "there is no such entity");
    return SHERD_OK;
}

static enum sherd_err erase(struct cli *cli, struct sherd_vault *vault)
{
    const struct sherd_receipt_request request = {.kind = SHERD_RECEIPT_ENTITY,
                                                  .collection = cli_value(cli, OPT_COLLECTION),
                                                  .entity = cli->operands[1]};

    SHERD_TRY(cli_receipt_check(cli_value(cli, OPT_RECEIPT)));
    SHERD_TRY(sherd_entity_erase(vault, cli_value(cli, OPT_COLLECTION), cli->operands[1]));
    SHERD_TRY(cli_receipt_write(vault, &request, cli_value(cli, OPT_RECEIPT)));
    if (cli->json)
        return cli_json_print("", json_pack("{s:b}", "erased", 1), "\n");
    if (!cli->quiet)
        cli_print("erased: its keys are destroyed; `sherd sweep` removes what is left of its records, and when the\n"
                  "erase epoch is rolled (`sherd epoch roll`) no copy of any file brings them back\n");
    return SHERD_OK;
}

static enum sherd_err run(struct cli *cli)
{
    SHERD_CLEANUP(cli_vault_closep) struct sherd_vault *vault = NULL;
    const char *verb = cli->operands[0];
    const bool lists = strcmp(verb, "list") == 0 && cli->operand_count == 1;
    const bool shows = strcmp(verb, "show") == 0 && cli->operand_count == 2;
    const bool erases = strcmp(verb, "erase") == 0 && cli->operand_count == 2;

    SHERD_ENSURE(lists || shows || erases, SHERD_ERR_INVALID,
                 "write `entity list`, `entity show ID` or `entity erase ID`");
    SHERD_TRY(cli_vault_open(cli, !erases, &vault));
    return erases ? erase(cli, vault) : show(cli, vault);
}

const struct cli_command cmd_entity = {
    .name = "entity",
    .operands = "list | show ID | erase ID",
    .summary = "list whose data there is, and erase all of it for one of them",
    .notes =
        "An entity is whose data a record is: `put --entity ID`. Each has a key of its own; erasing it destroys that\n"
        "key, and with it all of its records at once.",
    .options = options,
    .operand_min = 1,
    .operand_max = 2,
    .run = run,
};
